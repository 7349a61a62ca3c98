//! What CheckoutSDK posts: which fields are signed, and what they hold.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::channels::provider::{self, at_ms, plain, positive};
use crate::form;
use crate::inbound::{
    Notice, NoticeBody, NoticeKind, PayloadError, PaymentNotice, PaymentState, Proof, Question,
    Rejection,
};
use crate::literal::Literal;
use crate::payload::{self, digest, external_id, word};
use crate::settings::Secrets;
use crate::signature;

/// What the subject of a question about an order begins with.
pub(super) const ORDER: &str = "order:";

/// The fields of `mac`, in the vendor's order.
const CALLBACK: [&str; 7] = [
    "appId",
    "amount",
    "description",
    "orderId",
    "message",
    "resultCode",
    "transId",
];

/// The fields of a notice's `mac`.
const NOTIFY: [&str; 3] = ["appId", "orderId", "method"];

/// One message.
#[derive(Debug, Deserialize)]
pub(super) struct Posted {
    data: Map<String, Value>,
    mac: Option<String>,
    #[serde(rename = "overallMac")]
    overall: Option<String>,
}

/// A value as it stands in what is signed; `None` for what is no plain value.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) => serde_json::from_value::<Literal>(value.clone())
            .ok()
            .as_ref()
            .map(plain),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null => Some("null".to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

impl Posted {
    pub(super) fn read(body: &[u8]) -> Result<Self, PayloadError> {
        payload::read(body)
    }

    /// A callback tells of a result; a notice only of the means that the buyer chose.
    fn is_callback(&self) -> bool {
        self.overall.is_some()
            || ["resultCode", "transId", "amount"]
                .iter()
                .any(|field| self.data.contains_key(*field))
    }

    pub(super) fn verify(&self, keys: &Secrets) -> Result<Proof, Rejection> {
        let check = |base: &str, given: &Option<String>| {
            signature::hmac_sha256_hex(keys, &[base.as_bytes()], "", given.as_deref())
        };
        if !self.is_callback() {
            return check(&self.base(&NOTIFY)?, &self.mac);
        }
        check(&self.base(&CALLBACK)?, &self.mac)?;
        let mut all: Vec<&str> = self.data.keys().map(String::as_str).collect();
        all.sort_unstable();
        check(&self.base(&all)?, &self.overall)
    }

    fn base(&self, fields: &[&str]) -> Result<String, Rejection> {
        let mut pairs = Vec::with_capacity(fields.len());
        for field in fields {
            let value = self.data.get(*field).ok_or(Rejection::Malformed)?;
            let value = shown(value).ok_or(Rejection::Malformed)?;
            pairs.push(format!("{field}={value}"));
        }
        Ok(pairs.join("&"))
    }

    pub(super) fn app_id(&self) -> Option<&str> {
        self.data.get("appId").and_then(Value::as_str)
    }

    fn literal(&self, field: &str) -> Result<Literal, PayloadError> {
        self.data
            .get(field)
            .and_then(|value| serde_json::from_value(value.clone()).ok())
            .ok_or_else(|| PayloadError::new(format!("data.{field}: expected a number or a text")))
    }

    fn order_id(&self) -> Result<String, PayloadError> {
        external_id(self.literal("orderId")?.as_str(), "data.orderId")
    }

    pub(super) fn notice(&self, reference_field: &str) -> Result<Notice, PayloadError> {
        let order_id = self.order_id()?;
        if !self.is_callback() {
            return Ok(Notice {
                key: Some(order_id.clone()),
                body: NoticeBody::Ask(Question {
                    kind: NoticeKind::Payment,
                    subject: format!("{ORDER}{order_id}"),
                }),
            });
        }
        let code = self.literal("resultCode")?.whole("data.resultCode")?;
        let extradata = self.data.get("extradata").and_then(Value::as_str);
        Ok(provider::notice(PaymentNotice {
            reference: reference(extradata, reference_field),
            // Zalo's order, which its status is asked by; the transaction stands in the code.
            transaction: order_id,
            amount: positive(&self.literal("amount")?, "data.amount")?,
            state: if code == 1 {
                PaymentState::Paid
            } else {
                PaymentState::Failed
            },
            at: at_ms(&self.literal("transTime")?, "data.transTime")?,
            provider_code: provider_code(code, &self.literal("transId").ok()),
        }))
    }
}

/// The result and Zalo's transaction: `1/241204_0415000123`.
pub(super) fn provider_code(code: i64, transaction: &Option<Literal>) -> String {
    let transaction = transaction.as_ref().map(|id| word(id.as_str()));
    match transaction.filter(|id| !id.is_empty()) {
        Some(transaction) => format!("{code}/{transaction}"),
        None => code.to_string(),
    }
}

/// Our reference in `extradata`: a JSON object with the field, percent-encoded or not, or the
/// reference alone. Empty where there is none: nobody's money until a person finds out whose.
pub(super) fn reference(extradata: Option<&str>, field: &str) -> String {
    let text = extradata.unwrap_or_default();
    let text = if text.contains('%') {
        form::decode(text)
    } else {
        text.to_owned()
    };
    let within = serde_json::from_str::<Value>(&text).ok();
    let found = match &within {
        Some(Value::Object(fields)) => fields.get(field).and_then(Value::as_str).unwrap_or(""),
        Some(Value::String(text)) => text,
        Some(_) | None => &text,
    };
    external_id(found.trim(), "extradata").unwrap_or_default()
}

pub(super) fn key(body: &[u8]) -> String {
    let found = Posted::read(body).ok().and_then(|posted| {
        let order_id = posted.order_id().ok()?;
        if !posted.is_callback() {
            return Some(format!("notify:{order_id}"));
        }
        let transaction = word(posted.literal("transId").ok()?.as_str());
        // A failed try has no transaction: the order and its result are the key.
        Some(if transaction.is_empty() {
            let code = plain(&posted.literal("resultCode").ok()?);
            format!("{order_id}:{}", word(&code))
        } else {
            transaction
        })
    });
    found.unwrap_or_else(|| format!("body:{}", digest(body)))
}
