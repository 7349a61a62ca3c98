//! The change feed: which order changed, in the order of the published positions. A change has a
//! position only after its commit, from one publisher, so a reader that goes on after the last
//! position that it saw misses none.

use sea_orm::FromQueryResult;

use super::db::{Db, Error};
use super::sql::Sql;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Change {
    /// Place in the feed; rises by one.
    pub position: i64,
    /// Order.
    pub order_id: String,
    /// The order's version after the change.
    pub version: i64,
    /// `created` or `updated`.
    pub kind: String,
    /// When, milliseconds.
    pub at: i64,
}

/// Published changes after a position, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn changes(db: &Db, after: i64, limit: i64) -> Result<Vec<Change>, Error> {
    Ok(
        Sql::new("SELECT position, order_id, version, kind, at FROM change WHERE position > ")
            .bind(after)
            .push(" ORDER BY position LIMIT ")
            .bind(limit)
            .read(db.reader())
            .await?,
    )
}

/// The oldest and the newest position that are kept; nothing where there was no change yet.
///
/// # Errors
/// When the database refuses.
pub async fn ends(db: &Db) -> Result<Option<(i64, i64)>, Error> {
    let row = Sql::new("SELECT MIN(position) AS oldest, MAX(position) AS newest FROM change")
        .one(db.reader())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let oldest: Option<i64> = row.try_get("", "oldest")?;
    Ok(oldest.zip(row.try_get("", "newest")?))
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempDb;
    use super::super::upkeep;
    use super::*;

    async fn write(db: &TempDb, order: &str) {
        db.run(&format!(
            "INSERT INTO change (order_id, version, kind, at) VALUES ('{order}', 1, 'created', 5)"
        ))
        .await;
    }

    #[tokio::test]
    async fn only_published_changes_are_shown_each_once_and_in_order() {
        let db = TempDb::new().await;
        write(&db, "ord_1").await;
        write(&db, "ord_2").await;
        assert!(changes(&db, 0, 10).await.unwrap().is_empty());
        upkeep::publish_changes(&db, 10).await.unwrap();
        write(&db, "ord_3").await;

        let first = changes(&db, 0, 1).await.unwrap();
        let second = changes(&db, first[0].position, 10).await.unwrap();
        assert_eq!(
            (first[0].order_id.as_str(), first[0].position),
            ("ord_1", 1)
        );
        assert_eq!((second[0].order_id.as_str(), second.len()), ("ord_2", 1));

        upkeep::publish_changes(&db, 10).await.unwrap();
        let third = changes(&db, second[0].position, 10).await.unwrap();
        assert_eq!(
            (third[0].order_id.as_str(), third[0].position),
            ("ord_3", 3)
        );
    }
    #[tokio::test]
    async fn old_changes_go_and_positions_go_on() {
        let db = TempDb::new().await;
        write(&db, "ord_1").await;
        write(&db, "ord_2").await;
        upkeep::publish_changes(&db, 10).await.unwrap();
        write(&db, "ord_3").await;
        assert_eq!(upkeep::prune_changes(&db, 5, 10).await.unwrap(), 0);
        assert_eq!(ends(&db).await.unwrap(), Some((1, 2)));

        // The last position stays, or numbers would begin again.
        assert_eq!(upkeep::prune_changes(&db, 6, 10).await.unwrap(), 1);
        assert_eq!(ends(&db).await.unwrap(), Some((2, 2)));
        upkeep::publish_changes(&db, 10).await.unwrap();
        let rest = changes(&db, 1, 10).await.unwrap();
        let places: Vec<_> = rest
            .iter()
            .map(|c| (c.order_id.as_str(), c.position))
            .collect();
        assert_eq!(places, [("ord_2", 2), ("ord_3", 3)]);
    }

    #[tokio::test]
    async fn a_change_in_the_middle_stays_however_old_it_is() {
        let db = TempDb::new().await;
        for (order, at) in [("ord_1", 5), ("ord_2", 9), ("ord_3", 5), ("ord_4", 9)] {
            db.run(&format!(
                "INSERT INTO change (order_id, version, kind, at) VALUES ('{order}', 1, 'created', {at})"
            ))
            .await;
        }
        upkeep::publish_changes(&db, 10).await.unwrap();
        assert_eq!(upkeep::prune_changes(&db, 6, 10).await.unwrap(), 1);
        let rest = changes(&db, 0, 10).await.unwrap();
        let places: Vec<_> = rest.iter().map(|c| c.position).collect();
        assert_eq!(places, [2, 3, 4]);
    }
}
