//! Notices: what a message reports, leased until it is settled, put off, or dead.

use std::collections::HashMap;

use connectors::inbound::Source;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::db::{Db, Error};
use super::sql::{Sql, insert_many};

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

/// Claims up to `limit` due notices until `until` under `token`, oldest first; none of the
/// channels in `except`.
///
/// # Errors
/// When the database refuses.
pub async fn claim(
    db: &Db,
    token: &str,
    now: i64,
    until: i64,
    limit: u32,
    except: &[&str],
) -> Result<Vec<LeasedNotice>, Error> {
    let mut picked = Sql::new("WITH picked AS ")
        .push_for(db.backend(), sea_orm::DbBackend::Postgres, "MATERIALIZED ")
        .push("(SELECT message_seq, ordinal FROM notice WHERE state = 'waiting' AND not_before <= ")
        .bind(now)
        .push(" AND lease_until <= ")
        .bind(now);
    if !except.is_empty() {
        picked = picked.push(" AND channel NOT IN ").bind_list(except);
    }
    let mut rows: Vec<LeasedNotice> = picked
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

/// One notice as it would be leased, whatever became of it.
///
/// # Errors
/// When the database refuses.
pub async fn get(db: &Db, message_seq: i64, ordinal: i64) -> Result<Option<LeasedNotice>, Error> {
    let rows: Vec<LeasedNotice> = Sql::new(
        "SELECT message_seq, ordinal, channel, kind, key, fetch_only, replay_base, \
         COALESCE(lease_token, '') AS lease_token, attempts, created_at FROM notice WHERE message_seq = ",
    )
    .bind(message_seq)
    .push(" AND ordinal = ")
    .bind(ordinal)
    .read(db.reader())
    .await?;
    Ok(rows.into_iter().next())
}

/// A payment that staff assign to an order.
#[derive(Debug, Clone)]
pub struct Booking<'a> {
    /// The payment channel.
    pub channel: &'a str,
    /// The provider's transaction.
    pub transaction: &'a str,
    /// The order.
    pub order_id: &'a str,
    /// The dead notice that told of it.
    pub message_seq: i64,
    /// Its place in the message.
    pub ordinal: i64,
    /// Who assigns it.
    pub actor: &'a str,
}

/// The order to which staff have assigned a transaction.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn booked(
    on: &impl ConnectionTrait,
    channel: &str,
    transaction: &str,
) -> Result<Option<String>, Error> {
    let row = Sql::new("SELECT order_id FROM booked_payment WHERE channel = ")
        .bind(channel)
        .push(" AND transaction_id = ")
        .bind(transaction)
        .one(on)
        .await?;
    Ok(row.map(|row| row.try_get("", "order_id")).transpose()?)
}

/// Ends a dead notice as one that concerned an order; says whether it was dead.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn end_dead(
    on: &impl ConnectionTrait,
    now: i64,
    booking: &Booking<'_>,
) -> Result<bool, Error> {
    let changed = Sql::new("UPDATE notice SET state = 'done', reason = NULL, order_id = ")
        .bind(booking.order_id)
        .push(", finished_at = ")
        .bind(now)
        .push(" WHERE state = 'dead' AND message_seq = ")
        .bind(booking.message_seq)
        .push(" AND ordinal = ")
        .bind(booking.ordinal)
        .run(on)
        .await?;
    Ok(changed == 1)
}

/// Keeps to which order a transaction was assigned.
///
/// # Errors
/// [`Error::Conflict`] when somebody else has just assigned it.
pub(crate) async fn book(
    on: &impl ConnectionTrait,
    now: i64,
    booking: &Booking<'_>,
) -> Result<(), Error> {
    let kept = insert_many(
        on,
        "INSERT INTO booked_payment (channel, transaction_id, order_id, message_seq, ordinal, actor, booked_at)",
        vec![vec![
            booking.channel.into(),
            booking.transaction.into(),
            booking.order_id.into(),
            booking.message_seq.into(),
            booking.ordinal.into(),
            booking.actor.into(),
            now.into(),
        ]],
        "ON CONFLICT (channel, transaction_id) DO NOTHING",
    )
    .await?;
    if kept == 1 {
        Ok(())
    } else {
        Err(Error::Conflict { what: "a payment" })
    }
}

/// The content of the messages, for parsing.
///
/// # Errors
/// When the database refuses.
pub async fn load(db: &Db, seqs: &[i64]) -> Result<HashMap<i64, StoredMessage>, Error> {
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
pub(crate) async fn end(
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
