//! Log lines on standard error, as text for people or JSON for collectors. Standard output stays
//! free for what a command was asked for.

use std::io::IsTerminal as _;

use tracing::{Level, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people; in colour on a terminal.
    #[default]
    Text,
    /// One JSON object per line, its fields flat.
    Json,
}

impl std::str::FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(Error::Format(text.to_owned())),
        }
    }
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The format is neither `text` nor `json`.
    #[error("could not start logging: {0:?} is neither \"text\" nor \"json\"")]
    Format(String),
    /// The filter does not parse.
    #[error("could not start logging: the filter {filter:?} is not valid")]
    Filter {
        /// The filter as given.
        filter: String,
        /// Where it goes wrong.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging was started before in this process.
    #[error("could not start logging: it was started before")]
    Again(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Libraries that print headers, URLs with their query or bodies below `info`. Those hold
/// signatures, access tokens and people, so their finer levels are closed whatever the filter
/// says: a debugging session must not leak a partner's secret into the log store.
const QUIET: [&str; 9] = [
    "h2",
    "hyper",
    "hyper_util",
    "reqwest",
    "rustls",
    "sea_orm",
    "sqlx",
    "tower_http",
    "tungstenite",
];

/// Starts logging for the whole process. `filter` is in the form of `RUST_LOG`, such as
/// `info,kenh::outbound=debug`.
///
/// # Errors
/// [`Error::Filter`] if the filter does not parse, [`Error::Again`] the second time.
pub fn init_logs(format: Format, filter: &str) -> Result<(), Error> {
    let colour = match format {
        Format::Text => std::io::stderr().is_terminal(),
        Format::Json => false,
    };
    let subscriber = subscriber(format, filter, colour, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(Error::Again)
}

fn subscriber<W>(
    format: Format,
    filter: &str,
    colour: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let levels = EnvFilter::try_new(filter).map_err(|source| Error::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let quiet = filter_fn(|line| *line.level() <= Level::INFO || !is_quiet(line.target()));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let registry = Registry::default().with(levels);
    Ok(match format {
        Format::Text => Box::new(registry.with(lines.with_ansi(colour).with_filter(quiet))),
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            Box::new(registry.with(lines.with_filter(quiet)))
        }
    })
}

fn is_quiet(target: &str) -> bool {
    let root = target.split("::").next().unwrap_or(target);
    QUIET.contains(&root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, filter: &str, write: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = subscriber(format, filter, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, write);
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_json_line_has_its_fields_at_the_top() {
        let line = logged(Format::Json, "info", || {
            tracing::info!(target_id = "hub-wms", attempts = 3, "gave up on a delivery");
        });
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["message"], "gave up on a delivery");
        assert_eq!(line["target_id"], "hub-wms");
        assert_eq!(line["attempts"], 3);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn a_text_line_has_no_colour_codes_off_a_terminal() {
        let line = logged(Format::Text, "info", || tracing::info!("started"));
        assert!(line.contains("started"));
        assert!(!line.contains('\u{1b}'));
    }

    #[test]
    fn the_filter_decides_what_is_written() {
        let lines = logged(Format::Text, "warn,kenh=debug", || {
            tracing::debug!(target: "kenh::pipeline", "ours");
            tracing::info!(target: "elsewhere", "theirs");
        });
        assert!(lines.contains("ours"));
        assert!(!lines.contains("theirs"));
    }

    #[test]
    fn libraries_that_print_secrets_stay_quiet_whatever_the_filter_says() {
        let lines = logged(Format::Text, "trace,hyper::proto=trace", || {
            tracing::trace!(target: "hyper::proto::h1", "authorization: Bearer abc");
            tracing::debug!(target: "reqwest::connect", "https://x/?sign=abc");
            tracing::warn!(target: "hyper", "a warning");
            tracing::trace!(target: "hyperspace", "another crate");
        });
        assert!(!lines.contains("abc"));
        assert!(lines.contains("a warning"));
        assert!(lines.contains("another crate"));
    }

    #[test]
    fn a_bad_filter_or_format_is_named() {
        let error = subscriber(Format::Text, "kenh=loud", false, std::io::sink)
            .err()
            .unwrap();
        assert!(error.to_string().contains("kenh=loud"));
        assert!("xml".parse::<Format>().is_err());
        assert_eq!("json".parse::<Format>().unwrap(), Format::Json);
    }
}
