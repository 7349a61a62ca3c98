//! Payment: what providers report, and where an order stands with its money.
//!
//! Delivered, cash collected and cash remitted are three facts, so cash on delivery has its own
//! states. Channel and provider often report the same money; the greater of the two sums counts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::money::Amount;
use crate::snapshot::{ChannelPayment, PaymentMethod};

/// How one payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Begun; the provider has not decided yet.
    Pending,
    /// The provider holds the buyer's money for us and has not taken it.
    Authorized,
    /// Tried, not received.
    Failed,
    /// Money received.
    Paid,
    /// Received but under suspicion: a person must look.
    Suspect,
    /// Given back.
    Refunded,
}

/// Money came or went, reported by a payment provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentFact {
    /// Our payment reference, `code-attempt`.
    pub reference: String,
    /// The provider's transaction; with `reference` it identifies the payment.
    pub transaction: String,
    /// Amount.
    pub amount: Amount,
    /// How it stands.
    pub state: PaymentState,
    /// When, according to the provider.
    pub at: Timestamp,
    /// The provider's own code, kept and shown.
    pub provider_code: String,
    /// The payment channel that reported it; empty in facts from before it was noted.
    #[serde(default)]
    pub provider: String,
}

impl PaymentFact {
    /// What decides between two reports of the same payment: the later, then the graver.
    fn weight(&self) -> (Timestamp, PaymentState, Amount, &str) {
        (self.at, self.state, self.amount, &self.provider_code)
    }

    /// Takes the other report of the same payment if it counts for more; says whether it did.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        let newer = other.weight() > self.weight();
        if newer {
            *self = other.clone();
        }
        newer
    }
}

/// The payment axis of an order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Nothing received.
    #[default]
    Unpaid,
    /// A hold on the buyer's money.
    Authorized,
    /// Part of the total received.
    PartiallyPaid,
    /// Received in full.
    Paid,
    /// Part of it given back.
    PartiallyRefunded,
    /// All of it given back.
    Refunded,
    /// Tried and failed.
    Failed,
    /// Delivered; a carrier or store owes us the cash.
    CodPending,
    /// The cash has reached us.
    CodRemitted,
}

impl PaymentStatus {
    /// The word used in the API and in columns.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid",
            Self::Authorized => "authorized",
            Self::PartiallyPaid => "partially_paid",
            Self::Paid => "paid",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Failed => "failed",
            Self::CodPending => "cod_pending",
            Self::CodRemitted => "cod_remitted",
        }
    }
}

/// Everything that the payment axis depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Money {
    /// What the buyer owes in all.
    pub due: Amount,
    /// Received before delivery, by channel or provider.
    pub paid: Amount,
    /// Given back.
    pub refunded: Amount,
    /// Means of payment.
    pub method: Option<PaymentMethod>,
    /// What the channel says.
    pub channel: Option<ChannelPayment>,
    /// Held for us by a provider, not received.
    pub authorized: Amount,
    /// A provider reported a failure, and nothing that is under way or received.
    pub failed: bool,
    /// The goods are with the buyer, or cash was collected.
    pub handed_over: bool,
    /// Cash that has reached us.
    pub remitted: Amount,
}

impl Money {
    /// Cash to collect on delivery: what is still owed, for cash on delivery only.
    #[must_use]
    pub fn cod(&self) -> Amount {
        if self.method == Some(PaymentMethod::Cod) {
            self.due.saturating_sub(self.paid).at_least_zero()
        } else {
            Amount::ZERO
        }
    }

    /// Where the order stands.
    #[must_use]
    pub fn status(&self) -> PaymentStatus {
        let received = self.paid.saturating_add(self.remitted);
        if self.refunded > Amount::ZERO || self.channel == Some(ChannelPayment::Refunded) {
            let all = self.channel == Some(ChannelPayment::Refunded) || self.refunded >= received;
            return if all {
                PaymentStatus::Refunded
            } else {
                PaymentStatus::PartiallyRefunded
            };
        }
        if self.channel == Some(ChannelPayment::PartiallyRefunded) {
            return PaymentStatus::PartiallyRefunded;
        }
        let cod = self.cod();
        if cod > Amount::ZERO && self.remitted >= cod {
            return PaymentStatus::CodRemitted;
        }
        if cod > Amount::ZERO && self.handed_over {
            return PaymentStatus::CodPending;
        }
        if self.paid >= self.due && (self.due > Amount::ZERO || self.paid > Amount::ZERO) {
            return PaymentStatus::Paid;
        }
        if self.paid > Amount::ZERO {
            return PaymentStatus::PartiallyPaid;
        }
        match self.channel {
            Some(ChannelPayment::Paid) => PaymentStatus::Paid,
            Some(ChannelPayment::Authorized) => PaymentStatus::Authorized,
            Some(ChannelPayment::PartiallyPaid) => PaymentStatus::PartiallyPaid,
            Some(ChannelPayment::Failed) => self.by_provider().unwrap_or(PaymentStatus::Failed),
            Some(
                ChannelPayment::Unpaid
                | ChannelPayment::PartiallyRefunded
                | ChannelPayment::Refunded,
            )
            | None => self.by_provider().unwrap_or(PaymentStatus::Unpaid),
        }
    }

    /// What providers say while no money has come.
    fn by_provider(&self) -> Option<PaymentStatus> {
        if self.authorized > Amount::ZERO && self.authorized >= self.due {
            return Some(PaymentStatus::Authorized);
        }
        self.failed.then_some(PaymentStatus::Failed)
    }
}
