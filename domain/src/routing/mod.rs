//! Routing: which rule judges an order, which locations send its lines, and which legs follow.
//!
//! A decision is a pure function of (order, rule set, locations, stock, now): the same input gives
//! the same decision, with its whole trace. Nothing here reserves, stores or sends; the shell does
//! that in the transaction in which it stores the decision. See `docs/routing.md` for the file's
//! language.

mod calendar;
mod condition;
mod decide;
mod decision;
mod distance;
mod eligibility;
mod fixed;
mod index;
mod location;
mod locations_file;
mod order;
mod problem;
mod read;
mod region;
mod rule;
mod rule_set;
mod rules_file;
mod rules_file_legs;
mod rules_file_tests;
mod rules_file_when;
mod search;
mod sourcing;
mod stock;
mod tests_in_file;
pub mod written;

#[cfg(test)]
mod deciding;
#[cfg(test)]
mod delivery_ward;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod shipped;

pub use calendar::{Clock, Hours, Weekday};
pub use condition::{Condition, LineMatch, Range, Window};
pub use decide::decide;
pub use decision::{
    Allocation, Candidate, Component, Decision, Gift, Legs, MeasuredFrom, Method, Moment, Outcome,
    Reason, Refusal, RuleTrial, ServiceLeg, SortValue, SourceTrial, Trace, TrialResult,
};
pub use distance::{OutOfRange, Position};
pub use location::{Kind, Location, Locations};
pub use order::{FulfilledBy, RoutingLine, RoutingOrder};
pub use problem::Problem;
pub use region::{Region, centre_of, legacy_region_of, region_of, ward_centre_of};
pub use rule::{Action, Filter, Otherwise, Rule, Same, SortKey, Source, Split, Together};
pub use rule_set::RuleSet;
pub use rules_file::Context;
pub use stock::{Plenty, Stock, StockTable};
pub use tests_in_file::TestFailure;
