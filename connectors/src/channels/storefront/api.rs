//! Answers of the shops' REST APIs, sorted.

use bytes::Bytes;
use domain::task::{Given, Outcome};
use http::Response;
use serde_json::Value;

use crate::channel::{Fetched, Polled};
use crate::feedback::Step;
use crate::url;

/// An answer, sorted.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::channels) enum Answer {
    Good,
    NotFound,
    Retry {
        after_s: Option<u64>,
        reason: String,
    },
    Account {
        reason: String,
    },
    Refused {
        status: u16,
        reason: String,
    },
}

/// Errors of Shopify, Haravan and Sapo: `{"errors": …}`, `{"error": …}` or `{"data_error": …}` with
/// a fitting HTTP status. 401, 402 (shop unpaid), 403 and 423 (shop locked) need a person, 429 and
/// Shopify's 430 pass, as do 409 and 5xx. A 200 that is not JSON is a maintenance page or a
/// firewall.
pub(in crate::channels) fn judge(response: &Response<Bytes>) -> Answer {
    let status = response.status().as_u16();
    let body = response.body();
    let document = serde_json::from_slice::<Value>(body).ok();
    let said = document.as_ref().map(errors).unwrap_or_default();
    let reason = format!("{status} {said}").trim_end().to_owned();
    match status {
        // Sapo answers some actions with nothing at all.
        200..=204 if document.is_some() || body.is_empty() => Answer::Good,
        200..=299 => Answer::Retry {
            after_s: None,
            reason: format!("{status} without JSON"),
        },
        401 | 402 | 403 | 423 => Answer::Account { reason },
        // A shop that is closed answers for everything.
        404 if said.contains("unavailable shop") => Answer::Account { reason },
        404 if document.is_some() => Answer::NotFound,
        404 => Answer::Account {
            reason: "404 without JSON: no shop there".to_owned(),
        },
        408 | 409 | 425 | 429 | 430 | 500..=599 => Answer::Retry {
            after_s: url::retry_after_s(response.headers()),
            reason,
        },
        _ => Answer::Refused { status, reason },
    }
}

/// Field names or words of an error, without digits, so that no phone number or id is repeated.
fn errors(document: &Value) -> String {
    let said = ["errors", "error", "data_error"]
        .iter()
        .find_map(|key| document.get(key))
        .unwrap_or(&Value::Null);
    let said = said.get("errors").or(said.get("message")).unwrap_or(said);
    match said {
        Value::String(text) => words(text),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .take(3)
            .map(words)
            .collect::<Vec<_>>()
            .join("; "),
        Value::Object(fields) => fields
            .iter()
            .take(3)
            .map(|(field, said)| {
                let said = said
                    .as_str()
                    .or_else(|| said.get(0)?.as_str())
                    .unwrap_or("");
                format!("{} {}", words(field), words(said))
                    .trim()
                    .to_owned()
            })
            .collect::<Vec<_>>()
            .join("; "),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

fn words(text: &str) -> String {
    text.to_lowercase()
        .chars()
        .filter(|c| c.is_alphabetic() || matches!(c, ' ' | '_' | '.'))
        .take(80)
        .collect()
}

impl Answer {
    /// What it means for a fetch; an order that the shop does not have any more is gone.
    pub(in crate::channels) fn fetched(self, response: &Response<Bytes>) -> Fetched {
        match self {
            Self::Good if response.body().is_empty() => Fetched::Retry {
                after_s: None,
                reason: "an empty answer".to_owned(),
            },
            Self::Good => Fetched::Document(response.body().clone()),
            Self::NotFound => Fetched::Gone,
            Self::Retry { after_s, reason } => Fetched::Retry { after_s, reason },
            Self::Account { reason } => Fetched::Account { reason },
            Self::Refused { reason, .. } => Fetched::Refused { reason },
        }
    }

    /// What it means for a poll; `None` where it is good.
    pub(in crate::channels) fn polled(self) -> Option<Polled> {
        match self {
            Self::Good => None,
            Self::NotFound => Some(Polled::Account {
                reason: "no such call there".to_owned(),
            }),
            Self::Retry { after_s, reason } => Some(Polled::Retry { after_s, reason }),
            Self::Account { reason } => Some(Polled::Account { reason }),
            Self::Refused { reason, .. } => Some(Polled::Refused { reason }),
        }
    }

    /// What it means for what we tell the shop; `None` where it is good.
    pub(in crate::channels) fn failed(self) -> Option<Step> {
        let outcome = match self {
            Self::Good => return None,
            Self::NotFound => Outcome::Refused {
                code: "not_found".to_owned(),
                message: "the shop does not have it".to_owned(),
            },
            Self::Retry { after_s, reason } => Outcome::Retry { after_s, reason },
            Self::Account { reason } => Outcome::Account { reason },
            Self::Refused { status, reason } => Outcome::Refused {
                code: status.to_string(),
                message: reason,
            },
        };
        Some(Step::Done(outcome))
    }
}

/// Done now.
pub(in crate::channels) fn accepted(given: Given) -> Step {
    Step::Done(Outcome::Accepted { given })
}

/// Done before.
pub(in crate::channels) fn duplicate() -> Step {
    Step::Done(Outcome::Duplicate {
        given: Given::default(),
    })
}

/// A business refusal.
pub(in crate::channels) fn refused(code: &str, message: &str) -> Step {
    Step::Done(Outcome::Refused {
        code: code.to_owned(),
        message: message.to_owned(),
    })
}

/// An answer that is good but not of the vendor's form: it may be whole the next time.
pub(in crate::channels) fn unreadable(what: &str) -> Step {
    Step::Done(Outcome::Retry {
        after_s: None,
        reason: format!("the answer has no {what}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let mut response = Response::new(Bytes::copy_from_slice(body.as_bytes()));
        *response.status_mut() = status.try_into().unwrap();
        judge(&response)
    }

    #[test]
    fn a_closed_shop_is_not_a_deleted_order() {
        assert_eq!(answer(404, r#"{"errors":"Not Found"}"#), Answer::NotFound);
        for body in [r#"{"errors":"Unavailable Shop"}"#, "<html>"] {
            assert!(
                matches!(answer(404, body), Answer::Account { .. }),
                "{body}"
            );
        }
    }

    #[test]
    fn an_error_is_told_without_its_numbers() {
        let said = answer(422, r#"{"errors":{"phone":["0901234567 is invalid"]}}"#);
        let Answer::Refused { reason, .. } = said else {
            panic!("{said:?}");
        };
        assert_eq!(reason, "422 phone  is invalid");
    }
}
