//! The audit log: who wrote what, when and why. Settling writes most of it, in the transaction of
//! the write itself.

use sea_orm::{ConnectionTrait, FromQueryResult};

use super::db::{Db, Error};
use super::sql::{Sql, insert_many};

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Entry {
    /// Rises with time.
    pub seq: i64,
    /// When, milliseconds.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// What, such as `order.cancel`.
    pub action: String,
    /// Of what: an id.
    pub subject: String,
    /// More, in words.
    pub detail: String,
}

/// Writes one line, in the caller's transaction where there is one.
pub(crate) async fn add(
    on: &impl ConnectionTrait,
    now: i64,
    actor: &str,
    action: &str,
    subject: &str,
    detail: &str,
) -> Result<(), Error> {
    insert_many(
        on,
        "INSERT INTO audit (at, actor, action, subject, detail)",
        vec![vec![
            now.into(),
            actor.into(),
            action.into(),
            subject.into(),
            detail.into(),
        ]],
        "",
    )
    .await?;
    Ok(())
}

/// The newest `limit` lines before `before` (a sequence), newest first; of one subject, or of all.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    db: &Db,
    subject: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Entry>, Error> {
    let mut sql =
        Sql::new("SELECT seq, at, actor, action, subject, detail FROM audit WHERE seq < ")
            .bind(before.unwrap_or(i64::MAX));
    if let Some(subject) = subject {
        sql = sql.push(" AND subject = ").bind(subject);
    }
    Ok(sql
        .push(" ORDER BY seq DESC LIMIT ")
        .bind(limit)
        .read(db.reader())
        .await?)
}
