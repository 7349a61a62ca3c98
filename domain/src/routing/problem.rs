//! What is wrong with a file, where, and what may have been meant.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

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

pub(super) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start_of_line = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[start_of_line..].chars().count() + 1,
    )
}

/// The known name closest to what was written, if it is close enough to be a slip.
fn nearest<'n>(written: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let allowed = 1 + written.chars().count() / 4;
    known
        .into_iter()
        .map(|name| (edit_distance(written, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// Insertions, deletions and replacements between two words, case aside; a swap of two
/// neighbours counts as one.
fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        assert_eq!(line_and_column("một\nhai ba", "một\nhai ".len()), (2, 5));
    }

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_does_not() {
        let known = ["province", "promised_by", "channel"];
        assert_eq!(nearest("provinec", known), Some("province"));
        assert_eq!(nearest("chanel", known), Some("channel"));
        assert_eq!(nearest("weight", known), None);
    }
}
