//! Asking MoMo how a payment stands. The answer carries no signature; it came over our own call,
//! and it must be about what was asked.

use bytes::Bytes;
use http::{Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Momo, state_of};
use crate::channel::CallContext;
use crate::channels::provider::{self, GIVE_UP_S, at_ms, plain, positive};
use crate::feedback::{PaymentQuestion, Payments, Queried};
use crate::inbound::{PayloadError, PaymentNotice, PaymentState};
use crate::literal::Literal;
use crate::payload::word;

const QUERY: &str = "/v2/gateway/api/query";

/// MoMo's links live for 100 minutes by default, but most buyers pay at once.
const ASK_AFTER_S: i64 = 900;

/// No order of that id was ever begun.
const UNKNOWN_ORDER: i64 = 42;

/// The partner is not known, or not allowed to.
pub(super) const NOT_AUTHENTICATED: i64 = 13;

/// What MoMo says of an order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) result_code: Literal,
    order_id: Option<Literal>,
    partner_code: Option<Literal>,
    amount: Option<Literal>,
    trans_id: Option<Literal>,
    response_time: Option<Literal>,
    #[serde(default)]
    pub(super) refund_trans: Option<Vec<Refunded>>,
}

/// One refund of an order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refunded {
    pub(super) order_id: Option<Literal>,
    pub(super) trans_id: Option<Literal>,
    pub(super) result_code: Option<Literal>,
}

impl Momo {
    pub(super) fn ask(&self, order_id: &str, request_id: &str) -> Request<Bytes> {
        let partner_code = &self.0.partner_code;
        let signature = self.sign(&[
            ("orderId", order_id),
            ("partnerCode", partner_code),
            ("requestId", request_id),
        ]);
        let body = json!({
            "partnerCode": partner_code,
            "requestId": request_id,
            "orderId": order_id,
            "lang": "en",
            "signature": signature,
        });
        self.post(QUERY, &body)
    }

    /// Reads a status that must be about `order_id` of our partner code.
    pub(super) fn status(&self, document: &Value, order_id: &str) -> Result<Status, PayloadError> {
        let status: Status = provider::read(document)?;
        let other = |field: &Option<Literal>, ours: &str| {
            field.as_ref().is_some_and(|theirs| theirs.as_str() != ours)
        };
        if other(&status.order_id, order_id) {
            return Err(PayloadError::new("orderId: not the one that was asked for"));
        }
        if other(&status.partner_code, &self.0.partner_code) {
            return Err(PayloadError::new("partnerCode: not ours"));
        }
        Ok(status)
    }

    /// What the code of a status says before the payment itself is looked at.
    fn judged(&self, code: i64) -> Option<Queried> {
        let reason = format!("resultCode {code}");
        if code == UNKNOWN_ORDER {
            return Some(Queried::Unknown);
        }
        if code == NOT_AUTHENTICATED {
            return Some(Queried::Account { reason });
        }
        self.0
            .retry_codes
            .contains(&code)
            .then_some(Queried::Retry {
                after_s: None,
                reason,
            })
    }
}

impl Payments for Momo {
    fn ask_after_s(&self) -> i64 {
        ASK_AFTER_S
    }

    fn give_up_after_s(&self) -> i64 {
        GIVE_UP_S
    }

    fn query(&self, question: PaymentQuestion<'_>, _: CallContext<'_>) -> Request<Bytes> {
        self.ask(question.reference, question.nonce)
    }

    fn read_query(
        &self,
        question: PaymentQuestion<'_>,
        response: &Response<Bytes>,
    ) -> Result<Queried, PayloadError> {
        let document = match provider::heard(response) {
            Ok(document) => document,
            Err(unheard) => return Ok(unheard.queried()),
        };
        let status = self.status(&document, question.reference)?;
        let code = status.result_code.whole("resultCode")?;
        if let Some(judged) = self.judged(code) {
            return Ok(judged);
        }
        let state = state_of(code);
        let missing = |field: &str| PayloadError::new(format!("{field}: missing"));
        let amount = status.amount.as_ref().ok_or_else(|| missing("amount"))?;
        // The time of an answer that tells of no money is the time of our question.
        let at = match (state, &status.response_time) {
            (PaymentState::Paid | PaymentState::Authorized, Some(at)) => at_ms(at, "responseTime")?,
            _ => question.begun_at,
        };
        let transaction = status
            .trans_id
            .as_ref()
            .map_or_else(|| "0".to_owned(), plain);
        Ok(provider::queried(&PaymentNotice {
            reference: question.reference.to_owned(),
            transaction: word(&transaction),
            amount: positive(amount, "amount")?,
            state,
            at,
            provider_code: code.to_string(),
        }))
    }
}
