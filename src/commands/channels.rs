//! `kenh channels`: what each channel can do.

use std::path::PathBuf;
use std::process::ExitCode;

use connectors::channel::Channel;
use connectors::channels::{CHANNELS, ChannelEntry};
use domain::task::NewsKind;
use serde::Serialize;

use super::check::Format;
use super::{load, say};
use crate::config::ChannelConfig;

/// Shows which channels there are and what each can do: the capability matrix.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the configuration.
    #[arg(long, value_name = "DIR", default_value = "config")]
    config: PathBuf,
    /// For people or for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What one configured channel can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Abilities {
    /// Channel.
    pub channel: String,
    /// Connector.
    pub connector: &'static str,
    /// The door is open.
    pub enabled: bool,
    /// Messages are not signed: nothing is believed that we did not fetch.
    pub weak: bool,
    /// What can be fetched, by kind of notice.
    pub fetches: Vec<&'static str>,
    /// Polls, each with its own watermark.
    pub polls: Vec<&'static str>,
    /// Short-lived tokens, refreshed here.
    pub tokens: bool,
    /// What it is told of its orders.
    pub told: Vec<&'static str>,
    /// Stock levels are published to it.
    pub stock: bool,
    /// It makes shipping labels.
    pub labels: bool,
    /// Its persons can be written to.
    pub messages: bool,
    /// What buyers are told through it.
    pub notices: Vec<&'static str>,
    /// It can be asked how a payment stands.
    pub payments: bool,
    /// Its subscription is looked after.
    pub subscription: bool,
}

impl Abilities {
    /// Of a channel.
    #[must_use]
    pub fn of(config: &ChannelConfig) -> Self {
        let channel: &dyn Channel = &*config.channel;
        let feedback = channel.feedback();
        Self {
            channel: config.id.clone(),
            connector: channel.connector(),
            enabled: config.enabled,
            weak: channel.weak(),
            fetches: channel.fetches().iter().map(|kind| kind.as_str()).collect(),
            polls: channel
                .polling()
                .map_or_else(Vec::new, |p| p.kinds().to_vec()),
            tokens: channel.tokens().is_some(),
            told: feedback.map_or_else(Vec::new, |feedback| {
                feedback.takes().iter().map(|kind| kind.as_str()).collect()
            }),
            stock: feedback.is_some_and(|feedback| feedback.stock().is_some()),
            labels: channel.labels().is_some(),
            messages: channel.messages().is_some(),
            notices: channel.notices().map_or_else(Vec::new, |notices| {
                notices
                    .events()
                    .keys()
                    .map(|event| event.as_str())
                    .collect()
            }),
            payments: channel.payments().is_some(),
            subscription: channel.subscriptions().is_some(),
        }
    }
}

/// Shows the matrix. 0, or 2 where the configuration has mistakes.
pub fn run(args: &Args) -> ExitCode {
    let loaded = match load(&args.config) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let rows: Vec<Abilities> = loaded.config.channels.iter().map(Abilities::of).collect();
    match args.format {
        Format::Text => text(&rows),
        Format::Json => say(&serde_json::to_string_pretty(&rows).expect("plain data")),
    }
    ExitCode::SUCCESS
}

/// Column heads and what stands under them.
fn cells(row: &Abilities) -> [(&'static str, String); 10] {
    let yes = |is: bool| if is { "yes" } else { "-" }.to_owned();
    let list = |words: &[&'static str]| {
        if words.is_empty() {
            "-".to_owned()
        } else {
            words.join(" ")
        }
    };
    let intake = match (row.weak, row.enabled) {
        (_, false) => "closed",
        (true, true) => "weak",
        (false, true) => "signed",
    };
    [
        ("door", intake.to_owned()),
        ("fetch", list(&row.fetches)),
        ("poll", list(&row.polls)),
        ("tokens", yes(row.tokens)),
        ("stock", yes(row.stock)),
        ("labels", yes(row.labels)),
        ("messages", yes(row.messages)),
        ("notices", yes(!row.notices.is_empty())),
        ("payments", yes(row.payments)),
        ("subscription", yes(row.subscription)),
    ]
}

fn text(rows: &[Abilities]) {
    let width = |n: usize, head: &str| {
        let widest = rows.iter().map(|row| cells(row)[n].1.chars().count()).max();
        widest.unwrap_or(0).max(head.len())
    };
    let first = rows.iter().map(|row| row.channel.len()).max();
    let first = first.unwrap_or(0).max("channel".len());
    let second = rows.iter().map(|row| row.connector.len()).max();
    let second = second.unwrap_or(0).max("connector".len());
    if let Some(row) = rows.first() {
        let heads = cells(row).into_iter().enumerate();
        let line: String = heads
            .map(|(n, (head, _))| format!("  {head:<0$}", width(n, head)))
            .collect();
        say(format!("{:<first$}  {:<second$}{line}", "channel", "connector").trim_end());
    }
    for row in rows {
        let line: String = cells(row)
            .into_iter()
            .enumerate()
            .map(|(n, (head, cell))| format!("  {cell:<0$}", width(n, head)))
            .collect();
        say(format!("{:<first$}  {:<second$}{line}", row.channel, row.connector).trim_end());
    }
    say("\ntold of its orders");
    for row in rows.iter().filter(|row| !row.told.is_empty()) {
        say(&format!("{:<first$}  {}", row.channel, row.told.join(" ")));
    }
    if rows.iter().any(|row| !row.notices.is_empty()) {
        say("\ntells buyers");
        for row in rows.iter().filter(|row| !row.notices.is_empty()) {
            say(&format!(
                "{:<first$}  {}",
                row.channel,
                row.notices.join(" ")
            ));
        }
    }
    say(&format!(
        "\n{} kinds of news exist: {}",
        NewsKind::ALL.len(),
        NewsKind::ALL.map(NewsKind::as_str).join(" ")
    ));
    let unused: Vec<&ChannelEntry> = CHANNELS
        .iter()
        .filter(|entry| rows.iter().all(|row| row.connector != entry.name))
        .collect();
    if !unused.is_empty() {
        say("\nconnectors without a channel");
        for entry in unused {
            say(&format!("{:<first$}  {}", entry.name, entry.summary));
        }
    }
}
