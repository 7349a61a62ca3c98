//! What a channel says an order is now, in one shape for all vendors.
//!
//! A connector normalizes a vendor's document into a [`Snapshot`]; the order aggregate folds
//! snapshots by their stamp. Texts stay as the buyer wrote them: phones, provinces and SKUs are
//! resolved later, once, for every channel alike.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::money::Amount;

/// How far the channel says the order has come. The order of the variants is not meaningful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelStatus {
    /// Taken from a chat, comment or call; staff must confirm it.
    Draft,
    /// Placed, but the channel or the buyer may still change its mind (unpaid, on hold).
    Pending,
    /// The channel says: serve it.
    Confirmed,
    /// Packed, or a tracking number exists.
    Packed,
    /// With the carrier.
    Shipped,
    /// Received by the buyer.
    Delivered,
    /// Closed by the channel after delivery.
    Completed,
    /// Cancelled by anyone before delivery.
    Cancelled,
    /// The carrier could not deliver; the parcel comes back.
    DeliveryFailed,
    /// The buyer has asked to return it.
    ReturnRequested,
    /// Returned to us.
    Returned,
}

impl ChannelStatus {
    /// Ranks two snapshots of the same revision: a cancel wins over everything else, later
    /// stages win over earlier ones.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Draft => 0,
            Self::Pending => 1,
            Self::Confirmed => 2,
            Self::Packed => 3,
            Self::Shipped => 4,
            Self::Delivered => 5,
            Self::Completed => 6,
            Self::ReturnRequested => 7,
            Self::Returned => 8,
            Self::DeliveryFailed => 9,
            Self::Cancelled => 10,
        }
    }
}

/// How the buyer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMethod {
    /// Cash to the carrier or the store on delivery.
    Cod,
    /// Paid to the marketplace or another party before delivery; the means is not known.
    Prepaid,
    /// Transfer to the retailer's bank account.
    BankTransfer,
    /// Bank card through a gateway.
    Card,
    /// Electronic wallet.
    Wallet,
    /// Paid in instalments through a financier.
    Installment,
}

impl PaymentMethod {
    /// The word used in the API and in routing rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cod => "cod",
            Self::Prepaid => "prepaid",
            Self::BankTransfer => "bank_transfer",
            Self::Card => "card",
            Self::Wallet => "wallet",
            Self::Installment => "installment",
        }
    }
}

/// What the channel knows of the payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelPayment {
    /// Nothing received yet.
    Unpaid,
    /// A hold on the buyer's money, not taken yet.
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
}

/// Who fulfils the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FulfilledBy {
    /// The retailer's Hubs and stores.
    #[default]
    Us,
    /// The marketplace's own warehouse: nothing is reserved or shipped by us.
    Marketplace,
}

/// Who cancelled, in the channel's words, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cancellation {
    /// `buyer`, `seller`, `system` or the vendor's own word.
    pub by: String,
    /// The vendor's text or code.
    pub reason: String,
}

/// The buyer as the channel shows them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Buyer {
    /// Name as written; may be masked by the channel.
    pub name: Option<String>,
    /// Phone as written; may be masked by the channel.
    pub phone: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// The channel's id of this person.
    pub external_id: Option<String>,
}

/// Where the order goes, as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ShipTo {
    /// Recipient.
    pub name: Option<String>,
    /// Recipient's phone as written.
    pub phone: Option<String>,
    /// The whole address as one text, if the channel gives one.
    pub text: Option<String>,
    /// House number and street.
    pub line: Option<String>,
    /// Ward or commune.
    pub ward: Option<String>,
    /// District, for addresses in the form used before July 2025.
    pub district: Option<String>,
    /// Province or city.
    pub province: Option<String>,
    /// Degrees north, as decimal text, so that no float enters the core's equality.
    pub lat: Option<String>,
    /// Degrees east, as decimal text.
    pub lon: Option<String>,
}

/// One SKU and quantity on the order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SnapshotLine {
    /// Stable id of the line within the order.
    pub id: String,
    /// The channel's own article id (Shopee `item_id.model_id`, WooCommerce product id …).
    pub channel_sku: Option<String>,
    /// The seller's SKU as the channel carries it; may be missing or empty at the vendor.
    pub sku: Option<String>,
    /// Article name as shown to the buyer.
    pub name: String,
    /// Units that are still wanted.
    pub quantity: u32,
    /// Price of one unit, tax included.
    pub unit_price: Amount,
    /// Discount of the whole line, positive.
    pub discount: Amount,
    /// A gift that goes with another line.
    #[serde(default)]
    pub gift: bool,
    /// The line that this gift or bundle part belongs to.
    #[serde(default)]
    pub parent: Option<String>,
}

/// The order-level amounts that the channel states. `grand_total` is what the buyer owes in all;
/// `None` where the channel does not say, then it is derived and nothing is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct SnapshotTotals {
    /// Order-level discount paid by the seller, positive.
    pub seller_discount: Amount,
    /// Order-level discount paid by the channel, positive; the seller is reimbursed.
    pub channel_discount: Amount,
    /// Shipping charged to the buyer.
    pub shipping: Amount,
    /// Other fees charged to the buyer.
    pub fees: Amount,
    /// What the channel says the buyer owes.
    pub grand_total: Option<Amount>,
}

/// A visit window that the buyer chose.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Appointment {
    /// Start of the window.
    pub window_start: Timestamp,
    /// End of the window.
    pub window_end: Timestamp,
}

/// Company details for an invoice in a business buyer's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct InvoiceRequest {
    /// Registered company name.
    pub company: Option<String>,
    /// Tax code (10 or 13 digits).
    pub tax_code: Option<String>,
    /// Registered address.
    pub address: Option<String>,
    /// Where the e-invoice is sent.
    pub email: Option<String>,
}

/// Until when the channel wants something done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Deadlines {
    /// Confirm availability by then.
    pub confirm_by: Option<Timestamp>,
    /// Hand over to the carrier by then.
    pub ship_by: Option<Timestamp>,
}

/// What a channel says an order is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The channel's id of the order.
    pub external_id: String,
    /// When the buyer placed it.
    pub placed_at: Timestamp,
    /// The channel's own time of this version; orders snapshots.
    pub revised_at: Timestamp,
    /// How far it has come.
    pub status: ChannelStatus,
    /// The vendor's own status word, kept and shown.
    pub channel_status: String,
    /// A cancellation that waits for an answer.
    #[serde(default)]
    pub cancel_requested: bool,
    /// Set when `status` is `Cancelled` and the channel says who and why.
    #[serde(default)]
    pub cancellation: Option<Cancellation>,
    /// Buyer; `None` where this document says nothing of them.
    pub buyer: Option<Buyer>,
    /// Destination; `None` where this document says nothing of it.
    pub ship_to: Option<ShipTo>,
    /// Lines; `None` where this document carries none (a bare status).
    pub lines: Option<Vec<SnapshotLine>>,
    /// ISO 4217.
    pub currency: String,
    /// Order-level amounts; `None` where this document carries none.
    pub totals: Option<SnapshotTotals>,
    /// Means of payment; `None` where this document does not say.
    pub payment_method: Option<PaymentMethod>,
    /// Payment state; `None` where this document does not say.
    pub payment: Option<ChannelPayment>,
    /// Received so far according to the channel; `None` where it does not say.
    pub paid: Option<Amount>,
    /// Given back so far.
    #[serde(default)]
    pub refunded: Amount,
    /// Who fulfils it.
    #[serde(default)]
    pub fulfilled_by: FulfilledBy,
    /// The location that the channel has fixed, in its own words.
    #[serde(default)]
    pub fixed_location: Option<String>,
    /// Deadlines of the channel.
    #[serde(default)]
    pub deadlines: Deadlines,
    /// Buyer's note.
    #[serde(default)]
    pub note: Option<String>,
    /// Coupon code used.
    #[serde(default)]
    pub coupon: Option<String>,
    /// Visit window wished for an installation.
    #[serde(default)]
    pub appointment: Option<Appointment>,
    /// Wanted invoice details.
    #[serde(default)]
    pub invoice_request: Option<InvoiceRequest>,
    /// Facts worth seeing that have no field of their own (unknown enum values, advance packages).
    #[serde(default)]
    pub tags: Vec<String>,
}
