//! The inbox: messages, their receipts and their notices.
//!
//! One receiving transaction takes many messages: it inserts those whose business key is new,
//! sorts the others into duplicates and conflicts, and writes one receipt for each request.

use std::collections::HashMap;

use connectors::inbound::{NoticeKind, PaymentAnswer, Preflight, Source};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use super::db::{Db, Error};
use super::sql::{Sql, insert_many, insert_returning};

/// A verified message on its way into the inbox.
#[derive(Debug)]
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
    fn columns(&self, now: i64) -> (&'static str, Option<String>, Option<i64>) {
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
            if hash == message.body_hash {
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

/// A notice under lease, with the message that it belongs to.
#[derive(Debug, Clone, FromQueryResult)]
pub struct LeasedNotice {
    /// Message.
    pub message_seq: i64,
    /// Position in the message.
    pub ordinal: i64,
    /// Channel or target.
    pub channel: String,
    /// Kind.
    pub kind: String,
    /// What it is about.
    pub key: Option<String>,
    /// Fetch, whatever the message says.
    pub fetch_only: i64,
    /// Ordinal of the first notice of the reading that this one belongs to: 0 for the first
    /// reading, higher after a replay.
    pub replay_base: i64,
    /// Lease.
    pub lease_token: String,
    /// Tries before this one.
    pub attempts: i64,
    /// When it was written, milliseconds.
    pub created_at: i64,
}

/// The stored content of a message.
#[derive(Debug, Clone, FromQueryResult)]
pub struct StoredMessage {
    /// Message.
    pub seq: i64,
    /// Pushed or polled.
    pub source: String,
    /// Vendor's topic header.
    pub topic: Option<String>,
    /// Sealed query and body; gone after the retention time.
    pub body: Option<Vec<u8>>,
    /// When it came.
    pub received_at: i64,
}

impl StoredMessage {
    /// Pushed or polled.
    #[must_use]
    pub fn source(&self) -> Source {
        if self.source == Source::Poll.as_str() {
            Source::Poll
        } else {
            Source::Push
        }
    }
}

/// Claims up to `limit` due notices until `until` under `token`, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn claim_notices(
    db: &Db,
    token: &str,
    now: i64,
    until: i64,
    limit: u32,
) -> Result<Vec<LeasedNotice>, Error> {
    let mut rows: Vec<LeasedNotice> = Sql::new("WITH picked AS ")
        .push_for(db.backend(), sea_orm::DbBackend::Postgres, "MATERIALIZED ")
        .push(
            "(SELECT message_seq, ordinal FROM notice WHERE state = 'waiting' AND not_before <= ",
        )
        .bind(now)
        .push(" AND lease_until <= ")
        .bind(now)
        .push(" ORDER BY not_before, message_seq, ordinal LIMIT ")
        .bind(i64::from(limit))
        .push_for(
            db.backend(),
            sea_orm::DbBackend::Postgres,
            " FOR UPDATE SKIP LOCKED",
        )
        .push(") UPDATE notice SET lease_token = ")
        .bind(token)
        .push(", lease_until = ")
        .bind(until)
        .push(
            " WHERE (message_seq, ordinal) IN (SELECT message_seq, ordinal FROM picked) \
             RETURNING message_seq, ordinal, channel, kind, key, fetch_only, replay_base, lease_token, attempts, created_at",
        )
        .read(db.writer())
        .await?;
    rows.sort_by_key(|r| (r.message_seq, r.ordinal));
    Ok(rows)
}

/// The content of the messages, for parsing.
///
/// # Errors
/// When the database refuses.
pub async fn load_messages(db: &Db, seqs: &[i64]) -> Result<HashMap<i64, StoredMessage>, Error> {
    if seqs.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<StoredMessage> =
        Sql::new("SELECT seq, source, topic, body, received_at FROM message WHERE seq IN ")
            .bind_list(seqs)
            .read(db.reader())
            .await?;
    Ok(rows.into_iter().map(|m| (m.seq, m)).collect())
}

/// How a leased notice ends, or when it is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeEnd {
    /// Settled.
    Done {
        /// The order that it concerned.
        order_id: Option<String>,
    },
    /// Nothing to do.
    Ignored {
        /// Why.
        reason: String,
    },
    /// Needs a person.
    Dead {
        /// Why.
        reason: String,
    },
    /// Again at this time, milliseconds.
    Later {
        /// When.
        not_before: i64,
        /// Why.
        reason: String,
    },
}

/// Ends leased notices: message, ordinal, lease token, end. Every one must still be held.
///
/// # Errors
/// [`Error::LeaseLost`] when a lease was lost; the caller's transaction must not commit then.
pub(crate) async fn end_notices(
    on: &impl ConnectionTrait,
    now: i64,
    ends: &[(i64, i64, String, NoticeEnd)],
) -> Result<(), Error> {
    if ends.is_empty() {
        return Ok(());
    }
    // An upsert on the primary key carries many different ends in one statement; its condition
    // on the lease makes a lost lease count as a missing row.
    let rows = ends
        .iter()
        .map(|(seq, ordinal, token, end)| {
            let (state, reason, order_id, not_before, finished): (
                _,
                Option<String>,
                Option<String>,
                i64,
                Option<i64>,
            ) = match end {
                NoticeEnd::Done { order_id } => ("done", None, order_id.clone(), 0, Some(now)),
                NoticeEnd::Ignored { reason } => {
                    ("ignored", Some(reason.clone()), None, 0, Some(now))
                }
                NoticeEnd::Dead { reason } => ("dead", Some(reason.clone()), None, 0, Some(now)),
                NoticeEnd::Later { not_before, reason } => {
                    ("waiting", Some(reason.clone()), None, *not_before, None)
                }
            };
            vec![
                (*seq).into(),
                (*ordinal).into(),
                "".into(),
                "".into(),
                state.into(),
                reason.into(),
                order_id.into(),
                not_before.into(),
                token.as_str().into(),
                0_i64.into(),
                finished.into(),
            ]
        })
        .collect();
    let changed = insert_many(
        on,
        "INSERT INTO notice (message_seq, ordinal, channel, kind, state, reason, order_id, not_before, lease_token, created_at, finished_at)",
        rows,
        "ON CONFLICT (message_seq, ordinal) DO UPDATE SET state = excluded.state, reason = excluded.reason, \
         order_id = COALESCE(excluded.order_id, notice.order_id), \
         not_before = CASE WHEN excluded.not_before = 0 THEN notice.not_before ELSE excluded.not_before END, \
         attempts = notice.attempts + 1, lease_token = NULL, lease_until = 0, finished_at = excluded.finished_at \
         WHERE notice.lease_token = excluded.lease_token AND notice.state = 'waiting'",
    )
    .await?;
    if changed == u64::try_from(ends.len()).expect("fits") {
        Ok(())
    } else {
        Err(Error::LeaseLost { what: "a notice" })
    }
}

/// What a replay wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// Ordinal of the first new notice.
    pub base: i64,
    /// New notices.
    pub notices: usize,
    /// Dead notices of earlier readings that the new one replaces.
    pub replaced: u64,
}

/// Adds a new reading of a message: its notices after all earlier ones. Dead notices of earlier
/// readings are replaced by it and end as ignored; one that only asked for a fetch is not in any
/// reading, so it waits again instead. Settling folds what it has seen before, so a reading that
/// says the same again changes nothing.
///
/// # Errors
/// When the database refuses; a replay at the same moment is a race.
pub async fn replay(
    db: &Db,
    seq: i64,
    actor: &str,
    now: i64,
    notices: &[NewNotice],
) -> Result<Replayed, Error> {
    let tx = db.begin().await?;
    let row = Sql::new(
        "SELECT channel, (SELECT COALESCE(MAX(ordinal), -1) + 1 FROM notice WHERE message_seq = message.seq) AS base \
         FROM message WHERE seq = ",
    )
    .bind(seq)
    .one(&tx)
    .await?
    .ok_or(Error::Conflict { what: "a message" })?;
    let channel: String = row.try_get("", "channel")?;
    let base: i64 = row.try_get("", "base")?;
    let replaced =
        Sql::new("UPDATE notice SET state = 'ignored', reason = 'replayed', finished_at = ")
            .bind(now)
            .push(" WHERE state = 'dead' AND fetch_only = 0 AND message_seq = ")
            .bind(seq)
            .run(&tx)
            .await?;
    Sql::new(
        "UPDATE notice SET state = 'waiting', reason = 'replayed', finished_at = NULL, attempts = 0, not_before = ",
    )
    .bind(now)
    .push(" WHERE state = 'dead' AND fetch_only = 1 AND message_seq = ")
    .bind(seq)
    .run(&tx)
    .await?;
    let rows = notices
        .iter()
        .zip(base..)
        .map(|(notice, ordinal)| {
            let (state, reason, finished) = notice.state.columns(now);
            vec![
                seq.into(),
                ordinal.into(),
                channel.as_str().into(),
                notice.kind.into(),
                notice.key.clone().into(),
                state.into(),
                reason.into(),
                base.into(),
                now.into(),
                now.into(),
                finished.into(),
            ]
        })
        .collect();
    insert_many(
        &tx,
        "INSERT INTO notice (message_seq, ordinal, channel, kind, key, state, reason, replay_base, not_before, created_at, finished_at)",
        rows,
        "",
    )
    .await?;
    insert_many(
        &tx,
        "INSERT INTO audit (at, actor, action, subject, detail)",
        vec![vec![
            now.into(),
            actor.into(),
            "inbox.replay".into(),
            format!("message {seq}").into(),
            format!(
                "{} notices from {base}, {replaced} dead ones replaced",
                notices.len()
            )
            .into(),
        ]],
        "",
    )
    .await?;
    tx.commit().await?;
    Ok(Replayed {
        base,
        notices: notices.len(),
        replaced,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempDb;
    use super::*;

    fn notice(state: NewState) -> NewNotice {
        NewNotice {
            kind: "order",
            key: Some("WEB-1".to_owned()),
            state,
        }
    }

    fn message(hash: &str, notices: Vec<NewNotice>) -> Incoming {
        Incoming {
            channel: "web".to_owned(),
            dedup_key: "k".to_owned(),
            source: Source::Push,
            topic: None,
            body: b"sealed".to_vec(),
            body_hash: hash.to_owned(),
            received_at: 10,
            notices,
            preflight: None,
        }
    }

    async fn states(db: &TempDb) -> Vec<String> {
        db.text(
            "SELECT ordinal || ' ' || state || ' ' || COALESCE(reason, '-') || ' ' || replay_base AS x \
             FROM notice ORDER BY ordinal",
        )
        .await
    }

    #[tokio::test]
    async fn a_replay_replaces_what_could_not_be_read_and_leaves_what_was_settled() {
        let db = TempDb::new().await;
        let dead = NewState::Dead("no id".to_owned());
        let notices = vec![notice(NewState::Ignored("a ping".to_owned())), notice(dead)];
        receive(&db, &[message("h", notices)]).await.unwrap();

        let reading = [
            notice(NewState::Ignored("a ping".to_owned())),
            notice(NewState::Waiting),
        ];
        let replayed = replay(&db, 1, "lan", 50, &reading).await.unwrap();

        assert_eq!(
            replayed,
            Replayed {
                base: 2,
                notices: 2,
                replaced: 1
            }
        );
        assert_eq!(
            states(&db).await,
            [
                "0 ignored a ping 0",
                "1 ignored replayed 0",
                "2 ignored a ping 2",
                "3 waiting - 2",
            ]
        );
        let leased = claim_notices(&db, "t", 50, 100, 10).await.unwrap();
        assert_eq!((leased[0].ordinal, leased[0].replay_base), (3, 2));
        let audit = db
            .text("SELECT actor || ' ' || action || ' ' || subject AS x FROM audit")
            .await;
        assert_eq!(audit, ["lan inbox.replay message 1"]);
    }

    #[tokio::test]
    async fn a_dead_fetch_waits_again_because_no_reading_holds_it() {
        let db = TempDb::new().await;
        receive(&db, &[message("h", vec![notice(NewState::Waiting)])])
            .await
            .unwrap();
        receive(&db, &[message("other", vec![notice(NewState::Waiting)])])
            .await
            .unwrap();
        db.run("UPDATE notice SET state = 'dead', reason = 'gone', finished_at = 20 WHERE fetch_only = 1").await;

        replay(&db, 1, "lan", 50, &[notice(NewState::Waiting)])
            .await
            .unwrap();

        assert_eq!(
            states(&db).await,
            ["0 waiting - 0", "1 waiting replayed 0", "2 waiting - 2"]
        );
    }

    #[tokio::test]
    async fn a_replay_of_a_message_that_is_not_there_writes_nothing() {
        let db = TempDb::new().await;
        let result = replay(&db, 7, "lan", 50, &[notice(NewState::Waiting)]).await;
        assert!(result.is_err_and(|error| error.is_race()));
        assert!(db.text("SELECT action AS x FROM audit").await.is_empty());
    }
}
