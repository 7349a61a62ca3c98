//! Deliveries as operators see them: tasks with their tries, dead letters by cause, and the
//! redrive that makes dead ones due again.

use sea_orm::{DbBackend, FromQueryResult};

use super::db::{Db, Error};
use super::sql::{Sql, insert_many};

/// Rows of the outbox that one page looks through where no index answers its filters.
const WINDOW: i64 = 50_000;

/// Tasks that one redrive takes at most, oldest first.
pub const MOST_REDRIVEN: i64 = 5_000;

/// A task without its body, which holds personal data.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Delivery {
    /// Row; the delivery's id.
    pub seq: i64,
    /// Idempotency key.
    pub key: String,
    /// Order; `None` for a channel's stock levels and messages.
    pub order_id: Option<String>,
    /// Target.
    pub target: String,
    /// Operation.
    pub op: String,
    /// Leg.
    pub leg: String,
    /// Our id of the thing.
    pub subject: String,
    /// Rises with every compensation.
    pub generation: i64,
    /// `pending, in_flight, delivered, refused, dead, withdrawn`.
    pub state: String,
    /// An earlier try may have arrived.
    pub unknown: i64,
    /// Tries since it was written or last redriven.
    pub attempts: i64,
    /// Not tried before this, milliseconds.
    pub not_before: i64,
    /// When it was written, milliseconds.
    pub created_at: i64,
    /// First try since it was written or last redriven, milliseconds.
    pub first_sent_at: Option<i64>,
    /// When it ended, milliseconds.
    pub finished_at: Option<i64>,
    /// The last outcome: JSON of the partner's answer, or a sentence.
    pub last_outcome: Option<String>,
}

const COLUMNS: &str = "t.seq, t.key, t.order_id, t.target, t.op, t.leg, t.subject, t.generation, t.state, \
     t.unknown, t.attempts, t.not_before, t.created_at, t.first_sent_at, t.finished_at, t.last_outcome";

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Tried {
    /// Which try; starts again at 1 after a redrive.
    pub number: i64,
    /// `send` or `lookup`.
    pub call: String,
    /// When it began, milliseconds.
    pub started_at: i64,
    /// How long it took.
    pub duration_ms: i64,
    /// HTTP status, if an answer came.
    pub status: Option<i64>,
    /// Outcome in a word.
    pub outcome: String,
    /// Outcome in a sentence.
    pub detail: String,
}

/// What a list is narrowed by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Target.
    pub target: Option<String>,
    /// State.
    pub state: Option<String>,
    /// Order.
    pub order_id: Option<String>,
    /// Leg.
    pub leg: Option<String>,
    /// Operation.
    pub op: Option<String>,
}

impl Filter {
    /// An index leads to the rows, so that no part of the table is looked through in vain.
    fn is_indexed(&self) -> bool {
        self.order_id.is_some()
            || matches!(
                self.state.as_deref(),
                Some("pending" | "in_flight" | "dead")
            )
    }
}

/// A page of a list that goes from new to old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Go on with rows before this one; `None` at the end.
    pub next: Option<i64>,
}

/// Deliveries before row `before`, newest first. A page looks through a bounded part of the
/// table, so it may hold fewer rows than `limit`, even none, and still have a next page.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    db: &Db,
    filter: &Filter,
    before: Option<i64>,
    limit: i64,
) -> Result<Page<Delivery>, Error> {
    let end = match before {
        Some(before) => before,
        None => newest(db, "task").await? + 1,
    };
    let floor = if filter.is_indexed() {
        0
    } else {
        (end - WINDOW).max(0)
    };
    let mut sql = Sql::new("SELECT ")
        .push(COLUMNS)
        .push(" FROM task t WHERE t.seq < ")
        .bind(end)
        .push(" AND t.seq >= ")
        .bind(floor);
    if let Some(state) = filter.state.as_deref() {
        // Written out where a partial index exists: a parameter would not match its condition.
        sql = match state {
            "pending" => sql.push(" AND t.state = 'pending'"),
            "in_flight" => sql.push(" AND t.state = 'in_flight'"),
            "dead" => sql.push(" AND t.state = 'dead'"),
            other => sql.push(" AND t.state = ").bind(other),
        };
    }
    for (column, wanted) in [
        (" AND t.target = ", &filter.target),
        (" AND t.order_id = ", &filter.order_id),
        (" AND t.leg = ", &filter.leg),
        (" AND t.op = ", &filter.op),
    ] {
        if let Some(wanted) = wanted {
            sql = sql.push(column).bind(wanted.as_str());
        }
    }
    let rows: Vec<Delivery> = sql
        .push(" ORDER BY t.seq DESC LIMIT ")
        .bind(limit)
        .read(db.reader())
        .await?;
    Ok(page(rows, limit, floor, |row| row.seq))
}

/// The number of the newest row; 0 for an empty table.
pub(super) async fn newest(db: &Db, table: &'static str) -> Result<i64, Error> {
    let row = Sql::new("SELECT COALESCE(MAX(seq), 0) AS seq FROM ")
        .push(table)
        .one(db.reader())
        .await?;
    Ok(row.map(|r| r.try_get("", "seq")).transpose()?.unwrap_or(0))
}

/// Where the next page starts: after a full page its last row, else the end of the part that was
/// looked through.
pub(super) fn page<T>(rows: Vec<T>, limit: i64, floor: i64, seq: impl Fn(&T) -> i64) -> Page<T> {
    let is_full = i64::try_from(rows.len()).is_ok_and(|n| n >= limit);
    let next = if is_full {
        rows.last().map(seq)
    } else {
        (floor > 1).then_some(floor)
    };
    Page { rows, next }
}

/// One delivery with all its tries, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn one(db: &Db, seq: i64) -> Result<Option<(Delivery, Vec<Tried>)>, Error> {
    let delivery: Option<Delivery> = Sql::new("SELECT ")
        .push(COLUMNS)
        .push(" FROM task t WHERE t.seq = ")
        .bind(seq)
        .read_one(db.reader())
        .await?;
    let Some(delivery) = delivery else {
        return Ok(None);
    };
    let tries = Sql::new(
        "SELECT number, call, started_at, duration_ms, status, outcome, detail FROM attempt WHERE task_seq = ",
    )
    .bind(seq)
    .push(" ORDER BY seq")
    .read(db.reader())
    .await?;
    Ok(Some((delivery, tries)))
}

/// Dead letters of one target and operation that died of the same cause.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct DeadGroup {
    /// Target.
    pub target: String,
    /// Operation.
    pub op: String,
    /// Why.
    pub cause: String,
    /// How many.
    pub count: i64,
    /// When the first of them died, milliseconds.
    pub oldest: i64,
    /// When the last of them died, milliseconds.
    pub newest: i64,
}

/// Appends the cause of a dead task. How long and how often it was tried differs from task to
/// task of the same cause, so that part of the sentence is left out.
fn push_cause(sql: Sql, backend: DbBackend) -> Sql {
    sql.push("CASE WHEN t.last_outcome LIKE 'gave up after %: %' THEN substr(t.last_outcome, ")
        .push(match backend {
            DbBackend::Sqlite => "instr(t.last_outcome, ': ')",
            _ => "strpos(t.last_outcome, ': ')",
        })
        .push(" + 2) ELSE COALESCE(t.last_outcome, '') END")
}

/// Dead letters grouped by target, operation and cause, the largest groups first.
///
/// # Errors
/// When the database refuses.
pub async fn dead_groups(db: &Db, filter: &Redrive, limit: i64) -> Result<Vec<DeadGroup>, Error> {
    let sql = push_cause(Sql::new("SELECT t.target, t.op, "), db.backend()).push(
        " AS cause, COUNT(*) AS count, MIN(t.finished_at) AS oldest, MAX(t.finished_at) AS newest \
         FROM task t WHERE t.state = 'dead'",
    );
    // Ordinals, because an expression of its own would be another one to PostgreSQL.
    Ok(push_filter(sql, db.backend(), filter)
        .push(" GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT ")
        .bind(limit)
        .read(db.reader())
        .await?)
}

/// Which dead tasks are to be tried again. An empty filter means all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redrive {
    /// These rows only; empty means any.
    pub ids: Vec<i64>,
    /// Target.
    pub target: Option<String>,
    /// Operation.
    pub op: Option<String>,
    /// The cause, as [`DeadGroup`] shows it.
    pub cause: Option<String>,
    /// Died before this, milliseconds.
    pub before: Option<i64>,
}

fn push_filter(mut sql: Sql, backend: DbBackend, filter: &Redrive) -> Sql {
    if !filter.ids.is_empty() {
        sql = sql.push(" AND t.seq IN ").bind_list(&filter.ids);
    }
    if let Some(target) = &filter.target {
        sql = sql.push(" AND t.target = ").bind(target.as_str());
    }
    if let Some(op) = &filter.op {
        sql = sql.push(" AND t.op = ").bind(op.as_str());
    }
    if let Some(cause) = &filter.cause {
        sql = push_cause(sql.push(" AND "), backend)
            .push(" = ")
            .bind(cause.as_str());
    }
    if let Some(before) = filter.before {
        sql = sql.push(" AND t.finished_at < ").bind(before);
    }
    sql
}

/// Makes dead tasks due again, the oldest [`MOST_REDRIVEN`] that the filter names; their rows, in
/// order. The tries stay on record, the count of tries and the time to give up start afresh. What
/// may have arrived stays marked so: the partner is asked before anything is sent again.
///
/// The order need not be told: it knows the task as dead, and takes a later success or refusal.
///
/// # Errors
/// When the database refuses; nothing is redriven then.
pub async fn redrive(db: &Db, filter: &Redrive, actor: &str, now: i64) -> Result<Vec<i64>, Error> {
    let tx = db.begin().await?;
    let sql = Sql::new(
        "UPDATE task SET state = 'pending', attempts = 0, first_sent_at = NULL, finished_at = NULL, \
         lease_token = NULL, lease_until = 0, not_before = ",
    )
    .bind(now)
    .push(
        " WHERE state = 'dead' AND seq IN (SELECT t.seq FROM task t WHERE t.state = 'dead'",
    );
    let rows = push_filter(sql, db.backend(), filter)
        .push(" ORDER BY t.seq LIMIT ")
        .bind(MOST_REDRIVEN)
        .push(") RETURNING seq, key, order_id, target")
        .all(&tx)
        .await?;
    let mut redriven = Vec::with_capacity(rows.len());
    let mut audit = Vec::with_capacity(rows.len());
    for row in &rows {
        let seq: i64 = row.try_get("", "seq")?;
        let key: String = row.try_get("", "key")?;
        let target: String = row.try_get("", "target")?;
        redriven.push(seq);
        audit.push(vec![
            now.into(),
            actor.into(),
            "delivery.redrive".into(),
            row.try_get::<Option<String>>("", "order_id")?
                .unwrap_or_else(|| target.clone())
                .into(),
            format!("delivery {seq} ({key}) to {target}").into(),
        ]);
    }
    insert_many(
        &tx,
        "INSERT INTO audit (at, actor, action, subject, detail)",
        audit,
        "",
    )
    .await?;
    tx.commit().await?;
    redriven.sort_unstable();
    Ok(redriven)
}

/// The targets of some deliveries, each once.
///
/// # Errors
/// When the database refuses.
pub async fn targets_of(db: &Db, seqs: &[i64]) -> Result<Vec<String>, Error> {
    if seqs.is_empty() {
        return Ok(Vec::new());
    }
    Sql::new("SELECT DISTINCT target FROM task WHERE seq IN ")
        .bind_list(seqs)
        .push(" ORDER BY target")
        .all(db.reader())
        .await?
        .iter()
        .map(|row| Ok(row.try_get("", "target")?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TempDb, task};
    use super::*;
    use crate::store::outbox::{self, Attempt, Finished, TaskEnd};

    async fn kill(db: &Db, target: &str, reason: &str, unknown: bool) {
        let mut leased = outbox::claim(db, target, "t", 1_000, 9_000, 10)
            .await
            .unwrap();
        for task in &mut leased {
            task.unknown = unknown;
        }
        let tx = db.begin().await.unwrap();
        let finished: Vec<Finished> = leased
            .into_iter()
            .map(|task| Finished {
                attempts: vec![Attempt {
                    call: "send",
                    started_at: 1_000,
                    duration_ms: 5,
                    status: Some(503),
                    outcome: "retry".to_owned(),
                    detail: "503".to_owned(),
                }],
                token: "t".to_owned(),
                end: TaskEnd::Dead {
                    reason: reason.to_owned(),
                    unknown: false,
                },
                task,
            })
            .collect();
        let all: Vec<&Finished> = finished.iter().collect();
        outbox::finish(&tx, 2_000, &all).await.unwrap();
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_redriven_task_is_due_again_and_keeps_what_is_known_of_it() {
        let db = TempDb::new().await;
        task(&db, "k1", "wms", "reserve").await;
        kill(
            &db,
            "wms",
            "gave up after 7 attempts in 90 s: HTTP 503",
            true,
        )
        .await;
        assert!(
            outbox::claim(&db, "wms", "t", 3_000, 9_000, 10)
                .await
                .unwrap()
                .is_empty()
        );

        let ids = redrive(&db, &Redrive::default(), "lan", 5_000)
            .await
            .unwrap();

        let (delivery, tries) = one(&db, ids[0]).await.unwrap().unwrap();
        assert_eq!(delivery.state, "pending");
        assert_eq!(delivery.attempts, 0);
        assert_eq!(delivery.first_sent_at, None);
        assert_eq!(tries.len(), 1, "the tries stay on record");
        let leased = outbox::claim(&db, "wms", "t", 5_000, 9_000, 10)
            .await
            .unwrap();
        assert!(
            leased[0].unknown,
            "the partner is asked before it is sent again"
        );
        assert_eq!(
            leased[0].first_sent_at, 5_000,
            "the time to give up starts afresh"
        );
        let audit = db
            .text("SELECT action || ' ' || subject || ' ' || actor AS x FROM audit")
            .await;
        assert_eq!(audit, ["delivery.redrive ord_1 lan"]);
    }

    #[tokio::test]
    async fn a_second_redrive_finds_nothing_to_do() {
        let db = TempDb::new().await;
        task(&db, "k1", "wms", "reserve").await;
        kill(&db, "wms", "HTTP 400", false).await;
        assert_eq!(
            redrive(&db, &Redrive::default(), "lan", 5_000)
                .await
                .unwrap()
                .len(),
            1
        );
        assert!(
            redrive(&db, &Redrive::default(), "lan", 5_001)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(db.text("SELECT action AS x FROM audit").await.len(), 1);
    }

    #[tokio::test]
    async fn dead_letters_of_one_cause_are_one_group_however_often_they_were_tried() {
        let db = TempDb::new().await;
        task(&db, "k1", "wms", "reserve").await;
        kill(
            &db,
            "wms",
            "gave up after 7 attempts in 90 s: HTTP 503",
            false,
        )
        .await;
        task(&db, "k2", "wms", "reserve").await;
        kill(
            &db,
            "wms",
            "gave up after 12 attempts in 900 s: HTTP 503",
            false,
        )
        .await;
        task(&db, "k3", "wms", "reserve").await;
        kill(&db, "wms", "could not build the request", false).await;

        let groups = dead_groups(&db, &Redrive::default(), 10).await.unwrap();
        let seen: Vec<(&str, i64)> = groups.iter().map(|g| (g.cause.as_str(), g.count)).collect();
        assert_eq!(seen, [("HTTP 503", 2), ("could not build the request", 1)]);

        let filter = Redrive {
            cause: Some("HTTP 503".to_owned()),
            ..Redrive::default()
        };
        assert_eq!(redrive(&db, &filter, "lan", 5_000).await.unwrap().len(), 2);
        let left = dead_groups(&db, &Redrive::default(), 10).await.unwrap();
        assert_eq!(left.len(), 1);
    }

    #[tokio::test]
    async fn a_filter_redrives_only_what_it_names() {
        let db = TempDb::new().await;
        for (key, target, op) in [("k1", "wms", "reserve"), ("k2", "inv", "issue_invoice")] {
            task(&db, key, target, op).await;
            kill(&db, target, "HTTP 400", false).await;
        }
        for filter in [
            Redrive {
                target: Some("nobody".to_owned()),
                ..Redrive::default()
            },
            Redrive {
                op: Some("cancel_fulfillment".to_owned()),
                ..Redrive::default()
            },
            Redrive {
                before: Some(2_000),
                ..Redrive::default()
            },
            Redrive {
                ids: vec![99],
                ..Redrive::default()
            },
        ] {
            assert!(
                redrive(&db, &filter, "lan", 5_000)
                    .await
                    .unwrap()
                    .is_empty()
            );
        }
        let filter = Redrive {
            target: Some("inv".to_owned()),
            ..Redrive::default()
        };
        let ids = redrive(&db, &filter, "lan", 5_000).await.unwrap();
        assert_eq!(targets_of(&db, &ids).await.unwrap(), ["inv"]);
    }

    #[tokio::test]
    async fn an_order_can_take_back_a_task_that_was_dead_and_then_it_cannot_be_redriven() {
        let db = TempDb::new().await;
        task(&db, "k1", "wms", "reserve").await;
        kill(&db, "wms", "HTTP 400", false).await;
        let tx = db.begin().await.unwrap();
        let withdrawn = outbox::withdraw(&tx, 3_000, &["k1".to_owned()])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(withdrawn, [("k1".to_owned(), true)]);
        assert!(
            redrive(&db, &Redrive::default(), "lan", 5_000)
                .await
                .unwrap()
                .is_empty()
        );
    }

    #[tokio::test]
    async fn a_task_that_was_redriven_counts_as_tried_when_it_is_withdrawn() {
        let db = TempDb::new().await;
        task(&db, "k1", "wms", "reserve").await;
        kill(&db, "wms", "HTTP 503", false).await;
        redrive(&db, &Redrive::default(), "lan", 5_000)
            .await
            .unwrap();
        let tx = db.begin().await.unwrap();
        let withdrawn = outbox::withdraw(&tx, 6_000, &["k1".to_owned()])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(withdrawn, [("k1".to_owned(), true)]);
    }

    #[tokio::test]
    async fn pages_go_from_new_to_old_without_gap_or_repeat() {
        let db = TempDb::new().await;
        for n in 0..7 {
            task(&db, &format!("k{n}"), "wms", "reserve").await;
        }
        let mut keys = Vec::new();
        let mut before = None;
        loop {
            let page = list(&db, &Filter::default(), before, 3).await.unwrap();
            keys.extend(page.rows.into_iter().map(|row| row.key));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(keys, ["k6", "k5", "k4", "k3", "k2", "k1", "k0"]);
        let filter = Filter {
            state: Some("dead".to_owned()),
            ..Filter::default()
        };
        assert!(list(&db, &filter, None, 3).await.unwrap().rows.is_empty());
    }
}
