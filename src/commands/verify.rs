//! `kenh verify`: derives the books again and tells where they disagree.

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;

use super::check::Format;
use super::{OPERATOR, complain, fail, load, open, read_moment, say};
use crate::app;
use crate::clock::{Clock as _, SystemClock};
use crate::store::ledger::{self, Span};
use crate::store::{Db, Error};
use crate::verify::{self, Dead, Options, Report, Rows, Scope};

/// Verifies the ledger; may run beside `kenh serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the configuration.
    #[arg(long, value_name = "DIR", default_value = "config")]
    config: PathBuf,
    /// For people or for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Only stock: counters, movements and what orders hold.
    #[arg(long)]
    stock: bool,
    /// Set stock counters that drifted to the sum of their movements, then verify.
    #[arg(long)]
    repair: bool,
    /// One row per channel and hour.
    #[arg(long)]
    hours: bool,
    /// Dead notices and tasks are findings, too.
    #[arg(long)]
    strict: bool,
    /// Messages received from this moment on: RFC 3339, or a day in Asia/Ho_Chi_Minh.
    #[arg(long, value_parser = read_moment)]
    from: Option<Timestamp>,
    /// Messages received before this moment.
    #[arg(long, value_parser = read_moment)]
    to: Option<Timestamp>,
}

/// Verifies. 0: the books balance, 1: they do not or the database does not answer, 2: wrong use.
pub async fn run(args: &Args) -> ExitCode {
    if args.from.zip(args.to).is_some_and(|(from, to)| from >= to) {
        complain("--from must be before --to");
        return ExitCode::from(super::WRONG_USE);
    }
    let loaded = match load(&args.config) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let db = match open(&loaded.config).await {
        Ok(db) => db,
        Err(error) => return fail("could not open the database", &error),
    };
    let settings = app::settings(&loaded.config, &loaded.locations);
    let result = work(args, &db, &settings, SystemClock::new().now()).await;
    db.close().await;
    match result {
        Ok(report) => {
            match args.format {
                Format::Text => say(report.text().trim_end()),
                Format::Json => say(&format!("{:#}", serde_json::json!(report))),
            }
            if report.balanced {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => fail("could not verify", &error),
    }
}

async fn work(
    args: &Args,
    db: &Db,
    settings: &domain::order::Settings,
    now: Timestamp,
) -> Result<Report, Error> {
    if args.repair {
        let rebuilt = ledger::rebuild_stock(db, OPERATOR, now.as_millisecond()).await?;
        for row in &rebuilt {
            complain(&format!(
                "repaired {} at {}: on hand {} → {}, reserved {} → {}",
                row.sku,
                row.location,
                row.on_hand,
                row.ledger_on_hand,
                row.reserved,
                row.ledger_reserved
            ));
        }
        complain(&format!("{} counters repaired", rebuilt.len()));
    }
    let options = Options {
        scope: if args.stock { Scope::Stock } else { Scope::All },
        span: Span {
            from: args.from.map(Timestamp::as_millisecond),
            to: args.to.map(Timestamp::as_millisecond),
        },
        rows: if args.hours {
            Rows::Hours
        } else {
            Rows::Totals
        },
        dead: if args.strict {
            Dead::Finding
        } else {
            Dead::Waits
        },
        now,
    };
    verify::run(db, settings, &options).await
}
