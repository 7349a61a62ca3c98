//! OmiCall: calls of the hotline.
//!
//! OmiCall documents no signature. A message is let in by a token in a header or in the secret part
//! of the address, so it proves little: nothing but a conversation may come of it. Peers of the same
//! build (VoIP24h among them) send the same fields.

mod event;

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response};
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
use crate::settings::{self, Secrets, SettingsError};
use crate::signature;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "omicall",
    build,
    schema,
    summary: "OmiCall telephone: calls of the hotline (not signed)",
};

/// Settings of `connector = "omicall"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The token that every message carries, in `header` or as the last part of the address
    /// (`/webhooks/<channel>/<token>`).
    pub token: Secrets,
    /// The header with the token; `Bearer ` before it is passed over.
    #[serde(default = "default_header")]
    pub header: String,
}

fn default_header() -> String {
    "x-webhook-token".to_owned()
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
    let header = settings
        .header
        .parse()
        .map_err(|_| SettingsError::new("header", "is not a header's name"))?;
    Ok(Box::new(OmiCall {
        token: settings.token,
        header,
    }))
}

/// One tenant.
#[derive(Debug)]
pub struct OmiCall {
    token: Secrets,
    header: HeaderName,
}

impl Inbound for OmiCall {
    fn verify(&self, raw: &RawWebhook, _now: Timestamp) -> Verdict {
        if raw.method != Method::POST {
            return Verdict::Rejected(Rejection::Malformed);
        }
        let header = raw
            .header(self.header.as_str())
            .map(|value| value.strip_prefix("Bearer ").unwrap_or(value));
        match signature::token(&self.token, header.or_else(|| in_path(raw.uri.path()))) {
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

    fn weak(&self) -> bool {
        true
    }
}

/// What follows the channel's id in the address.
fn in_path(path: &str) -> Option<&str> {
    let (_, rest) = path.rsplit_once("/webhooks/")?;
    let (_, token) = rest.split_once('/')?;
    Some(token.trim_end_matches('/')).filter(|token| !token.is_empty())
}

impl Channel for OmiCall {
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
