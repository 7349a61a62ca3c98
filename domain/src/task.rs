//! Tasks: intended outbound calls, in Kenh's own words.
//!
//! A target's connector turns a [`TaskBody`] into its vendor's request. The JSON form of a body
//! under the open contract stands in `docs/contract/`; field names here are the same.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::buyer_notice::{BuyerEvent, BuyerNotice};
pub use crate::feedback::{
    CancelReason, ChannelLine, ChannelMessage, ChannelTask, EarlierRefund, News, NewsKind,
    StockLevel, Tracking,
};

/// Which leg of the order a task belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// Holding stock at a location.
    Reservation,
    /// The fulfillment order at a location.
    Fulfillment,
    /// E-invoice.
    Invoice,
    /// Installation work order.
    Installation,
    /// Warranty activation.
    Warranty,
    /// What channel and buyer are told.
    Channel,
}

impl Leg {
    /// The word used in idempotency keys, columns and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reservation => "reservation",
            Self::Fulfillment => "fulfillment",
            Self::Invoice => "invoice",
            Self::Installation => "installation",
            Self::Warranty => "warranty",
            Self::Channel => "channel",
        }
    }
}

/// A SKU and quantity to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLine {
    /// Order line.
    pub line_id: String,
    /// Our SKU.
    pub sku: String,
    /// Units.
    pub quantity: u32,
}

/// A line of a fulfillment order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FulfillmentTaskLine {
    /// Order line.
    pub line_id: String,
    /// Our SKU.
    pub sku: String,
    /// Article name.
    pub name: String,
    /// Units.
    pub quantity: u32,
    /// For a kit: what one unit of the line is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component>,
}

/// A part of a kit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Our SKU.
    pub sku: String,
    /// Units per kit.
    pub quantity: i64,
}

/// An address as a target needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TaskAddress {
    /// Recipient.
    pub name: Option<String>,
    /// Normalized phone, or as written where it could not be normalized.
    pub phone: Option<String>,
    /// The whole address in one text.
    pub text: String,
    /// Ward or commune.
    pub ward: Option<String>,
    /// District of the former three-level form.
    pub district: Option<String>,
    /// Province name.
    pub province: Option<String>,
    /// Province code.
    pub province_code: Option<String>,
    /// Code system of the province code, `VN-2025-07`.
    pub code_system: Option<String>,
}

/// Somebody to call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Contact {
    /// Name.
    pub name: Option<String>,
    /// Normalized phone.
    pub phone: Option<String>,
}

/// The buyer on an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InvoiceBuyer {
    /// Person, or the legal wording for a retail buyer who gives nothing.
    pub name: String,
    /// Company.
    pub company: Option<String>,
    /// Tax code.
    pub tax_code: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// Where the invoice is sent.
    pub email: Option<String>,
}

/// A line of an invoice; amounts in whole đồng, tax included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceLine {
    /// Order line.
    pub line_id: String,
    /// Our SKU.
    pub sku: String,
    /// Article name.
    pub name: String,
    /// Unit of measure as printed.
    pub unit: String,
    /// Units.
    pub quantity: u32,
    /// What the buyer pays for the line.
    pub amount: i64,
    /// Tax class of the product.
    pub tax_class: String,
    /// Rate in percent, fixed at issue.
    pub tax_rate: u32,
    /// The tax inside `amount`.
    pub tax_amount: i64,
}

/// `POST /invoices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceBody {
    /// Our id of the request.
    pub invoice_request_id: String,
    /// Series (symbol) of the issuing location.
    pub series: String,
    /// Order code.
    pub order_ref: String,
    /// Channel of the order.
    pub channel: String,
    /// The channel's order id.
    pub external_id: String,
    /// Day of the legal moment in Asia/Ho_Chi_Minh, `YYYY-MM-DD`.
    pub legal_day: String,
    /// ISO 4217.
    pub currency: String,
    /// Buyer.
    pub buyer: InvoiceBuyer,
    /// Lines.
    pub lines: Vec<InvoiceLine>,
    /// Order-level discount.
    pub discount: i64,
    /// Shipping and fees.
    pub shipping: i64,
    /// Grand total, tax included.
    pub total: i64,
    /// Tax inside the total.
    pub tax_total: i64,
    /// Means of payment.
    pub payment_method: String,
}

/// An item that a technician works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkItem {
    /// Order line.
    pub line_id: String,
    /// Our SKU.
    pub sku: String,
    /// Article name.
    pub name: String,
    /// Units.
    pub quantity: u32,
    /// Serial numbers, where known.
    pub serials: Vec<String>,
}

/// One intended outbound call.
///
/// In JSON the variant's name is the key (`{"reserve": {…}}`): an inner tag could not read numbers
/// back while `serde_json` keeps arbitrary precision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskBody {
    /// Hold stock at a location.
    Reserve {
        /// Our id.
        reservation_id: String,
        /// Order code.
        order_ref: String,
        /// Location.
        location: String,
        /// What to hold.
        lines: Vec<StockLine>,
        /// The target may drop the hold after this.
        expires_at: Timestamp,
    },
    /// Give a hold back.
    ReleaseReservation {
        /// Our id.
        reservation_id: String,
    },
    /// Ask a location to pack and ship; consumes the reservation.
    CreateFulfillment {
        /// Our id.
        fulfillment_order_id: String,
        /// The hold that it consumes.
        reservation_id: String,
        /// Order code.
        order_ref: String,
        /// Channel.
        channel: String,
        /// The channel's order id.
        external_id: String,
        /// Location.
        location: String,
        /// Lines.
        lines: Vec<FulfillmentTaskLine>,
        /// Destination.
        ship_to: TaskAddress,
        /// Cash to collect, whole đồng.
        cod: i64,
        /// Buyer's note.
        note: Option<String>,
        /// Hand over by then.
        deadline: Option<Timestamp>,
    },
    /// Take a fulfillment order back.
    CancelFulfillment {
        /// Our id.
        fulfillment_order_id: String,
    },
    /// Issue an invoice.
    IssueInvoice(InvoiceBody),
    /// Correct an issued invoice with negative amounts (goods came back).
    AdjustInvoice {
        /// The invoice that is corrected.
        invoice_request_id: String,
        /// Our id of the adjustment.
        adjustment_id: String,
        /// Order code.
        order_ref: String,
        /// Why.
        reason: String,
        /// Negative lines.
        lines: Vec<InvoiceLine>,
        /// Negative total.
        total: i64,
        /// Negative tax.
        tax_total: i64,
    },
    /// Register an installation, not yet released.
    CreateWorkOrder {
        /// Our id.
        external_id: String,
        /// `install` and others of the contract.
        kind: String,
        /// Order code.
        order_ref: String,
        /// Whom to call.
        customer: Contact,
        /// Where.
        site: TaskAddress,
        /// What.
        items: Vec<WorkItem>,
        /// Wished window.
        appointment: Option<crate::snapshot::Appointment>,
    },
    /// The goods are there: the visit may be scheduled.
    ReleaseWorkOrder {
        /// Our id.
        external_id: String,
        /// When the goods were delivered.
        delivered_at: Timestamp,
    },
    /// Move the visit.
    RescheduleWorkOrder {
        /// Our id.
        external_id: String,
        /// Start of the window.
        window_start: Timestamp,
        /// End of the window.
        window_end: Timestamp,
    },
    /// Call the visit off.
    CancelWorkOrder {
        /// Our id.
        external_id: String,
        /// Why.
        reason: String,
    },
    /// Start the warranty of delivered or installed units.
    ActivateWarranty {
        /// Our id.
        warranty_id: String,
        /// Order code.
        order_ref: String,
        /// Our SKU.
        sku: String,
        /// Article name.
        name: String,
        /// Serial, where known.
        serial: Option<String>,
        /// Units (1 with a serial).
        quantity: u32,
        /// Holder.
        customer: Contact,
        /// First day, `YYYY-MM-DD` in Asia/Ho_Chi_Minh.
        starts_on: String,
        /// `delivery` or `installation`.
        proof: String,
    },
    /// Tell the channel what became of its order.
    Channel(ChannelTask),
    /// Set what is on sale at a channel.
    ChannelStock(StockLevel),
    /// Write to a person.
    ChannelMessage(ChannelMessage),
    /// Tell the buyer what became of the order.
    BuyerNotice(BuyerNotice),
}

impl TaskBody {
    /// The word used in columns, labels and the API.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Reserve { .. } => "reserve",
            Self::ReleaseReservation { .. } => "release_reservation",
            Self::CreateFulfillment { .. } => "create_fulfillment",
            Self::CancelFulfillment { .. } => "cancel_fulfillment",
            Self::IssueInvoice(_) => "issue_invoice",
            Self::AdjustInvoice { .. } => "adjust_invoice",
            Self::CreateWorkOrder { .. } => "create_work_order",
            Self::ReleaseWorkOrder { .. } => "release_work_order",
            Self::RescheduleWorkOrder { .. } => "reschedule_work_order",
            Self::CancelWorkOrder { .. } => "cancel_work_order",
            Self::ActivateWarranty { .. } => "activate_warranty",
            Self::Channel(task) => task.news.kind().as_str(),
            Self::ChannelStock(_) => "set_stock",
            Self::ChannelMessage(_) => "send_message",
            Self::BuyerNotice(_) => "notify_buyer",
        }
    }
}

/// A task that `plan` wants done, before the store gives it a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The same for every try of one effect; see decision "idempotency unit":
    /// `{order code}.{leg}.{subject id}.{generation}`, with an `-undo` suffix on a compensation.
    pub key: String,
    /// Which target is called.
    pub target: String,
    /// Leg.
    pub leg: Leg,
    /// Our id of the thing that it is about (reservation, fulfillment order, invoice …).
    pub subject: String,
    /// Rises when a compensation is followed by a new effect.
    pub generation: u32,
    /// Tasks with the same serial are sent one after the other (an invoice series); `None` = free.
    pub serial: Option<String>,
    /// Not before this moment.
    pub not_before: Option<Timestamp>,
    /// The call.
    pub body: TaskBody,
}

/// What a target said to a task, in one shape for all vendors. JSON as for [`TaskBody`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done, or taken in hand.
    Accepted {
        /// What it gave back.
        #[serde(default)]
        given: Given,
    },
    /// It had been done already: success.
    Duplicate {
        /// What it gave back.
        #[serde(default)]
        given: Given,
    },
    /// A business refusal: this task will never work as it stands.
    Refused {
        /// The partner's code (`insufficient`, `closed`, …).
        code: String,
        /// The partner's words, free of personal data.
        message: String,
    },
    /// Not now.
    Retry {
        /// The partner's lower bound, seconds.
        after_s: Option<u64>,
        /// Why, for the attempt's row.
        reason: String,
    },
    /// Credentials, quota or contract: nothing on this target will work until somebody acts.
    Account {
        /// Why.
        reason: String,
    },
}

/// What a target may give back with an acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Given {
    /// Invoice number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Invoice series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// The partner's own id of the thing; a marketplace's id of the parcel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner_id: Option<String>,
    /// The partner's state word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The parcel's number at the carrier, where a marketplace arranged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
}
