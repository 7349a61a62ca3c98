//! Kind C: Standard Webhooks 1.0, for the website, for targets and for what we send ourselves.
//! Source: the specification and its libraries (npm 1.1.1, PyPI 1.1.0).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretSlice};

use super::{HmacSha256, accept, fed, fresh, mac_holds};
use crate::inbound::{Proof, RawWebhook, Rejection};
use crate::settings::Secrets;

/// The tolerance of the reference libraries, seconds, inclusive both ways.
pub const TOLERANCE_S: i64 = 300;

/// Header: the message's id, the same for all attempts.
pub const ID: &str = "webhook-id";
/// Header: unix seconds of this attempt.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// Header: space-separated list of `version,signature`.
pub const SIGNATURE: &str = "webhook-signature";

/// A secret is not `whsec_` + base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a Standard Webhooks secret is `whsec_` followed by base64")]
pub struct InvalidSecret;

/// Decoded keys, the one to sign with first.
#[derive(Debug, Clone)]
pub struct Keys(Vec<SecretSlice<u8>>);

impl Keys {
    /// Decodes every secret; the prefix `whsec_` may be missing, as in the libraries.
    ///
    /// # Errors
    /// When one is not base64 or decodes to nothing.
    pub fn new(secrets: &Secrets) -> Result<Self, InvalidSecret> {
        let decode = |text: &str| {
            let text = text.strip_prefix("whsec_").unwrap_or(text);
            match STANDARD.decode(text) {
                Ok(key) if !key.is_empty() => Ok(SecretSlice::from(key)),
                Ok(_) | Err(_) => Err(InvalidSecret),
            }
        };
        let keys: Result<Vec<_>, _> = secrets
            .all()
            .iter()
            .map(|secret| decode(secret.expose_secret()))
            .collect();
        keys.map(Self)
    }

    /// Checks the three headers over the raw body. Every entry of the list is tried and unknown
    /// versions are passed over; any match is enough.
    ///
    /// # Errors
    /// Missing or malformed headers, a signed time more than `tolerance_s` from `now`, or no match.
    pub fn verify(
        &self,
        raw: &RawWebhook,
        now: Timestamp,
        tolerance_s: i64,
    ) -> Result<Proof, Rejection> {
        let header = |name| {
            raw.header(name)
                .filter(|value| !value.is_empty())
                .ok_or(Rejection::MissingSignature)
        };
        let (id, timestamp, list) = (header(ID)?, header(TIMESTAMP)?, header(SIGNATURE)?);
        let tags: Vec<Vec<u8>> = list
            .split(' ')
            .filter_map(|entry| entry.strip_prefix("v1,"))
            .filter_map(|tag| STANDARD.decode(tag).ok())
            .collect();
        if tags.is_empty() {
            return Err(Rejection::MalformedSignature);
        }
        let signed = parts(id, timestamp, &raw.body);
        let holds = self.0.iter().any(|key| {
            tags.iter()
                .any(|tag| mac_holds::<HmacSha256>(key.expose_secret(), &signed, tag))
        });
        // The window is judged only for messages that are ours, so that a stale time is never
        // reported for a forged one.
        let proof = accept(holds)?;
        fresh(timestamp, now, tolerance_s)?;
        Ok(proof)
    }

    /// The value of `webhook-signature` for a message of ours: one entry per key, so that the
    /// receiver can rotate too.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let timestamp = timestamp_s.to_string();
        let signed = parts(id, &timestamp, body);
        let entries: Vec<String> = self
            .0
            .iter()
            .map(|key| {
                let tag = fed::<HmacSha256>(key.expose_secret(), &signed).finalize();
                format!("v1,{}", STANDARD.encode(tag.into_bytes()))
            })
            .collect();
        entries.join(" ")
    }
}

fn parts<'a>(id: &'a str, timestamp: &'a str, body: &'a [u8]) -> [&'a [u8]; 5] {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body]
}
