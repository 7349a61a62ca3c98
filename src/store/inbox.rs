//! The inbox: messages and their receipts, taken in groups.
//!
//! One receiving transaction takes many messages: it inserts those whose business key is new,
//! sorts the others into duplicates and conflicts, and writes one receipt for each request.

use std::collections::HashMap;

use connectors::inbound::{NoticeKind, PaymentAnswer, Preflight, Source};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use super::db::{Db, Error};
use super::sql::{Sql, insert_many, insert_returning};

/// A verified message on its way into the inbox.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Channel or target.
    pub channel: String,
    /// Its permanent business key there.
    pub dedup_key: String,
    /// Pushed or polled.
    pub source: Source,
    /// Vendor's topic header.
    pub topic: Option<String>,
    /// Sealed query and body.
    pub body: Vec<u8>,
    /// Hash of query and body before sealing.
    pub body_hash: String,
    /// When it came, milliseconds.
    pub received_at: i64,
    /// What it reports.
    pub notices: Vec<NewNotice>,
    /// A question that must be answered in the same transaction.
    pub preflight: Option<Preflight>,
}

/// A notice of a new message.
#[derive(Debug, Clone)]
pub struct NewNotice {
    /// Kind.
    pub kind: &'static str,
    /// What it is about within the channel.
    pub key: Option<String>,
    /// Where it starts.
    pub state: NewState,
}

/// Where a notice starts.
#[derive(Debug, Clone)]
pub enum NewState {
    /// To be settled.
    Waiting,
    /// Nothing to do, and why.
    Ignored(String),
    /// Not readable, and why.
    Dead(String),
}

impl NewState {
    /// State, reason and end of a notice that is written at `now`.
    pub(super) fn columns(&self, now: i64) -> (&'static str, Option<String>, Option<i64>) {
        match self {
            Self::Waiting => ("waiting", None, None),
            Self::Ignored(reason) => ("ignored", Some(reason.clone()), Some(now)),
            Self::Dead(reason) => ("dead", Some(reason.clone()), Some(now)),
        }
    }
}

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// First time, again, or again with other content.
    pub outcome: ReceiptOutcome,
    /// The message that it is, or repeats.
    pub message_seq: i64,
    /// Answer to its question.
    pub answer: Option<PaymentAnswer>,
}

/// The three outcomes of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReceiptOutcome {
    /// Its key was new.
    New,
    /// Same key, same content.
    Duplicate,
    /// Same key, other content: kept, shown, fetched.
    Conflict,
}

impl ReceiptOutcome {
    /// The word stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
        }
    }
}

#[derive(FromQueryResult)]
struct Known {
    seq: i64,
    channel: String,
    dedup_key: String,
    body_hash: String,
}

#[derive(FromQueryResult)]
struct DueRow {
    code: String,
    amount_due: i64,
    payment: String,
}

/// Takes a batch of messages in one transaction, in the order of the batch.
///
/// # Errors
/// When the database refuses; nothing of the batch is stored then.
pub async fn receive(db: &Db, batch: &[Incoming]) -> Result<Vec<Stored>, Error> {
    let tx = db.begin().await?;
    let answers = answer_preflights(&tx, batch).await?;

    // The same key twice in one batch: the first is the message, the others repeat it.
    let mut first: HashMap<(&str, &str), usize> = HashMap::with_capacity(batch.len());
    for (n, message) in batch.iter().enumerate() {
        first
            .entry((&message.channel, &message.dedup_key))
            .or_insert(n);
    }
    let mut firsts: Vec<usize> = first.values().copied().collect();
    firsts.sort_unstable();

    let inserted = insert_returning(
        &tx,
        "INSERT INTO message (channel, dedup_key, source, topic, body, body_hash, received_at)",
        firsts
            .iter()
            .map(|n| {
                let m = &batch[*n];
                vec![
                    m.channel.as_str().into(),
                    m.dedup_key.as_str().into(),
                    m.source.as_str().into(),
                    m.topic.clone().into(),
                    m.body.clone().into(),
                    m.body_hash.as_str().into(),
                    m.received_at.into(),
                ]
            })
            .collect(),
        "ON CONFLICT (channel, dedup_key) DO NOTHING RETURNING seq, channel, dedup_key",
    )
    .await?;

    let mut seqs: Vec<Option<(i64, bool)>> = vec![None; batch.len()];
    for row in &inserted {
        let channel: String = row.try_get("", "channel")?;
        let key: String = row.try_get("", "dedup_key")?;
        let n = first[&(channel.as_str(), key.as_str())];
        seqs[n] = Some((row.try_get("", "seq")?, true));
    }
    let repeated: Vec<usize> = firsts
        .iter()
        .copied()
        .filter(|n| seqs[*n].is_none())
        .collect();
    let mut known: HashMap<(String, String), (i64, String)> = HashMap::new();
    for (n, found) in find_known(&tx, batch, &repeated).await? {
        seqs[n] = Some((found.seq, false));
        known.insert(
            (found.channel, found.dedup_key),
            (found.seq, found.body_hash),
        );
    }

    let mut stored = Vec::with_capacity(batch.len());
    let mut receipts = Vec::with_capacity(batch.len());
    let mut notices = Vec::new();
    let mut conflicts = Vec::new();
    for (n, message) in batch.iter().enumerate() {
        let original = first[&(message.channel.as_str(), message.dedup_key.as_str())];
        let (seq, is_new) = seqs[original].ok_or(Error::Conflict {
            what: "a message with the same key",
        })?;
        let outcome = if n == original && is_new {
            ReceiptOutcome::New
        } else {
            let hash = known
                .get(&(message.channel.clone(), message.dedup_key.clone()))
                .map_or(batch[original].body_hash.as_str(), |(_, hash)| hash);
            // What polling brings is written down by us: its key says all that its body could.
            if hash == message.body_hash || message.source == Source::Poll {
                ReceiptOutcome::Duplicate
            } else {
                ReceiptOutcome::Conflict
            }
        };
        match outcome {
            ReceiptOutcome::New => notices.extend(notice_rows(seq, message, answers[n])),
            ReceiptOutcome::Duplicate => {}
            ReceiptOutcome::Conflict => conflicts.push((seq, message)),
        }
        receipts.push(vec![
            message.channel.as_str().into(),
            message.received_at.into(),
            seq.into(),
            outcome.as_str().into(),
        ]);
        stored.push(Stored {
            outcome,
            message_seq: seq,
            answer: answers[n],
        });
    }
    insert_many(
        &tx,
        "INSERT INTO receipt (channel, received_at, message_seq, outcome)",
        receipts,
        "",
    )
    .await?;
    insert_many(
        &tx,
        "INSERT INTO notice (message_seq, ordinal, channel, kind, key, state, reason, not_before, created_at, finished_at)",
        notices,
        "",
    )
    .await?;
    revive_payments(&tx, batch, &stored).await?;
    for (seq, message) in conflicts {
        keep_conflict(&tx, seq, message).await?;
    }
    tx.commit().await?;
    Ok(stored)
}

/// Why a payment is not counted whose amount was not what was due: its provider was told so, has
/// not booked it, and asks again.
const WRONG_AMOUNT: &str = "the amount is not what is due; the provider was told so";

/// A provider asks again about a payment that was refused for its amount, and now the amount is
/// what is due: it is told yes, so the payment must count.
async fn revive_payments(
    on: &impl ConnectionTrait,
    batch: &[Incoming],
    stored: &[Stored],
) -> Result<(), Error> {
    for (message, stored) in batch.iter().zip(stored) {
        if stored.outcome != ReceiptOutcome::New && stored.answer == Some(PaymentAnswer::Due) {
            Sql::new("UPDATE notice SET state = 'waiting', reason = NULL, finished_at = NULL, not_before = ")
                .bind(message.received_at)
                .push(" WHERE state = 'ignored' AND kind = 'payment' AND reason = ")
                .bind(WRONG_AMOUNT)
                .push(" AND message_seq = ")
                .bind(stored.message_seq)
                .run(on)
                .await?;
        }
    }
    Ok(())
}

fn notice_rows(
    seq: i64,
    message: &Incoming,
    answer: Option<PaymentAnswer>,
) -> impl Iterator<Item = Vec<Value>> + '_ {
    let is_refused = answer == Some(PaymentAnswer::WrongAmount);
    message.notices.iter().enumerate().map(move |(n, notice)| {
        let (state, reason, finished) = match &notice.state {
            NewState::Waiting if is_refused && notice.kind == NoticeKind::Payment.as_str() => (
                "ignored",
                Some(WRONG_AMOUNT.to_owned()),
                Some(message.received_at),
            ),
            state => state.columns(message.received_at),
        };
        vec![
            seq.into(),
            i64::try_from(n).expect("a message has few notices").into(),
            message.channel.as_str().into(),
            notice.kind.into(),
            notice.key.clone().into(),
            state.into(),
            reason.into(),
            message.received_at.into(),
            message.received_at.into(),
            finished.into(),
        ]
    })
}

async fn find_known(
    on: &impl ConnectionTrait,
    batch: &[Incoming],
    repeated: &[usize],
) -> Result<Vec<(usize, Known)>, Error> {
    let mut by_channel: HashMap<&str, Vec<usize>> = HashMap::new();
    for n in repeated {
        by_channel.entry(&batch[*n].channel).or_default().push(*n);
    }
    let mut found = Vec::with_capacity(repeated.len());
    for (channel, wanted) in by_channel {
        let keys: Vec<String> = wanted.iter().map(|n| batch[*n].dedup_key.clone()).collect();
        let rows: Vec<Known> =
            Sql::new("SELECT seq, channel, dedup_key, body_hash FROM message WHERE channel = ")
                .bind(channel)
                .push(" AND dedup_key IN ")
                .bind_list(&keys)
                .read(on)
                .await?;
        for row in rows {
            if let Some(n) = wanted
                .iter()
                .find(|n| batch[**n].dedup_key == row.dedup_key)
            {
                found.push((*n, row));
            }
        }
    }
    Ok(found)
}

/// Keeps a message whose key was seen with other content, and asks for a fetch of what it is
/// about, because neither content can be trusted to be the last.
async fn keep_conflict(
    on: &impl ConnectionTrait,
    seq: i64,
    message: &Incoming,
) -> Result<(), Error> {
    let kept = insert_many(
        on,
        "INSERT INTO message_conflict (message_seq, body, body_hash, received_at)",
        vec![vec![
            seq.into(),
            message.body.clone().into(),
            message.body_hash.as_str().into(),
            message.received_at.into(),
        ]],
        "ON CONFLICT (message_seq, body_hash) DO NOTHING",
    )
    .await?;
    let order = message
        .notices
        .iter()
        .find(|n| n.kind == NoticeKind::Order.as_str());
    let (1.., Some(order)) = (kept, order) else {
        return Ok(());
    };
    Sql::new(
        "INSERT INTO notice (message_seq, ordinal, channel, kind, key, state, fetch_only, not_before, created_at) \
         SELECT ",
    )
    .push("CAST(")
    .bind(seq)
    .push(" AS BIGINT), MAX(ordinal) + 1, CAST(")
    .bind(message.channel.as_str())
    .push(" AS TEXT), 'order', CAST(")
    .bind(order.key.clone())
    .push(" AS TEXT), 'waiting', 1, CAST(")
    .bind(message.received_at)
    .push(" AS BIGINT), CAST(")
    .bind(message.received_at)
    .push(" AS BIGINT) FROM notice WHERE message_seq = ")
    .bind(seq)
    .push(" HAVING COUNT(*) > 0")
    .run(on)
    .await?;
    Ok(())
}

async fn answer_preflights(
    on: &impl ConnectionTrait,
    batch: &[Incoming],
) -> Result<Vec<Option<PaymentAnswer>>, Error> {
    let codes: Vec<String> = batch
        .iter()
        .filter_map(|m| m.preflight.as_ref())
        .map(|Preflight::Payment { reference, .. }| order_code_of(reference).to_owned())
        .collect();
    if codes.is_empty() {
        return Ok(vec![None; batch.len()]);
    }
    let rows: Vec<DueRow> = Sql::new("SELECT code, amount_due, payment FROM orders WHERE code IN ")
        .bind_list(&codes)
        .read(on)
        .await?;
    let due: HashMap<&str, &DueRow> = rows.iter().map(|r| (r.code.as_str(), r)).collect();
    Ok(batch
        .iter()
        .map(|m| {
            let Preflight::Payment { reference, amount } = m.preflight.as_ref()?;
            Some(match due.get(order_code_of(reference)) {
                None => PaymentAnswer::UnknownOrder,
                Some(row) if row.payment == "paid" => PaymentAnswer::AlreadyPaid,
                Some(row) if row.amount_due != *amount => PaymentAnswer::WrongAmount,
                Some(_) => PaymentAnswer::Due,
            })
        })
        .collect())
}

/// A payment reference is `code-attempt`.
#[must_use]
pub fn order_code_of(reference: &str) -> &str {
    reference.split('-').next().unwrap_or(reference)
}
