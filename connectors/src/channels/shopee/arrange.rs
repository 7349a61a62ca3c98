//! Arranging a shipment: what the carrier needs, the arrangement, the parcel's number. After the
//! look at the order the answers so far are: shipping parameters, then the arrangement.

use bytes::Bytes;
use domain::task::{ChannelLine, Given, Outcome};
use http::{Request, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::api::{self, already, later, refused, said};
use super::fetch::TRACKING;
use super::look::Seen;
use super::{Handover, Shopee};
use crate::channel::CallContext;
use crate::feedback::Step;
use crate::literal::Literal;
use crate::payload::filled;
use crate::target::BuildError;

const PARAMETERS: &str = "/api/v2/logistics/get_shipping_parameter";
const SHIP: &str = "/api/v2/logistics/ship_order";

/// An order that cannot be arranged yet is looked at again after this.
const NOT_YET_S: u64 = 300;

#[derive(Deserialize)]
struct Parameters {
    response: ParametersResponse,
}

#[derive(Deserialize)]
struct ParametersResponse {
    #[serde(default)]
    info_needed: Needed,
    pickup: Option<Pickup>,
    dropoff: Option<Dropoff>,
}

/// A way that is not offered is missing; one that needs nothing is an empty list.
#[derive(Deserialize, Default)]
struct Needed {
    pickup: Option<Vec<String>>,
    dropoff: Option<Vec<String>>,
    non_integrated: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Pickup {
    address_list: Option<Vec<Address>>,
}

#[derive(Deserialize)]
struct Address {
    address_id: Literal,
    address_flag: Option<Vec<String>>,
    time_slot_list: Option<Vec<Slot>>,
}

#[derive(Deserialize)]
struct Slot {
    pickup_time_id: Option<String>,
    flags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Dropoff {
    branch_list: Option<Vec<Branch>>,
}

#[derive(Deserialize)]
struct Branch {
    branch_id: Literal,
}

/// What the look says: go on, or there is nothing (more) to do.
pub(super) fn after_look(seen: &Seen, lines: &[ChannelLine]) -> Step {
    match seen.status.as_str() {
        "CANCELLED" => refused("cancelled", "Shopee has cancelled the order"),
        _ if seen.booked => already("sent under a booking"),
        "UNPAID" | "PENDING" => later(NOT_YET_S, "the order is not ready to ship"),
        "IN_CANCEL" => later(NOT_YET_S, "a wish to cancel waits for an answer"),
        _ if seen.package(lines).is_none() => {
            refused("split", "no parcel at Shopee holds these lines")
        }
        _ => Step::Part(seen.part()),
    }
}

impl Shopee {
    pub(super) fn arrange(
        &self,
        order_sn: &str,
        seen: &Seen,
        lines: &[ChannelLine],
        got: &[Bytes],
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let package = seen
            .package(lines)
            .ok_or_else(|| wrong("package_list: no parcel holds these lines"))?;
        // The vendor refuses the number of an order's only parcel.
        let number = seen.split.then_some(package.number.as_str());
        let mut parameters = vec![("order_sn", order_sn)];
        parameters.extend(number.map(|number| ("package_number", number)));
        match got {
            [] if !package.arranged => self.ask(PARAMETERS, &parameters, call),
            [answer] if !package.arranged => {
                let (way, how) = self.way(answer)?;
                let mut body = json!({ "order_sn": order_sn, way: how });
                if let Some(number) = number {
                    body["package_number"] = json!(number);
                }
                self.tell(SHIP, &body, call)
            }
            _ => self.ask(TRACKING, &parameters, call),
        }
    }

    /// One of the ways that the carrier offers, and what it wants to know for it.
    fn way(&self, answer: &Bytes) -> Result<(&'static str, Value), BuildError> {
        let parameters: Parameters = crate::payload::read(answer)
            .map_err(|_| wrong("get_shipping_parameter: not of the vendor's form"))?;
        let ParametersResponse {
            info_needed,
            pickup,
            dropoff,
        } = parameters.response;
        let prefers_dropoff = self.0.handover == Handover::Dropoff;
        match (info_needed.pickup, info_needed.dropoff) {
            (Some(_), Some(needs)) if prefers_dropoff => self.dropoff(&needs, dropoff),
            (Some(needs), _) => self.pickup(&needs, pickup),
            (None, Some(needs)) => self.dropoff(&needs, dropoff),
            (None, None) => match info_needed.non_integrated {
                Some(needs) if needs.is_empty() => Ok(("non_integrated", json!({}))),
                Some(_) => Err(wrong(
                    "non_integrated: this carrier needs a number of ours; arrange it by hand",
                )),
                None => Err(wrong("info_needed: the carrier offers no way")),
            },
        }
    }

    fn pickup(
        &self,
        needs: &[String],
        pickup: Option<Pickup>,
    ) -> Result<(&'static str, Value), BuildError> {
        let mut how = Map::new();
        if needs.iter().any(|need| need == "address_id") {
            let addresses = pickup.and_then(|pickup| pickup.address_list);
            let address = self
                .address(addresses.unwrap_or_default())
                .ok_or_else(|| wrong("pickup.address_list: no address to collect from"))?;
            let id = address.address_id.whole("address_id");
            how.insert(
                "address_id".to_owned(),
                json!(id.map_err(|error| wrong(&error.what))?),
            );
            // Some carriers name no times and choose one by themselves.
            let slots = address.time_slot_list.unwrap_or_default();
            if let Some(time) = best(slots) {
                how.insert("pickup_time_id".to_owned(), Value::String(time));
            }
        }
        Ok(("pickup", Value::Object(how)))
    }

    /// The one of the settings, else the one that the shop marked, else the first.
    fn address(&self, mut addresses: Vec<Address>) -> Option<Address> {
        let wanted = self.0.pickup_address_id.map(|id| id.to_string());
        let flagged = |address: &Address, flag: &str| {
            let flags = address.address_flag.iter().flatten();
            flags.into_iter().any(|known| known == flag)
        };
        let by_id = |address: &Address| Some(address.address_id.to_string()) == wanted;
        let place = match wanted {
            Some(_) => addresses.iter().position(by_id)?,
            None => ["current_address", "pickup_address", "default_address"]
                .iter()
                .find_map(|flag| addresses.iter().position(|address| flagged(address, flag)))
                .unwrap_or(0),
        };
        (place < addresses.len()).then(|| addresses.swap_remove(place))
    }

    fn dropoff(
        &self,
        needs: &[String],
        dropoff: Option<Dropoff>,
    ) -> Result<(&'static str, Value), BuildError> {
        let mut how = Map::new();
        for need in needs {
            if need != "branch_id" {
                return Err(wrong(
                    "dropoff: the carrier wants to know more than a branch; arrange it by hand",
                ));
            }
            let first = || {
                let branches = dropoff.as_ref()?.branch_list.as_ref()?;
                branches.first()?.branch_id.whole("branch_id").ok()
            };
            let branch = match self.0.dropoff_branch_id {
                Some(id) => json!(id),
                None => json!(first().ok_or_else(|| wrong("dropoff.branch_list: no branch"))?),
            };
            how.insert("branch_id".to_owned(), branch);
        }
        Ok(("dropoff", Value::Object(how)))
    }
}

/// The time that Shopee recommends, else the first.
fn best(slots: Vec<Slot>) -> Option<String> {
    let recommended = |slot: &Slot| {
        let mut flags = slot.flags.iter().flatten();
        flags.any(|flag| flag == "recommended")
    };
    let place = slots.iter().position(recommended).unwrap_or(0);
    let slot = slots.into_iter().nth(place)?;
    filled(slot.pickup_time_id)
}

pub(super) fn read(
    seen: &Seen,
    lines: &[ChannelLine],
    got: &[Bytes],
    response: &Response<Bytes>,
) -> Step {
    let Some(package) = seen.package(lines) else {
        return refused("split", "no parcel at Shopee holds these lines");
    };
    let was_arranged = package.arranged;
    let answer = api::good(response);
    match (got, answer) {
        ([], Ok(_)) if !was_arranged => Step::Part(response.body().clone()),
        ([_], Ok(_)) if !was_arranged => Step::Part(Bytes::from_static(b"{}")),
        (_, Ok(document)) => {
            // The carrier may give the number later; a push then announces it.
            let tracking = document
                .pointer("/response/tracking_number")
                .and_then(Value::as_str);
            let given = Given {
                tracking: filled(tracking.map(str::to_owned)),
                partner_id: Some(package.number.clone()),
                ..Given::default()
            };
            Step::Done(if was_arranged {
                Outcome::Duplicate { given }
            } else {
                Outcome::Accepted { given }
            })
        }
        ([_], Err(step)) if !was_arranged => after_refusal(*step, response),
        (_, Err(step)) => *step,
    }
}

/// What `ship_order` refuses for reasons that are none.
fn after_refusal(step: Step, response: &Response<Bytes>) -> Step {
    let said = said(response);
    match said.error.as_str() {
        "package_already_shipped" => Step::Part(Bytes::from_static(b"{}")),
        "error_booking_order" => already("sent under a booking"),
        "ship_order_not_ready_to_ship" => later(NOT_YET_S, "the order is not ready to ship"),
        // The slot went to somebody else: the next try asks which are left.
        "ship_order_pickup_time_invalid" | "error_pickup_time" => {
            later(1, "the pickup time is taken")
        }
        _ if said.message.contains("pickup_time_id") || said.message.contains("timeslot") => {
            later(1, "the pickup time is taken")
        }
        _ => step,
    }
}

fn wrong(what: &str) -> BuildError {
    BuildError {
        what: what.to_owned(),
    }
}
