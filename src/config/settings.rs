//! A connector's settings: checked against its schema, put together with those of its app, secrets
//! resolved. Every mistake is traced back to the line that it stands on.

use std::collections::BTreeMap;

use connectors::settings::{Secrets, SettingsError};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::document::{Document, dotted, join};
use super::secret::{Resolver, Written};
use super::shape::{self, At};

/// Settings of one channel or app, and where each key of them stands.
#[derive(Debug)]
pub(super) struct Settings {
    values: Map<String, Value>,
    origin: BTreeMap<String, String>,
    home: String,
}

impl Settings {
    /// None yet; they belong to the table at `home`.
    pub fn new(home: &str) -> Self {
        Self {
            values: Map::new(),
            origin: BTreeMap::new(),
            home: home.to_owned(),
        }
    }

    /// Adds the table at `pointer`; its keys replace those that are there.
    pub fn add(&mut self, document: &Document, pointer: &str) {
        let table = document.value.pointer(pointer).and_then(Value::as_object);
        for (key, value) in table.into_iter().flatten() {
            self.values.insert(key.clone(), value.clone());
            self.origin.insert(key.clone(), pointer.to_owned());
        }
    }

    /// Checks against a connector's schema and resolves secrets. `None` if anything is wrong,
    /// which is then among the document's problems.
    pub fn resolve(
        &self,
        document: &mut Document,
        schema: &Value,
        secrets: &Resolver<'_>,
    ) -> Option<Value> {
        let mut value = Value::Object(self.values.clone());
        let mut findings = shape::check(schema, &value);
        for finding in &mut findings {
            finding.pointer = self.place(&finding.pointer);
            // The document keeps the value: another channel of the same app reads it too.
            finding.cut = false;
        }
        document.report(&findings);
        let mut complete = findings.is_empty();
        let mut failures = Vec::new();
        put_secrets(&mut value, "", secrets, &mut failures);
        for (pointer, message) in failures {
            let pointer = self.place(&pointer);
            let hint = format!("`{}` needs it", dotted(&pointer));
            document.problem_at(&pointer, At::Value, message, Some(hint));
            complete = false;
        }
        complete.then_some(value)
    }

    /// Reports what a connector says of its settings, at the key that it names.
    pub fn refused(&self, document: &mut Document, error: &SettingsError) {
        let mut pointer = String::new();
        for part in error
            .path
            .split(['.', '['])
            .map(|part| part.trim_end_matches(']'))
        {
            if !part.is_empty() {
                pointer = join(&pointer, part);
            }
        }
        let pointer = self.place(&pointer);
        document.problem_at(&pointer, At::Value, error.message.clone(), None);
    }

    /// Where something stands in the document, by its pointer within the settings.
    fn place(&self, pointer: &str) -> String {
        let key = pointer.split('/').nth(1).unwrap_or_default();
        let base = self.origin.get(key).unwrap_or(&self.home);
        format!("{base}{pointer}")
    }
}

/// Resolves one secret for a connector. `None` after a problem.
pub(super) fn secret(
    document: &mut Document,
    pointer: &str,
    secrets: &Resolver<'_>,
) -> Option<Secrets> {
    let mut value = document.value.pointer(pointer)?.clone();
    let mut failures = Vec::new();
    put_secrets(&mut value, "", secrets, &mut failures);
    if failures.is_empty() {
        return match connectors::settings::read::<Secrets>(&value) {
            Ok(read) => Some(read),
            Err(error) => {
                document.problem_at(pointer, At::Value, error.message, None);
                None
            }
        };
    }
    for (inner, message) in failures {
        let hint = format!("`{}` needs it", dotted(pointer));
        document.problem_at(&format!("{pointer}{inner}"), At::Value, message, Some(hint));
    }
    None
}

/// Replaces each named secret by what connectors expect, `{"$secret": ["…"]}`.
fn put_secrets(
    value: &mut Value,
    at: &str,
    secrets: &Resolver<'_>,
    failures: &mut Vec<(String, String)>,
) {
    if let Some(written) = Written::from_value(value) {
        let mut texts = Vec::new();
        for place in written.places() {
            match secrets.resolve(place) {
                Ok(text) => texts.push(Value::String(text.expose_secret().to_owned())),
                Err(error) => failures.push((at.to_owned(), error.to_string())),
            }
        }
        *value = json!({ "$secret": texts });
        return;
    }
    match value {
        Value::Object(table) => {
            for (key, inner) in table {
                put_secrets(inner, &join(at, key), secrets, failures);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter_mut().enumerate() {
                put_secrets(inner, &format!("{at}/{index}"), secrets, failures);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
