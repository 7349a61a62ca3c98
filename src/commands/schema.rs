//! `kenh schema`: JSON Schemas of the configuration's files, for editors.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::schema;

/// Arguments of `kenh schema`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Write a file for each schema into this folder instead of printing all as one JSON object.
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
}

/// Prints or writes the schemas. 0: done, 2: they cannot be written.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let mut out = io::stdout().lock();
    let done = match &args.write {
        Some(dir) => schema::write(dir).or_else(|error| {
            writeln!(
                out,
                "could not write the schemas to {}: {error}",
                dir.display()
            )?;
            Err(error)
        }),
        None => {
            let all = serde_json::json!(schema::all());
            writeln!(out, "{all:#}")
        }
    };
    if done.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    }
}
