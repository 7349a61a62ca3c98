//! The pure core of Kenh: orders, money, rules and states.
//!
//! Nothing here knows a clock, a socket, a database or a thread. What needs the time takes it as
//! an argument; what decides returns a value, and someone else acts.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod address;
pub mod breaker;
pub mod buyer_notice;
pub mod code;
pub mod comment;
pub mod conversation;
pub mod customer;
pub mod explain;
pub mod feedback;
pub mod fulfillment;
pub mod id;
pub mod invoice;
pub mod live;
pub mod money;
pub mod order;
pub mod payment;
pub mod phone;
pub mod plan;
pub mod rating;
pub mod retry;
pub mod routing;
pub mod service;
pub mod silence;
pub mod snapshot;
pub mod stamp;
pub mod task;
pub mod text;
