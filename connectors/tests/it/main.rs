//! What every connector must do, checked over its recorded messages, and the vendors' signature
//! vectors.
//!
//! A connector's fixtures are data: `fixtures/<name>/settings.json` holds its settings with
//! resolved secrets, each `<case>.meta.json` says what the bytes beside it are and what must come
//! of them. Adding a case or a connector adds files, not code; see [`fixtures::Meta`].
#![allow(clippy::unwrap_used)]

mod conformance;
mod fixtures;
mod mutations;
mod outgoing;
mod payments;
mod requests;
mod shopee;
mod tiki;
mod tiktok_shop;
mod vectors;
