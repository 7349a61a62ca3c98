//! Calling an order off, and answering a buyer who wants to.

use domain::task::{CancelReason, ChannelLine, Outcome};
use serde::Deserialize;
use serde_json::Value;

use super::Settings;
use super::document::Order;
use super::feedback::{Answers, Call, Flow, given, later, refused};
use super::lines::groups;
use crate::literal::Literal;
use crate::payload::word;

/// We will not do the order, or these lines of it.
pub(super) fn cancelled(
    settings: &Settings,
    reason: CancelReason,
    part: Option<&[ChannelLine]>,
    answers: &mut Answers<'_>,
) -> Flow {
    let order = match answers.order()? {
        Ok(order) => order,
        Err(outcome) => return Ok(outcome),
    };
    match order.status.as_str() {
        "CANCELLED" | "CANCEL" => {
            return Ok(Outcome::Duplicate {
                given: given(None, None),
            });
        }
        "IN_TRANSIT" | "DELIVERED" | "COMPLETED" => {
            return Ok(refused("shipped", "it has been shipped"));
        }
        _ => {}
    }
    let reasons = &settings.cancel_reasons;
    let is_unpaid = order.status == "UNPAID";
    let word = match (is_unpaid, reason) {
        (true, CancelReason::OutOfStock) => &reasons.unpaid_out_of_stock,
        (true, CancelReason::Unpaid) => &reasons.unpaid_not_paid,
        (true, CancelReason::BuyerAsked | CancelReason::Other) => &reasons.unpaid_other,
        (false, CancelReason::OutOfStock) => &reasons.out_of_stock,
        (false, CancelReason::BuyerAsked | CancelReason::Unpaid | CancelReason::Other) => {
            &reasons.other
        }
    };
    if word.is_empty() {
        let words = "no reason of the vendor's is configured for this one";
        return Ok(refused("no_reason", words));
    }
    let units = match part {
        None => None,
        Some(_) if !settings.partial_cancel => {
            let words = "the vendor cancels whole orders only";
            return Ok(refused("partial_cancel", words));
        }
        Some(lines) => match units(&order, lines) {
            units if units.is_empty() => {
                // They are cancelled already, or none of the vendor's.
                return Ok(Outcome::Duplicate {
                    given: given(None, None),
                });
            }
            units => Some(units),
        },
    };
    let answer = answers.to(Call::Cancel {
        reason: word.clone(),
        units,
    })?;
    let request: Option<Cancellation> = answer
        .get("data")
        .and_then(|data| Cancellation::deserialize(data).ok());
    Ok(Outcome::Accepted {
        given: given(request.and_then(|request| request.id()), None),
    })
}

/// The ids of these lines' units that are not cancelled yet, the last ones first.
fn units(order: &Order, lines: &[ChannelLine]) -> Vec<String> {
    let items = order.line_items.as_deref().unwrap_or_default();
    let groups = groups(items);
    let mut units = Vec::new();
    for line in lines {
        let group = groups.iter().find(|group| group.id == line.line_id);
        let live = group
            .into_iter()
            .flat_map(|group| group.items.iter().rev())
            .filter(|item| !item.is_cancelled());
        let wanted = usize::try_from(line.quantity).unwrap_or(usize::MAX);
        units.extend(live.take(wanted).map(|item| item.id.to_string()));
    }
    units
}

/// One of `data.cancellations`.
#[derive(Deserialize)]
struct Cancellation {
    cancel_id: Option<Literal>,
    cancel_status: Option<String>,
    cancel_type: Option<String>,
    role: Option<String>,
}

impl Cancellation {
    fn id(&self) -> Option<String> {
        let id = self.cancel_id.as_ref()?;
        (!id.is_zero_or_empty()).then(|| id.to_string())
    }

    fn is_the_buyers(&self) -> bool {
        self.cancel_type.as_deref() == Some("BUYER_CANCEL") || self.role.as_deref() == Some("BUYER")
    }

    fn stage(&self) -> Stage {
        match self.cancel_status.as_deref().unwrap_or_default() {
            "CANCELLATION_REQUEST_PENDING" => Stage::Pending,
            "CANCELLATION_REQUEST_SUCCESS" | "CANCELLATION_REQUEST_COMPLETE" => Stage::Granted,
            // The vendor writes it both ways.
            "CANCELLATION_REQUEST_CANCEL" | "CANCELLATION_REQUEST_CANCELLED" => Stage::Ended,
            _ => Stage::Unknown,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Pending,
    Granted,
    /// Refused, or taken back by the buyer.
    Ended,
    Unknown,
}

/// The buyer's wish to cancel is granted or not.
pub(super) fn answered(preferred: &str, accept: bool, answers: &mut Answers<'_>) -> Flow {
    let answer = answers.to(Call::Cancellations)?;
    let all = answer
        .pointer("/data/cancellations")
        .and_then(Value::as_array);
    let mut wishes: Vec<(Stage, String)> = Vec::new();
    for wish in all.into_iter().flatten() {
        let Ok(wish) = Cancellation::deserialize(wish) else {
            continue;
        };
        if let (true, Some(id)) = (wish.is_the_buyers(), wish.id()) {
            wishes.push((wish.stage(), id));
        }
    }
    let pending = wishes.iter().find(|(stage, _)| *stage == Stage::Pending);
    let Some((_, request)) = pending else {
        return Ok(match (wishes.first().map(|(stage, _)| *stage), accept) {
            (Some(Stage::Granted), true) | (Some(Stage::Ended), false) => Outcome::Duplicate {
                given: given(None, None),
            },
            (Some(Stage::Granted | Stage::Ended), _) => {
                let words = "the request was decided otherwise";
                refused("decided_otherwise", words)
            }
            (Some(Stage::Unknown | Stage::Pending) | None, _) => {
                later(60, "the vendor shows no request of the buyer yet")
            }
        });
    };
    let request = request.clone();
    let done = Outcome::Accepted {
        given: given(Some(request.clone()), None),
    };
    if accept {
        answers.to(Call::Approve(request))?;
        return Ok(done);
    }
    let offered = answers.to(Call::RejectReasons(request.clone()))?;
    let reasons = offered.pointer("/data/reasons").and_then(Value::as_array);
    let names: Vec<&str> = reasons
        .into_iter()
        .flatten()
        .filter_map(|reason| reason.get("name")?.as_str())
        .filter(|name| !name.is_empty() && *name == word(name))
        .collect();
    let name = names
        .iter()
        .find(|name| **name == preferred)
        .or_else(|| names.first());
    let Some(name) = name else {
        return Ok(refused(
            "no_reason",
            "the vendor offers no reason to refuse",
        ));
    };
    answers.to(Call::Reject {
        request,
        reason: (*name).to_owned(),
    })?;
    Ok(done)
}
