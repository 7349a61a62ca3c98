//! Giving money back. ZaloPay works on refunds after it has answered, and knows each by an id of
//! ours that begins with a day. It is the day on which staff asked for the refund, whenever it is
//! sent: a second id would be a second refund. Every try first asks what became of that id.

use bytes::Bytes;
use domain::task::{ChannelTask, NewsKind};
use http::{Request, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Zalopay;
use crate::channel::CallContext;
use crate::channels::provider::{
    self, REFUND_PAUSE_S, Refund, description, id_of, plain, refund_of,
};
use crate::feedback::{Feedback, Step, Try};
use crate::inbound::PayloadError;
use crate::literal::Literal;
use crate::local_time::{SHORT_DAY, shown};
use crate::payload::word;
use crate::target::BuildError;

const REFUND: &str = "/v2/refund";
const QUERY_REFUND: &str = "/v2/query_refund";

/// Nothing under the id.
const NOT_THERE: &[u8] = b"no refund under this id";

#[derive(Deserialize)]
struct Answer {
    return_code: Literal,
    sub_return_code: Option<Literal>,
    refund_id: Option<Literal>,
}

/// What a try does after the answers so far.
enum Now {
    /// Ask for the id.
    Look,
    /// Send the refund.
    Send,
}

fn now(attempt: Try<'_>) -> Now {
    if attempt.got.is_empty() {
        Now::Look
    } else {
        Now::Send
    }
}

impl Zalopay {
    /// `yymmdd_appid_…`, the day as Vietnam's clocks show it.
    fn refund_id(&self, key: &str, asked_at: Timestamp) -> String {
        let day = shown(asked_at, SHORT_DAY);
        format!("{day}_{}_{}", self.0.app_id, id_of(key, 20))
    }

    fn look(&self, refund_id: &str, now: Timestamp) -> Request<Bytes> {
        let (app_id, timestamp) = (self.0.app_id.to_string(), now.as_millisecond());
        let body = json!({
            "app_id": self.0.app_id,
            "m_refund_id": refund_id,
            "timestamp": timestamp,
            "mac": self.mac(&[&app_id, refund_id, &timestamp.to_string()]),
        });
        self.post(QUERY_REFUND, &body)
    }

    fn refund(&self, refund: &Refund<'_>, refund_id: &str, now: Timestamp) -> Request<Bytes> {
        let app_id = self.0.app_id.to_string();
        let amount = refund.amount.minor_units();
        let (text, timestamp) = (description(refund.text), now.as_millisecond());
        let mac = self.mac(&[
            &app_id,
            refund.transaction,
            &amount.to_string(),
            &text,
            &timestamp.to_string(),
        ]);
        let body = json!({
            "app_id": self.0.app_id,
            "m_refund_id": refund_id,
            "zp_trans_id": refund.transaction,
            "amount": amount,
            "timestamp": timestamp,
            "description": text,
            "mac": mac,
        });
        self.post(REFUND, &body)
    }
}

fn looked(document: &Value) -> Result<Step, PayloadError> {
    let answer: Answer = provider::read(document)?;
    Ok(match answer.return_code.whole("return_code")? {
        1 => provider::already(answer.refund_id.as_ref().map(plain)),
        // Unknown, or it failed: sent again under the same id it is done at most once.
        2 => Step::Part(Bytes::from_static(NOT_THERE)),
        3 => provider::retry(Some(REFUND_PAUSE_S), "the refund is being worked on"),
        code => provider::retry(None, format!("return_code {code}")),
    })
}

fn sent(document: &Value) -> Result<Step, PayloadError> {
    let answer: Answer = provider::read(document)?;
    let sub = answer
        .sub_return_code
        .as_ref()
        .map(plain)
        .unwrap_or_default();
    Ok(match answer.return_code.whole("return_code")? {
        1 => provider::done(answer.refund_id.as_ref().map(plain)),
        2 => provider::refused(&word(&sub), "ZaloPay refused the refund"),
        // In hand: the next try asks what became of it.
        3 => provider::retry(Some(REFUND_PAUSE_S), "the refund is being worked on"),
        code => provider::retry(Some(REFUND_PAUSE_S), format!("return_code {code}")),
    })
}

impl Feedback for Zalopay {
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
        let refund_id = self.refund_id(attempt.key, refund.asked_at);
        Ok(match now(attempt) {
            Now::Look => self.look(&refund_id, call.now),
            Now::Send => self.refund(&refund, &refund_id, call.now),
        })
    }

    fn read(&self, _: &ChannelTask, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        let document = match provider::heard(response) {
            Ok(document) => document,
            Err(unheard) => return unheard.step(),
        };
        let step = match now(attempt) {
            Now::Look => looked(&document),
            Now::Send => sent(&document),
        };
        // An answer that cannot be read says nothing of the money: look again.
        step.unwrap_or_else(|error| provider::retry(Some(REFUND_PAUSE_S), error.what))
    }
}
