//! `kenh check`: everything that is wrong with a configuration, and the tests of its rules.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::config::{self, Loaded, Problem};

/// Arguments of `kenh check`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Folder of the configuration.
    #[arg(long, default_value = "config")]
    pub config: PathBuf,
    /// For people or for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How problems are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// File, line, caret, help.
    Text,
    /// One JSON object.
    Json,
}

/// Checks the configuration with the process's environment. 0: good, 1: it has errors, 2: there is
/// no such folder or the output cannot be written.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    match check(args, &config::process_env, &mut io::stdout().lock()) {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::from(1),
        Ok(Verdict::NoFolder) | Err(_) => ExitCode::from(2),
    }
}

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    NoFolder,
}

fn check(
    args: &Args,
    env: &dyn Fn(&str) -> Option<String>,
    out: &mut dyn Write,
) -> io::Result<Verdict> {
    if !args.config.is_dir() {
        writeln!(out, "there is no folder {}", args.config.display())?;
        return Ok(Verdict::NoFolder);
    }
    let outcome = config::load(&args.config, env, None);
    match args.format {
        Format::Text => text(&args.config, &outcome, out)?,
        Format::Json => json(&outcome, out)?,
    }
    Ok(if outcome.is_ok() {
        Verdict::Good
    } else {
        Verdict::Bad
    })
}

fn text(dir: &Path, outcome: &Result<Loaded, Vec<Problem>>, out: &mut dyn Write) -> io::Result<()> {
    match outcome {
        Ok(loaded) => {
            out.write_all(config::render(&loaded.warnings).as_bytes())?;
            writeln!(out, "{} is good: {}", dir.display(), counts(loaded))
        }
        Err(problems) => {
            out.write_all(config::render(problems).as_bytes())?;
            let warnings = problems
                .iter()
                .filter(|problem| problem.is_warning())
                .count();
            let errors = problems.len() - warnings;
            writeln!(
                out,
                "{} cannot be used: {}, {}",
                dir.display(),
                plural(errors, "error"),
                plural(warnings, "warning")
            )
        }
    }
}

fn json(outcome: &Result<Loaded, Vec<Problem>>, out: &mut dyn Write) -> io::Result<()> {
    let report = match outcome {
        Ok(loaded) => json!({
            "ok": true,
            "problems": loaded.warnings,
            "rules_version": loaded.rules.version(),
            "channels": loaded.config.channels.len(),
            "targets": loaded.config.targets.len(),
            "locations": loaded.locations.len(),
            "rules": loaded.rules.rules().len(),
            "rule_tests": loaded.rules.test_count(),
        }),
        Err(problems) => json!({ "ok": false, "problems": problems }),
    };
    writeln!(out, "{report:#}")
}

fn counts(loaded: &Loaded) -> String {
    [
        plural(loaded.config.channels.len(), "channel"),
        plural(loaded.config.targets.len(), "target"),
        plural(loaded.locations.len(), "location"),
        plural(loaded.rules.rules().len(), "rule"),
        format!("{} passed", plural(loaded.rules.test_count(), "rule test")),
    ]
    .join(", ")
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(dir: &Path, format: Format) -> (Verdict, String) {
        let mut out = Vec::new();
        let args = Args {
            config: dir.to_owned(),
            format,
        };
        let verdict = check(&args, &|_| None, &mut out).unwrap();
        (verdict, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_missing_folder_is_wrong_use_and_not_a_finding() {
        let (verdict, text) = report(Path::new("no/such/folder"), Format::Text);
        assert_eq!(verdict, Verdict::NoFolder);
        assert!(text.contains("no/such/folder"), "{text}");
    }

    #[test]
    fn unset_variables_are_findings_that_name_variable_and_place() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let (verdict, text) = report(&shipped, Format::Json);
        assert_eq!(verdict, Verdict::Bad);
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["ok"], false);
        let problems = report["problems"].as_array().unwrap();
        let web = problems.iter().find(|problem| {
            problem["message"] == "the environment variable KENH_WEB_SECRET is not set"
        });
        assert_eq!(web.unwrap()["file"], "channels.toml");
        assert!(web.unwrap()["line"].as_u64().unwrap() > 1);
    }
}
