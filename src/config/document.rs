//! One TOML file: its text, its values, and where each of them stands.
//!
//! Serde stops at the first mistake and an administrator wants all of them. So a file becomes a
//! JSON tree with positions; [`super::shape`] compares the tree with the file's schema and collects
//! every mistake; what is wrong is cut out, and the rest is read with serde.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::shape::{self, At};

/// Larger files are refused unread: nobody writes so many rules by hand, and a wrong path
/// (a log, a dump) must not fill the memory.
pub const MAX_FILE_BYTES: u64 = 4 * 1_024 * 1_024;

/// What is no TOML at all is not told line by line to its end.
pub(super) const MOST_SYNTAX_ERRORS: usize = 20;

/// Where a value stands and, in a table, its key.
#[derive(Debug, Clone)]
struct Place {
    key: Option<Range<usize>>,
    value: Range<usize>,
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct Document {
    /// Name within the folder.
    pub file: String,
    /// The text as it stands in the file.
    pub text: String,
    /// The values that passed the check of their shape.
    pub value: Value,
    /// What was found wrong so far.
    pub problems: Vec<Problem>,
    masked: Arc<str>,
    places: BTreeMap<String, Place>,
}

/// Reads the text of a file.
///
/// # Errors
/// When it is missing, unreadable, too large, or not UTF-8.
pub(super) fn read_text(dir: &Path, file: &str) -> Result<String, Box<Problem>> {
    let path = dir.join(file);
    let size = std::fs::metadata(&path)
        .map_err(|error| unreadable(dir, file, &error))?
        .len();
    if size > MAX_FILE_BYTES {
        let message = format!("the file has {size} bytes; at most {MAX_FILE_BYTES} are read");
        let hint = "is this the right file?".to_owned();
        return Err(Box::new(Problem::of_file(file, message, Some(hint))));
    }
    let bytes = std::fs::read(&path).map_err(|error| unreadable(dir, file, &error))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..good]);
        let source: Arc<str> = Arc::from(mask_suspicious(&before));
        let message = format!("the file is not UTF-8: byte {good} starts no character");
        let hint = "save it as UTF-8 (an editor may have used Windows-1258 or UTF-16)".to_owned();
        Box::new(Problem::at(file, &source, good..good, message, Some(hint)))
    })
}

fn unreadable(dir: &Path, file: &str, error: &std::io::Error) -> Box<Problem> {
    let message = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        kind => format!("could not read the file: {kind}"),
    };
    let hint = format!("it is looked for in {}", dir.display());
    Box::new(Problem::of_file(file, message, Some(hint)))
}

impl Document {
    /// A file without content, for one that is missing.
    pub fn empty(file: &str) -> Self {
        Self::parse(file, String::new())
    }

    /// Parses a text; syntax errors become problems, and the rest is read on.
    pub fn parse(file: &str, text: String) -> Self {
        let mut places = BTreeMap::new();
        let masked: Arc<str> = Arc::from(mask_suspicious(&text));
        let (tree, errors) = DeTable::parse_recoverable(&text);
        let problems = errors
            .into_iter()
            .take(MOST_SYNTAX_ERRORS)
            .map(|error| {
                let span = error.span().unwrap_or(0..0);
                let message = error.message().trim().replace('\n', ", ");
                Problem::at(file, &masked, span, message, None)
            })
            .collect();
        let value = Value::Object(table(tree.get_ref(), "", &mut places));
        drop(tree);
        Self {
            file: file.to_owned(),
            text,
            value,
            problems,
            masked,
            places,
        }
    }

    /// The text with secrets masked.
    pub fn masked(&self) -> &Arc<str> {
        &self.masked
    }

    /// Compares what stands at `pointer` with a schema; what is wrong is reported and cut out.
    pub fn check(&mut self, schema: &Value, pointer: &str) {
        let Some(value) = self.value.pointer(pointer) else {
            return;
        };
        let findings = shape::check(schema, value);
        let findings: Vec<_> = findings
            .into_iter()
            .map(|mut finding| {
                finding.pointer.insert_str(0, pointer);
                finding
            })
            .collect();
        self.report(&findings);
    }

    /// Turns findings into problems, masks secrets, and cuts out what is wrong.
    pub fn report(&mut self, findings: &[shape::Finding]) {
        for finding in findings.iter().filter(|finding| finding.secret) {
            let span = self.span(&finding.pointer, At::Value);
            self.masked = Arc::from(mask(&self.masked, &[span]));
            for problem in &mut self.problems {
                problem.source = Arc::clone(&self.masked);
            }
        }
        for finding in findings {
            let suggestion = finding.suggestion.clone();
            self.problem_at(
                &finding.pointer,
                finding.at,
                finding.message.clone(),
                suggestion,
            );
            if finding.cut {
                cut(&mut self.value, &finding.pointer);
            }
        }
    }

    /// Adds a problem, once.
    pub fn problem_at(
        &mut self,
        pointer: &str,
        at: At,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        let problem = self.make(pointer, at, message, suggestion);
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Adds a warning.
    pub fn warn_at(
        &mut self,
        pointer: &str,
        at: At,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        let warning = self.make(pointer, at, message, suggestion).as_warning();
        self.problems.push(warning);
    }

    /// Whether the file could not even be read.
    pub fn is_unreadable(&self) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.source.is_empty())
    }

    /// A problem that is not yet among the others.
    fn make(
        &self,
        pointer: &str,
        at: At,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) -> Problem {
        let span = self.span(pointer, at);
        Problem::at(&self.file, &self.masked, span, message, suggestion)
    }

    /// Whether something at or below `pointer` was found wrong.
    pub fn is_bad(&self, pointer: &str) -> bool {
        let inside: Vec<_> = self
            .places
            .range(pointer.to_owned()..)
            .take_while(|(at, _)| at.starts_with(pointer))
            .map(|(_, place)| place.key.as_ref().unwrap_or(&place.value).start..place.value.end)
            .collect();
        self.problems.iter().any(|problem| {
            inside
                .iter()
                .any(|span| span.start <= problem.span.start && problem.span.end <= span.end)
        })
    }

    /// Reads a part of the file; `None` if it is absent or wrong (which is reported once).
    pub fn read<T: DeserializeOwned>(&mut self, pointer: &str) -> Option<T> {
        let value = self.value.pointer(pointer)?;
        match serde_path_to_error::deserialize(value) {
            Ok(read) => Some(read),
            Err(error) => {
                let inner = format!("{pointer}{}", pointer_of(error.path()));
                let message = error.inner().to_string();
                // What was cut out is missing now; that was said before.
                if !(message.starts_with("missing field") && self.is_bad(pointer)) {
                    self.problem_at(&inner, At::Value, message, None);
                }
                None
            }
        }
    }

    /// Reads the items of a list that are right, each with its pointer.
    pub fn read_list<T: DeserializeOwned>(&mut self, pointer: &str) -> Vec<(String, T)> {
        let length = self
            .value
            .pointer(pointer)
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        (0..length)
            .filter_map(|index| {
                let at = format!("{pointer}/{index}");
                self.read(&at).map(|item| (at, item))
            })
            .collect()
    }

    /// The keys of the table at `pointer`, in order of the file.
    pub fn keys(&self, pointer: &str) -> Vec<String> {
        let mut keys: Vec<String> = self
            .value
            .pointer(pointer)
            .and_then(Value::as_object)
            .map(|table| table.keys().cloned().collect())
            .unwrap_or_default();
        keys.sort_by_key(|key| self.span(&join(pointer, key), At::Key).start);
        keys
    }

    /// The bytes of a value or its key; the nearest place around it if it does not stand there.
    pub fn span(&self, pointer: &str, at: At) -> Range<usize> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                let key = place.key.clone().unwrap_or_else(|| place.value.clone());
                // A table with a header of its own has no single place: its key stands for it.
                let spread = self.is_table(pointer)
                    && !self.text[place.value.start..].starts_with(['{', '[']);
                let only_key = at == At::Key || spread || self.has_header(&place.value);
                return if only_key { key } else { place.value.clone() };
            }
            match pointer.rfind('/') {
                Some(cut) => pointer = &pointer[..cut],
                None => return 0..0,
            }
        }
    }

    /// Whether the value is a table under its own `[header]` or `[[header]]`.
    fn has_header(&self, value: &Range<usize>) -> bool {
        let line_start = self.text[..value.start]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        self.text[line_start..value.start].trim().is_empty()
            && self.text[value.start..].starts_with('[')
            && self.text[value.clone()]
                .lines()
                .next()
                .is_some_and(|line| line.trim_end().ends_with(']'))
    }

    fn is_table(&self, pointer: &str) -> bool {
        let below = format!("{pointer}/");
        self.places
            .range(below.clone()..)
            .next()
            .is_some_and(|(next, _)| next.starts_with(&below))
    }
}

/// `parent/key`, escaped as RFC 6901 wants.
pub(super) fn join(parent: &str, key: &str) -> String {
    format!("{parent}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// `server.listen` for people.
pub(super) fn dotted(pointer: &str) -> String {
    pointer
        .trim_start_matches('/')
        .replace('/', ".")
        .replace("~1", "/")
        .replace("~0", "~")
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => {
                write!(pointer, "/{index}").expect("invariant: a string takes all text");
            }
            Segment::Map { key } => pointer = join(&pointer, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// Removes what stands at `pointer`; an item of a list takes its list along.
fn cut(value: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else {
        return;
    };
    let key = key.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent) {
        Some(Value::Object(table)) => {
            table.remove(&key);
        }
        Some(Value::Array(_)) => cut(value, parent),
        _ => {}
    }
}

fn table(
    table: &DeTable<'_>,
    at: &str,
    places: &mut BTreeMap<String, Place>,
) -> Map<String, Value> {
    let mut read = Map::new();
    for (key, value) in table {
        let pointer = join(at, key.get_ref());
        let place = Place {
            key: Some(key.span()),
            value: value.span(),
        };
        places.insert(pointer.clone(), place);
        read.insert(
            key.get_ref().to_string(),
            self::value(value, &pointer, places),
        );
    }
    read
}

fn value(value: &Spanned<DeValue<'_>>, at: &str, places: &mut BTreeMap<String, Place>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(digits) => i128::from_str_radix(digits.as_str(), digits.radix())
            .ok()
            .and_then(|number| Number::from_str(&number.to_string()).ok())
            .map_or(Value::Null, Value::Number),
        DeValue::Float(digits) => {
            Number::from_str(digits.as_str()).map_or(Value::Null, Value::Number)
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let pointer = format!("{at}/{index}");
                    places.insert(
                        pointer.clone(),
                        Place {
                            key: None,
                            value: item.span(),
                        },
                    );
                    self::value(item, &pointer, places)
                })
                .collect(),
        ),
        DeValue::Table(inner) => Value::Object(table(inner, at, places)),
    }
}

/// Replaces the bytes of spans (in order) by `*`, line breaks and quotes aside; lengths stay, so
/// positions stay.
fn mask(text: &str, spans: &[Range<usize>]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for span in spans {
        let (Some(before), Some(hidden)) = (text.get(done..span.start), text.get(span.clone()))
        else {
            continue;
        };
        masked.push_str(before);
        for character in hidden.chars() {
            match character {
                '\n' | '\r' | '"' | '\'' => masked.push(character),
                other => masked.extend(std::iter::repeat_n('*', other.len_utf8())),
            }
        }
        done = span.end;
    }
    masked.push_str(&text[done..]);
    masked
}

/// Masks quoted text behind keys that sound like a secret, whatever the schema knows of them: a
/// line is shown when something else on it is wrong, or when the file cannot even be parsed.
fn mask_suspicious(text: &str) -> String {
    let mut spans: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let mut from = 0;
        while let Some(equals) = line[from..].find('=').map(|at| from + at) {
            let key = line[..equals].trim_end();
            let key = key.rsplit([' ', '.', ',', '{', '\t']).next().unwrap_or(key);
            let key = key.trim_matches(['"', '\'']).to_lowercase();
            let value_at =
                equals + 1 + (line[equals + 1..].len() - line[equals + 1..].trim_start().len());
            let sounds_secret = ["secret", "password", "token", "key"]
                .iter()
                .any(|word| key.contains(word));
            let value = &line[value_at..];
            if sounds_secret && value.starts_with(['"', '\'']) {
                let length = quoted_length(value);
                spans.push(start + value_at..start + value_at + length);
                from = value_at + length;
                continue;
            }
            from = equals + 1;
        }
        start += line.len();
    }
    mask(text, &spans)
}

/// Bytes of the quoted text that `text` begins with; all of it if the quote does not end.
fn quoted_length(text: &str) -> usize {
    let mut escaped = false;
    let quote = text.chars().next();
    for (at, character) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' && quote == Some('"') {
            escaped = true;
        } else if Some(character) == quote {
            return at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_inside_a_secret_does_not_end_it() {
        let masked = mask_suspicious("secret = \"hun\\\"ter2\" oops\nb = 1\n");
        assert!(!masked.contains("ter2"), "{masked}");
        assert!(masked.ends_with("oops\nb = 1\n"), "{masked}");
    }

    #[test]
    fn masking_keeps_every_position() {
        let text = "a = 1\nsecret = \"mật khẩu\" # s\nx = { app_key = 'k', env = \"E\" }\n";
        let masked = mask_suspicious(text);
        assert_eq!(masked.len(), text.len());
        assert!(
            !masked.contains("mật") && !masked.contains("'k'"),
            "{masked}"
        );
        assert!(masked.contains("env = \"E\""), "{masked}");
    }

    #[test]
    fn what_is_wrong_is_cut_out_and_the_rest_is_read() {
        let mut value = serde_json::json!({"a": {"b": 1, "c": [1, "x"]}});
        cut(&mut value, "/a/c/1");
        assert_eq!(value, serde_json::json!({"a": {"b": 1}}));
    }
}
