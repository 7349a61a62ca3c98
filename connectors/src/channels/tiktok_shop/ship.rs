//! Parcels: handing them to the vendor's carrier, telling of our own, and of what became of them.

use std::collections::BTreeMap;

use domain::task::{ChannelLine, Given, Outcome, Tracking};
use serde_json::Value;

use super::api::partial_failure;
use super::document::Order;
use super::feedback::{Answers, Call, Flow, OwnShipment, given, later, refused};
use super::parcel::{self, Package, Parcel, State};
use crate::literal::Literal;
use crate::payload;

/// The vendor makes parcels and numbers within seconds or a few minutes.
const SOON_S: u64 = 15;
/// An order that is on hold stays so for an hour.
const ON_HOLD_S: u64 = 900;

/// Who carries the parcel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    Vendors,
    Ours,
}

fn carrier(order: &Order) -> Carrier {
    match order.shipping_type.as_deref() {
        Some("SELLER") => Carrier::Ours,
        Some(_) | None => Carrier::Vendors,
    }
}

/// Why nothing can be done for the order's parcels now.
fn obstacle(order: &Order) -> Option<Outcome> {
    if matches!(
        order.fulfillment_type.as_deref(),
        Some("FULFILLMENT_BY_TIKTOK" | "FULFILLMENT_BY_DILAYANI_TOKOPEDIA")
    ) {
        let words = "the vendor's warehouse ships this order";
        return Some(refused("fulfilled_by_vendor", words));
    }
    match order.status.as_str() {
        "CANCELLED" | "CANCEL" => Some(refused("cancelled", "the order is cancelled")),
        "UNPAID" | "ON_HOLD" => Some(later(ON_HOLD_S, "the order waits for its buyer")),
        _ => None,
    }
}

/// Looks for the parcel, and has the vendor's divided where it holds more.
fn find(
    wanted: &[ChannelLine],
    answers: &mut Answers<'_>,
) -> Result<Result<(Order, Package), Outcome>, Call> {
    let mut divided = false;
    loop {
        let order = match answers.order()? {
            Ok(order) => order,
            Err(outcome) => return Ok(Err(outcome)),
        };
        if let Some(outcome) = obstacle(&order) {
            return Ok(Err(outcome));
        }
        match parcel::find(&order, wanted) {
            Parcel::Whole(package) => return Ok(Ok((order, package))),
            Parcel::Part(groups) if !divided => {
                answers.to(Call::Split(groups))?;
                divided = true;
            }
            Parcel::Part(_) => {
                return Ok(Err(later(SOON_S, "the parcel is being divided")));
            }
            Parcel::NotYet => return Ok(Err(later(SOON_S, "the vendor has no parcel yet"))),
            Parcel::Mismatch => {
                let words = "no parcel of the vendor's holds these lines";
                return Ok(Err(refused("parcel_mismatch", words)));
            }
        }
    }
}

/// A location packs: the vendor's carrier is to come, and its number is wanted.
pub(super) fn arranged(wanted: &[ChannelLine], answers: &mut Answers<'_>) -> Flow {
    let (order, package) = match find(wanted, answers)? {
        Ok(found) => found,
        Err(outcome) => return Ok(outcome),
    };
    if carrier(&order) == Carrier::Ours {
        // Nobody is to come; the carrier is told when the parcel leaves.
        return Ok(Outcome::Accepted {
            given: given(Some(package.id), package.tracking),
        });
    }
    let before = package.state != State::ToArrange;
    if let (true, Some(tracking)) = (before, &package.tracking) {
        return Ok(Outcome::Duplicate {
            given: given(Some(package.id), Some(tracking.clone())),
        });
    }
    if !before {
        answers.to(Call::Ship {
            package: package.id.clone(),
            own: None,
        })?;
    }
    let answer = answers.to(Call::Package(package.id.clone()))?;
    let tracking = answer
        .pointer("/data/tracking_number")
        .and_then(Value::as_str);
    let Some(tracking) = payload::filled(tracking.map(str::to_owned)) else {
        // The number comes later; the next try finds the parcel arranged and asks for it only.
        return Ok(later(SOON_S, "the parcel has no number yet"));
    };
    let given = given(Some(package.id), Some(tracking));
    Ok(if before {
        Outcome::Duplicate { given }
    } else {
        Outcome::Accepted { given }
    })
}

/// A parcel has left with a carrier of ours.
pub(super) fn shipped(
    known: &BTreeMap<String, String>,
    wanted: &[ChannelLine],
    tracking: Option<&Tracking>,
    answers: &mut Answers<'_>,
) -> Flow {
    let (order, package) = match find(wanted, answers)? {
        Ok(found) => found,
        Err(outcome) => return Ok(outcome),
    };
    let done = Outcome::Duplicate {
        given: given(Some(package.id.clone()), package.tracking.clone()),
    };
    match (carrier(&order), package.state) {
        (_, State::Arranged | State::Delivered) => return Ok(done),
        (Carrier::Vendors, State::ToArrange) => {
            let words = "the vendor's carrier takes this order, and it is not arranged";
            return Ok(refused("vendors_carrier", words));
        }
        (Carrier::Ours, State::ToArrange) => {}
    }
    let Some(tracking) = tracking.filter(|tracking| !tracking.number.trim().is_empty()) else {
        let words = "the vendor wants a tracking number, and the location gave none";
        return Ok(refused("tracking_missing", words));
    };
    let provider = match provider(&order, known, tracking.carrier.as_deref(), answers)? {
        Some(provider) => provider,
        None => {
            let words = "the carrier is none of the vendor's; name it in shipping_providers";
            return Ok(refused("unknown_carrier", words));
        }
    };
    let own = OwnShipment {
        tracking: tracking.number.trim().to_owned(),
        provider,
    };
    let given = given(Some(package.id.clone()), Some(own.tracking.clone()));
    answers.to(Call::Ship {
        package: package.id,
        own: Some(own),
    })?;
    Ok(Outcome::Accepted { given })
}

/// The vendor's id of a carrier: as configured, else by its name among those of this way of
/// delivery.
fn provider(
    order: &Order,
    known: &BTreeMap<String, String>,
    carrier: Option<&str>,
    answers: &mut Answers<'_>,
) -> Result<Option<String>, Call> {
    let Some(carrier) = carrier.map(plain).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    if let Some((_, id)) = known.iter().find(|(name, _)| plain(name) == carrier) {
        return Ok(Some(id.clone()));
    }
    let option = order
        .delivery_option_id
        .as_ref()
        .filter(|id| !id.is_zero_or_empty());
    let Some(option) = option else {
        return Ok(None);
    };
    let answer = answers.to(Call::Providers(option.to_string()))?;
    let offered = answer
        .pointer("/data/shipping_providers")
        .and_then(Value::as_array);
    let named = offered.into_iter().flatten().find(|provider| {
        let name = provider.get("name").and_then(Value::as_str);
        name.is_some_and(|name| plain(name) == carrier)
    });
    Ok(named
        .and_then(|provider| provider.get("id"))
        .and_then(|id| serde_json::from_value::<Literal>(id.clone()).ok())
        .map(|id| id.to_string()))
}

/// A name without case, spaces and signs: `J&T Express` is `jtexpress`.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// A parcel of our own fleet arrived, or did not. The news does not say which parcel of the
/// vendor's it is, so there must be only one on its way.
pub(super) fn reported(failed: Option<&str>, answers: &mut Answers<'_>) -> Flow {
    let order = match answers.order()? {
        Ok(order) => order,
        Err(outcome) => return Ok(outcome),
    };
    if carrier(&order) == Carrier::Vendors {
        // The vendor's carrier reports by itself.
        return Ok(Outcome::Duplicate {
            given: Given::default(),
        });
    }
    if let Some(outcome) = obstacle(&order) {
        return Ok(outcome);
    }
    let packages = parcel::all(&order);
    let mut open = packages
        .iter()
        .filter(|package| package.state == State::Arranged);
    let package = match (open.next(), open.next()) {
        (Some(package), None) => package.id.clone(),
        (Some(_), Some(_)) => {
            let words = "several parcels are on their way: report it in the Seller Center";
            return Ok(refused("several_parcels", words));
        }
        (None, _)
            if packages
                .iter()
                .any(|package| package.state == State::Delivered) =>
        {
            return Ok(Outcome::Duplicate {
                given: Given::default(),
            });
        }
        (None, _) => return Ok(later(SOON_S, "no parcel is on its way yet")),
    };
    let answer = answers.to(Call::Report {
        package: package.clone(),
        failed: failed.map(why),
    })?;
    Ok(match partial_failure(&answer) {
        Some((code, message)) => refused(&code.to_string(), &message),
        None => Outcome::Accepted {
            given: given(Some(package), None),
        },
    })
}

/// The vendor's word for why a parcel did not arrive.
fn why(reason: &str) -> &'static str {
    let reason = reason.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if has(&["refus", "reject"]) {
        "BUYER_REFUSED"
    } else if has(&["contact", "phone", "unreachable"]) {
        "UNABLE_CONTACT_BUYER"
    } else if has(&["address"]) {
        "INVALID_ADDRESS"
    } else if has(&["absent", "not_at_home", "not at home", "unable"]) {
        "UNABLE_RECEIVE"
    } else if has(&["lost"]) {
        "PACKAGE_LOST"
    } else if has(&["damage"]) {
        "PACKAGE_DAMAGE"
    } else if has(&["delay", "late"]) {
        "DELAY_DELIVERY"
    } else {
        "OTHER"
    }
}
