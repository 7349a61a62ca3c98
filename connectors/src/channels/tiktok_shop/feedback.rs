//! What the vendor is told: parcels, cancellations, answers to the buyer's wish to cancel.
//!
//! Every intention is a short conversation that begins with a look at the order (or at its
//! cancellations). So a repeat after a lost answer sees what the first try did, and "already done"
//! is told from "done now". A flow runs over the answers so far: it stops at the first call that
//! has none yet, or comes to an outcome.

use bytes::Bytes;
use domain::task::{ChannelTask, Given, News, NewsKind, Outcome};
use http::{Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::TikTokShop;
use super::api::{Answer, judge, path_id};
use super::document::Order;
use super::fetch::first_order;
use super::{Handover, cancel, ship};
use crate::channel::CallContext;
use crate::feedback::{Feedback, Step, Stock, Try};
use crate::target::BuildError;

/// One call of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// The order.
    Detail,
    /// Divide a parcel: ours first, then the rest, as ids of units.
    Split(Vec<Vec<String>>),
    /// The parcel is ready for the vendor's carrier, or left with one of ours.
    Ship {
        package: String,
        own: Option<OwnShipment>,
    },
    /// The parcel's number at the carrier.
    Package(String),
    /// Carriers that may be named for this way of delivery.
    Providers(String),
    /// A parcel of our own fleet arrived, or did not and why.
    Report {
        package: String,
        failed: Option<&'static str>,
    },
    /// Call the order off, or some of its units.
    Cancel {
        reason: String,
        units: Option<Vec<String>>,
    },
    /// Cancellations of the order.
    Cancellations,
    /// Reasons that may be given for not granting one.
    RejectReasons(String),
    Approve(String),
    Reject {
        request: String,
        reason: String,
    },
}

/// A parcel that we send ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnShipment {
    pub(super) tracking: String,
    pub(super) provider: String,
}

/// The outcome, or the call that is needed before there is one.
pub(super) type Flow = Result<Outcome, Call>;

/// The answers of one try, in the order of its calls.
pub(super) struct Answers<'a>(std::slice::Iter<'a, Bytes>);

impl Answers<'_> {
    /// The answer to `call`, where there is one.
    pub(super) fn to(&mut self, call: Call) -> Result<Value, Call> {
        match self.0.next() {
            Some(answer) => Ok(serde_json::from_slice(answer).unwrap_or_default()),
            None => Err(call),
        }
    }

    /// The order as it is now; what came instead of one is an outcome.
    pub(super) fn order(&mut self) -> Result<Result<Order, Outcome>, Call> {
        let answer = self.to(Call::Detail)?;
        let order = first_order(&answer).map(Order::deserialize);
        Ok(match order {
            Some(Ok(order)) => Ok(order),
            Some(Err(_)) => Err(refused(
                "unreadable",
                "the order's document is not readable",
            )),
            None => Err(refused("not_found", "the vendor does not know the order")),
        })
    }
}

pub(super) fn refused(code: &str, message: &str) -> Outcome {
    Outcome::Refused {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

pub(super) fn later(after_s: u64, reason: &str) -> Outcome {
    Outcome::Retry {
        after_s: Some(after_s),
        reason: reason.to_owned(),
    }
}

pub(super) fn given(partner_id: Option<String>, tracking: Option<String>) -> Given {
    Given {
        partner_id,
        tracking,
        ..Given::default()
    }
}

impl TikTokShop {
    fn flow(&self, task: &ChannelTask, got: &[Bytes]) -> Flow {
        let mut answers = Answers(got.iter());
        let answers = &mut answers;
        match &task.news {
            News::Arranged { lines, .. } => ship::arranged(lines, answers),
            News::Shipped {
                lines, tracking, ..
            } => ship::shipped(
                &self.0.shipping_providers,
                lines,
                tracking.as_ref(),
                answers,
            ),
            News::Delivered { .. } => ship::reported(None, answers),
            News::DeliveryFailed { reason, .. } => ship::reported(Some(reason), answers),
            News::Cancelled {
                reason,
                lines,
                whole,
                ..
            } => {
                let part = (!whole).then_some(lines.as_slice());
                cancel::cancelled(&self.0, *reason, part, answers)
            }
            News::CancelAnswered { accept, .. } => {
                cancel::answered(&self.0.reject_reason, *accept, answers)
            }
            News::Accepted { .. } | News::Packed { .. } | News::Refunded { .. } => {
                Ok(refused("not_taken", "the vendor takes no such news"))
            }
        }
    }

    fn build(
        &self,
        task: &ChannelTask,
        next: &Call,
        key: &str,
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        let order = path_id(&task.external_id)?;
        let package_path = |package: &str, rest: &str| {
            path_id(package).map(|id| format!("/fulfillment/202309/packages/{id}{rest}"))
        };
        let cancel_path = |request: &str, rest: &str| {
            path_id(request).map(|id| format!("/return_refund/202309/cancellations/{id}{rest}"))
        };
        match next {
            Call::Detail => self.order_detail(order, call),
            Call::Split(groups) => {
                let path = format!("/fulfillment/202309/orders/{order}/split");
                let groups: Vec<Value> = groups
                    .iter()
                    .zip(1..)
                    .map(|(units, number)| {
                        json!({"id": number.to_string(), "order_line_item_ids": units})
                    })
                    .collect();
                self.post(&path, &[], &json!({ "splittable_groups": groups }), call)
            }
            Call::Ship { package, own } => {
                let body = match (own, self.0.handover) {
                    (Some(own), _) => json!({ "self_shipment": {
                        "tracking_number": own.tracking,
                        "shipping_provider_id": own.provider,
                    } }),
                    (None, Some(Handover::Pickup)) => json!({ "handover_method": "PICKUP" }),
                    (None, Some(Handover::DropOff)) => json!({ "handover_method": "DROP_OFF" }),
                    (None, None) => json!({}),
                };
                self.post(&package_path(package, "/ship")?, &[], &body, call)
            }
            Call::Package(package) => self.get(&package_path(package, "")?, &[], call),
            Call::Providers(option) => {
                let option = path_id(option)?;
                let path =
                    format!("/logistics/202309/delivery_options/{option}/shipping_providers");
                self.get(&path, &[], call)
            }
            Call::Report { package, failed } => {
                let report = match failed {
                    None => json!({"id": package, "delivery_type": "DELIVERY_SUCCESS"}),
                    Some(reason) => json!({"id": package, "delivery_type": "DELIVERY_FAILED",
                        "fail_delivery_reason": reason}),
                };
                let body = json!({ "packages": [report] });
                self.post("/fulfillment/202309/packages/deliver", &[], &body, call)
            }
            Call::Cancel { reason, units } => {
                let mut body = json!({ "order_id": order, "cancel_reason": reason });
                if let Some(units) = units {
                    body["order_line_item_ids"] = json!(units);
                }
                self.post("/return_refund/202309/cancellations", &[], &body, call)
            }
            Call::Cancellations => {
                let newest = [
                    ("page_size", "50"),
                    ("sort_field", "create_time"),
                    ("sort_order", "DESC"),
                ];
                let body = json!({ "order_ids": [order] });
                let path = "/return_refund/202309/cancellations/search";
                self.post(path, &newest, &body, call)
            }
            Call::RejectReasons(request) => {
                let about = [("return_or_cancel_id", path_id(request)?)];
                self.get("/return_refund/202309/reject_reasons", &about, call)
            }
            Call::Approve(request) => {
                let once = [("idempotency_key", key)];
                self.post(&cancel_path(request, "/approve")?, &once, &json!({}), call)
            }
            Call::Reject { request, reason } => {
                let once = [("idempotency_key", key)];
                let mut body = json!({ "reject_reason": reason });
                if let News::CancelAnswered { text, .. } = &task.news
                    && !text.trim().is_empty()
                {
                    body["comment"] = json!(text.chars().take(200).collect::<String>());
                }
                self.post(&cancel_path(request, "/reject")?, &once, &body, call)
            }
        }
    }
}

/// What an answer without success comes to, for the call that it answers.
fn failed(call: &Call, answer: Answer) -> Step {
    let outcome = match answer {
        Answer::TokenExpired => return Step::TokenExpired,
        Answer::Retry { after_s, reason } => Outcome::Retry { after_s, reason },
        Answer::Account { reason } => Outcome::Account { reason },
        Answer::Refused { code, reason } => match (call, code) {
            // It was being cancelled before we asked.
            (Call::Cancel { .. }, 25_001_011) => Outcome::Duplicate {
                given: Given::default(),
            },
            // The order has moved on since we looked: look again.
            (Call::Cancel { .. }, 25_001_051)
            | (
                Call::Approve(_) | Call::Reject { .. },
                25_001_003 | 25_011_011 | 25_011_012 | 25_020_010,
            ) => Outcome::Retry {
                after_s: Some(30),
                reason,
            },
            // The parcel is arranged whatever this answer is.
            (Call::Package(_), _) => Outcome::Retry {
                after_s: Some(60),
                reason,
            },
            (Call::Cancel { .. } | Call::Approve(_), 25_001_045) => {
                refused("shipped", "it has been shipped")
            }
            _ => Outcome::Refused {
                code: code.to_string(),
                message: reason,
            },
        },
        Answer::Good(_) => Outcome::Accepted {
            given: Given::default(),
        },
    };
    Step::Done(outcome)
}

impl Feedback for TikTokShop {
    fn takes(&self) -> &'static [NewsKind] {
        &[
            NewsKind::Arranged,
            NewsKind::Shipped,
            NewsKind::Delivered,
            NewsKind::DeliveryFailed,
            NewsKind::Cancelled,
            NewsKind::CancelAnswered,
        ]
    }

    fn request(
        &self,
        task: &ChannelTask,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let Err(next) = self.flow(task, attempt.got) else {
            return Err(BuildError {
                what: "the answers so far leave nothing to ask".to_owned(),
            });
        };
        self.build(task, &next, attempt.key, call)
            .ok_or_else(|| BuildError {
                what: "external_id or an id of the vendor's is not one".to_owned(),
            })
    }

    fn read(&self, task: &ChannelTask, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        let call = match self.flow(task, attempt.got) {
            Ok(outcome) => return Step::Done(outcome),
            Err(call) => call,
        };
        match judge(response) {
            Answer::Good(_) => {
                let part = response.body().clone();
                let mut got = attempt.got.to_vec();
                got.push(part.clone());
                match self.flow(task, &got) {
                    Ok(outcome) => Step::Done(outcome),
                    Err(_) => Step::Part(part),
                }
            }
            answer @ (Answer::TokenExpired
            | Answer::Retry { .. }
            | Answer::Account { .. }
            | Answer::Refused { .. }) => failed(&call, answer),
        }
    }

    fn stock(&self) -> Option<&dyn Stock> {
        Some(self)
    }
}
