//! Providers that have no list of payments: every payment of our own orders is asked about, and
//! compared with what was reported.

use std::collections::BTreeSet;

use connectors::channel::PollWindow;
use connectors::feedback::{PaymentQuestion, Payments};
use connectors::inbound::{NoticeBody, PaymentNotice, VerifiedWebhook};
use domain::order::Order;
use domain::payment::{PaymentFact, PaymentState};
use serde_json::json;

use super::{Error, Finding, FindingKind, Mode, Report, TRIES, asking, pause, take};
use crate::config::ChannelConfig;
use crate::gateway::Gateway;
use crate::pipeline::deliver;
use crate::pipeline::keepers::payments::{Said, query, to_ask_about};
use crate::pipeline::replay::Change;
use crate::store::orders::{self, Key};
use crate::store::questions;

/// Orders looked at in one statement.
const PAGE: i64 = 500;

/// Compares the payments of orders that were placed in a span of time.
pub(super) async fn run(
    gateway: &Gateway,
    channel: &ChannelConfig,
    payments: &dyn Payments,
    span: &PollWindow,
    mode: Mode,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Report, Error> {
    let mut report = Report::default();
    let window = (span.from.as_millisecond(), span.to.as_millisecond());
    for served in &channel.serves {
        let mut after = (i64::MIN, String::new());
        loop {
            let at = (after.0, after.1.as_str());
            let page = questions::placed(&gateway.db, served, window, at, PAGE).await?;
            for row in &page {
                let Some(stored) = orders::get(&gateway.db, Key::Id(&row.id)).await? else {
                    continue;
                };
                for reference in references(&stored.order, &channel.id) {
                    let about = About {
                        order: &stored.order,
                        reference,
                        placed_at: row.placed_at,
                    };
                    compare(gateway, channel, payments, &about, mode, &mut report).await?;
                }
                progress(report.listed);
            }
            let Some(last) = page
                .last()
                .filter(|_| i64::try_from(page.len()) == Ok(PAGE))
            else {
                break;
            };
            after = (last.placed_at, last.id.clone());
        }
    }
    Ok(report)
}

/// The payments that the provider may know: those that it has told of, and the next that a buyer
/// may have begun.
fn references(order: &Order, provider: &str) -> BTreeSet<String> {
    let told = order
        .payment_facts()
        .filter(|fact| fact.provider == provider);
    let next = to_ask_about(order).map(|reference| reference.to_string());
    told.map(|fact| fact.reference.clone())
        .chain(next)
        .collect()
}

struct About<'o> {
    order: &'o Order,
    reference: String,
    placed_at: i64,
}

async fn compare(
    gateway: &Gateway,
    channel: &ChannelConfig,
    payments: &dyn Payments,
    about: &About<'_>,
    mode: Mode,
    report: &mut Report,
) -> Result<(), Error> {
    let ours: Vec<&PaymentFact> = about
        .order
        .payment_facts()
        .filter(|fact| fact.provider == channel.id && fact.reference == about.reference)
        .collect();
    report.listed += 1;
    let (kind, message) = match asked(gateway, channel, payments, about, &ours).await? {
        Said::Message(message) => {
            let kind = match payment_of(channel, &message) {
                Ok(said) => differs(&ours, &said),
                Err(reason) => Some(FindingKind::Unreadable(reason)),
            };
            (kind, Some(message))
        }
        Said::Pending => (not_so(&ours, "pending"), None),
        Said::Unknown => (not_so(&ours, "unknown to the provider"), None),
        Said::Failed { reason, .. } => return Err(asking(channel, &reason)),
    };
    let Some(kind) = kind else {
        report.same += 1;
        return Ok(());
    };
    let taken = match &message {
        Some(message) if mode == Mode::Take && !matches!(kind, FindingKind::Unreadable(_)) => {
            take(gateway, channel, message).await?
        }
        Some(_) | None => false,
    };
    report.findings.push(Finding {
        id: about.reference.clone(),
        kind,
        taken,
    });
    Ok(())
}

async fn asked(
    gateway: &Gateway,
    channel: &ChannelConfig,
    payments: &dyn Payments,
    about: &About<'_>,
    ours: &[&PaymentFact],
) -> Result<Said, Error> {
    let mut last = String::new();
    for attempt in 0..TRIES {
        let nonce = gateway.lease_token();
        let question = PaymentQuestion {
            reference: &about.reference,
            transaction: ours.first().map(|fact| fact.transaction.as_str()),
            begun_at: deliver::at(about.placed_at),
            nonce: &nonce,
        };
        match query(gateway, channel, payments, question).await {
            Said::Failed { after_s, reason } => {
                pause(attempt, after_s).await;
                last = reason;
            }
            said => return Ok(said),
        }
    }
    Err(asking(channel, &last))
}

fn payment_of(channel: &ChannelConfig, message: &VerifiedWebhook) -> Result<PaymentNotice, String> {
    let notices = channel.channel.parse(message);
    let notices = notices.map_err(|error| error.to_string())?;
    let payment = notices.into_iter().find_map(|notice| match notice.body {
        NoticeBody::Payment(payment) => Some(payment),
        _ => None,
    });
    payment.ok_or_else(|| "the answer is not about a payment".to_owned())
}

/// How the provider's word differs from what was reported; `None` where it does not, or where
/// nobody has any money.
fn differs(ours: &[&PaymentFact], said: &PaymentNotice) -> Option<FindingKind> {
    // What is paid and not what was to be paid counts as suspect with us.
    let is_same = |state: PaymentState| {
        state == said.state || (state == PaymentState::Suspect && said.state == PaymentState::Paid)
    };
    let of_transaction = |fact: &&&PaymentFact| fact.transaction == said.transaction;
    let mut known = ours.iter().filter(of_transaction);
    if known
        .clone()
        .any(|fact| is_same(fact.state) && fact.amount == said.amount)
    {
        return None;
    }
    let Some(fact) = known.next() else {
        let has_money = matches!(said.state, PaymentState::Paid | PaymentState::Refunded);
        return has_money.then_some(FindingKind::Missing);
    };
    let mut changes = Vec::new();
    if !is_same(fact.state) {
        changes.push(Change {
            field: "state".to_owned(),
            from: json!(fact.state),
            to: json!(said.state),
        });
    }
    if fact.amount != said.amount {
        changes.push(Change {
            field: "amount".to_owned(),
            from: json!(fact.amount),
            to: json!(said.amount),
        });
    }
    Some(FindingKind::Differs(changes))
}

/// The provider has no money of this payment: wrong if we count it as paid.
fn not_so(ours: &[&PaymentFact], word: &str) -> Option<FindingKind> {
    let paid = ours
        .iter()
        .find(|fact| matches!(fact.state, PaymentState::Paid | PaymentState::Suspect))?;
    Some(FindingKind::Differs(vec![Change {
        field: "state".to_owned(),
        from: json!(paid.state),
        to: json!(word),
    }]))
}
