//! The tests that stand in a rule file: an order, the stock, and what must come of it.

use std::fmt;

use jiff::Timestamp;

use super::{Decision, Locations, Plenty, RoutingOrder, RuleSet, Stock, StockTable, decide};

/// One `[[test]]`.
#[derive(Debug, Clone)]
pub(super) struct InFileTest {
    pub name: String,
    pub line: usize,
    pub at: Timestamp,
    pub order: RoutingOrder,
    /// `None` for enough of everything everywhere.
    pub stock: Option<Vec<Count>>,
    pub expect: Expect,
}

/// Stock at one location.
#[derive(Debug, Clone)]
pub(super) struct Count {
    pub location: String,
    pub sku: String,
    pub on_hand: i64,
}

/// What must come of the order; `None` is not looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Expect {
    pub rule: Option<String>,
    pub outcome: Option<String>,
    pub reason: Option<String>,
    pub locations: Option<Vec<String>>,
    pub parcels: Option<u32>,
    pub legs: Option<Vec<String>>,
    pub installation: Option<String>,
    pub tags: Option<Vec<String>>,
}

/// A test that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TestFailure {
    /// The test's name.
    pub test: String,
    /// The line of the test in its file, from 1.
    pub line: usize,
    /// What was expected and what came.
    pub message: String,
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "test `{}` in line {}: {}",
            self.test, self.line, self.message
        )
    }
}

impl InFileTest {
    pub(super) fn run(&self, rules: &RuleSet, locations: &Locations) -> Result<(), TestFailure> {
        let plenty = Plenty(locations);
        let table;
        let stock: &dyn Stock = match &self.stock {
            None => &plenty,
            Some(counts) => {
                table = stock_of(counts, locations);
                &table
            }
        };
        let decision = decide(&self.order, rules, locations, stock, self.at);
        match self.expect.first_difference(&decision) {
            None => Ok(()),
            Some(message) => Err(TestFailure {
                test: self.name.clone(),
                line: self.line,
                message,
            }),
        }
    }
}

impl Expect {
    fn first_difference(&self, decision: &Decision) -> Option<String> {
        let outcome = &decision.outcome;
        let parcels = u32::try_from(decision.locations().len()).ok();
        let installation = decision
            .legs
            .installation
            .as_ref()
            .and_then(|leg| leg.target.as_deref());
        one("rule", self.rule.as_deref(), Some(&decision.rule))
            .or_else(|| one("outcome", self.outcome.as_deref(), Some(outcome.as_str())))
            .or_else(|| one("reason", self.reason.as_deref(), outcome.reason()))
            .or_else(|| many("locations", self.locations.as_deref(), decision.locations()))
            .or_else(|| {
                one(
                    "parcels",
                    self.parcels.map(|count| count.to_string()).as_deref(),
                    parcels.map(|count| count.to_string()).as_deref(),
                )
            })
            .or_else(|| many("legs", self.legs.as_deref(), decision.legs.names()))
            .or_else(|| one("installation", self.installation.as_deref(), installation))
            .or_else(|| {
                many(
                    "tags",
                    self.tags.as_deref(),
                    decision.tags.iter().map(String::as_str).collect(),
                )
            })
    }
}

fn one(what: &str, wanted: Option<&str>, found: Option<&str>) -> Option<String> {
    let wanted = wanted?;
    (Some(wanted) != found).then(|| {
        format!(
            "expected {what} `{wanted}`, got `{}`",
            found.unwrap_or("none")
        )
    })
}

/// Compares lists whatever their order.
fn many(what: &str, wanted: Option<&[String]>, mut found: Vec<&str>) -> Option<String> {
    let mut wanted: Vec<&str> = wanted?.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    found.sort_unstable();
    (wanted != found).then(|| {
        format!(
            "expected {what} [{}], got [{}]",
            wanted.join(", "),
            found.join(", ")
        )
    })
}

fn stock_of(counts: &[Count], locations: &Locations) -> StockTable {
    let mut table = StockTable::new();
    for count in counts {
        if let Some(location) = locations.get(&count.location) {
            table.set_counters(location, &count.sku, count.on_hand, 0);
        }
    }
    table
}
