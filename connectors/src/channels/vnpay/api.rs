//! VNPay's merchant API: one address for questions and refunds, JSON both ways, each with a hash
//! over its fields joined by `|` in a fixed order.
//! Source: sandbox.vnpayment.vn, npm `vnpay` 2.5.0.

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Vnpay;
use crate::channels::provider;
use crate::inbound::PayloadError;
use crate::literal::Literal;
use crate::local_time::{COMPACT, shown};
use crate::signature;
use crate::url;

const PATH: &str = "/merchant_webapi/api/transaction";

/// The fields that an answer's hash covers, in this order. Answers to refunds end before the
/// promotion.
const SIGNED: [&str; 15] = [
    "vnp_ResponseId",
    "vnp_Command",
    "vnp_ResponseCode",
    "vnp_Message",
    "vnp_TmnCode",
    "vnp_TxnRef",
    "vnp_Amount",
    "vnp_BankCode",
    "vnp_PayDate",
    "vnp_TransactionNo",
    "vnp_TransactionType",
    "vnp_TransactionStatus",
    "vnp_OrderInfo",
    "vnp_PromotionCode",
    "vnp_PromotionAmount",
];

/// How many of [`SIGNED`] an answer to a refund has.
const SIGNED_OF_REFUND: usize = 13;

/// What an answer is to: its hash differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerTo {
    Question,
    Refund,
}

/// An answer's fields as they were written.
#[derive(Debug, Deserialize)]
pub(super) struct Answer(Map<String, Value>);

impl Answer {
    /// The field as text, `""` where it is missing or null.
    pub(super) fn get(&self, name: &str) -> String {
        match self.0.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {
                String::new()
            }
        }
    }

    /// `vnp_ResponseCode`.
    pub(super) fn code(&self) -> String {
        self.get("vnp_ResponseCode")
    }

    /// The amount, written times a hundred like every amount of VNPay.
    pub(super) fn amount(&self) -> Result<domain::money::Amount, PayloadError> {
        super::hundredfold(&self.get("vnp_Amount"))
    }
}

impl Vnpay {
    /// A call with its hash over the values of `fields`, joined in their order.
    pub(super) fn call(&self, fields: &[(&'static str, String)]) -> Request<Bytes> {
        let base: Vec<&str> = fields.iter().map(|(_, value)| value.as_str()).collect();
        let secret = self.settings.hash_secret.primary();
        let hash = signature::hmac_sha512_hex_of(secret, &[base.join("|").as_bytes()]);
        let mut body: Map<String, Value> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
            .collect();
        body.insert("vnp_SecureHash".to_owned(), Value::from(hash));
        let uri = self.settings.base_url.join(PATH);
        let uri = uri.expect("invariant: the base address is checked and the path is constant");
        url::post_json(uri, &Value::Object(body))
    }

    /// The question about one payment. `begun_at` is when it was begun, or paid.
    pub(super) fn querydr(
        &self,
        reference: &str,
        request_id: String,
        begun_at: Timestamp,
        now: Timestamp,
    ) -> Request<Bytes> {
        self.call(&[
            ("vnp_RequestId", request_id),
            ("vnp_Version", self.settings.version.clone()),
            ("vnp_Command", "querydr".to_owned()),
            ("vnp_TmnCode", self.settings.tmn_code.clone()),
            ("vnp_TxnRef", reference.to_owned()),
            ("vnp_TransactionDate", shown(begun_at, COMPACT)),
            ("vnp_CreateDate", shown(now, COMPACT)),
            ("vnp_IpAddr", self.settings.ip_addr.clone()),
            ("vnp_OrderInfo", format!("Truy van {reference}")),
        ])
    }

    /// Reads an answer and checks its hash, and that it is about what was asked. Refusals of a
    /// malformed call come without a hash and are believed in their code alone.
    pub(super) fn answer(
        &self,
        document: &Value,
        to: AnswerTo,
        reference: &str,
    ) -> Result<Answer, PayloadError> {
        let answer: Answer = provider::read(document)?;
        let given = answer.get("vnp_SecureHash");
        if given.is_empty() {
            if answer.code() == "00" {
                return Err(PayloadError::new("vnp_SecureHash: missing"));
            }
            return Ok(answer);
        }
        let covered = match to {
            AnswerTo::Question => &SIGNED[..],
            AnswerTo::Refund => &SIGNED[..SIGNED_OF_REFUND],
        };
        let values: Vec<String> = covered.iter().map(|name| answer.get(name)).collect();
        let base = values.join("|");
        let secrets = &self.settings.hash_secret;
        signature::hmac_sha512_hex(secrets, &[base.as_bytes()], Some(&given))
            .map_err(|rejection| PayloadError::new(format!("vnp_SecureHash: {rejection}")))?;
        if answer.get("vnp_TxnRef") != reference {
            return Err(PayloadError::new(
                "vnp_TxnRef: not the one that was asked for",
            ));
        }
        if answer.get("vnp_TmnCode") != self.settings.tmn_code {
            return Err(PayloadError::new("vnp_TmnCode: not our terminal"));
        }
        Ok(answer)
    }
}

/// Digits of a transaction number; VNPay writes it as text or number.
pub(super) fn transaction(answer: &Answer) -> String {
    let text = answer.get("vnp_TransactionNo");
    serde_json::from_str::<Literal>(&text).map_or(text, |literal| provider::plain(&literal))
}
