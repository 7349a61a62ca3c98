//! The shell of Kenh: it receives, stores, sends and schedules.
//!
//! | module | what it is for |
//! |---|---|
//! | [`config`] | TOML files, written → validated |
//! | [`store`] | the only SQL: inbox, orders, outbox, stock, tokens |
//! | [`pipeline`] | receive, ingest, settle, deliver, poll, timers |
//! | [`outbound`] | the only place that sends |
//! | [`http`] | doors, order API, health |
//! | [`gateway`] | what all roles share |
//! | [`bells`] | "there is something new", also to other replicas |
//!
//! # Invariants
//!
//! 1. An acknowledged message is in the inbox.
//! 2. The inbox holds only verified messages.
//! 3. A notice ends exactly once: done, ignored (with a reason) or dead.
//! 4. An order's state depends on the set of its messages, not on their order or number.
//! 5. Reserved + available = on hand − safety stock, per location and SKU; never negative.
//! 6. A line item of an open, routed order is allocated in full, or the order is held with a
//!    reason.
//! 7. At most one effect per (order, leg, subject, generation) at every target, whatever is
//!    retried.
//! 8. No secret, name, phone, address or raw body in a log line.
//! 9. The rules in force are valid; a bad file leaves the old ones running and says so.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod alerts;
pub mod app;
pub mod bells;
pub mod catalog;
pub mod clock;
pub mod codes;
pub mod commands;
pub mod config;
pub mod crash;
pub mod crypto;
#[cfg(feature = "demo")]
pub mod demo;
pub mod gateway;
pub mod http;
pub mod import;
pub mod outbound;
pub mod pipeline;
pub mod rejected;
pub mod rulebook;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod verify;
