//! `kenh migrate`: brings the database's schema up to date.

use std::path::PathBuf;
use std::process::ExitCode;

use secrecy::ExposeSecret;

use super::{fail, load, say};
use crate::store::{Db, Error, SCHEMA_VERSION};

/// Brings the database's schema up to date; does nothing when it is.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the configuration.
    #[arg(long, value_name = "DIR", default_value = "config")]
    config: PathBuf,
    /// Only say which version the database has; exit 1 if it is not this program's.
    #[arg(long)]
    check: bool,
}

/// Migrates. 0 when the schema is this program's, 1 when it is not or the database does not
/// answer, 2 when the configuration has mistakes.
pub async fn run(args: &Args) -> ExitCode {
    let loaded = match load(&args.config) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    match migrate(args, &loaded).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail("could not migrate", &error),
    }
}

async fn migrate(args: &Args, loaded: &crate::config::Loaded) -> Result<(), Error> {
    let database = &loaded.config.database;
    let db = Db::open(database.url.expose_secret(), database.max_connections).await?;
    let before = db.schema_version().await?;
    if args.check {
        say(&format!(
            "the database has schema version {before}, this program needs {SCHEMA_VERSION}"
        ));
        return db.check_schema().await;
    }
    if before > SCHEMA_VERSION {
        return Err(Error::SchemaVersion { found: before });
    }
    let db = db.own()?;
    db.migrate().await?;
    say(&format!(
        "schema version {before} → {}",
        db.schema_version().await?
    ));
    db.close().await;
    Ok(())
}
