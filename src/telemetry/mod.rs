//! What the program tells its operators: logs and metrics.
//!
//! Nothing here is global: a [`Metrics`] is made once and handed to those who count, so tests
//! have their own. Personal data never gets here; labels come from the configuration and the
//! code, not from what partners send.

mod labels;
mod logs;
mod metrics;

pub use labels::{OTHER, UNKNOWN};
pub use logs::{Error as LogsError, Format, init_logs};
pub use metrics::{BreakerLevel, CONTENT_TYPE, Metrics, Names};

/// An error with its causes on one line: "could not do this: because of that".
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
