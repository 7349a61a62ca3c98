//! The order: one pure value that holds all about an order.
//!
//! It keeps what was said (registers and logs that do not depend on the order of arrival), what
//! was decided, what was asked of the targets and what became of it, and the judgement that
//! follows from all of them. The shell stores it as one JSON document beside [`Columns`] and calls,
//! in one transaction: [`Order::apply`] for each fact, then [`Order::plan`]; where the plan says
//! `route`, [`Order::routing_order`], a decision, [`Order::take_decision`] and [`Order::plan`]
//! again.
//!
//! It knows no clock, no other order and no stock.

mod allow;
mod apply;
mod buyer;
mod channel;
mod context;
pub(crate) mod effects;
mod fact;
mod held;
mod hold;
mod judge;
mod money;
pub(crate) mod part;
mod refund;
mod route;
mod show;
mod staff;
mod status;
mod told;
mod view;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::code::OrderCode;
use crate::id::OrderId;
use crate::money::Amount;
use crate::payment::PaymentFact;
use crate::rating::Rating;
use crate::routing::Legs;
use crate::snapshot::ChannelStatus;
use crate::stamp::ContentHash;
use crate::{fulfillment, invoice, service};

pub(crate) use apply::event as timeline;
pub(crate) use channel::looks_masked;
pub use context::{
    Catalog, Context, LocationSettings, Product, ReserveWhen, Settings, TaxRate, Teller,
};
pub use fact::{Action, Applied, Command, Edit, Fact, OrderEvent, Tried};
pub use held::{EffectStatus, EffectView, Gap};
pub use hold::Hold;
pub(crate) use hold::NO_LOCATION;
pub(crate) use judge::{Line, dialable};
pub(crate) use refund::RefundAsked;
pub use route::Taken;
pub use status::{Fulfillment, Lifecycle, LifecycleFacts, Status};
pub use told::ChannelParcel;
pub use view::{
    BuyerView, Columns, DecisionView, FulfillmentLineView, FulfillmentView, InvoiceView, LineView,
    OrderView, PaymentView, ReceivedView, ServiceView, TotalsView, UnderstoodView, WarrantyView,
    WhyView,
};

/// All about one order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub(crate) id: OrderId,
    pub(crate) code: OrderCode,
    pub(crate) channel: String,
    pub(crate) connector: String,
    pub(crate) external_id: String,
    version: u64,
    received_at: Timestamp,
    updated_at: Timestamp,
    customer_id: Option<String>,

    // What was said.
    said: channel::ChannelSide,
    /// By reference, transaction and direction.
    payments: BTreeMap<String, PaymentFact>,
    /// By statement reference.
    remitted: BTreeMap<String, Remittance>,
    pub(crate) fulfillment_logs: BTreeMap<String, fulfillment::EventLog>,
    pub(crate) invoice_logs: BTreeMap<String, invoice::EventLog>,
    pub(crate) service_logs: BTreeMap<String, service::EventLog>,
    /// By channel and id; documents from before there were any have none.
    #[serde(default)]
    ratings: BTreeMap<String, Rating>,
    staff: staff::StaffSide,
    /// What the channel said of a field when staff edited (or accepted) it.
    edit_bases: BTreeMap<String, ContentHash>,
    /// Holds that staff have accepted as they stand.
    accepted: BTreeSet<String>,

    // What was decided.
    pub(crate) decision: Option<DecisionRecord>,
    pub(crate) routing: RoutingState,
    pub(crate) parts: Vec<part::Part>,

    // What was asked for, and what became of it.
    pub(crate) effects: effects::Effects,
    pub(crate) invoices: Vec<InvoiceRecord>,
    pub(crate) work_orders: Vec<WorkOrder>,
    pub(crate) warranties: Vec<Warranty>,
    pub(crate) own_tags: BTreeSet<String>,
    /// How often the channel has asked for what it may ask for again.
    pub(crate) asked: told::Asked,
    next_wake: Option<Timestamp>,

    // What follows from all of it.
    pub(crate) judged: judge::Judged,
}

/// Cash that has reached us.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Remittance {
    at: Timestamp,
    amount: Amount,
}

/// What stays of a decision in the order; the whole trace is stored by the shell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DecisionRecord {
    pub(crate) rule: String,
    pub(crate) rules_version: String,
    pub(crate) legs: Legs,
    pub(crate) at: Timestamp,
    /// The marketplace sends it: nothing for us to reserve or ship.
    pub(crate) marketplace: bool,
    pub(crate) priority: i32,
    pub(crate) dispatch_by: Option<Timestamp>,
    pub(crate) promise_met: Option<bool>,
}

/// Where routing stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct RoutingState {
    /// How often a location rejected or did not answer.
    pub(crate) round: u32,
    /// Locations that did.
    pub(crate) excluded: BTreeSet<String>,
    pub(crate) hold: Option<RoutingHold>,
    /// A rule says that the order cannot be done.
    pub(crate) cancelled: Option<String>,
}

/// Why routing has stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RoutingHold {
    pub(crate) code: String,
    pub(crate) detail: Option<String>,
    /// When to try again without being asked.
    pub(crate) until: Option<Timestamp>,
    /// Hash of what was routed: with other lines or another destination, routing may do better.
    pub(crate) basis: ContentHash,
}

/// An invoice asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InvoiceRecord {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) generation: u32,
    pub(crate) target: String,
    /// Frozen: rates and amounts are fixed at issue.
    pub(crate) body: crate::task::InvoiceBody,
    pub(crate) adjustments: Vec<Adjustment>,
    pub(crate) state: invoice::State,
}

/// A correction asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Adjustment {
    pub(crate) id: String,
    pub(crate) key: String,
    /// Units taken off per line.
    pub(crate) units: BTreeMap<String, u32>,
    pub(crate) lines: Vec<crate::task::InvoiceLine>,
    pub(crate) total: i64,
    pub(crate) tax_total: i64,
}

/// An installation asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkOrder {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) generation: u32,
    pub(crate) kind: String,
    pub(crate) target: String,
    /// (line, SKU, units) that it is for.
    pub(crate) items: Vec<(String, String, u32)>,
    pub(crate) appointment: Option<crate::snapshot::Appointment>,
    /// How often the visit was moved.
    pub(crate) moves: u32,
    /// The service center would not call it off.
    pub(crate) kept: bool,
    /// Called off, or never registered.
    pub(crate) closed: bool,
    pub(crate) state: service::State,
}

/// A warranty asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Warranty {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) line_id: String,
    pub(crate) sku: String,
    pub(crate) serial: Option<String>,
    pub(crate) quantity: u32,
}

impl Order {
    /// An order of which nothing is known yet but its name at the channel.
    #[must_use]
    pub fn new(
        id: OrderId,
        code: OrderCode,
        channel: &str,
        connector: &str,
        external_id: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            code,
            channel: channel.to_owned(),
            connector: connector.to_owned(),
            external_id: external_id.to_owned(),
            version: 0,
            received_at: now,
            updated_at: now,
            customer_id: None,
            said: channel::ChannelSide::default(),
            payments: BTreeMap::new(),
            remitted: BTreeMap::new(),
            fulfillment_logs: BTreeMap::new(),
            invoice_logs: BTreeMap::new(),
            service_logs: BTreeMap::new(),
            ratings: BTreeMap::new(),
            staff: staff::StaffSide::default(),
            edit_bases: BTreeMap::new(),
            accepted: BTreeSet::new(),
            decision: None,
            routing: RoutingState::default(),
            parts: Vec::new(),
            effects: effects::Effects::default(),
            invoices: Vec::new(),
            work_orders: Vec::new(),
            warranties: Vec::new(),
            own_tags: BTreeSet::new(),
            asked: told::Asked::default(),
            next_wake: None,
            judged: judge::Judged::default(),
        }
    }

    /// `ord_…`
    #[must_use]
    pub fn id(&self) -> &OrderId {
        &self.id
    }

    /// The code for people.
    #[must_use]
    pub fn code(&self) -> &OrderCode {
        &self.code
    }

    /// The channel's id.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The connector's name.
    #[must_use]
    pub fn connector(&self) -> &str {
        &self.connector
    }

    /// The channel's id of the order.
    #[must_use]
    pub fn external_id(&self) -> &str {
        &self.external_id
    }

    /// Counts stored changes.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The status shown to people.
    #[must_use]
    pub fn status(&self) -> Status {
        self.judged.status
    }

    pub(crate) fn set_next_wake(&mut self, at: Option<Timestamp>) -> bool {
        let changed = self.next_wake != at;
        self.next_wake = at;
        changed
    }

    /// Ids of everything that targets report on: `ful_…`, `inv_…`, `svc_…`. The shell indexes them
    /// to find the order of a callback.
    pub fn subjects(&self) -> impl Iterator<Item = &str> {
        let parts = self.parts.iter().map(|part| part.id.as_str());
        let invoices = self.invoices.iter().map(|invoice| invoice.id.as_str());
        let services = self.work_orders.iter().map(|work| work.id.as_str());
        parts.chain(invoices).chain(services)
    }

    /// How many tasks no answer has settled yet.
    #[must_use]
    pub fn open_tasks(&self) -> usize {
        self.effects
            .iter()
            .filter(|(_, effect)| {
                matches!(
                    effect.state,
                    effects::EffectState::Pending | effects::EffectState::Withdrawing
                )
            })
            .count()
    }
}
