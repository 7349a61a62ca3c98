//! Ingest: lease notices, read their messages, fetch what they only hint at, and hand the result
//! to settling.
//!
//! No transaction is open while a vendor is asked. If the process dies here, the leases expire
//! and another worker repeats; nothing has been written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use connectors::channel::{self, CallContext, Fetched, gone};
use connectors::inbound::{Inbound, NoticeBody, OrderDocument, PaymentNotice, Source};
use domain::payment::PaymentFact;
use domain::snapshot::Snapshot;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::bells::News;
use crate::config::ChannelConfig;
use crate::crash;
use crate::gateway::Gateway;
use crate::outbound::{GateKey, limits};
use crate::outbound::{SendError, SendOptions};
use crate::pipeline::settle::{Input, NoticeInput, Prepared};
use crate::pipeline::{deliver, envelope, tokens};
use crate::store::Error;
use crate::store::notices::{self, LeasedNotice, NoticeEnd, StoredMessage};

/// A fetched document may lag behind the push that announced it; so often it is fetched again
/// before it is taken as it is.
const LAGGING_FETCHES: i64 = 5;

/// A fetch that the vendor puts off is tried for so long before the notice is dead, milliseconds:
/// as long as a task is tried by default.
const FETCH_FOR_MS: i64 = 86_400_000;

/// A fetch that must wait for a person looks again after this, milliseconds.
const PERSON_PAUSE_MS: i64 = 10_000;

/// The fetches of one channel. Each channel has its own: one that stalls holds up nobody else.
#[derive(Debug)]
struct Fetches {
    /// Calls that may be under way at once.
    slots: Semaphore,
    /// Notices that have a slot or wait for one.
    queued: AtomicUsize,
    most: usize,
}

impl Fetches {
    fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            slots: Semaphore::new(most),
            queued: AtomicUsize::new(0),
            most,
        })
    }

    fn is_full(&self) -> bool {
        self.queued.load(Ordering::Acquire) >= self.most
    }
}

/// One notice in a channel's queue of fetches.
struct Queued {
    fetches: Arc<Fetches>,
    gateway: Arc<Gateway>,
}

impl Queued {
    fn new(fetches: &Arc<Fetches>, gateway: &Arc<Gateway>) -> Self {
        fetches.queued.fetch_add(1, Ordering::AcqRel);
        Self {
            fetches: Arc::clone(fetches),
            gateway: Arc::clone(gateway),
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        // The channel was left out of the last leases; now there is room for its notices again.
        if self.fetches.queued.fetch_sub(1, Ordering::AcqRel) == self.fetches.most {
            self.gateway.bells.ring_here(News::Inbox);
        }
    }
}

/// What may be under way at once.
struct Room {
    /// Notices between their lease and their end, without those that are being fetched.
    settling: Arc<Semaphore>,
    fetches: BTreeMap<String, Arc<Fetches>>,
}

impl Room {
    fn new(gateway: &Gateway) -> Self {
        let work = &gateway.config.work;
        let fetches = gateway.config.channels.iter().map(|channel| {
            let most = Fetches::new(work.fetch_concurrency.max(1));
            (channel.id.clone(), most)
        });
        Self {
            settling: Arc::new(Semaphore::new(work.settle_batch.saturating_mul(8).max(64))),
            fetches: fetches.collect(),
        }
    }

    fn full_channels(&self) -> Vec<&str> {
        self.fetches
            .iter()
            .filter(|(_, fetches)| fetches.is_full())
            .map(|(channel, _)| channel.as_str())
            .collect()
    }
}

/// Leases and prepares notices until shutdown.
pub async fn run(gateway: Arc<Gateway>) {
    let work = &gateway.config.work;
    let room = Room::new(&gateway);
    let idle = Duration::from_millis(work.idle_poll_ms);
    while !gateway.shutdown.is_triggered() {
        let free = room.settling.available_permits().min(work.settle_batch * 4);
        let leased = if free == 0 {
            0
        } else {
            lease(&gateway, free, &room).await
        };
        if leased > 0 && leased == free {
            continue;
        }
        let wait = if free == 0 {
            Duration::from_millis(2)
        } else {
            idle
        };
        tokio::select! {
            () = gateway.shutdown.triggered() => return,
            () = gateway.bells.heard(News::Inbox) => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn lease(gateway: &Arc<Gateway>, free: usize, room: &Room) -> usize {
    let now = gateway.now_ms();
    let lease_ms = i64::try_from(gateway.config.work.lease_s)
        .unwrap_or(60)
        .saturating_mul(1000);
    let token = gateway.lease_token();
    let limit = u32::try_from(free).unwrap_or(u32::MAX);
    let until = now + lease_ms;
    let full = room.full_channels();
    let leased = match notices::claim(&gateway.db, &token, now, until, limit, &full).await {
        Ok(leased) => leased,
        Err(error) => {
            tracing::error!(error = %crate::telemetry::chain(&error), "could not lease notices");
            return 0;
        }
    };
    if leased.is_empty() {
        return 0;
    }
    crash::point("ingest.after_lease");
    let mut seqs: Vec<i64> = leased.iter().map(|n| n.message_seq).collect();
    seqs.dedup();
    let messages = match notices::load(&gateway.db, &seqs).await {
        Ok(messages) => Arc::new(messages),
        Err(error) => {
            tracing::error!(error = %crate::telemetry::chain(&error), "could not load messages; their leases will expire");
            return 0;
        }
    };
    let count = leased.len();
    for notice in leased {
        let prepared = read(gateway, &notice, &messages);
        let is_polled = messages
            .get(&notice.message_seq)
            .is_some_and(|message| message.source() == Source::Poll);
        let input = move |what, connector: String, permit| {
            Input::Notice(Box::new(NoticeInput {
                message_seq: notice.message_seq,
                ordinal: notice.ordinal,
                token: notice.lease_token,
                channel: notice.channel,
                connector,
                attempts: notice.attempts,
                created_at: notice.created_at,
                is_polled,
                what,
                permit,
            }))
        };
        match prepared {
            Read::Ready(what, connector) => {
                let permit = Arc::clone(&room.settling)
                    .acquire_owned()
                    .await
                    .expect("the semaphore is never closed");
                let input = input(what, connector, Some(permit));
                gateway.settler.submit(input).await;
            }
            Read::Fetch(wanted) => {
                let gateway = Arc::clone(gateway);
                let fetches = &room.fetches[&wanted.channel.id];
                let place = Queued::new(fetches, &gateway);
                let tracker = gateway.shutdown.clone();
                tracker.spawn(async move {
                    let _slot = place
                        .fetches
                        .slots
                        .acquire()
                        .await
                        .expect("the semaphore is never closed");
                    // Others may have it by now, or will after the stop; asking the vendor twice
                    // helps nobody.
                    if gateway.now_ms() >= until || gateway.shutdown.is_triggered() {
                        return;
                    }
                    let connector = wanted.channel.connector.clone();
                    let what = fetch(&gateway, &wanted).await;
                    gateway.settler.submit(input(what, connector, None)).await;
                });
            }
        }
    }
    count
}

/// What reading a notice gave.
enum Read {
    Ready(Prepared, String),
    Fetch(Box<Wanted>),
}

/// Calls that one document may need; a connector that wants more is going in circles.
const MOST_PARTS: usize = 8;

/// What is to be fetched.
enum What {
    /// An order, by the channel's id.
    Order(String),
    /// Something that a notice only named.
    Subject(String),
}

/// Something that must be fetched.
struct Wanted {
    channel: ChannelConfig,
    what: What,
    revision: Option<Timestamp>,
    /// When its notice came; the same for every try.
    noticed_at: Timestamp,
    attempts: i64,
}

fn dead(reason: impl Into<String>) -> Prepared {
    Prepared::End(NoticeEnd::Dead {
        reason: reason.into(),
    })
}

fn read(gateway: &Gateway, notice: &LeasedNotice, messages: &HashMap<i64, StoredMessage>) -> Read {
    let connector = gateway
        .config
        .channel(&notice.channel)
        .map_or_else(String::new, |c| c.connector.clone());
    let ready = |what| Read::Ready(what, connector.clone());
    let Some(inbound) = gateway.inbound(&notice.channel) else {
        return ready(dead("its channel is not configured any more"));
    };
    if notice.fetch_only != 0 {
        let channel = gateway.config.channel(&notice.channel).cloned();
        return match (channel, &notice.key) {
            (Some(channel), Some(key)) => Read::Fetch(Box::new(Wanted {
                channel,
                what: What::Order(key.clone()),
                revision: None,
                noticed_at: deliver::at(notice.created_at),
                attempts: notice.attempts,
            })),
            _ => ready(dead("there is nothing to fetch")),
        };
    }
    let body = match parse(gateway, &*inbound, notice, messages) {
        Ok(body) => body,
        Err(reason) => return ready(dead(reason)),
    };
    let what = match body {
        NoticeBody::Order {
            external_id,
            revision,
            document,
        } => {
            let channel = gateway.config.channel(&notice.channel).cloned();
            return match document {
                // A vendor that does not sign is only believed in what we fetch ourselves.
                OrderDocument::Here(snapshot) if !inbound.weak() => {
                    ready(Prepared::Order(snapshot))
                }
                OrderDocument::Here(_) | OrderDocument::Fetch => match channel {
                    Some(channel) => Read::Fetch(Box::new(Wanted {
                        channel,
                        what: What::Order(external_id),
                        revision,
                        noticed_at: deliver::at(notice.created_at),
                        attempts: notice.attempts,
                    })),
                    None => ready(dead("an order can only be fetched from a channel")),
                },
            };
        }
        NoticeBody::Ask(question) => {
            return match gateway.config.channel(&notice.channel).cloned() {
                Some(channel) => Read::Fetch(Box::new(Wanted {
                    channel,
                    what: What::Subject(question.subject),
                    revision: None,
                    noticed_at: deliver::at(notice.created_at),
                    attempts: notice.attempts,
                })),
                None => ready(dead("only a channel can be asked")),
            };
        }
        said => prepared(said),
    };
    ready(what)
}

/// What a notice says, where nothing has to be fetched for it.
fn prepared(body: NoticeBody) -> Prepared {
    match body {
        NoticeBody::Payment(payment) => Prepared::Payment(payment),
        NoticeBody::Conversation(heard) | NoticeBody::Call(heard) => Prepared::Conversation(heard),
        NoticeBody::Fulfillment(event) => Prepared::Fulfillment(event),
        NoticeBody::Invoice(event) => Prepared::Invoice(event),
        NoticeBody::Service(event) => Prepared::Service(event),
        NoticeBody::Stock(count) => Prepared::Stock(count),
        NoticeBody::Rating(rating) => Prepared::Rating(rating),
        NoticeBody::Account(account) => Prepared::Account(account),
        NoticeBody::Ignored { reason } => Prepared::End(NoticeEnd::Ignored { reason }),
        NoticeBody::Order {
            document: OrderDocument::Here(snapshot),
            ..
        } => Prepared::Order(snapshot),
        // An answer that only asks again would go in circles.
        NoticeBody::Order {
            document: OrderDocument::Fetch,
            ..
        }
        | NoticeBody::Ask(_) => dead("the channel's answer names something else to fetch"),
    }
}

/// Parses the notice's message again: parsing is pure, so the same notice comes out at the same
/// place.
fn parse(
    gateway: &Gateway,
    inbound: &dyn Inbound,
    notice: &LeasedNotice,
    messages: &HashMap<i64, StoredMessage>,
) -> Result<NoticeBody, String> {
    let stored = messages
        .get(&notice.message_seq)
        .ok_or("its message is gone")?;
    let message = envelope::open(&gateway.keys, stored).map_err(|e| e.to_string())?;
    let mut notices = inbound.parse(&message).map_err(|e| e.to_string())?;
    let place = usize::try_from(notice.ordinal - notice.replay_base)
        .ok()
        .filter(|n| *n < notices.len())
        .ok_or("the connector does not find it in the message any more")?;
    Ok(notices.swap_remove(place).body)
}

/// The payment that a notice tells of, read again from its message; else why there is none.
pub(crate) async fn payment_of(
    gateway: &Gateway,
    notice: &LeasedNotice,
) -> Result<Result<PaymentFact, String>, Error> {
    let messages = notices::load(&gateway.db, &[notice.message_seq]).await?;
    let Some(inbound) = gateway.inbound(&notice.channel) else {
        return Ok(Err("its channel is not configured any more".to_owned()));
    };
    let said = match parse(gateway, &*inbound, notice, &messages) {
        // The message only named it: the provider tells the rest.
        Ok(NoticeBody::Ask(question)) => asked(gateway, notice, &question.subject).await,
        said => said,
    };
    Ok(match said {
        Ok(NoticeBody::Payment(payment)) => Ok(payment_fact(&notice.channel, &payment)),
        Ok(_) => Err("it tells of no payment; replay its message instead".to_owned()),
        Err(reason) => Err(reason),
    })
}

/// What a channel says of a subject that a message named.
async fn asked(
    gateway: &Gateway,
    notice: &LeasedNotice,
    subject: &str,
) -> Result<NoticeBody, String> {
    let channel = gateway
        .config
        .channel(&notice.channel)
        .ok_or("only a channel can be asked")?;
    let wanted = channel::Wanted::Subject(subject);
    match ask(gateway, channel, wanted).await {
        Ok(Fetched::Document(document)) => channel
            .channel
            .answered(subject, &document)
            .map_err(|error| error.to_string()),
        Ok(_) | Err(_) => Err("the channel does not tell of it now".to_owned()),
    }
}

/// What a payment notice of a channel says, as a fact of its order.
pub(super) fn payment_fact(channel: &str, payment: &PaymentNotice) -> PaymentFact {
    PaymentFact {
        reference: payment.reference.clone(),
        transaction: payment.transaction.clone(),
        amount: payment.amount,
        state: payment.state,
        at: payment.at,
        provider_code: payment.provider_code.clone(),
        provider: channel.to_owned(),
    }
}

async fn fetch(gateway: &Gateway, wanted: &Wanted) -> Prepared {
    let fetched = match call(gateway, wanted).await {
        Ok(fetched) => fetched,
        Err(later) => return later,
    };
    match fetched {
        Fetched::Document(document) => match &wanted.what {
            What::Order(_) => match wanted.channel.channel.normalize(&document) {
                Ok(snapshot) => accept(gateway, wanted, snapshot),
                Err(error) => dead(error.to_string()),
            },
            What::Subject(subject) => match wanted.channel.channel.answered(subject, &document) {
                Ok(body) => prepared(body),
                Err(error) => dead(error.to_string()),
            },
        },
        Fetched::Part(_) => dead("the channel's answers never come to an end"),
        Fetched::Gone => match &wanted.what {
            What::Order(id) => Prepared::Order(Box::new(gone(id, wanted.noticed_at))),
            What::Subject(_) => dead("the channel has it no more"),
        },
        Fetched::NotFound => {
            let longest = i64::try_from(gateway.config.orders.unknown_order_wait_s)
                .unwrap_or(0)
                .saturating_mul(1000);
            if gateway.now_ms() - wanted.noticed_at.as_millisecond() > longest {
                dead("the channel does not know it")
            } else {
                put_off(gateway, wanted, None, "the channel does not know it yet")
            }
        }
        Fetched::TokenExpired => put_off(gateway, wanted, None, "the access token is expired"),
        Fetched::Retry { after_s, reason } => put_off(gateway, wanted, after_s, &reason),
        Fetched::Refused { reason } => dead(reason),
        Fetched::Account { reason } => {
            tracing::error!(
                channel = wanted.channel.id,
                reason,
                "a channel refuses our account"
            );
            put_off(gateway, wanted, Some(60), &reason)
        }
    }
}

/// Takes a fetched document unless it is older than the push that announced it: then the
/// channel's own reading side lags, and a moment later it will not.
fn accept(gateway: &Gateway, wanted: &Wanted, snapshot: Snapshot) -> Prepared {
    let lags = wanted
        .revision
        .is_some_and(|revision| snapshot.revised_at < revision);
    if lags && wanted.attempts < LAGGING_FETCHES {
        return put_off(
            gateway,
            wanted,
            None,
            "the fetched document is older than the push",
        );
    }
    Prepared::Order(Box::new(snapshot))
}

fn put_off(gateway: &Gateway, wanted: &Wanted, after_s: Option<u64>, reason: &str) -> Prepared {
    if gateway.now_ms() - wanted.noticed_at.as_millisecond() > FETCH_FOR_MS {
        return dead(format!("could not be fetched: {reason}"));
    }
    let backoff = 250_i64 << wanted.attempts.clamp(0, 8);
    let asked = i64::try_from(after_s.unwrap_or(0).min(3600)).unwrap_or(3600) * 1000;
    let jitter = fastrand::i64(0..=backoff / 2);
    Prepared::End(NoticeEnd::Later {
        not_before: gateway.now_ms() + backoff.max(asked) + jitter,
        reason: reason.to_owned(),
    })
}

/// No access token now. Until a person has authorised the account again nothing can be fetched,
/// and nothing is given up.
fn without_token(gateway: &Gateway, wanted: &Wanted, error: &tokens::Error) -> Prepared {
    match error {
        tokens::Error::Reauthorize { .. } | tokens::Error::NoTokens(_) => {
            Prepared::End(NoticeEnd::Later {
                not_before: gateway.now_ms() + PERSON_PAUSE_MS,
                reason: error.to_string(),
            })
        }
        tokens::Error::Later { .. } => put_off(gateway, wanted, None, &error.to_string()),
    }
}

/// Why a channel could not be asked now.
#[derive(Debug)]
pub(super) enum NotAsked {
    /// No access token.
    Token(tokens::Error),
    /// The call did not come through; the channel may say how long to wait.
    Call {
        after_s: Option<u64>,
        reason: String,
    },
    /// The connector has no such question.
    Unable(&'static str),
}

async fn call(gateway: &Gateway, wanted: &Wanted) -> Result<Fetched, Prepared> {
    let what = match &wanted.what {
        What::Order(id) => channel::Wanted::Order(id),
        What::Subject(subject) => channel::Wanted::Subject(subject),
    };
    ask(gateway, &wanted.channel, what)
        .await
        .map_err(|error| match error {
            NotAsked::Token(error) => without_token(gateway, wanted, &error),
            NotAsked::Call { after_s, reason } => put_off(gateway, wanted, after_s, &reason),
            NotAsked::Unable(reason) => dead(reason),
        })
}

/// Asks the channel call by call until the document is whole, with one fresh token if the one in
/// force is refused. Never [`Fetched::Part`], unless the calls have no end.
pub(super) async fn ask(
    gateway: &Gateway,
    channel: &ChannelConfig,
    what: channel::Wanted<'_>,
) -> Result<Fetched, NotAsked> {
    go_on(gateway, channel, what, Vec::new()).await
}

/// The same, where the first answers are there already.
pub(super) async fn go_on(
    gateway: &Gateway,
    channel: &ChannelConfig,
    what: channel::Wanted<'_>,
    mut parts: Vec<bytes::Bytes>,
) -> Result<Fetched, NotAsked> {
    let mut token = tokens::access(gateway, channel)
        .await
        .map_err(NotAsked::Token)?;
    let mut renewed = false;
    loop {
        let access = token.as_ref().map(tokens::Access::token);
        match ask_once(gateway, channel, what, &parts, access).await? {
            Fetched::TokenExpired if !renewed => {
                let fresh = tokens::renew(gateway, channel, token.as_ref())
                    .await
                    .map_err(NotAsked::Token)?;
                token = Some(fresh);
                renewed = true;
            }
            Fetched::Part(part) if parts.len() < MOST_PARTS => parts.push(part),
            fetched => return Ok(fetched),
        }
    }
}

async fn ask_once(
    gateway: &Gateway,
    channel: &ChannelConfig,
    what: channel::Wanted<'_>,
    parts: &[bytes::Bytes],
    token: Option<&secrecy::SecretString>,
) -> Result<Fetched, NotAsked> {
    let context = CallContext {
        now: gateway.clock.now(),
        access_token: token,
    };
    let request = channel
        .channel
        .fetch(what, parts, context)
        .ok_or(NotAsked::Unable(match what {
            channel::Wanted::Order(_) => "this channel cannot be asked for an order",
            channel::Wanted::Subject(_) => {
                "this channel cannot be asked for it; see its settings for the calls that it needs"
            }
        }))?;
    let response = send(gateway, channel, request)
        .await
        .map_err(|(after_s, reason)| NotAsked::Call { after_s, reason })?;
    Ok(channel.channel.read_fetch(what, parts, &response))
}

/// One call to a channel through its gate; an error says how long to wait at least, and why.
pub(super) async fn send(
    gateway: &Gateway,
    channel: &ChannelConfig,
    request: http::Request<bytes::Bytes>,
) -> Result<http::Response<bytes::Bytes>, (Option<u64>, String)> {
    let gate = gateway
        .gates
        .get(&GateKey::owner(&channel.id))
        .ok_or((None, "the channel has no gate".to_owned()))?;
    let permit = loop {
        match gate.permit() {
            Ok(permit) => break permit,
            Err(wait) => match wait.retry_in {
                // A short wait for the rate is cheaper here than another lease.
                Some(pause) if pause <= Duration::from_secs(2) => tokio::time::sleep(pause).await,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
                Some(pause) => return Err((Some(pause.as_secs()), wait.to_string())),
            },
        }
    };
    let options = SendOptions {
        timeout: Duration::from_millis(channel.calls.timeout_ms),
        internal: channel.calls.internal,
        ..SendOptions::default()
    };
    match gateway.client.send(request, &options).await {
        Ok(response) => {
            permit.report(deliver::health(&response));
            Ok(response)
        }
        Err(error) => {
            if let Some(outcome) = limits::Outcome::of_failure(&error) {
                permit.report(outcome);
            }
            let after_s = match &error {
                SendError::NotSent(_) | SendError::Unknown(_) => None,
            };
            Err((after_s, error.to_string()))
        }
    }
}
