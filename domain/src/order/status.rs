//! The axes of an order and the one status shown to people, as tables.

use serde::{Deserialize, Serialize};

use crate::snapshot::ChannelStatus;

/// The lifecycle axis.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// From a chat, comment or call: staff must confirm it.
    Draft,
    /// Placed; waits for the channel's or staff's confirmation, or for money.
    #[default]
    Pending,
    /// Being served.
    Open,
    /// Something must be looked at first.
    OnHold,
    /// Nothing more to do.
    Closed,
    /// Called off.
    Cancelled,
}

impl Lifecycle {
    /// The word used in the API and in columns.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Pending => "pending",
            Self::Open => "open",
            Self::OnHold => "on_hold",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What the lifecycle depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LifecycleFacts {
    /// By the channel, by staff or by a routing rule.
    pub cancelled: bool,
    /// From a chat and not confirmed by staff.
    pub draft: bool,
    /// At least one hold.
    pub held: bool,
    /// Not yet to be served: unconfirmed or unpaid, and nothing allocated.
    pub waiting: bool,
    /// Goods handed over (or returned) and every leg done.
    pub finished: bool,
}

impl LifecycleFacts {
    /// The lifecycle: a cancel beats all, a draft is not held, a finished order is closed even
    /// while somebody looks at it.
    #[must_use]
    pub fn lifecycle(self) -> Lifecycle {
        if self.cancelled {
            Lifecycle::Cancelled
        } else if self.draft {
            Lifecycle::Draft
        } else if self.finished {
            Lifecycle::Closed
        } else if self.held {
            Lifecycle::OnHold
        } else if self.waiting {
            Lifecycle::Pending
        } else {
            Lifecycle::Open
        }
    }
}

/// The fulfillment axis.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Fulfillment {
    /// At least one line has no location.
    #[default]
    Unallocated,
    /// Every line has its location.
    Allocated,
    /// All packed.
    Packed,
    /// Some of it left.
    PartiallyShipped,
    /// All of it left.
    Shipped,
    /// Some of it arrived.
    PartiallyDelivered,
    /// All of it arrived.
    Delivered,
    /// A carrier gave up.
    DeliveryFailed,
    /// Something comes back.
    Returning,
    /// All of it came back.
    Returned,
}

impl Fulfillment {
    /// The word used in the API and in columns.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unallocated => "unallocated",
            Self::Allocated => "allocated",
            Self::Packed => "packed",
            Self::PartiallyShipped => "partially_shipped",
            Self::Shipped => "shipped",
            Self::PartiallyDelivered => "partially_delivered",
            Self::Delivered => "delivered",
            Self::DeliveryFailed => "delivery_failed",
            Self::Returning => "returning",
            Self::Returned => "returned",
        }
    }

    /// Where a part of an order stands, for the table below.
    fn stages(parts: &[Self], stage: Self) -> usize {
        parts.iter().filter(|part| **part == stage).count()
    }

    /// The axis of an order from its parts: one value of `unallocated, allocated, packed, shipped,
    /// delivered, delivery_failed, returning, returned` per fulfillment order that counts, and
    /// `unallocated` for lines without one.
    #[must_use]
    pub fn of_parts(parts: &[Self]) -> Self {
        let all = parts.len();
        let count = |stage| Self::stages(parts, stage);
        let (delivered, shipped) = (count(Self::Delivered), count(Self::Shipped));
        if all == 0 {
            return Self::Unallocated;
        }
        if count(Self::Returned) == all {
            return Self::Returned;
        }
        if count(Self::DeliveryFailed) > 0 {
            return Self::DeliveryFailed;
        }
        if count(Self::Returned) + count(Self::Returning) > 0 {
            return Self::Returning;
        }
        if delivered == all {
            return Self::Delivered;
        }
        if delivered > 0 {
            return Self::PartiallyDelivered;
        }
        if shipped == all {
            return Self::Shipped;
        }
        if shipped > 0 {
            return Self::PartiallyShipped;
        }
        if count(Self::Unallocated) > 0 {
            return Self::Unallocated;
        }
        if count(Self::Packed) == all {
            Self::Packed
        } else {
            Self::Allocated
        }
    }

    /// The axis of an order that somebody else fulfils, from what the channel says.
    #[must_use]
    pub fn of_channel(status: ChannelStatus) -> Self {
        match status {
            ChannelStatus::Draft
            | ChannelStatus::Pending
            | ChannelStatus::Confirmed
            | ChannelStatus::Cancelled => Self::Unallocated,
            ChannelStatus::Packed => Self::Packed,
            ChannelStatus::Shipped => Self::Shipped,
            ChannelStatus::Delivered | ChannelStatus::Completed => Self::Delivered,
            ChannelStatus::DeliveryFailed => Self::DeliveryFailed,
            ChannelStatus::ReturnRequested => Self::Returning,
            ChannelStatus::Returned => Self::Returned,
        }
    }
}

/// The one status shown to people.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the axes explain the words")]
pub enum Status {
    Draft,
    #[default]
    Pending,
    Confirmed,
    Allocated,
    Packed,
    Shipped,
    Delivered,
    Completed,
    OnHold,
    Cancelled,
    Returning,
    Returned,
    DeliveryFailed,
}

impl Status {
    /// The word used in the API and in columns.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Allocated => "allocated",
            Self::Packed => "packed",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Completed => "completed",
            Self::OnHold => "on_hold",
            Self::Cancelled => "cancelled",
            Self::Returning => "returning",
            Self::Returned => "returned",
            Self::DeliveryFailed => "delivery_failed",
        }
    }

    /// The status of the two axes. Goods on the road are shown as such even on hold: a hold stops
    /// only what is still inside.
    #[must_use]
    pub fn of(lifecycle: Lifecycle, fulfillment: Fulfillment) -> Self {
        match (lifecycle, fulfillment) {
            (Lifecycle::Draft, _) => Self::Draft,
            (Lifecycle::Cancelled, _) => Self::Cancelled,
            (_, Fulfillment::Returned) => Self::Returned,
            (_, Fulfillment::Returning) => Self::Returning,
            (_, Fulfillment::DeliveryFailed) => Self::DeliveryFailed,
            (Lifecycle::Closed, _) => Self::Completed,
            (_, Fulfillment::Delivered) => Self::Delivered,
            (
                _,
                Fulfillment::Shipped
                | Fulfillment::PartiallyShipped
                | Fulfillment::PartiallyDelivered,
            ) => Self::Shipped,
            (Lifecycle::OnHold, _) => Self::OnHold,
            (_, Fulfillment::Packed) => Self::Packed,
            (_, Fulfillment::Allocated) => Self::Allocated,
            (Lifecycle::Pending, Fulfillment::Unallocated) => Self::Pending,
            (Lifecycle::Open, Fulfillment::Unallocated) => Self::Confirmed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFECYCLES: [Lifecycle; 6] = [
        Lifecycle::Draft,
        Lifecycle::Pending,
        Lifecycle::Open,
        Lifecycle::OnHold,
        Lifecycle::Closed,
        Lifecycle::Cancelled,
    ];

    const PARTS: [Fulfillment; 8] = [
        Fulfillment::Unallocated,
        Fulfillment::Allocated,
        Fulfillment::Packed,
        Fulfillment::Shipped,
        Fulfillment::Delivered,
        Fulfillment::DeliveryFailed,
        Fulfillment::Returning,
        Fulfillment::Returned,
    ];

    #[test]
    fn the_lifecycle_of_every_set_of_facts() {
        let mut table = String::new();
        for bits in 0_u8..32 {
            let bit = |place: u8| bits & (1 << place) != 0;
            let facts = LifecycleFacts {
                cancelled: bit(4),
                draft: bit(3),
                held: bit(2),
                waiting: bit(1),
                finished: bit(0),
            };
            let names = [
                (facts.cancelled, "cancelled"),
                (facts.draft, "draft"),
                (facts.held, "held"),
                (facts.waiting, "waiting"),
                (facts.finished, "finished"),
            ];
            let names: Vec<&str> = names
                .iter()
                .filter(|(set, _)| *set)
                .map(|(_, name)| *name)
                .collect();
            table.push_str(&format!(
                "{} = {}\n",
                names.join(" "),
                facts.lifecycle().as_str()
            ));
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn the_fulfillment_axis_of_every_two_parts() {
        let mut table = String::new();
        for (place, one) in PARTS.iter().enumerate() {
            for other in &PARTS[place..] {
                let both = Fulfillment::of_parts(&[*one, *other]);
                assert_eq!(both, Fulfillment::of_parts(&[*other, *one]));
                table.push_str(&format!(
                    "{} + {} = {}\n",
                    one.as_str(),
                    other.as_str(),
                    both.as_str()
                ));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn the_status_of_every_pair_of_axes() {
        let axes = PARTS.into_iter().chain([
            Fulfillment::PartiallyShipped,
            Fulfillment::PartiallyDelivered,
        ]);
        let mut table = String::new();
        for fulfillment in axes {
            for lifecycle in LIFECYCLES {
                let status = Status::of(lifecycle, fulfillment);
                table.push_str(&format!(
                    "{} + {} = {}\n",
                    lifecycle.as_str(),
                    fulfillment.as_str(),
                    status.as_str()
                ));
            }
        }
        insta::assert_snapshot!(table);
    }
}
