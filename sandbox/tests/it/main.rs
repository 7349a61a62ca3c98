//! The partners seen from outside: over HTTP, with a small gateway of the tests' own.
#![allow(clippy::unwrap_used)]

mod channels;
mod door;
mod money;
mod people;
mod shopee;
mod shops;
mod storefront;
mod targets;
mod tiki;
mod tiktok;
mod whole;
