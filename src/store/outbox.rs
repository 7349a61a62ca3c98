//! The outbox: tasks under lease, their ends, and every attempt.

use domain::task::{Outcome, Task, TaskBody};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};

use super::db::{Db, Error};
use super::sql::{Sql, insert_many};

/// A task under lease.
#[derive(Debug, Clone)]
pub struct LeasedTask {
    /// Row.
    pub seq: i64,
    /// Idempotency key.
    pub key: String,
    /// Order; `None` for a channel's stock levels and messages.
    pub order_id: Option<String>,
    /// Target.
    pub target: String,
    /// Operation.
    pub op: String,
    /// Leg, subject and generation as stored.
    pub leg: String,
    /// Our id of the thing.
    pub subject: String,
    /// An earlier try may have arrived: ask before sending.
    pub unknown: bool,
    /// Tries, this one included.
    pub attempts: i64,
    /// First try, milliseconds.
    pub first_sent_at: i64,
    /// When it was written, milliseconds.
    pub created_at: i64,
    /// The call.
    pub body: TaskBody,
}

#[derive(FromQueryResult)]
struct Row {
    seq: i64,
    key: String,
    order_id: Option<String>,
    target: String,
    op: String,
    leg: String,
    subject: String,
    unknown: i64,
    attempts: i64,
    first_sent_at: i64,
    created_at: i64,
    body: String,
}

/// Claims up to `limit` due tasks of one target until `until` under `token`. The claim is also
/// the record of intent: from here on a crash leaves an outcome that is unknown.
///
/// # Errors
/// When the database refuses.
pub async fn claim(
    db: &Db,
    target: &str,
    token: &str,
    now: i64,
    until: i64,
    limit: usize,
) -> Result<Vec<LeasedTask>, Error> {
    let rows: Vec<Row> = Sql::new("WITH picked AS ")
        .push_for(db.backend(), DbBackend::Postgres, "MATERIALIZED ")
        .push("(SELECT t.seq FROM task t WHERE t.state = 'pending' AND t.target = ")
        .bind(target)
        .push(" AND t.not_before <= ")
        .bind(now)
        // One after the other within a series, in the order in which they were written.
        .push(
            " AND (t.serial IS NULL OR NOT EXISTS (SELECT 1 FROM task e WHERE e.serial = t.serial \
             AND (e.state = 'in_flight' OR (e.state = 'pending' AND e.seq < t.seq)))) \
             ORDER BY t.not_before, t.seq LIMIT ",
        )
        .bind(i64::try_from(limit).expect("a small number"))
        .push_for(
            db.backend(),
            DbBackend::Postgres,
            " FOR UPDATE OF t SKIP LOCKED",
        )
        .push(") UPDATE task SET state = 'in_flight', attempts = attempts + 1, lease_token = ")
        .bind(token)
        .push(", lease_until = ")
        .bind(until)
        .push(", first_sent_at = COALESCE(first_sent_at, ")
        .bind(now)
        .push(
            ") WHERE seq IN (SELECT seq FROM picked) RETURNING seq, key, order_id, target, op, leg, \
             subject, unknown, attempts, first_sent_at, created_at, body",
        )
        .read(db.writer())
        .await?;
    let mut tasks = rows
        .into_iter()
        .map(|row| {
            Ok(LeasedTask {
                body: serde_json::from_str(&row.body).map_err(|source| Error::Document {
                    what: "task",
                    source,
                })?,
                seq: row.seq,
                key: row.key,
                order_id: row.order_id,
                target: row.target,
                op: row.op,
                leg: row.leg,
                subject: row.subject,
                unknown: row.unknown != 0,
                attempts: row.attempts,
                first_sent_at: row.first_sent_at,
                created_at: row.created_at,
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    tasks.sort_by_key(|t| t.seq);
    Ok(tasks)
}

/// Takes back the leases of workers that died: their tasks are due again, with an outcome that is
/// unknown. The number of tasks.
///
/// # Errors
/// When the database refuses.
pub async fn reclaim_expired(db: &Db, now: i64) -> Result<u64, Error> {
    Ok(Sql::new(
        "UPDATE task SET state = 'pending', unknown = 1, lease_token = NULL, lease_until = 0, not_before = ",
    )
    .bind(now)
    .push(" WHERE state = 'in_flight' AND lease_until <= ")
    .bind(now)
    .run(db.writer())
    .await?)
}

/// Inserts planned tasks. A key that exists already is left alone: the plan is repeatable.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn insert(
    on: &impl ConnectionTrait,
    now: i64,
    tasks: &[(Option<String>, Task)],
) -> Result<(), Error> {
    let mut rows = Vec::with_capacity(tasks.len());
    for (order_id, task) in tasks {
        let body = serde_json::to_string(&task.body).map_err(|source| Error::Document {
            what: "task",
            source,
        })?;
        rows.push(vec![
            task.key.as_str().into(),
            order_id.clone().into(),
            task.target.as_str().into(),
            task.body.op().into(),
            task.leg.as_str().into(),
            task.subject.as_str().into(),
            i64::from(task.generation).into(),
            task.serial.clone().into(),
            "pending".into(),
            task.not_before
                .map_or(now, |at| at.as_millisecond().max(now))
                .into(),
            now.into(),
            body.into(),
        ]);
    }
    insert_many(
        on,
        "INSERT INTO task (key, order_id, target, op, leg, subject, generation, serial, state, not_before, created_at, body)",
        rows,
        "ON CONFLICT (key) DO NOTHING",
    )
    .await?;
    Ok(())
}

/// What the task of a key asks for.
///
/// # Errors
/// When the database refuses or the body cannot be read.
pub(crate) async fn body(on: &impl ConnectionTrait, key: &str) -> Result<Option<TaskBody>, Error> {
    let row = Sql::new("SELECT body FROM task WHERE key = ")
        .bind(key)
        .one(on)
        .await?;
    row.map(|row| {
        let body: String = row.try_get("", "body")?;
        serde_json::from_str(&body).map_err(|source| Error::Document {
            what: "task",
            source,
        })
    })
    .transpose()
}

/// Withdraws tasks that are no longer wanted and not in flight, dead ones too, so that nobody
/// redrives what its order has given up; for each its key, and whether it was ever tried. A
/// redrive starts the count of tries afresh, so the tries on record and the mark of an unknown
/// outcome speak as well.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn withdraw(
    on: &impl ConnectionTrait,
    now: i64,
    keys: &[String],
) -> Result<Vec<(String, bool)>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    Sql::new("UPDATE task SET state = 'withdrawn', finished_at = ")
        .bind(now)
        .push(" WHERE state IN ('pending', 'dead') AND key IN ")
        .bind_list(keys)
        .push(
            " RETURNING key, CAST(CASE WHEN attempts > 0 OR unknown <> 0 \
             OR EXISTS (SELECT 1 FROM attempt a WHERE a.task_seq = task.seq) THEN 1 ELSE 0 END AS BIGINT) AS tried",
        )
        .all(on)
        .await?
        .iter()
        .map(|row| {
            let tried: i64 = row.try_get("", "tried")?;
            Ok((row.try_get("", "key")?, tried > 0))
        })
        .collect()
}

/// How one try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEnd {
    /// Done at the partner.
    Delivered(Outcome),
    /// The partner refused for good.
    Refused(Outcome),
    /// Gave up; needs a person.
    Dead {
        /// Why.
        reason: String,
        /// The last try may have arrived: a redrive asks first.
        unknown: bool,
    },
    /// Again at this time.
    Again {
        /// When, milliseconds.
        not_before: i64,
        /// The try may have arrived.
        unknown: bool,
        /// Why.
        reason: String,
    },
    /// Not tried after all (rate, breaker, night, stop): the attempt is given back.
    GivenBack {
        /// When it is due again, milliseconds.
        not_before: i64,
        /// An earlier call of this try may have set something in motion.
        unknown: bool,
    },
}

impl TaskEnd {
    /// The word for the attempt's row and the metric.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered(Outcome::Duplicate { .. }) => "duplicate",
            Self::Delivered(_) => "accepted",
            Self::Refused(_) => "refused",
            Self::Dead { .. } => "dead",
            Self::Again { unknown: true, .. } => "unknown",
            Self::Again { .. } => "retry",
            Self::GivenBack { .. } => "given_back",
        }
    }
}

/// One try, for the record.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// `send` or `lookup`.
    pub call: &'static str,
    /// When it began, milliseconds.
    pub started_at: i64,
    /// How long it took.
    pub duration_ms: i64,
    /// HTTP status, if an answer came.
    pub status: Option<u16>,
    /// Outcome in a word.
    pub outcome: String,
    /// Outcome in a sentence, free of personal data.
    pub detail: String,
}

/// A finished try: the lease, what happened on the way, and how it ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The lease.
    pub task: LeasedTask,
    /// Lease token.
    pub token: String,
    /// A look-up and a send, or either.
    pub attempts: Vec<Attempt>,
    /// How it ended.
    pub end: TaskEnd,
}

/// Writes the ends of tries. Every task must still be held under its token.
///
/// # Errors
/// [`Error::LeaseLost`] when a lease was lost; the caller's transaction must not commit then.
pub(crate) async fn finish(
    on: &impl ConnectionTrait,
    now: i64,
    finished: &[&Finished],
) -> Result<(), Error> {
    if finished.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(finished.len());
    let mut attempts = Vec::new();
    for done in finished {
        let task = &done.task;
        let (state, unknown, not_before, used, finished_at, outcome) = match &done.end {
            TaskEnd::Delivered(outcome) => (
                "delivered",
                false,
                0,
                1_i64,
                Some(now),
                outcome_text(outcome)?,
            ),
            TaskEnd::Refused(outcome) => {
                ("refused", false, 0, 1, Some(now), outcome_text(outcome)?)
            }
            TaskEnd::Dead { reason, unknown } => (
                "dead",
                task.unknown || *unknown,
                0,
                1,
                Some(now),
                reason.clone(),
            ),
            TaskEnd::Again {
                not_before,
                unknown,
                reason,
            } => ("pending", *unknown, *not_before, 1, None, reason.clone()),
            TaskEnd::GivenBack {
                not_before,
                unknown,
            } => (
                "pending",
                task.unknown || *unknown,
                *not_before,
                0,
                None,
                "not tried: rate, breaker, night or stop".to_owned(),
            ),
        };
        rows.push(vec![
            task.seq.into(),
            task.key.as_str().into(),
            task.order_id.clone().into(),
            "".into(),
            // The row's own op stands; this one satisfies the check that a row without an order
            // is a channel's.
            task.op.as_str().into(),
            "".into(),
            "".into(),
            0_i64.into(),
            state.into(),
            i64::from(unknown).into(),
            // The attempts column carries what this try used up, the lease column its token.
            used.into(),
            not_before.into(),
            done.token.as_str().into(),
            0_i64.into(),
            finished_at.into(),
            outcome.into(),
            "".into(),
        ]);
        for attempt in &done.attempts {
            attempts.push(vec![
                task.seq.into(),
                task.attempts.into(),
                attempt.call.into(),
                attempt.started_at.into(),
                attempt.duration_ms.into(),
                attempt.status.map(i64::from).into(),
                attempt.outcome.as_str().into(),
                attempt.detail.as_str().into(),
            ]);
        }
    }
    let wanted = u64::try_from(rows.len()).expect("fits");
    let changed = insert_many(
        on,
        "INSERT INTO task (seq, key, order_id, target, op, leg, subject, generation, state, unknown, attempts, not_before, lease_token, created_at, finished_at, last_outcome, body)",
        rows,
        "ON CONFLICT (seq) DO UPDATE SET state = excluded.state, unknown = excluded.unknown, \
         attempts = task.attempts - 1 + excluded.attempts, \
         first_sent_at = CASE WHEN task.attempts - 1 + excluded.attempts = 0 THEN NULL ELSE task.first_sent_at END, \
         not_before = CASE WHEN excluded.not_before = 0 THEN task.not_before ELSE excluded.not_before END, \
         lease_token = NULL, lease_until = 0, finished_at = excluded.finished_at, last_outcome = excluded.last_outcome \
         WHERE task.lease_token = excluded.lease_token AND task.state = 'in_flight'",
    )
    .await?;
    if changed != wanted {
        return Err(Error::LeaseLost { what: "a task" });
    }
    insert_many(
        on,
        "INSERT INTO attempt (task_seq, number, call, started_at, duration_ms, status, outcome, detail)",
        attempts,
        "",
    )
    .await?;
    Ok(())
}

fn outcome_text(outcome: &Outcome) -> Result<String, Error> {
    serde_json::to_string(outcome).map_err(|source| Error::Document {
        what: "task outcome",
        source,
    })
}

/// Depth and age of each target's outbox.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Backlog {
    /// Target.
    pub target: String,
    /// Tasks not finished.
    pub waiting: i64,
    /// When the oldest of them was written, milliseconds.
    pub oldest: Option<i64>,
}

/// Depth and age per target.
///
/// # Errors
/// When the database refuses.
pub async fn backlog(db: &Db) -> Result<Vec<Backlog>, Error> {
    Ok(Sql::new(
        "SELECT target, COUNT(*) AS waiting, MIN(created_at) AS oldest FROM task \
         WHERE state IN ('pending', 'in_flight') GROUP BY target",
    )
    .read(db.reader())
    .await?)
}
