//! Giving money back. Every try looks first: the status of the paid order lists its refunds, and
//! ours has an id that follows from the intention, so a repeat finds it.

use bytes::Bytes;
use domain::task::{ChannelTask, NewsKind};
use http::{Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::{NOT_AUTHENTICATED, Status};
use super::{Momo, state_of};
use crate::channel::CallContext;
use crate::channels::provider::{
    self, REFUND_PAUSE_S, Refund, description, id_of, plain, refund_of,
};
use crate::feedback::{Feedback, Step, Try};
use crate::inbound::PaymentState;
use crate::literal::Literal;
use crate::target::BuildError;

const REFUND: &str = "/v2/gateway/api/refund";

/// The status showed no refund of ours: now the refund itself.
const NOT_YET: &[u8] = b"not refunded yet";

/// Ids that MoMo has seen before: a first try arrived.
const REPEATED: [i64; 2] = [40, 41];

/// The refund's own order id: another than the payment's, the same for every try.
fn refund_id(reference: &str, key: &str) -> String {
    format!("{reference}-R{}", id_of(key, 16))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    result_code: Literal,
    trans_id: Option<Literal>,
}

impl Momo {
    fn refund(&self, wanted: &Refund<'_>, key: &str) -> Result<Request<Bytes>, BuildError> {
        let trans_id: i64 = wanted.transaction.parse().map_err(|_| BuildError {
            what: "transaction: expected MoMo's transaction number".to_owned(),
        })?;
        let (partner_code, order_id) = (&self.0.partner_code, refund_id(wanted.reference, key));
        let (amount, text) = (
            wanted.amount.minor_units().to_string(),
            description(wanted.text),
        );
        let request_id = id_of(key, 32);
        let signature = self.sign(&[
            ("amount", &amount),
            ("description", &text),
            ("orderId", &order_id),
            ("partnerCode", partner_code),
            ("requestId", &request_id),
            ("transId", wanted.transaction),
        ]);
        let body = json!({
            "partnerCode": partner_code,
            "orderId": order_id,
            "requestId": request_id,
            "amount": wanted.amount.minor_units(),
            "transId": trans_id,
            "lang": "en",
            "description": text,
            "signature": signature,
        });
        Ok(self.post(REFUND, &body))
    }

    /// What the paid order's status says of our refund.
    fn looked(
        &self,
        status: &Status,
        order_id: &str,
    ) -> Result<Step, crate::inbound::PayloadError> {
        let code = status.result_code.whole("resultCode")?;
        if code == NOT_AUTHENTICATED {
            return Ok(provider::account(format!("resultCode {code}")));
        }
        if self.0.retry_codes.contains(&code) {
            return Ok(provider::retry(None, format!("resultCode {code}")));
        }
        let ours = status.refund_trans.iter().flatten().find(|refund| {
            refund
                .order_id
                .as_ref()
                .is_some_and(|id| id.as_str() == order_id)
        });
        let Some(ours) = ours else {
            return Ok(Step::Part(Bytes::from_static(NOT_YET)));
        };
        let partner_id = ours.trans_id.as_ref().map(plain);
        let code = ours.result_code.as_ref();
        let code = code.map_or(Ok(0), |code| code.whole("refundTrans.resultCode"))?;
        Ok(match state_of(code) {
            PaymentState::Paid => provider::already(partner_id),
            PaymentState::Pending | PaymentState::Authorized => {
                provider::retry(Some(REFUND_PAUSE_S), "the refund is being worked on")
            }
            PaymentState::Failed | PaymentState::Suspect | PaymentState::Refunded => {
                provider::refused(&code.to_string(), "MoMo refused the refund")
            }
        })
    }

    fn refunded(&self, document: &Value) -> Result<Step, crate::inbound::PayloadError> {
        let answer: Answer = provider::read(document)?;
        let code = answer.result_code.whole("resultCode")?;
        let reason = format!("resultCode {code}");
        if REPEATED.contains(&code) {
            // The next try looks, and finds it.
            return Ok(provider::retry(Some(REFUND_PAUSE_S), reason));
        }
        if code == NOT_AUTHENTICATED {
            return Ok(provider::account(reason));
        }
        if self.0.retry_codes.contains(&code) {
            return Ok(provider::retry(None, reason));
        }
        Ok(match state_of(code) {
            PaymentState::Paid => provider::done(answer.trans_id.as_ref().map(plain)),
            PaymentState::Pending | PaymentState::Authorized => {
                provider::retry(Some(REFUND_PAUSE_S), reason)
            }
            PaymentState::Failed | PaymentState::Suspect | PaymentState::Refunded => {
                provider::refused(&code.to_string(), "MoMo refused the refund")
            }
        })
    }
}

/// Whether the status was asked for already in this try.
fn has_looked(attempt: Try<'_>) -> bool {
    attempt.got.iter().any(|part| part == NOT_YET)
}

impl Feedback for Momo {
    fn takes(&self) -> &'static [NewsKind] {
        &[NewsKind::Refunded]
    }

    fn request(
        &self,
        task: &ChannelTask,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let wanted = refund_of(task)?;
        if has_looked(attempt) {
            return self.refund(&wanted, attempt.key);
        }
        // A look is not an intention: each has an id of its own.
        let look = format!("{} look {}", attempt.key, call.now.as_millisecond());
        let request_id = id_of(&look, 32);
        Ok(self.ask(wanted.reference, &request_id))
    }

    fn read(&self, task: &ChannelTask, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        let Ok(wanted) = refund_of(task) else {
            return provider::refused("unsupported", "MoMo takes refunds only");
        };
        let document = match provider::heard(response) {
            Ok(document) => document,
            Err(unheard) => return unheard.step(),
        };
        let step = if has_looked(attempt) {
            self.refunded(&document)
        } else {
            self.status(&document, wanted.reference)
                .and_then(|status| self.looked(&status, &refund_id(wanted.reference, attempt.key)))
        };
        // An answer that cannot be read says nothing of the money: look again.
        step.unwrap_or_else(|error| provider::retry(Some(REFUND_PAUSE_S), error.what))
    }
}
