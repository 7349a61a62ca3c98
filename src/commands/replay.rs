//! `kenh replay`: today's connector over stored messages.

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;

use super::{OPERATOR, WRONG_USE, assemble, complain, fail, moment, read_moment, say};
use crate::clock::{Clock as _, SystemClock};
use crate::gateway::Gateway;
use crate::pipeline::replay::{self, Document, Effect};
use crate::store::messages::{self, Filter, Whole};
use crate::store::{self, replays};
use crate::telemetry;

/// Messages in memory at once.
const PAGE: i64 = 200;

/// Messages between two lines of progress.
const PROGRESS: usize = 5_000;

/// Reads stored messages again with today's connector, and shows field by field what that changes.
///
/// Without --dry-run the new readings go into the inbox, where a running gateway settles them. A
/// reading that says the same as before changes nothing. Raw bodies are kept for `[inbox] raw_days`;
/// older messages cannot be read again. Personal data is masked in what is shown.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the configuration.
    #[arg(long, value_name = "DIR", default_value = "config")]
    config: PathBuf,
    /// Messages of this channel or target.
    #[arg(long)]
    channel: String,
    /// Received from this moment on: RFC 3339, or a day in Asia/Ho_Chi_Minh.
    #[arg(long, value_parser = read_moment)]
    from: Timestamp,
    /// Received before this moment; now, where it is left out.
    #[arg(long, value_parser = read_moment)]
    to: Option<Timestamp>,
    /// Only show the differences.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Default)]
struct Tally {
    read: usize,
    different: usize,
    to_fetch: usize,
    failed: usize,
}

/// Replays. 0: done, 1: some messages could not be read, 2: wrong use.
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
    if gateway.inbound(&args.channel).is_none() {
        complain(&format!(
            "there is no channel or target `{}`; `kenh channels` lists the channels",
            args.channel
        ));
        return ExitCode::from(WRONG_USE);
    }
    let result = messages_of(args, to, &gateway).await;
    gateway.db.close().await;
    let tally = match result {
        Ok(tally) => tally,
        Err(error) => return fail("could not replay", &error),
    };
    let did = if args.dry_run { "can be" } else { "are" };
    say(&format!(
        "{} messages {did} read again: {} would change an order, {} name an order to fetch; {} cannot",
        tally.read, tally.different, tally.to_fetch, tally.failed
    ));
    if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn messages_of(args: &Args, to: Timestamp, gateway: &Gateway) -> Result<Tally, store::Error> {
    let filter = Filter {
        channel: Some(args.channel.clone()),
        received_from: Some(args.from.as_millisecond()),
        received_to: Some(to.as_millisecond()),
        ..Filter::default()
    };
    let mut tally = Tally::default();
    let mut before = None;
    loop {
        let page = messages::list(&gateway.db, &filter, before, PAGE).await?;
        for whole in &page.rows {
            if let Err(words) = one(args, gateway, whole, &mut tally).await? {
                tally.failed += 1;
                complain(&format!("message {}: {words}", whole.message.seq));
            }
            let done = tally.read + tally.failed;
            if done.is_multiple_of(PROGRESS) {
                complain(&format!("{done} messages so far"));
            }
        }
        before = page.next;
        if before.is_none() {
            return Ok(tally);
        }
    }
}

async fn one(
    args: &Args,
    gateway: &Gateway,
    whole: &Whole,
    tally: &mut Tally,
) -> Result<Result<(), String>, store::Error> {
    let seq = whole.message.seq;
    let Some(stored) = messages::sealed(&gateway.db, seq).await? else {
        return Ok(Err("it is gone".to_owned()));
    };
    let reading = match replay::read(gateway, &whole.message.channel, &stored) {
        Ok(reading) => reading,
        Err(error) => return Ok(Err(telemetry::chain(&error))),
    };
    tally.read += 1;
    let effects = match reading.effects(gateway, &whole.message.channel).await {
        Ok(effects) => effects,
        Err(error) => return Ok(Err(telemetry::chain(&error))),
    };
    for effect in effects.into_iter().flatten() {
        show(seq, whole.message.received_at, &effect, tally);
    }
    if !args.dry_run {
        reading.hand_over(gateway).await?;
        replays::replay(
            &gateway.db,
            seq,
            OPERATOR,
            gateway.now_ms(),
            &reading.notices,
        )
        .await?;
    }
    Ok(Ok(()))
}

fn show(seq: i64, received_at: i64, effect: &Effect, tally: &mut Tally) {
    let order = effect.order_id.as_deref();
    match (effect.document, order) {
        (Document::Fetch, _) => tally.to_fetch += 1,
        (Document::Here, None) => {
            tally.different += 1;
            say(&format!(
                "message {seq} ({}): an order that is not here",
                moment(received_at)
            ));
        }
        (Document::Here, Some(order)) => {
            if effect.changes.is_empty() {
                return;
            }
            tally.different += 1;
            say(&format!("message {seq} ({}): {order}", moment(received_at)));
            for change in &effect.changes {
                say(&format!(
                    "    {}: {} -> {}",
                    change.field, change.from, change.to
                ));
            }
        }
    }
}
