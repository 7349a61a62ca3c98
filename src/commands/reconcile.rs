//! `kenh reconcile`: what a channel has and we do not, or have otherwise.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::json;

use super::check::Format;
use super::{WRONG_USE, assemble, complain, fail, read_moment, say};
use crate::clock::{Clock as _, SystemClock};
use crate::pipeline::reconcile::{self, Finding, FindingKind, Mode, Report};

/// Compares a channel with what is stored; may run beside `kenh serve`.
///
/// Lists every order (or bank transaction) that changed at the channel in the span, and says which
/// are missing here or differ. Unless --dry-run is given, these are taken into the inbox, and a
/// running gateway settles them. A payment provider without a list is asked about every payment of
/// orders that were placed in the span. Calls keep to the channel's rate.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Channel.
    channel: String,
    /// Folder of the configuration.
    #[arg(long, value_name = "DIR", default_value = "config")]
    config: PathBuf,
    /// Changed from this moment on: RFC 3339, or a day in Asia/Ho_Chi_Minh.
    #[arg(long, value_parser = read_moment)]
    from: Timestamp,
    /// Changed before this moment; now, where it is left out.
    #[arg(long, value_parser = read_moment)]
    to: Option<Timestamp>,
    /// Only compare and tell.
    #[arg(long)]
    dry_run: bool,
    /// For people or for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Listed orders between two lines of progress.
const PROGRESS: usize = 500;

/// Reconciles. 0: the same, 1: something was missing or differs, or the channel does not answer,
/// 2: wrong use.
pub async fn run(args: &Args) -> ExitCode {
    let to = args.to.unwrap_or_else(|| SystemClock::new().now());
    if args.from >= to {
        complain("--from must be before --to");
        return ExitCode::from(WRONG_USE);
    }
    let gateway = match assemble(&args.config).await {
        Ok(gateway) => gateway,
        Err(code) => return code,
    };
    let Some(channel) = gateway.config.channel(&args.channel) else {
        complain(&format!(
            "there is no channel `{}`; `kenh channels` lists them",
            args.channel
        ));
        return ExitCode::from(WRONG_USE);
    };
    let told = AtomicUsize::new(0);
    let progress = |listed: usize| {
        let step = listed / PROGRESS;
        if told.swap(step, Ordering::Relaxed) != step {
            complain(&format!("{listed} listed so far"));
        }
    };
    let mode = if args.dry_run { Mode::Look } else { Mode::Take };
    let result = reconcile::run(&gateway, channel, (args.from, to), mode, &progress).await;
    gateway.db.close().await;
    let report = match result {
        Ok(report) => report,
        Err(error) => return fail("could not reconcile", &error),
    };
    match args.format {
        Format::Text => text(&report, mode),
        Format::Json => say(&document(&report).to_string()),
    }
    if report.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn word(kind: &FindingKind) -> &'static str {
    match kind {
        FindingKind::Missing => "missing",
        FindingKind::Differs(_) => "differs",
        FindingKind::Unreadable(_) => "unreadable",
    }
}

fn text(report: &Report, mode: Mode) {
    for Finding { id, kind, taken } in &report.findings {
        let taken = match (mode, taken) {
            (Mode::Take, true) => ", taken into the inbox",
            (Mode::Take, false) => ", not taken",
            (Mode::Look, _) => "",
        };
        say(&format!("{:<10}  {id}{taken}", word(kind)));
        match kind {
            FindingKind::Missing => {}
            FindingKind::Differs(changes) => {
                for change in changes {
                    say(&format!(
                        "            {}: {} -> {}",
                        change.field, change.from, change.to
                    ));
                }
            }
            FindingKind::Unreadable(reason) => say(&format!("            {reason}")),
        }
    }
    say(&format!(
        "{} listed, {} the same, {} missing, {} differ, {} unreadable",
        report.listed,
        report.same,
        report.count(|kind| matches!(kind, FindingKind::Missing)),
        report.count(|kind| matches!(kind, FindingKind::Differs(_))),
        report.count(|kind| matches!(kind, FindingKind::Unreadable(_))),
    ));
}

fn document(report: &Report) -> serde_json::Value {
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|Finding { id, kind, taken }| {
            let changes = match kind {
                FindingKind::Differs(changes) => changes
                    .iter()
                    .map(|change| {
                        json!({"field": change.field, "from": change.from, "to": change.to})
                    })
                    .collect(),
                FindingKind::Missing | FindingKind::Unreadable(_) => Vec::new(),
            };
            let reason = match kind {
                FindingKind::Unreadable(reason) => Some(reason),
                FindingKind::Missing | FindingKind::Differs(_) => None,
            };
            json!({"id": id, "kind": word(kind), "taken": taken, "changes": changes,
                   "reason": reason})
        })
        .collect();
    json!({"listed": report.listed, "same": report.same, "findings": findings})
}
