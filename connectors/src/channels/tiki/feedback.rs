//! What Tiki is told: that we have the goods or have not, and how our own carrier fared.
//!
//! Each intention begins with a look at the order, see [`super::look`].

use bytes::Bytes;
use domain::task::{ChannelLine, ChannelTask, Given, News, NewsKind, Outcome};
use http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Tiki;
use super::api::{self, order_path};
use super::look::Seen;
use crate::channel::CallContext;
use crate::feedback::{Feedback, Step, Stock, Try};
use crate::target::BuildError;

const SLOTS: &str = "/integration/v2/orders/dropship/expected-pickup-slots";

#[derive(Deserialize)]
struct Slots {
    #[serde(default)]
    pickup_slots: Option<Vec<Slot>>,
}

#[derive(Deserialize)]
struct Slot {
    expected_pickup_time: Option<String>,
}

impl Feedback for Tiki {
    fn takes(&self) -> &'static [NewsKind] {
        &[
            NewsKind::Accepted,
            NewsKind::Cancelled,
            NewsKind::Delivered,
            NewsKind::DeliveryFailed,
        ]
    }

    fn request(
        &self,
        task: &ChannelTask,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let path = order_path(&task.external_id)?;
        let Some(seen) = Seen::of(attempt.got) else {
            return self.order(&task.external_id, call).ok_or_else(too_long);
        };
        match &task.news {
            News::Accepted { lines, location } => {
                let inventory = self.inventory(location.as_deref())?;
                if !seen.is_dropship() {
                    let ids = ids(&among(&seen.waiting, lines))?;
                    return self.confirm(&path, &ids, inventory, call);
                }
                match attempt.got.get(1) {
                    None => self.build(Method::GET, SLOTS, None, call),
                    Some(slots) => {
                        let mut body = json!({
                            "confirmation_status": "seller_confirmed",
                            "seller_inventory_id": inventory,
                        });
                        if let Some(time) = first_slot(slots) {
                            body["expected_pickup_time"] = Value::String(time);
                        }
                        self.dropship(&path, &body, call)
                    }
                }
            }
            News::Cancelled { lines, whole, .. } => {
                let inventory = self.inventory(None)?;
                if seen.is_dropship() {
                    let body = json!({
                        "confirmation_status": "seller_canceled",
                        "seller_inventory_id": inventory,
                    });
                    return self.dropship(&path, &body, call);
                }
                // What is left out is what we have not.
                let rest: Vec<String> = if *whole {
                    Vec::new()
                } else {
                    let out = among(&seen.waiting, lines);
                    let waiting = seen.waiting.into_iter();
                    waiting.filter(|id| !out.contains(id)).collect()
                };
                self.confirm(&path, &ids(&rest)?, inventory, call)
            }
            News::Delivered { .. } => {
                let body = json!({ "status": "successful_delivery" });
                self.delivery(&path, &body, call)
            }
            News::DeliveryFailed { reason, .. } => {
                let mut body = json!({ "status": "failed_delivery", "note": note(reason) });
                if let Some(cause) = &self.settings.failure_cause {
                    body["failure_cause"] = Value::String(cause.clone());
                }
                self.delivery(&path, &body, call)
            }
            News::Arranged { .. }
            | News::Packed { .. }
            | News::Shipped { .. }
            | News::CancelAnswered { .. }
            | News::Refunded { .. } => Err(not_taken(&task.news)),
        }
    }

    fn read(&self, task: &ChannelTask, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        let Some(seen) = Seen::of(attempt.got) else {
            return match Seen::read(response) {
                Ok(seen) => after_look(&task.news, &seen),
                Err(step) => *step,
            };
        };
        match api::good(response) {
            Err(step) => *step,
            Ok(_) if asked_for_slots(&task.news, &seen, attempt) => {
                Step::Part(response.body().clone())
            }
            Ok(_) => Step::Done(Outcome::Accepted {
                given: Given::default(),
            }),
        }
    }

    fn stock(&self) -> Option<&dyn Stock> {
        Some(self)
    }
}

impl Tiki {
    /// Tiki's id of the warehouse that a location of ours is.
    pub(super) fn inventory(&self, location: Option<&str>) -> Result<u64, BuildError> {
        location
            .and_then(|location| self.settings.seller_inventories.get(location))
            .copied()
            .or(self.settings.seller_inventory_id)
            .ok_or_else(|| BuildError {
                what: "the setting seller_inventory_id is missing".to_owned(),
            })
    }

    fn confirm(
        &self,
        path: &str,
        ids: &[u64],
        inventory: u64,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let body = json!({ "available_item_ids": ids, "seller_inventory_id": inventory });
        let path = format!("{path}/confirm-available");
        self.build(Method::POST, &path, Some(&body), call)
    }

    fn dropship(
        &self,
        path: &str,
        body: &Value,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let path = format!("{path}/dropship/confirm-available");
        self.build(Method::POST, &path, Some(body), call)
    }

    fn delivery(
        &self,
        path: &str,
        body: &Value,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let path = format!("{path}/seller-delivery/update-delivery");
        self.build(Method::POST, &path, Some(body), call)
    }
}

/// What the look says: go on, or there is nothing (more) to do.
fn after_look(news: &News, seen: &Seen) -> Step {
    let go_on = || Step::Part(seen.part());
    match news {
        News::Accepted { .. } if seen.is_cancelled() => {
            api::refused("canceled", "Tiki has cancelled the order")
        }
        News::Accepted { .. } if seen.waiting.is_empty() => already("confirmed"),
        News::Accepted { lines, .. } if among(&seen.waiting, lines).is_empty() => {
            api::refused("no_such_line", "no line of the order waits")
        }
        News::Accepted { .. } => go_on(),
        News::Cancelled { .. } if seen.is_cancelled() => already("canceled"),
        News::Cancelled { lines, whole, .. } => {
            let out = among(&seen.waiting, lines);
            let gone = lines
                .iter()
                .all(|line| seen.given_back.contains(&line.line_id));
            if gone && !whole && !lines.is_empty() {
                already("seller_canceled")
            } else if seen.waiting.is_empty() || (!whole && out.is_empty()) {
                // Tiki lets a seller withdraw only what was not confirmed yet.
                api::refused("too_late", "the lines are confirmed already; ask Tiki")
            } else if seen.is_dropship() && !whole && out.len() < seen.waiting.len() {
                api::refused("whole_order_only", "a dropship order is one parcel")
            } else {
                go_on()
            }
        }
        News::Delivered { .. } | News::DeliveryFailed { .. } if !seen.is_ours_to_deliver() => {
            already("told by Tiki's carrier")
        }
        News::Delivered { .. } if seen.is_delivered() => already("delivered"),
        News::DeliveryFailed { .. } if seen.is_cancelled() => already("canceled"),
        News::Delivered { .. } if seen.is_cancelled() => {
            api::refused("canceled", "Tiki has cancelled the order")
        }
        News::DeliveryFailed { .. } if seen.is_delivered() => {
            api::refused("delivered", "Tiki says that it was delivered")
        }
        News::Delivered { .. } | News::DeliveryFailed { .. } => go_on(),
        News::Arranged { .. }
        | News::Packed { .. }
        | News::Shipped { .. }
        | News::CancelAnswered { .. }
        | News::Refunded { .. } => api::refused("not_taken", &not_taken(news).what),
    }
}

fn asked_for_slots(news: &News, seen: &Seen, attempt: Try<'_>) -> bool {
    matches!(news, News::Accepted { .. }) && seen.is_dropship() && attempt.got.len() == 1
}

fn first_slot(slots: &Bytes) -> Option<String> {
    let slots: Slots = serde_json::from_slice(slots).ok()?;
    slots
        .pickup_slots?
        .into_iter()
        .find_map(|slot| crate::payload::filled(slot.expected_pickup_time))
}

/// Those of `waiting` that stand in `lines`.
fn among(waiting: &[String], lines: &[ChannelLine]) -> Vec<String> {
    let named = |id: &&String| lines.iter().any(|line| line.line_id == **id);
    waiting.iter().filter(named).cloned().collect()
}

fn ids(items: &[String]) -> Result<Vec<u64>, BuildError> {
    let number = |id: &String| {
        id.parse().map_err(|_| BuildError {
            what: "line_id: expected a number of Tiki".to_owned(),
        })
    };
    items.iter().map(number).collect()
}

/// A carrier's words may hold a telephone number, which is not for this note.
fn note(reason: &str) -> String {
    let kept = reason
        .chars()
        .filter(|c| !c.is_numeric() && !c.is_control());
    kept.take(200).collect::<String>().trim().to_owned()
}

fn already(state: &str) -> Step {
    Step::Done(Outcome::Duplicate {
        given: Given {
            state: Some(state.to_owned()),
            ..Given::default()
        },
    })
}

fn not_taken(news: &News) -> BuildError {
    BuildError {
        what: format!("Tiki takes no {}", news.kind().as_str()),
    }
}

fn too_long() -> BuildError {
    BuildError {
        what: "the address of the call is too long".to_owned(),
    }
}
