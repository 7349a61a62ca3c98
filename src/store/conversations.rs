//! Conversations: one row per person and channel with the aggregate as a document, written in the
//! settling transaction; read as the queue of those who wait for an answer, and as all of them.

use std::collections::HashMap;

use domain::conversation::Conversation;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};
use serde_json::Value;

use super::db::{Db, Error};
use super::sql::{Sql, insert_many};
use super::tx::Tx;

/// A conversation with the version of its row; 0 when it is not stored yet.
#[derive(Debug)]
pub struct LoadedConversation {
    /// The aggregate.
    pub conversation: Conversation,
    /// Version of the row.
    pub row_version: i64,
    /// The identity that it belongs to, once known: an id as of [`super::customers`].
    pub customer_id: Option<String>,
}

impl Tx {
    /// Loads the conversations of some persons in a channel, and keeps others from changing them
    /// until the end of the transaction.
    ///
    /// # Errors
    /// When the database refuses or a document is not readable.
    pub async fn load_conversations(
        &self,
        channel: &str,
        persons: &[String],
    ) -> Result<HashMap<String, LoadedConversation>, Error> {
        if persons.is_empty() {
            return Ok(HashMap::new());
        }
        let on = self.on();
        Sql::new("SELECT person, version, customer_id, doc FROM conversation WHERE channel = ")
            .bind(channel)
            .push(" AND person IN ")
            .bind_list(persons)
            .push(" ORDER BY id")
            .push_for(
                on.get_database_backend(),
                DbBackend::Postgres,
                " FOR UPDATE",
            )
            .all(on)
            .await?
            .iter()
            .map(|row| {
                let doc: String = row.try_get("", "doc")?;
                let conversation =
                    serde_json::from_str(&doc).map_err(|source| Error::Document {
                        what: "conversation",
                        source,
                    })?;
                let row_version = row.try_get("", "version")?;
                Ok((
                    row.try_get("", "person")?,
                    LoadedConversation {
                        conversation,
                        row_version,
                        customer_id: row.try_get("", "customer_id")?,
                    },
                ))
            })
            .collect()
    }

    /// Writes conversations: channel, person, aggregate.
    ///
    /// # Errors
    /// [`Error::Conflict`] when one was changed by somebody else.
    pub async fn save_conversations(
        &self,
        now: i64,
        conversations: &[(&str, &str, &LoadedConversation)],
    ) -> Result<(), Error> {
        if conversations.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(conversations.len());
        for (channel, person, loaded) in conversations {
            let view = loaded.conversation.view();
            let doc =
                serde_json::to_string(&loaded.conversation).map_err(|source| Error::Document {
                    what: "conversation",
                    source,
                })?;
            rows.push(vec![
                view.id.to_string().into(),
                (*channel).into(),
                (*person).into(),
                loaded.conversation.state().as_str().into(),
                view.assignee.clone().into(),
                view.order_id.clone().into(),
                view.waiting_since.map(|t| t.as_millisecond()).into(),
                now.into(),
                (loaded.row_version + 1).into(),
                doc.into(),
                loaded.customer_id.clone().into(),
            ]);
        }
        let changed = insert_many(
            self.on(),
            "INSERT INTO conversation (id, channel, person, state, assignee, order_id, waiting_since, updated_at, version, doc, customer_id)",
            rows,
            "ON CONFLICT (channel, person) DO UPDATE SET state = excluded.state, assignee = excluded.assignee, \
             order_id = excluded.order_id, waiting_since = excluded.waiting_since, updated_at = excluded.updated_at, \
             version = excluded.version, doc = excluded.doc, customer_id = excluded.customer_id \
             WHERE conversation.version = excluded.version - 1",
        )
        .await?;
        if changed == u64::try_from(conversations.len()).expect("fits") {
            Ok(())
        } else {
            Err(Error::Conflict {
                what: "a conversation",
            })
        }
    }
}

/// Which conversations.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Channel.
    pub channel: Option<String>,
    /// Who answers it.
    pub assignee: Option<String>,
    /// In which order, and whether only those that wait.
    pub queue: Queue,
}

/// The two lists that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Queue {
    /// Those that wait for us, the longest waiting first.
    #[default]
    Waiting,
    /// All, the latest first.
    All,
}

/// A conversation without what was said.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Row {
    /// `cnv_…`
    pub id: String,
    /// Channel.
    pub channel: String,
    /// The channel's id of the person.
    pub person: String,
    /// Where it stands.
    pub state: String,
    /// Who answers it.
    pub assignee: Option<String>,
    /// The draft or order that came of it.
    pub order_id: Option<String>,
    /// Since when the person waits for us, milliseconds.
    pub waiting_since: Option<i64>,
    /// When it last changed, milliseconds.
    pub updated_at: i64,
    /// Rises with every change.
    pub version: i64,
    /// The identity that it belongs to.
    pub customer_id: Option<String>,
    doc: String,
}

impl Row {
    /// What was said and understood.
    ///
    /// # Errors
    /// When the document is not readable.
    pub fn document(&self) -> Result<Value, Error> {
        serde_json::from_str(&self.doc).map_err(|source| Error::Document {
            what: "conversation",
            source,
        })
    }

    /// The time by which the list is sorted, milliseconds.
    #[must_use]
    pub fn position(&self, queue: Queue) -> i64 {
        match queue {
            Queue::Waiting => self.waiting_since.unwrap_or(self.updated_at),
            Queue::All => self.updated_at,
        }
    }
}

const COLUMNS: &str = "SELECT id, channel, person, state, assignee, order_id, waiting_since, \
                       updated_at, version, customer_id, doc FROM conversation WHERE ";

/// Up to `limit` conversations after a position (time and id of the last one seen).
///
/// # Errors
/// When the database refuses.
pub async fn list(
    db: &Db,
    filter: &Filter,
    after: Option<(i64, &str)>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let (only, at, beyond, order) = match filter.queue {
        Queue::Waiting => ("waiting_since IS NOT NULL", "waiting_since", " > (", ""),
        Queue::All => ("1 = 1", "updated_at", " < (", " DESC"),
    };
    let mut sql = Sql::new(COLUMNS).push(only);
    for (column, value) in [("channel", &filter.channel), ("assignee", &filter.assignee)] {
        if let Some(value) = value {
            sql = sql.push(&format!(" AND {column} = ")).bind(value.as_str());
        }
    }
    if let Some((last_at, last_id)) = after {
        sql = sql
            .push(&format!(" AND ({at}, id){beyond}"))
            .bind(last_at)
            .push(", ")
            .bind(last_id)
            .push(")");
    }
    Ok(sql
        .push(&format!(" ORDER BY {at}{order}, id{order} LIMIT "))
        .bind(limit)
        .read(db.reader())
        .await?)
}

/// The conversation of a person in a channel.
///
/// # Errors
/// When the database refuses or the document is not readable.
pub async fn of_person(
    db: &Db,
    channel: &str,
    person: &str,
) -> Result<Option<Conversation>, Error> {
    let row = Sql::new("SELECT doc FROM conversation WHERE channel = ")
        .bind(channel)
        .push(" AND person = ")
        .bind(person)
        .one(db.reader())
        .await?;
    row.map(|row| {
        let doc: String = row.try_get("", "doc")?;
        serde_json::from_str(&doc).map_err(|source| Error::Document {
            what: "conversation",
            source,
        })
    })
    .transpose()
}

/// One conversation.
///
/// # Errors
/// When the database refuses.
pub async fn get(db: &Db, id: &str) -> Result<Option<Row>, Error> {
    Ok(Sql::new(COLUMNS)
        .push("id = ")
        .bind(id)
        .read_one(db.reader())
        .await?)
}
