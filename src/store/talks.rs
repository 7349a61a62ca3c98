//! Conversations in the settling transaction: one row per person and channel, its aggregate as a
//! document.

use std::collections::HashMap;

use domain::conversation::Conversation;
use sea_orm::{ConnectionTrait, DbBackend};

use super::db::Error;
use super::sql::{Sql, insert_many};
use super::tx::Tx;

/// A conversation with the version of its row; 0 when it is not stored yet.
#[derive(Debug)]
pub struct LoadedTalk {
    /// The aggregate.
    pub talk: Conversation,
    /// Version of the row.
    pub row_version: i64,
}

impl Tx {
    /// Loads the conversations of some persons in a channel, and keeps others from changing them
    /// until the end of the transaction.
    ///
    /// # Errors
    /// When the database refuses or a document is not readable.
    pub async fn load_talks(
        &self,
        channel: &str,
        persons: &[String],
    ) -> Result<HashMap<String, LoadedTalk>, Error> {
        if persons.is_empty() {
            return Ok(HashMap::new());
        }
        let on = self.on();
        Sql::new("SELECT person, version, doc FROM conversation WHERE channel = ")
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
                let talk = serde_json::from_str(&doc).map_err(|source| Error::Document {
                    what: "conversation",
                    source,
                })?;
                let row_version = row.try_get("", "version")?;
                Ok((row.try_get("", "person")?, LoadedTalk { talk, row_version }))
            })
            .collect()
    }

    /// Writes conversations: channel, person, aggregate.
    ///
    /// # Errors
    /// [`Error::Conflict`] when one was changed by somebody else.
    pub async fn save_talks(
        &self,
        now: i64,
        talks: &[(&str, &str, &LoadedTalk)],
    ) -> Result<(), Error> {
        if talks.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(talks.len());
        for (channel, person, loaded) in talks {
            let view = loaded.talk.view();
            let doc = serde_json::to_string(&loaded.talk).map_err(|source| Error::Document {
                what: "conversation",
                source,
            })?;
            rows.push(vec![
                view.id.to_string().into(),
                (*channel).into(),
                (*person).into(),
                loaded.talk.state().as_str().into(),
                view.assignee.clone().into(),
                view.order_id.clone().into(),
                view.waiting_since.map(|t| t.as_millisecond()).into(),
                now.into(),
                (loaded.row_version + 1).into(),
                doc.into(),
            ]);
        }
        let changed = insert_many(
            self.on(),
            "INSERT INTO conversation (id, channel, person, state, assignee, order_id, waiting_since, updated_at, version, doc)",
            rows,
            "ON CONFLICT (channel, person) DO UPDATE SET state = excluded.state, assignee = excluded.assignee, \
             order_id = excluded.order_id, waiting_since = excluded.waiting_since, updated_at = excluded.updated_at, \
             version = excluded.version, doc = excluded.doc WHERE conversation.version = excluded.version - 1",
        )
        .await?;
        if changed == u64::try_from(talks.len()).expect("fits") {
            Ok(())
        } else {
            Err(Error::Conflict {
                what: "a conversation",
            })
        }
    }
}
