//! Numbers over the whole database, for the demo's summary and for benchmarks.

use std::collections::BTreeMap;

use super::db::{Db, Error};
use super::sql::Sql;

/// Counts over everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Receipts per channel and outcome.
    pub receipts: BTreeMap<(String, String), i64>,
    /// Notices per state.
    pub notices: BTreeMap<String, i64>,
    /// Orders per status.
    pub orders: BTreeMap<String, i64>,
    /// Orders per connector.
    pub by_connector: BTreeMap<String, i64>,
    /// Held orders per reason.
    pub held: BTreeMap<String, i64>,
    /// Tasks per state.
    pub tasks: BTreeMap<String, i64>,
    /// Delivered tasks per operation.
    pub delivered: BTreeMap<String, i64>,
    /// Attempts.
    pub attempts: i64,
}

/// Counts everything.
///
/// # Errors
/// When the database refuses.
pub async fn counts(db: &Db) -> Result<Counts, Error> {
    let mut receipts = BTreeMap::new();
    for row in
        Sql::new("SELECT channel, outcome, COUNT(*) AS n FROM receipt GROUP BY channel, outcome")
            .all(db.reader())
            .await?
    {
        receipts.insert(
            (row.try_get("", "channel")?, row.try_get("", "outcome")?),
            row.try_get("", "n")?,
        );
    }
    let attempts = Sql::new("SELECT COUNT(*) AS n FROM attempt")
        .one(db.reader())
        .await?
        .map(|row| row.try_get("", "n"))
        .transpose()?
        .unwrap_or(0);
    Ok(Counts {
        receipts,
        notices: groups(
            db,
            "SELECT state AS k, COUNT(*) AS n FROM notice GROUP BY state",
        )
        .await?,
        orders: groups(
            db,
            "SELECT status AS k, COUNT(*) AS n FROM orders GROUP BY status",
        )
        .await?,
        by_connector: groups(
            db,
            "SELECT connector AS k, COUNT(*) AS n FROM orders GROUP BY connector",
        )
        .await?,
        held: groups(
            db,
            "SELECT held AS k, COUNT(*) AS n FROM orders WHERE held IS NOT NULL GROUP BY held",
        )
        .await?,
        tasks: groups(
            db,
            "SELECT state AS k, COUNT(*) AS n FROM task GROUP BY state",
        )
        .await?,
        delivered: groups(
            db,
            "SELECT op AS k, COUNT(*) AS n FROM task WHERE state = 'delivered' GROUP BY op",
        )
        .await?,
        attempts,
    })
}

async fn groups(db: &Db, sql: &str) -> Result<BTreeMap<String, i64>, Error> {
    Sql::new(sql)
        .all(db.reader())
        .await?
        .iter()
        .map(|row| Ok((row.try_get("", "k")?, row.try_get("", "n")?)))
        .collect()
}

/// Notices and tasks that are not finished, and those of them that are dead.
///
/// # Errors
/// When the database refuses.
pub async fn unfinished(db: &Db) -> Result<i64, Error> {
    let row = Sql::new(
        "SELECT (SELECT COUNT(*) FROM notice WHERE state = 'waiting') \
         + (SELECT COUNT(*) FROM task WHERE state IN ('pending', 'in_flight')) AS n",
    )
    .one(db.reader())
    .await?;
    Ok(row
        .map(|row| row.try_get("", "n"))
        .transpose()?
        .unwrap_or(0))
}

/// For every delivered reservation, milliseconds from the acknowledgement of the message that
/// caused it to its delivery, in rising order.
///
/// # Errors
/// When the database refuses.
pub async fn reservation_times(db: &Db) -> Result<Vec<i64>, Error> {
    Sql::new(
        "SELECT t.finished_at - MAX(m.received_at) AS took FROM task t \
         JOIN notice n ON n.order_id = t.order_id AND n.finished_at <= t.created_at \
         JOIN message m ON m.seq = n.message_seq \
         WHERE t.op = 'reserve' AND t.state = 'delivered' \
         GROUP BY t.seq, t.finished_at ORDER BY took",
    )
    .all(db.reader())
    .await?
    .iter()
    .map(|row| Ok(row.try_get("", "took")?))
    .collect()
}

/// Whether each order's last decision asked for an installation, by order id.
///
/// # Errors
/// When the database refuses or a document is not readable.
pub async fn last_decisions(db: &Db) -> Result<BTreeMap<String, domain::routing::Decision>, Error> {
    let mut decisions = BTreeMap::new();
    for row in Sql::new("SELECT order_id, doc FROM decision ORDER BY seq")
        .all(db.reader())
        .await?
    {
        let doc: String = row.try_get("", "doc")?;
        let decision = serde_json::from_str(&doc).map_err(|source| Error::Document {
            what: "decision",
            source,
        })?;
        decisions.insert(row.try_get("", "order_id")?, decision);
    }
    Ok(decisions)
}

/// Every order's document, by id. For small databases (the demo, tests).
///
/// # Errors
/// When the database refuses or a document is not readable.
pub async fn all_orders(db: &Db) -> Result<Vec<domain::order::Order>, Error> {
    Sql::new("SELECT doc FROM orders ORDER BY id")
        .all(db.reader())
        .await?
        .iter()
        .map(|row| {
            let doc: String = row.try_get("", "doc")?;
            serde_json::from_str(&doc).map_err(|source| Error::Document {
                what: "order",
                source,
            })
        })
        .collect()
}
