//! Reading a connector's settings: typed, strict about unknown keys, and careful with secrets.
//!
//! The shell resolves `{ env = … }` and `{ file = … }` before a connector sees its settings; what
//! arrives here in their place is `{"$secret": ["value", …]}`. A secret typed into the TOML text
//! is therefore never of the right shape, and is refused with a hint.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Why settings were refused. Names the place and the expectation, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("settings are wrong at `{path}`: {message}")]
pub struct SettingsError {
    /// Dotted path within the connector's settings; `.` for the whole.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl SettingsError {
    /// For checks that span fields or that serde cannot express.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

/// Reads a connector's settings from the resolved TOML value.
///
/// # Errors
/// The path of the first wrong field and what is wrong with it.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, SettingsError> {
    serde_path_to_error::deserialize(value).map_err(|error| SettingsError {
        path: error.path().to_string(),
        message: error.inner().to_string(),
    })
}

/// A secret in force, and while rotating a second one. Never empty, never shown.
///
/// The first is the one to sign with; a check accepts any of them.
#[derive(Clone)]
pub struct Secrets(Vec<SecretString>);

/// What users see when a secret is not written as it must be.
const FORM: &str = "a secret must be { env = \"NAME\" } or { file = \"PATH\" }";

/// The key under which the shell puts resolved secrets.
const RESOLVED: &str = "$secret";

impl Secrets {
    /// From one value, for accounts whose secret does not come from settings and for tests.
    /// `None` when it is empty: an empty key would verify what anybody signs.
    #[must_use]
    pub fn one(value: impl Into<String>) -> Option<Self> {
        Self::from_values(vec![value.into()])
    }

    fn from_values(values: Vec<String>) -> Option<Self> {
        if values.is_empty() || values.len() > 2 || values.iter().any(String::is_empty) {
            return None;
        }
        Some(Self(values.into_iter().map(SecretString::from).collect()))
    }

    /// The one to sign and call with.
    #[must_use]
    pub fn primary(&self) -> &SecretString {
        self.0
            .first()
            .expect("invariant: a list of secrets is never empty")
    }

    /// All that a check may accept, the primary first.
    #[must_use]
    pub fn all(&self) -> &[SecretString] {
        &self.0
    }

    /// The bytes of each secret, for keyed hashes.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|s| s.expose_secret().as_bytes())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} hidden)", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Read whole and judged afterwards: an error of a derived shape would quote what stood
        // there, and that may be the secret itself.
        let value = Value::deserialize(deserializer).map_err(|_| D::Error::custom(FORM))?;
        let values = resolved(&value).ok_or_else(|| D::Error::custom(FORM))?;
        Self::from_values(values)
            .ok_or_else(|| D::Error::custom("a secret must not be empty, and at most two rotate"))
    }
}

fn resolved(value: &Value) -> Option<Vec<String>> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    let values = map.get(RESOLVED)?.as_array()?;
    values
        .iter()
        .map(|value| value.as_str().map(str::to_owned))
        .collect()
}

/// The schema shows what people write, not what the shell resolves it to.
impl JsonSchema for Secrets {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let env = serde_json::json!({
            "type": "object",
            "properties": { "env": { "type": "string", "minLength": 1 } },
            "required": ["env"],
            "additionalProperties": false
        });
        let file = serde_json::json!({
            "type": "object",
            "properties": { "file": { "type": "string", "minLength": 1 } },
            "required": ["file"],
            "additionalProperties": false
        });
        json_schema!({
            "description": "A secret from the environment or a file; a list of two while rotating.",
            "oneOf": [
                env,
                file,
                { "type": "array", "items": { "oneOf": [env, file] }, "minItems": 1, "maxItems": 2 }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        secret: Secrets,
    }

    fn secret_error(value: Value) -> SettingsError {
        read::<Sample>(&json!({ "secret": value })).unwrap_err()
    }

    #[test]
    fn one_or_two_resolved_values_are_taken_in_order() {
        let one = read::<Sample>(&json!({"secret": {"$secret": ["a"]}})).unwrap();
        assert_eq!(one.secret.primary().expose_secret(), "a");
        let two = read::<Sample>(&json!({"secret": {"$secret": ["new", "old"]}})).unwrap();
        assert_eq!(two.secret.primary().expose_secret(), "new");
        assert_eq!(two.secret.all().len(), 2);
    }

    #[test]
    fn a_secret_in_plain_text_is_refused_without_repeating_it() {
        for wrong in [
            json!("hunter2"),
            json!(["hunter2"]),
            json!({"env": "HUNTER2"}),
            json!({"$secret": "hunter2"}),
            json!({"$secret": ["a"], "more": 1}),
            json!(7),
            json!(7.5),
            json!(true),
            json!(null),
        ] {
            let error = secret_error(wrong);
            assert_eq!(error.path, "secret");
            assert!(error.message.starts_with(FORM), "{error}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn an_empty_secret_is_refused() {
        for wrong in [
            json!([]),
            json!([""]),
            json!(["a", ""]),
            json!(["a", "b", "c"]),
        ] {
            let error = secret_error(json!({ "$secret": wrong }));
            assert!(error.message.contains("must not be empty"), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error =
            read::<Sample>(&json!({"secret": {"$secret": ["a"]}, "secrte": 1})).unwrap_err();
        assert!(error.message.contains("secrte"), "{error}");
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let secrets = Secrets::one("hunter2").unwrap();
        assert_eq!(format!("{secrets:?}"), "Secrets(1 hidden)");
    }
}
