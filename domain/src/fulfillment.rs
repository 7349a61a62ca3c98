//! Fulfillment orders: the part of an order that one location must do, and its states.
//!
//! A location's reports are replayed in the order of their sequence, so a missed or late report
//! may be jumped over but never undone by an older one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Units of one order line with their serial numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HandledLine {
    /// Order line.
    pub line_id: String,
    /// Units.
    pub quantity: u32,
    /// Serial numbers or IMEIs.
    #[serde(default)]
    pub serials: Vec<String>,
}

/// A parcel's tracking.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tracking {
    /// Carrier's name or code.
    pub carrier: String,
    /// Tracking number.
    pub number: String,
}

/// What a location reports of a fulfillment order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// It will do it.
    Accepted,
    /// It will not.
    Rejected {
        /// Its reason.
        reason: String,
    },
    /// Packed.
    Packed {
        /// Units and serials.
        lines: Vec<HandledLine>,
    },
    /// Handed over to the carrier.
    Shipped {
        /// Units and serials.
        lines: Vec<HandledLine>,
        /// Parcel.
        tracking: Option<Tracking>,
    },
    /// In the buyer's hands.
    Delivered {
        /// Cash collected, whole đồng.
        cod_collected: Option<i64>,
    },
    /// The carrier gave up.
    Failed {
        /// Its reason.
        reason: String,
    },
    /// Back at the location.
    Returned,
}

/// Events by their sequence: any order of arrival gives the same map.
pub type EventLog = BTreeMap<i64, (Timestamp, EventKind)>;

impl EventKind {
    /// The word used in the timeline.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::Packed { .. } => "packed",
            Self::Shipped { .. } => "shipped",
            Self::Delivered { .. } => "delivered",
            Self::Failed { .. } => "failed",
            Self::Returned => "returned",
        }
    }
}

/// Where a fulfillment order stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Decided; nothing said to the location yet.
    Planned,
    /// The location is being asked to hold the stock.
    Reserving,
    /// The location holds the stock.
    Reserved,
    /// The location has been asked to pack and ship.
    Released,
    /// It will do it.
    Accepted,
    /// Packed.
    Packed,
    /// With the carrier.
    Shipped {
        /// When the first parcel left.
        at: Timestamp,
        /// The last parcel's tracking.
        tracking: Option<Tracking>,
    },
    /// In the buyer's hands.
    Delivered {
        /// When.
        at: Timestamp,
        /// Cash collected, whole đồng.
        cod_collected: Option<i64>,
        /// The last parcel's tracking.
        tracking: Option<Tracking>,
    },
    /// The carrier gave up; the parcel comes back.
    DeliveryFailed {
        /// When.
        at: Timestamp,
        /// The carrier's reason.
        reason: String,
    },
    /// The buyer sends it back.
    Returning {
        /// Since when.
        since: Timestamp,
    },
    /// Back at the location.
    Returned {
        /// When.
        at: Timestamp,
    },
    /// The location will not do it: another one must.
    Rejected {
        /// Its reason.
        reason: String,
    },
    /// Taken back by us before it was shipped.
    Cancelled {
        /// Our reason.
        reason: String,
    },
}

/// What moves a fulfillment order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// We asked the location to hold the stock.
    ReservationAsked,
    /// It holds the stock.
    ReservationHeld,
    /// It answered our request with a refusal.
    Refused {
        /// Its code.
        reason: String,
    },
    /// It took our request to pack and ship.
    Released,
    /// It reports.
    Reported {
        /// When it happened.
        at: Timestamp,
        /// What.
        kind: EventKind,
    },
    /// The channel, which books the carrier itself, says that the buyer has it.
    ChannelDelivered {
        /// When.
        at: Timestamp,
    },
    /// The channel says that the carrier gave up.
    ChannelFailed {
        /// When.
        at: Timestamp,
    },
    /// The channel says that the buyer sends it back.
    ChannelReturning {
        /// When.
        at: Timestamp,
    },
    /// We took it back and the location agreed.
    Cancelled {
        /// Our reason.
        reason: String,
    },
}

/// An event that does not fit the state. It is recorded, and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not move the fulfillment order from {from} by {event}")]
pub struct InvalidTransition {
    /// State.
    pub from: &'static str,
    /// Event.
    pub event: &'static str,
}

impl Event {
    /// The word used in errors and tables.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::ReservationAsked => "reservation_asked",
            Self::ReservationHeld => "reservation_held",
            Self::Refused { .. } => "refused",
            Self::Released => "released",
            Self::Reported { kind, .. } => kind.as_str(),
            Self::ChannelDelivered { .. } => "channel_delivered",
            Self::ChannelFailed { .. } => "channel_failed",
            Self::ChannelReturning { .. } => "channel_returning",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

impl State {
    /// The word used in the API.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Reserving => "reserving",
            Self::Reserved => "reserved",
            Self::Released => "released",
            Self::Accepted => "accepted",
            Self::Packed => "packed",
            Self::Shipped { .. } => "shipped",
            Self::Delivered { .. } => "delivered",
            Self::DeliveryFailed { .. } => "delivery_failed",
            Self::Returning { .. } => "returning",
            Self::Returned { .. } => "returned",
            Self::Rejected { .. } => "rejected",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// Still at the location: it can be taken back.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        match self {
            Self::Planned
            | Self::Reserving
            | Self::Reserved
            | Self::Released
            | Self::Accepted
            | Self::Packed => true,
            Self::Shipped { .. }
            | Self::Delivered { .. }
            | Self::DeliveryFailed { .. }
            | Self::Returning { .. }
            | Self::Returned { .. }
            | Self::Rejected { .. }
            | Self::Cancelled { .. } => false,
        }
    }

    /// Takes one event.
    ///
    /// # Errors
    /// [`InvalidTransition`] if the event does not fit; the caller keeps the old state.
    pub fn apply(&self, event: &Event) -> Result<Self, InvalidTransition> {
        let invalid = || InvalidTransition {
            from: self.as_str(),
            event: event.as_str(),
        };
        let next = match event {
            Event::ReservationAsked => match self {
                Self::Planned => Some(Self::Reserving),
                _ => None,
            },
            Event::ReservationHeld => match self {
                Self::Planned | Self::Reserving => Some(Self::Reserved),
                _ => None,
            },
            Event::Released => match self {
                Self::Planned | Self::Reserving | Self::Reserved => Some(Self::Released),
                _ => None,
            },
            Event::Refused { reason } => self.is_inside().then(|| Self::Rejected {
                reason: reason.clone(),
            }),
            Event::Cancelled { reason } => self.is_inside().then(|| Self::Cancelled {
                reason: reason.clone(),
            }),
            Event::Reported { at, kind } => self.report(*at, kind),
            Event::ChannelDelivered { at } => match self {
                Self::Released | Self::Accepted | Self::Packed | Self::Shipped { .. } => {
                    Some(self.delivered(*at, None))
                }
                _ => None,
            },
            Event::ChannelFailed { at } => match self {
                Self::Shipped { .. } => Some(Self::DeliveryFailed {
                    at: *at,
                    reason: "channel".to_owned(),
                }),
                _ => None,
            },
            Event::ChannelReturning { at } => match self {
                Self::Shipped { .. } | Self::Delivered { .. } => {
                    Some(Self::Returning { since: *at })
                }
                _ => None,
            },
        };
        next.ok_or_else(invalid)
    }

    fn report(&self, at: Timestamp, kind: &EventKind) -> Option<Self> {
        match kind {
            EventKind::Accepted => match self {
                Self::Planned | Self::Reserving | Self::Reserved | Self::Released => {
                    Some(Self::Accepted)
                }
                _ => None,
            },
            EventKind::Rejected { reason } => self.is_inside().then(|| Self::Rejected {
                reason: reason.clone(),
            }),
            EventKind::Packed { .. } => self.is_inside().then_some(Self::Packed),
            EventKind::Shipped { tracking, .. } => match self {
                // A second parcel: the first one's moment stays.
                Self::Shipped {
                    at: first,
                    tracking: before,
                } => Some(Self::Shipped {
                    at: *first,
                    tracking: tracking.clone().or_else(|| before.clone()),
                }),
                _ => self.is_inside().then(|| Self::Shipped {
                    at,
                    tracking: tracking.clone(),
                }),
            },
            EventKind::Delivered { cod_collected } => match self {
                // A second try of the carrier succeeds.
                Self::Shipped { .. } | Self::DeliveryFailed { .. } => {
                    Some(self.delivered(at, *cod_collected))
                }
                _ => self.is_inside().then(|| self.delivered(at, *cod_collected)),
            },
            EventKind::Failed { reason } => match self {
                Self::Shipped { .. } => Some(Self::DeliveryFailed {
                    at,
                    reason: reason.clone(),
                }),
                _ => self.is_inside().then(|| Self::DeliveryFailed {
                    at,
                    reason: reason.clone(),
                }),
            },
            EventKind::Returned => match self {
                Self::Shipped { .. }
                | Self::Delivered { .. }
                | Self::DeliveryFailed { .. }
                | Self::Returning { .. } => Some(Self::Returned { at }),
                _ => None,
            },
        }
    }

    fn delivered(&self, at: Timestamp, cod_collected: Option<i64>) -> Self {
        let tracking = match self {
            Self::Shipped { tracking, .. } => tracking.clone(),
            _ => None,
        };
        Self::Delivered {
            at,
            cod_collected,
            tracking,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> Vec<State> {
        let at = Timestamp::UNIX_EPOCH;
        vec![
            State::Planned,
            State::Reserving,
            State::Reserved,
            State::Released,
            State::Accepted,
            State::Packed,
            State::Shipped { at, tracking: None },
            State::Delivered {
                at,
                cod_collected: None,
                tracking: None,
            },
            State::DeliveryFailed {
                at,
                reason: "absent".into(),
            },
            State::Returning { since: at },
            State::Returned { at },
            State::Rejected {
                reason: "closed".into(),
            },
            State::Cancelled {
                reason: "buyer".into(),
            },
        ]
    }

    fn events() -> Vec<Event> {
        let at = Timestamp::UNIX_EPOCH;
        let reported = |kind| Event::Reported { at, kind };
        vec![
            Event::ReservationAsked,
            Event::ReservationHeld,
            Event::Refused {
                reason: "insufficient".into(),
            },
            Event::Released,
            reported(EventKind::Accepted),
            reported(EventKind::Rejected {
                reason: "closed".into(),
            }),
            reported(EventKind::Packed { lines: vec![] }),
            reported(EventKind::Shipped {
                lines: vec![],
                tracking: None,
            }),
            reported(EventKind::Delivered {
                cod_collected: Some(1),
            }),
            reported(EventKind::Failed {
                reason: "absent".into(),
            }),
            reported(EventKind::Returned),
            Event::ChannelDelivered { at },
            Event::ChannelFailed { at },
            Event::ChannelReturning { at },
            Event::Cancelled {
                reason: "buyer".into(),
            },
        ]
    }

    #[test]
    fn every_state_meets_every_event() {
        let mut table = String::new();
        for state in states() {
            for event in events() {
                let after = match state.apply(&event) {
                    Ok(next) => next.as_str(),
                    Err(_) => "-",
                };
                table.push_str(&format!(
                    "{} + {} = {after}\n",
                    state.as_str(),
                    event.as_str()
                ));
            }
        }
        insta::assert_snapshot!(table);
    }
}
