//! Where each poll of each channel stands.

use sea_orm::FromQueryResult;

use super::db::{Db, Error};
use super::sql::Sql;

/// A poll's position.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Position {
    /// Channel.
    pub channel: String,
    /// Poll.
    pub kind: String,
    /// All changes before this are in the inbox, milliseconds.
    pub watermark: i64,
    /// Beginning of a window that is not finished yet.
    pub window_from: Option<i64>,
    /// Its end.
    pub window_to: Option<i64>,
    /// Page within that window.
    pub cursor: Option<String>,
    /// Messages that polling found first.
    pub found: i64,
    /// Why the last turn failed.
    pub last_error: Option<String>,
    /// Last change, milliseconds.
    pub updated_at: i64,
}

const COLUMNS: &str =
    "channel, kind, watermark, window_from, window_to, cursor, found, last_error, updated_at";

/// A step within a poll.
#[derive(Debug, Clone)]
pub struct Step {
    /// New watermark.
    pub watermark: i64,
    /// Beginning of the window that the turn is in or goes on with.
    pub window_from: Option<i64>,
    /// End of that window.
    pub window_to: Option<i64>,
    /// Next page.
    pub cursor: Option<String>,
    /// Messages that were new.
    pub found: i64,
    /// Now.
    pub now: i64,
    /// The lease holds on until then.
    pub lease_until: i64,
}

/// Claims a poll if it is due and nobody has it. A poll that never ran starts now: its
/// overlap reaches a little into the past, and no further.
///
/// # Errors
/// When the database refuses.
pub async fn claim(
    db: &Db,
    channel: &str,
    kind: &str,
    token: &str,
    now: i64,
    until: i64,
) -> Result<Option<Position>, Error> {
    Sql::new("INSERT INTO poll_position (channel, kind, watermark, next_at, updated_at) VALUES (")
        .bind(channel)
        .push(", ")
        .bind(kind)
        .push(", ")
        .bind(now)
        .push(", ")
        .bind(now)
        .push(", ")
        .bind(now)
        .push(") ON CONFLICT (channel, kind) DO NOTHING")
        .run(db.writer())
        .await?;
    Ok(Sql::new("UPDATE poll_position SET lease_token = ")
        .bind(token)
        .push(", lease_until = ")
        .bind(until)
        .push(" WHERE channel = ")
        .bind(channel)
        .push(" AND kind = ")
        .bind(kind)
        .push(" AND next_at <= ")
        .bind(now)
        .push(" AND lease_until <= ")
        .bind(now)
        .push(" RETURNING ")
        .push(COLUMNS)
        .read_one(db.writer())
        .await?)
}

/// Moves a poll on by a page. The lease must still be held.
///
/// # Errors
/// [`Error::Conflict`] when it is not.
pub async fn advance(
    db: &Db,
    channel: &str,
    kind: &str,
    token: &str,
    step: &Step,
) -> Result<(), Error> {
    let changed = Sql::new("UPDATE poll_position SET watermark = ")
        .bind(step.watermark)
        .push(", window_from = ")
        .bind(step.window_from)
        .push(", window_to = ")
        .bind(step.window_to)
        .push(", cursor = ")
        .bind(step.cursor.clone())
        .push(", found = found + ")
        .bind(step.found)
        .push(", lease_until = ")
        .bind(step.lease_until)
        .push(", updated_at = ")
        .bind(step.now)
        .push(" WHERE channel = ")
        .bind(channel)
        .push(" AND kind = ")
        .bind(kind)
        .push(" AND lease_token = ")
        .bind(token)
        .run(db.writer())
        .await?;
    if changed == 1 {
        Ok(())
    } else {
        Err(Error::Conflict {
            what: "a poll's lease",
        })
    }
}

/// How a turn ended.
#[derive(Debug, Clone, Copy)]
pub struct TurnEnd<'a> {
    /// When the next one is due.
    pub next_at: i64,
    /// Why it failed.
    pub error: Option<&'a str>,
    /// The next one begins the window again instead of going on in its middle. What was finished
    /// before it stays finished.
    pub start_over: bool,
}

/// Ends a turn.
///
/// # Errors
/// When the database refuses.
pub async fn release(
    db: &Db,
    channel: &str,
    kind: &str,
    token: &str,
    end: &TurnEnd<'_>,
    now: i64,
) -> Result<(), Error> {
    let mut sql =
        Sql::new("UPDATE poll_position SET lease_token = NULL, lease_until = 0, next_at = ")
            .bind(end.next_at)
            .push(", last_error = ")
            .bind(end.error.map(str::to_owned))
            .push(", updated_at = ")
            .bind(now);
    if end.start_over {
        sql = sql.push(", cursor = NULL, window_to = NULL");
    }
    sql.push(" WHERE channel = ")
        .bind(channel)
        .push(" AND kind = ")
        .bind(kind)
        .push(" AND lease_token = ")
        .bind(token)
        .run(db.writer())
        .await?;
    Ok(())
}

/// All polls.
///
/// # Errors
/// When the database refuses.
pub async fn all(db: &Db) -> Result<Vec<Position>, Error> {
    Ok(Sql::new("SELECT ")
        .push(COLUMNS)
        .push(" FROM poll_position ORDER BY channel, kind")
        .read(db.reader())
        .await?)
}
