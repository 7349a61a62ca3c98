//! Reading a TOML file so that every mistake in it is found in one go, each with its place.
//!
//! Serde stops at the first mistake; an administrator wants the whole list. So a file is parsed
//! into a tree with positions, and each [`Table`] is asked for its keys: what was never asked for
//! is an unknown key, and the keys that were asked for are what it may have meant.

use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

use jiff::{Timestamp, civil};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::calendar::instant;
use super::problem::Problems;

/// A value and where it stands.
pub(super) type Value<'t> = &'t Spanned<DeValue<'t>>;

/// Parses a whole file; syntax errors go to `problems`, and the rest of the file is read on.
pub(super) fn parse<'t>(text: &'t str, problems: &mut Problems<'_>) -> Spanned<DeTable<'t>> {
    let (tree, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        problems.broken(
            error.span().unwrap_or(0..0),
            error.message().trim().replace('\n', ", "),
        );
    }
    tree
}

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Table<'t> {
    table: &'t DeTable<'t>,
    span: Range<usize>,
    what: &'static str,
    asked: Vec<&'static str>,
}

impl<'t> Table<'t> {
    pub(super) fn new(table: &'t DeTable<'t>, span: Range<usize>, what: &'static str) -> Self {
        Self {
            table,
            span,
            what,
            asked: Vec::new(),
        }
    }

    /// Reads `value` as a table; anything else is a problem.
    pub(super) fn of(
        value: Value<'t>,
        what: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Self::new(table, value.span(), what)),
            other => {
                wrong_type(value.span(), what, "a table", other, problems);
                None
            }
        }
    }

    /// Where the table stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The value of a key, which is from now on a known key.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'t>> {
        self.asked.push(key);
        self.table
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map(|(_, value)| value)
    }

    /// All keys and values, for tables whose keys are names.
    pub(super) fn entries(
        &self,
    ) -> impl Iterator<Item = (&'t str, Range<usize>, Value<'t>)> + use<'t> {
        self.table
            .iter()
            .map(|(name, value)| (&**name.get_ref(), name.span(), value))
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self, problems: &mut Problems<'_>) {
        for (name, _) in self.table {
            if !self.asked.contains(&&**name.get_ref()) {
                problems.unknown(
                    name.span(),
                    &format!("key of {}:", self.what),
                    name.get_ref(),
                    self.asked.iter().copied(),
                );
            }
        }
    }

    /// Says that a key is missing.
    pub(super) fn missing(&self, key: &str, problems: &mut Problems<'_>) {
        problems.add(self.span(), format!("{} needs `{key}`", self.what));
    }

    pub(super) fn text(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Spanned<String>> {
        let value = self.take(key)?;
        text(value, key, problems)
    }

    pub(super) fn required_text(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Spanned<String>> {
        if !self.has(key) {
            self.missing(key, problems);
        }
        self.text(key, problems)
    }

    /// One string or a list of them; an empty list is a problem, because it would never hold.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Spanned<String>>> {
        let value = self.take(key)?;
        let items = one_or_many(value);
        if items.is_empty() {
            problems.add(value.span(), format!("`{key}` is an empty list"));
        }
        Some(
            items
                .into_iter()
                .filter_map(|item| text(item, key, problems))
                .collect(),
        )
    }

    pub(super) fn integer(
        &mut self,
        key: &'static str,
        allowed: RangeInclusive<i64>,
        problems: &mut Problems<'_>,
    ) -> Option<i64> {
        let value = self.take(key)?;
        integer(value, key, allowed, problems)
    }

    /// A whole number from 0 (or `at_least`) on.
    pub(super) fn count(
        &mut self,
        key: &'static str,
        at_least: u32,
        problems: &mut Problems<'_>,
    ) -> Option<u32> {
        let number = self.integer(key, i64::from(at_least)..=i64::from(u32::MAX), problems)?;
        u32::try_from(number).ok()
    }

    pub(super) fn boolean(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<bool> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Boolean(found) => Some(*found),
            other => {
                wrong_type(value.span(), key, "true or false", other, problems);
                None
            }
        }
    }

    /// A number with or without a fraction.
    pub(super) fn fraction(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<f64> {
        let value = self.take(key)?;
        let digits = match value.get_ref() {
            DeValue::Float(number) => number.as_str(),
            DeValue::Integer(number) => number.as_str(),
            other => {
                wrong_type(value.span(), key, "a number", other, problems);
                return None;
            }
        };
        digits.parse().ok()
    }

    /// A moment: a TOML date-time or a string; without an offset it is Vietnam's time.
    pub(super) fn moment(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Timestamp> {
        let value = self.take(key)?;
        let written = match value.get_ref() {
            DeValue::Datetime(written) => written.to_string(),
            DeValue::String(written) => written.to_string(),
            other => {
                wrong_type(value.span(), key, "a date and time", other, problems);
                return None;
            }
        };
        let found = Timestamp::from_str(&written)
            .ok()
            .or_else(|| civil::DateTime::from_str(&written).ok().and_then(instant));
        if found.is_none() {
            problems.add(
                value.span(),
                format!("`{key}` is not a date and time such as 2026-11-24T08:00:00+07:00"),
            );
        }
        found
    }

    pub(super) fn table(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Table<'t>> {
        let value = self.take(key)?;
        Table::of(value, key, problems)
    }

    /// A list of tables (`[[key]]`), or a single one.
    pub(super) fn tables(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Vec<Table<'t>> {
        let items = self.take(key).map(one_or_many).unwrap_or_default();
        items
            .into_iter()
            .filter_map(|item| Table::of(item, key, problems))
            .collect()
    }

    /// One word out of a fixed set.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        names: &[(&'static str, T)],
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        let written = self.text(key, problems)?;
        choose(&written, key, names, problems)
    }

    /// One or more words out of a fixed set.
    pub(super) fn choices<T: Copy>(
        &mut self,
        key: &'static str,
        names: &[(&'static str, T)],
        problems: &mut Problems<'_>,
    ) -> Option<Vec<T>> {
        let written = self.texts(key, problems)?;
        Some(
            written
                .iter()
                .filter_map(|word| choose(word, key, names, problems))
                .collect(),
        )
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(name, _)| name.get_ref() == key)
    }
}

/// The items of a list, or the value itself.
pub(super) fn one_or_many<'t>(value: Value<'t>) -> Vec<Value<'t>> {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().collect(),
        _ => vec![value],
    }
}

pub(super) fn text(
    value: Value<'_>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Option<Spanned<String>> {
    match value.get_ref() {
        DeValue::String(found) if found.trim().is_empty() => {
            problems.add(value.span(), format!("`{key}` is empty"));
            None
        }
        DeValue::String(found) => Some(Spanned::new(value.span(), found.to_string())),
        other => {
            wrong_type(value.span(), key, "a string", other, problems);
            None
        }
    }
}

pub(super) fn integer(
    value: Value<'_>,
    key: &str,
    allowed: RangeInclusive<i64>,
    problems: &mut Problems<'_>,
) -> Option<i64> {
    let DeValue::Integer(written) = value.get_ref() else {
        wrong_type(
            value.span(),
            key,
            "a whole number",
            value.get_ref(),
            problems,
        );
        return None;
    };
    match i64::from_str_radix(written.as_str(), written.radix()) {
        Ok(number) if allowed.contains(&number) => Some(number),
        _ => {
            let (least, most) = allowed.into_inner();
            let message = if most == i64::MAX || most == i64::from(u32::MAX) {
                format!("`{key}` must be at least {least}")
            } else if least == most {
                format!("`{key}` must be {least}")
            } else {
                format!("`{key}` must be between {least} and {most}")
            };
            problems.add(value.span(), message);
            None
        }
    }
}

pub(super) fn choose<T: Copy>(
    written: &Spanned<String>,
    what: &str,
    names: &[(&'static str, T)],
    problems: &mut Problems<'_>,
) -> Option<T> {
    let found = names
        .iter()
        .find(|(name, _)| name == written.get_ref())
        .map(|(_, value)| *value);
    if found.is_none() {
        problems.unknown(
            written.span(),
            what,
            written.get_ref(),
            names.iter().map(|(name, _)| *name),
        );
    }
    found
}

pub(super) fn wrong_type(
    span: Range<usize>,
    key: &str,
    wanted: &str,
    found: &DeValue<'_>,
    problems: &mut Problems<'_>,
) {
    problems.add(
        span,
        format!("`{key}` must be {wanted}, not {}", found.type_str()),
    );
}
