//! How many messages came from each channel in each hour, for [`domain::silence`].
//!
//! An hour is counted once, when it is over; what the current one brought is read from the
//! messages themselves.

use std::collections::BTreeMap;

use domain::silence::Hours;

use super::db::{Db, Error};
use super::sql::{Sql, insert_many};

/// An hour, milliseconds.
pub const HOUR_MS: i64 = 3_600_000;

/// The counter that holds the last hour that was counted.
const COUNTED: &str = "channel-hours";

/// Messages of one channel in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Channel.
    pub channel: String,
    /// Hours since 1970.
    pub hour: i64,
    /// Messages.
    pub messages: i64,
}

/// The last hour that was counted; `None` before the first.
///
/// # Errors
/// When the database refuses.
pub async fn counted(db: &Db) -> Result<Option<i64>, Error> {
    Ok(Sql::new("SELECT value FROM counter WHERE name = ")
        .bind(COUNTED)
        .one(db.reader())
        .await?
        .map(|row| row.try_get("", "value"))
        .transpose()?)
}

/// Which messages count: pushes show that a door is used; a channel that has no door (`pulled`)
/// has nothing but what its polls bring.
fn counts(sql: Sql, pulled: &[String]) -> Sql {
    if pulled.is_empty() {
        sql.push(" AND source = 'push'")
    } else {
        sql.push(" AND (source = 'push' OR channel IN ")
            .bind_list(pulled)
            .push(")")
    }
}

/// Counts the messages of the hours from `from` to before `to`.
///
/// # Errors
/// When the database refuses.
pub async fn count(db: &Db, from: i64, to: i64, pulled: &[String]) -> Result<Vec<Counted>, Error> {
    let sql = Sql::new(
        "SELECT channel, received_at / 3600000 AS hour, COUNT(*) AS messages FROM message \
         WHERE received_at >= ",
    )
    .bind(from * HOUR_MS)
    .push(" AND received_at < ")
    .bind(to * HOUR_MS);
    counts(sql, pulled)
        .push(" GROUP BY channel, received_at / 3600000")
        .all(db.reader())
        .await?
        .iter()
        .map(|row| {
            Ok(Counted {
                channel: row.try_get("", "channel")?,
                hour: row.try_get("", "hour")?,
                messages: row.try_get("", "messages")?,
            })
        })
        .collect()
}

/// Keeps what was counted, and that everything up to the hour `last` is.
///
/// # Errors
/// When the database refuses; nothing is kept then.
pub async fn keep(db: &Db, rows: &[Counted], last: i64) -> Result<(), Error> {
    let tx = db.begin().await?;
    insert_many(
        &tx,
        "INSERT INTO channel_hour (channel, hour, messages)",
        rows.iter()
            .map(|row| {
                vec![
                    row.channel.as_str().into(),
                    row.hour.into(),
                    row.messages.into(),
                ]
            })
            .collect(),
        "ON CONFLICT (channel, hour) DO UPDATE SET messages = excluded.messages",
    )
    .await?;
    // Another replica may have counted further in the meantime.
    Sql::new("INSERT INTO counter (name, value) VALUES (")
        .bind(COUNTED)
        .push(", ")
        .bind(last)
        .push(
            ") ON CONFLICT (name) DO UPDATE SET value = excluded.value \
             WHERE counter.value < excluded.value",
        )
        .run(&tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Drops the hours before `before`.
///
/// # Errors
/// When the database refuses.
pub async fn prune(db: &Db, before: i64) -> Result<u64, Error> {
    Ok(Sql::new("DELETE FROM channel_hour WHERE hour < ")
        .bind(before)
        .run(db.writer())
        .await?)
}

/// The hours of every channel from `from` on.
///
/// # Errors
/// When the database refuses.
pub async fn hours(db: &Db, from: i64) -> Result<BTreeMap<String, Hours>, Error> {
    let mut all: BTreeMap<String, Hours> = BTreeMap::new();
    for row in Sql::new("SELECT channel, hour, messages FROM channel_hour WHERE hour >= ")
        .bind(from)
        .all(db.reader())
        .await?
    {
        all.entry(row.try_get("", "channel")?)
            .or_default()
            .insert(row.try_get("", "hour")?, row.try_get("", "messages")?);
    }
    Ok(all)
}

/// When the last message of each channel came, as far as one came from `from` to before `to`,
/// milliseconds.
///
/// # Errors
/// When the database refuses.
pub async fn last(
    db: &Db,
    from: i64,
    to: i64,
    pulled: &[String],
) -> Result<BTreeMap<String, i64>, Error> {
    let sql =
        Sql::new("SELECT channel, MAX(received_at) AS last FROM message WHERE received_at >= ")
            .bind(from)
            .push(" AND received_at < ")
            .bind(to);
    counts(sql, pulled)
        .push(" GROUP BY channel")
        .all(db.reader())
        .await?
        .iter()
        .map(|row| Ok((row.try_get("", "channel")?, row.try_get("", "last")?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempDb;
    use super::*;

    async fn message(db: &TempDb, channel: &str, source: &str, at: i64) {
        db.run(&format!(
            "INSERT INTO message (channel, dedup_key, source, body_hash, received_at) \
             VALUES ('{channel}', '{source}{at}', '{source}', 'h', {at})"
        ))
        .await;
    }

    #[tokio::test]
    async fn pushes_are_counted_and_polls_only_where_there_is_no_door() {
        let db = TempDb::new().await;
        for (channel, source, at) in [
            ("shop", "push", HOUR_MS),
            ("shop", "push", 2 * HOUR_MS - 1),
            ("shop", "poll", HOUR_MS + 1),
            ("tiki", "poll", HOUR_MS + 2),
            ("shop", "push", 2 * HOUR_MS),
        ] {
            message(&db, channel, source, at).await;
        }
        let pulled = ["tiki".to_owned()];
        let mut rows = count(&db, 1, 2, &pulled).await.unwrap();
        rows.sort_by(|a, b| a.channel.cmp(&b.channel));
        let counted = |channel: &str, messages| Counted {
            channel: channel.to_owned(),
            hour: 1,
            messages,
        };
        assert_eq!(rows, [counted("shop", 2), counted("tiki", 1)]);
        let seen = last(&db, HOUR_MS, 2 * HOUR_MS, &[]).await.unwrap();
        assert_eq!(seen, BTreeMap::from([("shop".to_owned(), 2 * HOUR_MS - 1)]));
    }

    #[tokio::test]
    async fn an_hour_that_is_counted_again_is_the_same_and_the_mark_never_goes_back() {
        let db = TempDb::new().await;
        let row = |hour| Counted {
            channel: "shop".to_owned(),
            hour,
            messages: 3,
        };
        assert_eq!(super::counted(&db).await.unwrap(), None);
        keep(&db, &[row(7), row(8)], 9).await.unwrap();
        keep(&db, &[row(7)], 7).await.unwrap();
        assert_eq!(super::counted(&db).await.unwrap(), Some(9));
        assert_eq!(hours(&db, 8).await.unwrap()["shop"], Hours::from([(8, 3)]));
        assert_eq!(prune(&db, 8).await.unwrap(), 1);
    }
}
