//! What is wrong with the configuration: where, why, and what was probably meant.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use domain::text::{line_and_column, nearest};
use serde::Serialize;

/// Whether the configuration can be used in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but somebody should look.
    Warning,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Name of the file within the configuration's folder.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong. Never holds a secret.
    pub message: String,
    /// What may have been meant or what to do.
    pub suggestion: Option<String>,
    /// Bytes of the file that are meant.
    #[serde(skip)]
    pub span: Range<usize>,
    /// The file's text with secrets masked, for [`render`]; empty if the file could not be read.
    #[serde(skip)]
    pub source: Arc<str>,
}

impl Problem {
    /// A mistake at some bytes of a file.
    #[must_use]
    pub fn at(
        file: &str,
        source: &Arc<str>,
        span: Range<usize>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) -> Self {
        let (line, column) = line_and_column(source, span.start);
        Self {
            file: file.to_owned(),
            line,
            column,
            severity: Severity::Error,
            message: message.into(),
            suggestion,
            span,
            source: Arc::clone(source),
        }
    }

    /// A mistake of the file as a whole: unreadable, too large, missing.
    #[must_use]
    pub fn of_file(file: &str, message: impl Into<String>, suggestion: Option<String>) -> Self {
        Self::at(file, &Arc::from(""), 0..0, message, suggestion)
    }

    /// A mistake at a line and column (from 1); the word that stands there is what is marked.
    #[must_use]
    pub fn at_position(
        file: &str,
        source: &Arc<str>,
        (line, column): (usize, usize),
        message: impl Into<String>,
        suggestion: Option<String>,
    ) -> Self {
        let start = offset_of(source, line, column);
        let word = source.get(start..).map_or(0, |rest| {
            let quoted = usize::from(rest.starts_with('"'));
            let ends = |at: char| match quoted {
                1 => at == '"' || at == '\n',
                _ => !(at.is_alphanumeric() || "_-.:".contains(at)),
            };
            rest[quoted..]
                .find(ends)
                .map_or(rest.len(), |length| length + 2 * quoted)
        });
        let end = (start + word).min(source.len());
        let mut problem = Self::at(file, source, start..end, message, suggestion);
        (problem.line, problem.column) = (line, column);
        problem
    }

    /// Whether the configuration can be used in spite of it.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        match self.severity {
            Severity::Warning => true,
            Severity::Error => false,
        }
    }

    /// The same as a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
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

/// All problems as people read them: the place, the line, a caret, help.
#[must_use]
pub fn render(problems: &[Problem]) -> String {
    let renderer = Renderer::plain();
    let mut text = String::new();
    for problem in problems {
        text.push_str(&render_one(&renderer, problem));
        text.push_str("\n\n");
    }
    text
}

fn render_one(renderer: &Renderer, problem: &Problem) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(problem.message.as_str());
    let mut group = if problem.source.is_empty() {
        title.element(annotate_snippets::Origin::path(problem.file.as_str()))
    } else {
        let span = within(&problem.source, problem.span.clone());
        title.element(
            Snippet::source(&*problem.source)
                .path(problem.file.as_str())
                .annotation(AnnotationKind::Primary.span(span)),
        )
    };
    if let Some(suggestion) = &problem.suggestion {
        group = group.element(Level::HELP.message(suggestion.as_str()));
    }
    let report: [Group<'_>; 1] = [group];
    renderer.render(&report)
}

/// The span cut to its first line and to character borders, so that it can be shown.
fn within(source: &str, span: Range<usize>) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(source.len());
        while !source.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    let end = floor(span.end).max(start);
    let line_end = source[start..]
        .find('\n')
        .map_or(source.len(), |length| start + length);
    start..end.min(line_end)
}

fn offset_of(source: &str, line: usize, column: usize) -> usize {
    let line_start = source
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum::<usize>();
    let rest = &source[line_start..];
    let in_line = rest
        .char_indices()
        .nth(column.saturating_sub(1))
        .map_or(rest.len(), |(at, _)| at);
    line_start + in_line
}

/// The known name closest to what was written, as a question, if it is close enough to be a slip.
pub(super) fn did_you_mean<'n>(
    written: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> Option<String> {
    nearest(written, known).map(|name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_find_their_way_back() {
        let text = "một\nhai = \"ba\"\n";
        let at = text.find("\"ba\"").unwrap();
        assert_eq!(line_and_column(text, at), (2, 7));
        assert_eq!(offset_of(text, 2, 7), at);
        let problem = Problem::at_position("f.toml", &Arc::from(text), (2, 7), "no", None);
        assert_eq!(&text[problem.span], "\"ba\"");
    }

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_does_not() {
        let known = ["listen", "max_body_bytes", "trusted_proxies"];
        assert_eq!(
            did_you_mean("listne", known).unwrap(),
            "did you mean `listen`?"
        );
        assert_eq!(did_you_mean("colour", known), None);
    }

    #[test]
    fn a_place_beyond_the_text_is_shown_at_its_end() {
        let problem = Problem::at("f.toml", &Arc::from("a = 1\n"), 90..99, "cut off", None);
        assert!(render(&[problem]).contains("f.toml"));
    }
}
