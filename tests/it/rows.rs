//! A look at the tables from outside of the gateway, with a connection of its own.

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, QueryResult,
    Statement,
};

/// A connection that the gateway knows nothing of.
#[derive(Debug)]
pub struct Rows(DatabaseConnection);

impl Rows {
    pub async fn open(url: &str) -> Self {
        let mut options = ConnectOptions::new(url);
        options.max_connections(2).sqlx_logging(false);
        Self(Database::connect(options).await.unwrap())
    }

    fn backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    pub async fn all(&self, sql: &str) -> Vec<QueryResult> {
        self.0
            .query_all_raw(Statement::from_string(self.backend(), sql))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The one number that the query gives.
    pub async fn number(&self, sql: &str) -> i64 {
        let rows = self.all(sql).await;
        assert_eq!(rows.len(), 1, "{sql}");
        rows[0].try_get_by::<i64, _>(0).unwrap()
    }

    /// The first column of every row, as text.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        self.all(sql)
            .await
            .iter()
            .map(|row| row.try_get_by::<String, _>(0).unwrap())
            .collect()
    }

    /// The first row's first column.
    pub async fn text(&self, sql: &str) -> Option<String> {
        self.texts(sql).await.into_iter().next()
    }

    /// Changes something behind the gateway's back; rows changed.
    pub async fn run(&self, sql: &str) -> u64 {
        self.0
            .execute_raw(Statement::from_string(self.backend(), sql))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .rows_affected()
    }

    /// Whether the database refuses the statement.
    pub async fn refuses(&self, sql: &str) -> bool {
        self.0.execute_unprepared(sql).await.is_err()
    }

    pub async fn close(self) {
        self.0.close().await.unwrap();
    }
}
