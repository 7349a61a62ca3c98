//! Orders that polling or a reconciliation brought or changed, and no push had: what a channel's
//! pushes lose.

use std::collections::{BTreeMap, HashMap};

use sea_orm::ConnectionTrait;

use super::db::{Db, Error};
use super::sql::{Sql, insert_many};

/// Adds to the counts of channels.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn add(
    on: &impl ConnectionTrait,
    now: i64,
    found: &BTreeMap<String, i64>,
) -> Result<(), Error> {
    let rows = found
        .iter()
        .map(|(channel, orders)| vec![channel.as_str().into(), (*orders).into(), now.into()])
        .collect();
    insert_many(
        on,
        "INSERT INTO found_by_poll (channel, orders, updated_at)",
        rows,
        "ON CONFLICT (channel) DO UPDATE SET orders = found_by_poll.orders + excluded.orders, \
         updated_at = excluded.updated_at",
    )
    .await?;
    Ok(())
}

/// The counts of all channels.
///
/// # Errors
/// When the database refuses.
pub async fn all(db: &Db) -> Result<HashMap<String, i64>, Error> {
    Sql::new("SELECT channel, orders FROM found_by_poll")
        .all(db.reader())
        .await?
        .iter()
        .map(|row| Ok((row.try_get("", "channel")?, row.try_get("", "orders")?)))
        .collect()
}
