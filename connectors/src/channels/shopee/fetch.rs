//! One Shopee order takes several questions: its detail, then what vouchers were and who paid them
//! (escrow), the parcels' numbers, and the returns that the escrow names.
//!
//! Only the detail is indispensable. What the shop has no right to, or the vendor does not have, is
//! left out: another ask would say the same. What is only late is waited for, because a document
//! without it has the same revision as the whole one, and the two must not differ.

use bytes::Bytes;
use http::{Request, Response};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Shopee;
use super::api::{self, Answer};
use crate::channel::{Batches, CallContext, Fetched};
use crate::payload;
use crate::url;

const ESCROW: &str = "/api/v2/payment/get_escrow_detail";
const RETURN: &str = "/api/v2/returns/get_return_detail";
pub(super) const TRACKING: &str = "/api/v2/logistics/get_tracking_number";

/// An order with more parcels or returns than this is read without the rest.
const MOST: usize = 3;

/// Orders that one `get_order_detail` may name, by the vendor.
const MOST_AT_ONCE: usize = 50;

/// One question of the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Question {
    Detail,
    Escrow,
    /// Named by its package only where the order is split.
    Tracking(Option<String>),
    Return(String),
}

#[derive(Deserialize)]
struct Detail {
    response: DetailResponse,
}

#[derive(Deserialize)]
struct DetailResponse {
    order_list: Vec<Head>,
}

/// What decides on further questions.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    order_status: String,
    #[serde(default)]
    split_up: Option<bool>,
    package_list: Option<Vec<Package>>,
}

#[derive(Deserialize)]
struct Package {
    package_number: Option<String>,
}

/// The answer about several orders; numbers stay as the vendor wrote them.
#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    response: BatchResponse<'a>,
}

#[derive(Deserialize)]
struct BatchResponse<'a> {
    #[serde(borrow)]
    order_list: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named {
    order_sn: String,
}

#[derive(Deserialize)]
struct Escrow {
    response: Option<EscrowResponse>,
}

#[derive(Deserialize)]
struct EscrowResponse {
    return_order_sn_list: Option<Vec<String>>,
}

impl Shopee {
    /// The next request for the order, given the answers so far.
    pub(super) fn next_fetch(
        &self,
        order_sn: &str,
        got: &[Bytes],
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        let order_sn = payload::external_id(order_sn, "order_sn").ok()?;
        let (path, query) = match self.questions(got).get(got.len())? {
            Question::Detail => return self.order_detail(&order_sn, call),
            Question::Escrow => {
                let query = self.shop_call(ESCROW, call);
                (ESCROW, query.with("order_sn", &order_sn))
            }
            Question::Tracking(package) => {
                let query = self.shop_call(TRACKING, call).with("order_sn", &order_sn);
                let query = match package {
                    Some(package) => query.with("package_number", package),
                    None => query,
                };
                (TRACKING, query)
            }
            Question::Return(return_sn) => {
                let query = self.shop_call(RETURN, call);
                (RETURN, query.with("return_sn", return_sn))
            }
        };
        self.0.base_url.join(&query.on(path)).map(url::get)
    }

    pub(super) fn sort_fetch(&self, got: &[Bytes], response: &Response<Bytes>) -> Fetched {
        let part = if got.is_empty() {
            match api::read_order_detail(response) {
                Fetched::Document(detail) => detail,
                other => return other,
            }
        } else {
            match api::judge(response) {
                Answer::Good(_) => response.body().clone(),
                Answer::TokenExpired => return Fetched::TokenExpired,
                Answer::Retry { after_s, reason } => return Fetched::Retry { after_s, reason },
                Answer::Reauthorize { reason } => return Fetched::Account { reason },
                Answer::NotFound | Answer::Account { .. } | Answer::Refused { .. } => {
                    Bytes::from_static(b"null")
                }
            }
        };
        self.after(got, part)
    }

    /// Whether the answers so far and this one are all there is to ask for.
    fn after(&self, got: &[Bytes], part: Bytes) -> Fetched {
        let mut got = got.to_vec();
        got.push(part.clone());
        if self.questions(&got).len() > got.len() {
            return Fetched::Part(part);
        }
        Fetched::Document(self.whole(&got))
    }

    /// All questions of the conversation that are known from the answers so far.
    fn questions(&self, got: &[Bytes]) -> Vec<Question> {
        let mut questions = vec![Question::Detail];
        let Some(head) = got.first().and_then(head) else {
            return questions;
        };
        // Nothing is in escrow before the buyer has paid, and nothing is left after a cancellation.
        let has_escrow = !matches!(
            head.order_status.as_str(),
            "UNPAID" | "PENDING" | "CANCELLED"
        );
        if has_escrow && self.0.escrow {
            questions.push(Question::Escrow);
        }
        let has_number = matches!(head.order_status.as_str(), "PROCESSED" | "SHIPPED");
        if has_number {
            questions.extend(parcels(&head));
        }
        if has_escrow && self.0.escrow {
            let returns = got.get(1).map(returns).unwrap_or_default();
            questions.extend(returns.into_iter().map(Question::Return));
        }
        questions
    }

    /// The answers as one document, each number as the vendor wrote it.
    fn whole(&self, got: &[Bytes]) -> Bytes {
        let text = |index: usize| {
            got.get(index)
                .map_or_else(|| "null".into(), |part| String::from_utf8_lossy(part))
        };
        let (mut escrow, mut tracking, mut returns) = ("null".into(), Vec::new(), Vec::new());
        for (index, question) in self.questions(got).iter().enumerate() {
            match question {
                Question::Detail => {}
                Question::Escrow => escrow = text(index),
                Question::Tracking(_) => tracking.push(text(index)),
                Question::Return(_) => returns.push(text(index)),
            }
        }
        Bytes::from(format!(
            r#"{{"order_detail":{},"escrow":{escrow},"tracking":[{}],"returns":[{}]}}"#,
            text(0),
            tracking.join(","),
            returns.join(",")
        ))
    }
}

impl Batches for Shopee {
    fn most(&self) -> usize {
        MOST_AT_ONCE
    }

    fn request(&self, external_ids: &[&str], call: CallContext<'_>) -> Option<Request<Bytes>> {
        let numbers: Option<Vec<String>> = external_ids
            .iter()
            // One with a comma would be read as two.
            .map(|order_sn| {
                let checked = payload::external_id(order_sn, "order_sn").ok()?;
                (!checked.contains(',')).then_some(checked)
            })
            .collect();
        self.order_detail(&numbers?.join(","), call)
    }

    /// Each order is put back into an answer of its own, as a call for it alone would have given.
    fn read(&self, response: &Response<Bytes>) -> Vec<(String, Fetched)> {
        let Fetched::Document(body) = api::read_order_detail(response) else {
            return Vec::new();
        };
        let Ok(batch) = serde_json::from_slice::<Batch<'_>>(&body) else {
            return Vec::new();
        };
        let orders = batch.response.order_list.into_iter();
        orders
            .filter_map(|order| {
                let Named { order_sn } = serde_json::from_str(order.get()).ok()?;
                let alone = format!(r#"{{"error":"","response":{{"order_list":[{order}]}}}}"#);
                Some((order_sn, self.after(&[], Bytes::from(alone))))
            })
            .collect()
    }
}

fn head(detail: &Bytes) -> Option<Head> {
    let detail: Detail = serde_json::from_slice(detail).ok()?;
    detail.response.order_list.into_iter().next()
}

fn parcels(head: &Head) -> Vec<Question> {
    if head.split_up != Some(true) {
        return vec![Question::Tracking(None)];
    }
    let packages = head.package_list.iter().flatten();
    packages
        .filter_map(|package| package.package_number.clone())
        .filter(|number| payload::external_id(number, "package_number").is_ok())
        .take(MOST)
        .map(|number| Question::Tracking(Some(number)))
        .collect()
}

fn returns(escrow: &Bytes) -> Vec<String> {
    let named = serde_json::from_slice::<Value>(escrow)
        .ok()
        .and_then(|escrow| Escrow::deserialize(escrow).ok()?.response)
        .and_then(|response| response.return_order_sn_list);
    let mut named: Vec<String> = named
        .unwrap_or_default()
        .into_iter()
        .filter(|sn| payload::external_id(sn, "return_sn").is_ok())
        .collect();
    // The last ones are the newest.
    let first = named.len().saturating_sub(MOST);
    named.split_off(first)
}
