//! What channels were told of the stock on sale.
//!
//! A level, the task that tells it and the withdrawal of the task before it are one commit, so
//! what was last told and what is on its way cannot differ.

use domain::task::{Leg, StockLevel, Task, TaskBody};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::db::{Db, Error};
use super::outbox;
use super::sql::{Sql, insert_returning};
use super::stock::{self, Level};

/// What a channel was last told of an article.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Told {
    /// The channel's article.
    pub channel_sku: String,
    /// Our SKU.
    pub sku: String,
    /// Units; -1 where it refused them.
    pub available: i64,
    /// Rises with every level.
    pub sequence: i64,
}

/// What a channel was last told of these articles.
///
/// # Errors
/// When the database refuses.
pub async fn told(db: &Db, channel: &str, articles: &[String]) -> Result<Vec<Told>, Error> {
    if articles.is_empty() {
        return Ok(Vec::new());
    }
    Ok(
        Sql::new("SELECT channel_sku, sku, available, sequence FROM stock_told WHERE channel = ")
            .bind(channel)
            .push(" AND channel_sku IN ")
            .bind_list(articles)
            .read(db.reader())
            .await?,
    )
}

/// The levels of some SKUs at all locations.
///
/// # Errors
/// When the database refuses.
pub async fn levels(db: &Db, skus: &[String]) -> Result<Vec<Level>, Error> {
    stock::levels(db.reader(), skus).await
}

/// A level that a channel is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// What to tell.
    pub level: StockLevel,
    /// The sequence of what it was told before; 0 for nothing.
    pub seen: i64,
}

/// What all tasks about one article are called; they are sent one after the other.
fn serial(channel: &str, article: &str) -> String {
    format!("stock/{channel}/{article}")
}

/// Tells a channel new levels: for each the row, its task, and the end of the older tasks about
/// the article that have not been sent. What another process has told meanwhile is left to it.
/// How many are on their way.
///
/// # Errors
/// When the database refuses; nothing is told then.
pub async fn tell(db: &Db, now: i64, channel: &str, news: &[News]) -> Result<usize, Error> {
    if news.is_empty() {
        return Ok(0);
    }
    let tx = db.begin().await?;
    let written = insert_returning(
        &tx,
        "INSERT INTO stock_told (channel, channel_sku, sku, available, sequence, updated_at)",
        news.iter()
            .map(|one| {
                vec![
                    channel.into(),
                    one.level.channel_sku.as_str().into(),
                    one.level.sku.as_str().into(),
                    one.level.available.into(),
                    (one.seen + 1).into(),
                    now.into(),
                ]
            })
            .collect(),
        "ON CONFLICT (channel, channel_sku) DO UPDATE SET sku = excluded.sku, \
         available = excluded.available, sequence = excluded.sequence, updated_at = excluded.updated_at \
         WHERE stock_told.sequence = excluded.sequence - 1 RETURNING channel_sku",
    )
    .await?;
    let mut ours = Vec::with_capacity(written.len());
    for row in &written {
        let article: String = row.try_get("", "channel_sku")?;
        ours.extend(news.iter().find(|one| one.level.channel_sku == article));
    }
    let serials: Vec<String> = ours
        .iter()
        .map(|one| serial(channel, &one.level.channel_sku))
        .collect();
    if !serials.is_empty() {
        // The first two conditions are those of the index `task_serial`, for SQLite's sake.
        Sql::new("UPDATE task SET state = 'withdrawn', finished_at = ")
            .bind(now)
            .push(
                " WHERE state IN ('pending', 'in_flight') AND serial IS NOT NULL \
                 AND state = 'pending' AND serial IN ",
            )
            .bind_list(&serials)
            .run(&tx)
            .await?;
    }
    let tasks: Vec<(Option<String>, Task)> = ours
        .iter()
        .zip(serials)
        .map(|(one, serial)| {
            let task = Task {
                key: format!("{serial}/{}", one.seen + 1),
                target: channel.to_owned(),
                leg: Leg::Channel,
                subject: one.level.channel_sku.clone(),
                generation: 0,
                serial: Some(serial),
                not_before: None,
                body: TaskBody::ChannelStock(one.level.clone()),
            };
            (None, task)
        })
        .collect();
    outbox::insert(&tx, now, &tasks).await?;
    tx.commit().await?;
    Ok(tasks.len())
}

/// Marks levels that a channel has refused as not told, so that the next comparison tells the
/// article's level again, changed or not. Levels that were told since stay. `refused` is the
/// channel, the article and the task's key of each.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn forget_refused(
    on: &impl ConnectionTrait,
    refused: &[(&str, &str, &str)],
) -> Result<(), Error> {
    for (channel, article, key) in refused {
        Sql::new("UPDATE stock_told SET available = -1 WHERE channel = ")
            .bind(*channel)
            .push(" AND channel_sku = ")
            .bind(*article)
            .push(" AND 'stock/' || channel || '/' || channel_sku || '/' || CAST(sequence AS TEXT) = ")
            .bind(*key)
            .run(on)
            .await?;
    }
    Ok(())
}

/// Withdraws dead tasks about levels that are not the last ones told: nobody may redrive them.
///
/// # Errors
/// When the database refuses.
pub async fn forget_outdated(db: &Db, now: i64, channel: &str) -> Result<u64, Error> {
    Ok(Sql::new("UPDATE task SET state = 'withdrawn', finished_at = ")
        .bind(now)
        .push(" WHERE state = 'dead' AND op = 'set_stock' AND target = ")
        .bind(channel)
        .push(
            " AND EXISTS (SELECT 1 FROM stock_told t WHERE t.channel = task.target AND t.channel_sku = task.subject \
             AND task.key <> task.serial || '/' || CAST(t.sequence AS TEXT))",
        )
        .run(db.writer())
        .await?)
}

/// Levels on their way to a channel that have not been sent yet.
///
/// # Errors
/// When the database refuses.
pub async fn waiting(db: &Db, channel: &str) -> Result<i64, Error> {
    Ok(Sql::new(
        "SELECT COUNT(*) AS n FROM task WHERE state = 'pending' AND op = 'set_stock' AND target = ",
    )
    .bind(channel)
    .one(db.reader())
    .await?
    .map(|row| row.try_get("", "n"))
    .transpose()?
    .unwrap_or(0))
}

/// The newest movement of the ledger; 0 if there is none.
///
/// # Errors
/// When the database refuses.
pub async fn newest_movement(db: &Db) -> Result<i64, Error> {
    Ok(
        Sql::new("SELECT COALESCE(MAX(seq), 0) AS seq FROM stock_movement")
            .one(db.reader())
            .await?
            .map(|row| row.try_get("", "seq"))
            .transpose()?
            .unwrap_or(0),
    )
}

/// Movements after one, the oldest first: number and SKU.
///
/// # Errors
/// When the database refuses.
pub async fn moved(db: &Db, after: i64, limit: i64) -> Result<Vec<(i64, String)>, Error> {
    Sql::new("SELECT seq, sku FROM stock_movement WHERE seq > ")
        .bind(after)
        .push(" ORDER BY seq LIMIT ")
        .bind(limit)
        .all(db.reader())
        .await?
        .iter()
        .map(|row| Ok((row.try_get("", "seq")?, row.try_get("", "sku")?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempDb;
    use super::*;

    fn news(article: &str, available: i64, seen: i64) -> News {
        News {
            level: StockLevel {
                channel_sku: article.to_owned(),
                sku: "A".to_owned(),
                available,
            },
            seen,
        }
    }

    #[tokio::test]
    async fn a_newer_level_takes_the_place_of_one_that_was_not_sent() {
        let db = TempDb::new().await;
        assert_eq!(tell(&db, 1, "shop", &[news("7", 5, 0)]).await.unwrap(), 1);
        assert_eq!(tell(&db, 2, "shop", &[news("7", 4, 1)]).await.unwrap(), 1);
        let tasks = db
            .text("SELECT key || ' ' || state AS x FROM task ORDER BY seq")
            .await;
        assert_eq!(
            tasks,
            ["stock/shop/7/1 withdrawn", "stock/shop/7/2 pending"]
        );
        let seen = told(&db, "shop", &["7".to_owned()]).await.unwrap();
        assert_eq!((seen[0].available, seen[0].sequence), (4, 2));
        assert_eq!(waiting(&db, "shop").await.unwrap(), 1);
    }

    #[tokio::test]
    async fn of_two_processes_that_saw_the_same_one_tells() {
        let db = TempDb::new().await;
        tell(&db, 1, "shop", &[news("7", 5, 0)]).await.unwrap();
        tell(&db, 2, "shop", &[news("7", 4, 1)]).await.unwrap();
        let late = [news("7", 9, 1), news("8", 9, 0)];
        assert_eq!(tell(&db, 3, "shop", &late).await.unwrap(), 1);
        let seen = told(&db, "shop", &["7".to_owned()]).await.unwrap();
        assert_eq!(seen[0].available, 4);
    }

    #[tokio::test]
    async fn a_refused_level_counts_as_not_told_unless_another_was_told_since() {
        let db = TempDb::new().await;
        tell(&db, 1, "shop", &[news("7", 5, 0), news("8", 5, 0)])
            .await
            .unwrap();
        tell(&db, 2, "shop", &[news("8", 4, 1)]).await.unwrap();
        let refused = [
            ("shop", "7", "stock/shop/7/1"),
            ("shop", "8", "stock/shop/8/1"),
        ];
        forget_refused(db.writer(), &refused).await.unwrap();
        let seen = told(&db, "shop", &["7".to_owned(), "8".to_owned()])
            .await
            .unwrap();
        let mut levels: Vec<_> = seen
            .iter()
            .map(|one| (&*one.channel_sku, one.available, one.sequence))
            .collect();
        levels.sort_unstable();
        assert_eq!(levels, [("7", -1, 1), ("8", 4, 2)]);
    }

    #[tokio::test]
    async fn a_dead_task_stays_only_while_its_level_is_the_last_one_told() {
        let db = TempDb::new().await;
        tell(&db, 1, "shop", &[news("7", 5, 0)]).await.unwrap();
        db.run("UPDATE task SET state = 'dead', finished_at = 1")
            .await;
        assert_eq!(forget_outdated(&db, 2, "shop").await.unwrap(), 0);
        tell(&db, 2, "shop", &[news("7", 4, 1)]).await.unwrap();
        assert_eq!(forget_outdated(&db, 3, "shop").await.unwrap(), 1);
    }
}
