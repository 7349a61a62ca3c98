//! `kenh serve`: runs the gateway until it is told to stop.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::{fail, load, say};
use crate::app::{self, Parts, Role};
use crate::clock::{SystemClock, SystemIds};
use crate::config::LogFormat;
use crate::store::{Db, Options};
use crate::telemetry::{self, Format};

/// Runs the gateway.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the configuration.
    #[arg(long, value_name = "DIR", default_value = "config")]
    config: PathBuf,
    /// What this process does; several may be given. Everything, if left out.
    #[arg(long, value_name = "ROLE", value_delimiter = ',')]
    role: Vec<Role>,
    /// Bring the database up to date before starting, as `kenh migrate` does.
    #[arg(long)]
    migrate: bool,
}

/// Serves until SIGTERM or SIGINT. 0 after an orderly stop, 1 when it could not start, 2 when the
/// configuration has mistakes.
pub async fn run(args: &Args) -> ExitCode {
    let loaded = match load(&args.config) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let format = match loaded.config.log.format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    };
    if let Err(error) = telemetry::init_logs(format, &loaded.config.log.level) {
        return fail("could not start the log", &error);
    }
    let roles: BTreeSet<Role> = if args.role.is_empty() {
        Role::all()
    } else {
        args.role.iter().copied().collect()
    };
    match serve(args, loaded, &roles).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail("could not serve", &error),
    }
}

async fn serve(
    args: &Args,
    loaded: crate::config::Loaded,
    roles: &BTreeSet<Role>,
) -> Result<(), app::Error> {
    let database = &loaded.config.database;
    let options = Options {
        max_connections: database.max_connections,
        acquire_timeout: Duration::from_millis(database.acquire_timeout_ms),
        busy_timeout: Duration::from_millis(database.busy_timeout_ms),
    };
    let db = Db::open_with(database.url.expose_secret(), &options)
        .await?
        .own()?;
    if args.migrate {
        db.migrate().await?;
    }
    let assembled = app::assemble(Parts {
        loaded,
        db,
        clock: SystemClock::shared(),
        ids: SystemIds::shared(),
        rules_dir: Some(args.config.clone()),
    })
    .await?;
    let running = assembled.start(roles).await?;
    say(&format!("listening on http://{}", running.address));
    if let Err(error) = running.gateway.shutdown.trigger_on_signals() {
        tracing::error!(%error, "could not listen for signals; only a kill will stop this process");
    }
    running.gateway.shutdown.triggered().await;
    running.stop().await;
    Ok(())
}
