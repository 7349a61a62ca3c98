//! What is wrong with a file, where, and what may have been meant.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use crate::text::{line_and_column, nearest};

/// One mistake in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file's name, as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.message
        )?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

/// The problems of one file, collected while it is read.
#[derive(Debug)]
pub(super) struct Problems<'a> {
    file: &'a str,
    text: &'a str,
    found: Vec<(usize, Problem)>,
    /// Where the syntax is broken: what was read from there is no finding of its own.
    broken: Vec<usize>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            text,
            found: Vec::new(),
            broken: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.push(span, message.into(), None);
    }

    /// Adds a problem with a hint in full words: `did you mean …`, `write … instead`.
    pub(super) fn add_with_hint(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.push(span, message.into(), hint);
    }

    /// Adds "unknown `what` `name`" with the nearest of the known names.
    pub(super) fn unknown<'n>(
        &mut self,
        span: Range<usize>,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) {
        let nearest = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
        self.push(span, format!("unknown {what} `{name}`"), nearest);
    }

    /// Adds "unknown `what` `code`" for codes that are numbers, where the nearest is no likelier
    /// than any other.
    pub(super) fn unknown_code(
        &mut self,
        span: Range<usize>,
        what: &str,
        code: &str,
        example: &str,
    ) {
        let hint = format!("write a code such as `{example}`");
        self.push(span, format!("unknown {what} `{code}`"), Some(hint));
    }

    /// Adds a syntax error.
    pub(super) fn broken(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.push(span.clone(), message.into(), None);
        self.broken.push(span.start);
    }

    pub(super) fn count(&self) -> usize {
        self.found.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All problems, in the order of the file.
    pub(super) fn into_list(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|(at, _)| *at);
        self.found.into_iter().map(|(_, problem)| problem).collect()
    }

    fn push(&mut self, span: Range<usize>, message: String, suggestion: Option<String>) {
        if self.broken.contains(&span.start) {
            return;
        }
        let (line, column) = line_and_column(self.text, span.start);
        let problem = Problem {
            file: self.file.to_owned(),
            line,
            column,
            message,
            suggestion,
        };
        self.found.push((span.start, problem));
    }
}
