//! Payments that nobody reported on: their providers are asked.
//!
//! Two ways lead to a question. An order of a channel that the provider serves waits for its
//! money; or the provider itself has said that a payment is not decided (settling opens that
//! question in the commit that takes the report). An answer goes into the inbox like a pushed
//! message and is durable before its question is closed: if the process dies in between, it is
//! asked again, and the same answer is a duplicate.

use std::collections::HashMap;
use std::time::Duration;

use connectors::channel::CallContext;
use connectors::feedback::{PaymentQuestion, Payments, Queried};
use connectors::inbound::{NoticeBody, VerifiedWebhook};
use domain::code::{OrderCode, PaymentReference};
use domain::order::{Lifecycle, Order, OrderView};
use domain::payment::{PaymentFact, PaymentState, PaymentStatus};
use domain::snapshot::PaymentMethod;
use futures_util::{StreamExt, stream};

use crate::config::ChannelConfig;
use crate::gateway::Gateway;
use crate::pipeline::receive::prepare;
use crate::pipeline::{deliver, ingest, tokens};
use crate::store::Error;
use crate::store::inbox::order_code_of;
use crate::store::orders::{self, Key};
use crate::store::questions::{self, Opened, Question, Standing};

/// Orders looked at in one statement.
const PAGE: i64 = 500;

/// Questions of one channel in one turn.
const BATCH: i64 = 40;

/// Questions of one channel under way at once; its gate holds them to its rate.
const AT_ONCE: usize = 4;

/// The pause after the first question, milliseconds; it doubles with every further one.
const FIRST_PAUSE_MS: i64 = 60_000;

/// The longest pause between two questions, milliseconds.
const LONGEST_PAUSE_MS: i64 = 3_600_000;

/// What a provider's "no such payment" is kept as.
const NEVER_BEGUN: &str = "the provider does not know it";

/// Asks providers.
#[derive(Debug, Default)]
pub struct Keeper {
    /// Orders that were looked at, by the version that was: most of them are paid at the door.
    seen: HashMap<String, i64>,
}

impl super::Keeper for Keeper {
    const ROLE: &'static str = "payment-questions";
    const EVERY: Duration = Duration::from_secs(30);
    const LEASE_MS: i64 = 300_000;

    async fn turn(&mut self, gateway: &Gateway) -> Result<(), Error> {
        Self::turn(self, gateway).await
    }
}

impl Keeper {
    /// Opens the questions that have become due, and asks.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn turn(&mut self, gateway: &Gateway) -> Result<(), Error> {
        let mut waiting = HashMap::new();
        for channel in gateway.config.channels.iter().filter(|c| c.enabled) {
            let Some(payments) = channel.channel.payments() else {
                continue;
            };
            self.open(gateway, channel, payments, &mut waiting).await?;
            ask_due(gateway, channel, payments).await?;
            if gateway.shutdown.is_triggered() {
                return Ok(());
            }
        }
        self.seen = waiting;
        Ok(())
    }

    /// Opens a question for every order that waits for its money and was not looked at as it is.
    async fn open(
        &self,
        gateway: &Gateway,
        channel: &ChannelConfig,
        payments: &dyn Payments,
        waiting: &mut HashMap<String, i64>,
    ) -> Result<(), Error> {
        let now = gateway.now_ms();
        let ago = |seconds: i64| now.saturating_sub(seconds.saturating_mul(1000));
        let window = (ago(payments.give_up_after_s()), ago(payments.ask_after_s()));
        for served in &channel.serves {
            let mut after = (window.0 - 1, String::new());
            loop {
                let page =
                    questions::awaiting(&gateway.db, served, window, (after.0, &after.1), PAGE)
                        .await?;
                let mut opened = Vec::new();
                for order in &page {
                    // Several providers may serve one channel.
                    let mark = format!("{}/{}", channel.id, order.id);
                    if self.seen.get(&mark) != Some(&order.version)
                        && let Some(stored) = orders::get(&gateway.db, Key::Id(&order.id)).await?
                        && let Some(reference) = to_ask_about(&stored.order)
                    {
                        opened.push(Opened {
                            channel: channel.id.clone(),
                            reference: reference.to_string(),
                            next_at: now,
                        });
                    }
                    waiting.insert(mark, order.version);
                }
                questions::open(&gateway.db, now, &opened).await?;
                let Some(last) = page.last().filter(|_| page.len() >= full_page()) else {
                    break;
                };
                after = (last.placed_at, last.id.clone());
            }
        }
        Ok(())
    }
}

fn full_page() -> usize {
    usize::try_from(PAGE).unwrap_or(usize::MAX)
}

/// The payment that nobody has reported on: the first, or the one after the last that failed. None
/// where one is under way that the provider has told of: that one has its question already.
pub(crate) fn to_ask_about(order: &Order) -> Option<PaymentReference> {
    if !waits(&order.view()) {
        return None;
    }
    let mut last = 0;
    for fact in order.payment_facts() {
        if is_open(fact.state) {
            return None;
        }
        let attempt = fact
            .reference
            .parse::<PaymentReference>()
            .map_or(0, |reference| reference.attempt);
        last = attempt.max(last);
    }
    let code: &OrderCode = order.code();
    Some(code.payment_reference(last.saturating_add(1)))
}

/// Whether an order still waits for money that comes through a provider.
fn waits(order: &OrderView) -> bool {
    let is_online = match order.payment.method {
        Some(
            PaymentMethod::Prepaid
            | PaymentMethod::BankTransfer
            | PaymentMethod::Card
            | PaymentMethod::Wallet
            | PaymentMethod::Installment,
        ) => true,
        Some(PaymentMethod::Cod) | None => false,
    };
    is_online && is_unpaid(order)
}

fn is_unpaid(order: &OrderView) -> bool {
    let is_alive = match order.lifecycle {
        Lifecycle::Pending | Lifecycle::Open | Lifecycle::OnHold => true,
        Lifecycle::Draft | Lifecycle::Closed | Lifecycle::Cancelled => false,
    };
    let lacks_money = match order.payment.status {
        PaymentStatus::Unpaid
        | PaymentStatus::Authorized
        | PaymentStatus::PartiallyPaid
        | PaymentStatus::Failed => true,
        PaymentStatus::Paid
        | PaymentStatus::PartiallyRefunded
        | PaymentStatus::Refunded
        | PaymentStatus::CodPending
        | PaymentStatus::CodRemitted => false,
    };
    is_alive && lacks_money
}

/// The provider has begun with it and not decided.
pub(crate) fn is_open(state: PaymentState) -> bool {
    match state {
        PaymentState::Pending | PaymentState::Authorized => true,
        PaymentState::Failed
        | PaymentState::Paid
        | PaymentState::Suspect
        | PaymentState::Refunded => false,
    }
}

async fn ask_due(
    gateway: &Gateway,
    channel: &ChannelConfig,
    payments: &dyn Payments,
) -> Result<(), Error> {
    let due = questions::due(&gateway.db, &channel.id, gateway.now_ms(), BATCH).await?;
    let mut answers = stream::iter(due)
        .map(|question| async move {
            let standing = look(gateway, channel, payments, &question).await?;
            let now = gateway.now_ms();
            questions::put(
                &gateway.db,
                &channel.id,
                &question.reference,
                &standing,
                now,
            )
            .await
        })
        .buffer_unordered(AT_ONCE);
    while let Some(done) = answers.next().await {
        done?;
    }
    Ok(())
}

fn closed(state: &'static str, detail: Option<String>) -> Standing {
    Standing {
        state,
        asked: 0,
        next_at: 0,
        detail,
        failing_since: None,
    }
}

/// Looks whether there is still something to ask, and asks.
async fn look(
    gateway: &Gateway,
    channel: &ChannelConfig,
    payments: &dyn Payments,
    question: &Question,
) -> Result<Standing, Error> {
    let code = order_code_of(&question.reference);
    let Some(stored) = orders::get(&gateway.db, Key::Code(code)).await? else {
        return Ok(closed(
            "given_up",
            Some("no order has this code".to_owned()),
        ));
    };
    let order = &stored.order;
    let view = order.view();
    let fact = order
        .payment_facts()
        .filter(|fact| fact.reference == question.reference && fact.provider == channel.id)
        .max_by_key(|fact| (is_open(fact.state), fact.at));
    if !is_unpaid(&view) || fact.is_some_and(|fact| !is_open(fact.state)) {
        return Ok(closed("answered", None));
    }
    let begun_ms = stored.placed_at;
    let age_ms = gateway.now_ms().saturating_sub(begun_ms);
    let expired = age_ms > payments.give_up_after_s().saturating_mul(1000);
    if expired && question.asked > 0 {
        return Ok(given_up(question, fact));
    }
    let nonce = gateway.lease_token();
    let asked = PaymentQuestion {
        reference: &question.reference,
        transaction: fact.map(|fact| fact.transaction.as_str()),
        begun_at: deliver::at(begun_ms),
        nonce: &nonce,
    };
    Ok(after(
        gateway,
        question,
        ask(gateway, channel, payments, asked).await,
    ))
}

/// The provider has given the payment up by now.
fn given_up(question: &Question, fact: Option<&PaymentFact>) -> Standing {
    let never_begun = fact.is_none()
        && question.failing_since.is_none()
        && question.detail.as_deref() == Some(NEVER_BEGUN);
    let state = if never_begun { "unknown" } else { "given_up" };
    closed(state, question.detail.clone())
}

/// What asking brought.
enum Answer {
    /// It is decided, and the answer is in the inbox.
    Decided,
    /// It is not decided; what was said, if anything.
    Open(Option<String>),
    /// It could not be asked.
    Failed {
        after_s: Option<u64>,
        reason: String,
    },
}

fn failed(reason: impl Into<String>) -> Answer {
    Answer::Failed {
        after_s: None,
        reason: reason.into(),
    }
}

fn after(gateway: &Gateway, question: &Question, answer: Answer) -> Standing {
    let now = gateway.now_ms();
    let doublings = question.asked.clamp(0, 16);
    let backoff = (FIRST_PAUSE_MS << doublings).min(LONGEST_PAUSE_MS);
    let open = |pause: i64, detail, failing_since| Standing {
        state: "open",
        asked: 1,
        next_at: now.saturating_add(pause),
        detail,
        failing_since,
    };
    match answer {
        Answer::Decided => Standing {
            asked: 1,
            ..closed("answered", None)
        },
        Answer::Open(detail) => open(backoff, detail, None),
        Answer::Failed { after_s, reason } => {
            let wanted = i64::try_from(after_s.unwrap_or(0)).unwrap_or(0);
            let pause = backoff.max(wanted.saturating_mul(1000).min(LONGEST_PAUSE_MS));
            let since = question.failing_since.unwrap_or(now);
            open(pause, Some(reason), Some(since))
        }
    }
}

/// What a provider says of a payment.
pub(crate) enum Said {
    /// It is known: a message for the inbox.
    Message(VerifiedWebhook),
    /// It is known and not decided.
    Pending,
    /// It was never begun.
    Unknown,
    /// It could not be asked.
    Failed {
        /// The provider's lower bound for the next try, seconds.
        after_s: Option<u64>,
        /// Why.
        reason: String,
    },
}

async fn ask(
    gateway: &Gateway,
    channel: &ChannelConfig,
    payments: &dyn Payments,
    question: PaymentQuestion<'_>,
) -> Answer {
    match query(gateway, channel, payments, question).await {
        Said::Message(message) => keep(gateway, channel, &message).await,
        Said::Pending => Answer::Open(None),
        Said::Unknown => Answer::Open(Some(NEVER_BEGUN.to_owned())),
        Said::Failed { after_s, reason } => Answer::Failed { after_s, reason },
    }
}

/// Asks a provider, with a fresh token if the one in force is refused.
pub(crate) async fn query(
    gateway: &Gateway,
    channel: &ChannelConfig,
    payments: &dyn Payments,
    mut question: PaymentQuestion<'_>,
) -> Said {
    let failed = |reason: String| Said::Failed {
        after_s: None,
        reason,
    };
    let mut access = match tokens::access(gateway, channel).await {
        Ok(access) => access,
        Err(error) => return failed(error.to_string()),
    };
    let mut renewed = false;
    loop {
        let context = CallContext {
            now: gateway.clock.now(),
            access_token: access.as_ref().map(tokens::Access::token),
        };
        let request = payments.query(question, context);
        let response = match ingest::send(gateway, channel, request).await {
            Ok(response) => response,
            Err((after_s, reason)) => return Said::Failed { after_s, reason },
        };
        return match payments.read_query(question, &response) {
            Ok(Queried::Message(message)) => Said::Message(message),
            Ok(Queried::Pending) => Said::Pending,
            Ok(Queried::Unknown) => {
                let now = gateway.clock.now();
                if let Some(begun_at) = payments.next_begun_at(question.begun_at, now) {
                    question.begun_at = begun_at;
                    continue;
                }
                Said::Unknown
            }
            Ok(Queried::TokenExpired) if !renewed => {
                renewed = true;
                access = match tokens::renew(gateway, channel, access.as_ref()).await {
                    Ok(access) => Some(access),
                    Err(error) => return failed(error.to_string()),
                };
                continue;
            }
            Ok(Queried::TokenExpired) => failed("the access token is expired".to_owned()),
            Ok(Queried::Retry { after_s, reason }) => Said::Failed { after_s, reason },
            Ok(Queried::Account { reason }) => {
                tracing::error!(
                    channel = channel.id,
                    reason,
                    "a payment provider refuses our account"
                );
                failed(reason)
            }
            Err(error) => failed(error.to_string()),
        };
    }
}

/// Puts the answer into the inbox.
async fn keep(gateway: &Gateway, channel: &ChannelConfig, message: &VerifiedWebhook) -> Answer {
    let language = &*channel.channel;
    let incoming = prepare(
        &channel.id,
        language,
        message,
        &gateway.keys,
        gateway.now_ms(),
    );
    if gateway.receiver.store(incoming).await.is_err() {
        return failed("the answer could not be stored");
    }
    // One that cannot be read is in the inbox as a dead notice: asking again brings the same.
    let undecided = language.parse(message).is_ok_and(|notices| {
        notices.iter().any(
            |notice| matches!(&notice.body, NoticeBody::Payment(payment) if is_open(payment.state)),
        )
    });
    if undecided {
        Answer::Open(None)
    } else {
        Answer::Decided
    }
}
