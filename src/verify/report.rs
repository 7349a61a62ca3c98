//! What a verification says, as data and as a table for people.

use std::fmt::Write as _;

use serde::Serialize;

/// Everything that was verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Nothing disagrees.
    pub balanced: bool,
    /// Messages per channel, or per channel and hour.
    pub channels: Vec<ChannelRow>,
    /// Stock per location.
    pub stock: Vec<PlaceRow>,
    /// Orders per status.
    pub orders: Vec<StatusRow>,
    /// Effects per leg.
    pub legs: Vec<LegRow>,
    /// What waits for a person and disagrees with nothing.
    pub waits: Vec<Wait>,
    /// What disagrees.
    pub findings: Vec<Finding>,
    /// Findings beyond those listed.
    pub more_findings: usize,
}

/// What a channel received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChannelRow {
    /// Channel or target.
    pub channel: String,
    /// Start of the hour, UTC; `None`: all hours.
    pub hour: Option<String>,
    /// Verified requests.
    pub receipts: i64,
    /// Of these, first arrivals.
    pub new: i64,
    /// Repeats.
    pub duplicate: i64,
    /// Repeats with other content.
    pub conflict: i64,
    /// Messages stored.
    pub messages: i64,
    /// Notices in them.
    pub notices: i64,
    /// Settled.
    pub done: i64,
    /// Nothing to do, replayed ones included.
    pub ignored: i64,
    /// To be settled.
    pub waiting: i64,
    /// For a person.
    pub dead: i64,
    /// The row's equations hold.
    pub balanced: bool,
}

/// The stock of a location.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PlaceRow {
    /// Location.
    pub location: String,
    /// Articles.
    pub skus: i64,
    /// Units there.
    pub on_hand: i64,
    /// Units promised, by the counters.
    pub reserved: i64,
    /// Units promised, by the orders.
    pub held_by_orders: i64,
    /// Units promised beyond what is there: a count came in lower than the promises.
    pub oversold: i64,
}

/// Orders of one status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StatusRow {
    /// Status.
    pub status: String,
    /// How many.
    pub orders: u64,
}

/// Effects of one leg.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LegRow {
    /// Leg.
    pub leg: String,
    /// Asked for, compensations included.
    pub asked: u64,
    /// Done.
    pub done: u64,
    /// On their way.
    pub open: u64,
    /// Refused by the target.
    pub refused: u64,
    /// Stopped before they left, or given up.
    pub stopped: u64,
    /// For a person.
    pub dead: u64,
}

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// What.
    pub what: String,
    /// How many.
    pub count: i64,
    /// Where.
    pub place: String,
    /// What to do.
    pub remedy: String,
}

/// Something that disagrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A short code.
    pub code: &'static str,
    /// What disagrees.
    pub what: String,
    /// Where.
    pub place: String,
    /// What to do.
    pub remedy: String,
}

impl Report {
    /// The report for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.channels_text(&mut text);
        self.stock_text(&mut text);
        self.orders_text(&mut text);
        for wait in &self.waits {
            line(
                &mut text,
                &format!(
                    "waits for a person: {} {} ({})\n  {}",
                    wait.count, wait.what, wait.place, wait.remedy
                ),
            );
        }
        for finding in &self.findings {
            line(
                &mut text,
                &format!(
                    "finding {}: {}\n  where: {}\n  remedy: {}",
                    finding.code, finding.what, finding.place, finding.remedy
                ),
            );
        }
        if self.more_findings > 0 {
            line(
                &mut text,
                &format!("and {} findings more", self.more_findings),
            );
        }
        line(
            &mut text,
            &if self.balanced {
                "The books balance.".to_owned()
            } else {
                let count = self.findings.len() + self.more_findings;
                format!("The books do not balance: {count} findings.")
            },
        );
        text
    }

    fn channels_text(&self, text: &mut String) {
        if self.channels.is_empty() {
            return;
        }
        let mut rows = vec![
            [
                "channel", "hour", "receipts", "new", "dupl.", "confl.", "messages", "notices",
                "done", "ignored", "waiting", "dead", "",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for row in &self.channels {
            let mut cells = vec![
                row.channel.clone(),
                row.hour.clone().unwrap_or_else(|| "all".to_owned()),
            ];
            cells.extend(
                [
                    row.receipts,
                    row.new,
                    row.duplicate,
                    row.conflict,
                    row.messages,
                    row.notices,
                    row.done,
                    row.ignored,
                    row.waiting,
                    row.dead,
                ]
                .map(|n| n.to_string()),
            );
            cells.push(if row.balanced { "" } else { "!" }.to_owned());
            rows.push(cells);
        }
        table(text, &rows, 2);
    }

    fn stock_text(&self, text: &mut String) {
        if self.stock.is_empty() {
            return;
        }
        let mut rows = vec![
            [
                "location",
                "SKUs",
                "on hand",
                "reserved",
                "by orders",
                "oversold",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for row in &self.stock {
            let mut cells = vec![row.location.clone()];
            cells.extend(
                [
                    row.skus,
                    row.on_hand,
                    row.reserved,
                    row.held_by_orders,
                    row.oversold,
                ]
                .map(|n| n.to_string()),
            );
            rows.push(cells);
        }
        table(text, &rows, 1);
    }

    fn orders_text(&self, text: &mut String) {
        if !self.orders.is_empty() {
            let mut rows = vec![["status", "orders"].map(str::to_owned).to_vec()];
            rows.extend(
                self.orders
                    .iter()
                    .map(|row| vec![row.status.clone(), row.orders.to_string()]),
            );
            table(text, &rows, 1);
        }
        if !self.legs.is_empty() {
            let mut rows = vec![
                ["leg", "asked", "done", "open", "refused", "stopped", "dead"]
                    .map(str::to_owned)
                    .to_vec(),
            ];
            for row in &self.legs {
                let mut cells = vec![row.leg.clone()];
                cells.extend(
                    [
                        row.asked,
                        row.done,
                        row.open,
                        row.refused,
                        row.stopped,
                        row.dead,
                    ]
                    .map(|n| n.to_string()),
                );
                rows.push(cells);
            }
            table(text, &rows, 1);
        }
    }
}

fn line(text: &mut String, words: &str) {
    text.push_str(words);
    text.push('\n');
}

/// Columns of even width; the first `left` are words, the others numbers.
fn table(text: &mut String, rows: &[Vec<String>], left: usize) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|n| {
            rows.iter()
                .filter_map(|row| row.get(n))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in rows {
        let mut written = String::new();
        for (n, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = if n == 0 { "" } else { "  " };
            let done = if n < left {
                write!(written, "{gap}{cell:<width$}")
            } else {
                write!(written, "{gap}{cell:>width$}")
            };
            done.expect("a String takes everything");
        }
        line(text, written.trim_end());
    }
    text.push('\n');
}
