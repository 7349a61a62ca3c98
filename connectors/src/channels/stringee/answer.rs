//! The call-control document (SCCO) that an answer request gets.
//!
//! Stringee waits for it while the caller hears silence. Its `connect` action is as in the vendor's
//! samples (`answer_url-from_external.php`, `answer_url-from_internal.php`).

use bytes::Bytes;
use domain::phone::{Parsed, Phone};
use http::StatusCode;
use serde_json::{Value, json};

use crate::form;
use crate::inbound::Acknowledgement;
use crate::settings::SettingsError;

/// What calls are answered with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// Nothing is configured.
    Nothing,
    /// This document, with the call's own numbers put in.
    Document(Value, u32),
    /// Connect to a phone outside, digits without plus.
    Phone(String, u32),
    /// Connect to an agent's application.
    Agent(String, u32),
}

/// The call that waits.
struct Waiting {
    from: String,
    to: String,
    uuid: String,
    /// One of our agents began it.
    internal: bool,
}

impl Answer {
    /// Reads the setting.
    pub(super) fn read(text: Option<&str>, ring_s: u32) -> Result<Self, SettingsError> {
        let Some(text) = text.map(str::trim) else {
            return Ok(Self::Nothing);
        };
        let wrong = |message: &str| Err(SettingsError::new("answer", message));
        if text.starts_with(['[', '{']) {
            let document: Value = match serde_json::from_str(text) {
                Ok(document) => document,
                Err(_) => return wrong("is not JSON"),
            };
            let actions = document.as_array().filter(|actions| !actions.is_empty());
            let named = |action: &Value| action.get("action").is_some_and(Value::is_string);
            return if actions.is_some_and(|actions| actions.iter().all(named)) {
                Ok(Self::Document(document, ring_s))
            } else {
                wrong("must be a list of actions, each with its `action`")
            };
        }
        if let Parsed::Valid(phone) = Phone::parse(text) {
            return Ok(Self::Phone(digits(&phone), ring_s));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
        if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
            return wrong("must be a call-control document, a phone number or an agent's user id");
        }
        Ok(Self::Agent(text.to_owned(), ring_s))
    }

    /// The answer to a verified request with this query.
    pub(super) fn to(&self, query: &str) -> Acknowledgement {
        let call = Waiting::of(query);
        let document = match self {
            Self::Nothing => return Acknowledgement::empty(StatusCode::NOT_FOUND),
            // An agent who dials out is connected to what was dialled, whatever callers get.
            Self::Document(_, ring_s) | Self::Phone(_, ring_s) | Self::Agent(_, ring_s)
                if call.internal =>
            {
                let kind = match Phone::parse(&call.to) {
                    Parsed::Valid(_) => "external",
                    Parsed::Masked | Parsed::Invalid => "internal",
                };
                let to = json!({"type": kind, "number": call.to, "alias": call.to});
                connect("internal", &call.from, to, *ring_s)
            }
            Self::Document(document, _) => call.put_into(document),
            // The network shows a number of ours to the phone outside: we may send no other.
            Self::Phone(number, ring_s) => {
                let to = json!({"type": "external", "number": number, "alias": number});
                connect("external", &call.to, to, *ring_s)
            }
            Self::Agent(agent, ring_s) => {
                let to = json!({"type": "internal", "number": agent, "alias": call.to});
                connect("external", &call.from, to, *ring_s)
            }
        };
        Acknowledgement {
            status: StatusCode::OK,
            content_type: Some("application/json"),
            body: Bytes::from(document.to_string()),
        }
    }
}

fn connect(from: &str, number: &str, to: Value, ring_s: u32) -> Value {
    json!([{
        "action": "connect",
        "from": {"type": from, "number": number, "alias": number},
        "to": to,
        "timeout": ring_s,
        "maxConnectTime": -1,
        "peerToPeerCall": false,
    }])
}

/// Stringee writes numbers as `84…`.
fn digits(phone: &Phone) -> String {
    phone.as_str().trim_start_matches('+').to_owned()
}

impl Waiting {
    fn of(query: &str) -> Self {
        let pairs = form::pairs(query);
        let field = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| key == name)
                .map_or_else(String::new, |(_, value)| value.clone())
        };
        Self {
            from: field("from"),
            to: field("to"),
            uuid: field("uuid"),
            internal: field("fromInternal") == "true",
        }
    }

    /// Puts the call's own words into every text of the document. They are put into texts that are
    /// read already, so a number can never become another action.
    fn put_into(&self, document: &Value) -> Value {
        match document {
            Value::String(text) => Value::String(
                text.replace("{from}", &self.from)
                    .replace("{to}", &self.to)
                    .replace("{uuid}", &self.uuid),
            ),
            Value::Array(items) => items.iter().map(|item| self.put_into(item)).collect(),
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), self.put_into(value)))
                    .collect(),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => document.clone(),
        }
    }
}
