//! Stock: counters per location and SKU, derived from an append-only ledger of typed movements.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Value};

use super::db::{Db, Error};
use super::sql::{Sql, insert_returning};

/// The counters of one SKU at one location.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Level {
    /// Location.
    pub location: String,
    /// SKU.
    pub sku: String,
    /// Units there.
    pub on_hand: i64,
    /// Units promised.
    pub reserved: i64,
    /// Units kept back.
    pub safety: i64,
}

impl Level {
    /// What may still be promised; never negative.
    #[must_use]
    pub fn available(&self) -> i64 {
        self.on_hand
            .saturating_sub(self.reserved)
            .saturating_sub(self.safety)
            .max(0)
    }

    /// Units promised beyond what is there; 0 unless a count came in lower than the promises.
    #[must_use]
    pub fn oversold(&self) -> i64 {
        self.reserved.saturating_sub(self.on_hand).max(0)
    }
}

/// One change of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Location.
    pub location: String,
    /// SKU.
    pub sku: String,
    /// `received, counted, reserved, released, shipped, returned, adjusted`.
    pub kind: &'static str,
    /// Change of the units on hand.
    pub on_hand: i64,
    /// Change of the units promised.
    pub reserved: i64,
    /// Order, if one is concerned.
    pub order_id: Option<String>,
    /// What makes it unique together with its kind: a repeat does nothing.
    pub reference: String,
    /// When it happened at the location, milliseconds.
    pub happened_at: i64,
}

/// The levels of some SKUs at all locations.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn levels(
    on: &impl ConnectionTrait,
    skus: &[String],
) -> Result<Vec<Level>, Error> {
    if skus.is_empty() {
        return Ok(Vec::new());
    }
    Ok(
        Sql::new("SELECT location, sku, on_hand, reserved, safety FROM stock WHERE sku IN ")
            .bind_list(skus)
            .read(on)
            .await?,
    )
}

/// Orders per location on one legal day.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn loads(
    on: &impl ConnectionTrait,
    day: &str,
) -> Result<HashMap<String, u32>, Error> {
    Sql::new("SELECT location, orders FROM location_load WHERE day = ")
        .bind(day)
        .all(on)
        .await?
        .iter()
        .map(|row| {
            let orders: i64 = row.try_get("", "orders")?;
            Ok((
                row.try_get("", "location")?,
                u32::try_from(orders).unwrap_or(u32::MAX),
            ))
        })
        .collect()
}

/// Counts orders that locations got on a legal day.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn add_loads(
    on: &impl ConnectionTrait,
    day: &str,
    orders: &BTreeMap<String, i64>,
) -> Result<(), Error> {
    super::sql::insert_many(
        on,
        "INSERT INTO location_load (day, location, orders)",
        orders
            .iter()
            .map(|(location, n)| vec![day.into(), location.as_str().into(), (*n).into()])
            .collect(),
        "ON CONFLICT (day, location) DO UPDATE SET orders = location_load.orders + excluded.orders",
    )
    .await?;
    Ok(())
}

/// Writes movements and changes the counters. A movement that was written before is skipped. A
/// reservation changes its counter only if so much is still available. What happened before the
/// last count is already in it, so a late report of it moves no unit on hand any more.
///
/// # Errors
/// [`Error::Conflict`] when a reservation finds too little: the caller's transaction must not
/// commit, and decides again on fresh levels.
pub(crate) async fn apply(
    on: &impl ConnectionTrait,
    now: i64,
    movements: &[Movement],
) -> Result<(), Error> {
    if movements.is_empty() {
        return Ok(());
    }
    let counted = counted(on, movements).await?;
    let written = insert_returning(
        on,
        "INSERT INTO stock_movement \
         (location, sku, kind, on_hand, reserved, order_id, reference, happened_at, at)",
        movements
            .iter()
            .map(|m| {
                let in_count = counted
                    .get(&(m.location.as_str(), m.sku.as_str()))
                    .is_some_and(|counted_at| m.happened_at <= *counted_at);
                vec![
                    m.location.as_str().into(),
                    m.sku.as_str().into(),
                    m.kind.into(),
                    if in_count { 0 } else { m.on_hand }.into(),
                    m.reserved.into(),
                    m.order_id.clone().into(),
                    m.reference.as_str().into(),
                    m.happened_at.into(),
                    now.into(),
                ]
            })
            .collect(),
        "ON CONFLICT (reference, kind, location, sku) DO NOTHING RETURNING location, sku, on_hand, reserved",
    )
    .await?;

    let mut deltas: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
    for row in &written {
        let delta = deltas
            .entry((row.try_get("", "location")?, row.try_get("", "sku")?))
            .or_default();
        delta.0 += row.try_get::<i64>("", "on_hand")?;
        delta.1 += row.try_get::<i64>("", "reserved")?;
    }
    deltas.retain(|_, (on_hand, reserved)| *on_hand != 0 || *reserved != 0);
    let deltas: Vec<_> = deltas.into_iter().collect();
    for chunk in deltas.chunks(128) {
        let mut sql = Sql::new("WITH delta (location, sku, on_hand, reserved) AS (VALUES ");
        for (n, ((location, sku), (on_hand, reserved))) in chunk.iter().enumerate() {
            sql = sql
                .push(if n == 0 { "(CAST(" } else { ", (CAST(" })
                .bind(location.as_str())
                .push(" AS TEXT), CAST(")
                .bind(sku.as_str())
                .push(" AS TEXT), CAST(")
                .bind(*on_hand)
                .push(" AS BIGINT), CAST(")
                .bind(*reserved)
                .push(" AS BIGINT))");
        }
        let changed = sql
            .push(
                ") UPDATE stock SET on_hand = stock.on_hand + delta.on_hand, \
                 reserved = stock.reserved + delta.reserved, updated_at = ",
            )
            .bind(now)
            .push(
                " FROM delta WHERE stock.location = delta.location AND stock.sku = delta.sku \
                 AND (delta.reserved <= 0 OR stock.on_hand - stock.reserved - stock.safety >= delta.reserved)",
            )
            .run(on)
            .await?;
        if changed != u64::try_from(chunk.len()).expect("fits") {
            return Err(Error::Conflict {
                what: "available stock",
            });
        }
    }
    Ok(())
}

/// When the places of the movements were last counted. On PostgreSQL this locks their counters, in
/// the order of the key: two workers that move the same ones wait for each other instead of
/// deadlocking, and no count comes between the look and the change. (A batch that also takes counts
/// has locked those before; where that ends in a deadlock, the server ends one of the two and it is
/// settled again.) SQLite has one writer; there only movements of units on hand need the look.
async fn counted<'a>(
    on: &impl ConnectionTrait,
    movements: &'a [Movement],
) -> Result<HashMap<(&'a str, &'a str), i64>, Error> {
    let postgres = on.get_database_backend() == DbBackend::Postgres;
    let places: BTreeSet<(&str, &str)> = movements
        .iter()
        .filter(|m| m.on_hand != 0 || (postgres && m.reserved != 0))
        .map(|m| (m.location.as_str(), m.sku.as_str()))
        .collect();
    let places: Vec<_> = places.into_iter().collect();
    let mut counted = HashMap::with_capacity(places.len());
    for chunk in places.chunks(128) {
        let mut sql = Sql::new(
            "SELECT location, sku, counted_at FROM stock WHERE (location, sku) IN (VALUES ",
        );
        for (n, (location, sku)) in chunk.iter().enumerate() {
            sql = sql
                .push(if n == 0 { "(" } else { ", (" })
                .bind(*location)
                .push(", ")
                .bind(*sku)
                .push(")");
        }
        let rows = sql
            .push(")")
            .push_for(
                on.get_database_backend(),
                DbBackend::Postgres,
                " ORDER BY location, sku FOR UPDATE",
            )
            .all(on)
            .await?;
        for row in rows {
            let (location, sku): (String, String) =
                (row.try_get("", "location")?, row.try_get("", "sku")?);
            if let Ok(place) = chunk.binary_search(&(location.as_str(), sku.as_str())) {
                counted.insert(chunk[place], row.try_get("", "counted_at")?);
            }
        }
    }
    Ok(counted)
}

/// An absolute count. It supersedes all movements up to its moment; what was received, shipped
/// or returned after it still counts on top. A count that is older than the last one, by
/// moment and then by sequence, changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Location.
    pub location: String,
    /// SKU.
    pub sku: String,
    /// Units there.
    pub on_hand: i64,
    /// As of this moment, milliseconds.
    pub as_of: i64,
    /// Rises per location and SKU.
    pub sequence: i64,
    /// Units kept back, where the count sets it.
    pub safety: Option<i64>,
    /// What makes the movement unique.
    pub reference: String,
}

/// Takes a count; `true` when it changed something.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn count(
    on: &impl ConnectionTrait,
    now: i64,
    count: &Count,
) -> Result<bool, Error> {
    // The row must exist before it can be locked and compared.
    Sql::new("INSERT INTO stock (location, sku, on_hand, safety, sequence, updated_at) VALUES (")
        .bind(count.location.as_str())
        .push(", ")
        .bind(count.sku.as_str())
        .push(", 0, ")
        .bind(count.safety.unwrap_or(0))
        .push(", -1, ")
        .bind(now)
        .push(") ON CONFLICT (location, sku) DO NOTHING")
        .run(on)
        .await?;
    let row = Sql::new("SELECT on_hand, sequence, counted_at FROM stock WHERE location = ")
        .bind(count.location.as_str())
        .push(" AND sku = ")
        .bind(count.sku.as_str())
        .push_for(
            on.get_database_backend(),
            DbBackend::Postgres,
            " FOR UPDATE",
        )
        .one(on)
        .await?
        .ok_or(Error::Conflict {
            what: "a stock counter",
        })?;
    // By its moment first: a location's own sequence and that of the API have nothing in common.
    let last: (i64, i64) = (row.try_get("", "counted_at")?, row.try_get("", "sequence")?);
    if last >= (count.as_of, count.sequence) {
        return Ok(false);
    }
    let before: i64 = row.try_get("", "on_hand")?;
    let since: i64 = Sql::new(
        "SELECT CAST(COALESCE(SUM(on_hand), 0) AS BIGINT) AS since FROM stock_movement WHERE kind <> 'counted' AND location = ",
    )
    .bind(count.location.as_str())
    .push(" AND sku = ")
    .bind(count.sku.as_str())
    .push(" AND happened_at > ")
    .bind(count.as_of)
    .one(on)
    .await?
    .map(|row| row.try_get("", "since"))
    .transpose()?
    .unwrap_or(0);
    let after = count.on_hand.saturating_add(since);
    let written = insert_returning(
        on,
        "INSERT INTO stock_movement \
         (location, sku, kind, on_hand, reserved, order_id, reference, happened_at, at)",
        vec![vec![
            count.location.as_str().into(),
            count.sku.as_str().into(),
            "counted".into(),
            after.saturating_sub(before).into(),
            0_i64.into(),
            Value::from(None::<String>),
            count.reference.as_str().into(),
            count.as_of.into(),
            now.into(),
        ]],
        "ON CONFLICT (reference, kind, location, sku) DO NOTHING RETURNING seq",
    )
    .await?;
    if written.is_empty() {
        return Ok(false);
    }
    let mut sql = Sql::new("UPDATE stock SET on_hand = ")
        .bind(after)
        .push(", sequence = ")
        .bind(count.sequence)
        .push(", counted_at = ")
        .bind(count.as_of)
        .push(", updated_at = ")
        .bind(now);
    if let Some(safety) = count.safety {
        sql = sql.push(", safety = ").bind(safety);
    }
    sql.push(" WHERE location = ")
        .bind(count.location.as_str())
        .push(" AND sku = ")
        .bind(count.sku.as_str())
        .run(on)
        .await?;
    Ok(true)
}

/// Puts opening stock in, where a location and SKU has no counter yet.
///
/// # Errors
/// When the database refuses.
pub async fn open(db: &Db, now: i64, counts: &[Count]) -> Result<(), Error> {
    let tx = db.begin().await?;
    let opened = insert_returning(
        &tx,
        "INSERT INTO stock (location, sku, on_hand, safety, counted_at, sequence, updated_at)",
        counts
            .iter()
            .map(|c| {
                vec![
                    c.location.as_str().into(),
                    c.sku.as_str().into(),
                    c.on_hand.into(),
                    c.safety.unwrap_or(0).into(),
                    c.as_of.into(),
                    c.sequence.into(),
                    now.into(),
                ]
            })
            .collect(),
        "ON CONFLICT (location, sku) DO NOTHING RETURNING location, sku, on_hand, counted_at",
    )
    .await?;
    let mut rows = Vec::with_capacity(opened.len());
    for row in &opened {
        rows.push(vec![
            row.try_get::<String>("", "location")?.into(),
            row.try_get::<String>("", "sku")?.into(),
            "counted".into(),
            row.try_get::<i64>("", "on_hand")?.into(),
            0_i64.into(),
            Value::from(None::<String>),
            "opening".into(),
            row.try_get::<i64>("", "counted_at")?.into(),
            now.into(),
        ]);
    }
    super::sql::insert_many(
        &tx,
        "INSERT INTO stock_movement \
         (location, sku, kind, on_hand, reserved, order_id, reference, happened_at, at)",
        rows,
        "",
    )
    .await?;
    tx.commit().await?;
    Ok(())
}

/// A counter that disagrees with its ledger.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Disagreement {
    /// Location.
    pub location: String,
    /// SKU.
    pub sku: String,
    /// Counter: units on hand.
    pub on_hand: i64,
    /// Ledger: units on hand.
    pub ledger_on_hand: i64,
    /// Counter: units promised.
    pub reserved: i64,
    /// Ledger: units promised.
    pub ledger_reserved: i64,
}

/// Derives every counter again from the ledger and returns those that disagree.
///
/// # Errors
/// When the database refuses.
pub async fn disagreements(db: &Db) -> Result<Vec<Disagreement>, Error> {
    Ok(Sql::new(
        "SELECT s.location, s.sku, s.on_hand, CAST(COALESCE(m.on_hand, 0) AS BIGINT) AS ledger_on_hand, \
         s.reserved, CAST(COALESCE(m.reserved, 0) AS BIGINT) AS ledger_reserved \
         FROM stock s LEFT JOIN (SELECT location, sku, SUM(on_hand) AS on_hand, SUM(reserved) AS reserved \
         FROM stock_movement GROUP BY location, sku) m ON m.location = s.location AND m.sku = s.sku \
         WHERE s.on_hand <> COALESCE(m.on_hand, 0) OR s.reserved <> COALESCE(m.reserved, 0) \
         ORDER BY s.location, s.sku",
    )
    .read(db.reader())
    .await?)
}

/// Sets what locations keep back, as configured.
///
/// # Errors
/// When the database refuses.
pub async fn set_safety(db: &Db, locations: &[(String, i64)]) -> Result<(), Error> {
    for (location, safety) in locations {
        Sql::new("UPDATE stock SET safety = ")
            .bind(*safety)
            .push(" WHERE location = ")
            .bind(location.as_str())
            .push(" AND safety <> ")
            .bind(*safety)
            .run(db.writer())
            .await?;
    }
    Ok(())
}

/// A counter with its times, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Counter {
    /// Location.
    pub location: String,
    /// SKU.
    pub sku: String,
    /// Units there.
    pub on_hand: i64,
    /// Units promised.
    pub reserved: i64,
    /// Units kept back.
    pub safety: i64,
    /// As of when the last count holds, milliseconds; 0 if there was none.
    pub counted_at: i64,
    /// Sequence of the last count; -1 if there was none.
    pub sequence: i64,
    /// Last change, milliseconds.
    pub updated_at: i64,
}

impl Counter {
    /// The numbers alone.
    #[must_use]
    pub fn level(&self) -> Level {
        Level {
            location: self.location.clone(),
            sku: self.sku.clone(),
            on_hand: self.on_hand,
            reserved: self.reserved,
            safety: self.safety,
        }
    }
}

/// Counters of a location, of a SKU, or all, after a place, in the order of location and SKU.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    db: &Db,
    location: Option<&str>,
    sku: Option<&str>,
    after: (&str, &str),
    limit: i64,
) -> Result<Vec<Counter>, Error> {
    let mut sql = Sql::new(
        "SELECT location, sku, on_hand, reserved, safety, counted_at, sequence, updated_at FROM stock \
         WHERE (location, sku) > (",
    )
    .bind(after.0)
    .push(", ")
    .bind(after.1)
    .push(")");
    if let Some(location) = location {
        sql = sql.push(" AND location = ").bind(location);
    }
    if let Some(sku) = sku {
        sql = sql.push(" AND sku = ").bind(sku);
    }
    Ok(sql
        .push(" ORDER BY location, sku LIMIT ")
        .bind(limit)
        .read(db.reader())
        .await?)
}

#[cfg(test)]
mod tests;
