//! A parcel that has left: Shopify fulfills by its own fulfillment orders, one set per location, so
//! these are asked for first and our lines are matched to theirs. Several locations need a call
//! each. After an unknown outcome the fulfillments that exist are looked at before that.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::task::{ChannelLine, ChannelTask, Given, Outcome, Tracking};
use http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shopify;
use crate::channels::storefront::api::{self, judge};
use crate::channels::storefront::deeds::{self, Rest as _, number};
use crate::feedback::{Step, Try};
use crate::literal::Literal;
use crate::payload::{self, word};
use crate::target::BuildError;

#[derive(Deserialize)]
struct FulfillmentOrders {
    fulfillment_orders: Vec<FulfillmentOrder>,
}

#[derive(Deserialize)]
struct FulfillmentOrder {
    id: u64,
    assigned_location_id: Option<u64>,
    status: Option<String>,
    line_items: Vec<FulfillmentLine>,
}

#[derive(Deserialize)]
struct FulfillmentLine {
    id: u64,
    line_item_id: Literal,
    fulfillable_quantity: u32,
}

#[derive(Deserialize)]
struct Fulfillments {
    fulfillments: Vec<Fulfillment>,
}

#[derive(Deserialize)]
struct Fulfillment {
    id: Literal,
    status: Option<String>,
    tracking_number: Option<String>,
    #[serde(default)]
    line_items: Vec<FulfilledLine>,
}

#[derive(Deserialize)]
struct FulfilledLine {
    id: Literal,
    quantity: u32,
}

/// Where a try stands.
enum At {
    /// Looking at the fulfillments that exist.
    Looking,
    /// Asking for the fulfillment orders.
    Asking,
    /// Making the fulfillment of this number.
    Making(usize),
}

fn at(attempt: Try<'_>) -> At {
    match (attempt.unknown, attempt.got.len()) {
        (true, 0) => At::Looking,
        (true, 1) | (false, 0) => At::Asking,
        (true, made) => At::Making(made - 2),
        (false, made) => At::Making(made - 1),
    }
}

/// Units by line that the look found to be sent already.
fn covered(attempt: Try<'_>) -> BTreeMap<String, u32> {
    (attempt.got.first().filter(|_| attempt.unknown))
        .and_then(|units| serde_json::from_slice(units).ok())
        .unwrap_or_default()
}

/// The bodies of the calls that follow, as the answer with the fulfillment orders was read.
fn planned(attempt: Try<'_>) -> Vec<Value> {
    attempt
        .got
        .get(usize::from(attempt.unknown))
        .and_then(|bodies| serde_json::from_slice(bodies).ok())
        .unwrap_or_default()
}

impl Shopify {
    pub(super) fn fulfill(
        &self,
        task: &ChannelTask,
        attempt: Try<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let id = number(&task.external_id, "external_id")?;
        Ok(match at(attempt) {
            At::Looking => {
                let path = format!("/orders/{id}/fulfillments.json");
                self.call(Method::GET, &path, None)
            }
            At::Asking => {
                let path = format!("/orders/{id}/fulfillment_orders.json");
                self.call(Method::GET, &path, None)
            }
            At::Making(index) => {
                let bodies = planned(attempt);
                let body = bodies.get(index).ok_or_else(|| BuildError {
                    what: "no fulfillment is left to make".to_owned(),
                })?;
                self.call(Method::POST, "/fulfillments.json", Some(body))
            }
        })
    }

    pub(super) fn read_fulfill(
        &self,
        lines: &[ChannelLine],
        tracking: Option<&Tracking>,
        attempt: Try<'_>,
        response: &Response<Bytes>,
    ) -> Step {
        if let Some(step) = judge(response).failed() {
            return step;
        }
        match at(attempt) {
            At::Looking => looked(lines, tracking, response),
            At::Asking => match payload::read(response.body()) {
                Ok(answer) => self.plan(lines, tracking, &covered(attempt), answer),
                Err(_) => api::unreadable("fulfillment orders"),
            },
            At::Making(index) if index + 1 < planned(attempt).len() => {
                Step::Part(response.body().clone())
            }
            At::Making(_) => api::accepted(deeds::given(response.body())),
        }
    }

    /// One call for each location that our lines are assigned to.
    fn plan(
        &self,
        lines: &[ChannelLine],
        tracking: Option<&Tracking>,
        covered: &BTreeMap<String, u32>,
        answer: FulfillmentOrders,
    ) -> Step {
        let mut wanted: BTreeMap<&str, u32> = BTreeMap::new();
        for line in lines {
            let units = wanted.entry(&line.line_id).or_default();
            *units = units.saturating_add(line.quantity);
        }
        for (line, units) in &mut wanted {
            *units = units.saturating_sub(covered.get(*line).copied().unwrap_or(0));
        }
        let (mut known, mut held) = (false, false);
        let mut by_location: BTreeMap<Option<u64>, Vec<Value>> = BTreeMap::new();
        for order in answer.fulfillment_orders {
            let open = matches!(order.status.as_deref(), Some("open" | "in_progress") | None);
            let mut items = Vec::new();
            for line in order.line_items {
                let Some(left) = wanted.get_mut(line.line_item_id.as_str()) else {
                    continue;
                };
                known = true;
                held |= !open && line.fulfillable_quantity > 0;
                let units = line.fulfillable_quantity.min(*left);
                if open && units > 0 {
                    *left -= units;
                    items.push(json!({ "id": line.id, "quantity": units }));
                }
            }
            if !items.is_empty() {
                let group = by_location.entry(order.assigned_location_id).or_default();
                group.push(json!({
                    "fulfillment_order_id": order.id, "fulfillment_order_line_items": items,
                }));
            }
        }
        if by_location.is_empty() {
            return match (known, held) {
                (_, true) => api::refused("on_hold", "the shop holds the fulfillment of the lines"),
                // Nothing is left to send: somebody has done it by hand.
                (true, false) => api::duplicate(),
                (false, false) => api::refused("no_such_line", "the shop has none of the lines"),
            };
        }
        let bodies: Vec<Value> = by_location
            .into_values()
            .map(|orders| self.fulfillment(orders, tracking))
            .collect();
        Step::Part(Bytes::from(Value::Array(bodies).to_string()))
    }

    fn fulfillment(&self, orders: Vec<Value>, tracking: Option<&Tracking>) -> Value {
        let mut fulfillment = json!({
            "line_items_by_fulfillment_order": orders,
            "notify_customer": self.settings.notify_customer,
        });
        if let Some(tracking) = tracking {
            fulfillment["tracking_info"] = json!({
                "number": tracking.number, "company": tracking.carrier,
            });
        }
        json!({ "fulfillment": fulfillment })
    }
}

/// What of our parcel is among the fulfillments: by its number, or by its lines where it has none. A
/// parcel from two locations may be there in half.
fn looked(lines: &[ChannelLine], tracking: Option<&Tracking>, response: &Response<Bytes>) -> Step {
    let Ok(answer) = payload::read::<Fulfillments>(response.body()) else {
        return api::unreadable("fulfillments");
    };
    let ours: Vec<&Fulfillment> = answer
        .fulfillments
        .iter()
        .filter(|one| one.status.as_deref() != Some("cancelled"))
        .filter(|one| {
            let number = one.tracking_number.as_deref().unwrap_or_default();
            match tracking {
                Some(tracking) => number == tracking.number,
                None => number.is_empty() && same_lines(one, lines),
            }
        })
        .collect();
    let mut covered: BTreeMap<&str, u32> = BTreeMap::new();
    for sent in ours.iter().flat_map(|one| &one.line_items) {
        let units = covered.entry(sent.id.as_str()).or_default();
        *units = units.saturating_add(sent.quantity);
    }
    let is_covered = |line: &ChannelLine| {
        let units = covered.get(line.line_id.as_str());
        units.is_some_and(|units| *units >= line.quantity)
    };
    match ours.first() {
        Some(one) if lines.iter().all(is_covered) => Step::Done(Outcome::Duplicate {
            given: Given {
                partner_id: Some(word(one.id.as_str())),
                ..Given::default()
            },
        }),
        Some(_) | None => Step::Part(Bytes::from(json!(covered).to_string())),
    }
}

fn same_lines(one: &Fulfillment, lines: &[ChannelLine]) -> bool {
    one.line_items.len() == lines.len()
        && lines.iter().all(|line| {
            (one.line_items.iter())
                .any(|sent| sent.id.as_str() == line.line_id && sent.quantity == line.quantity)
        })
}
