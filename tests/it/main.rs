//! The gateway as its neighbours see it: messages knock at the real door, the real pipeline
//! settles them, and the partners' own records say what arrived there. Every test runs on SQLite
//! and on PostgreSQL.
// A document of Shopee is one `json!` of some fifty fields.
#![recursion_limit = "256"]
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]
#![allow(
    clippy::disallowed_methods,
    reason = "neighbours send with a client of their own, and the program itself runs on the machine's time"
)]

mod api_app;
mod api_operations;
mod api_orders;
mod app;
mod configured;
mod desk;
mod partner;
mod program;
mod rows;
mod senders;

mod apps;
mod architecture;
mod buyer_notices;
mod commands;
mod crash;
mod customers;
mod doors;
mod every_channel;
mod failures;
mod holds;
mod keepers;
mod labels;
mod leases;
mod live_sales;
mod path;
mod permutations;
mod polling;
mod reconcile;
mod refunds;
mod replay;
mod schema;
mod shopee;
mod stock;
mod transfers;
mod vendors;
