//! VNPay's IPN: a signed GET that reports a payment, answered with VNPay's own codes.
//!
//! Only the IPN changes anything; the buyer's return address never does. VNPay stops after 00
//! and 02 and calls again, every 5 minutes and at most 10 times, after everything else. What it
//! never reported is asked for, and refunds go through the same merchant API.
//! Source: sandbox.vnpayment.vn, npm `vnpay` 2.5.0.

mod api;
mod ask;
mod query;
mod refund;

use bytes::Bytes;
use domain::money::Amount;
use http::{Method, Request, Response};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value;

use self::query::Fields;
use super::{Built, ChannelContext, ChannelEntry, provider};
use crate::channel::{CallContext, Channel, Fetched, Wanted};
use crate::feedback::{Feedback, Payments};
use crate::inbound::{
    Acknowledgement, Inbound, Normalized, Notice, NoticeBody, NoticeKind, PayloadError,
    PaymentAnswer, PaymentNotice, PaymentState, Preflight, RawWebhook, Received, Rejection,
    Verdict, VerifiedWebhook,
};
use crate::local_time::compact;
use crate::payload::digest;
use crate::settings::{self, Secrets, SettingsError};
use crate::url::BaseUrl;

const CONFIRMED: &str = r#"{"RspCode":"00","Message":"Confirm Success"}"#;
const NOT_FOUND: &str = r#"{"RspCode":"01","Message":"Order not found"}"#;
const ALREADY: &str = r#"{"RspCode":"02","Message":"Order already confirmed"}"#;
const WRONG_AMOUNT: &str = r#"{"RspCode":"04","Message":"Invalid amount"}"#;
const BAD_CHECKSUM: &str = r#"{"RspCode":"97","Message":"Fail checksum"}"#;
const OTHER: &str = r#"{"RspCode":"99","Message":"Unknown error"}"#;

/// The registry's line.
pub const ENTRY: ChannelEntry = ChannelEntry {
    name: "vnpay",
    build,
    schema,
    summary: "VNPay: payments reported by IPN, asked for, and refunded",
};

/// Settings of `connector = "vnpay"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The terminal's code.
    pub tmn_code: String,
    /// Signs every message.
    pub hash_secret: Secrets,
    /// The merchant API's address, for questions and refunds; another than the payment page's.
    #[serde(default = "base_url")]
    #[schemars(default = "base_url_text")]
    pub base_url: BaseUrl,
    /// Our server's public address, which each call names.
    #[serde(default = "ip_addr")]
    pub ip_addr: String,
    /// The API's version.
    #[serde(default = "version")]
    pub version: String,
}

const HOST: &str = "https://merchant.vnpay.vn";

fn base_url() -> BaseUrl {
    BaseUrl::parse(HOST).expect("invariant: the vendor's host is an address")
}

fn base_url_text() -> &'static str {
    HOST
}

fn ip_addr() -> String {
    "127.0.0.1".to_owned()
}

fn version() -> String {
    "2.1.0".to_owned()
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
    if settings.tmn_code.is_empty() {
        return Err(SettingsError::new("tmn_code", "must not be empty"));
    }
    Ok(Box::new(Vnpay { settings }))
}

/// One terminal.
#[derive(Debug)]
pub struct Vnpay {
    settings: Settings,
}

impl Inbound for Vnpay {
    fn verify(&self, raw: &RawWebhook, _now: Timestamp) -> Verdict {
        if raw.method != Method::GET {
            return Verdict::Rejected(Rejection::Malformed);
        }
        let proof = match query::verify(&self.settings.hash_secret, raw.query()) {
            Ok(proof) => proof,
            Err(rejection) => return Verdict::Rejected(rejection),
        };
        let Ok(fields) = Fields::read(raw.query()) else {
            return Verdict::Rejected(Rejection::Malformed);
        };
        // One secret may serve several terminals; another terminal's money is not ours.
        if fields.get("vnp_TmnCode") != Some(self.settings.tmn_code.as_str()) {
            return Verdict::Rejected(Rejection::Malformed);
        }
        Verdict::Message(VerifiedWebhook::new(raw, None, proof))
    }

    /// `(TxnRef, TransactionNo, ResponseCode)`; the transaction number is 0 for cancelled ones.
    fn dedup_key(&self, message: &VerifiedWebhook) -> String {
        if provider::is_answer(message) {
            return provider::answer_key(message);
        }
        let fields = Fields::read(message.query()).unwrap_or_default();
        match (fields.get("vnp_TxnRef"), fields.get("vnp_ResponseCode")) {
            (Some(reference), Some(code)) => format!(
                "{reference}:{}:{code}",
                fields.get("vnp_TransactionNo").unwrap_or("0")
            ),
            _ => format!("query:{}", digest(message.query().as_bytes())),
        }
    }

    fn parse(&self, message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
        if provider::is_answer(message) {
            return provider::read_answer(message);
        }
        let fields = Fields::read(message.query())?;
        let reference = fields.required("vnp_TxnRef")?.to_owned();
        let response = fields.required("vnp_ResponseCode")?;
        let status = fields.get("vnp_TransactionStatus").unwrap_or("-");
        Ok(vec![Notice {
            key: Some(reference.clone()),
            body: NoticeBody::Payment(PaymentNotice {
                reference,
                transaction: fields.get("vnp_TransactionNo").unwrap_or("0").to_owned(),
                amount: amount(&fields)?,
                state: state_of(response, status),
                at: compact(fields.required("vnp_PayDate")?, "vnp_PayDate")?,
                provider_code: format!("{response}/{status}"),
            }),
        }])
    }

    fn preflight(&self, message: &VerifiedWebhook) -> Option<Preflight> {
        let fields = Fields::read(message.query()).ok()?;
        Some(Preflight::Payment {
            reference: fields.get("vnp_TxnRef")?.to_owned(),
            amount: amount(&fields).ok()?.0,
        })
    }

    /// A failed payment is confirmed with 00 like any other once it is recorded. Without an
    /// answer to the preflight (an unreadable reference or amount) nothing is confirmed.
    fn acknowledge(&self, received: &Received) -> Acknowledgement {
        Acknowledgement::json(match received {
            Received::Stored(Some(PaymentAnswer::Due)) => CONFIRMED,
            // The first copy is stored: it is being settled, or has been.
            Received::Duplicate(Some(PaymentAnswer::Due)) => ALREADY,
            Received::Stored(Some(answer)) | Received::Duplicate(Some(answer)) => match answer {
                PaymentAnswer::UnknownOrder => NOT_FOUND,
                PaymentAnswer::WrongAmount => WRONG_AMOUNT,
                PaymentAnswer::AlreadyPaid | PaymentAnswer::Due => ALREADY,
            },
            Received::Rejected(_) => BAD_CHECKSUM,
            Received::Stored(None) | Received::Duplicate(None) | Received::Unavailable => OTHER,
        })
    }
}

impl Channel for Vnpay {
    fn connector(&self) -> &'static str {
        "vnpay"
    }

    fn fetches(&self) -> &'static [NoticeKind] {
        &[]
    }

    fn fetch(&self, _: Wanted<'_>, _: &[Bytes], _: CallContext<'_>) -> Option<Request<Bytes>> {
        None
    }

    fn read_fetch(&self, _: Wanted<'_>, _: &[Bytes], _: &Response<Bytes>) -> Fetched {
        Fetched::Refused {
            reason: "VNPay has no order documents".to_owned(),
        }
    }

    fn normalize(&self, _document: &[u8]) -> Normalized {
        Err(PayloadError::new("VNPay has no order documents"))
    }

    fn payments(&self) -> Option<&dyn Payments> {
        Some(self)
    }

    fn feedback(&self) -> Option<&dyn Feedback> {
        Some(self)
    }
}

/// Money is received only when both codes say so.
fn state_of(response: &str, status: &str) -> PaymentState {
    match (response, status) {
        ("00", "00") => PaymentState::Paid,
        // Taken, but VNPay suspects fraud: a person must look.
        ("07", _) | (_, "07") => PaymentState::Suspect,
        _ => PaymentState::Failed,
    }
}

/// `vnp_Amount` of a query.
fn amount(fields: &Fields) -> Result<Amount, PayloadError> {
    hundredfold(fields.required("vnp_Amount")?)
}

/// Amounts are in hundredths of a đồng that do not exist.
fn hundredfold(raw: &str) -> Result<Amount, PayloadError> {
    let wrong = || PayloadError::new("vnp_Amount: expected whole đồng times 100");
    if raw.is_empty() || !raw.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let hundredths: i64 = raw.parse().map_err(|_| wrong())?;
    if hundredths % 100 != 0 {
        return Err(wrong());
    }
    Ok(Amount(hundredths / 100))
}

#[cfg(test)]
mod tests;
