//! Webhook subscriptions as they were when they were last looked after.

use sea_orm::FromQueryResult;

use super::db::{Db, Error};
use super::sql::Sql;

/// How a channel's subscription stands.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Subscription {
    /// Channel.
    pub channel: String,
    /// `good`, `broken`, `unreachable` or `unset`.
    pub state: String,
    /// Why, where it is not good.
    pub detail: Option<String>,
    /// When it was last looked at, milliseconds.
    pub checked_at: i64,
}

/// All that were ever looked at.
///
/// # Errors
/// When the database refuses.
pub async fn all(db: &Db) -> Result<Vec<Subscription>, Error> {
    Ok(
        Sql::new("SELECT channel, state, detail, checked_at FROM subscription ORDER BY channel")
            .read(db.reader())
            .await?,
    )
}

/// Writes down a look.
///
/// # Errors
/// When the database refuses.
pub async fn put(db: &Db, seen: &Subscription) -> Result<(), Error> {
    Sql::new("INSERT INTO subscription (channel, state, detail, checked_at) VALUES (")
        .bind(seen.channel.as_str())
        .push(", ")
        .bind(seen.state.as_str())
        .push(", ")
        .bind(seen.detail.clone())
        .push(", ")
        .bind(seen.checked_at)
        .push(
            ") ON CONFLICT (channel) DO UPDATE SET state = excluded.state, \
             detail = excluded.detail, checked_at = excluded.checked_at",
        )
        .run(db.writer())
        .await?;
    Ok(())
}
