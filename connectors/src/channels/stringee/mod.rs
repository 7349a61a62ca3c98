//! Stringee: calls of the hotline, and the answer that tells Stringee whom to connect.
//!
//! A call never makes an order: it opens the caller's conversation, and a missed one asks to be
//! called back. Source: developer.stringee.com and the vendor's server samples.

mod answer;
mod event;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value;

use super::{Built, ChannelContext, ChannelEntry, plain_answer};
use crate::channel::{CallContext, Channel, Fetched, Wanted};
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeKind, PayloadError, RawWebhook, Received,
    Rejection, Verdict, VerifiedWebhook,
};
use crate::settings::{self, Secrets};
use crate::signature;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "stringee",
    build,
    schema,
    summary: "Stringee telephone: calls of the hotline, and whom they are connected to",
};

/// Settings of `connector = "stringee"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The project's signing secret: signs events and answer requests.
    pub signing_secret: Secrets,
    /// What becomes of a call from outside: a call-control document (SCCO) as JSON text, in which
    /// `{from}`, `{to}` and `{uuid}` stand for the call's own; or the phone number or the agent's
    /// user id to connect to. Left out, Stringee's answer requests get 404.
    #[serde(default)]
    pub answer: Option<String>,
    /// How long the one who is connected may let it ring, seconds.
    #[serde(default = "default_ring_s")]
    pub ring_s: u32,
}

fn default_ring_s() -> u32 {
    45
}

/// JSON Schema of the settings.
#[must_use]
pub fn schema() -> Schema {
    schema_for!(Settings)
}

/// Builds the channel.
///
/// # Errors
/// When the settings are wrong.
pub fn build(value: &Value, _context: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    let answer = answer::Answer::read(settings.answer.as_deref(), settings.ring_s)?;
    Ok(Box::new(Stringee {
        signing_secret: settings.signing_secret,
        answer,
    }))
}

/// One project.
#[derive(Debug)]
pub struct Stringee {
    signing_secret: Secrets,
    answer: answer::Answer,
}

impl Inbound for Stringee {
    /// Events are signed over the body, answer requests over path and query. An answer request
    /// waits on the line for its answer, so it is answered at once and never stored: the events of
    /// the same call tell all that it says.
    fn verify(&self, raw: &RawWebhook, _now: Timestamp) -> Verdict {
        let given = raw.header("x-stringee-signature");
        let target = raw
            .uri
            .path_and_query()
            .map_or("", |target| target.as_str());
        let signed = match raw.method {
            Method::POST => &raw.body[..],
            Method::GET => target.as_bytes(),
            _ => return Verdict::Rejected(Rejection::Malformed),
        };
        match signature::hmac_sha1_base64(&self.signing_secret, signed, given) {
            Ok(_) if raw.method == Method::GET => Verdict::Ping(self.answer.to(raw.query())),
            Ok(proof) => Verdict::Message(VerifiedWebhook::new(raw, None, proof)),
            Err(rejection) => Verdict::Rejected(rejection),
        }
    }

    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        event::dedup_key(message.body())
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        event::notice(message.body()).map(|notice| vec![notice])
    }

    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        plain_answer(received)
    }
}

impl Channel for Stringee {
    fn connector(&self) -> &'static str {
        ENTRY.name
    }

    fn fetches(&self) -> &'static [NoticeKind] {
        &[]
    }

    fn fetch(&self, _: Wanted<'_>, _: &[Bytes], _: CallContext<'_>) -> Option<Request<Bytes>> {
        None
    }

    fn read_fetch(&self, _: Wanted<'_>, _: &[Bytes], _: &Response<Bytes>) -> Fetched {
        Fetched::Refused {
            reason: "a telephone is never asked".to_owned(),
        }
    }

    fn normalize(&self, _document: &[u8]) -> Normalized {
        Err(PayloadError::new("a telephone has no order documents"))
    }
}

#[cfg(test)]
mod tests;
