//! Counts behind the alarms; each is served by a partial index.

use super::db::{Db, Error};
use super::sql::Sql;

/// Dead notices per channel.
///
/// # Errors
/// When the database refuses.
pub async fn dead_notices(db: &Db) -> Result<Vec<(String, i64)>, Error> {
    pairs(
        db,
        Sql::new("SELECT channel AS k, COUNT(*) AS n FROM notice WHERE state = 'dead' GROUP BY channel ORDER BY channel"),
    )
    .await
}

/// Dead tasks per target.
///
/// # Errors
/// When the database refuses.
pub async fn dead_tasks(db: &Db) -> Result<Vec<(String, i64)>, Error> {
    pairs(
        db,
        Sql::new("SELECT target AS k, COUNT(*) AS n FROM task WHERE state = 'dead' GROUP BY target ORDER BY target"),
    )
    .await
}

/// News that each channel or provider has refused since a moment.
///
/// # Errors
/// When the database refuses.
pub async fn refused_news(db: &Db, since: i64) -> Result<Vec<(String, i64)>, Error> {
    // The conditions on state and leg are those of the index, word by word, for SQLite's sake.
    pairs(
        db,
        Sql::new("SELECT target AS k, COUNT(*) AS n FROM task WHERE state = 'refused' AND leg = 'channel' AND finished_at >= ")
            .bind(since)
            .push(" GROUP BY target ORDER BY target"),
    )
    .await
}

/// Counters that promise more than is there.
///
/// # Errors
/// When the database refuses.
pub async fn oversold(db: &Db) -> Result<i64, Error> {
    one(
        db,
        Sql::new("SELECT COUNT(*) AS n FROM stock WHERE reserved > on_hand"),
    )
    .await
}

/// Invoices of a target that were due before a moment and are not issued.
///
/// # Errors
/// When the database refuses.
pub async fn waiting_invoices(db: &Db, target: &str, before: i64) -> Result<i64, Error> {
    one(
        db,
        Sql::new("SELECT COUNT(*) AS n FROM task WHERE state IN ('pending', 'in_flight', 'dead') AND op = 'issue_invoice' AND target = ")
            .bind(target)
            .push(" AND created_at < ")
            .bind(before),
    )
    .await
}

async fn pairs(db: &Db, sql: Sql) -> Result<Vec<(String, i64)>, Error> {
    sql.all(db.reader())
        .await?
        .iter()
        .map(|row| Ok((row.try_get("", "k")?, row.try_get("", "n")?)))
        .collect()
}

async fn one(db: &Db, sql: Sql) -> Result<i64, Error> {
    let row = sql.one(db.reader()).await?;
    Ok(row
        .map(|row| row.try_get("", "n"))
        .transpose()?
        .unwrap_or(0))
}
