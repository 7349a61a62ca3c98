//! What a channel is told of its orders, stock and conversations, in Kenh's own words.
//!
//! The plan derives these from the order; a connector turns them into its vendor's calls. Which
//! news a channel takes is the connector's word ([`crate::order::Settings::feedback`]).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::money::Amount;

/// A line of an order as its channel knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelLine {
    /// The channel's id of the line.
    pub line_id: String,
    /// The channel's article, where it has its own id.
    pub channel_sku: Option<String>,
    /// Our SKU.
    pub sku: Option<String>,
    /// Units.
    pub quantity: u32,
}

/// A parcel's number at its carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracking {
    /// Number.
    pub number: String,
    /// Carrier, in the location's words.
    pub carrier: Option<String>,
}

/// Why an order or line is cancelled on our side. The vendors' reasons are few and fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// No location has it.
    OutOfStock,
    /// The buyer asked for it on another way (chat, phone).
    BuyerAsked,
    /// The buyer did not pay in time.
    Unpaid,
    /// Anything else; the text for people goes with it.
    Other,
}

/// A refund of a payment that came before another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierRefund {
    /// What went back.
    pub amount: Amount,
    /// The provider's number of it; `None` where nobody knows whether it was done.
    pub number: Option<String>,
}

/// One thing to tell about an order. `parcel` is our id of the fulfillment order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// We take the order: stock is held for every line.
    Accepted {
        /// All lines.
        lines: Vec<ChannelLine>,
        /// Where it will be sent from, our location's id of the first parcel.
        location: Option<String>,
    },
    /// A location has begun to pack: arrange the marketplace's carrier, get the parcel's number.
    Arranged {
        /// Fulfillment order.
        parcel: String,
        /// Its lines.
        lines: Vec<ChannelLine>,
    },
    /// A parcel is packed and waits for the carrier.
    Packed {
        /// Fulfillment order.
        parcel: String,
        /// Its lines.
        lines: Vec<ChannelLine>,
        /// The vendor's id of the parcel, as its answer to [`News::Arranged`] gave it.
        channel_parcel: Option<String>,
    },
    /// A parcel has left with a carrier of ours.
    Shipped {
        /// Fulfillment order.
        parcel: String,
        /// Its lines.
        lines: Vec<ChannelLine>,
        /// Number, where the location told one.
        tracking: Option<Tracking>,
        /// When.
        at: Timestamp,
    },
    /// The buyer has a parcel that our own carrier brought.
    Delivered {
        /// Fulfillment order.
        parcel: String,
        /// When.
        at: Timestamp,
    },
    /// Our own carrier could not deliver.
    DeliveryFailed {
        /// Fulfillment order.
        parcel: String,
        /// Why, in the carrier's word.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// We will not do these lines.
    Cancelled {
        /// Why, in the vendor's few words.
        reason: CancelReason,
        /// Why, for people; free of personal data.
        text: String,
        /// The lines; all of the order where `whole`.
        lines: Vec<ChannelLine>,
        /// The whole order.
        whole: bool,
    },
    /// The buyer's wish to cancel is answered.
    CancelAnswered {
        /// Granted.
        accept: bool,
        /// Why not, for people.
        text: String,
    },
    /// Money goes back to the buyer through the provider that took it.
    Refunded {
        /// Our payment reference, `code-attempt`.
        reference: String,
        /// The provider's transaction of the payment.
        transaction: String,
        /// What to give back.
        amount: Amount,
        /// What was paid in that transaction.
        paid: Amount,
        /// When it was paid.
        paid_at: Timestamp,
        /// When staff asked for the refund; the same for every try.
        asked_at: Timestamp,
        /// What went back of the same payment before.
        earlier: Vec<EarlierRefund>,
        /// Why, for people; free of personal data.
        text: String,
        /// Who asked for it.
        actor: String,
    },
}

/// The kinds of [`News`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewsKind {
    /// [`News::Accepted`]
    Accepted,
    /// [`News::Arranged`]
    Arranged,
    /// [`News::Packed`]
    Packed,
    /// [`News::Shipped`]
    Shipped,
    /// [`News::Delivered`]
    Delivered,
    /// [`News::DeliveryFailed`]
    DeliveryFailed,
    /// [`News::Cancelled`]
    Cancelled,
    /// [`News::CancelAnswered`]
    CancelAnswered,
    /// [`News::Refunded`]
    Refunded,
}

impl NewsKind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::Arranged,
        Self::Packed,
        Self::Shipped,
        Self::Delivered,
        Self::DeliveryFailed,
        Self::Cancelled,
        Self::CancelAnswered,
        Self::Refunded,
    ];

    /// The word used in keys, columns and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "tell_accepted",
            Self::Arranged => "tell_arranged",
            Self::Packed => "tell_packed",
            Self::Shipped => "tell_shipped",
            Self::Delivered => "tell_delivered",
            Self::DeliveryFailed => "tell_delivery_failed",
            Self::Cancelled => "tell_cancelled",
            Self::CancelAnswered => "tell_cancel_answered",
            Self::Refunded => "refund",
        }
    }
}

impl News {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> NewsKind {
        match self {
            Self::Accepted { .. } => NewsKind::Accepted,
            Self::Arranged { .. } => NewsKind::Arranged,
            Self::Packed { .. } => NewsKind::Packed,
            Self::Shipped { .. } => NewsKind::Shipped,
            Self::Delivered { .. } => NewsKind::Delivered,
            Self::DeliveryFailed { .. } => NewsKind::DeliveryFailed,
            Self::Cancelled { .. } => NewsKind::Cancelled,
            Self::CancelAnswered { .. } => NewsKind::CancelAnswered,
            Self::Refunded { .. } => NewsKind::Refunded,
        }
    }
}

/// News about one order for the channel that it came from, or for the provider that took its
/// money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelTask {
    /// Order code.
    pub order_ref: String,
    /// The channel's order id.
    pub external_id: String,
    /// What.
    pub news: News,
}

/// How many units of an article are on sale at a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLevel {
    /// The channel's article.
    pub channel_sku: String,
    /// Our SKU.
    pub sku: String,
    /// Units, absolute, at least 0.
    pub available: i64,
}

/// A text for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelMessage {
    /// The conversation, `cnv_…`.
    pub conversation: String,
    /// The channel account (page, OA).
    pub account: String,
    /// The person within the account.
    pub person: String,
    /// What to say.
    pub text: String,
    /// The comment that is answered in private; `None` answers the person.
    pub comment: Option<String>,
    /// When the person last wrote: vendors close their windows after that.
    pub last_heard_at: Option<Timestamp>,
    /// When the answered comment was written.
    pub comment_at: Option<Timestamp>,
    /// A person of ours wrote it, not a machine.
    pub by_hand: bool,
}
