//! Published rule sets. The one in force is the newest of those whose time has come.

use sea_orm::FromQueryResult;

use super::db::{Db, Error};
use super::sql::Sql;

/// A published rule set.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Published {
    /// Row.
    pub seq: i64,
    /// Content hash.
    pub version: String,
    /// Who published it.
    pub author: String,
    /// In force from this moment, milliseconds.
    pub active_from: i64,
    /// When it was published, milliseconds.
    pub created_at: i64,
    /// The TOML text.
    pub body: String,
}

const COLUMNS: &str = "seq, version, author, active_from, created_at, body";

/// Publishes a rule set.
///
/// # Errors
/// When the database refuses.
pub async fn publish(
    db: &Db,
    version: &str,
    author: &str,
    active_from: i64,
    now: i64,
    body: &str,
) -> Result<(), Error> {
    Sql::new("INSERT INTO rule_set (version, author, active_from, created_at, body) VALUES (")
        .bind(version)
        .push(", ")
        .bind(author)
        .push(", ")
        .bind(active_from)
        .push(", ")
        .bind(now)
        .push(", ")
        .bind(body)
        .push(")")
        .run(db.writer())
        .await?;
    Ok(())
}

/// The rule set in force at a moment.
///
/// # Errors
/// When the database refuses.
pub async fn in_force(db: &Db, now: i64) -> Result<Option<Published>, Error> {
    Ok(Sql::new("SELECT ")
        .push(COLUMNS)
        .push(" FROM rule_set WHERE active_from <= ")
        .bind(now)
        .push(" ORDER BY active_from DESC, seq DESC LIMIT 1")
        .read_one(db.reader())
        .await?)
}

/// All published rule sets, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn history(db: &Db, limit: i64) -> Result<Vec<Published>, Error> {
    Ok(Sql::new("SELECT ")
        .push(COLUMNS)
        .push(" FROM rule_set ORDER BY seq DESC LIMIT ")
        .bind(limit)
        .read(db.reader())
        .await?)
}
