//! Calls to Tiki and what their answers mean: plain HTTP, errors as `{"errors": ["text"]}`.

use bytes::Bytes;
use domain::task::Outcome;
use http::{HeaderValue, Method, Request, Response, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::Tiki;
use crate::channel::{CallContext, Fetched};
use crate::feedback::Step;
use crate::payload;
use crate::target::BuildError;
use crate::url;

/// Histories tell how far a cancelled order had come.
const INCLUDE: &str = "include=status_histories%2Citems.fees";

impl Tiki {
    /// A call with the access token. Without one it is made all the same: the vendor's answer then
    /// starts a refresh.
    pub(super) fn call(
        &self,
        method: Method,
        path_and_query: &str,
        body: Option<&Value>,
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        let uri = self.settings.base_url.join(path_and_query)?;
        let mut request = match body {
            Some(body) => url::post_json(uri, body),
            None => url::get(uri),
        };
        *request.method_mut() = method;
        if let Some(value) = call.access_token.and_then(bearer) {
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        Some(request)
    }

    /// As [`Tiki::call`], for what goes out by the outbox.
    pub(super) fn build(
        &self,
        method: Method,
        path_and_query: &str,
        body: Option<&Value>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        self.call(method, path_and_query, body, call)
            .ok_or_else(|| BuildError {
                what: "the address of the call is too long".to_owned(),
            })
    }

    /// The order's own document.
    pub(super) fn order(&self, code: &str, call: CallContext<'_>) -> Option<Request<Bytes>> {
        let path = order_path(code).ok()?;
        self.call(Method::GET, &format!("{path}?{INCLUDE}"), None, call)
    }
}

/// `/integration/v2/orders/{code}`.
pub(super) fn order_path(code: &str) -> Result<String, BuildError> {
    let code =
        payload::external_id(code, "code").map_err(|error| BuildError { what: error.what })?;
    Ok(format!("/integration/v2/orders/{}", url::encode(&code)))
}

fn bearer(token: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// An answer, sorted by its status.
pub(super) enum Answer {
    Good(Value),
    NotFound,
    TokenExpired,
    Retry {
        after_s: Option<u64>,
        reason: String,
    },
    Account {
        reason: String,
    },
    Refused {
        reason: String,
    },
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Option<Vec<Value>>,
}

pub(super) fn judge(response: &Response<Bytes>) -> Answer {
    let status = response.status();
    let document = serde_json::from_slice::<Value>(response.body()).ok();
    let said = document.as_ref().and_then(first_error);
    if status.is_success() {
        return match (document, said) {
            (Some(document), None) => Answer::Good(document),
            (_, Some(said)) => Answer::Refused {
                reason: format!("{} {said}", status.as_u16()),
            },
            // A 2xx that is not the vendor's JSON is a page of something in between.
            (None, None) => Answer::Retry {
                after_s: url::retry_after_s(response.headers()),
                reason: format!("{} without JSON", status.as_u16()),
            },
        };
    }
    let reason = format!("{} {}", status.as_u16(), said.unwrap_or_default())
        .trim_end()
        .to_owned();
    match status.as_u16() {
        401 => Answer::TokenExpired,
        403 => Answer::Account { reason },
        404 => Answer::NotFound,
        408 | 429 | 500..=599 => Answer::Retry {
            after_s: url::retry_after_s(response.headers()),
            reason,
        },
        _ => Answer::Refused { reason },
    }
}

fn first_error(document: &Value) -> Option<String> {
    let errors = Errors::deserialize(document).ok()?.errors?;
    let first = errors.first()?;
    Some(payload::sentence(first.as_str().unwrap_or("no text")))
}

pub(super) fn read_order(response: &Response<Bytes>) -> Fetched {
    match judge(response) {
        Answer::Good(document) if document.get("code").is_some() => {
            Fetched::Document(response.body().clone())
        }
        Answer::Good(_) | Answer::NotFound => Fetched::NotFound,
        Answer::TokenExpired => Fetched::TokenExpired,
        Answer::Retry { after_s, reason } => Fetched::Retry { after_s, reason },
        Answer::Account { reason } => Fetched::Account { reason },
        Answer::Refused { reason } => Fetched::Refused { reason },
    }
}

/// A good answer, or what any other comes to for an intention of the outbox.
pub(super) fn good(response: &Response<Bytes>) -> Result<Value, Box<Step>> {
    Err(Box::new(match judge(response) {
        Answer::Good(document) => return Ok(document),
        Answer::TokenExpired => Step::TokenExpired,
        Answer::NotFound => refused("not_found", "Tiki does not know it"),
        Answer::Retry { after_s, reason } => Step::Done(Outcome::Retry { after_s, reason }),
        Answer::Account { reason } => Step::Done(Outcome::Account { reason }),
        Answer::Refused { reason } => refused("refused", &reason),
    }))
}

pub(super) fn refused(code: &str, message: &str) -> Step {
    Step::Done(Outcome::Refused {
        code: code.to_owned(),
        message: message.to_owned(),
    })
}
