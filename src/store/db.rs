//! Connections, transactions and migrations.
//!
//! SQLite gets one write connection, because with several the slowest writer waits in the busy
//! handler for seconds, and a pool of readers beside it. PostgreSQL gets one pool for both.

use std::borrow::Cow;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr,
    SqliteTransactionMode, SqlxPostgresConnector, SqlxSqliteConnector, TransactionOptions,
    TransactionTrait,
};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlSafeStr};

use super::sql::Sql;

/// The schema version that this program writes and reads.
pub const SCHEMA_VERSION: i64 = 2;

/// What can go wrong between Kenh and its database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is not one of the two databases.
    #[error("the database URL must start with sqlite: or postgres:")]
    UnknownDatabase,
    /// The connection could not be made.
    #[error("could not open the database")]
    Open(#[source] sqlx::Error),
    /// A lock file beside the SQLite database is held by another process.
    #[error("the database {0} is in use by another Kenh process")]
    InUse(PathBuf),
    /// The lock file could not be made.
    #[error("could not lock the database")]
    Lock(#[source] std::io::Error),
    /// Replicas cannot signal each other now.
    #[error("could not signal between replicas")]
    Signals(#[source] sqlx::Error),
    /// SQLite has one process and no signals.
    #[error("there are no replicas to signal on SQLite")]
    NoSignals,
    /// A migration failed.
    #[error("could not migrate the database")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The database was written by another version of this program.
    #[error(
        "the database has schema version {found}, this program needs {SCHEMA_VERSION}: {}",
        if *found > SCHEMA_VERSION { "use a newer program" } else { "run `kenh migrate`" }
    )]
    SchemaVersion {
        /// The version found; 0 for an empty database.
        found: i64,
    },
    /// A statement failed.
    #[error("the database refused a statement")]
    Statement(#[from] DbErr),
    /// A conditional write did not meet the row that it expected: somebody else was faster.
    #[error("{what} was changed by another worker")]
    Conflict {
        /// What.
        what: &'static str,
    },
    /// The lease under which the caller works was lost: another worker has taken over.
    #[error("the lease of {what} was lost to another worker")]
    LeaseLost {
        /// What.
        what: &'static str,
    },
    /// A defect of ours in the middle of a transaction, which was rolled back.
    #[error("the work was stopped by a defect; see the panic in the log")]
    Panicked,
    /// A stored document is not readable.
    #[error("a stored {what} is not readable")]
    Document {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A sealed value does not open with any configured key.
    #[error("a stored {what} does not open with the configured keys")]
    Sealed {
        /// What.
        what: &'static str,
    },
}

impl Error {
    /// The database did not get as far as the statement: it is down, or too busy to give a
    /// connection. Trying the parts of a batch one by one would only wait longer.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Open(_) => true,
            Self::Statement(DbErr::Conn(_) | DbErr::ConnectionAcquire(_)) => true,
            Self::Statement(
                DbErr::Exec(RuntimeErr::SqlxError(source))
                | DbErr::Query(RuntimeErr::SqlxError(source)),
            ) => source.as_database_error().is_none(),
            _ => false,
        }
    }

    /// Trying again with fresh data may work: a lost race, a deadlock, a serialization failure, a
    /// busy database, a unique key that another worker has just taken.
    #[must_use]
    pub fn is_race(&self) -> bool {
        match self {
            // A lost lease spoils a batch, whose other inputs are still good.
            Self::Conflict { .. } | Self::LeaseLost { .. } => true,
            Self::Statement(error) => {
                if error.sql_err().is_some() {
                    return true;
                }
                let (DbErr::Exec(RuntimeErr::SqlxError(source))
                | DbErr::Query(RuntimeErr::SqlxError(source))) = error
                else {
                    return false;
                };
                source
                    .as_database_error()
                    .and_then(|e| e.code())
                    .is_some_and(|code| matches!(&*code, "40001" | "40P01" | "5" | "517"))
            }
            _ => false,
        }
    }
}

/// How many connections, and how long to wait for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Connections of the pool (for SQLite: readers; there is always one writer).
    pub max_connections: u32,
    /// How long to wait for a free connection.
    pub acquire_timeout: Duration,
    /// SQLite: how long to wait for another process's lock.
    pub busy_timeout: Duration,
}

impl Options {
    fn of(max_connections: u32) -> Self {
        Self {
            max_connections,
            ..Self::default()
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 8,
            acquire_timeout: Duration::from_secs(5),
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// The database, open.
#[derive(Debug, Clone)]
pub struct Db {
    write: DatabaseConnection,
    read: DatabaseConnection,
    backend: DbBackend,
    path: Option<PathBuf>,
    lock: Option<Arc<File>>,
    /// PostgreSQL: connections for signals between replicas, opened when first used.
    signals: Option<PgPool>,
}

impl Db {
    /// Opens `url` (`sqlite://path` or `postgres://…`) with the default waits.
    ///
    /// # Errors
    /// When the URL, the file or the server is not usable.
    pub async fn open(url: &str, max_connections: u32) -> Result<Self, Error> {
        let options = Options {
            max_connections,
            ..Options::default()
        };
        Self::open_with(url, &options).await
    }

    /// Opens `url` (`sqlite://path` or `postgres://…`).
    ///
    /// # Errors
    /// When the URL, the file or the server is not usable.
    pub async fn open_with(url: &str, options: &Options) -> Result<Self, Error> {
        if url.starts_with("sqlite:") {
            Self::open_sqlite(url, options).await
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Self::open_postgres(url, options).await
        } else {
            Err(Error::UnknownDatabase)
        }
    }

    async fn open_sqlite(url: &str, wanted: &Options) -> Result<Self, Error> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(Error::Open)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL, because with NORMAL the last commits may be gone after a power loss although
            // their senders have been answered.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(wanted.busy_timeout)
            .foreign_keys(true)
            .pragma("cache_size", "-16000")
            .pragma("temp_store", "MEMORY")
            .pragma("mmap_size", "268435456")
            .pragma("wal_autocheckpoint", "4000")
            .statement_cache_capacity(600)
            .disable_statement_logging();
        let path = options.get_filename().to_owned();
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .acquire_timeout(wanted.acquire_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await
            .map_err(Error::Open)?;
        let read = SqlitePoolOptions::new()
            .max_connections(wanted.max_connections.max(2))
            .acquire_timeout(wanted.acquire_timeout)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(Error::Open)?;
        Ok(Self {
            write: SqlxSqliteConnector::from_sqlx_sqlite_pool(write),
            read: SqlxSqliteConnector::from_sqlx_sqlite_pool(read),
            backend: DbBackend::Sqlite,
            path: Some(path),
            lock: None,
            signals: None,
        })
    }

    /// Opens PostgreSQL in a schema of its own, made if it is not there (the demo, tests).
    ///
    /// # Errors
    /// When the URL or the server is not usable.
    pub async fn open_in_schema(
        url: &str,
        schema: &str,
        max_connections: u32,
    ) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url).map_err(Error::Open)?;
        let admin = Self::connect_postgres(options.clone(), &Options::of(1)).await?;
        admin
            .write
            .execute_unprepared(&format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema)))
            .await?;
        admin.close().await;
        let options = options.options([("search_path", schema)]);
        Self::connect_postgres(options, &Options::of(max_connections)).await
    }

    /// Drops a schema with everything in it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_schema(url: &str, schema: &str) -> Result<(), Error> {
        let options = PgConnectOptions::from_str(url).map_err(Error::Open)?;
        let admin = Self::connect_postgres(options, &Options::of(1)).await?;
        admin
            .write
            .execute_unprepared(&format!("DROP SCHEMA IF EXISTS {} CASCADE", quoted(schema)))
            .await?;
        admin.close().await;
        Ok(())
    }

    async fn open_postgres(url: &str, wanted: &Options) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url).map_err(Error::Open)?;
        // Fewer would let the settling workers wait for each other's connections.
        let wanted = Options {
            max_connections: wanted.max_connections.max(4),
            ..*wanted
        };
        Self::connect_postgres(options, &wanted).await
    }

    async fn connect_postgres(options: PgConnectOptions, wanted: &Options) -> Result<Self, Error> {
        let options = options
            .application_name("kenh")
            .statement_cache_capacity(600)
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(wanted.max_connections)
            .acquire_timeout(wanted.acquire_timeout)
            .connect_with(options.clone())
            .await
            .map_err(Error::Open)?;
        // One listens, one tells.
        let signals = PgPoolOptions::new()
            .max_connections(2)
            .acquire_timeout(wanted.acquire_timeout)
            .connect_lazy_with(options);
        let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
        Ok(Self {
            write: connection.clone(),
            read: connection,
            backend: DbBackend::Postgres,
            path: None,
            lock: None,
            signals: Some(signals),
        })
    }

    /// Claims the SQLite file for this process, against two gateways on one file. Does nothing on
    /// PostgreSQL, where replicas are welcome.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process holds it.
    pub fn own(mut self) -> Result<Self, Error> {
        if let Some(path) = &self.path {
            self.lock = Some(Arc::new(lock_beside(path)?));
        }
        Ok(self)
    }

    /// True on SQLite, where one process owns the file.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.backend == DbBackend::Sqlite
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.backend
    }

    /// For queries outside a transaction.
    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.read
    }

    /// For single conditional statements, each its own transaction.
    pub(crate) fn writer(&self) -> &DatabaseConnection {
        &self.write
    }

    /// Starts a transaction that writes. On SQLite it takes the write lock at once: an upgrade
    /// in the middle fails without waiting.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, Error> {
        let options = TransactionOptions {
            sqlite_transaction_mode: self.is_sqlite().then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(self.write.begin_with_options(options).await?)
    }

    /// Brings the schema up to date, under a lock (the file lock on SQLite, an advisory lock on
    /// PostgreSQL).
    ///
    /// # Errors
    /// When a migration fails, or was changed after it had been applied.
    pub async fn migrate(&self) -> Result<(), Error> {
        let migrator = migrator(self.backend);
        match self.backend {
            DbBackend::Sqlite => migrator.run(self.write.get_sqlite_connection_pool()).await,
            _ => {
                migrator
                    .run(self.write.get_postgres_connection_pool())
                    .await
            }
        }
        .map_err(Error::Migrate)
    }

    /// The version of the schema in the database; 0 when it is empty.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn schema_version(&self) -> Result<i64, Error> {
        let known = match self.backend {
            DbBackend::Sqlite => {
                Sql::new("SELECT name FROM sqlite_master WHERE name = '_sqlx_migrations'")
            }
            _ => Sql::new(
                "SELECT table_name AS name FROM information_schema.tables \
                 WHERE table_schema = current_schema() AND table_name = '_sqlx_migrations'",
            ),
        };
        if known.one(&self.read).await?.is_none() {
            return Ok(0);
        }
        let row = Sql::new("SELECT MAX(version) AS version FROM _sqlx_migrations")
            .one(&self.read)
            .await?;
        let version: Option<i64> = row.map(|r| r.try_get("", "version")).transpose()?.flatten();
        Ok(version.unwrap_or(0))
    }

    /// Refuses a schema that this program does not know.
    ///
    /// # Errors
    /// [`Error::SchemaVersion`] when it is older or newer.
    pub async fn check_schema(&self) -> Result<(), Error> {
        let found = self.schema_version().await?;
        if found == SCHEMA_VERSION {
            Ok(())
        } else {
            Err(Error::SchemaVersion { found })
        }
    }

    /// One round trip, for `/readyz`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ping(&self) -> Result<(), Error> {
        self.read.execute_unprepared("SELECT 1").await?;
        Ok(())
    }

    /// Closes the pools; on SQLite this also writes the log back into the file.
    pub async fn close(&self) {
        match self.backend {
            DbBackend::Sqlite => {
                self.read.get_sqlite_connection_pool().close().await;
                self.write.get_sqlite_connection_pool().close().await;
            }
            _ => self.write.get_postgres_connection_pool().close().await,
        }
        if let Some(signals) = &self.signals {
            signals.close().await;
        }
    }

    pub(super) fn signals(&self) -> Result<&PgPool, Error> {
        self.signals.as_ref().ok_or(Error::NoSignals)
    }
}

/// An identifier for SQL text.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Holds a lock file as long as the process lives, against two gateways on one file.
fn lock_beside(database: &Path) -> Result<File, Error> {
    let path = database.with_extension("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::Lock)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(database.to_owned())),
        Err(TryLockError::Error(error)) => Err(Error::Lock(error)),
    }
}

/// Number, name, and the statements for SQLite and for PostgreSQL. What was released is never
/// changed: the database remembers a hash of it.
const MIGRATIONS: [(i64, &str, &str, &str); 2] = [
    (
        1,
        "gateway",
        include_str!("../../migrations/sqlite/0001_gateway.sql"),
        include_str!("../../migrations/postgres/0001_gateway.sql"),
    ),
    (
        SCHEMA_VERSION,
        "customers",
        include_str!("../../migrations/sqlite/0002_customers.sql"),
        include_str!("../../migrations/postgres/0002_customers.sql"),
    ),
];

fn migrator(backend: DbBackend) -> Migrator {
    let migrations = MIGRATIONS.map(|(version, name, sqlite, postgres)| {
        let sql = match backend {
            DbBackend::Sqlite => sqlite,
            _ => postgres,
        };
        Migration::new(
            version,
            Cow::Borrowed(name),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.into())
}
