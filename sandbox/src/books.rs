//! What the partners themselves hold: every reservation, fulfillment order, invoice, work order
//! and warranty, and what the storefront sold. The books are the independent side of the
//! comparison that [`crate::audit`] makes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::storefront::Product;

/// The kinds of target that the sandbox plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Reserves and ships.
    Inventory,
    /// Issues e-invoices.
    Invoicing,
    /// Installs, repairs and keeps warranties.
    ServiceCenter,
}

/// A quantity of one SKU under the gateway's line id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The order's line.
    pub line_id: String,
    /// What is on it.
    pub sku: String,
    /// How many units.
    pub quantity: i64,
}

/// Life of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationState {
    /// Stock is kept back.
    Held,
    /// A fulfillment order took it.
    Consumed,
    /// Given back.
    Released,
}

#[derive(Debug, Clone)]
pub(crate) struct Reservation {
    pub(crate) order_ref: String,
    pub(crate) location: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) state: ReservationState,
}

/// Life of a fulfillment order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FulfillmentState {
    /// Arrived, nobody looked yet.
    Received,
    /// The location will do it.
    Accepted,
    /// The location will not.
    Rejected,
    /// In the box, serials known.
    Packed,
    /// With the carrier.
    Shipped,
    /// With the buyer.
    Delivered,
    /// Taken back before shipping.
    Cancelled,
}

impl FulfillmentState {
    /// Whether goods are committed or gone under this order.
    pub(crate) fn live(self) -> bool {
        !matches!(self, Self::Rejected | Self::Cancelled)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Fulfillment {
    pub(crate) order_ref: String,
    pub(crate) channel: String,
    pub(crate) external_id: String,
    pub(crate) reservation_id: String,
    pub(crate) location: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) cod: i64,
    pub(crate) state: FulfillmentState,
    pub(crate) serials: BTreeMap<String, Vec<String>>,
    pub(crate) sequence: u32,
    pub(crate) life: u32,
    /// The gateway tried to take it back after it had left, and was told that it is too late.
    pub(crate) late_cancel: bool,
    /// When it left.
    pub(crate) shipped_at: Option<Instant>,
}

/// Life of an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceState {
    /// Taken, number follows.
    Accepted,
    /// Numbered.
    Issued,
    /// Numbered and coded by the tax authority.
    Coded,
}

#[derive(Debug, Clone)]
pub(crate) struct Invoice {
    pub(crate) order_ref: String,
    pub(crate) channel: String,
    pub(crate) external_id: String,
    pub(crate) series: String,
    pub(crate) number: Option<String>,
    pub(crate) authority_code: Option<String>,
    pub(crate) total: i64,
    pub(crate) state: InvoiceState,
    pub(crate) adjustments: BTreeMap<String, i64>,
    pub(crate) adjustment_numbers: BTreeMap<String, String>,
    pub(crate) sequence: u32,
}

impl Invoice {
    /// What the buyer is charged after all adjustments, in đồng.
    pub(crate) fn remaining(&self) -> i64 {
        self.total + self.adjustments.values().sum::<i64>()
    }
}

/// Life of a work order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkState {
    /// Known, not to be done yet.
    Waiting,
    /// May be done.
    Released,
    /// Has a window.
    Scheduled,
    /// Has a technician.
    Assigned,
    /// The technician is there.
    OnSite,
    /// Done.
    Completed,
    /// Will not be done.
    Cancelled,
}

#[derive(Debug, Clone)]
pub(crate) struct WorkOrder {
    pub(crate) order_ref: String,
    pub(crate) kind: String,
    pub(crate) items: Vec<Line>,
    pub(crate) window: (String, String),
    pub(crate) state: WorkState,
    pub(crate) sequence: u32,
    pub(crate) life: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Warranty {
    pub(crate) order_ref: String,
    pub(crate) sku: String,
    pub(crate) serial: Option<String>,
    pub(crate) quantity: i64,
}

/// The first answer under an idempotency key, for its repeats.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    pub(crate) call: String,
    pub(crate) essence: Value,
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
}

/// The books of one target.
#[derive(Debug, Clone)]
pub(crate) struct TargetBooks {
    pub(crate) kind: Kind,
    pub(crate) requests: u64,
    pub(crate) callbacks: u64,
    pub(crate) repeats: BTreeMap<String, u64>,
    pub(crate) answers: BTreeMap<String, Remembered>,
    pub(crate) reservations: BTreeMap<String, Reservation>,
    pub(crate) fulfillments: BTreeMap<String, Fulfillment>,
    pub(crate) invoices: BTreeMap<String, Invoice>,
    pub(crate) numbers: BTreeMap<String, u64>,
    pub(crate) work_orders: BTreeMap<String, WorkOrder>,
    pub(crate) warranties: BTreeMap<String, Warranty>,
    pub(crate) stock: BTreeMap<(String, String), i64>,
    pub(crate) counts: BTreeMap<(String, String), u32>,
}

impl TargetBooks {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            requests: 0,
            callbacks: 0,
            repeats: BTreeMap::new(),
            answers: BTreeMap::new(),
            reservations: BTreeMap::new(),
            fulfillments: BTreeMap::new(),
            invoices: BTreeMap::new(),
            numbers: BTreeMap::new(),
            work_orders: BTreeMap::new(),
            warranties: BTreeMap::new(),
            stock: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }
}

/// What became of a sale on the seller's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// The buyer wants it.
    Wanted,
    /// The buyer cancelled.
    Cancelled,
    /// Staff turned the draft down.
    Turned,
}

/// One unit price and quantity that the storefront sold.
#[derive(Debug, Clone)]
pub(crate) struct SoldLine {
    pub(crate) sku: String,
    pub(crate) quantity: i64,
}

/// One order as the storefront knows it.
#[derive(Debug, Clone)]
pub(crate) struct Sale {
    pub(crate) lines: Vec<SoldLine>,
    pub(crate) grand_total: i64,
    pub(crate) province_code: String,
    /// Cash to be taken at the door in đồng, where the channel says so.
    pub(crate) cash: Option<i64>,
    pub(crate) fate: Fate,
    /// When the buyer cancelled.
    pub(crate) cancelled_at: Option<Instant>,
}

/// Everything that all partners and the storefront hold, behind one lock.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) targets: BTreeMap<String, TargetBooks>,
    pub(crate) channels: BTreeMap<String, ChannelBooks>,
    pub(crate) sales: BTreeMap<(String, String), Sale>,
    pub(crate) forged: BTreeSet<(String, String)>,
    pub(crate) catalog: BTreeMap<String, Product>,
    pub(crate) install_in: Option<Vec<String>>,
    pub(crate) violations: Vec<String>,
    /// The news of a cancellation and the news that the parcel has left may cross each other for so
    /// long: with faults, a location's answer alone may be lost for eight seconds, and until the
    /// gateway knows what became of a request it cannot take it back.
    pub(crate) crossing: Duration,
}

/// What one channel's API was asked.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ChannelBooks {
    /// Calls that came in.
    pub requests: u64,
    /// Calls answered with the vendor's error, injected or deserved.
    pub refused: u64,
    /// Successful token refreshes.
    pub refreshes: u64,
    /// Messages that the gateway sent to people.
    pub sent: u64,
    /// What the gateway told this channel and had taken, by kind: each effect counts once.
    pub told: BTreeMap<String, u64>,
}

/// Violations kept; more would only repeat what these say.
const MOST_VIOLATIONS: usize = 400;

impl Ledger {
    /// Writes down that the gateway broke a rule; the same sentence once.
    pub(crate) fn violation(&mut self, text: String) {
        if self.violations.len() < MOST_VIOLATIONS && !self.violations.contains(&text) {
            tracing::warn!(violation = text, "the gateway broke a partner's rule");
            self.violations.push(text);
        }
    }

    pub(crate) fn target(&mut self, id: &str) -> &mut TargetBooks {
        self.targets
            .get_mut(id)
            .expect("a server runs only for a target that has books")
    }

    pub(crate) fn channel(&mut self, name: &str) -> &mut ChannelBooks {
        self.channels.entry(name.to_owned()).or_default()
    }

    /// Whether units of this SKU carry serial numbers.
    pub(crate) fn serial_tracked(&self, sku: &str) -> bool {
        self.catalog
            .get(sku)
            .is_some_and(|product| product.serial_tracked)
    }

    /// SKU → units, with kits replaced by what is in them.
    pub(crate) fn units<'a>(
        &self,
        lines: impl IntoIterator<Item = (&'a str, i64)>,
    ) -> BTreeMap<String, i64> {
        let mut units = BTreeMap::new();
        for (sku, quantity) in lines {
            let parts = self
                .catalog
                .get(sku)
                .map_or(&[][..], |product| &product.components);
            if parts.is_empty() {
                *units.entry(sku.to_owned()).or_insert(0) += quantity;
            }
            for part in parts {
                *units.entry(part.sku.clone()).or_insert(0) += part.quantity * quantity;
            }
        }
        units
    }

    /// Serial numbers that left under this order, per SKU.
    pub(crate) fn serials(&self, order_ref: &str) -> BTreeMap<String, Vec<String>> {
        let mut serials: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let live = self
            .targets
            .values()
            .flat_map(|books| books.fulfillments.values())
            .filter(|order| order.order_ref == order_ref && order.state.live());
        for order in live {
            for line in &order.lines {
                let of_line = order
                    .serials
                    .get(&line.line_id)
                    .into_iter()
                    .flatten()
                    .cloned();
                serials.entry(line.sku.clone()).or_default().extend(of_line);
            }
        }
        serials
    }

    /// Whether every unit of this sale has reached the buyer.
    pub(crate) fn all_delivered(&self, channel: &str, external_id: &str) -> bool {
        let Some(sale) = self
            .sales
            .get(&(channel.to_owned(), external_id.to_owned()))
        else {
            return false;
        };
        let delivered: Vec<&Line> = self
            .targets
            .values()
            .flat_map(|books| books.fulfillments.values())
            .filter(|order| order.channel == channel && order.external_id == external_id)
            .filter(|order| order.state == FulfillmentState::Delivered)
            .flat_map(|order| &order.lines)
            .collect();
        self.units(
            delivered
                .iter()
                .map(|line| (line.sku.as_str(), line.quantity)),
        ) == self.units(
            sale.lines
                .iter()
                .map(|line| (line.sku.as_str(), line.quantity)),
        )
    }

    /// Whether anything of this sale has left a location.
    pub(crate) fn any_shipped(&self, channel: &str, external_id: &str) -> bool {
        self.targets
            .values()
            .flat_map(|books| books.fulfillments.values())
            .any(|order| {
                order.channel == channel
                    && order.external_id == external_id
                    && matches!(
                        order.state,
                        FulfillmentState::Shipped | FulfillmentState::Delivered
                    )
            })
    }
}

/// Counts of one target's books.
#[derive(Debug, Clone, Serialize)]
pub struct TargetSummary {
    /// What it is.
    pub kind: Kind,
    /// Requests that came in, repeats and refused ones included.
    pub requests: u64,
    /// Callbacks that the gateway acknowledged.
    pub callbacks: u64,
    /// Requests answered from memory because their idempotency key was known.
    pub repeats: u64,
    /// Reservations by state.
    pub reservations: BTreeMap<ReservationState, usize>,
    /// Fulfillment orders by state.
    pub fulfillment_orders: BTreeMap<FulfillmentState, usize>,
    /// Invoices.
    pub invoices: usize,
    /// Sum of their totals, in đồng, before adjustments.
    pub invoiced: i64,
    /// Adjustments.
    pub adjustments: usize,
    /// Work orders by state.
    pub work_orders: BTreeMap<WorkState, usize>,
    /// Warranties.
    pub warranties: usize,
}

/// A picture of all books at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Books {
    /// Per target id.
    pub targets: BTreeMap<String, TargetSummary>,
    /// Per simulated channel API.
    pub channels: BTreeMap<String, ChannelBooks>,
    /// Orders that the storefront sold.
    pub sales: usize,
    /// Of those, cancelled by the buyer or turned down by staff.
    pub cancelled_sales: usize,
    /// Forged orders that were sent.
    pub forged: usize,
    /// Rules of the contract or of a vendor that the gateway broke.
    pub violations: Vec<String>,
}

impl Ledger {
    pub(crate) fn picture(&self) -> Books {
        let targets = self
            .targets
            .iter()
            .map(|(id, books)| (id.clone(), summary(books)));
        Books {
            targets: targets.collect(),
            channels: self.channels.clone(),
            sales: self.sales.len(),
            cancelled_sales: self
                .sales
                .values()
                .filter(|s| s.fate != Fate::Wanted)
                .count(),
            forged: self.forged.len(),
            violations: self.violations.clone(),
        }
    }
}

fn summary(books: &TargetBooks) -> TargetSummary {
    TargetSummary {
        kind: books.kind,
        requests: books.requests,
        callbacks: books.callbacks,
        repeats: books.repeats.values().sum(),
        reservations: by_state(books.reservations.values().map(|r| r.state)),
        fulfillment_orders: by_state(books.fulfillments.values().map(|f| f.state)),
        invoices: books.invoices.len(),
        invoiced: books.invoices.values().map(|invoice| invoice.total).sum(),
        adjustments: books
            .invoices
            .values()
            .map(|invoice| invoice.adjustments.len())
            .sum(),
        work_orders: by_state(books.work_orders.values().map(|w| w.state)),
        warranties: books.warranties.len(),
    }
}

fn by_state<S: Ord>(states: impl Iterator<Item = S>) -> BTreeMap<S, usize> {
    let mut counts = BTreeMap::new();
    for state in states {
        *counts.entry(state).or_insert(0) += 1;
    }
    counts
}
