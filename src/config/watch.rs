//! Hot reload of the rules: the file is read on a timer or a signal and taken as a whole or not
//! at all. Contents are compared, so it does not matter how the file was replaced (an editor, a
//! mounted folder, a symbolic link that moved).

use std::path::PathBuf;

use domain::routing::RuleSet;
use sha2::{Digest, Sha256};

use super::document::{Document, read_text};
use super::problem::Problem;
use super::rules::Known;

const FILE: &str = "routing.toml";

/// Watches `routing.toml`.
#[derive(Debug)]
pub struct Watcher {
    dir: PathBuf,
    known: Known,
    seen: Seen,
}

/// What the last look found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Content([u8; 32]),
    Unreadable(String),
}

impl Watcher {
    /// Starts from what stands in the file now: the first [`Watcher::poll`] reports only what
    /// changes afterwards.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, known: Known) -> Self {
        let dir = dir.into();
        let seen = look(&dir).0;
        Self { dir, known, seen }
    }

    /// Looks once. `None`: nothing changed. An error is told once for each content; the rules in
    /// force stay in force.
    pub fn poll(&mut self) -> Option<Result<RuleSet, Vec<Problem>>> {
        let (seen, text) = look(&self.dir);
        if seen == self.seen {
            return None;
        }
        self.seen = seen;
        Some(match text {
            Ok(text) => {
                let mut document = Document::parse(FILE, text);
                match self.known.rules(&mut document) {
                    Some(rules) if document.problems.iter().all(Problem::is_warning) => Ok(rules),
                    _ => Err(document.problems),
                }
            }
            Err(problem) => Err(vec![*problem]),
        })
    }
}

fn look(dir: &std::path::Path) -> (Seen, Result<String, Box<Problem>>) {
    match read_text(dir, FILE) {
        Ok(text) => (
            Seen::Content(Sha256::digest(text.as_bytes()).into()),
            Ok(text),
        ),
        Err(problem) => (Seen::Unreadable(problem.message.clone()), Err(problem)),
    }
}
