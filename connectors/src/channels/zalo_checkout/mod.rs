//! Zalo Mini App's CheckoutSDK: callbacks of payments, notices of a chosen means, status queries.
//!
//! A callback carries two macs and both must hold: `mac` over seven fields in a fixed order, and
//! `overallMac` over all of them, without which the method and our own reference in `extradata`
//! would be anybody's. A notice that the buyer chose cash or a transfer names Zalo's order only, so
//! the order is asked for. The separate "VNPay IPN" of a Mini App is for the vendor's tests and is
//! not signed like this: it never gets past the check.
//! Source: miniapp.zaloplatforms.com.

mod message;
mod query;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value;

use self::message::Posted;
use super::{Built, ChannelContext, ChannelEntry, provider};
use crate::channel::{CallContext, Channel, Fetched, Wanted};
use crate::feedback::Payments;
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeBody, NoticeKind, PayloadError, RawWebhook,
    Received, Rejection, Verdict, VerifiedWebhook,
};
use crate::settings::{self, Secrets, SettingsError};
use crate::url::BaseUrl;

const OK: &str = r#"{"returnCode":1,"returnMessage":"success"}"#;
const ALREADY: &str = r#"{"returnCode":2,"returnMessage":"already handled"}"#;
const BAD_MAC: &str = r#"{"returnCode":-1,"returnMessage":"mac not equal"}"#;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "zalo_checkout",
    build,
    schema,
    summary: "Zalo Mini App CheckoutSDK: payments called back and asked for",
};

/// Settings of `connector = "zalo_checkout"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The Mini App's id.
    app_id: String,
    /// CheckoutSDK's private key: signs messages and calls.
    private_key: Secrets,
    /// The API's address.
    #[serde(default = "base_url")]
    #[schemars(default = "base_url_text")]
    base_url: BaseUrl,
    /// The field of `extradata` in which the Mini App sends the order code or payment reference.
    #[serde(default = "reference_field")]
    reference_field: String,
}

const HOST: &str = "https://payment-mini.zalo.me";

fn base_url() -> BaseUrl {
    BaseUrl::parse(HOST).expect("invariant: the vendor's host is an address")
}

fn base_url_text() -> &'static str {
    HOST
}

fn reference_field() -> String {
    "orderCode".to_owned()
}

fn schema() -> Schema {
    schema_for!(Settings)
}

fn build(value: &Value, _: &ChannelContext) -> Built {
    let settings: Settings = settings::read(value)?;
    if settings.app_id.is_empty() {
        return Err(SettingsError::new("app_id", "must not be empty"));
    }
    Ok(Box::new(ZaloCheckout(settings)))
}

/// One Mini App.
#[derive(Debug)]
struct ZaloCheckout(Settings);

impl Inbound for ZaloCheckout {
    fn verify(&self, raw: &RawWebhook, _: Timestamp) -> Verdict {
        if raw.method != Method::POST {
            return Verdict::Rejected(Rejection::Malformed);
        }
        let Ok(posted) = Posted::read(&raw.body) else {
            return Verdict::Rejected(Rejection::Malformed);
        };
        let proof = match posted.verify(&self.0.private_key) {
            Ok(proof) => proof,
            Err(rejection) => return Verdict::Rejected(rejection),
        };
        if posted.app_id() != Some(self.0.app_id.as_str()) {
            return Verdict::Rejected(Rejection::Malformed);
        }
        Verdict::Message(VerifiedWebhook::new(raw, None, proof))
    }

    /// `transId` of a callback, `orderId` of a notice.
    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        if provider::is_answer(message) {
            return provider::answer_key(message);
        }
        message::key(message.body())
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        if provider::is_answer(message) {
            return provider::read_answer(message);
        }
        let posted = Posted::read(message.body())?;
        posted
            .notice(&self.0.reference_field)
            .map(|notice| vec![notice])
    }

    /// There is no answer that says that an order is unknown or its amount another: the money has
    /// moved, so it is recorded whatever it is, and a difference holds the order.
    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        match received {
            Received::Stored(_) => Acknowledgement::json(OK),
            Received::Duplicate(_) => Acknowledgement::json(ALREADY),
            Received::Rejected(_) => Acknowledgement::json(BAD_MAC),
            Received::Unavailable => Acknowledgement::empty(StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

impl Channel for ZaloCheckout {
    fn connector(&self) -> &'static str {
        ENTRY.name
    }

    fn fetches(&self) -> &'static [NoticeKind] {
        &[NoticeKind::Payment]
    }

    fn fetch(&self, wanted: Wanted<'_>, _: &[Bytes], _: CallContext<'_>) -> Option<Request<Bytes>> {
        let Wanted::Subject(subject) = wanted else {
            return None;
        };
        self.get_status(subject.strip_prefix(message::ORDER)?)
    }

    fn read_fetch(&self, _: Wanted<'_>, _: &[Bytes], response: &Response<Bytes>) -> Fetched {
        query::read_fetch(response)
    }

    fn normalize(&self, _: &[u8]) -> Normalized {
        Err(PayloadError::new("CheckoutSDK has no order documents"))
    }

    fn answered(&self, subject: &str, document: &[u8]) -> Result<NoticeBody, PayloadError> {
        let order_id = subject.strip_prefix(message::ORDER);
        let order_id = order_id.ok_or_else(|| PayloadError::new("subject: expected an order"))?;
        self.chosen(order_id, document)
    }

    fn payments(&self) -> Option<&dyn Payments> {
        Some(self)
    }
}
