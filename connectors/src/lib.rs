//! Pure translators: each module speaks one vendor's language, bytes in and values out.
//!
//! Nothing here sends, waits, stores or reads a clock; the shell does that with what these
//! modules return.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod channel;
pub mod channels;
pub mod feedback;
pub mod form;
pub mod inbound;
pub mod literal;
pub mod local_time;
pub mod notice;
pub mod payload;
pub mod settings;
pub mod signature;
pub mod target;
pub mod targets;
pub mod transfer;
pub mod url;
pub mod vietqr;
