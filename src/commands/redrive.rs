//! `kenh redrive`: dead letters get another try.
//!
//! A dead task is due again, and a running gateway takes it within its idle time. A dead notice is
//! read again with today's connector, because what killed it may have been the reading.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{OPERATOR, complain, fail, load, moment, open, say};
use crate::app::{self, Parts};
use crate::clock::{Clock as _, SystemClock, SystemIds};
use crate::config::Loaded;
use crate::gateway::Gateway;
use crate::pipeline::replay;
use crate::store::deliveries::{self, MOST_REDRIVEN, Redrive};
use crate::store::messages::{self, Filter, Whole};
use crate::store::{self, Db, replays};
use crate::telemetry;

/// Groups that are shown.
const GROUPS: i64 = 100;

/// Messages in memory at once.
const PAGE: i64 = 100;

/// Tries dead letters again. Without a filter it only shows them, grouped by cause.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the configuration.
    #[arg(long, value_name = "DIR", default_value = "config")]
    config: PathBuf,
    /// These only: deliveries, or with --inbox messages.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    id: Vec<i64>,
    /// Tasks of this target.
    #[arg(long, conflicts_with = "inbox")]
    target: Option<String>,
    /// Tasks of this operation, `issue_invoice`.
    #[arg(long, conflicts_with = "inbox")]
    op: Option<String>,
    /// Those that died of this cause, as it is shown.
    #[arg(long)]
    cause: Option<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
    /// Dead notices of the inbox instead of tasks.
    #[arg(long)]
    inbox: bool,
    /// Notices of this channel or target.
    #[arg(long, requires = "inbox")]
    channel: Option<String>,
    /// Only say what would be tried again.
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    fn has_filter(&self) -> bool {
        self.all
            || !self.id.is_empty()
            || [&self.target, &self.op, &self.cause, &self.channel]
                .iter()
                .any(|filter| filter.is_some())
    }

    fn filter(&self) -> Redrive {
        Redrive {
            ids: self.id.clone(),
            target: self.target.clone(),
            op: self.op.clone(),
            cause: self.cause.clone(),
            before: None,
        }
    }
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("could not use the database")]
    Store(#[from] store::Error),
    #[error("could not put the connectors together")]
    Assemble(#[from] app::Error),
}

/// Redrives. 0: done or shown, 1: something could not be tried again, 2: wrong use.
pub async fn run(args: &Args) -> ExitCode {
    let loaded = match load(&args.config) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let db = match open(&loaded.config).await {
        Ok(db) => db,
        Err(error) => return fail("could not open the database", &error),
    };
    let now = SystemClock::new().now_ms();
    let result = if args.inbox {
        notices(args, loaded, &db).await
    } else {
        tasks(args, &db, now).await
    };
    db.close().await;
    match result {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => fail("could not redrive", &error),
    }
}

async fn tasks(args: &Args, db: &Db, now: i64) -> Result<usize, Error> {
    let filter = args.filter();
    if args.dry_run || !args.has_filter() {
        for group in deliveries::dead_groups(db, &filter, GROUPS).await? {
            say(&format!(
                "{:>6}  {}  {}  {} to {}\n        {}",
                group.count,
                group.target,
                group.op,
                moment(group.oldest),
                moment(group.newest),
                group.cause
            ));
        }
        hint(args);
        return Ok(0);
    }
    let mut redriven = BTreeSet::new();
    loop {
        let some = deliveries::redrive(db, &filter, OPERATOR, now).await?;
        let before = redriven.len();
        redriven.extend(some.iter().copied());
        // Beside a running gateway some may have died again meanwhile: once is enough.
        if redriven.len() == before {
            break;
        }
        // One step takes a bounded number, so that a running gateway is not held up.
        if i64::try_from(some.len()).is_ok_and(|n| n < MOST_REDRIVEN) {
            break;
        }
    }
    say(&format!("{} tasks are due again", redriven.len()));
    Ok(0)
}

fn hint(args: &Args) {
    if !args.has_filter() {
        complain("say which: --id, --target, --op, --cause, --channel, or --all");
    }
}

async fn notices(args: &Args, loaded: Loaded, db: &Db) -> Result<usize, Error> {
    if !args.has_filter() {
        for group in messages::dead_groups(db, None, GROUPS).await? {
            say(&format!(
                "{:>6}  {}  {}  {} to {}, message {}\n        {}",
                group.count,
                group.channel,
                group.kind,
                moment(group.oldest),
                moment(group.newest),
                group.example,
                group.cause
            ));
        }
        hint(args);
        return Ok(0);
    }
    // Put together and not started: only its connectors and keys are used.
    let gateway = app::assemble(Parts {
        loaded,
        db: db.clone(),
        clock: SystemClock::shared(),
        ids: SystemIds::shared(),
        rules_dir: None,
    })
    .await?
    .gateway;
    let filter = Filter {
        channel: args.channel.clone(),
        state: Some("dead".to_owned()),
        ..Filter::default()
    };
    let (mut replayed, mut failed) = (0_usize, 0_usize);
    let mut before = None;
    loop {
        let page = messages::list(db, &filter, before, PAGE).await?;
        for whole in page.rows.iter().filter(|whole| is_wanted(args, whole)) {
            match replay_one(args, &gateway, whole).await {
                Ok(()) => replayed += 1,
                Err(words) => {
                    failed += 1;
                    complain(&format!("message {}: {words}", whole.message.seq));
                }
            }
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let did = if args.dry_run { "can be" } else { "are" };
    say(&format!(
        "{replayed} messages {did} read again, {failed} cannot"
    ));
    Ok(failed)
}

fn is_wanted(args: &Args, whole: &Whole) -> bool {
    let id = args.id.is_empty() || args.id.contains(&whole.message.seq);
    let cause = args.cause.as_ref().is_none_or(|cause| {
        whole
            .notices
            .iter()
            .any(|notice| notice.state == "dead" && notice.reason.as_ref() == Some(cause))
    });
    id && cause
}

async fn replay_one(args: &Args, gateway: &Gateway, whole: &Whole) -> Result<(), String> {
    let seq = whole.message.seq;
    let words = |error: store::Error| telemetry::chain(&error);
    let stored = messages::sealed(&gateway.db, seq)
        .await
        .map_err(words)?
        .ok_or("it is gone")?;
    let reading = replay::read(gateway, &whole.message.channel, &stored)
        .map_err(|error| telemetry::chain(&error))?;
    if !args.dry_run {
        replays::replay(
            &gateway.db,
            seq,
            OPERATOR,
            gateway.now_ms(),
            &reading.notices,
        )
        .await
        .map_err(words)?;
    }
    Ok(())
}
