//! Compares a value with its JSON Schema and collects every mistake.
//!
//! Not a general validator: it knows what schemars writes for our own structs (types, properties,
//! references, choices, ranges) and the one thing that no general validator knows, that a secret
//! must not stand in the file.

use serde_json::{Map, Value};

use super::document::join;
use super::problem::did_you_mean;
use super::secret;

/// What of a place is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// RFC 6901, from the value that was checked.
    pub pointer: String,
    /// Key or value.
    pub at: At,
    /// What is wrong.
    pub message: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
    /// The value is a secret and must not be shown.
    pub secret: bool,
    /// The value must be cut out before the rest is read.
    pub cut: bool,
}

impl Finding {
    fn value(pointer: &str, message: String, suggestion: Option<String>) -> Self {
        Self {
            pointer: pointer.to_owned(),
            at: At::Value,
            message,
            suggestion,
            secret: false,
            cut: true,
        }
    }
}

/// All mistakes of `value` against `schema`, whose definitions stand under `$defs`.
pub(super) fn check(schema: &Value, value: &Value) -> Vec<Finding> {
    let mut checker = Checker {
        root: schema,
        found: Vec::new(),
    };
    checker.node(schema, value, "");
    checker.found
}

struct Checker<'s> {
    root: &'s Value,
    found: Vec<Finding>,
}

impl<'s> Checker<'s> {
    fn node(&mut self, schema: &'s Value, value: &Value, at: &str) {
        let Some(schema) = schema.as_object() else {
            return;
        };
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            if is_secret(reference) {
                self.secret(value, at);
            } else if let Some(target) = self.resolve(reference) {
                self.node(target, value, at);
            }
            return;
        }
        if let Some(variants) = ["oneOf", "anyOf"]
            .iter()
            .find_map(|key| schema.get(*key)?.as_array())
        {
            self.choice(variants, value, at);
            return;
        }
        for part in schema
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.node(part, value, at);
        }
        let words: Vec<&str> = words_of(schema);
        if !words.is_empty() {
            self.word(&words, value, at);
            return;
        }
        let types = types_of(schema);
        if !types.is_empty() && !types.iter().any(|wanted| has_type(value, wanted)) {
            self.wrong_type(&types, value, at);
            return;
        }
        match value {
            Value::Object(table) => self.table(schema, table, at),
            Value::Array(items) => self.list(schema, items, at),
            Value::Number(number) => self.range(schema, number, at),
            Value::String(text) => self.text(schema, text, at),
            Value::Bool(_) | Value::Null => {}
        }
    }

    fn resolve(&self, reference: &str) -> Option<&'s Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    fn table(&mut self, schema: &'s Map<String, Value>, table: &Map<String, Value>, at: &str) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let further = schema.get("additionalProperties");
        for (key, value) in table {
            let pointer = join(at, key);
            if let Some(property) = properties.and_then(|known| known.get(key)) {
                self.node(property, value, &pointer);
            } else if further == Some(&Value::Bool(false)) {
                let known: Vec<&str> = properties
                    .map(|known| known.keys().map(String::as_str).collect())
                    .unwrap_or_default();
                let suggestion = did_you_mean(key, known.iter().copied()).or_else(|| {
                    (!known.is_empty()).then(|| format!("known here: {}", known.join(", ")))
                });
                self.found.push(Finding {
                    at: At::Key,
                    ..Finding::value(&pointer, format!("unknown key `{key}`"), suggestion)
                });
            } else if let Some(further) = further {
                self.node(further, value, &pointer);
            }
        }
        let required = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for key in required
            .filter_map(Value::as_str)
            .filter(|key| !table.contains_key(*key))
        {
            let example = properties
                .and_then(|known| known.get(key))
                .map(|property| format!("add `{key} = {}`", self.example(property)));
            self.found.push(Finding {
                at: At::Key,
                cut: false,
                ..Finding::value(at, format!("`{key}` is missing"), example)
            });
        }
    }

    fn list(&mut self, schema: &'s Map<String, Value>, items: &[Value], at: &str) {
        let bound = |key| {
            schema
                .get(key)
                .and_then(Value::as_u64)
                .and_then(|n| usize::try_from(n).ok())
        };
        if bound("minItems").is_some_and(|least| items.len() < least)
            || bound("maxItems").is_some_and(|most| items.len() > most)
        {
            self.found.push(Finding::value(
                at,
                format!("a list of {} is not allowed here", items.len()),
                None,
            ));
            return;
        }
        if let Some(each) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.node(each, item, &format!("{at}/{index}"));
            }
        }
    }

    fn range(&mut self, schema: &Map<String, Value>, number: &serde_json::Number, at: &str) {
        // Fractions are judged by the type that reads them.
        let Ok(written) = number.to_string().parse::<i128>() else {
            return;
        };
        let bound = |key| {
            schema
                .get(key)
                .and_then(|bound| bound.to_string().parse::<i128>().ok())
        };
        let (least, most) = (bound("minimum"), bound("maximum"));
        if least.is_some_and(|least| written < least) || most.is_some_and(|most| written > most) {
            let expected = match (least, most) {
                (Some(least), Some(most)) => format!("{least} to {most}"),
                (Some(least), None) => format!("at least {least}"),
                (None, Some(most)) => format!("at most {most}"),
                (None, None) => return,
            };
            self.found.push(Finding::value(
                at,
                format!("{written} is out of range: expected {expected}"),
                None,
            ));
        }
    }

    fn text(&mut self, schema: &Map<String, Value>, text: &str, at: &str) {
        let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
        let most = schema.get("maxLength").and_then(Value::as_u64);
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        if length < least {
            self.found
                .push(Finding::value(at, "must not be empty".to_owned(), None));
        } else if let Some(most) = most.filter(|most| length > *most) {
            self.found.push(Finding::value(
                at,
                format!("too long: at most {most} characters"),
                None,
            ));
        }
    }

    fn word(&mut self, words: &[&str], value: &Value, at: &str) {
        let Some(written) = value.as_str() else {
            self.found.push(Finding::value(
                at,
                format!(
                    "expected one of {}, found {}",
                    quoted(words),
                    article(value)
                ),
                None,
            ));
            return;
        };
        if !words.contains(&written) {
            self.found.push(Finding::value(
                at,
                format!(
                    "unknown value \"{written}\": expected one of {}",
                    quoted(words)
                ),
                did_you_mean(written, words.iter().copied()),
            ));
        }
    }

    fn choice(&mut self, variants: &'s [Value], value: &Value, at: &str) {
        let variants: Vec<&'s Value> = variants
            .iter()
            .filter(|variant| variant.get("type").and_then(Value::as_str) != Some("null"))
            .collect();
        if let [only] = variants.as_slice() {
            self.node(only, value, at);
            return;
        }
        let words: Vec<&str> = variants
            .iter()
            .filter_map(|variant| variant.as_object())
            .flat_map(words_of)
            .collect();
        if words.len() >= variants.len() {
            self.word(&words, value, at);
            return;
        }
        let mut best: Option<Vec<Finding>> = None;
        for variant in &variants {
            let mut trial = Checker {
                root: self.root,
                found: Vec::new(),
            };
            trial.node(variant, value, at);
            if trial.found.is_empty() {
                return;
            }
            // A variant of the right type says more than one of another type.
            let at_the_top = trial.found.iter().any(|finding| finding.pointer == at);
            if best.is_none() || !at_the_top {
                best = Some(trial.found);
            }
        }
        self.found.extend(best.unwrap_or_default());
    }

    fn secret(&mut self, value: &Value, at: &str) {
        if secret::Written::from_value(value).is_some() {
            return;
        }
        let (message, secret) = match value {
            Value::String(_) | Value::Number(_) => {
                ("a secret must not be written in the file".to_owned(), true)
            }
            Value::Array(_) => (
                "expected one secret, or two while one replaces the other".to_owned(),
                true,
            ),
            Value::Null | Value::Bool(_) | Value::Object(_) => (
                format!("expected a secret, found {}", article(value)),
                false,
            ),
        };
        let hint = "write { env = \"NAME\" } or { file = \"PATH\" }".to_owned();
        self.found.push(Finding {
            secret,
            ..Finding::value(at, message, Some(hint))
        });
    }

    fn wrong_type(&mut self, types: &[&str], value: &Value, at: &str) {
        let expected: Vec<&str> = types.iter().map(|wanted| type_for_people(wanted)).collect();
        let message = format!(
            "expected {}, found {}",
            expected.join(" or "),
            article(value)
        );
        let suggestion = match value {
            // A quoted number is the most common slip.
            Value::String(text)
                if types.contains(&"integer") && text.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                (!text.is_empty()).then(|| format!("write {text} without quotes"))
            }
            Value::Number(number) if types.contains(&"string") => {
                Some(format!("write \"{number}\""))
            }
            _ => None,
        };
        self.found.push(Finding::value(at, message, suggestion));
    }

    /// What a missing key could look like.
    fn example(&self, schema: &'s Value) -> &'static str {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) if is_secret(reference) => return "{ env = \"NAME\" }",
            Some(reference) => {
                return self
                    .resolve(reference)
                    .map_or("…", |target| self.example(target));
            }
            None => {}
        }
        match schema.as_object().map(types_of).unwrap_or_default().first() {
            Some(&"string") => "\"…\"",
            Some(&("integer" | "number")) => "1",
            Some(&"boolean") => "true",
            Some(&"array") => "[…]",
            Some(&"object") => "{ … }",
            _ => "…",
        }
    }
}

fn is_secret(reference: &str) -> bool {
    reference.rsplit('/').next() == Some(secret::SCHEMA_NAME)
}

fn words_of(schema: &Map<String, Value>) -> Vec<&str> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(word), _) => word.as_str().into_iter().collect(),
        (None, Some(words)) => words
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect(),
        (None, None) => Vec::new(),
    }
}

fn types_of(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(only)) => vec![only.as_str()],
        Some(Value::Array(several)) => several
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "null")
            .collect(),
        _ => Vec::new(),
    }
}

fn has_type(value: &Value, wanted: &str) -> bool {
    match wanted {
        "string" => value.is_string(),
        "integer" => value
            .as_number()
            .is_some_and(|number| number.to_string().parse::<i128>().is_ok()),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn type_for_people(name: &str) -> &str {
    match name {
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        other => other,
    }
}

fn article(value: &Value) -> &'static str {
    match value {
        Value::Null => "no usable number",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("\"{word}\""))
        .collect::<Vec<_>>()
        .join(", ")
}
