//! Reading orders: lists by keyset, one order, and all that happened to it.
//!
//! Every list here is served by an index. Which combinations of filters are offered is decided
//! above; here they are taken as they come.

use domain::order::Order;
use sea_orm::{FromQueryResult, QueryResult};
use serde_json::Value;

use super::db::{Db, Error};
use super::sql::Sql;

/// Which orders, in which order.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The one status shown to people.
    pub status: Option<String>,
    /// Channel.
    pub channel: Option<String>,
    /// With a fulfillment order at this location.
    pub location: Option<String>,
    /// Keyed hashes of a phone, one per key.
    pub phone: Option<Vec<String>>,
    /// What the order is searched by.
    pub search: Option<Search>,
    /// Placed at or after, milliseconds.
    pub placed_from: Option<i64>,
    /// Placed before, milliseconds.
    pub placed_to: Option<i64>,
    /// Changed at or after, milliseconds.
    pub updated_from: Option<i64>,
    /// In which order.
    pub sort: Sort,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Newest placed first.
    #[default]
    Placed,
    /// Longest unchanged first: the way to follow changes.
    Updated,
}

/// What a text search looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// A code, an external id or a tracking number, as written.
    Exact {
        /// Code in its stored form, if the text can be one.
        code: Option<String>,
        /// External id.
        external_id: String,
        /// The term of a tracking number.
        tracking: String,
    },
    /// Names that have all these words; each with its keyed hashes, one per key.
    Names(Vec<Vec<String>>),
}

/// A stored order.
#[derive(Debug)]
pub struct Stored {
    /// The aggregate.
    pub order: Order,
    /// The key of lists by time of placing, milliseconds.
    pub placed_at: i64,
    /// When it last changed, milliseconds.
    pub updated_at: i64,
}

impl Stored {
    fn read(row: &QueryResult) -> Result<Self, Error> {
        let doc: String = row.try_get("", "doc")?;
        Ok(Self {
            order: serde_json::from_str(&doc).map_err(|source| Error::Document {
                what: "order",
                source,
            })?,
            placed_at: row.try_get("", "placed_at")?,
            updated_at: row.try_get("", "updated_at")?,
        })
    }
}

/// Up to `limit` orders after a position (time and id of the last one seen).
///
/// # Errors
/// When the database refuses or a document is not readable.
pub async fn list(
    db: &Db,
    filter: &Filter,
    after: Option<(i64, &str)>,
    limit: i64,
) -> Result<Vec<Stored>, Error> {
    // A list of one location walks that location's index, whose columns repeat the order's.
    let (at, id) = match (filter.sort, &filter.location) {
        (Sort::Placed, Some(_)) => ("l.placed_at", "l.order_id"),
        (Sort::Placed, None) => ("o.placed_at", "o.id"),
        (Sort::Updated, _) => ("o.updated_at", "o.id"),
    };
    let mut sql = Sql::new("SELECT o.placed_at, o.updated_at, o.doc FROM orders o");
    if filter.location.is_some() {
        sql = sql.push(" JOIN order_location l ON l.order_id = o.id");
    }
    sql = narrowed(sql.push(" WHERE 1 = 1"), filter, at);
    let (beyond, order) = match filter.sort {
        Sort::Placed => (" < (", " DESC"),
        Sort::Updated => (" > (", ""),
    };
    if let Some((last_at, last_id)) = after {
        sql = sql
            .push(&format!(" AND ({at}, {id}){beyond}"))
            .bind(last_at)
            .push(", ")
            .bind(last_id)
            .push(")");
    }
    sql.push(&format!(" ORDER BY {at}{order}, {id}{order} LIMIT "))
        .bind(limit)
        .all(db.reader())
        .await?
        .iter()
        .map(Stored::read)
        .collect()
}

fn narrowed(mut sql: Sql, filter: &Filter, at: &str) -> Sql {
    for (column, value) in [
        ("o.status", &filter.status),
        ("o.channel", &filter.channel),
        ("l.location", &filter.location),
    ] {
        if let Some(value) = value {
            sql = sql.push(&format!(" AND {column} = ")).bind(value.as_str());
        }
    }
    if let Some(hashes) = &filter.phone {
        sql = sql.push(" AND o.phone_hash IN ").bind_list(hashes);
    }
    match &filter.search {
        None => {}
        Some(exact @ Search::Exact { .. }) => {
            sql = matching(sql.push(" AND o.id IN ("), exact).push(")");
        }
        Some(Search::Names(words)) => {
            for hashes in words {
                sql = sql
                    .push(" AND o.id IN (SELECT order_id FROM order_term WHERE term IN ")
                    .bind_list(hashes)
                    .push(")");
            }
        }
    }
    let placed = match filter.sort {
        Sort::Placed => at,
        Sort::Updated => "o.placed_at",
    };
    for (column, sign, value) in [
        (placed, ">=", filter.placed_from),
        (placed, "<", filter.placed_to),
        ("o.updated_at", ">=", filter.updated_from),
    ] {
        if let Some(value) = value {
            sql = sql.push(&format!(" AND {column} {sign} ")).bind(value);
        }
    }
    sql
}

/// The ids of an exact search: three look-ups, each by its own index.
fn matching(sql: Sql, search: &Search) -> Sql {
    let Search::Exact {
        code,
        external_id,
        tracking,
    } = search
    else {
        return sql;
    };
    let mut sql = sql
        .push("SELECT id FROM orders WHERE external_id = ")
        .bind(external_id.as_str())
        .push(" UNION SELECT order_id FROM order_term WHERE term = ")
        .bind(tracking.as_str());
    if let Some(code) = code {
        sql = sql
            .push(" UNION SELECT id FROM orders WHERE code = ")
            .bind(code.as_str());
    }
    sql
}

/// Whether an exact search finds anything at all, whatever the other filters.
///
/// # Errors
/// When the database refuses.
pub async fn is_known(db: &Db, search: &Search) -> Result<bool, Error> {
    if matches!(search, Search::Names(_)) {
        return Ok(false);
    }
    let sql = matching(Sql::new("SELECT id FROM ("), search).push(") AS found LIMIT 1");
    Ok(sql.one(db.reader()).await?.is_some())
}

/// How one order is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// Our id.
    Id(&'a str),
    /// The code for people, in its stored form.
    Code(&'a str),
}

/// One order.
///
/// # Errors
/// When the database refuses or the document is not readable.
pub async fn get(db: &Db, key: Key<'_>) -> Result<Option<Stored>, Error> {
    let sql = Sql::new("SELECT placed_at, updated_at, doc FROM orders WHERE ");
    let sql = match key {
        Key::Id(id) => sql.push("id = ").bind(id),
        Key::Code(code) => sql.push("code = ").bind(code),
    };
    sql.one(db.reader())
        .await?
        .as_ref()
        .map(Stored::read)
        .transpose()
}

/// The order that an idempotency key of an actor has made, if it was used.
///
/// # Errors
/// When the database refuses.
pub async fn made_by_key(db: &Db, actor: &str, key: &str) -> Result<Option<String>, Error> {
    let row = Sql::new("SELECT order_id FROM idempotency WHERE actor = ")
        .bind(actor)
        .push(" AND key = ")
        .bind(key)
        .one(db.reader())
        .await?;
    Ok(row.map(|row| row.try_get("", "order_id")).transpose()?)
}

/// A notice of the inbox that was about the order, with its message.
#[derive(Debug, Clone, FromQueryResult)]
pub struct NoticeRow {
    /// Message.
    pub message_seq: i64,
    /// Position in it.
    pub ordinal: i64,
    /// Channel or target.
    pub channel: String,
    /// Pushed or polled.
    pub source: String,
    /// Vendor's topic.
    pub topic: Option<String>,
    /// Kind of the notice.
    pub kind: String,
    /// Where it stands.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// When the message came, milliseconds.
    pub received_at: i64,
    /// When the notice was finished, milliseconds.
    pub finished_at: Option<i64>,
    /// How often the message came again.
    pub repeats: i64,
}

/// What happened to the order itself.
#[derive(Debug, Clone, FromQueryResult)]
pub struct EventRow {
    /// Rises with time.
    pub seq: i64,
    /// When, milliseconds.
    pub at: i64,
    /// Kind.
    pub kind: String,
    /// JSON of subject, from, to and detail.
    pub detail: String,
}

/// A task of the order.
#[derive(Debug, Clone, FromQueryResult)]
pub struct TaskRow {
    /// Row.
    pub seq: i64,
    /// Idempotency key.
    pub key: String,
    /// Target.
    pub target: String,
    /// Operation.
    pub op: String,
    /// Leg.
    pub leg: String,
    /// Our id of the thing.
    pub subject: String,
    /// Where it stands.
    pub state: String,
    /// When it was planned, milliseconds.
    pub created_at: i64,
    /// When it ended, milliseconds.
    pub finished_at: Option<i64>,
}

/// One try of a task.
#[derive(Debug, Clone, FromQueryResult)]
pub struct AttemptRow {
    /// Task.
    pub task_seq: i64,
    /// Number of the try.
    pub number: i64,
    /// `send` or `lookup`.
    pub call: String,
    /// When, milliseconds.
    pub started_at: i64,
    /// How long, milliseconds.
    pub duration_ms: i64,
    /// HTTP status, if there was an answer.
    pub status: Option<i64>,
    /// What came of it.
    pub outcome: String,
    /// More, free of personal data.
    pub detail: String,
}

/// A decision of routing.
#[derive(Debug, Clone, FromQueryResult)]
pub struct DecisionRow {
    /// Rises with time.
    pub seq: i64,
    /// When, milliseconds.
    pub at: i64,
    /// Rule.
    pub rule: String,
    /// Version of the rules.
    pub rules_version: String,
    /// The whole decision with its trace, as JSON.
    pub doc: String,
}

impl DecisionRow {
    /// The decision with its trace.
    ///
    /// # Errors
    /// When the document is not readable.
    pub fn document(&self) -> Result<Value, Error> {
        serde_json::from_str(&self.doc).map_err(|source| Error::Document {
            what: "decision",
            source,
        })
    }
}

/// All that is stored of what happened to an order.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Notices with their messages.
    pub notices: Vec<NoticeRow>,
    /// Events.
    pub events: Vec<EventRow>,
    /// Tasks.
    pub tasks: Vec<TaskRow>,
    /// Their attempts.
    pub attempts: Vec<AttemptRow>,
    /// Decisions, oldest first.
    pub decisions: Vec<DecisionRow>,
}

/// The decisions of an order, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn decisions(db: &Db, order_id: &str) -> Result<Vec<DecisionRow>, Error> {
    Ok(
        Sql::new("SELECT seq, at, rule, rules_version, doc FROM decision WHERE order_id = ")
            .bind(order_id)
            .push(" ORDER BY seq")
            .read(db.reader())
            .await?,
    )
}

/// All that happened to an order.
///
/// # Errors
/// When the database refuses.
pub async fn history(db: &Db, order_id: &str) -> Result<History, Error> {
    let notices = Sql::new(
        "SELECT n.message_seq, n.ordinal, n.channel, m.source, m.topic, n.kind, n.state, n.reason, \
         m.received_at, n.finished_at, (SELECT COUNT(*) FROM receipt r WHERE r.message_seq = m.seq \
         AND r.outcome <> 'new') AS repeats \
         FROM notice n JOIN message m ON m.seq = n.message_seq WHERE n.order_id = ",
    )
    .bind(order_id)
    .push(" ORDER BY n.message_seq, n.ordinal")
    .read(db.reader())
    .await?;
    let events = Sql::new("SELECT seq, at, kind, detail FROM order_event WHERE order_id = ")
        .bind(order_id)
        .push(" ORDER BY seq")
        .read(db.reader())
        .await?;
    let tasks = Sql::new(
        "SELECT seq, key, target, op, leg, subject, state, created_at, finished_at FROM task \
         WHERE order_id = ",
    )
    .bind(order_id)
    .push(" ORDER BY seq")
    .read(db.reader())
    .await?;
    let attempts = Sql::new(
        "SELECT a.task_seq, a.number, a.call, a.started_at, a.duration_ms, \
         CAST(a.status AS BIGINT) AS status, a.outcome, a.detail \
         FROM attempt a JOIN task t ON t.seq = a.task_seq WHERE t.order_id = ",
    )
    .bind(order_id)
    .push(" ORDER BY a.seq")
    .read(db.reader())
    .await?;
    Ok(History {
        notices,
        events,
        tasks,
        attempts,
        decisions: decisions(db, order_id).await?,
    })
}
