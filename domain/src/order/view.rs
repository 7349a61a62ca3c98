//! What the outside sees of an order: the JSON of the API, and the columns that lists search.

use jiff::Timestamp;
use serde::Serialize;

use crate::address::Address;
use crate::fulfillment::Tracking;
use crate::money::Amount;
use crate::payment::PaymentStatus;
use crate::rating::Rating;
use crate::snapshot::{Appointment, Cancellation, Deadlines, FulfilledBy, InvoiceRequest};

use super::status::{Fulfillment, Lifecycle, Status};

/// An order as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OrderView {
    /// `ord_…`
    pub id: String,
    /// Code for people.
    pub code: String,
    /// Channel.
    pub channel: String,
    /// Connector.
    pub connector: String,
    /// The channel's id.
    pub external_id: String,
    /// The one status shown to people.
    pub status: Status,
    /// Lifecycle axis.
    pub lifecycle: Lifecycle,
    /// Fulfillment axis.
    pub fulfillment: Fulfillment,
    /// The vendor's own status word.
    pub channel_status: Option<String>,
    /// A cancellation waits for an answer.
    pub cancel_requested: bool,
    /// Who cancelled and why.
    pub cancellation: Option<Cancellation>,
    /// When the buyer placed it.
    pub placed_at: Option<Timestamp>,
    /// The channel's newest revision.
    pub revised_at: Option<Timestamp>,
    /// When we first heard of it.
    pub received_at: Timestamp,
    /// Counts stored changes; the only field (with `received_at`) that depends on arrival.
    pub version: u64,
    /// Deadlines of the channel.
    pub deadlines: Deadlines,
    /// Who fulfils it.
    pub fulfilled_by: FulfilledBy,
    /// Buyer.
    pub buyer: BuyerView,
    /// Destination.
    pub ship_to: Address,
    /// Lines that are wanted.
    pub lines: Vec<LineView>,
    /// ISO 4217.
    pub currency: String,
    /// Amounts.
    pub totals: TotalsView,
    /// Payment.
    pub payment: PaymentView,
    /// Buyer's note.
    pub note: Option<String>,
    /// Coupon.
    pub coupon: Option<String>,
    /// Wished visit window.
    pub appointment: Option<Appointment>,
    /// Invoice details asked for.
    pub invoice_request: Option<InvoiceRequest>,
    /// The decision in force.
    pub decision: Option<DecisionView>,
    /// Fulfillment orders, void ones included.
    pub fulfillment_orders: Vec<FulfillmentView>,
    /// The invoice in force.
    pub invoice: InvoiceView,
    /// Service orders.
    pub service_orders: Vec<ServiceView>,
    /// Warranties asked for.
    pub warranties: Vec<WarrantyView>,
    /// What the buyer says of it, oldest first.
    pub ratings: Vec<Rating>,
    /// Why it does not go on.
    pub holds: Vec<super::Hold>,
    /// Tags of channel, staff, rules and of the order itself.
    pub tags: Vec<String>,
    /// For drafts: what was understood of chat, comment or call.
    pub understood: Option<UnderstoodView>,
}

/// Buyer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct BuyerView {
    /// Name.
    pub name: Option<String>,
    /// Phone, normalized where possible.
    pub phone: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// The channel hides something.
    pub masked: bool,
    /// Customer, where the shell has linked one.
    pub customer_id: Option<String>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineView {
    /// Line.
    pub id: String,
    /// Our SKU, once resolved.
    pub sku: Option<String>,
    /// The channel's article.
    pub channel_sku: Option<String>,
    /// Name.
    pub name: String,
    /// Category.
    pub category: Option<String>,
    /// Units.
    pub quantity: u32,
    /// Price of one.
    pub unit_price: Amount,
    /// Discount of the line.
    pub discount: Amount,
    /// `quantity × unit_price − discount`
    pub total: Amount,
    /// A gift.
    pub gift: bool,
}

/// Amounts of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
pub struct TotalsView {
    /// Sum of the lines.
    pub items: Amount,
    /// Paid by us.
    pub seller_discount: Amount,
    /// Paid by the channel.
    pub channel_discount: Amount,
    /// Shipping.
    pub shipping: Amount,
    /// Fees.
    pub fees: Amount,
    /// What the buyer owes.
    pub grand_total: Amount,
    /// Cash to collect.
    pub cod: Amount,
}

/// Payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PaymentView {
    /// Means.
    pub method: Option<crate::snapshot::PaymentMethod>,
    /// Axis.
    pub status: PaymentStatus,
    /// Received.
    pub paid: Amount,
    /// Given back.
    pub refunded: Amount,
    /// What providers have reported as received, each by its transaction: what a refund names.
    pub received: Vec<ReceivedView>,
}

/// Money that came in through one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReceivedView {
    /// The payment channel.
    pub provider: String,
    /// Our payment reference.
    pub reference: String,
    /// The provider's transaction.
    pub transaction: String,
    /// How much.
    pub amount: Amount,
    /// When, according to the provider.
    pub at: Timestamp,
}

/// The decision in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecisionView {
    /// Rule.
    pub rule: String,
    /// Version of the rule set.
    pub rules_version: String,
}

/// A fulfillment order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FulfillmentView {
    /// `ful_…`
    pub id: String,
    /// Location.
    pub location: String,
    /// State.
    pub state: String,
    /// Reason of a rejection, failure or cancellation.
    pub reason: Option<String>,
    /// Lines.
    pub lines: Vec<FulfillmentLineView>,
    /// Parcel.
    pub tracking: Option<Tracking>,
    /// Cash to collect.
    pub cod: Amount,
    /// Cash collected.
    pub cod_collected: Option<i64>,
    /// When it was handed to the carrier.
    pub shipped_at: Option<Timestamp>,
    /// When the buyer got it.
    pub delivered_at: Option<Timestamp>,
}

/// A line of a fulfillment order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FulfillmentLineView {
    /// Order line.
    pub line_id: String,
    /// SKU.
    pub sku: String,
    /// Units.
    pub quantity: u32,
    /// Serials reported.
    pub serials: Vec<String>,
}

/// The invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvoiceView {
    /// `inv_…`
    pub id: Option<String>,
    /// State.
    pub state: String,
    /// Number.
    pub number: Option<String>,
    /// Series.
    pub series: Option<String>,
    /// The tax authority's code.
    pub authority_code: Option<String>,
    /// Day of the legal moment.
    pub legal_day: Option<String>,
    /// Total invoiced.
    pub total: Option<i64>,
    /// Corrected away so far (negative).
    pub adjusted: i64,
}

/// A service order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceView {
    /// `svc_…`
    pub id: String,
    /// `installation`
    pub kind: String,
    /// Service center.
    pub target: String,
    /// State.
    pub state: String,
    /// Reason, where the state has one.
    pub reason: Option<String>,
}

/// A warranty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WarrantyView {
    /// `war_…`
    pub id: String,
    /// SKU.
    pub sku: String,
    /// Serial.
    pub serial: Option<String>,
    /// Whether the warranty center has taken it.
    pub active: bool,
}

/// What was understood of a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnderstoodView {
    /// Units of articles that were recognized.
    pub known_lines: u32,
    /// Names of articles that were not.
    pub unknown_lines: Vec<String>,
    /// The phone is a whole number.
    pub phone: bool,
    /// The province was recognized.
    pub province: bool,
    /// Why a comment was taken for this order, in sentences; empty where it came another way. Filled
    /// in by the shell, which knows the conversation.
    pub why: Vec<WhyView>,
}

/// One thing that was understood of a comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WhyView {
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

/// What lists filter and sort by; stored beside the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// Status.
    pub status: Status,
    /// Lifecycle axis.
    pub lifecycle: Lifecycle,
    /// Payment axis.
    pub payment: PaymentStatus,
    /// Fulfillment axis.
    pub fulfillment: Fulfillment,
    /// When the buyer placed it; when we heard of it where the channel has not said.
    pub placed_at: Timestamp,
    /// When it last changed here.
    pub updated_at: Timestamp,
    /// Code of the first hold.
    pub held: Option<String>,
    /// Cash to collect.
    pub cod: Amount,
    /// What the buyer owes.
    pub grand_total: Amount,
    /// Normalized phone of the buyer, else of the recipient. For a keyed hash only.
    pub phone: Option<String>,
    /// Folded words of buyer's and recipient's names. For keyed hashes only.
    pub name_words: Vec<String>,
    /// Locations of the fulfillment orders that count.
    pub locations: Vec<String>,
    /// Tracking numbers.
    pub tracking: Vec<String>,
    /// When to send [`super::Fact::Wake`].
    pub next_wake: Option<Timestamp>,
}
