//! ZaloPay: callbacks of paid orders, status queries, refunds.
//!
//! Only success is called back, and called at most three times more: failures and lost calls are
//! asked for. The signature covers the inner text `data` exactly as it came. Our reference stands
//! behind the day that every `app_trans_id` begins with.
//! Source: docs.zalopay.vn, zalopay-oss/zalopay-nodejs.

mod callback;
mod query;
mod refund;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value;

use self::callback::Envelope;
use super::{Built, ChannelContext, ChannelEntry, provider};
use crate::channel::{CallContext, Channel, Fetched, Wanted};
use crate::feedback::{Feedback, Payments};
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeKind, PayloadError, RawWebhook, Received,
    Rejection, Verdict, VerifiedWebhook,
};
use crate::payload;
use crate::settings::{self, Secrets};
use crate::signature;
use crate::url::BaseUrl;

const OK: &str = r#"{"return_code":1,"return_message":"success"}"#;
const ALREADY: &str = r#"{"return_code":2,"return_message":"already processed"}"#;
const AGAIN: &str = r#"{"return_code":0,"return_message":"try again"}"#;
const BAD_MAC: &str = r#"{"return_code":-1,"return_message":"mac not equal"}"#;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "zalopay",
    build,
    schema,
    summary: "ZaloPay: payments called back, asked for, and refunded",
};

/// Settings of `connector = "zalopay"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The app's id.
    app_id: u64,
    /// Signs our calls.
    key1: Secrets,
    /// Signs callbacks.
    key2: Secrets,
    /// The API's address.
    #[serde(default = "base_url")]
    #[schemars(default = "base_url_text")]
    base_url: BaseUrl,
}

const HOST: &str = "https://openapi.zalopay.vn";

fn base_url() -> BaseUrl {
    BaseUrl::parse(HOST).expect("invariant: the vendor's host is an address")
}

fn base_url_text() -> &'static str {
    HOST
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    Ok(Box::new(Zalopay(settings)))
}

/// One app.
#[derive(Debug)]
struct Zalopay(Settings);

impl Zalopay {
    /// The mac of a call: the fields joined by `|`, under `key1`.
    fn mac(&self, fields: &[&str]) -> String {
        signature::hmac_sha256_hex_of(self.0.key1.primary(), &[fields.join("|").as_bytes()])
    }

    fn post(&self, path: &str, body: &Value) -> Request<Bytes> {
        let uri = self.0.base_url.join(path);
        let uri = uri.expect("invariant: the base address is checked and the path is constant");
        crate::url::post_json(uri, body)
    }
}

impl Inbound for Zalopay {
    fn verify(&self, raw: &RawWebhook, _: Timestamp) -> Verdict {
        if raw.method != Method::POST {
            return Verdict::Rejected(Rejection::Malformed);
        }
        let Ok(envelope) = payload::read::<Envelope>(&raw.body) else {
            return Verdict::Rejected(Rejection::Malformed);
        };
        let given = envelope.mac.as_deref();
        let signed = envelope.data.as_bytes();
        let proof = match signature::hmac_sha256_hex(&self.0.key2, &[signed], "", given) {
            Ok(proof) => proof,
            Err(rejection) => return Verdict::Rejected(rejection),
        };
        if !envelope.is_for(self.0.app_id) {
            return Verdict::Rejected(Rejection::Malformed);
        }
        Verdict::Message(VerifiedWebhook::new(raw, None, proof))
    }

    /// `zp_trans_id`.
    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        if provider::is_answer(message) {
            return provider::answer_key(message);
        }
        callback::key(message.body())
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        if provider::is_answer(message) {
            return provider::read_answer(message);
        }
        callback::parse(message.body()).map(|notice| vec![notice])
    }

    /// There is no answer that says that an order is unknown or its amount another: the money has
    /// moved, so it is recorded whatever it is, and a difference holds the order.
    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        Acknowledgement::json(match received {
            Received::Stored(_) => OK,
            Received::Duplicate(_) => ALREADY,
            Received::Rejected(_) => BAD_MAC,
            Received::Unavailable => AGAIN,
        })
    }
}

impl Channel for Zalopay {
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
            reason: "ZaloPay has no order documents".to_owned(),
        }
    }

    fn normalize(&self, _: &[u8]) -> Normalized {
        Err(PayloadError::new("ZaloPay has no order documents"))
    }

    fn payments(&self) -> Option<&dyn Payments> {
        Some(self)
    }

    fn feedback(&self) -> Option<&dyn Feedback> {
        Some(self)
    }
}
