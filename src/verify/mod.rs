//! `kenh verify`: derives the books again and tells where they disagree.
//!
//! The equations, per channel and hour: receipts = new + duplicate + conflict; new = messages;
//! every message has at least one notice; notices = done + ignored + waiting + dead. Per location
//! and SKU: a counter is the sum of its movements, and what is reserved is what live orders hold.
//! Per order: every effect has its task and every task its effect, and nothing is missing that the
//! order's state asks for. Per customer: the identities are those that bindings connect.
//!
//! It reads one moment of the database and never writes, so it may run beside `kenh serve`.

mod customers;
mod inbox;
mod orders;
mod report;
mod stock;
#[cfg(test)]
mod tests;

use domain::order::Settings;
use jiff::Timestamp;

use crate::catalog::CatalogCache;
use crate::store::ledger::{Books, DeadRows, Span};
use crate::store::{Db, Error};

pub use report::{ChannelRow, Finding, LegRow, PlaceRow, Report, StatusRow, Wait};

/// Findings that are listed one by one; the others are counted.
const LISTED: usize = 1_000;

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Messages, stock and orders.
    #[default]
    All,
    /// Stock, and what orders hold of it.
    Stock,
}

/// How messages are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rows {
    /// One row per channel.
    #[default]
    Totals,
    /// One row per channel and hour.
    Hours,
}

/// What dead notices and tasks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dead {
    /// Listed: they wait for a person.
    #[default]
    Waits,
    /// Findings.
    Finding,
}

/// How to verify.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What to look at.
    pub scope: Scope,
    /// Messages of this time only. Stock and orders are always looked at as they are.
    pub span: Span,
    /// How messages are summed up.
    pub rows: Rows,
    /// What dead notices and tasks are.
    pub dead: Dead,
    /// The time: an order whose own timer has come is not asked for its plan.
    pub now: Timestamp,
}

impl Options {
    /// Everything, as it is at `now`.
    #[must_use]
    pub fn all(now: Timestamp) -> Self {
        Self {
            scope: Scope::All,
            span: Span::default(),
            rows: Rows::Totals,
            dead: Dead::Waits,
            now,
        }
    }
}

/// Findings as they come up.
#[derive(Debug, Default)]
struct Findings {
    listed: Vec<Finding>,
    more: usize,
}

impl Findings {
    fn add(&mut self, finding: Finding) {
        if self.listed.len() < LISTED {
            self.listed.push(finding);
        } else {
            self.more += 1;
        }
    }

    fn count_more(&mut self, more: usize) {
        self.more += more;
    }
}

/// Verifies the database. `settings` are those of the configuration: they say which legs have
/// nobody to call.
///
/// # Errors
/// When the database refuses; what is wrong in it is in the report.
pub async fn run(db: &Db, settings: &Settings, options: &Options) -> Result<Report, Error> {
    db.check_schema().await?;
    let catalog = CatalogCache::default();
    catalog.refresh(db).await?;
    let books = Books::open(db).await?;
    let mut findings = Findings::default();
    let mut report = Report::default();
    if options.scope == Scope::All {
        report.channels = inbox::check(&books, options, &mut findings).await?;
    }
    let catalog = catalog.current();
    let context = domain::order::Context {
        now: options.now,
        catalog: &*catalog,
        settings,
    };
    let seen = orders::check(&books, &context, options.scope, &mut findings).await?;
    report.stock = stock::check(&books, seen.held, &mut findings).await?;
    if options.scope == Scope::All {
        customers::check(&books, &mut findings).await?;
        report.orders = seen.statuses;
        report.legs = seen.legs;
        report.waits = seen.waits;
        dead(&books, options.dead, &mut report, &mut findings).await?;
    }
    books.close().await?;
    report.balanced = findings.listed.is_empty() && findings.more == 0;
    report.findings = findings.listed;
    report.more_findings = findings.more;
    Ok(report)
}

async fn dead(
    books: &Books,
    means: Dead,
    report: &mut Report,
    findings: &mut Findings,
) -> Result<(), Error> {
    let notices = books.dead_notices().await?;
    let tasks = books.dead_tasks().await?;
    let told = notices
        .into_iter()
        .map(|row| dead_wait("notices", "kenh redrive --inbox --channel", row))
        .chain(
            tasks
                .into_iter()
                .map(|row| dead_wait("tasks", "kenh redrive --target", row)),
        );
    for wait in told {
        match means {
            Dead::Waits => report.waits.push(wait),
            Dead::Finding => findings.add(Finding {
                code: "dead",
                what: format!("{} {}", wait.count, wait.what),
                place: wait.place,
                remedy: wait.remedy,
            }),
        }
    }
    Ok(())
}

fn dead_wait(what: &str, command: &str, row: DeadRows) -> Wait {
    let cause = if row.cause.is_empty() {
        String::new()
    } else {
        format!(": {}", row.cause)
    };
    Wait {
        what: format!("dead {what} of kind {}{cause}", row.kind),
        count: row.count,
        remedy: format!("mend the cause, then `{command} {}`", row.owner),
        place: row.owner,
    }
}
