//! A part: the fulfillment order of one location with its reservation, inside the order.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fulfillment::{Event, EventKind, EventLog, State};
use crate::money::Amount;
use crate::snapshot::ChannelStatus;
use crate::stamp::ContentHash;
use crate::task::Component;

use super::channel::Stage;
use super::effects::{EffectState, Effects};
use super::status::Fulfillment;

/// One fulfillment order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) id: String,
    pub(crate) reservation_id: String,
    pub(crate) location: String,
    /// Who speaks for the location; `None`: nobody is called.
    pub(crate) target: Option<String>,
    pub(crate) lines: Vec<PartLine>,
    /// Cash that this parcel collects.
    pub(crate) cod: Amount,
    /// The order's cash to collect when this was planned: another sum needs another parcel.
    pub(crate) cod_basis: Amount,
    /// Hash of the destination when this was planned; `None` while the channel hid it.
    pub(crate) address_basis: Option<ContentHash>,
    pub(crate) planned_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// Why it is to be taken back.
    pub(crate) revoked: Option<String>,
    /// It was to be taken back, but the location has shipped it.
    pub(crate) kept: bool,
    /// Final: it covers nothing any more.
    pub(crate) closed: Option<Closed>,
    pub(crate) state: State,
    /// Reports that did not fit.
    pub(crate) invalid: Vec<String>,
}

/// How a part ended without being shipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Closed {
    /// By the location.
    Rejected(String),
    /// By us.
    Cancelled(String),
}

/// A line of a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartLine {
    pub(crate) line_id: String,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) quantity: u32,
    /// (SKU, units for one unit of the line): itself, or a kit's components.
    pub(crate) demand: Vec<(String, i64)>,
    /// A gift of the routing rule: no line of the order.
    pub(crate) rule_gift: bool,
    /// Units with a `ship` movement.
    pub(crate) shipped: u32,
    /// The same by the report that named them, so that a report that comes late keeps its moment.
    pub(crate) booked: BTreeMap<i64, u32>,
    /// Units with a `release` movement.
    pub(crate) released: u32,
    /// Units with a `return` movement.
    pub(crate) returned: u32,
}

/// Units of a line that left at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Departure {
    /// The report that says so.
    pub(crate) sequence: i64,
    /// When.
    pub(crate) at: Timestamp,
    pub(crate) units: u32,
}

/// In the place of a report's sequence where the state alone says that the units have left.
/// Sequences are not negative.
const UNREPORTED: i64 = -1;

impl PartLine {
    /// What a kit is made of; empty for plain goods.
    pub(crate) fn components(&self) -> Vec<Component> {
        let is_plain = matches!(&self.demand[..], [(sku, 1)] if *sku == self.sku);
        if is_plain {
            return Vec::new();
        }
        self.demand
            .iter()
            .map(|(sku, quantity)| Component {
                sku: sku.clone(),
                quantity: *quantity,
            })
            .collect()
    }
}

impl Part {
    /// The key of the task that reserves.
    pub(crate) fn reserve_key(&self, code: &str) -> String {
        format!("{code}.reservation.{}.1", self.reservation_id)
    }

    /// The key of the task that asks for packing and shipping.
    pub(crate) fn create_key(&self, code: &str) -> String {
        format!("{code}.fulfillment.{}.1", self.id)
    }

    /// It still covers its lines.
    pub(crate) fn counts(&self) -> bool {
        self.closed.is_none()
    }

    /// It covers its lines and is not about to be taken back.
    pub(crate) fn stands(&self) -> bool {
        self.counts() && self.revoked.is_none()
    }

    /// Replays everything known of it.
    pub(super) fn replay(
        &mut self,
        code: &str,
        log: Option<&EventLog>,
        effects: &Effects,
        stage: Option<&Stage>,
    ) {
        let mut state = State::Planned;
        let mut invalid = Vec::new();
        let mut take = |state: &mut State, event: &Event| match state.apply(event) {
            Ok(next) => *state = next,
            Err(error) => invalid.push(error.to_string()),
        };
        match effects.get(&self.reserve_key(code)) {
            None => {}
            Some(EffectState::Done { .. }) => take(&mut state, &Event::ReservationHeld),
            Some(EffectState::Refused { code, .. }) => {
                take(
                    &mut state,
                    &Event::Refused {
                        reason: code.clone(),
                    },
                );
            }
            Some(
                EffectState::Pending
                | EffectState::Withdrawing
                | EffectState::Dead { .. }
                | EffectState::Withdrawn { .. }
                | EffectState::Abandoned { .. },
            ) => take(&mut state, &Event::ReservationAsked),
        }
        match effects.get(&self.create_key(code)) {
            Some(EffectState::Done { .. }) => take(&mut state, &Event::Released),
            Some(EffectState::Refused { code, .. }) => {
                take(
                    &mut state,
                    &Event::Refused {
                        reason: code.clone(),
                    },
                );
            }
            None
            | Some(
                EffectState::Pending
                | EffectState::Withdrawing
                | EffectState::Dead { .. }
                | EffectState::Withdrawn { .. }
                | EffectState::Abandoned { .. },
            ) => {}
        }
        let reports = || log.into_iter().flatten();
        match &self.closed {
            None => {
                for (at, kind) in reports().map(|(_, report)| report) {
                    take(
                        &mut state,
                        &Event::Reported {
                            at: *at,
                            kind: kind.clone(),
                        },
                    );
                }
                // What the channel knows better than the location; where it does not fit, the
                // location's own report has said as much or more.
                for event in stage.into_iter().flat_map(channel_events) {
                    if let Ok(next) = state.apply(&event) {
                        state = next;
                    }
                }
            }
            Some(closed) => {
                state = match closed {
                    Closed::Rejected(reason) => State::Rejected {
                        reason: reason.clone(),
                    },
                    Closed::Cancelled(reason) => State::Cancelled {
                        reason: reason.clone(),
                    },
                };
                // The goods are on the road although the location had agreed to keep them.
                for (_, kind) in reports().map(|(_, report)| report) {
                    let left = match kind {
                        EventKind::Shipped { .. } | EventKind::Delivered { .. } => true,
                        EventKind::Accepted
                        | EventKind::Rejected { .. }
                        | EventKind::Packed { .. }
                        | EventKind::Failed { .. }
                        | EventKind::Returned => false,
                    };
                    if left {
                        invalid.push(format!("{} after {}", kind.as_str(), state.as_str()));
                    }
                }
            }
        }
        self.state = state;
        self.invalid = invalid;
    }

    /// Where it stands on the order's fulfillment axis.
    pub(super) fn stage(&self) -> Fulfillment {
        match self.state {
            State::Planned
            | State::Reserving
            | State::Reserved
            | State::Released
            | State::Accepted => Fulfillment::Allocated,
            State::Packed => Fulfillment::Packed,
            State::Shipped { .. } => Fulfillment::Shipped,
            State::Delivered { .. } => Fulfillment::Delivered,
            State::DeliveryFailed { .. } => Fulfillment::DeliveryFailed,
            State::Returning { .. } => Fulfillment::Returning,
            State::Returned { .. } => Fulfillment::Returned,
            State::Rejected { .. } | State::Cancelled { .. } => Fulfillment::Unallocated,
        }
    }

    /// When the buyer got it; stays known while it comes back.
    pub(crate) fn delivered_at(&self, log: Option<&EventLog>) -> Option<Timestamp> {
        let since = match &self.state {
            State::Delivered { at, .. } => return Some(*at),
            // To send something back, the buyer must have had it.
            State::Returning { since } => Some(*since),
            State::Returned { .. } => None,
            State::Planned
            | State::Reserving
            | State::Reserved
            | State::Released
            | State::Accepted
            | State::Packed
            | State::Shipped { .. }
            | State::DeliveryFailed { .. }
            | State::Rejected { .. }
            | State::Cancelled { .. } => return None,
        };
        let reported = log
            .into_iter()
            .flatten()
            .find_map(|(_, (at, kind))| match kind {
                EventKind::Delivered { .. } => Some(*at),
                EventKind::Accepted
                | EventKind::Rejected { .. }
                | EventKind::Packed { .. }
                | EventKind::Shipped { .. }
                | EventKind::Failed { .. }
                | EventKind::Returned => None,
            });
        reported.or(since)
    }

    /// It has left the location.
    pub(crate) fn has_left(&self) -> bool {
        self.left_at().is_some()
    }

    /// When it left, by its state alone: a location may report a delivery without a shipping.
    fn left_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Shipped { at, .. }
            | State::Delivered { at, .. }
            | State::DeliveryFailed { at, .. }
            | State::Returning { since: at }
            | State::Returned { at } => Some(*at),
            State::Planned
            | State::Reserving
            | State::Reserved
            | State::Released
            | State::Accepted
            | State::Packed
            | State::Rejected { .. }
            | State::Cancelled { .. } => None,
        }
    }

    /// Units of a line that have left. Everything, unless the location says which units it shipped.
    pub(crate) fn units_left(&self, line: &PartLine, log: Option<&EventLog>) -> u32 {
        self.departures(line, log)
            .iter()
            .map(|departure| departure.units)
            .sum()
    }

    /// How units of a line left, in the order of the reports.
    pub(crate) fn departures(&self, line: &PartLine, log: Option<&EventLog>) -> Vec<Departure> {
        let Some(left_at) = self.left_at() else {
            return Vec::new();
        };
        let mut departures = Vec::new();
        let mut rest = line.quantity;
        let mut reported = false;
        for (sequence, (at, kind)) in log.into_iter().flatten() {
            let EventKind::Shipped { lines, .. } = kind else {
                continue;
            };
            reported = true;
            let named = if lines.is_empty() {
                rest
            } else {
                lines
                    .iter()
                    .filter(|handled| handled.line_id == line.line_id)
                    .fold(0, |sum: u32, handled| sum.saturating_add(handled.quantity))
                    .min(rest)
            };
            if named > 0 {
                departures.push(Departure {
                    sequence: *sequence,
                    at: *at,
                    units: named,
                });
                rest -= named;
            }
        }
        if !reported && rest > 0 {
            departures.push(Departure {
                sequence: UNREPORTED,
                at: left_at,
                units: rest,
            });
        }
        departures
    }

    /// Serials that the location reported for a line, without repeats, in the order of the reports.
    pub(crate) fn serials(line_id: &str, log: Option<&EventLog>) -> Vec<String> {
        let mut serials: Vec<String> = Vec::new();
        for (_, (_, kind)) in log.into_iter().flatten() {
            let (EventKind::Packed { lines } | EventKind::Shipped { lines, .. }) = kind else {
                continue;
            };
            for serial in lines
                .iter()
                .filter(|handled| handled.line_id == line_id)
                .flat_map(|handled| &handled.serials)
            {
                if !serial.trim().is_empty() && !serials.contains(serial) {
                    serials.push(serial.clone());
                }
            }
        }
        serials
    }
}

/// What a channel's status says of parcels, step by step.
fn channel_events(stage: &Stage) -> Vec<Event> {
    let at = stage.at;
    match stage.status {
        ChannelStatus::Delivered | ChannelStatus::Completed => {
            vec![Event::ChannelDelivered { at }]
        }
        ChannelStatus::DeliveryFailed => vec![Event::ChannelFailed { at }],
        ChannelStatus::ReturnRequested | ChannelStatus::Returned => {
            vec![
                Event::ChannelDelivered { at },
                Event::ChannelReturning { at },
            ]
        }
        ChannelStatus::Draft
        | ChannelStatus::Pending
        | ChannelStatus::Confirmed
        | ChannelStatus::Packed
        | ChannelStatus::Shipped
        | ChannelStatus::Cancelled => vec![],
    }
}
