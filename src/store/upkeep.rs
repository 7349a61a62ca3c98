//! What timers do: due orders, the change feed's positions, old raw bodies, numbers for operators.

use sea_orm::FromQueryResult;

use super::db::{Db, Error};
use super::sql::Sql;

/// Orders whose time has come, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn due_orders(db: &Db, now: i64, limit: i64) -> Result<Vec<String>, Error> {
    ids(Sql::new("SELECT id FROM orders WHERE next_wake <= ")
        .bind(now)
        .push(" ORDER BY next_wake LIMIT ")
        .bind(limit)
        .all(db.reader())
        .await?)
}

/// Puts off an order's timer, unless it has been moved meanwhile.
///
/// # Errors
/// When the database refuses.
pub async fn put_off_wake(db: &Db, order_id: &str, at: i64) -> Result<(), Error> {
    Sql::new("UPDATE orders SET next_wake = ")
        .bind(at)
        .push(" WHERE next_wake < ")
        .bind(at)
        .push(" AND id = ")
        .bind(order_id)
        .run(db.writer())
        .await?;
    Ok(())
}

/// Orders that are held, after `after` in the order of their ids.
///
/// # Errors
/// When the database refuses.
pub async fn held_orders(db: &Db, after: &str, limit: i64) -> Result<Vec<String>, Error> {
    ids(
        Sql::new("SELECT id FROM orders WHERE held IS NOT NULL AND id > ")
            .bind(after)
            .push(" ORDER BY id LIMIT ")
            .bind(limit)
            .all(db.reader())
            .await?,
    )
}

fn ids(rows: Vec<sea_orm::QueryResult>) -> Result<Vec<String>, Error> {
    rows.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
}

/// Takes or keeps a role that one process at a time has; whether this process has it now.
///
/// # Errors
/// When the database refuses.
pub async fn hold_role(
    db: &Db,
    role: &str,
    token: &str,
    now: i64,
    until: i64,
) -> Result<bool, Error> {
    let changed = Sql::new("INSERT INTO role_lease (role, token, until) VALUES (")
        .bind(role)
        .push(", ")
        .bind(token)
        .push(", ")
        .bind(until)
        .push(
            ") ON CONFLICT (role) DO UPDATE SET token = excluded.token, until = excluded.until \
             WHERE role_lease.token = excluded.token OR role_lease.until <= ",
        )
        .bind(now)
        .run(db.writer())
        .await?;
    Ok(changed == 1)
}

/// Gives committed changes their positions in the feed, oldest first; how many. Only the holder
/// of the role may do it: positions given after commit, by one publisher, leave no gap that a
/// slower transaction could fill later behind a reader's back.
///
/// # Errors
/// When the database refuses.
pub async fn publish_changes(db: &Db, limit: i64) -> Result<u64, Error> {
    Ok(Sql::new(
        "WITH fresh AS (SELECT seq, ROW_NUMBER() OVER (ORDER BY seq) AS n FROM change \
         WHERE position IS NULL ORDER BY seq LIMIT ",
    )
    .bind(limit)
    .push(
        "), top AS (SELECT COALESCE(MAX(position), 0) AS position FROM change) \
         UPDATE change SET position = (SELECT top.position + fresh.n FROM fresh, top WHERE fresh.seq = change.seq) \
         WHERE seq IN (SELECT seq FROM fresh)",
    )
    .run(db.writer())
    .await?)
}

/// Drops the oldest published changes, up to the first that is not older than `before`; how many.
/// Never one in the middle, which a reader would miss without a word, and never the newest, from
/// which the next position follows.
///
/// # Errors
/// When the database refuses.
pub async fn prune_changes(db: &Db, before: i64, limit: i64) -> Result<u64, Error> {
    Ok(Sql::new(
        "DELETE FROM change WHERE seq IN (SELECT seq FROM change WHERE position < COALESCE(\
         (SELECT position FROM change WHERE position IS NOT NULL AND at >= ",
    )
    .bind(before)
    .push(
        " ORDER BY position LIMIT 1), (SELECT MAX(position) FROM change)) \
         ORDER BY position LIMIT ",
    )
    .bind(limit)
    .push(")")
    .run(db.writer())
    .await?)
}

/// Drops idempotency keys that are older than `before`, the oldest first; how many.
///
/// # Errors
/// When the database refuses.
pub async fn prune_keys(db: &Db, before: i64, limit: i64) -> Result<u64, Error> {
    Ok(Sql::new(
        "DELETE FROM idempotency WHERE (actor, key) IN \
         (SELECT actor, key FROM idempotency WHERE created_at < ",
    )
    .bind(before)
    .push(" ORDER BY created_at LIMIT ")
    .bind(limit)
    .push(")")
    .run(db.writer())
    .await?)
}

/// Drops raw bodies that came before `before` and whose notices are all finished; how many.
/// Receipts, keys and hashes stay for good.
///
/// # Errors
/// When the database refuses.
pub async fn prune_raw(db: &Db, now: i64, before: i64, limit: i64) -> Result<u64, Error> {
    let messages = Sql::new("UPDATE message SET body = NULL, pruned_at = ")
        .bind(now)
        .push(" WHERE seq IN (SELECT seq FROM message m WHERE m.received_at < ")
        .bind(before)
        .push(
            " AND m.body IS NOT NULL AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.message_seq = m.seq \
             AND n.state IN ('waiting', 'dead')) ORDER BY m.received_at LIMIT ",
        )
        .bind(limit)
        .push(")")
        .run(db.writer())
        .await?;
    let conflicts = Sql::new(
        "UPDATE message_conflict SET body = NULL WHERE body IS NOT NULL AND received_at < ",
    )
    .bind(before)
    .run(db.writer())
    .await?;
    Ok(messages + conflicts)
}

/// Depth and age of one channel's inbox.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Waiting {
    /// Channel or target.
    pub channel: String,
    /// Notices that wait.
    pub waiting: i64,
    /// When the oldest was written, milliseconds.
    pub oldest: Option<i64>,
}

/// Depth and age of the inbox per channel.
///
/// # Errors
/// When the database refuses.
pub async fn inbox_backlog(db: &Db) -> Result<Vec<Waiting>, Error> {
    Ok(Sql::new(
        "SELECT channel, COUNT(*) AS waiting, MIN(created_at) AS oldest FROM notice \
         WHERE state = 'waiting' GROUP BY channel",
    )
    .read(db.reader())
    .await?)
}

/// Dead notices and dead tasks.
///
/// # Errors
/// When the database refuses.
pub async fn dead(db: &Db) -> Result<(i64, i64), Error> {
    let row = Sql::new(
        "SELECT (SELECT COUNT(*) FROM notice WHERE state = 'dead') AS notices, \
         (SELECT COUNT(*) FROM task WHERE state = 'dead') AS tasks",
    )
    .one(db.reader())
    .await?;
    match row {
        Some(row) => Ok((row.try_get("", "notices")?, row.try_get("", "tasks")?)),
        None => Ok((0, 0)),
    }
}

/// Held orders by reason.
///
/// # Errors
/// When the database refuses.
pub async fn held(db: &Db) -> Result<Vec<(String, i64)>, Error> {
    Sql::new("SELECT held, COUNT(*) AS n FROM orders WHERE held IS NOT NULL GROUP BY held")
        .all(db.reader())
        .await?
        .iter()
        .map(|row| Ok((row.try_get("", "held")?, row.try_get("", "n")?)))
        .collect()
}
