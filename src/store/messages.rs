//! The inbox as operators see it: messages with their notices, receipts and conflicts, and dead
//! notices by cause.

use std::collections::HashMap;

use sea_orm::FromQueryResult;

use super::db::{Db, Error};
use super::deliveries::{Page, newest, page};
use super::notices::StoredMessage;
use super::sql::{Sql, insert_many};

/// Messages that one page looks through where no index answers its filters.
const WINDOW: i64 = 50_000;

/// Messages get their numbers in the order of their commits, which may differ from the order of
/// their times by a few batches; a search by time looks so far beyond its ends.
const SLACK: i64 = 2_000;

/// A message without its content.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Message {
    /// Row; the message's id.
    pub seq: i64,
    /// Channel or target.
    pub channel: String,
    /// Its permanent business key there.
    pub dedup_key: String,
    /// `push` or `poll`.
    pub source: String,
    /// Vendor's topic header.
    pub topic: Option<String>,
    /// Hash of query and body.
    pub body_hash: String,
    /// When it came, milliseconds.
    pub received_at: i64,
    /// When its content was dropped, milliseconds.
    pub pruned_at: Option<i64>,
}

const COLUMNS: &str =
    "m.seq, m.channel, m.dedup_key, m.source, m.topic, m.body_hash, m.received_at, m.pruned_at";

/// A notice of a message.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct NoticeRow {
    /// Message.
    pub message_seq: i64,
    /// Position.
    pub ordinal: i64,
    /// Kind.
    pub kind: String,
    /// What it is about within the channel.
    pub key: Option<String>,
    /// `waiting, done, ignored, dead`.
    pub state: String,
    /// Why it is there.
    pub reason: Option<String>,
    /// It only asks for a fetch.
    pub fetch_only: i64,
    /// First ordinal of the reading that it belongs to; 0 for the first.
    pub replay_base: i64,
    /// Tries.
    pub attempts: i64,
    /// Not settled before this, milliseconds.
    pub not_before: i64,
    /// The order that it concerned.
    pub order_id: Option<String>,
    /// When it was written, milliseconds.
    pub created_at: i64,
    /// When it ended, milliseconds.
    pub finished_at: Option<i64>,
}

/// The same key with other content.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct ConflictRow {
    /// Message.
    pub message_seq: i64,
    /// Hash of the other content.
    pub body_hash: String,
    /// When it came, milliseconds.
    pub received_at: i64,
}

/// How often a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipts {
    /// First time: 1.
    pub new: i64,
    /// Again with the same content.
    pub duplicate: i64,
    /// Again with other content.
    pub conflict: i64,
}

/// A message with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The message.
    pub message: Message,
    /// Its notices, in order.
    pub notices: Vec<NoticeRow>,
    /// How often it came.
    pub receipts: Receipts,
    /// Other contents under its key.
    pub conflicts: Vec<ConflictRow>,
}

/// What a list is narrowed by. State, kind and order are those of any notice of the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Channel or target.
    pub channel: Option<String>,
    /// State of a notice.
    pub state: Option<String>,
    /// Kind of the same notice.
    pub kind: Option<String>,
    /// Order of the same notice.
    pub order_id: Option<String>,
    /// Came at or after, milliseconds.
    pub received_from: Option<i64>,
    /// Came before, milliseconds.
    pub received_to: Option<i64>,
}

impl Filter {
    fn is_indexed(&self) -> bool {
        self.order_id.is_some() || matches!(self.state.as_deref(), Some("waiting" | "dead"))
    }

    fn asks_of_notices(&self) -> bool {
        self.state.is_some() || self.kind.is_some() || self.order_id.is_some()
    }
}

/// Messages before row `before`, newest first. A page looks through a bounded part of the table,
/// so it may hold fewer rows than `limit`, even none, and still have a next page.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    db: &Db,
    filter: &Filter,
    before: Option<i64>,
    limit: i64,
) -> Result<Page<Whole>, Error> {
    let end = match (before, filter.received_to) {
        (Some(before), _) => before,
        (None, Some(to)) => last_until(db, to).await? + SLACK,
        (None, None) => newest(db, "message").await? + 1,
    };
    let first = match filter.received_from {
        Some(from) => match first_since(db, from).await? {
            Some(first) => (first - SLACK).max(0),
            None => end,
        },
        None => 0,
    };
    let floor = if filter.is_indexed() {
        first
    } else {
        first.max(end - WINDOW)
    };
    let rows = rows(db, filter, (floor, end), limit).await?;
    let mut page = page(rows, limit, floor, |m| m.seq);
    if page.next.is_some_and(|next| next <= first) {
        page.next = None;
    }
    Ok(Page {
        rows: complete(db, page.rows).await?,
        next: page.next,
    })
}

async fn rows(
    db: &Db,
    filter: &Filter,
    (floor, end): (i64, i64),
    limit: i64,
) -> Result<Vec<Message>, Error> {
    let mut sql = Sql::new("SELECT ")
        .push(COLUMNS)
        .push(" FROM message m WHERE m.seq < ")
        .bind(end)
        .push(" AND m.seq >= ")
        .bind(floor);
    if let Some(channel) = &filter.channel {
        sql = sql.push(" AND m.channel = ").bind(channel.as_str());
    }
    if let Some(from) = filter.received_from {
        sql = sql.push(" AND m.received_at >= ").bind(from);
    }
    if let Some(to) = filter.received_to {
        sql = sql.push(" AND m.received_at < ").bind(to);
    }
    if filter.asks_of_notices() {
        sql = if filter.is_indexed() {
            sql.push(" AND m.seq IN (SELECT n.message_seq FROM notice n WHERE 1 = 1")
        } else {
            sql.push(" AND EXISTS (SELECT 1 FROM notice n WHERE n.message_seq = m.seq")
        };
        if let Some(state) = filter.state.as_deref() {
            // Written out where a partial index exists: a parameter would not match its condition.
            sql = match state {
                "waiting" => sql.push(" AND n.state = 'waiting'"),
                "dead" => sql.push(" AND n.state = 'dead'"),
                other => sql.push(" AND n.state = ").bind(other),
            };
        }
        if let Some(kind) = &filter.kind {
            sql = sql.push(" AND n.kind = ").bind(kind.as_str());
        }
        if let Some(order) = &filter.order_id {
            sql = sql.push(" AND n.order_id = ").bind(order.as_str());
        }
        sql = sql.push(")");
    }
    Ok(sql
        .push(" ORDER BY m.seq DESC LIMIT ")
        .bind(limit)
        .read(db.reader())
        .await?)
}

async fn last_until(db: &Db, to: i64) -> Result<i64, Error> {
    let row = Sql::new("SELECT seq FROM message WHERE received_at < ")
        .bind(to)
        .push(" ORDER BY received_at DESC LIMIT 1")
        .one(db.reader())
        .await?;
    Ok(row.map(|r| r.try_get("", "seq")).transpose()?.unwrap_or(0))
}

async fn first_since(db: &Db, from: i64) -> Result<Option<i64>, Error> {
    let row = Sql::new("SELECT seq FROM message WHERE received_at >= ")
        .bind(from)
        .push(" ORDER BY received_at LIMIT 1")
        .one(db.reader())
        .await?;
    Ok(row.map(|r| r.try_get("", "seq")).transpose()?)
}

/// One message.
///
/// # Errors
/// When the database refuses.
pub async fn one(db: &Db, seq: i64) -> Result<Option<Whole>, Error> {
    let message: Option<Message> = Sql::new("SELECT ")
        .push(COLUMNS)
        .push(" FROM message m WHERE m.seq = ")
        .bind(seq)
        .read_one(db.reader())
        .await?;
    match message {
        Some(message) => Ok(complete(db, vec![message]).await?.pop()),
        None => Ok(None),
    }
}

/// The sealed content of one message.
///
/// # Errors
/// When the database refuses.
pub async fn sealed(db: &Db, seq: i64) -> Result<Option<StoredMessage>, Error> {
    Ok(
        Sql::new("SELECT seq, source, topic, body, received_at FROM message WHERE seq = ")
            .bind(seq)
            .read_one(db.reader())
            .await?,
    )
}

/// Notes that somebody opened a message's content. It is noted before the content is shown, so
/// that nobody sees it unrecorded.
///
/// # Errors
/// When the database refuses.
pub async fn note_opened(db: &Db, seq: i64, actor: &str, now: i64) -> Result<(), Error> {
    insert_many(
        db.writer(),
        "INSERT INTO audit (at, actor, action, subject, detail)",
        vec![vec![
            now.into(),
            actor.into(),
            "inbox.raw".into(),
            format!("message {seq}").into(),
            "opened the raw content".into(),
        ]],
        "",
    )
    .await?;
    Ok(())
}

async fn complete(db: &Db, messages: Vec<Message>) -> Result<Vec<Whole>, Error> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let seqs: Vec<i64> = messages.iter().map(|m| m.seq).collect();
    let mut notices: HashMap<i64, Vec<NoticeRow>> = HashMap::new();
    let found: Vec<NoticeRow> = Sql::new(
        "SELECT message_seq, ordinal, kind, key, state, reason, fetch_only, replay_base, attempts, \
         not_before, order_id, created_at, finished_at FROM notice WHERE message_seq IN ",
    )
    .bind_list(&seqs)
    .push(" ORDER BY message_seq, ordinal")
    .read(db.reader())
    .await?;
    for row in found {
        notices.entry(row.message_seq).or_default().push(row);
    }
    let mut receipts: HashMap<i64, Receipts> = HashMap::new();
    for row in
        Sql::new("SELECT message_seq, outcome, COUNT(*) AS n FROM receipt WHERE message_seq IN ")
            .bind_list(&seqs)
            .push(" GROUP BY message_seq, outcome")
            .all(db.reader())
            .await?
    {
        let outcome: String = row.try_get("", "outcome")?;
        let n: i64 = row.try_get("", "n")?;
        let of = receipts.entry(row.try_get("", "message_seq")?).or_default();
        match outcome.as_str() {
            "new" => of.new = n,
            "duplicate" => of.duplicate = n,
            _ => of.conflict = n,
        }
    }
    let mut conflicts: HashMap<i64, Vec<ConflictRow>> = HashMap::new();
    let found: Vec<ConflictRow> = Sql::new(
        "SELECT message_seq, body_hash, received_at FROM message_conflict WHERE message_seq IN ",
    )
    .bind_list(&seqs)
    .push(" ORDER BY seq")
    .read(db.reader())
    .await?;
    for row in found {
        conflicts.entry(row.message_seq).or_default().push(row);
    }
    Ok(messages
        .into_iter()
        .map(|message| Whole {
            notices: notices.remove(&message.seq).unwrap_or_default(),
            receipts: receipts.remove(&message.seq).unwrap_or_default(),
            conflicts: conflicts.remove(&message.seq).unwrap_or_default(),
            message,
        })
        .collect())
}

/// Dead notices of one channel and kind that died of the same cause.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct DeadGroup {
    /// Channel or target.
    pub channel: String,
    /// Kind.
    pub kind: String,
    /// Why.
    pub cause: String,
    /// How many.
    pub count: i64,
    /// When the first of them died, milliseconds.
    pub oldest: i64,
    /// When the last of them died, milliseconds.
    pub newest: i64,
    /// One of their messages, to look at.
    pub example: i64,
}

/// Dead notices grouped by channel, kind and cause, the largest groups first.
///
/// # Errors
/// When the database refuses.
pub async fn dead_groups(
    db: &Db,
    channel: Option<&str>,
    limit: i64,
) -> Result<Vec<DeadGroup>, Error> {
    let mut sql = Sql::new(
        "SELECT channel, kind, COALESCE(reason, '') AS cause, COUNT(*) AS count, \
         MIN(finished_at) AS oldest, MAX(finished_at) AS newest, MAX(message_seq) AS example \
         FROM notice WHERE state = 'dead'",
    );
    if let Some(channel) = channel {
        sql = sql.push(" AND channel = ").bind(channel);
    }
    Ok(sql
        .push(" GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT ")
        .bind(limit)
        .read(db.reader())
        .await?)
}

/// Whether a message with this business key is stored.
///
/// # Errors
/// When the database refuses.
pub async fn is_known(db: &Db, channel: &str, dedup_key: &str) -> Result<bool, Error> {
    let row = Sql::new("SELECT 1 AS known FROM message WHERE channel = ")
        .bind(channel)
        .push(" AND dedup_key = ")
        .bind(dedup_key)
        .one(db.reader())
        .await?;
    Ok(row.is_some())
}

/// Whether any message brought a payment notice about this transaction.
///
/// # Errors
/// When the database refuses.
pub async fn is_payment_known(db: &Db, channel: &str, transaction: &str) -> Result<bool, Error> {
    let row = Sql::new("SELECT 1 AS known FROM notice WHERE kind = 'payment' AND channel = ")
        .bind(channel)
        .push(" AND key = ")
        .bind(transaction)
        .push(" LIMIT 1")
        .one(db.reader())
        .await?;
    Ok(row.is_some())
}

/// The stored document of the order that a channel calls so.
///
/// # Errors
/// When the database refuses or the document is not readable.
pub async fn order_of(
    db: &Db,
    channel: &str,
    external_id: &str,
) -> Result<Option<domain::order::Order>, Error> {
    let row = Sql::new("SELECT doc FROM orders WHERE channel = ")
        .bind(channel)
        .push(" AND external_id = ")
        .bind(external_id)
        .one(db.reader())
        .await?;
    row.map(|row| {
        let doc: String = row.try_get("", "doc")?;
        serde_json::from_str(&doc).map_err(|source| Error::Document {
            what: "order",
            source,
        })
    })
    .transpose()
}

#[cfg(test)]
mod tests {
    use super::super::inbox::{self, Incoming, NewNotice, NewState};
    use super::super::testing::TempDb;
    use super::*;
    use connectors::inbound::Source;

    fn incoming(key: &str, at: i64, state: NewState) -> Incoming {
        Incoming {
            channel: "web".to_owned(),
            dedup_key: key.to_owned(),
            source: Source::Push,
            topic: None,
            body: key.as_bytes().to_vec(),
            body_hash: format!("{key}-{at}"),
            received_at: at,
            notices: vec![NewNotice {
                kind: "order",
                key: Some("WEB-1".to_owned()),
                state,
            }],
            preflight: None,
        }
    }

    async fn keys(db: &Db, filter: &Filter) -> Vec<String> {
        let page = list(db, filter, None, 10).await.unwrap();
        page.rows.into_iter().map(|w| w.message.dedup_key).collect()
    }

    #[tokio::test]
    async fn a_message_shows_how_often_it_came_and_with_what_other_content() {
        let db = TempDb::new().await;
        inbox::receive(&db, &[incoming("a", 10, NewState::Waiting)])
            .await
            .unwrap();
        inbox::receive(&db, &[incoming("a", 10, NewState::Waiting)])
            .await
            .unwrap();
        inbox::receive(&db, &[incoming("a", 20, NewState::Waiting)])
            .await
            .unwrap();
        let whole = one(&db, 1).await.unwrap().unwrap();
        assert_eq!(
            whole.receipts,
            Receipts {
                new: 1,
                duplicate: 1,
                conflict: 1
            }
        );
        assert_eq!(whole.conflicts[0].received_at, 20);
        assert_eq!(whole.notices.len(), 2, "the conflict asks for a fetch");
        assert_eq!(whole.notices[1].fetch_only, 1);
    }

    #[tokio::test]
    async fn messages_are_found_by_state_channel_and_time() {
        let db = TempDb::new().await;
        inbox::receive(
            &db,
            &[
                incoming("a", 10, NewState::Waiting),
                incoming("b", 20, NewState::Dead("no id".to_owned())),
                incoming("c", 30, NewState::Ignored("a ping".to_owned())),
            ],
        )
        .await
        .unwrap();
        let db = &db;
        let of = |filter: Filter| async move { keys(db, &filter).await };
        assert_eq!(of(Filter::default()).await, ["c", "b", "a"]);
        let state = |word: &str| Filter {
            state: Some(word.to_owned()),
            ..Filter::default()
        };
        assert_eq!(of(state("dead")).await, ["b"]);
        assert_eq!(of(state("waiting")).await, ["a"]);
        assert_eq!(of(state("ignored")).await, ["c"]);
        let between = Filter {
            received_from: Some(20),
            received_to: Some(30),
            ..Filter::default()
        };
        assert_eq!(of(between).await, ["b"]);
        let later = Filter {
            received_from: Some(31),
            ..Filter::default()
        };
        assert!(of(later).await.is_empty());
        let other = Filter {
            channel: Some("shopee-vn".to_owned()),
            ..Filter::default()
        };
        assert!(of(other).await.is_empty());
    }

    #[tokio::test]
    async fn dead_notices_of_one_cause_are_one_group() {
        let db = TempDb::new().await;
        let dead = |reason: &str| NewState::Dead(reason.to_owned());
        inbox::receive(
            &db,
            &[
                incoming("a", 10, dead("no id")),
                incoming("b", 20, dead("no id")),
                incoming("c", 30, dead("no lines")),
            ],
        )
        .await
        .unwrap();
        let groups = dead_groups(&db, None, 10).await.unwrap();
        let seen: Vec<(&str, i64, i64)> = groups
            .iter()
            .map(|g| (g.cause.as_str(), g.count, g.oldest))
            .collect();
        assert_eq!(seen, [("no id", 2, 10), ("no lines", 1, 30)]);
    }
}
