//! `LISTEN` and `NOTIFY` between the replicas on one PostgreSQL. Lost signals cost a wait, never
//! a message: everybody looks by themselves as well.

use sqlx::postgres::PgListener;
use sqlx::{Executor, Row};

use super::db::{Db, Error};

// One name per schema: a database may hold several gateways (the demo, tests).
// What is told need not survive a power loss, so its commit waits for no sync.
const TELL: &str = "SELECT set_config('synchronous_commit', 'off', true), \
     pg_notify('kenh_' || md5(current_schema()), $1)";
const NAME: &str = "SELECT 'kenh_' || md5(current_schema())";

/// An open ear.
#[derive(Debug)]
pub struct Line(PgListener);

impl Line {
    /// The next words of any replica, this one included. A lost connection is made again; what was
    /// said meanwhile is not heard.
    ///
    /// # Errors
    /// When the server cannot be reached any more.
    pub async fn hear(&mut self) -> Result<String, Error> {
        let heard = self.0.recv().await.map_err(Error::Signals)?;
        Ok(heard.payload().to_owned())
    }
}

impl Db {
    /// Says `words` to all replicas.
    ///
    /// # Errors
    /// When the server cannot be reached; [`Error::NoSignals`] on SQLite, where one process owns
    /// the file.
    pub async fn tell(&self, words: &str) -> Result<(), Error> {
        let pool = self.signals()?;
        sqlx::query(TELL)
            .bind(words)
            .execute(pool)
            .await
            .map_err(Error::Signals)?;
        Ok(())
    }

    /// Opens an ear.
    ///
    /// # Errors
    /// When the server cannot be reached; [`Error::NoSignals`] on SQLite.
    pub async fn listen(&self) -> Result<Line, Error> {
        let pool = self.signals()?;
        let row = pool.fetch_one(NAME).await.map_err(Error::Signals)?;
        let name: String = row.try_get(0).map_err(Error::Signals)?;
        let mut listener = PgListener::connect_with(pool)
            .await
            .map_err(Error::Signals)?;
        listener.listen(&name).await.map_err(Error::Signals)?;
        Ok(Line(listener))
    }
}
