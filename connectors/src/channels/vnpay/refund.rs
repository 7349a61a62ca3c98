//! Giving money back. A refund has no id of ours that VNPay would know again, so nothing is sent
//! twice on a guess: after an unknown outcome, and after an answer that leaves it open, the payment
//! is asked for, and a refund of this amount that stands there is taken for ours. VNPay shows the
//! payment's newest refund only: one that we know as an earlier one means that ours is not there,
//! and where an earlier one of the same amount has no number, a person must tell them apart.

use bytes::Bytes;
use domain::task::{ChannelTask, EarlierRefund, NewsKind};
use http::{Request, Response};
use serde_json::Value;

use super::Vnpay;
use super::api::{Answer, AnswerTo, transaction};
use super::ask::REFUNDS;
use crate::channel::CallContext;
use crate::channels::provider::{
    self, REFUND_PAUSE_S, Refund, Unheard, description, id_of, refund_of,
};
use crate::feedback::{Feedback, Step, Try};
use crate::inbound::PayloadError;
use crate::local_time::{COMPACT, shown};
use crate::payload::word;
use crate::target::BuildError;

/// VNPay knows no refund: it may be sent.
const NOT_THERE: &[u8] = b"no refund there";

/// The refund was sent and its answer leaves open whether it was done.
const OPEN: &[u8] = b"sent, answer open";

/// What a try does after the answers so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Now {
    /// Ask, then send.
    Look,
    Send,
    /// Ask whether what was sent was done.
    LookAgain,
}

fn now(attempt: Try<'_>) -> Now {
    match attempt.got.last() {
        Some(part) if part == OPEN => Now::LookAgain,
        Some(_) => Now::Send,
        None if attempt.unknown => Now::Look,
        None => Now::Send,
    }
}

impl Vnpay {
    fn refund(&self, refund: &Refund<'_>, key: &str, call: CallContext<'_>) -> Request<Bytes> {
        let whole = refund.amount >= refund.paid;
        let mut actor = word(refund.actor);
        if actor.is_empty() {
            "kenh".clone_into(&mut actor);
        }
        let hundredfold = refund.amount.minor_units().saturating_mul(100);
        self.call(&[
            ("vnp_RequestId", id_of(key, 32)),
            ("vnp_Version", self.settings.version.clone()),
            ("vnp_Command", "refund".to_owned()),
            ("vnp_TmnCode", self.settings.tmn_code.clone()),
            (
                "vnp_TransactionType",
                if whole { "02" } else { "03" }.to_owned(),
            ),
            ("vnp_TxnRef", refund.reference.to_owned()),
            ("vnp_Amount", hundredfold.to_string()),
            ("vnp_TransactionNo", refund.transaction.to_owned()),
            ("vnp_TransactionDate", shown(refund.paid_at, COMPACT)),
            ("vnp_CreateBy", actor),
            ("vnp_CreateDate", shown(call.now, COMPACT)),
            ("vnp_IpAddr", self.settings.ip_addr.clone()),
            ("vnp_OrderInfo", description(refund.text)),
        ])
    }

    fn sent(&self, document: &Value, refund: &Refund<'_>) -> Result<Step, PayloadError> {
        let answer = self.answer(document, AnswerTo::Refund, refund.reference)?;
        let code = answer.code();
        let reason = format!("vnp_ResponseCode {}", word(&code));
        Ok(match code.as_str() {
            "00" => provider::done(Some(transaction(&answer))),
            // The same request once more, or an error of theirs: it may have been done.
            "94" | "99" => Step::Part(Bytes::from_static(OPEN)),
            "02" | "97" => provider::account(reason),
            _ => provider::refused(&word(&code), "VNPay refused the refund"),
        })
    }

    fn looked(
        &self,
        document: &Value,
        refund: &Refund<'_>,
        now: Now,
    ) -> Result<Step, PayloadError> {
        let answer = self.answer(document, AnswerTo::Question, refund.reference)?;
        let code = answer.code();
        match code.as_str() {
            "00" => {}
            "02" | "97" => {
                return Ok(provider::account(format!(
                    "vnp_ResponseCode {}",
                    word(&code)
                )));
            }
            _ => {
                let reason = format!("vnp_ResponseCode {}", word(&code));
                return Ok(provider::retry(Some(REFUND_PAUSE_S), reason));
            }
        }
        let is_refund = REFUNDS.contains(&answer.get("vnp_TransactionType").as_str());
        let number = transaction(&answer);
        let mut known = refund.earlier.iter().filter_map(|one| one.number.as_ref());
        if is_refund && !known.any(|known| *known == number) {
            return found(&answer, refund);
        }
        Ok(match now {
            Now::Look => Step::Part(Bytes::from_static(NOT_THERE)),
            Now::Send | Now::LookAgain => {
                provider::retry(Some(REFUND_PAUSE_S), "VNPay shows no refund yet")
            }
        })
    }
}

/// A refund stands at the payment.
fn found(answer: &Answer, refund: &Refund<'_>) -> Result<Step, PayloadError> {
    if answer.amount()? != refund.amount {
        let message = "another refund stands at the payment; compare it on VNPay's page";
        return Ok(provider::refused("other_refund", message));
    }
    // Ours, or one whose outcome nobody knows either. Neither may be said of it, so it stays open
    // until the outbox gives up and a person compares.
    let twin = |one: &EarlierRefund| one.number.is_none() && one.amount == refund.amount;
    if refund.earlier.iter().any(twin) {
        let reason = "this may be an earlier refund of the same amount; compare it on VNPay's page";
        return Ok(provider::retry(Some(REFUND_PAUSE_S), reason));
    }
    Ok(match answer.get("vnp_TransactionStatus").as_str() {
        "09" => provider::refused("09", "the bank refused the refund"),
        // Done, in hand, or sent to the bank.
        _ => provider::already(Some(transaction(answer))),
    })
}

impl Feedback for Vnpay {
    fn takes(&self) -> &'static [NewsKind] {
        &[NewsKind::Refunded]
    }

    fn request(
        &self,
        task: &ChannelTask,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let refund = refund_of(task)?;
        Ok(match now(attempt) {
            Now::Send => self.refund(&refund, attempt.key, call),
            Now::Look | Now::LookAgain => {
                // A look is not an intention: each has an id of its own.
                let look = format!("{} look {}", attempt.key, call.now.as_millisecond());
                let request_id = id_of(&look, 32);
                self.querydr(refund.reference, request_id, refund.paid_at, call.now)
            }
        })
    }

    fn read(&self, task: &ChannelTask, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        let Ok(refund) = refund_of(task) else {
            return provider::refused("unsupported", "VNPay takes refunds only");
        };
        let now = now(attempt);
        let document = match provider::heard(response) {
            Ok(document) => document,
            // Nobody knows whether a refund was done that has no answer.
            Err(Unheard::Later { .. }) if now == Now::Send => {
                return Step::Part(Bytes::from_static(OPEN));
            }
            Err(unheard) => return unheard.step(),
        };
        let step = match now {
            Now::Send => self.sent(&document, &refund),
            Now::Look | Now::LookAgain => self.looked(&document, &refund, now),
        };
        step.unwrap_or_else(|error| match now {
            Now::Send => Step::Part(Bytes::from_static(OPEN)),
            Now::Look | Now::LookAgain => provider::retry(Some(REFUND_PAUSE_S), error.what),
        })
    }
}
