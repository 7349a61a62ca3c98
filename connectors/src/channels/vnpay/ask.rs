//! Asking VNPay how a payment stands (`querydr`).

use bytes::Bytes;
use http::{Request, Response};

use super::api::{Answer, AnswerTo, transaction};
use super::{Vnpay, state_of};
use crate::channel::CallContext;
use crate::channels::provider::{self, GIVE_UP_S};
use crate::feedback::{PaymentQuestion, Payments, Queried};
use crate::inbound::{PayloadError, PaymentNotice, PaymentState};
use crate::local_time::compact;
use crate::payload::word;

/// A payment link ends after 15 minutes; VNPay calls for 50 minutes, but seldom needs to.
const ASK_AFTER_S: i64 = 1200;

/// Full and partial refunds, as `vnp_TransactionType` names them.
pub(super) const REFUNDS: [&str; 2] = ["02", "03"];

/// What the code of an answer says before the payment itself is looked at.
fn judged(answer: &Answer) -> Option<Queried> {
    let code = answer.code();
    let reason = format!("vnp_ResponseCode {}", word(&code));
    match code.as_str() {
        "00" => None,
        "91" => Some(Queried::Unknown),
        // The terminal is not known, the hash is wrong.
        "02" | "97" => Some(Queried::Account { reason }),
        // A repeat within the vendor's limit, or an error of theirs.
        _ => Some(Queried::Retry {
            after_s: None,
            reason,
        }),
    }
}

fn payment(answer: &Answer, question: PaymentQuestion<'_>) -> Result<PaymentNotice, PayloadError> {
    let status = answer.get("vnp_TransactionStatus");
    let kind = answer.get("vnp_TransactionType");
    let state = match (REFUNDS.contains(&kind.as_str()), status.as_str()) {
        (true, "00") => PaymentState::Refunded,
        // Unfinished; a refund on its way to the bank.
        (_, "01" | "05" | "06") => PaymentState::Pending,
        // A refund that was refused leaves the payment as it is.
        (_, "09") => PaymentState::Paid,
        // The question itself succeeded: only the status counts.
        (_, status) => state_of("00", status),
    };
    let paid = answer.get("vnp_PayDate");
    let at = if paid.is_empty() {
        question.begun_at
    } else {
        compact(&paid, "vnp_PayDate")?
    };
    let number = word(&transaction(answer));
    Ok(PaymentNotice {
        reference: question.reference.to_owned(),
        transaction: if number.is_empty() {
            "0".to_owned()
        } else {
            number
        },
        amount: answer.amount()?,
        state,
        at,
        provider_code: format!("00/{}", word(&status)),
    })
}

impl Payments for Vnpay {
    fn ask_after_s(&self) -> i64 {
        ASK_AFTER_S
    }

    fn give_up_after_s(&self) -> i64 {
        GIVE_UP_S
    }

    fn query(&self, question: PaymentQuestion<'_>, call: CallContext<'_>) -> Request<Bytes> {
        let mut request_id = question.nonce.to_owned();
        request_id.retain(|c| c.is_ascii_alphanumeric());
        request_id.truncate(32);
        self.querydr(question.reference, request_id, question.begun_at, call.now)
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
        let answer = self.answer(&document, AnswerTo::Question, question.reference)?;
        if let Some(judged) = judged(&answer) {
            return Ok(judged);
        }
        Ok(provider::queried(&payment(&answer, question)?))
    }
}
