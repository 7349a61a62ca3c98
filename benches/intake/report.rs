//! The table for people, the JSON for machines, and what machine it was.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Error;

/// What a figure should reach.
#[derive(Debug, Clone, Copy)]
pub enum Aim {
    /// At least so many thousandths of the reference.
    Ratio(u64),
    /// At least this value.
    AtLeast(u64),
    /// At most this value.
    AtMost(u64),
    /// Told for its own sake.
    None,
}

/// One line of the table.
#[derive(Debug)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// Where.
    pub database: &'static str,
    /// The value.
    pub value: u64,
    /// Its unit.
    pub unit: &'static str,
    /// What it is compared with, and that one's value in the same unit.
    pub reference: Option<(&'static str, u64)>,
    /// What it should reach.
    pub aim: Aim,
}

impl Figure {
    /// Thousandths of the reference.
    fn ratio(&self) -> Option<u64> {
        let (_, reference) = self.reference?;
        (self.value * 1000).checked_div(reference)
    }

    fn met(&self) -> Option<bool> {
        match self.aim {
            Aim::Ratio(wanted) => Some(self.ratio()? >= wanted),
            Aim::AtLeast(wanted) => Some(self.value >= wanted),
            Aim::AtMost(wanted) => Some(self.value <= wanted),
            Aim::None => None,
        }
    }

    fn aim_text(&self) -> String {
        match self.aim {
            Aim::Ratio(wanted) => format!("≥ {} ×", thousandths(wanted)),
            Aim::AtLeast(wanted) => format!("≥ {}", shown(wanted, self.unit)),
            Aim::AtMost(wanted) => format!("≤ {}", shown(wanted, self.unit)),
            Aim::None => "–".to_owned(),
        }
    }

    fn line(&self) -> String {
        let reference = self.reference.map_or_else(
            || "–".to_owned(),
            |(name, value)| format!("{name}: {}", shown(value, self.unit)),
        );
        let ratio = self
            .ratio()
            .map_or_else(|| "–".to_owned(), |r| format!("{} ×", thousandths(r)));
        let met = match self.met() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "–",
        };
        format!(
            "| {} | {} | {} | {reference} | {ratio} | {} | {met} |\n",
            self.what,
            self.database,
            shown(self.value, self.unit),
            self.aim_text(),
        )
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "database": self.database,
            "value": self.value,
            "unit": self.unit,
            "reference": self.reference.map(|(name, value)| json!({ "what": name, "value": value })),
            "ratio_thousandths": self.ratio(),
            "aim": self.aim_text(),
            "met": self.met(),
        })
    }
}

/// `12345` µs is `12.3 ms`; other units follow their number.
fn shown(value: u64, unit: &str) -> String {
    match unit {
        "µs" if value >= 1000 => format!("{}.{} ms", value / 1000, value % 1000 / 100),
        _ => format!("{value} {unit}"),
    }
}

fn thousandths(value: u64) -> String {
    format!("{}.{:02}", value / 1000, value % 1000 / 10)
}

/// The table in Markdown.
pub fn table(figures: &[Figure]) -> String {
    let mut text = "| what | database | figure | reference in the same run | ratio | aim | met |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    for figure in figures {
        text.push_str(&figure.line());
    }
    text
}

/// Everything in JSON.
pub fn json(facts: &[(String, String)], figures: &[Figure]) -> Value {
    json!({
        "machine": facts.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<serde_json::Map<_, _>>(),
        "figures": figures.iter().map(Figure::json).collect::<Vec<_>>(),
    })
}

/// The facts in Markdown.
pub fn list(facts: &[(String, String)]) -> String {
    facts
        .iter()
        .map(|(name, value)| format!("- {name}: {value}\n"))
        .collect()
}

/// What this machine is, and how long it takes to sync.
pub fn machine(folder: &Path) -> Result<Vec<(String, String)>, Error> {
    let cores = std::thread::available_parallelism()?;
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let find = |text: &str, key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .and_then(|line| line.split_once(':'))
            .map_or_else(
                || "unknown".to_owned(),
                |(_, value)| value.trim().to_owned(),
            )
    };
    let load = read("/proc/loadavg");
    Ok(vec![
        (
            "Kenh".to_owned(),
            format!("{}, benchmark build", env!("CARGO_PKG_VERSION")),
        ),
        (
            "CPU".to_owned(),
            format!(
                "{cores} cores, {}",
                find(&read("/proc/cpuinfo"), "model name")
            ),
        ),
        (
            "memory".to_owned(),
            find(&read("/proc/meminfo"), "MemTotal"),
        ),
        (
            "kernel".to_owned(),
            read("/proc/sys/kernel/osrelease").trim().to_owned(),
        ),
        (
            "load before the run".to_owned(),
            load.split(' ').take(3).collect::<Vec<_>>().join(" "),
        ),
        (
            "one 4 KiB append with fdatasync".to_owned(),
            format!("{} µs (median of 200)", sync_us(folder)?),
        ),
    ])
}

fn sync_us(folder: &Path) -> Result<u128, Error> {
    let path = folder.join("sync");
    let mut file = std::fs::File::create(&path)?;
    let mut took = Vec::with_capacity(200);
    for _ in 0..200 {
        let start = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    std::fs::remove_file(&path)?;
    let median: Duration = took.get(100).copied().unwrap_or_default();
    Ok(median.as_micros())
}

/// A line on standard output.
pub fn say(line: &str) {
    // Whoever closed our output does not want to read it.
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// A line on standard error: progress, and what went wrong.
pub fn complain(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}
