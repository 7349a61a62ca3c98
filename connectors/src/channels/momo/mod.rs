//! MoMo's wallet, payment API v2: signed IPNs, status queries, refunds.
//!
//! The signature covers a fixed list of fields with the access key in front, which is not in the
//! body. MoMo wants 204 within 15 seconds, and whether it repeats an IPN is not documented: the
//! query is the net. The older API's scripts sign another field order; only this one is current.
//! Source: developers.momo.vn, momo-wallet/payment.

mod ipn;
mod query;
mod refund;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value;

use self::ipn::Ipn;
use super::{Built, ChannelContext, ChannelEntry, provider};
use crate::channel::{CallContext, Channel, Fetched, Wanted};
use crate::feedback::{Feedback, Payments};
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeKind, PayloadError, PaymentState,
    RawWebhook, Received, Rejection, Verdict, VerifiedWebhook,
};
use crate::payload;
use crate::settings::{self, Secrets, SettingsError};
use crate::signature;
use crate::url::BaseUrl;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "momo",
    build,
    schema,
    summary: "MoMo: payments reported by IPN, asked for, and refunded",
};

/// Settings of `connector = "momo"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The partner's code.
    partner_code: String,
    /// Part of what is signed, never sent.
    access_key: Secrets,
    /// Signs messages and calls.
    secret_key: Secrets,
    /// The API's address.
    #[serde(default = "base_url")]
    #[schemars(default = "base_url_text")]
    base_url: BaseUrl,
    /// Result codes after which the same call may work later.
    #[serde(default = "retry_codes")]
    retry_codes: Vec<i64>,
}

const HOST: &str = "https://payment.momo.vn";

fn base_url() -> BaseUrl {
    BaseUrl::parse(HOST).expect("invariant: the vendor's host is an address")
}

fn base_url_text() -> &'static str {
    HOST
}

/// Maintenance, access for the moment denied, the order is being worked on, internal errors.
fn retry_codes() -> Vec<i64> {
    vec![10, 11, 43, 98, 99]
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    if settings.partner_code.is_empty() {
        return Err(SettingsError::new("partner_code", "must not be empty"));
    }
    Ok(Box::new(Momo(settings)))
}

/// One partner account.
#[derive(Debug)]
struct Momo(Settings);

/// What MoMo's codes say of a payment.
fn state_of(result_code: i64) -> PaymentState {
    match result_code {
        0 => PaymentState::Paid,
        9000 => PaymentState::Authorized,
        1000 | 7000 | 7002 => PaymentState::Pending,
        _ => PaymentState::Failed,
    }
}

impl Momo {
    /// The signature of a call over `fields`, sorted by name as every v2 call is, with the access
    /// key among them.
    fn sign(&self, fields: &[(&str, &str)]) -> String {
        use secrecy::ExposeSecret as _;
        let access_key = self.0.access_key.primary().expose_secret();
        let mut pairs: Vec<(&str, &str)> = vec![("accessKey", access_key)];
        pairs.extend(fields);
        pairs.sort_unstable();
        let base: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        signature::hmac_sha256_hex_of(self.0.secret_key.primary(), &[base.join("&").as_bytes()])
    }

    fn post(&self, path: &str, body: &Value) -> Request<Bytes> {
        let uri = self.0.base_url.join(path);
        let uri = uri.expect("invariant: the base address is checked and the path is constant");
        crate::url::post_json(uri, body)
    }
}

impl Inbound for Momo {
    fn verify(&self, raw: &RawWebhook, _: Timestamp) -> Verdict {
        if raw.method != Method::POST {
            return Verdict::Rejected(Rejection::Malformed);
        }
        let Ok(ipn) = payload::read::<Ipn>(&raw.body) else {
            return Verdict::Rejected(Rejection::Malformed);
        };
        let proof = match ipn.verify(&self.0.access_key, &self.0.secret_key) {
            Ok(proof) => proof,
            Err(rejection) => return Verdict::Rejected(rejection),
        };
        // One key may sign for several partner codes; another one's money is not ours.
        if ipn.partner_code() != self.0.partner_code {
            return Verdict::Rejected(Rejection::Malformed);
        }
        Verdict::Message(VerifiedWebhook::new(raw, None, proof))
    }

    /// `(orderId, transId, resultCode)`.
    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        if provider::is_answer(message) {
            return provider::answer_key(message);
        }
        payload::read::<Ipn>(message.body())
            .ok()
            .and_then(|ipn| ipn.key())
            .unwrap_or_else(|| format!("body:{}", payload::digest(message.body())))
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        if provider::is_answer(message) {
            return provider::read_answer(message);
        }
        let ipn: Ipn = payload::read(message.body())?;
        Ok(vec![provider::notice(ipn.payment()?)])
    }

    /// Fifteen seconds; older documents say thirty.
    fn ack_within(&self) -> Option<Duration> {
        Some(Duration::from_secs(15))
    }

    /// There is no answer that says that an order is unknown or its amount another: the money has
    /// moved, so it is recorded whatever it is, and a difference holds the order.
    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        Acknowledgement::empty(match received {
            Received::Stored(_) | Received::Duplicate(_) => StatusCode::NO_CONTENT,
            Received::Rejected(_) => StatusCode::UNAUTHORIZED,
            Received::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        })
    }
}

impl Channel for Momo {
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
            reason: "MoMo has no order documents".to_owned(),
        }
    }

    fn normalize(&self, _: &[u8]) -> Normalized {
        Err(PayloadError::new("MoMo has no order documents"))
    }

    fn payments(&self) -> Option<&dyn Payments> {
        Some(self)
    }

    fn feedback(&self) -> Option<&dyn Feedback> {
        Some(self)
    }
}
