//! `kenh import`: puts `catalog.toml` into the database.

use std::path::PathBuf;
use std::process::ExitCode;

use secrecy::ExposeSecret;

use super::{fail, load, say};
use crate::clock::{Clock, SystemClock};
use crate::store::{Db, Error};

/// Put the products of catalog.toml into the database, and the opening stock of counters that do
/// not exist yet. Repeating it is harmless.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the configuration.
    #[arg(long, value_name = "DIR", default_value = "config")]
    config: PathBuf,
}

/// Imports. 0 when it is in, 1 when the database refuses, 2 when the configuration has mistakes.
pub async fn run(args: &Args) -> ExitCode {
    let loaded = match load(&args.config) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    match import(&loaded).await {
        Ok(imported) => {
            say(&format!(
                "{} products, {} opening counts",
                imported.products, imported.counts
            ));
            ExitCode::SUCCESS
        }
        Err(error) => fail("could not import the catalog", &error),
    }
}

async fn import(loaded: &crate::config::Loaded) -> Result<crate::import::Imported, Error> {
    let database = &loaded.config.database;
    let db = Db::open(database.url.expose_secret(), database.max_connections).await?;
    db.check_schema().await?;
    let now = SystemClock::new().now_ms();
    let imported = crate::import::catalog(&db, &loaded.catalog, &loaded.locations, now).await?;
    db.close().await;
    Ok(imported)
}
