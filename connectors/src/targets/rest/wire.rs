//! The bodies of our calls, field by field as the contract writes them.
//!
//! Each holds what its receiver needs and no more: a technician gets no price and no payment, a
//! Hub gets the cash to collect and no other amount. The schemas of `docs/contract/` are made
//! from these types.

use std::borrow::Cow;

use domain::task::{
    Contact, FulfillmentTaskLine, InvoiceBody, InvoiceBuyer, InvoiceLine, StockLine, TaskAddress,
    WorkItem,
};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A moment, RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Moment(pub(super) Timestamp);

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// `POST /reservations`: hold stock at a location.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reservation<'a> {
    /// Kenh's id of the hold.
    pub(super) reservation_id: &'a str,
    /// Order code.
    pub(super) order_ref: &'a str,
    /// Location.
    pub(super) location: &'a str,
    /// What to hold.
    pub(super) lines: Vec<ReservationLine<'a>>,
    /// The hold may be dropped after this.
    pub(super) expires_at: Moment,
}

/// One SKU to hold.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ReservationLine<'a> {
    /// Order line.
    line_id: &'a str,
    /// SKU.
    sku: &'a str,
    /// Units.
    quantity: u32,
}

impl<'a> From<&'a StockLine> for ReservationLine<'a> {
    fn from(line: &'a StockLine) -> Self {
        Self {
            line_id: &line.line_id,
            sku: &line.sku,
            quantity: line.quantity,
        }
    }
}

/// `POST /fulfillment-orders`: pack and ship; consumes the reservation.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FulfillmentOrder<'a> {
    /// Kenh's id.
    pub(super) fulfillment_order_id: &'a str,
    /// The hold that it consumes.
    pub(super) reservation_id: &'a str,
    /// Order code.
    pub(super) order_ref: &'a str,
    /// Channel of the order.
    pub(super) channel: &'a str,
    /// The channel's order id.
    pub(super) external_id: &'a str,
    /// Location.
    pub(super) location: &'a str,
    /// What to pack.
    pub(super) lines: Vec<FulfillmentLine<'a>>,
    /// Destination.
    pub(super) ship_to: ShipTo<'a>,
    /// Cash to collect, whole đồng; 0 when paid.
    pub(super) cod: i64,
    /// Buyer's note.
    pub(super) note: Option<&'a str>,
    /// Hand over to the carrier by then.
    pub(super) deadline: Option<Moment>,
}

/// One SKU to pack.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FulfillmentLine<'a> {
    /// Order line.
    line_id: &'a str,
    /// SKU.
    sku: &'a str,
    /// Article name.
    name: &'a str,
    /// Units.
    quantity: u32,
    /// For a kit: what one unit is made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    components: Vec<FulfillmentComponent<'a>>,
}

/// A part of a kit.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FulfillmentComponent<'a> {
    /// SKU.
    sku: &'a str,
    /// Units per kit.
    quantity: i64,
}

impl<'a> From<&'a FulfillmentTaskLine> for FulfillmentLine<'a> {
    fn from(line: &'a FulfillmentTaskLine) -> Self {
        Self {
            line_id: &line.line_id,
            sku: &line.sku,
            name: &line.name,
            quantity: line.quantity,
            components: line
                .components
                .iter()
                .map(|part| FulfillmentComponent {
                    sku: &part.sku,
                    quantity: part.quantity,
                })
                .collect(),
        }
    }
}

/// A recipient and where they are.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShipTo<'a> {
    /// Recipient.
    name: Option<&'a str>,
    /// Phone, E.164 where it could be normalized.
    phone: Option<&'a str>,
    /// The whole address in one text.
    text: &'a str,
    /// Ward or commune.
    ward: Option<&'a str>,
    /// District, for addresses in the form used before July 2025.
    district: Option<&'a str>,
    /// Province or city.
    province: Option<&'a str>,
    /// Province code.
    province_code: Option<&'a str>,
    /// Code system of the province code.
    code_system: Option<&'a str>,
}

impl<'a> From<&'a TaskAddress> for ShipTo<'a> {
    fn from(address: &'a TaskAddress) -> Self {
        Self {
            name: address.name.as_deref(),
            phone: address.phone.as_deref(),
            text: &address.text,
            ward: address.ward.as_deref(),
            district: address.district.as_deref(),
            province: address.province.as_deref(),
            province_code: address.province_code.as_deref(),
            code_system: address.code_system.as_deref(),
        }
    }
}

/// `POST /invoices`: issue an invoice. Amounts include tax; `tax_amount` is the part inside.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Invoice<'a> {
    /// Kenh's id of the request.
    invoice_request_id: &'a str,
    /// Series (symbol).
    series: &'a str,
    /// Order code.
    order_ref: &'a str,
    /// Channel of the order.
    channel: &'a str,
    /// The channel's order id.
    external_id: &'a str,
    /// Day of the legal moment in Asia/Ho_Chi_Minh, `YYYY-MM-DD`.
    legal_day: &'a str,
    /// ISO 4217.
    currency: &'a str,
    /// Buyer.
    buyer: Buyer<'a>,
    /// Lines.
    lines: Vec<BilledLine<'a>>,
    /// Order-level discount.
    discount: i64,
    /// Shipping and fees.
    shipping: i64,
    /// Grand total, tax included.
    total: i64,
    /// Tax inside the total.
    tax_total: i64,
    /// Means of payment.
    payment_method: &'a str,
}

impl<'a> From<&'a InvoiceBody> for Invoice<'a> {
    fn from(body: &'a InvoiceBody) -> Self {
        Self {
            invoice_request_id: &body.invoice_request_id,
            series: &body.series,
            order_ref: &body.order_ref,
            channel: &body.channel,
            external_id: &body.external_id,
            legal_day: &body.legal_day,
            currency: &body.currency,
            buyer: (&body.buyer).into(),
            lines: body.lines.iter().map(BilledLine::from).collect(),
            discount: body.discount,
            shipping: body.shipping,
            total: body.total,
            tax_total: body.tax_total,
            payment_method: &body.payment_method,
        }
    }
}

/// The buyer on an invoice.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Buyer<'a> {
    /// Person, or the legal wording for a retail buyer who gives nothing.
    name: &'a str,
    /// Company.
    company: Option<&'a str>,
    /// Tax code.
    tax_code: Option<&'a str>,
    /// Address.
    address: Option<&'a str>,
    /// Where the invoice is sent.
    email: Option<&'a str>,
}

impl<'a> From<&'a InvoiceBuyer> for Buyer<'a> {
    fn from(buyer: &'a InvoiceBuyer) -> Self {
        Self {
            name: &buyer.name,
            company: buyer.company.as_deref(),
            tax_code: buyer.tax_code.as_deref(),
            address: buyer.address.as_deref(),
            email: buyer.email.as_deref(),
        }
    }
}

/// A line of an invoice.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BilledLine<'a> {
    /// Order line.
    line_id: &'a str,
    /// SKU.
    sku: &'a str,
    /// Article name.
    name: &'a str,
    /// Unit of measure as printed.
    unit: &'a str,
    /// Units.
    quantity: u32,
    /// What the buyer pays for the line, whole đồng, tax included; negative in an adjustment.
    amount: i64,
    /// Tax class.
    tax_class: &'a str,
    /// Percent.
    tax_rate: u32,
    /// The tax inside `amount`.
    tax_amount: i64,
}

impl<'a> From<&'a InvoiceLine> for BilledLine<'a> {
    fn from(line: &'a InvoiceLine) -> Self {
        Self {
            line_id: &line.line_id,
            sku: &line.sku,
            name: &line.name,
            unit: &line.unit,
            quantity: line.quantity,
            amount: line.amount,
            tax_class: &line.tax_class,
            tax_rate: line.tax_rate,
            tax_amount: line.tax_amount,
        }
    }
}

/// `POST /invoices/{invoice_request_id}/adjustments`: correct an issued invoice.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Adjustment<'a> {
    /// Kenh's id of the adjustment.
    pub(super) adjustment_id: &'a str,
    /// Why.
    pub(super) reason: &'a str,
    /// Order code.
    pub(super) order_ref: &'a str,
    /// Lines with negative amounts.
    pub(super) lines: Vec<BilledLine<'a>>,
    /// Negative total.
    pub(super) total: i64,
    /// Negative tax.
    pub(super) tax_total: i64,
}

/// `POST /work-orders`: register a visit, not yet released.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WorkOrder<'a> {
    /// Kenh's id.
    pub(super) external_id: &'a str,
    /// `install`, `warranty_repair`, `paid_repair`, `pickup_return`, `site_survey`.
    pub(super) kind: &'a str,
    /// Order code.
    pub(super) order_ref: &'a str,
    /// Whom to call.
    pub(super) customer: Person<'a>,
    /// Where.
    pub(super) site: Site<'a>,
    /// What.
    pub(super) items: Vec<Item<'a>>,
    /// Wished window, if any.
    pub(super) appointment: Option<Appointment>,
    /// False until the goods are there.
    pub(super) released: bool,
    /// What it waits for.
    pub(super) depends_on: DependsOn,
}

/// Somebody to call.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Person<'a> {
    /// Name.
    name: Option<&'a str>,
    /// Phone.
    phone: Option<&'a str>,
}

impl<'a> From<&'a Contact> for Person<'a> {
    fn from(contact: &'a Contact) -> Self {
        Self {
            name: contact.name.as_deref(),
            phone: contact.phone.as_deref(),
        }
    }
}

/// Where a technician goes; whom to ask for stands in `customer`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Site<'a> {
    /// The whole address in one text.
    text: &'a str,
    /// Ward or commune.
    ward: Option<&'a str>,
    /// District, for addresses in the form used before July 2025.
    district: Option<&'a str>,
    /// Province or city.
    province: Option<&'a str>,
    /// Province code.
    province_code: Option<&'a str>,
    /// Code system of the province code.
    code_system: Option<&'a str>,
}

impl<'a> From<&'a TaskAddress> for Site<'a> {
    fn from(address: &'a TaskAddress) -> Self {
        Self {
            text: &address.text,
            ward: address.ward.as_deref(),
            district: address.district.as_deref(),
            province: address.province.as_deref(),
            province_code: address.province_code.as_deref(),
            code_system: address.code_system.as_deref(),
        }
    }
}

/// What a technician works on.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Item<'a> {
    /// Order line.
    line_id: &'a str,
    /// SKU.
    sku: &'a str,
    /// Article name.
    name: &'a str,
    /// Units.
    quantity: u32,
    /// Serial numbers, where known.
    serials: &'a [String],
}

impl<'a> From<&'a WorkItem> for Item<'a> {
    fn from(item: &'a WorkItem) -> Self {
        Self {
            line_id: &item.line_id,
            sku: &item.sku,
            name: &item.name,
            quantity: item.quantity,
            serials: &item.serials,
        }
    }
}

/// A wished window.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Appointment {
    /// Start.
    pub(super) window_start: Moment,
    /// End.
    pub(super) window_end: Moment,
    /// Who wished it: `buyer`.
    pub(super) source: &'static str,
}

/// What a work order waits for.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DependsOn {
    /// `delivered`.
    pub(super) event: &'static str,
}

/// `POST /work-orders/{external_id}/release`: the goods are there.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Release {
    /// When they were delivered.
    pub(super) delivered_at: Moment,
}

/// `PATCH /work-orders/{external_id}/appointment`: move the visit.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reschedule {
    /// Start.
    pub(super) window_start: Moment,
    /// End.
    pub(super) window_end: Moment,
}

/// `POST /work-orders/{external_id}/cancel`: call the visit off.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Cancel<'a> {
    /// Why.
    pub(super) reason: &'a str,
}

/// `POST /warranties`: start the warranty of delivered or installed units.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Warranty<'a> {
    /// Kenh's id.
    pub(super) warranty_id: &'a str,
    /// Order code.
    pub(super) order_ref: &'a str,
    /// SKU.
    pub(super) sku: &'a str,
    /// Article name.
    pub(super) name: &'a str,
    /// Serial number, where known.
    pub(super) serial: Option<&'a str>,
    /// Units; 1 with a serial.
    pub(super) quantity: u32,
    /// Holder.
    pub(super) customer: Person<'a>,
    /// First day in Asia/Ho_Chi_Minh, `YYYY-MM-DD`.
    pub(super) starts_on: &'a str,
    /// `delivery` or `installation`.
    pub(super) proof: &'a str,
}
