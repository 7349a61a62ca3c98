//! E-invoices: issued at the legal moment, then coded by the tax authority.
//!
//! Only the coded invoice may be handed over; there is no cancelling of an issued one, only an
//! adjustment with negative amounts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the invoicing system reports of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// It has a number.
    Issued {
        /// Number.
        number: String,
        /// Series.
        series: Option<String>,
    },
    /// The tax authority has given its code: valid to hand over.
    Coded {
        /// The authority's code.
        authority_code: Option<String>,
        /// Number, repeated by some systems.
        number: Option<String>,
    },
    /// Refused by the system or the authority.
    Refused {
        /// Why.
        reason: String,
    },
}

/// Events by their sequence: any order of arrival gives the same map.
pub type EventLog = BTreeMap<i64, (Timestamp, EventKind)>;

impl EventKind {
    /// The word used in the timeline.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Issued { .. } => "issued",
            Self::Coded { .. } => "coded",
            Self::Refused { .. } => "refused",
        }
    }
}

/// Where an invoice stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The legal moment has not come.
    #[default]
    NotDue,
    /// It has come; nothing sent yet.
    Due,
    /// Sent, or taken in hand: it may or may not have a number already.
    SentUnknown,
    /// It has a number.
    Issued {
        /// Number.
        number: Option<String>,
        /// Series.
        series: Option<String>,
    },
    /// The tax authority has given its code.
    Coded {
        /// Number.
        number: Option<String>,
        /// Series.
        series: Option<String>,
        /// The authority's code.
        authority_code: Option<String>,
    },
    /// Refused by the system or the authority.
    Refused {
        /// Why.
        reason: String,
    },
    /// Corrected in full or in part with negative amounts.
    Adjusted {
        /// Number of the invoice that was corrected.
        number: Option<String>,
        /// Its series.
        series: Option<String>,
    },
    /// Another invoice has taken its place.
    Replaced,
}

/// What moves an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The legal moment has come.
    BecameDue,
    /// The request left, or may have left.
    Sent,
    /// The target answered with a number.
    Numbered {
        /// Number.
        number: Option<String>,
        /// Series.
        series: Option<String>,
    },
    /// The target refused the request.
    Refused {
        /// Its code and words.
        reason: String,
    },
    /// The invoicing system reports.
    Reported(EventKind),
    /// A correction was accepted.
    Adjusted,
    /// A new invoice was issued in its place.
    Replaced,
}

/// An event that does not fit the state. It is recorded, and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not move the invoice from {from} by {event}")]
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
            Self::BecameDue => "became_due",
            Self::Sent => "sent",
            Self::Numbered { .. } => "numbered",
            Self::Refused { .. } => "refused_by_target",
            Self::Reported(kind) => kind.as_str(),
            Self::Adjusted => "adjusted",
            Self::Replaced => "replaced",
        }
    }
}

impl State {
    /// The word used in the API.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotDue => "not_due",
            Self::Due => "due",
            Self::SentUnknown => "sent_unknown",
            Self::Issued { .. } => "issued",
            Self::Coded { .. } => "coded",
            Self::Refused { .. } => "refused",
            Self::Adjusted { .. } => "adjusted",
            Self::Replaced => "replaced",
        }
    }

    /// Number and series, where it has them.
    #[must_use]
    pub fn number(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Issued { number, series }
            | Self::Coded { number, series, .. }
            | Self::Adjusted { number, series } => (number.as_deref(), series.as_deref()),
            Self::NotDue
            | Self::Due
            | Self::SentUnknown
            | Self::Refused { .. }
            | Self::Replaced => (None, None),
        }
    }

    /// Takes one event.
    ///
    /// # Errors
    /// [`InvalidTransition`] if the event does not fit; the caller keeps the old state.
    pub fn apply(&self, event: &Event) -> Result<Self, InvalidTransition> {
        let (number, series) = self.number();
        let (number, series) = (number.map(str::to_owned), series.map(str::to_owned));
        let unnumbered = matches!(self, Self::NotDue | Self::Due | Self::SentUnknown);
        let numbered = matches!(self, Self::Issued { .. } | Self::Coded { .. });
        let next = match event {
            Event::BecameDue => (*self == Self::NotDue).then_some(Self::Due),
            Event::Sent => matches!(self, Self::NotDue | Self::Due).then_some(Self::SentUnknown),
            Event::Numbered { number, series } => unnumbered.then(|| Self::Issued {
                number: number.clone(),
                series: series.clone(),
            }),
            Event::Refused { reason } => unnumbered.then(|| Self::Refused {
                reason: reason.clone(),
            }),
            Event::Reported(EventKind::Issued {
                number: given,
                series: of,
            }) => match self {
                Self::NotDue | Self::Due | Self::SentUnknown | Self::Refused { .. } => {
                    Some(Self::Issued {
                        number: Some(given.clone()),
                        series: of.clone(),
                    })
                }
                // The answer to our request had no series, or no number.
                Self::Issued { .. } => Some(Self::Issued {
                    number: Some(given.clone()),
                    series: of.clone().or(series),
                }),
                Self::Coded { .. } | Self::Adjusted { .. } | Self::Replaced => None,
            },
            Event::Reported(EventKind::Coded {
                authority_code,
                number: given,
            }) => (unnumbered || numbered).then(|| Self::Coded {
                number: given.clone().or(number),
                series,
                authority_code: authority_code.clone(),
            }),
            Event::Reported(EventKind::Refused { reason }) => {
                (unnumbered || matches!(self, Self::Issued { .. })).then(|| Self::Refused {
                    reason: reason.clone(),
                })
            }
            Event::Adjusted => match self {
                Self::NotDue | Self::Due | Self::Refused { .. } | Self::Replaced => None,
                Self::SentUnknown
                | Self::Issued { .. }
                | Self::Coded { .. }
                | Self::Adjusted { .. } => Some(Self::Adjusted { number, series }),
            },
            Event::Replaced => {
                (numbered || matches!(self, Self::Adjusted { .. })).then_some(Self::Replaced)
            }
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
        let (number, series) = (Some("17".to_owned()), Some("1C26TAA".to_owned()));
        let states = [
            State::NotDue,
            State::Due,
            State::SentUnknown,
            State::Issued {
                number: number.clone(),
                series: series.clone(),
            },
            State::Coded {
                number: number.clone(),
                series: series.clone(),
                authority_code: None,
            },
            State::Refused {
                reason: "tax code".into(),
            },
            State::Adjusted {
                number: number.clone(),
                series: series.clone(),
            },
            State::Replaced,
        ];
        let events = [
            Event::BecameDue,
            Event::Sent,
            Event::Numbered { number, series },
            Event::Refused {
                reason: "tax code".into(),
            },
            Event::Reported(EventKind::Issued {
                number: "18".into(),
                series: None,
            }),
            Event::Reported(EventKind::Coded {
                authority_code: None,
                number: None,
            }),
            Event::Reported(EventKind::Refused {
                reason: "authority".into(),
            }),
            Event::Adjusted,
            Event::Replaced,
        ];
        let mut table = String::new();
        for state in &states {
            for event in &events {
                let after = match state.apply(event) {
                    Ok(next) => format!("{} {:?}", next.as_str(), next.number().0),
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
