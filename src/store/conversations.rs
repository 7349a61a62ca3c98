//! Reading conversations: the queue of those who wait for an answer, and all of them.

use sea_orm::FromQueryResult;
use serde_json::Value;

use super::db::{Db, Error};
use super::sql::Sql;

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
                       updated_at, version, doc FROM conversation WHERE ";

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
