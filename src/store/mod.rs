//! The only module that knows SQL. One folder of migrations per database, one code path.
//!
//! sea-orm types do not leave this module; what comes out are the aggregates of `domain` and
//! plain rows.

pub mod accounts;
pub mod alarms;
pub mod audit;
pub mod conversations;
pub mod customers;
mod db;
pub mod deliveries;
pub mod feed;
pub mod found;
pub mod health;
pub mod inbox;
pub mod ledger;
pub mod lives;
pub mod messages;
pub mod notices;
pub mod numbers;
pub mod orders;
pub mod outbox;
pub mod polls;
pub mod products;
pub mod questions;
pub mod rejections;
pub mod replays;
pub mod rules;
pub mod shelves;
mod signals;
mod sql;
pub mod stock;
pub mod subscriptions;
#[cfg(test)]
pub(crate) mod testing;
pub mod tokens;
pub mod tx;
pub mod upkeep;
pub mod volumes;

pub use db::{Db, Error, Options, SCHEMA_VERSION};
