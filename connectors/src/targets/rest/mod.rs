//! The open target contract of `docs/contract/README.md`, both directions: our calls and their
//! answers, and the callbacks of the system.

mod answer;
mod callback;
mod request;
mod schema;
mod wire;

use bytes::Bytes;
use domain::task::{Outcome, TaskBody};
use http::{HeaderValue, Request, Response, header};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

pub use schema::schemas;

use super::{Built, TargetSettings};
use crate::channel::CallContext;
use crate::channels::plain_answer;
use crate::inbound::{
    Acknowledgement, Inbound, Notice, PayloadError, RawWebhook, Received, Rejection, Verdict,
    VerifiedWebhook,
};
use crate::settings::SettingsError;
use crate::signature::standard_webhooks::{self, Keys, TOLERANCE_S};
use crate::target::{BuildError, LookedUp, Target};
use crate::url::{BaseUrl, get};

/// The kinds of targets that the contract describes.
pub const KINDS: &[&str] = &["inventory", "invoicing", "service_center"];

/// What the system does for us. Decides which tasks it takes and which callbacks it may send: the
/// key of one partner must not speak for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Inventory,
    Invoicing,
    ServiceCenter,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Invoicing => "invoicing",
            Self::ServiceCenter => "service_center",
        }
    }
}

/// Builds a target.
///
/// # Errors
/// When the kind is not one of [`KINDS`], the address is not an address, or a secret is not a
/// Standard Webhooks secret.
pub fn build(settings: &TargetSettings) -> Built {
    let kind = match settings.kind.as_str() {
        "inventory" => Kind::Inventory,
        "invoicing" => Kind::Invoicing,
        "service_center" => Kind::ServiceCenter,
        other => {
            return Err(SettingsError::new(
                "kind",
                format!(
                    "connector \"rest\" cannot be a {other} target; it can be {}",
                    KINDS.join(", ")
                ),
            ));
        }
    };
    let base =
        BaseUrl::parse(&settings.url).map_err(|message| SettingsError::new("url", message))?;
    let keys = Keys::new(&settings.secrets)
        .map_err(|error| SettingsError::new("secret", error.to_string()))?;
    Ok(Box::new(Rest { kind, base, keys }))
}

/// One system that speaks the contract.
#[derive(Debug)]
pub struct Rest {
    kind: Kind,
    base: BaseUrl,
    keys: Keys,
}

impl Rest {
    /// Adds what every call carries.
    fn seal(
        &self,
        mut request: Request<Bytes>,
        key: &str,
        now: Timestamp,
    ) -> Result<Request<Bytes>, BuildError> {
        let timestamp = now.as_second();
        let signature = self.keys.sign(key, timestamp, request.body());
        let (trace, span) = trace_context(key);
        let traceparent = format!("00-{trace}-{span}-01");
        let fields = [
            ("idempotency-key", key),
            (standard_webhooks::ID, key),
            (standard_webhooks::TIMESTAMP, &timestamp.to_string()),
            (standard_webhooks::SIGNATURE, &signature),
            ("traceparent", &traceparent),
        ];
        for (name, value) in fields {
            let value = HeaderValue::from_str(value).map_err(|_| BuildError {
                what: format!("{name} cannot be sent as a header"),
            })?;
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }

    fn uri(&self, path: &str) -> Result<http::Uri, BuildError> {
        self.base.join(path).ok_or_else(|| BuildError {
            what: "the address is too long".to_owned(),
        })
    }
}

/// W3C trace context made of the idempotency key: every try of one effect belongs to one trace,
/// after a restart too. All zeros would be invalid; no key is known to hash to that.
fn trace_context(key: &str) -> (String, String) {
    let digest = hex::encode(Sha256::digest(key.as_bytes()));
    let (trace, rest) = digest.split_at(32);
    let (span, _) = rest.split_at(16);
    (trace.to_owned(), span.to_owned())
}

impl Inbound for Rest {
    fn verify(&self, raw: &RawWebhook, now: Timestamp) -> Verdict {
        if raw.method != http::Method::POST {
            return Verdict::Rejected(Rejection::Malformed);
        }
        match self.keys.verify(raw, now, TOLERANCE_S) {
            Ok(proof) => {
                let id = raw.header(standard_webhooks::ID).map(str::to_owned);
                Verdict::Message(VerifiedWebhook::new(raw, id, proof))
            }
            Err(rejection) => Verdict::Rejected(rejection),
        }
    }

    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        callback::dedup_key(message)
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        callback::notice(self.kind, message.body()).map(|notice| vec![notice])
    }

    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        plain_answer(received)
    }
}

impl Target for Rest {
    fn connector(&self) -> &'static str {
        "rest"
    }

    fn request(
        &self,
        body: &TaskBody,
        key: &str,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let able = request::kind(body);
        if able != Some(self.kind) {
            return Err(BuildError {
                what: format!(
                    "{} is for {}, and this is a target for {}",
                    body.op(),
                    able.map_or("channels", Kind::as_str),
                    self.kind.as_str()
                ),
            });
        }
        let planned = request::plan(body)?;
        let has_body = planned.body.is_some();
        let mut request = Request::new(planned.body.unwrap_or_default());
        *request.method_mut() = planned.method;
        *request.uri_mut() = self.uri(&planned.path)?;
        if has_body {
            request.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
        }
        self.seal(request, key, call.now)
    }

    fn read(&self, body: &TaskBody, response: &Response<Bytes>) -> Outcome {
        answer::read(body, response)
    }

    fn lookup(&self, body: &TaskBody, key: &str, call: CallContext<'_>) -> Option<Request<Bytes>> {
        let uri = self.uri(&request::stored(body).ok()?).ok()?;
        self.seal(get(uri), key, call.now).ok()
    }

    fn read_lookup(&self, body: &TaskBody, response: &Response<Bytes>) -> LookedUp {
        answer::read_lookup(body, response)
    }
}

#[cfg(test)]
mod tests;
