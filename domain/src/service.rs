//! Service orders: installation, warranty and repair jobs, and their states.
//!
//! An installation is registered with the order and released on delivery: no visit before the
//! goods are there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the service center reports of a work order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A window is agreed.
    Scheduled {
        /// Start.
        window_start: Option<Timestamp>,
        /// End.
        window_end: Option<Timestamp>,
    },
    /// A technician has it.
    Assigned,
    /// The technician is there.
    OnSite,
    /// Done.
    Completed {
        /// Serials of what was installed.
        serials: Vec<String>,
    },
    /// Not done; needs another visit.
    Incomplete {
        /// Why.
        reason: String,
    },
    /// Called off.
    Cancelled,
}

/// Events by their sequence: any order of arrival gives the same map.
pub type EventLog = BTreeMap<i64, (Timestamp, EventKind)>;

impl EventKind {
    /// The word used in the timeline.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Scheduled { .. } => "scheduled",
            Self::Assigned => "assigned",
            Self::OnSite => "on_site",
            Self::Completed { .. } => "completed",
            Self::Incomplete { .. } => "incomplete",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Where a service order stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for the goods.
    #[default]
    Waiting,
    /// The goods are there.
    Released,
    /// A window is agreed.
    Scheduled {
        /// Start.
        window_start: Option<Timestamp>,
        /// End.
        window_end: Option<Timestamp>,
    },
    /// A technician has it.
    Assigned,
    /// The technician is there.
    OnSite,
    /// Done.
    Completed {
        /// When.
        at: Timestamp,
        /// Serials of what was installed.
        serials: Vec<String>,
    },
    /// Needs another visit.
    Incomplete {
        /// Why.
        reason: String,
    },
    /// The service center refused the work order.
    Refused {
        /// Why.
        reason: String,
    },
    /// Called off.
    Cancelled,
}

/// What moves a service order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The service center knows that the goods are there.
    Released,
    /// It refused the work order.
    Refused {
        /// Why.
        reason: String,
    },
    /// It reports.
    Reported {
        /// When it happened.
        at: Timestamp,
        /// What.
        kind: EventKind,
    },
    /// It agreed to call the visit off.
    Cancelled,
}

/// An event that does not fit the state. It is recorded, and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not move the service order from {from} by {event}")]
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
            Self::Released => "released",
            Self::Refused { .. } => "refused",
            Self::Reported { kind, .. } => kind.as_str(),
            Self::Cancelled => "called_off",
        }
    }
}

impl State {
    /// The word used in the API.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Released => "released",
            Self::Scheduled { .. } => "scheduled",
            Self::Assigned => "assigned",
            Self::OnSite => "on_site",
            Self::Completed { .. } => "completed",
            Self::Incomplete { .. } => "incomplete",
            Self::Refused { .. } => "refused",
            Self::Cancelled => "cancelled",
        }
    }

    /// Nothing more will come of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(
            self,
            Self::Completed { .. } | Self::Cancelled | Self::Refused { .. }
        )
    }

    /// Takes one event.
    ///
    /// # Errors
    /// [`InvalidTransition`] if the event does not fit; the caller keeps the old state.
    pub fn apply(&self, event: &Event) -> Result<Self, InvalidTransition> {
        let next = match event {
            Event::Released => (*self == Self::Waiting).then_some(Self::Released),
            Event::Refused { reason } => (*self == Self::Waiting).then(|| Self::Refused {
                reason: reason.clone(),
            }),
            Event::Cancelled => (!self.is_over()).then_some(Self::Cancelled),
            Event::Reported { .. } if self.is_over() => None,
            Event::Reported { at, kind } => match kind {
                EventKind::Scheduled {
                    window_start,
                    window_end,
                } => Some(Self::Scheduled {
                    window_start: *window_start,
                    window_end: *window_end,
                }),
                EventKind::Assigned => match self {
                    Self::OnSite => None,
                    _ => Some(Self::Assigned),
                },
                EventKind::OnSite => Some(Self::OnSite),
                EventKind::Completed { serials } => Some(Self::Completed {
                    at: *at,
                    serials: serials.clone(),
                }),
                EventKind::Incomplete { reason } => Some(Self::Incomplete {
                    reason: reason.clone(),
                }),
                EventKind::Cancelled => Some(Self::Cancelled),
            },
        };
        next.ok_or_else(|| InvalidTransition {
            from: self.as_str(),
            event: event.as_str(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_meets_every_event() {
        let at = Timestamp::UNIX_EPOCH;
        let states = [
            State::Waiting,
            State::Released,
            State::Scheduled {
                window_start: None,
                window_end: None,
            },
            State::Assigned,
            State::OnSite,
            State::Completed {
                at,
                serials: vec![],
            },
            State::Incomplete {
                reason: "absent".into(),
            },
            State::Refused {
                reason: "area".into(),
            },
            State::Cancelled,
        ];
        let reported = |kind| Event::Reported { at, kind };
        let events = [
            Event::Released,
            Event::Refused {
                reason: "area".into(),
            },
            reported(EventKind::Scheduled {
                window_start: None,
                window_end: None,
            }),
            reported(EventKind::Assigned),
            reported(EventKind::OnSite),
            reported(EventKind::Completed { serials: vec![] }),
            reported(EventKind::Incomplete {
                reason: "absent".into(),
            }),
            reported(EventKind::Cancelled),
            Event::Cancelled,
        ];
        let mut table = String::new();
        for state in &states {
            for event in &events {
                let after = match state.apply(event) {
                    Ok(next) => next.as_str().to_owned(),
                    Err(_) => "-".to_owned(),
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
