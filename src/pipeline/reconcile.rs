//! Reconcile: asks a channel for everything that changed in a span of time, compares it with what
//! is stored, and takes what is missing or differs into the same inbox.
//!
//! It does what polling does, but over any span and with a comparison order by order, so that
//! somebody can see what was lost. Looking changes nothing. Taking stores the channel's own
//! documents as messages; a running gateway settles them like any other.

mod payments;

use std::collections::{BTreeMap, HashMap};

use connectors::channel::{Batches, CallContext, Fetched, PollWindow, Polled, Polling, Wanted};
use connectors::inbound::{NoticeBody, OrderDocument, VerifiedWebhook};
use domain::snapshot::Snapshot;
use futures_util::StreamExt;
use futures_util::stream;
use jiff::Timestamp;

use super::replay::{self, Change};
use super::{deliver, ingest, receive, tokens};
use crate::config::ChannelConfig;
use crate::gateway::Gateway;
use crate::store::inbox::{self, ReceiptOutcome};
use crate::store::{self, messages, replays};

/// Documents fetched at once; the channel's gate holds them to its rate.
const FETCHES: usize = 16;

/// Things compared together, where the vendor's batches do not say how many.
const BATCH: usize = 50;

/// Batches under way at once: the next is asked for while one is compared.
const BATCHES: usize = 2;

/// Tries of one call that does not come through, before the reconciliation ends.
const TRIES: u32 = 8;

/// As whom the audit log names it.
const ACTOR: &str = "reconcile";

/// Why a channel could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It has no list of orders or transactions.
    #[error("channel {0} cannot be asked what changed; see `kenh channels`")]
    NoList(String),
    /// The channel does not answer usefully.
    #[error("could not ask channel {channel}: {reason}")]
    Asking {
        /// Channel.
        channel: String,
        /// Why.
        reason: String,
    },
    /// The database.
    #[error("could not compare with what is stored")]
    Store(#[from] store::Error),
}

/// Whether to change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only compare.
    Look,
    /// Take what is missing or differs into the inbox.
    Take,
}

/// One order or transaction that is not as the channel has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The channel's id of the order, or the transaction's key.
    pub id: String,
    /// How it differs.
    pub kind: FindingKind,
    /// A message for it was stored.
    pub taken: bool,
}

/// How a finding differs.
#[derive(Debug, Clone, PartialEq)]
pub enum FindingKind {
    /// The channel has it and we do not.
    Missing,
    /// We have it with other content; personal data is masked.
    Differs(Vec<Change>),
    /// It could not be compared.
    Unreadable(String),
}

/// What a reconciliation came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Orders and transactions that the channel listed, each once.
    pub listed: usize,
    /// Those that are the same here.
    pub same: usize,
    /// The others, in the order in which the channel listed them.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many findings are of a kind.
    #[must_use]
    pub fn count(&self, of: impl Fn(&FindingKind) -> bool) -> usize {
        self.findings.iter().filter(|one| of(&one.kind)).count()
    }
}

/// One thing that the channel listed.
struct Listed {
    message: VerifiedWebhook,
    what: What,
}

enum What {
    Order(Box<Snapshot>),
    /// Only its name: the document has to be fetched.
    Name,
    /// A payment, known by its transaction: the push that reported it has another key.
    Payment,
    /// Anything else that is known by its message alone.
    Other,
    Unreadable(String),
}

/// Compares a channel with what is stored, for everything that changed from `from` to before `to`.
/// `progress` hears after every page how many are listed so far.
///
/// # Errors
/// When the channel has no list, does not answer after several tries, or the database refuses.
pub async fn run(
    gateway: &Gateway,
    channel: &ChannelConfig,
    (from, to): (Timestamp, Timestamp),
    mode: Mode,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Report, Error> {
    let listing = channel.channel.polling();
    let listing = listing.and_then(|polling| Some((polling, list_kind(polling)?)));
    let Some((polling, kind)) = listing else {
        let payments = channel.channel.payments();
        let payments = payments.ok_or_else(|| Error::NoList(channel.id.clone()))?;
        let span = PollWindow {
            from,
            to,
            cursor: None,
        };
        return payments::run(gateway, channel, payments, &span, mode, progress).await;
    };
    let mut report = Report::default();
    // The same order may stand in two windows or pages; its last listing counts.
    let mut listed: BTreeMap<String, Listed> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    let longest = polling
        .longest_window_s(kind)
        .saturating_mul(1000)
        .max(1000);
    let (mut start, end) = (from.as_millisecond(), to.as_millisecond());
    while start < end {
        let mut stop = end.min(start.saturating_add(longest));
        let mut cursor = None;
        loop {
            let window = PollWindow {
                from: deliver::at(start),
                to: deliver::at(stop),
                cursor: cursor.clone(),
            };
            match page(gateway, channel, polling, kind, &window).await? {
                Page::Narrow if stop - start < 2000 => {
                    return Err(asking(channel, "too much changed within a second"));
                }
                Page::Narrow => {
                    stop = start + (stop - start) / 2;
                    cursor = None;
                }
                Page::Rows(messages, next) => {
                    for message in messages {
                        for (id, what) in read(channel, &message) {
                            let row = Listed {
                                message: message.clone(),
                                what,
                            };
                            if listed.insert(id.clone(), row).is_none() {
                                order.push(id);
                            }
                        }
                    }
                    progress(listed.len());
                    if next.is_none() {
                        break;
                    }
                    cursor = next;
                }
            }
        }
        start = stop;
    }
    report.listed = order.len();
    let all: Vec<(String, Listed)> = order
        .into_iter()
        .filter_map(|id| listed.remove(&id).map(|row| (id, row)))
        .collect();
    let batch = channel.channel.batches().map_or(BATCH, Batches::most);
    let mut batches = stream::iter(chunks(all, batch))
        .map(|rows| compare_all(gateway, channel, rows))
        .buffered(BATCHES);
    let mut compared = Vec::with_capacity(report.listed);
    while let Some(rows) = batches.next().await {
        compared.extend(rows);
    }
    for (id, message, found) in compared {
        let Some(kind) = found? else {
            report.same += 1;
            continue;
        };
        let wanted = mode == Mode::Take && !matches!(kind, FindingKind::Unreadable(_));
        let taken = wanted && take(gateway, channel, &message).await?;
        report.findings.push(Finding { id, kind, taken });
    }
    Ok(report)
}

/// The list that a reconciliation walks: orders of a shop, transactions of a bank account.
fn list_kind(polling: &dyn Polling) -> Option<&'static str> {
    ["orders", "transactions"]
        .into_iter()
        .find(|kind| polling.kinds().contains(kind))
}

/// What a listed message is about.
fn read(channel: &ChannelConfig, message: &VerifiedWebhook) -> Vec<(String, What)> {
    let key = || channel.channel.dedup_key(message);
    let notices = match channel.channel.parse(message) {
        Ok(notices) => notices,
        Err(error) => return vec![(key(), What::Unreadable(error.to_string()))],
    };
    notices
        .into_iter()
        .filter_map(|notice| match notice.body {
            NoticeBody::Order {
                external_id,
                document: OrderDocument::Here(snapshot),
                ..
            } => Some((external_id, What::Order(snapshot))),
            NoticeBody::Order { external_id, .. } => Some((external_id, What::Name)),
            NoticeBody::Ignored { .. } => None,
            NoticeBody::Payment(payment) => Some((payment.transaction, What::Payment)),
            NoticeBody::Rating(_)
            | NoticeBody::Conversation(_)
            | NoticeBody::Call(_)
            | NoticeBody::Fulfillment(_)
            | NoticeBody::Invoice(_)
            | NoticeBody::Service(_)
            | NoticeBody::Stock(_)
            | NoticeBody::Account(_)
            | NoticeBody::Ask(_) => Some((key(), What::Other)),
        })
        .collect()
}

fn chunks<T>(all: Vec<T>, size: usize) -> Vec<Vec<T>> {
    let mut all = all.into_iter();
    let mut chunks = Vec::new();
    loop {
        let chunk: Vec<T> = all.by_ref().take(size.max(1)).collect();
        if chunk.is_empty() {
            return chunks;
        }
        chunks.push(chunk);
    }
}

type Compared = (String, VerifiedWebhook, Result<Option<FindingKind>, Error>);

async fn compare_all(
    gateway: &Gateway,
    channel: &ChannelConfig,
    rows: Vec<(String, Listed)>,
) -> Vec<Compared> {
    let mut given = heads(gateway, channel, &rows).await;
    let rows = rows.into_iter().map(|(id, row)| {
        let head = given.remove(&id);
        async move {
            let found = compare(gateway, channel, &id, row.what, head, &row.message).await;
            (id, row.message, found)
        }
    });
    stream::iter(rows).buffered(FETCHES).collect().await
}

/// What one call gives of all orders of which only the name is known. Whatever goes wrong with it,
/// each order that it does not give is fetched alone.
async fn heads(
    gateway: &Gateway,
    channel: &ChannelConfig,
    rows: &[(String, Listed)],
) -> HashMap<String, Fetched> {
    let names = rows
        .iter()
        .filter(|(_, row)| matches!(row.what, What::Name));
    let names: Vec<&str> = names.map(|(id, _)| id.as_str()).collect();
    let Some(batches) = channel.channel.batches().filter(|_| names.len() > 1) else {
        return HashMap::new();
    };
    let Ok(access) = tokens::access(gateway, channel).await else {
        return HashMap::new();
    };
    let context = CallContext {
        now: gateway.clock.now(),
        access_token: access.as_ref().map(tokens::Access::token),
    };
    let Some(request) = batches.request(&names, context) else {
        return HashMap::new();
    };
    match ingest::send(gateway, channel, request).await {
        Ok(response) => batches.read(&response).into_iter().collect(),
        Err(_) => HashMap::new(),
    }
}

/// How the listed thing differs from what is stored; `None` where it does not. `head` is what a
/// batch gave of it.
async fn compare(
    gateway: &Gateway,
    channel: &ChannelConfig,
    id: &str,
    what: What,
    head: Option<Fetched>,
    message: &VerifiedWebhook,
) -> Result<Option<FindingKind>, Error> {
    let snapshot = match what {
        What::Unreadable(reason) => return Ok(Some(FindingKind::Unreadable(reason))),
        What::Order(snapshot) => snapshot,
        What::Payment => {
            let known = messages::is_payment_known(&gateway.db, &channel.id, id).await?;
            return Ok((!known).then_some(FindingKind::Missing));
        }
        What::Other => {
            let key = channel.channel.dedup_key(message);
            let known = messages::is_known(&gateway.db, &channel.id, &key).await?;
            return Ok((!known).then_some(FindingKind::Missing));
        }
        What::Name => match fetch(gateway, channel, id, head).await? {
            Ok(snapshot) => snapshot,
            Err(reason) => return Ok(Some(FindingKind::Unreadable(reason))),
        },
    };
    let Some(stored) = messages::order_of(&gateway.db, &channel.id, id).await? else {
        return Ok(Some(FindingKind::Missing));
    };
    let changes = replay::changes(gateway, stored, &snapshot);
    Ok((!changes.is_empty()).then_some(FindingKind::Differs(changes)))
}

async fn fetch(
    gateway: &Gateway,
    channel: &ChannelConfig,
    id: &str,
    head: Option<Fetched>,
) -> Result<Result<Box<Snapshot>, String>, Error> {
    let parts = match head {
        Some(Fetched::Document(document)) => {
            let read = channel.channel.normalize(&document);
            return Ok(read.map(Box::new).map_err(|error| error.to_string()));
        }
        Some(Fetched::Part(part)) => vec![part],
        Some(
            Fetched::NotFound
            | Fetched::Gone
            | Fetched::TokenExpired
            | Fetched::Retry { .. }
            | Fetched::Refused { .. }
            | Fetched::Account { .. },
        )
        | None => Vec::new(),
    };
    for attempt in 0..TRIES {
        let asked = ingest::go_on(gateway, channel, Wanted::Order(id), parts.clone()).await;
        let reason = match asked {
            Ok(Fetched::Document(document)) => {
                let read = channel.channel.normalize(&document);
                return Ok(read.map(Box::new).map_err(|error| error.to_string()));
            }
            Ok(Fetched::NotFound | Fetched::Gone) => {
                return Ok(Err("the channel lists it and does not give it".to_owned()));
            }
            Ok(Fetched::Refused { reason }) => return Ok(Err(reason)),
            Ok(Fetched::Account { reason }) => return Err(asking(channel, &reason)),
            Ok(Fetched::Part(_)) => {
                return Ok(Err("the channel's answers never come to an end".to_owned()));
            }
            Ok(Fetched::TokenExpired) => "the access token is expired".to_owned(),
            Ok(Fetched::Retry { after_s, reason })
            | Err(ingest::NotAsked::Call { after_s, reason }) => {
                pause(attempt, after_s).await;
                reason
            }
            Err(ingest::NotAsked::Token(error)) => return Err(asking(channel, &error.to_string())),
            Err(ingest::NotAsked::Unable(reason)) => return Err(asking(channel, reason)),
        };
        if attempt + 1 == TRIES {
            return Err(asking(channel, &reason));
        }
    }
    Err(asking(channel, "it never answered"))
}

fn asking(channel: &ChannelConfig, reason: &str) -> Error {
    Error::Asking {
        channel: channel.id.clone(),
        reason: reason.to_owned(),
    }
}

async fn pause(attempt: u32, after_s: Option<u64>) {
    let backoff = 200_u64 << attempt.min(6);
    let asked = after_s.unwrap_or(0).min(120).saturating_mul(1000);
    tokio::time::sleep(std::time::Duration::from_millis(backoff.max(asked))).await;
}

enum Page {
    Rows(Vec<VerifiedWebhook>, Option<String>),
    Narrow,
}

async fn page(
    gateway: &Gateway,
    channel: &ChannelConfig,
    polling: &dyn Polling,
    kind: &str,
    window: &PollWindow,
) -> Result<Page, Error> {
    let no_token = |error: tokens::Error| asking(channel, &error.to_string());
    let mut access = tokens::access(gateway, channel).await.map_err(no_token)?;
    let mut renewed = false;
    let mut reason = String::new();
    for attempt in 0..TRIES {
        let context = CallContext {
            now: gateway.clock.now(),
            access_token: access.as_ref().map(tokens::Access::token),
        };
        let request = polling.request(kind, window, context);
        let response = match ingest::send(gateway, channel, request).await {
            Ok(response) => response,
            Err((after_s, why)) => {
                reason = why;
                pause(attempt, after_s).await;
                continue;
            }
        };
        match polling.read(kind, window, &response) {
            Ok(Polled::Page { messages, next }) => return Ok(Page::Rows(messages, next)),
            Ok(Polled::Narrow) => return Ok(Page::Narrow),
            Ok(Polled::TokenExpired) if !renewed => {
                access = Some(
                    tokens::renew(gateway, channel, access.as_ref())
                        .await
                        .map_err(no_token)?,
                );
                renewed = true;
            }
            Ok(Polled::TokenExpired) => "the access token is expired".clone_into(&mut reason),
            Ok(Polled::Retry {
                after_s,
                reason: why,
            }) => {
                reason = why;
                pause(attempt, after_s).await;
            }
            Ok(Polled::Refused { reason } | Polled::Account { reason }) => {
                return Err(asking(channel, &reason));
            }
            Err(error) => return Err(asking(channel, &error.to_string())),
        }
    }
    Err(asking(channel, &reason))
}

/// Stores the channel's document as a message. One that is stored already, and did not lead to
/// what the channel has, is read again.
async fn take(
    gateway: &Gateway,
    channel: &ChannelConfig,
    message: &VerifiedWebhook,
) -> Result<bool, Error> {
    let now = gateway.now_ms();
    let incoming = receive::prepare(&channel.id, &*channel.channel, message, &gateway.keys, now);
    let stored = inbox::receive(&gateway.db, &[incoming]).await?;
    let Some(stored) = stored.first() else {
        return Ok(false);
    };
    if stored.outcome == ReceiptOutcome::Duplicate {
        let Some(sealed) = messages::sealed(&gateway.db, stored.message_seq).await? else {
            return Ok(false);
        };
        let Ok(reading) = replay::read(gateway, &channel.id, &sealed) else {
            return Ok(false);
        };
        replays::replay(
            &gateway.db,
            stored.message_seq,
            ACTOR,
            now,
            &reading.notices,
        )
        .await?;
    }
    Ok(true)
}
