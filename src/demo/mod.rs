//! `kenh demo`: the main job with no set-up.
//!
//! The shipped configuration, an embedded database in a temporary folder (or a schema of its own
//! in a given PostgreSQL), and the sandbox's partners. Signed messages of every channel come in
//! through the real HTTP door, partners verify what they get and keep their own books, and the
//! summary compares those books with our ledger.

pub mod chaos;
mod summary;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use sandbox::Scenario;

pub use summary::Summary;
pub use world::World;

use crate::commands::{complain, fail, say};
use crate::telemetry::{self, Format};

/// Without faults everything is at rest a moment after the last message.
const REST: Duration = Duration::from_secs(60);

/// With faults the longest of the repeats must pass first.
const REST_WITH_FAULTS: Duration = Duration::from_secs(90);

/// Run the whole gateway against simulated partners, with no set-up.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Folder of the configuration; addresses and secrets in it are replaced, and it is said how.
    #[arg(long, value_name = "DIR", default_value = "config")]
    pub config: PathBuf,
    /// How many orders the simulated buyers place, over all channels.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub orders: u32,
    /// Fixes every choice of buyers and partners.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// `postgres://…`: use a schema of its own there instead of SQLite in a temporary folder.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Partners fail, stall, answer twice and reorder.
    #[arg(long)]
    pub faults: bool,
    /// Stop when everything is settled; exit code 0 only if the ledger balances and every leg is
    /// done.
    #[arg(long)]
    pub exit: bool,
    /// Print the summary as one JSON object on standard output, and nothing else there.
    #[arg(long)]
    pub json: bool,
    /// Log level of the gateway while the demo runs.
    #[arg(long, value_name = "FILTER", default_value = "error")]
    pub log: String,
}

/// What the demo could not do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The temporary folder.
    #[error("could not make a temporary folder")]
    Folder(#[source] std::io::Error),
    /// The configuration.
    #[error("the configuration has mistakes:\n{0}")]
    Config(String),
    /// The gateway.
    #[error("could not start the gateway")]
    App(#[from] crate::app::Error),
    /// The database.
    #[error("could not use the database")]
    Store(#[from] crate::store::Error),
    /// The gateway under test does not answer.
    #[error("the gateway did not get ready in a minute")]
    NotReady,
    /// The sandbox.
    #[error("could not play the partners")]
    Sandbox(#[from] sandbox::Error),
}

/// Runs the demo. 0 when the books balance, 1 when they do not or something did not start.
pub async fn run(args: &Args) -> ExitCode {
    if let Err(error) = telemetry::init_logs(Format::Text, &args.log) {
        return fail("could not start the log", &error);
    }
    match play(args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail("the demo failed", &error),
    }
}

async fn play(args: &Args) -> Result<bool, Error> {
    let world = World::start(args).await?;
    let tell = |line: &str| {
        if args.json {
            complain(line);
        } else {
            say(line);
        }
    };
    tell(&world.introduction());
    let scenario = Scenario::new(args.orders, args.seed, world.products.clone(), &world.token);
    let started = Instant::now();
    let report = {
        let mut selling = Box::pin(world.sandbox.run(scenario));
        loop {
            tokio::select! {
                report = &mut selling => break report?,
                () = tokio::time::sleep(Duration::from_secs(2)) => {
                    tell(&summary::progress(&world, started.elapsed()).await?);
                }
            }
        }
    };
    let rest = if args.faults { REST_WITH_FAULTS } else { REST };
    let gateway = &world.running.gateway;
    let db = &gateway.db;
    let settled = {
        let mut resting = Box::pin(summary::rest(db, &world.sandbox, rest));
        loop {
            tokio::select! {
                settled = &mut resting => break settled?,
                () = tokio::time::sleep(Duration::from_secs(2)) => {
                    tell(&summary::progress(&world, started.elapsed()).await?);
                }
            }
        }
    };
    let summary = summary::draw(
        db,
        &gateway.settings,
        gateway.clock.now(),
        &world.sandbox,
        &report,
        settled,
        started.elapsed(),
    )
    .await?;
    if args.json {
        say(&summary.json());
    } else {
        say(&summary.text());
    }
    for finding in &summary.findings {
        complain(&format!("finding: {finding}"));
    }
    let good = summary.balanced;
    if !args.exit {
        tell(&world.invitation());
        if let Err(error) = tokio::signal::ctrl_c().await {
            complain(&format!("could not wait for Ctrl-C: {error}"));
        }
    }
    world.stop().await?;
    Ok(good)
}
