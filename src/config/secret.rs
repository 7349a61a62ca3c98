//! Secrets are named in the files and never written there: `{ env = "NAME" }` or
//! `{ file = "PATH" }`, or a list of two while one replaces the other.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

/// The name under which the schema of a secret stands among the definitions.
pub(super) const SCHEMA_NAME: &str = "Secret";

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Place {
    /// An environment variable.
    Env {
        /// Name of the variable.
        env: String,
    },
    /// A file; a relative path is taken from the folder of the configuration.
    File {
        /// Path of the file. One line break at its end is not part of the secret.
        file: PathBuf,
    },
}

/// One secret: where its text is, once or, while it is being replaced, twice (the new one first).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Written {
    /// The usual case.
    One(Place),
    /// While rotating: the first one signs, both are accepted.
    Two(Vec<Place>),
}

impl Written {
    /// The places in order.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        match self {
            Self::One(place) => std::slice::from_ref(place),
            Self::Two(places) => places,
        }
    }

    /// Reads a JSON value that has the form of a secret; `None` if it has another form.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let is_place = |value: &Value| {
            value.as_object().is_some_and(|table| {
                table.len() == 1
                    && ["env", "file"]
                        .iter()
                        .any(|key| table.get(*key).is_some_and(Value::is_string))
            })
        };
        let has_form = match value {
            Value::Array(items) => (1..=2).contains(&items.len()) && items.iter().all(is_place),
            other => is_place(other),
        };
        has_form
            .then(|| serde_json::from_value(value.clone()).ok())
            .flatten()
    }
}

impl JsonSchema for Written {
    fn schema_name() -> Cow<'static, str> {
        SCHEMA_NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema()
    }
}

/// The JSON Schema of a secret, wherever one is expected.
pub(super) fn schema() -> Schema {
    let place = serde_json::json!({
        "oneOf": [
            { "type": "object", "properties": { "env": { "type": "string", "description": "Name of an environment variable.", "minLength": 1 } },
              "required": ["env"], "additionalProperties": false },
            { "type": "object", "properties": { "file": { "type": "string", "description": "Path of a file that holds the secret.", "minLength": 1 } },
              "required": ["file"], "additionalProperties": false }
        ]
    });
    json_schema!({
        "description": "Where a secret is kept; never the secret itself. A list of two while it is being replaced, the new one first.",
        "anyOf": [place, { "type": "array", "items": place, "minItems": 1, "maxItems": 2 }]
    })
}

/// Why a secret cannot be had. Never holds any of its text.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The variable is not set or not text.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The variable or file is empty.
    #[error("{0} is empty")]
    Empty(String),
    /// The file cannot be read.
    #[error("could not read the secret file {path}: {kind}")]
    Unreadable {
        /// The path as written.
        path: String,
        /// The system's reason.
        kind: std::io::ErrorKind,
    },
}

/// Reads secrets: variables through an injected look-up, files below the configuration's folder.
pub struct Resolver<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    dir: &'a Path,
}

impl<'a> Resolver<'a> {
    /// `env` answers for a variable's name; `dir` is where relative paths start.
    #[must_use]
    pub fn new(env: &'a dyn Fn(&str) -> Option<String>, dir: &'a Path) -> Self {
        Self { env, dir }
    }

    /// The text of one place.
    ///
    /// # Errors
    /// When the variable is unset, the file unreadable, or the text empty.
    pub fn resolve(&self, place: &Place) -> Result<SecretString, Error> {
        match place {
            Place::Env { env } => match (self.env)(env) {
                None => Err(Error::Unset(env.clone())),
                Some(text) if text.is_empty() => {
                    Err(Error::Empty(format!("the environment variable {env}")))
                }
                Some(text) => Ok(text.into()),
            },
            Place::File { file } => {
                let shown = file.display().to_string();
                let text = std::fs::read_to_string(self.dir.join(file)).map_err(|error| {
                    Error::Unreadable {
                        path: shown.clone(),
                        kind: error.kind(),
                    }
                })?;
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                if text.is_empty() {
                    return Err(Error::Empty(format!("the secret file {shown}")));
                }
                Ok(text.into())
            }
        }
    }
}
