//! One transaction of the settling worker: everything that it reads and writes goes through here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::order::Order;
use domain::routing::Decision;
use domain::task::{Task, TaskBody};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend};

use super::db::{Db, Error};
use super::notices::{self, NoticeEnd};
use super::outbox::{self, Finished};
use super::sql::{Sql, insert_many};
use super::stock;

/// How an order is named by those who speak of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OrderRef {
    /// Our id.
    Id(String),
    /// The channel's id.
    External {
        /// Channel.
        channel: String,
        /// Its id of the order.
        external_id: String,
    },
    /// The order code.
    Code(String),
    /// The id of a fulfillment order, invoice, work order … that a task was about, and the target
    /// that it went to: no target may speak of another's.
    Subject {
        /// Target.
        target: String,
        /// Our id of the thing.
        subject: String,
    },
}

/// An order as loaded, with the version that the row had.
#[derive(Debug)]
pub struct Loaded {
    /// The aggregate.
    pub order: Order,
    /// Version of the row; 0 for an order that is not stored yet.
    pub row_version: i64,
}

/// What is stored beside an order's document.
#[derive(Debug)]
pub struct Save<'a> {
    /// The order and its row's version.
    pub loaded: &'a Loaded,
    /// Keyed hash of the phone.
    pub phone_hash: Option<String>,
    /// Keyed hashes of name words, and tracking numbers with their prefix.
    pub terms: BTreeSet<String>,
    /// What happened, for the timeline: kind and detail.
    pub events: Vec<(String, String)>,
    /// The word for the change feed.
    pub change: &'static str,
}

/// An open transaction.
#[derive(Debug)]
pub struct Tx {
    inner: DatabaseTransaction,
}

impl Tx {
    /// Starts a transaction.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(db: &Db) -> Result<Self, Error> {
        Ok(Self {
            inner: db.begin().await?,
        })
    }

    pub(crate) fn on(&self) -> &DatabaseTransaction {
        &self.inner
    }

    fn is_postgres(&self) -> bool {
        self.inner.get_database_backend() == DbBackend::Postgres
    }

    /// Makes it all durable.
    ///
    /// # Errors
    /// When the database refuses; nothing is stored then.
    pub async fn commit(self) -> Result<(), Error> {
        Ok(self.inner.commit().await?)
    }

    /// Finds the ids of orders. What is not found is not in the map.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn find(
        &self,
        refs: &BTreeSet<OrderRef>,
    ) -> Result<HashMap<OrderRef, String>, Error> {
        let mut found = HashMap::with_capacity(refs.len());
        let mut external: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let (mut codes, mut subjects) = (Vec::new(), Vec::new());
        for reference in refs {
            match reference {
                OrderRef::Id(id) => {
                    found.insert(reference.clone(), id.clone());
                }
                OrderRef::External {
                    channel,
                    external_id,
                } => external
                    .entry(channel)
                    .or_default()
                    .push(external_id.clone()),
                OrderRef::Code(code) => codes.push(code.clone()),
                OrderRef::Subject { subject, .. } => subjects.push(subject.clone()),
            }
        }
        for (channel, ids) in external {
            // By the external id alone, which is all but unique by itself: asked for the channel
            // too, PostgreSQL reads all orders of the channel until it has its first statistics.
            for row in Sql::new("SELECT id, channel, external_id FROM orders WHERE external_id IN ")
                .bind_list(&ids)
                .all(&self.inner)
                .await?
            {
                let found_in: String = row.try_get("", "channel")?;
                if found_in != channel {
                    continue;
                }
                found.insert(
                    OrderRef::External {
                        channel: found_in,
                        external_id: row.try_get("", "external_id")?,
                    },
                    row.try_get("", "id")?,
                );
            }
        }
        if !codes.is_empty() {
            for row in Sql::new("SELECT id, code FROM orders WHERE code IN ")
                .bind_list(&codes)
                .all(&self.inner)
                .await?
            {
                found.insert(
                    OrderRef::Code(row.try_get("", "code")?),
                    row.try_get("", "id")?,
                );
            }
        }
        if !subjects.is_empty() {
            for row in
                Sql::new("SELECT DISTINCT subject, target, order_id FROM task WHERE order_id IS NOT NULL AND subject IN ")
                    .bind_list(&subjects)
                    .all(&self.inner)
                    .await?
            {
                found.insert(
                    OrderRef::Subject {
                        target: row.try_get("", "target")?,
                        subject: row.try_get("", "subject")?,
                    },
                    row.try_get("", "order_id")?,
                );
            }
        }
        Ok(found)
    }

    /// Loads orders and keeps others from changing them until the end of the transaction. Locks
    /// are taken in the order of the ids, so that two workers never wait for each other in a ring.
    ///
    /// # Errors
    /// When the database refuses or a document is not readable.
    pub async fn load(&self, ids: &BTreeSet<String>) -> Result<HashMap<String, Loaded>, Error> {
        let mut loaded = HashMap::with_capacity(ids.len());
        if ids.is_empty() {
            return Ok(loaded);
        }
        let ids: Vec<String> = ids.iter().cloned().collect();
        let mut sql = Sql::new("SELECT id, version, doc FROM orders WHERE id IN ").bind_list(&ids);
        if self.is_postgres() {
            sql = sql.push(" ORDER BY id FOR UPDATE");
        }
        for row in sql.all(&self.inner).await? {
            let id: String = row.try_get("", "id")?;
            let doc: String = row.try_get("", "doc")?;
            let order = serde_json::from_str(&doc).map_err(|source| Error::Document {
                what: "order",
                source,
            })?;
            loaded.insert(
                id,
                Loaded {
                    order,
                    row_version: row.try_get("", "version")?,
                },
            );
        }
        Ok(loaded)
    }

    /// Writes orders with their columns, terms, events and changes.
    ///
    /// # Errors
    /// [`Error::Conflict`] when one was changed by somebody else.
    pub async fn save(&self, now: i64, saves: &[Save<'_>]) -> Result<(), Error> {
        if saves.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(saves.len());
        let (mut terms, mut places, mut events, mut changes) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut existing = Vec::new();
        for save in saves {
            let order = &save.loaded.order;
            let id = order.id().as_str();
            let columns = order.columns();
            let version = save.loaded.row_version + 1;
            let doc = serde_json::to_string(order).map_err(|source| Error::Document {
                what: "order",
                source,
            })?;
            rows.push(vec![
                id.into(),
                order.code().as_str().into(),
                order.channel().into(),
                order.connector().into(),
                order.external_id().into(),
                columns.status.as_str().into(),
                columns.lifecycle.as_str().into(),
                columns.payment.as_str().into(),
                columns.fulfillment.as_str().into(),
                columns.held.clone().into(),
                save.phone_hash.clone().into(),
                "VND".into(),
                columns.grand_total.0.into(),
                order.amount_due().0.into(),
                columns.placed_at.as_millisecond().into(),
                now.into(),
                now.into(),
                columns.next_wake.map(|t| t.as_millisecond()).into(),
                version.into(),
                doc.into(),
                order.customer_id().into(),
            ]);
            if save.loaded.row_version > 0 {
                existing.push(id.to_owned());
            }
            terms.extend(
                save.terms
                    .iter()
                    .map(|t| vec![t.as_str().into(), id.into()]),
            );
            places.extend(columns.locations.iter().map(|l| {
                vec![
                    l.as_str().into(),
                    columns.placed_at.as_millisecond().into(),
                    id.into(),
                ]
            }));
            events.extend(save.events.iter().map(|(kind, detail)| {
                vec![
                    id.into(),
                    now.into(),
                    kind.as_str().into(),
                    detail.as_str().into(),
                ]
            }));
            changes.push(vec![
                id.into(),
                version.into(),
                save.change.into(),
                now.into(),
            ]);
        }
        let changed = insert_many(
            &self.inner,
            "INSERT INTO orders (id, code, channel, connector, external_id, status, lifecycle, payment, \
             fulfillment, held, phone_hash, currency, grand_total, amount_due, placed_at, received_at, \
             updated_at, next_wake, version, doc, customer_id)",
            rows,
            "ON CONFLICT (id) DO UPDATE SET status = excluded.status, lifecycle = excluded.lifecycle, \
             payment = excluded.payment, fulfillment = excluded.fulfillment, held = excluded.held, \
             phone_hash = excluded.phone_hash, grand_total = excluded.grand_total, \
             amount_due = excluded.amount_due, placed_at = excluded.placed_at, \
             updated_at = excluded.updated_at, next_wake = excluded.next_wake, version = excluded.version, \
             doc = excluded.doc, customer_id = excluded.customer_id WHERE orders.version = excluded.version - 1",
        )
        .await?;
        if changed != u64::try_from(saves.len()).expect("fits") {
            return Err(Error::Conflict { what: "an order" });
        }
        if !existing.is_empty() {
            // An order leaves a location only when it is re-routed; a place that it still has is
            // written again below.
            Sql::new("DELETE FROM order_location WHERE order_id IN ")
                .bind_list(&existing)
                .run(&self.inner)
                .await?;
        }
        insert_many(
            &self.inner,
            "INSERT INTO order_location (location, placed_at, order_id)",
            places,
            "ON CONFLICT (location, placed_at, order_id) DO NOTHING",
        )
        .await?;
        insert_many(
            &self.inner,
            "INSERT INTO order_term (term, order_id)",
            terms,
            "ON CONFLICT (term, order_id) DO NOTHING",
        )
        .await?;
        insert_many(
            &self.inner,
            "INSERT INTO order_event (order_id, at, kind, detail)",
            events,
            "",
        )
        .await?;
        insert_many(
            &self.inner,
            "INSERT INTO change (order_id, version, kind, at)",
            changes,
            "",
        )
        .await?;
        Ok(())
    }

    /// Keeps decisions with their traces: order, rule, version of the rules, document.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn keep_decisions(
        &self,
        now: i64,
        decisions: &[(String, Decision)],
    ) -> Result<(), Error> {
        let mut rows = Vec::with_capacity(decisions.len());
        for (order_id, decision) in decisions {
            let doc = serde_json::to_string(decision).map_err(|source| Error::Document {
                what: "decision",
                source,
            })?;
            rows.push(vec![
                order_id.as_str().into(),
                now.into(),
                decision.rule.as_str().into(),
                decision.rules_version.as_str().into(),
                doc.into(),
            ]);
        }
        insert_many(
            &self.inner,
            "INSERT INTO decision (order_id, at, rule, rules_version, doc)",
            rows,
            "",
        )
        .await?;
        Ok(())
    }

    /// Inserts planned tasks.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn insert_tasks(
        &self,
        now: i64,
        tasks: &[(Option<String>, Task)],
    ) -> Result<(), Error> {
        outbox::insert(&self.inner, now, tasks).await
    }

    /// What a task asks for; `None` if there is no such task.
    ///
    /// # Errors
    /// When the database refuses or the body cannot be read.
    pub async fn task_body(&self, key: &str) -> Result<Option<TaskBody>, Error> {
        outbox::body(&self.inner, key).await
    }

    /// Withdraws tasks that are not in flight; for each, whether it was ever tried.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn withdraw(&self, now: i64, keys: &[String]) -> Result<Vec<(String, bool)>, Error> {
        outbox::withdraw(&self.inner, now, keys).await
    }

    /// Ends tries.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when a lease was lost.
    pub async fn finish_tasks(&self, now: i64, finished: &[&Finished]) -> Result<(), Error> {
        outbox::finish(&self.inner, now, finished).await
    }

    /// Ends notices.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when a lease was lost.
    pub async fn end_notices(
        &self,
        now: i64,
        ends: &[(i64, i64, String, NoticeEnd)],
    ) -> Result<(), Error> {
        notices::end(&self.inner, now, ends).await
    }

    /// Stock of some SKUs everywhere.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn levels(&self, skus: &[String]) -> Result<Vec<stock::Level>, Error> {
        stock::levels(&self.inner, skus).await
    }

    /// Orders per location on one legal day.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn loads(&self, day: &str) -> Result<HashMap<String, u32>, Error> {
        stock::loads(&self.inner, day).await
    }

    /// Counts orders that locations got.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn add_loads(&self, day: &str, orders: &BTreeMap<String, i64>) -> Result<(), Error> {
        stock::add_loads(&self.inner, day, orders).await
    }

    /// Writes stock movements and changes the counters.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a reservation finds too little.
    pub async fn move_stock(&self, now: i64, movements: &[stock::Movement]) -> Result<(), Error> {
        stock::apply(&self.inner, now, movements).await
    }

    /// Takes an absolute count.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn count_stock(&self, now: i64, count: &stock::Count) -> Result<bool, Error> {
        stock::count(&self.inner, now, count).await
    }

    /// Whether a message before this one reported the same transaction of a channel.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn was_reported(
        &self,
        channel: &str,
        transaction: &str,
        message_seq: i64,
    ) -> Result<bool, Error> {
        let row = Sql::new("SELECT 1 AS known FROM notice WHERE kind = 'payment' AND channel = ")
            .bind(channel)
            .push(" AND key = ")
            .bind(transaction)
            .push(" AND message_seq < ")
            .bind(message_seq)
            .push(" LIMIT 1")
            .one(&self.inner)
            .await?;
        Ok(row.is_some())
    }

    /// The order that an idempotency key of the API made, and the hash of the body that did.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn find_key(
        &self,
        actor: &str,
        key: &str,
    ) -> Result<Option<(String, String)>, Error> {
        Sql::new("SELECT order_id, body_hash FROM idempotency WHERE actor = ")
            .bind(actor)
            .push(" AND key = ")
            .bind(key)
            .one(&self.inner)
            .await?
            .map(|row| Ok((row.try_get("", "order_id")?, row.try_get("", "body_hash")?)))
            .transpose()
    }

    /// Remembers the order that an idempotency key makes.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another transaction has just used the key.
    pub async fn claim_key(
        &self,
        now: i64,
        actor: &str,
        key: &str,
        body_hash: &str,
        order_id: &str,
    ) -> Result<(), Error> {
        let written = insert_many(
            &self.inner,
            "INSERT INTO idempotency (actor, key, body_hash, order_id, created_at)",
            vec![vec![
                actor.into(),
                key.into(),
                body_hash.into(),
                order_id.into(),
                now.into(),
            ]],
            "ON CONFLICT (actor, key) DO NOTHING",
        )
        .await?;
        if written == 1 {
            Ok(())
        } else {
            Err(Error::Conflict {
                what: "an idempotency key",
            })
        }
    }

    /// Writes audit rows: actor, action, subject, detail.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn audit(&self, now: i64, rows: &[[String; 4]]) -> Result<(), Error> {
        insert_many(
            &self.inner,
            "INSERT INTO audit (at, actor, action, subject, detail)",
            rows.iter()
                .map(|[actor, action, subject, detail]| {
                    vec![
                        now.into(),
                        actor.as_str().into(),
                        action.as_str().into(),
                        subject.as_str().into(),
                        detail.as_str().into(),
                    ]
                })
                .collect(),
            "",
        )
        .await?;
        Ok(())
    }
}

/// Takes a block of `n` order numbers; the last of them. In a transaction of its own: holes are
/// harmless, a lock held while orders settle is not.
///
/// # Errors
/// When the database refuses.
pub async fn take_numbers(db: &Db, n: i64) -> Result<i64, Error> {
    let row = Sql::new("INSERT INTO counter (name, value) VALUES ('order', ")
        .bind(n)
        .push(") ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value RETURNING value")
        .one(db.writer())
        .await?
        .ok_or(Error::Conflict {
            what: "the order counter",
        })?;
    Ok(row.try_get("", "value")?)
}
