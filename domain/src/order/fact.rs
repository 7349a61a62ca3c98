//! What can happen to an order: facts from channels, payment providers, targets and staff, and
//! what the outbox reports of our own tasks.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::money::Amount;
use crate::payment::PaymentFact;
use crate::rating::Rating;
use crate::snapshot::{Appointment, Buyer, InvoiceRequest, ShipTo, Snapshot, SnapshotLine};
use crate::task::Outcome;
use crate::{fulfillment, invoice, service};

/// One thing that happened. Applying the same fact twice changes nothing the second time.
///
/// Channel, payment, rating and target facts may come in any order and number; what they add up to depends
/// on their set alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// What the channel says the order is.
    Snapshot(Box<Snapshot>),
    /// Money came or went, says a payment provider.
    Payment(PaymentFact),
    /// Cash that a carrier or store collected has reached the retailer.
    Remitted {
        /// The statement's own reference; identifies the fact.
        reference: String,
        /// Amount.
        amount: Amount,
        /// When.
        at: Timestamp,
    },
    /// The buyer rates the order.
    Rated(Rating),
    /// A location reports on a fulfillment order.
    Fulfillment {
        /// Our id, `ful_…`.
        id: String,
        /// Rises per fulfillment order.
        sequence: i64,
        /// When it happened.
        at: Timestamp,
        /// What.
        kind: fulfillment::EventKind,
    },
    /// The invoicing system reports on an invoice.
    Invoice {
        /// Our id, `inv_…`.
        id: String,
        /// Rises per invoice.
        sequence: i64,
        /// When it happened.
        at: Timestamp,
        /// What.
        kind: invoice::EventKind,
    },
    /// The service center reports on a work order.
    Service {
        /// Our id, `svc_…`.
        id: String,
        /// Rises per work order.
        sequence: i64,
        /// When it happened.
        at: Timestamp,
        /// What.
        kind: service::EventKind,
    },
    /// A target answered a task. `Retry` and `Account` are not final and change nothing.
    Task {
        /// The task's key.
        key: String,
        /// The answer.
        outcome: Outcome,
        /// When.
        at: Timestamp,
    },
    /// A task gave up; whether it took effect is not known.
    TaskDead {
        /// The task's key.
        key: String,
        /// Why, free of personal data.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// A task that [`crate::plan::Plan::withdraw`] named will never be sent (again), not even by a
    /// redrive of a dead letter. Only to be reported while no attempt is in flight; else its
    /// outcome comes as [`Fact::Task`], or the withdrawal after it.
    Withdrawn {
        /// The task's key.
        key: String,
        /// Whether it may have reached the target before.
        tried: Tried,
        /// When.
        at: Timestamp,
    },
    /// A person decided something.
    Staff(Box<Command>),
    /// Products or SKU mappings changed: resolve again.
    CatalogChanged,
    /// The timer of [`super::Columns::next_wake`] fired.
    Wake,
}

/// Whether a withdrawn task may have reached its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tried {
    /// No attempt was ever made: it had no effect.
    Never,
    /// An attempt ended without an answer: it may have had its effect.
    Maybe,
}

/// A decision of a person, kept for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Identifies the command: a repeat changes nothing.
    pub id: String,
    /// Who, as the token names them.
    pub actor: String,
    /// When; commands count in the order of (at, id).
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// What.
    pub action: Action,
}

/// What a person may do to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A draft or pending order is to be served.
    Confirm,
    /// Stop; what is not shipped is taken back.
    Hold,
    /// Go on: ends a staff hold, accepts what the judgement holds say as it stands now, and routes
    /// again where routing had given up.
    Release,
    /// Call it off.
    Cancel,
    /// A draft is not an order.
    Reject,
    /// Take back what is not shipped and route again from the beginning.
    Reroute,
    /// As [`Action::Reroute`], to this location.
    Transfer {
        /// Location.
        location: String,
    },
    /// Leave one line out.
    CancelLine {
        /// Line.
        line: String,
    },
    /// Change what the channel said; survives later snapshots.
    Edit(Box<Edit>),
    /// Give money back through the provider that took it.
    Refund {
        /// The payment's reference, `code-attempt`.
        reference: String,
        /// The provider's transaction of the payment.
        transaction: String,
        /// How much.
        amount: Amount,
    },
}

impl Action {
    /// The word used in the timeline and the audit log.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Cancel => "cancel",
            Self::Reject => "reject",
            Self::Reroute => "reroute",
            Self::Transfer { .. } => "transfer",
            Self::CancelLine { .. } => "cancel_line",
            Self::Edit(_) => "edit",
            Self::Refund { .. } => "refund",
        }
    }
}

/// Fields that a person sets; `None` leaves the field to the channel (or to an earlier edit).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Edit {
    /// Buyer.
    pub buyer: Option<Buyer>,
    /// Destination.
    pub ship_to: Option<ShipTo>,
    /// All lines.
    pub lines: Option<Vec<SnapshotLine>>,
    /// Note.
    pub note: Option<String>,
    /// Visit window.
    pub appointment: Option<Appointment>,
    /// Tags beside the channel's.
    pub tags: Option<Vec<String>>,
    /// Invoice details.
    pub invoice_request: Option<InvoiceRequest>,
}

/// What applying a fact did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Applied {
    /// Whether anything is different now; the order need not be stored if not.
    pub changed: bool,
    /// What is different, for the timeline.
    pub events: Vec<OrderEvent>,
}

/// One entry of the timeline. Free of personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEvent {
    /// `status`, `lifecycle`, `payment`, `fulfillment`, `hold`, `decision`, `fulfillment_order`,
    /// `invoice`, `service_order`, `rating`, `task`, `staff`, `tag`, `invalid_transition`.
    pub kind: String,
    /// What it is about, where the order has several (an id, a hold's code).
    pub subject: Option<String>,
    /// Before.
    pub from: Option<String>,
    /// After.
    pub to: Option<String>,
    /// More, in words.
    pub detail: Option<String>,
}
