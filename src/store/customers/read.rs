//! Reading customers: lists by keyset, and all that belongs to one of them.
//!
//! An order and a conversation point to an identity, which never changes; whose identity it is now
//! is looked up here.

use std::collections::{BTreeSet, HashMap};

use domain::id::CustomerId;
use sea_orm::FromQueryResult;

use super::{AT_ONCE, Known, channel_term};
use crate::store::db::{Db, Error};
use crate::store::sql::Sql;

/// Which customers. All conditions hold together.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Names that have all these words; each with its terms, one per key.
    pub words: Vec<Vec<String>>,
    /// The key of a phone: its customer, and the customers who have used it while it is shared.
    pub phone: Option<String>,
    /// Seen in this channel.
    pub channel: Option<String>,
}

/// Up to `limit` customers, the newest first, after the one that was seen last: their ids.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    db: &Db,
    filter: &Filter,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<String>, Error> {
    let mut sql = Sql::new("SELECT r.id FROM customer_identity r WHERE r.id = r.customer_id");
    for hashes in &filter.words {
        sql = sql
            .push(
                " AND r.id IN (SELECT i.customer_id FROM customer_term t \
                 JOIN customer_identity i ON i.id = t.identity_id WHERE t.term IN ",
            )
            .bind_list(hashes)
            .push(")");
    }
    if let Some(key) = &filter.phone {
        sql = sql
            .push(" AND r.id IN (SELECT customer_id FROM customer_identity WHERE key = ")
            .bind(key.as_str())
            .push(
                " UNION SELECT u.customer_id FROM customer_identity p \
                 JOIN customer_binding b ON b.phone_id = p.id \
                 JOIN customer_identity u ON u.id = b.user_id WHERE p.key = ",
            )
            .bind(key.as_str())
            .push(")");
    }
    if let Some(channel) = &filter.channel {
        sql = sql
            .push(
                " AND EXISTS (SELECT 1 FROM customer_identity i \
                 WHERE i.customer_id = r.id AND (i.channel = ",
            )
            .bind(channel.as_str())
            .push(" OR EXISTS (SELECT 1 FROM customer_term t WHERE t.identity_id = i.id AND t.term = ")
            .bind(channel_term(channel))
            .push(")))");
    }
    if let Some(last) = after {
        sql = sql.push(" AND r.id < ").bind(last);
    }
    sql.push(" ORDER BY r.id DESC LIMIT ")
        .bind(limit)
        .all(db.reader())
        .await?
        .iter()
        .map(|row| Ok(row.try_get("", "id")?))
        .collect()
}

/// The customers that ids of identities lead to now. An id that is not known is not in the map.
///
/// # Errors
/// When the database refuses.
pub async fn current(db: &Db, ids: &[String]) -> Result<HashMap<String, String>, Error> {
    let mut customers = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(AT_ONCE) {
        let rows = Sql::new("SELECT id, customer_id FROM customer_identity WHERE id IN ")
            .bind_list(ids)
            .all(db.reader())
            .await?;
        for row in rows {
            customers.insert(row.try_get("", "id")?, row.try_get("", "customer_id")?);
        }
    }
    Ok(customers)
}

/// An identity of a customer, with the day it was first seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The identity.
    pub known: Known,
    /// When it was first seen, milliseconds.
    pub created_at: i64,
}

/// The identities of some customers, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn identities(db: &Db, customers: &[String]) -> Result<Vec<Seen>, Error> {
    let mut seen = Vec::with_capacity(customers.len());
    for customers in customers.chunks(AT_ONCE) {
        let rows = Sql::new(
            "SELECT id, key, customer_id, channel, shared, name, name_at, created_at \
             FROM customer_identity WHERE customer_id IN ",
        )
        .bind_list(customers)
        .push(" ORDER BY id")
        .all(db.reader())
        .await?;
        for row in &rows {
            seen.push(Seen {
                known: Known::read(row)?,
                created_at: row.try_get("", "created_at")?,
            });
        }
    }
    Ok(seen)
}

/// An identity of somebody else that was bound to one of the customer's: one of the two is shared.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Beside {
    /// Its key.
    pub key: String,
    /// Whose it is.
    pub customer_id: String,
}

/// Up to `limit` identities beside those of a customer.
///
/// # Errors
/// When the database refuses.
pub async fn beside(
    db: &Db,
    customer: &str,
    ids: &[String],
    limit: i64,
) -> Result<Vec<Beside>, Error> {
    let ids = first(ids);
    Ok(Sql::new(
        "SELECT i.key, i.customer_id FROM (SELECT phone_id AS other FROM customer_binding WHERE user_id IN ",
    )
    .bind_list(ids)
    .push(" UNION SELECT user_id AS other FROM customer_binding WHERE phone_id IN ")
    .bind_list(ids)
    .push(") bound JOIN customer_identity i ON i.id = bound.other WHERE i.customer_id <> ")
    .bind(customer)
    .push(" ORDER BY i.id LIMIT ")
    .bind(limit)
    .read(db.reader())
    .await?)
}

/// An order of a customer.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct OrderRow {
    /// `ord_…`
    pub id: String,
    /// Code for people, in its stored form.
    pub code: String,
    /// Channel.
    pub channel: String,
    /// The one status shown to people.
    pub status: String,
    /// What the buyer owes, in đồng.
    pub grand_total: i64,
    /// When it was placed, milliseconds.
    pub placed_at: i64,
}

/// The newest `limit` orders of a customer's identities.
///
/// # Errors
/// When the database refuses.
pub async fn orders(db: &Db, ids: &[String], limit: i64) -> Result<Vec<OrderRow>, Error> {
    Ok(Sql::new(
        "SELECT id, code, channel, status, grand_total, placed_at FROM orders WHERE customer_id IN ",
    )
    .bind_list(first(ids))
    .push(" ORDER BY placed_at DESC, id DESC LIMIT ")
    .bind(limit)
    .read(db.reader())
    .await?)
}

/// What a customer bought in one channel.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct ChannelRow {
    /// Channel.
    pub channel: String,
    /// Orders.
    pub orders: i64,
    /// When the first was placed, milliseconds.
    pub first_at: i64,
    /// When the last was placed, milliseconds.
    pub last_at: i64,
}

/// What a customer's identities bought, by channel.
///
/// # Errors
/// When the database refuses.
pub async fn channels(db: &Db, ids: &[String]) -> Result<Vec<ChannelRow>, Error> {
    Ok(Sql::new(
        "SELECT channel, COUNT(*) AS orders, MIN(placed_at) AS first_at, MAX(placed_at) AS last_at \
         FROM orders WHERE customer_id IN ",
    )
    .bind_list(first(ids))
    .push(" GROUP BY channel ORDER BY channel")
    .read(db.reader())
    .await?)
}

/// A conversation of a customer, without what was said.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct ConversationRow {
    /// `cnv_…`
    pub id: String,
    /// Channel.
    pub channel: String,
    /// Where it stands.
    pub state: String,
    /// Who answers it.
    pub assignee: Option<String>,
    /// The draft or order that came of it.
    pub order_id: Option<String>,
    /// When it last changed, milliseconds.
    pub updated_at: i64,
}

/// The latest `limit` conversations of a customer's identities.
///
/// # Errors
/// When the database refuses.
pub async fn conversations(
    db: &Db,
    ids: &[String],
    limit: i64,
) -> Result<Vec<ConversationRow>, Error> {
    Ok(Sql::new(
        "SELECT id, channel, state, assignee, order_id, updated_at FROM conversation WHERE customer_id IN ",
    )
    .bind_list(first(ids))
    .push(" ORDER BY updated_at DESC, id DESC LIMIT ")
    .bind(limit)
    .read(db.reader())
    .await?)
}

/// A merge or parting that a customer took part in.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct MergeRow {
    /// `merged` or `parted`.
    pub kind: String,
    /// The customer that was.
    pub from_id: String,
    /// The customer that is.
    pub into_id: String,
    /// The channel of the binding's person, as a key.
    pub user_key: String,
    /// The binding's phone, as a key.
    pub phone_key: String,
    /// The order whose document it was.
    pub order_id: Option<String>,
    /// The message that brought it.
    pub message_seq: Option<i64>,
    /// When, milliseconds.
    pub at: i64,
}

/// The latest `limit` merges and partings of a customer's identities, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn merges(db: &Db, ids: &[String], limit: i64) -> Result<Vec<MergeRow>, Error> {
    let ids = first(ids);
    let mut rows: Vec<MergeRow> = Sql::new(
        "SELECT m.kind, m.from_id, m.into_id, u.key AS user_key, p.key AS phone_key, m.order_id, \
         m.message_seq, m.at FROM customer_merge m JOIN customer_identity u ON u.id = m.user_id \
         JOIN customer_identity p ON p.id = m.phone_id WHERE m.seq IN \
         (SELECT seq FROM customer_merge WHERE from_id IN ",
    )
    .bind_list(ids)
    .push(" UNION SELECT seq FROM customer_merge WHERE into_id IN ")
    .bind_list(ids)
    .push(") ORDER BY m.seq DESC LIMIT ")
    .bind(limit)
    .read(db.reader())
    .await?;
    rows.reverse();
    Ok(rows)
}

/// The ids of a set.
#[must_use]
pub fn ids(seen: &[Seen]) -> Vec<String> {
    let ids: BTreeSet<&CustomerId> = seen.iter().map(|one| &one.known.member.id).collect();
    ids.into_iter().map(|id| id.as_str().to_owned()).collect()
}

/// A customer of more identities than one statement takes is shown by its oldest ones.
fn first(ids: &[String]) -> &[String] {
    &ids[..ids.len().min(AT_ONCE)]
}
