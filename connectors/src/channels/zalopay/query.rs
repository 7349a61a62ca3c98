//! Asking ZaloPay how a payment stands. The answer carries no signature; it came over our own call.

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;

use super::Zalopay;
use crate::channel::CallContext;
use crate::channels::provider::{self, GIVE_UP_S, at_ms, plain, positive};
use crate::feedback::{PaymentQuestion, Payments, Queried};
use crate::inbound::{PayloadError, PaymentNotice, PaymentState};
use crate::literal::Literal;
use crate::local_time::{SHORT_DAY, shown};
use crate::payload::word;

const QUERY: &str = "/v2/query";

/// An order ends after 15 minutes; from then on the answer is final.
const ASK_AFTER_S: i64 = 900;

#[derive(Deserialize)]
struct Answer {
    return_code: Literal,
    sub_return_code: Option<Literal>,
    #[serde(default)]
    is_processing: Option<bool>,
    amount: Option<Literal>,
    zp_trans_id: Option<Literal>,
    server_time: Option<Literal>,
}

impl Payments for Zalopay {
    fn ask_after_s(&self) -> i64 {
        ASK_AFTER_S
    }

    fn give_up_after_s(&self) -> i64 {
        GIVE_UP_S
    }

    /// Under the day of `begun_at`, Vietnam's time; the days after it are asked for one by one.
    fn query(&self, question: PaymentQuestion<'_>, _: CallContext<'_>) -> Request<Bytes> {
        let app_id = self.0.app_id.to_string();
        let day = shown(question.begun_at, SHORT_DAY);
        let app_trans_id = format!("{day}_{}", question.reference);
        let key1 = self.0.key1.primary().expose_secret();
        let body = json!({
            "app_id": self.0.app_id,
            "app_trans_id": app_trans_id,
            "mac": self.mac(&[&app_id, &app_trans_id, key1]),
        });
        self.post(QUERY, &body)
    }

    fn next_begun_at(&self, begun_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let next = begun_at.checked_add(SignedDuration::from_hours(24)).ok()?;
        // The same hour of the next day may be yet to come when that day has begun.
        (shown(begun_at, "%Y%m%d") < shown(now, "%Y%m%d")).then_some(next)
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
        let answer: Answer = provider::read(&document)?;
        let code = answer.return_code.whole("return_code")?;
        let sub = answer
            .sub_return_code
            .as_ref()
            .map(plain)
            .unwrap_or_default();
        let transaction = answer.zp_trans_id.as_ref().map(plain);
        let transaction = transaction.filter(|id| !id.is_empty() && id != "0");
        let state = match code {
            1 => PaymentState::Paid,
            // Failed; or never begun, if nothing is known of a transaction.
            2 if transaction.is_none() && answer.amount.is_none() => return Ok(Queried::Unknown),
            2 if answer.is_processing != Some(true) => PaymentState::Failed,
            2 | 3 => return Ok(Queried::Pending),
            _ => {
                return Ok(Queried::Retry {
                    after_s: None,
                    reason: format!("return_code {code}"),
                });
            }
        };
        let missing = |field: &str| PayloadError::new(format!("{field}: missing"));
        let amount = answer.amount.as_ref().ok_or_else(|| missing("amount"))?;
        let at = match (state, &answer.server_time) {
            (PaymentState::Paid, Some(at)) => at_ms(at, "server_time")?,
            _ => question.begun_at,
        };
        Ok(provider::queried(&PaymentNotice {
            reference: question.reference.to_owned(),
            transaction: transaction.map_or_else(|| "0".to_owned(), |id| word(&id)),
            amount: positive(amount, "amount")?,
            state,
            at,
            provider_code: if sub.is_empty() {
                code.to_string()
            } else {
                format!("{code}/{}", word(&sub))
            },
        }))
    }
}
