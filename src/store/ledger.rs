//! Reading the books: receipts, messages, notices, stock, orders and tasks of one moment, for
//! `kenh verify`; and rebuilding the stock's counters from their ledger.
//!
//! All reads of one [`Books`] see the same moment, whatever is written meanwhile. They only read,
//! so a running gateway is not held up.

use std::collections::BTreeMap;

use domain::order::Order;
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseTransaction, DbBackend, FromQueryResult, IsolationLevel,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

use super::db::{Db, Error};
use super::sql::{Sql, insert_many};
use super::stock::Disagreement;

/// Strays of one kind that are named; the others are counted.
pub const NAMED: i64 = 100;

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// The messages to look at: received from `from` on and before `to`, milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// First moment.
    pub from: Option<i64>,
    /// End, itself not included.
    pub to: Option<i64>,
}

impl Span {
    fn limit(self, mut sql: Sql, column: &str) -> Sql {
        if let Some(from) = self.from {
            sql = sql.push(" AND ").push(column).push(" >= ").bind(from);
        }
        if let Some(to) = self.to {
            sql = sql.push(" AND ").push(column).push(" < ").bind(to);
        }
        sql
    }
}

/// What one channel received in one hour. Notices count in the hour in which they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Receipts of a first arrival.
    pub new: i64,
    /// Receipts of a repeat.
    pub duplicate: i64,
    /// Receipts of a repeat with other content.
    pub conflict: i64,
    /// Receipts with another outcome; there are none.
    pub strange: i64,
    /// Messages.
    pub messages: i64,
    /// Notices by state: `done, ignored, waiting, dead`.
    pub notices: BTreeMap<String, i64>,
}

/// A row that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Stray {
    /// Channel or target.
    pub channel: String,
    /// Message; for a task its row.
    pub seq: i64,
    /// When it came, milliseconds.
    pub at: i64,
    /// How many of its kind there are.
    pub total: i64,
}

/// Rows that wait for a person for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct DeadRows {
    /// Channel or target.
    pub owner: String,
    /// Kind of notice, or operation.
    pub kind: String,
    /// Why.
    pub cause: String,
    /// How many.
    pub count: i64,
}

/// The stock of one location.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Place {
    /// Location.
    pub location: String,
    /// Articles.
    pub skus: i64,
    /// Units there.
    pub on_hand: i64,
    /// Units promised.
    pub reserved: i64,
    /// Units promised beyond what is there.
    pub oversold: i64,
}

/// A counter that promises something.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Promised {
    /// Location.
    pub location: String,
    /// SKU.
    pub sku: String,
    /// Units promised.
    pub reserved: i64,
}

/// An order with what lists show of it.
#[derive(Debug)]
pub struct Row {
    /// Id of the row.
    pub id: String,
    /// Code of the row.
    pub code: String,
    /// Channel of the row.
    pub channel: String,
    /// The channel's id in the row.
    pub external_id: String,
    /// Status of the row.
    pub status: String,
    /// Customer's identity of the row.
    pub customer_id: Option<String>,
    /// When it wants to look at itself again, milliseconds.
    pub next_wake: Option<i64>,
    /// The document; `Err` says why it cannot be read.
    pub order: Result<Box<Order>, serde_json::Error>,
}

#[derive(FromQueryResult)]
struct StoredRow {
    id: String,
    code: String,
    channel: String,
    external_id: String,
    status: String,
    customer_id: Option<String>,
    next_wake: Option<i64>,
    doc: String,
}

/// A task as the books need it.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct TaskRow {
    /// Row.
    pub seq: i64,
    /// Idempotency key.
    pub key: String,
    /// Order.
    pub order_id: String,
    /// Target.
    pub target: String,
    /// Operation.
    pub op: String,
    /// `pending, in_flight, delivered, refused, dead, withdrawn`.
    pub state: String,
}

/// All books as they are at one moment.
#[derive(Debug)]
pub struct Books {
    tx: DatabaseTransaction,
}

impl Books {
    /// Opens the books of this moment.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(db: &Db) -> Result<Self, Error> {
        let postgres = db.backend() == DbBackend::Postgres;
        let options = TransactionOptions {
            isolation_level: postgres.then_some(IsolationLevel::RepeatableRead),
            access_mode: postgres.then_some(AccessMode::ReadOnly),
            sqlite_transaction_mode: (!postgres).then_some(SqliteTransactionMode::Deferred),
        };
        let tx = db.reader().begin_with_options(options).await?;
        // The moment is fixed by the first read.
        Sql::new("SELECT COUNT(*) AS n FROM counter")
            .one(&tx)
            .await?;
        Ok(Self { tx })
    }

    /// The moment that they are of.
    pub(super) fn on(&self) -> &DatabaseTransaction {
        &self.tx
    }

    /// Closes them.
    ///
    /// # Errors
    /// When the database does not answer any more.
    pub async fn close(self) -> Result<(), Error> {
        Ok(self.tx.rollback().await?)
    }

    /// Receipts, messages and notices per (channel, hour since 1970).
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn hours(&self, span: Span) -> Result<BTreeMap<(String, i64), Counts>, Error> {
        let mut hours: BTreeMap<(String, i64), Counts> = BTreeMap::new();
        for (channel, hour, outcome, n) in self
            .grouped("receipt", "received_at", "outcome", span)
            .await?
        {
            let counts = hours.entry((channel, hour)).or_default();
            match outcome.as_str() {
                "new" => counts.new += n,
                "duplicate" => counts.duplicate += n,
                "conflict" => counts.conflict += n,
                _ => counts.strange += n,
            }
        }
        for (channel, hour, _, n) in self
            .grouped("message", "received_at", "'message'", span)
            .await?
        {
            hours.entry((channel, hour)).or_default().messages += n;
        }
        for (channel, hour, state, n) in self.grouped("notice", "created_at", "state", span).await?
        {
            *hours
                .entry((channel, hour))
                .or_default()
                .notices
                .entry(state)
                .or_default() += n;
        }
        Ok(hours)
    }

    async fn grouped(
        &self,
        table: &str,
        time: &str,
        what: &str,
        span: Span,
    ) -> Result<Vec<(String, i64, String, i64)>, Error> {
        let sql = Sql::new("SELECT channel, ")
            .push(time)
            .push(" / ")
            .push(&HOUR_MS.to_string())
            .push(" AS hour, CAST(")
            .push(what)
            .push(" AS TEXT) AS what, COUNT(*) AS n FROM ")
            .push(table)
            .push(" WHERE 1 = 1");
        span.limit(sql, time)
            .push(" GROUP BY 1, 2, 3")
            .all(&self.tx)
            .await?
            .iter()
            .map(|row| {
                Ok((
                    row.try_get("", "channel")?,
                    row.try_get("", "hour")?,
                    row.try_get("", "what")?,
                    row.try_get("", "n")?,
                ))
            })
            .collect()
    }

    async fn strays(
        &self,
        head: &str,
        time: &str,
        order: &str,
        span: Span,
    ) -> Result<Vec<Stray>, Error> {
        Ok(span
            .limit(Sql::new(head), time)
            .push(" ORDER BY ")
            .push(order)
            .push(" LIMIT ")
            .bind(NAMED)
            .read(&self.tx)
            .await?)
    }

    /// Messages whose first arrival has no receipt, or several.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn messages_without_receipt(&self, span: Span) -> Result<Vec<Stray>, Error> {
        let head = "SELECT m.channel, m.seq, m.received_at AS at, COUNT(*) OVER () AS total FROM message m \
             WHERE (SELECT COUNT(*) FROM receipt r WHERE r.message_seq = m.seq AND r.outcome = 'new') <> 1";
        self.strays(head, "m.received_at", "m.seq", span).await
    }

    /// Receipts of messages that are not there.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn receipts_without_message(&self, span: Span) -> Result<Vec<Stray>, Error> {
        let head = "SELECT r.channel, r.message_seq AS seq, r.received_at AS at, COUNT(*) OVER () AS total \
             FROM receipt r WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.seq = r.message_seq)";
        self.strays(head, "r.received_at", "r.seq", span).await
    }

    /// Receipts of a conflict whose other content was not kept.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn conflicts_not_kept(&self, span: Span) -> Result<Vec<Stray>, Error> {
        let head = "SELECT r.channel, r.message_seq AS seq, r.received_at AS at, COUNT(*) OVER () AS total \
             FROM receipt r WHERE r.outcome = 'conflict' \
             AND NOT EXISTS (SELECT 1 FROM message_conflict c WHERE c.message_seq = r.message_seq)";
        self.strays(head, "r.received_at", "r.seq", span).await
    }

    /// Messages without a notice: nobody will ever settle them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn messages_without_notice(&self, span: Span) -> Result<Vec<Stray>, Error> {
        let head = "SELECT m.channel, m.seq, m.received_at AS at, COUNT(*) OVER () AS total FROM message m \
             WHERE NOT EXISTS (SELECT 1 FROM notice n WHERE n.message_seq = m.seq)";
        self.strays(head, "m.received_at", "m.seq", span).await
    }

    /// Ignored notices that do not say why.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn ignored_without_reason(&self, span: Span) -> Result<Vec<Stray>, Error> {
        let head = "SELECT n.channel, n.message_seq AS seq, n.created_at AS at, COUNT(*) OVER () AS total \
             FROM notice n WHERE n.state = 'ignored' AND COALESCE(n.reason, '') = ''";
        self.strays(head, "n.created_at", "n.message_seq", span)
            .await
    }

    /// Settled notices that name an order which is not there.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn notices_of_lost_orders(&self, span: Span) -> Result<Vec<Stray>, Error> {
        let head = "SELECT n.channel, n.message_seq AS seq, n.created_at AS at, COUNT(*) OVER () AS total \
             FROM notice n WHERE n.order_id IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = n.order_id)";
        self.strays(head, "n.created_at", "n.message_seq", span)
            .await
    }

    /// Tasks of orders that are not there; `channel` is the target, `seq` the task.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn tasks_of_lost_orders(&self) -> Result<Vec<Stray>, Error> {
        let head = "SELECT t.target AS channel, t.seq, t.created_at AS at, COUNT(*) OVER () AS total \
             FROM task t WHERE t.order_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = t.order_id)";
        self.strays(head, "t.created_at", "t.seq", Span::default())
            .await
    }

    /// Dead notices by channel, kind and cause.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn dead_notices(&self) -> Result<Vec<DeadRows>, Error> {
        Ok(Sql::new(
            "SELECT channel AS owner, kind, COALESCE(reason, '') AS cause, COUNT(*) AS count FROM notice \
             WHERE state = 'dead' GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT ",
        )
        .bind(NAMED)
        .read(&self.tx)
        .await?)
    }

    /// Dead tasks by target and operation.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn dead_tasks(&self) -> Result<Vec<DeadRows>, Error> {
        Ok(Sql::new(
            "SELECT target AS owner, op AS kind, '' AS cause, COUNT(*) AS count FROM task \
             WHERE state = 'dead' GROUP BY 1, 2 ORDER BY 4 DESC, 1, 2 LIMIT ",
        )
        .bind(NAMED)
        .read(&self.tx)
        .await?)
    }

    /// Stock per location.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn places(&self) -> Result<Vec<Place>, Error> {
        Ok(Sql::new(
            "SELECT location, COUNT(*) AS skus, CAST(SUM(on_hand) AS BIGINT) AS on_hand, \
             CAST(SUM(reserved) AS BIGINT) AS reserved, \
             CAST(SUM(CASE WHEN reserved > on_hand THEN reserved - on_hand ELSE 0 END) AS BIGINT) AS oversold \
             FROM stock GROUP BY location ORDER BY location",
        )
        .read(&self.tx)
        .await?)
    }

    /// Counters that differ from the sum of their movements, and places that have movements and
    /// no counter.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn drifted(&self) -> Result<Vec<Disagreement>, Error> {
        drifted(&self.tx).await
    }

    /// Counters that promise something, or less than nothing.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn promised(&self) -> Result<Vec<Promised>, Error> {
        Ok(
            Sql::new("SELECT location, sku, reserved FROM stock WHERE reserved <> 0")
                .read(&self.tx)
                .await?,
        )
    }

    /// Up to `limit` orders after `after` in the order of their ids, with their tasks.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn orders(&self, after: &str, limit: i64) -> Result<(Vec<Row>, Vec<TaskRow>), Error> {
        let stored: Vec<StoredRow> = Sql::new(
            "SELECT id, code, channel, external_id, status, customer_id, next_wake, doc FROM orders WHERE id > ",
        )
        .bind(after)
        .push(" ORDER BY id LIMIT ")
        .bind(limit)
        .read(&self.tx)
        .await?;
        if stored.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let ids: Vec<String> = stored.iter().map(|row| row.id.clone()).collect();
        let tasks =
            Sql::new("SELECT seq, key, order_id, target, op, state FROM task WHERE order_id IN ")
                .bind_list(&ids)
                .push(" ORDER BY seq")
                .read(&self.tx)
                .await?;
        let rows = stored
            .into_iter()
            .map(|row| Row {
                order: serde_json::from_str(&row.doc).map(Box::new),
                id: row.id,
                code: row.code,
                channel: row.channel,
                external_id: row.external_id,
                status: row.status,
                customer_id: row.customer_id,
                next_wake: row.next_wake,
            })
            .collect();
        Ok((rows, tasks))
    }

    /// (channel, external id, how many) of orders that are there more than once.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn repeated_orders(&self) -> Result<Vec<(String, String, i64)>, Error> {
        Sql::new(
            "SELECT channel, external_id, COUNT(*) AS n FROM orders GROUP BY channel, external_id \
             HAVING COUNT(*) > 1 ORDER BY channel, external_id LIMIT ",
        )
        .bind(NAMED)
        .all(&self.tx)
        .await?
        .iter()
        .map(|row| {
            Ok((
                row.try_get("", "channel")?,
                row.try_get("", "external_id")?,
                row.try_get("", "n")?,
            ))
        })
        .collect()
    }
}

async fn drifted(on: &impl ConnectionTrait) -> Result<Vec<Disagreement>, Error> {
    Ok(Sql::new(
        "WITH m AS (SELECT location, sku, CAST(SUM(on_hand) AS BIGINT) AS on_hand, \
         CAST(SUM(reserved) AS BIGINT) AS reserved FROM stock_movement GROUP BY location, sku) \
         SELECT s.location, s.sku, s.on_hand, COALESCE(m.on_hand, 0) AS ledger_on_hand, \
         s.reserved, COALESCE(m.reserved, 0) AS ledger_reserved \
         FROM stock s LEFT JOIN m ON m.location = s.location AND m.sku = s.sku \
         WHERE s.on_hand <> COALESCE(m.on_hand, 0) OR s.reserved <> COALESCE(m.reserved, 0) \
         UNION ALL \
         SELECT m.location, m.sku, CAST(0 AS BIGINT), m.on_hand, CAST(0 AS BIGINT), m.reserved FROM m \
         WHERE NOT EXISTS (SELECT 1 FROM stock s WHERE s.location = m.location AND s.sku = m.sku) \
         AND (m.on_hand <> 0 OR m.reserved <> 0) ORDER BY 1, 2",
    )
    .read(on)
    .await?)
}

/// Sets every counter that drifted to the sum of its movements, in one transaction with its audit
/// rows; what was changed. A ledger that says less than nothing is reserved is left alone: no
/// counter can say so, and a person must find out why.
///
/// # Errors
/// When the database refuses; nothing is changed then.
pub async fn rebuild_stock(db: &Db, actor: &str, now: i64) -> Result<Vec<Disagreement>, Error> {
    let tx = db.begin().await?;
    if db.backend() == DbBackend::Postgres {
        // Movements are written before their counters: who has written one already waits here
        // with its counter and adds it to the rebuilt value.
        tx.execute_unprepared("LOCK TABLE stock IN SHARE ROW EXCLUSIVE MODE")
            .await?;
    }
    let mut rebuilt = Vec::new();
    let mut audit = Vec::new();
    for row in drifted(&tx).await? {
        if row.ledger_reserved < 0 {
            continue;
        }
        Sql::new("INSERT INTO stock (location, sku, on_hand, reserved, updated_at) VALUES (")
            .bind(row.location.as_str())
            .push(", ")
            .bind(row.sku.as_str())
            .push(", ")
            .bind(row.ledger_on_hand)
            .push(", ")
            .bind(row.ledger_reserved)
            .push(", ")
            .bind(now)
            .push(
                ") ON CONFLICT (location, sku) DO UPDATE SET on_hand = excluded.on_hand, \
                 reserved = excluded.reserved, updated_at = excluded.updated_at",
            )
            .run(&tx)
            .await?;
        audit.push(vec![
            now.into(),
            actor.into(),
            "stock.rebuild".into(),
            format!("{}/{}", row.location, row.sku).into(),
            format!(
                "on hand {} → {}, reserved {} → {}",
                row.on_hand, row.ledger_on_hand, row.reserved, row.ledger_reserved
            )
            .into(),
        ]);
        rebuilt.push(row);
    }
    insert_many(
        &tx,
        "INSERT INTO audit (at, actor, action, subject, detail)",
        audit,
        "",
    )
    .await?;
    tx.commit().await?;
    Ok(rebuilt)
}

/// Ids of the orders that some channel calls so, oldest first; few, because only channels that
/// count alike give two.
///
/// # Errors
/// When the database refuses.
pub async fn orders_called(db: &Db, external_id: &str) -> Result<Vec<String>, Error> {
    Sql::new("SELECT id FROM orders WHERE external_id = ")
        .bind(external_id)
        .push(" ORDER BY id LIMIT ")
        .bind(NAMED)
        .all(db.reader())
        .await?
        .iter()
        .map(|row| Ok(row.try_get("", "id")?))
        .collect()
}

/// Notes in the audit log what somebody did by hand.
///
/// # Errors
/// When the database refuses.
pub async fn note_act(
    db: &Db,
    now: i64,
    actor: &str,
    action: &str,
    subject: &str,
    detail: &str,
) -> Result<(), Error> {
    super::audit::add(db.writer(), now, actor, action, subject, detail).await
}
