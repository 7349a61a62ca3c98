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
}
