//! What buyers are told of their orders, on their own phones and in Kenh's own words.
//!
//! A channel is told of its orders by [`crate::feedback`]; this is for the person, whatever channel
//! the order came from. The plan derives what is to be told; a connector fills it into a text that
//! its vendor has approved.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What a buyer can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuyerEvent {
    /// We have the goods and will send them.
    Accepted,
    /// A parcel is with the carrier.
    Shipped,
    /// A parcel has arrived.
    Delivered,
    /// The carrier could not deliver a parcel.
    DeliveryFailed,
    /// The order is called off.
    Cancelled,
    /// Money goes back.
    Refunded,
    /// A technician's visit has its time.
    InstallationScheduled,
}

impl BuyerEvent {
    /// All of them, in the order of an order's life.
    pub const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Shipped,
        Self::Delivered,
        Self::DeliveryFailed,
        Self::Cancelled,
        Self::Refunded,
        Self::InstallationScheduled,
    ];

    /// The word used in keys, settings and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::DeliveryFailed => "delivery_failed",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
            Self::InstallationScheduled => "installation_scheduled",
        }
    }

    /// The facts that can be known of it, by the names of [`FACTS`]; a text that needs another one
    /// could never be sent.
    pub fn facts(self) -> impl Iterator<Item = &'static str> {
        const ALWAYS: &[&str] = &[
            "code", "channel", "name", "total", "cod", "paid", "refunded", "items", "date",
        ];
        const PARCEL: &[&str] = &["carrier", "tracking", "location"];
        let more: &[&str] = match self {
            Self::Accepted => &["location"],
            Self::Shipped | Self::Delivered => PARCEL,
            Self::DeliveryFailed => &["carrier", "tracking", "location", "reason"],
            Self::Cancelled => &["reason"],
            Self::Refunded => &[],
            Self::InstallationScheduled => &["window"],
        };
        ALWAYS.iter().chain(more).copied()
    }

    /// The event of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }
}

/// The names of what a notice can say.
pub const FACTS: &[&str] = &[
    "code", "channel", "name", "total", "cod", "paid", "refunded", "items", "carrier", "tracking",
    "location", "date", "window", "reason",
];

/// News for one buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyerNotice {
    /// Order code: what the buyer and a later rating name it by.
    pub order_ref: String,
    /// What happened.
    pub event: BuyerEvent,
    /// When it happened.
    pub at: Timestamp,
    /// The buyer's Vietnamese mobile, E.164.
    pub phone: Option<String>,
    /// The buyer within the account that tells, where the order came from it.
    pub user_id: Option<String>,
    /// By the names of [`FACTS`], as they are to be shown.
    pub facts: BTreeMap<String, String>,
}

impl BuyerNotice {
    /// Older news is not told any more: a buyer whose parcel came yesterday learns nothing from
    /// "your parcel is on its way", and templates that are configured today, a history that is
    /// polled in or a long outage must not flood phones. A day is longer than any night, and no
    /// longer than an outbox tries by default.
    pub const TOLD_WITHIN: SignedDuration = SignedDuration::from_hours(24);

    /// Whether it is too late to tell.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        is_stale(self.at, now)
    }
}

/// Whether it is too late to tell of something that happened at `at`.
#[must_use]
pub fn is_stale(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at) > BuyerNotice::TOLD_WITHIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_found_by_its_word() {
        for event in BuyerEvent::ALL {
            assert_eq!(BuyerEvent::of(event.as_str()), Some(event));
        }
        assert_eq!(BuyerEvent::of("packed"), None);
    }

    #[test]
    fn news_of_a_day_ago_is_told_and_older_news_is_not() {
        let at: Timestamp = "2026-11-24T03:00:00Z".parse().unwrap();
        assert!(!is_stale(at, at + SignedDuration::from_hours(24)));
        assert!(is_stale(at, at + SignedDuration::from_secs(86_401)));
        // The clock of a target may be ahead of ours.
        assert!(!is_stale(at, at - SignedDuration::from_hours(1)));
    }
}
