//! The subcommands of the binary, one file each.

pub mod channels;
pub mod check;
pub mod explain;
pub mod healthcheck;
pub mod import;
pub mod migrate;
pub mod reconcile;
pub mod redrive;
pub mod replay;
pub mod schema;
pub mod serve;
pub mod token;
pub mod verify;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::app::{self, Parts};
use crate::clock::{SystemClock, SystemIds};
use crate::config::{self, Loaded};
use crate::gateway::Gateway;
use crate::store::{self, Db};
use crate::telemetry;

/// As whom the audit log names whoever has the command line.
const OPERATOR: &str = "operator";

/// Exit code of a command that was used wrongly, or whose configuration has mistakes.
const WRONG_USE: u8 = 2;

/// Writes a line to standard output. A closed pipe is no error: whoever reads has seen enough.
pub fn say(line: &str) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        tracing::debug!("standard output is closed");
    }
}

/// Writes a line to standard error.
pub fn complain(line: &str) {
    if writeln!(std::io::stderr(), "{line}").is_err() {
        tracing::debug!("standard error is closed");
    }
}

/// Says what could not be done and why, and gives exit code 1.
pub fn fail(what: &str, error: &dyn std::error::Error) -> ExitCode {
    complain(&format!("{what}: {}", telemetry::chain(error)));
    ExitCode::FAILURE
}

/// Reads the configuration; all its mistakes go to standard error.
///
/// # Errors
/// The exit code to end with.
pub fn load(dir: &Path) -> Result<Loaded, ExitCode> {
    config::load(dir, &config::process_env, None).map_err(|problems| {
        complain(&config::render(&problems));
        complain("the configuration has mistakes; `kenh check` tells them too");
        ExitCode::from(WRONG_USE)
    })
}

/// Opens the database of a configuration beside a gateway that may be running: without owning it.
///
/// # Errors
/// When it does not answer, or its schema is not this program's.
pub async fn open(config: &config::Config) -> Result<Db, store::Error> {
    let database = &config.database;
    // A command needs few connections, and a running gateway has its own.
    let db = Db::open(database.url.expose_secret(), 2).await?;
    db.check_schema().await?;
    Ok(db)
}

/// A gateway that is put together and not started: for its connectors, keys and database.
///
/// # Errors
/// The exit code to end with; what is wrong was said.
async fn assemble(dir: &Path) -> Result<Arc<Gateway>, ExitCode> {
    let loaded = load(dir)?;
    let db = open(&loaded.config)
        .await
        .map_err(|error| fail("could not open the database", &error))?;
    let assembled = app::assemble(Parts {
        loaded,
        db,
        clock: SystemClock::shared(),
        ids: SystemIds::shared(),
        rules_dir: None,
    })
    .await
    .map_err(|error| fail("could not put the connectors together", &error))?;
    Ok(assembled.gateway)
}

/// A moment for people, from milliseconds.
fn moment(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(
        |_| format!("{at_ms} ms"),
        |at| at.strftime("%Y-%m-%dT%H:%MZ").to_string(),
    )
}

/// Reads a moment: RFC 3339, or a day as it begins in Asia/Ho_Chi_Minh.
fn read_moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let day: jiff::civil::Date = text
        .parse()
        .map_err(|_| "neither 2026-11-24T01:02:03Z nor 2026-11-24".to_owned())?;
    jiff::tz::Offset::constant(7)
        .to_timestamp(day.at(0, 0, 0, 0))
        .map_err(|error| error.to_string())
}
