//! The demo's summary: our ledger, the partners' books, and whether they agree.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::order::Settings;
use sandbox::{OrderLink, Sandbox, ScenarioReport};
use serde::Serialize;

use super::{Error, World};
use crate::store::{self, Db, numbers};
use crate::verify;

/// What the demo did, as one JSON object with `--json`.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Verified requests at the doors.
    pub received: i64,
    /// Of these, repeats (also with other content).
    pub duplicates: i64,
    /// Notices with nothing to do.
    pub ignored: i64,
    /// Orders.
    pub orders: i64,
    /// Orders that wait for a person.
    pub held: i64,
    /// Dead notices and dead tasks.
    pub dead: i64,
    /// Delivered tasks.
    pub deliveries: i64,
    /// Attempts, look-ups included.
    pub attempts: i64,
    /// Invoices issued.
    pub invoices: i64,
    /// Work orders registered.
    pub service_orders: i64,
    /// Our ledger balances, and the partners' books agree with it.
    pub balanced: bool,
    /// Median from acknowledgement to delivered reservation, milliseconds.
    pub p50_ms: i64,
    /// 99th percentile of the same.
    pub p99_ms: i64,
    /// Everything came to rest in time.
    pub settled: bool,
    /// Per connector: orders, messages sent, duplicates, forged messages refused.
    pub by_connector: BTreeMap<String, serde_json::Value>,
    /// Orders per status.
    pub by_status: BTreeMap<String, i64>,
    /// Held orders per reason.
    pub holds: BTreeMap<String, i64>,
    /// What does not agree; empty when balanced.
    pub findings: Vec<String>,
    /// From the first message to rest, milliseconds.
    pub took_ms: u64,
}

/// Unfinished notices and tasks.
pub(super) async fn waiting(db: &Db) -> Result<i64, store::Error> {
    numbers::unfinished(db).await
}

/// Waits until inbox, outbox and partners are at rest; whether they are.
pub(super) async fn rest(db: &Db, sandbox: &Sandbox, longest: Duration) -> Result<bool, Error> {
    let until = Instant::now() + longest;
    let mut quiet_since: Option<Instant> = None;
    while Instant::now() < until {
        let quiet = waiting(db).await? == 0 && sandbox.is_quiet();
        match (quiet, quiet_since) {
            (false, _) => quiet_since = None,
            (true, None) => quiet_since = Some(Instant::now()),
            // A callback may be between two steps of a partner.
            (true, Some(since)) if since.elapsed() > Duration::from_millis(400) => return Ok(true),
            (true, Some(_)) => {}
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(false)
}

/// One line while it runs.
pub(super) async fn progress(world: &World, elapsed: Duration) -> Result<String, Error> {
    let counts = numbers::counts(&world.running.gateway.db).await?;
    let waiting = waiting(&world.running.gateway.db).await?;
    Ok(format!(
        "{:>4} s  received {:>6}  orders {:>5}  delivered {:>6}  waiting {:>5}",
        elapsed.as_secs(),
        counts.receipts.values().sum::<i64>(),
        counts.orders.values().sum::<i64>(),
        counts.delivered.values().sum::<i64>(),
        waiting,
    ))
}

/// Draws the summary and compares.
pub(super) async fn draw(
    db: &Db,
    settings: &Settings,
    now: jiff::Timestamp,
    sandbox: &Sandbox,
    report: &ScenarioReport,
    settled: bool,
    took: Duration,
) -> Result<Summary, Error> {
    let counts = numbers::counts(db).await?;
    let of = |map: &BTreeMap<String, i64>, key: &str| map.get(key).copied().unwrap_or(0);
    let times = numbers::reservation_times(db).await?;
    let mut findings = Vec::new();
    if !settled {
        findings.push(format!(
            "{} notices and tasks did not come to rest in time",
            waiting(db).await?
        ));
    }
    let report_of_books = verify::run(db, settings, &verify::Options::all(now)).await?;
    findings.extend(
        report_of_books
            .findings
            .iter()
            .map(|finding| format!("{}: {} ({})", finding.code, finding.what, finding.place)),
    );
    let links = links(db).await?;
    findings.extend(sandbox.audit(&links));
    findings.extend(sandbox.books().violations);
    findings.extend(
        report
            .unexpected
            .iter()
            .map(|answer| format!("unexpected answer: {answer}")),
    );
    let dead = of(&counts.notices, "dead") + of(&counts.tasks, "dead");
    let duplicates = counts
        .receipts
        .iter()
        .filter(|((_, outcome), _)| outcome != "new")
        .map(|(_, n)| n)
        .sum();
    Ok(Summary {
        received: counts.receipts.values().sum(),
        duplicates,
        ignored: of(&counts.notices, "ignored"),
        orders: counts.orders.values().sum(),
        held: counts.held.values().sum(),
        dead,
        deliveries: counts.delivered.values().sum(),
        attempts: counts.attempts,
        invoices: of(&counts.delivered, "issue_invoice"),
        service_orders: of(&counts.delivered, "create_work_order"),
        balanced: findings.is_empty(),
        p50_ms: percentile(&times, 50),
        p99_ms: percentile(&times, 99),
        settled,
        by_connector: by_connector(&counts, report),
        by_status: counts.orders,
        holds: counts.held,
        findings,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    })
}

fn by_connector(
    counts: &numbers::Counts,
    report: &ScenarioReport,
) -> BTreeMap<String, serde_json::Value> {
    report
        .by_connector
        .iter()
        .map(|(connector, sent)| {
            let mut row = serde_json::to_value(sent).unwrap_or_default();
            if let Some(row) = row.as_object_mut() {
                let stored = counts.by_connector.get(connector).copied().unwrap_or(0);
                row.insert("stored_orders".to_owned(), stored.into());
            }
            (connector.clone(), row)
        })
        .collect()
}

/// What our ledger says of each order, for the partners' side to compare with.
async fn links(db: &Db) -> Result<Vec<OrderLink>, Error> {
    let decisions = numbers::last_decisions(db).await?;
    Ok(numbers::all_orders(db)
        .await?
        .iter()
        .map(|order| {
            let columns = order.columns();
            OrderLink {
                order_ref: order.code().as_str().to_owned(),
                channel: order.channel().to_owned(),
                external_id: order.external_id().to_owned(),
                status: columns.status.as_str().to_owned(),
                held: columns.held.is_some(),
                installation: decisions
                    .get(order.id().as_str())
                    .map(|decision| decision.legs.installation.is_some()),
            }
        })
        .collect())
}

fn percentile(sorted: &[i64], percent: usize) -> i64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or(0)
}

impl Summary {
    /// Leaves out up to `most` findings that say `what`.
    pub(super) fn forgive(&mut self, what: &str, most: usize) {
        let mut left = most;
        self.findings.retain(|finding| {
            let is_forgiven = left > 0 && finding.contains(what);
            if is_forgiven {
                left -= 1;
            }
            !is_forgiven
        });
        self.balanced = self.findings.is_empty();
    }

    /// One JSON object on one line.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("a summary is plain data")
    }

    /// A page for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "\nreceived {} ({} repeats)   ignored notices {}   orders {}   held {}   dead {}\n\
             deliveries {} in {} attempts   invoices {}   service orders {}\n\
             acknowledgement → reservation: p50 {} ms, p99 {} ms   all in {} ms\n",
            self.received,
            self.duplicates,
            self.ignored,
            self.orders,
            self.held,
            self.dead,
            self.deliveries,
            self.attempts,
            self.invoices,
            self.service_orders,
            self.p50_ms,
            self.p99_ms,
            self.took_ms,
        );
        for (status, n) in &self.by_status {
            text.push_str(&format!("  {n:>6} {status}\n"));
        }
        text.push_str(if self.balanced {
            "The ledger balances, and the partners' books agree with it."
        } else {
            "The books do NOT balance; see the findings."
        });
        text
    }
}
