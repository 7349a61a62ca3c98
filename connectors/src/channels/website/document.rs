//! The retailer's own order document: what the website signs and what staff enter.
//!
//! Unknown fields of a signed message are passed over, so that a website may add one without
//! losing orders; what staff enter is checked strictly by [`unknown_field`].

use domain::money::Amount;
use domain::snapshot::{
    Appointment, Buyer, Cancellation, ChannelPayment, ChannelStatus, Deadlines, FulfilledBy,
    InvoiceRequest, PaymentMethod, ShipTo, Snapshot, SnapshotLine, SnapshotTotals,
};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::inbound::PayloadError;
use crate::literal::{self, Literal};
use crate::payload::{self, MAX_AMOUNT, MAX_LINES, MAX_QUANTITY, filled};

/// Why a document was refused: the field and the expectation, never the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not read the order document: {path}: {message}")]
pub struct DocumentError {
    /// Dotted path within the document; `.` for the whole.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl DocumentError {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl From<DocumentError> for PayloadError {
    fn from(error: DocumentError) -> Self {
        Self::new(format!("{}: {}", error.path, error.message))
    }
}

/// One order in the retailer's own form. Money is a whole number of minor units (đồng), times are
/// RFC 3339.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(title = "Order document")]
pub struct OrderDocument {
    /// The order's id where it was made; unique within the channel. Required in webhooks; an order
    /// entered without one gets its idempotency key.
    pub external_id: Option<String>,
    /// When the buyer placed it; the time of receipt where missing.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub placed_at: Option<Timestamp>,
    /// When this version was made: the newest version counts. The message's time where missing.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub revised_at: Option<Timestamp>,
    /// How far the order has come.
    pub status: DocumentStatus,
    /// ISO 4217.
    #[serde(default = "vnd")]
    #[schemars(length(equal = 3))]
    pub currency: String,
    /// Who bought.
    pub buyer: Option<DocumentBuyer>,
    /// Where it goes, as the buyer wrote it.
    pub ship_to: Option<DocumentShipTo>,
    /// What was bought.
    #[schemars(length(min = 1, max = 500))]
    pub lines: Vec<DocumentLine>,
    /// Order-level amounts.
    #[serde(default)]
    pub totals: DocumentTotals,
    /// How it is paid.
    pub payment: DocumentPayment,
    /// Buyer's note.
    pub note: Option<String>,
    /// Coupon code used.
    pub coupon: Option<String>,
    /// Wished visit window; both ends or none.
    pub appointment: Option<DocumentAppointment>,
    /// Company details for the invoice.
    pub invoice_request: Option<DocumentInvoiceRequest>,
    /// Why it was cancelled (`order.cancelled`).
    pub reason: Option<String>,
}

/// How far the order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentStatus {
    /// Placed, may still change (unpaid, on hold).
    Pending,
    /// Serve it.
    Confirmed,
    /// Do not serve it.
    Cancelled,
}

/// Who bought.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct DocumentBuyer {
    /// Name.
    pub name: Option<String>,
    /// Phone as written.
    pub phone: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// The website's id of this person.
    pub external_id: Option<String>,
}

/// Where it goes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct DocumentShipTo {
    /// Recipient.
    pub name: Option<String>,
    /// Recipient's phone as written.
    pub phone: Option<String>,
    /// The whole address in one text.
    pub text: Option<String>,
    /// House number and street.
    pub line: Option<String>,
    /// Ward or commune.
    pub ward: Option<String>,
    /// District, in addresses of the form before July 2025.
    pub district: Option<String>,
    /// Province or city.
    pub province: Option<String>,
    /// Degrees north.
    #[schemars(with = "Option<f64>")]
    pub lat: Option<Literal>,
    /// Degrees east.
    #[schemars(with = "Option<f64>")]
    pub lon: Option<Literal>,
}

/// One SKU and quantity.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct DocumentLine {
    /// Stable id of the line within the order: the same line keeps it in every version.
    #[schemars(with = "String")]
    pub id: Literal,
    /// The retailer's SKU.
    pub sku: Option<String>,
    /// The website's own article id, where it is not the SKU.
    pub channel_sku: Option<String>,
    /// Article name as the buyer saw it.
    pub name: String,
    /// Units.
    #[schemars(range(min = 1, max = 10_000))]
    pub quantity: u32,
    /// Price of one unit, tax included.
    #[serde(deserialize_with = "minor_units")]
    #[schemars(with = "u64")]
    pub unit_price: Amount,
    /// Discount of the whole line.
    #[serde(default, deserialize_with = "minor_units")]
    #[schemars(with = "u64")]
    pub discount: Amount,
    /// A gift that goes with another line.
    #[serde(default)]
    pub gift: bool,
    /// The line that this gift or part belongs to.
    pub parent: Option<String>,
}

/// Order-level amounts; `grand_total = Σ lines − seller_discount − channel_discount + shipping +
/// fees`, and a stated `grand_total` that differs holds the order.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
pub struct DocumentTotals {
    /// Shipping charged to the buyer.
    #[serde(default, deserialize_with = "minor_units")]
    #[schemars(with = "u64")]
    pub shipping: Amount,
    /// Order-level discount paid by the retailer.
    #[serde(default, deserialize_with = "minor_units")]
    #[schemars(with = "u64")]
    pub seller_discount: Amount,
    /// Order-level discount paid by somebody else (a bank, a brand).
    #[serde(default, deserialize_with = "minor_units")]
    #[schemars(with = "u64")]
    pub channel_discount: Amount,
    /// Other fees charged to the buyer.
    #[serde(default, deserialize_with = "minor_units")]
    #[schemars(with = "u64")]
    pub fees: Amount,
    /// What the buyer owes in all, as the website shows it.
    #[serde(default, deserialize_with = "optional_minor_units")]
    #[schemars(with = "Option<u64>")]
    pub grand_total: Option<Amount>,
}

/// How it is paid.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub struct DocumentPayment {
    /// Means of payment.
    pub method: DocumentMethod,
    /// State of the payment.
    #[serde(default)]
    pub status: DocumentPaymentStatus,
    /// Received so far.
    #[serde(default, deserialize_with = "minor_units")]
    #[schemars(with = "u64")]
    pub paid: Amount,
}

/// Means of payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentMethod {
    /// Cash on delivery.
    Cod,
    /// Paid before delivery, the means is not told.
    Prepaid,
    /// Transfer to the retailer's account.
    BankTransfer,
    /// Bank card.
    Card,
    /// Electronic wallet.
    Wallet,
    /// Instalments through a financier.
    Installment,
}

/// State of the payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentPaymentStatus {
    /// Nothing received.
    #[default]
    Unpaid,
    /// Held on the buyer's account, not taken.
    Authorized,
    /// Part received.
    PartiallyPaid,
    /// Received in full.
    Paid,
    /// Part given back.
    PartiallyRefunded,
    /// All given back.
    Refunded,
    /// Tried and failed.
    Failed,
}

/// Wished visit window.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub struct DocumentAppointment {
    /// Start.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub window_start: Option<Timestamp>,
    /// End.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub window_end: Option<Timestamp>,
}

/// Company details for the invoice.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub struct DocumentInvoiceRequest {
    /// Registered company name.
    pub company: Option<String>,
    /// Tax code (10 or 13 digits).
    pub tax_code: Option<String>,
    /// Registered address.
    pub address: Option<String>,
    /// Where the e-invoice is sent.
    pub email: Option<String>,
}

/// The JSON Schema of the document, published at `/schemas/order-document.json`.
#[must_use]
pub fn order_document_schema() -> Schema {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<OrderDocument>()
}

/// The path of the first field of `document` that the schema does not know.
#[must_use]
pub fn unknown_field(document: &Value) -> Option<String> {
    unknown_in(document, order_document_schema().as_value(), "")
}

fn unknown_in(value: &Value, schema: &Value, path: &str) -> Option<String> {
    // An optional part is written as `anyOf: [part, null]`.
    let options = schema.get("anyOf").and_then(Value::as_array);
    if let Some(part) = options.and_then(|parts| parts.iter().find(|p| p["type"] != "null")) {
        return unknown_in(value, part, path);
    }
    match value {
        Value::Object(map) => {
            let known = schema.get("properties")?;
            map.iter().find_map(|(key, item)| {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{key}");
                match known.get(key) {
                    Some(part) => unknown_in(item, part, &path),
                    None => Some(path),
                }
            })
        }
        Value::Array(items) => {
            let part = schema.get("items")?;
            items
                .iter()
                .enumerate()
                .find_map(|(index, item)| unknown_in(item, part, &format!("{path}[{index}]")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

impl OrderDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// Path and expectation of the first wrong field.
    pub fn read(document: &str) -> Result<Self, DocumentError> {
        serde_json::from_str(document)
            .or_else(|_| payload::tracked(document.as_bytes()))
            .map_err(|misread| DocumentError {
                path: misread.path.unwrap_or_else(|| ".".to_owned()),
                message: misread.message,
            })
    }

    /// What the document says the order is now. `received_at` stands in for times that it leaves
    /// out.
    ///
    /// # Errors
    /// When ids are missing or repeated, a quantity or amount is beyond its limits, or the visit
    /// window has one end only.
    pub fn into_snapshot(self, received_at: Timestamp) -> Result<Snapshot, DocumentError> {
        let external_id = self
            .external_id
            .as_deref()
            .ok_or_else(|| DocumentError::new("external_id", "is required"))?;
        let external_id = payload::external_id(external_id, "external_id").map_err(|_| {
            DocumentError::new(
                "external_id",
                "must be 1 to 64 printable characters without spaces",
            )
        })?;
        let currency = literal::known_currency(&self.currency)
            .map_err(|_| DocumentError::new("currency", "must be an ISO 4217 code such as VND"))?;
        let (status, cancellation) = match self.status {
            DocumentStatus::Pending => (ChannelStatus::Pending, None),
            DocumentStatus::Confirmed => (ChannelStatus::Confirmed, None),
            DocumentStatus::Cancelled => (
                ChannelStatus::Cancelled,
                Some(Cancellation {
                    by: "website".to_owned(),
                    reason: filled(self.reason).unwrap_or_default(),
                }),
            ),
        };
        Ok(Snapshot {
            external_id,
            placed_at: self.placed_at.or(self.revised_at).unwrap_or(received_at),
            revised_at: self.revised_at.unwrap_or(received_at),
            status,
            channel_status: match self.status {
                DocumentStatus::Pending => "pending",
                DocumentStatus::Confirmed => "confirmed",
                DocumentStatus::Cancelled => "cancelled",
            }
            .to_owned(),
            cancel_requested: false,
            cancellation,
            buyer: self.buyer.map(Buyer::from),
            ship_to: self.ship_to.map(ShipTo::from),
            lines: Some(lines(self.lines)?),
            currency: currency.code().to_owned(),
            totals: Some(SnapshotTotals {
                seller_discount: self.totals.seller_discount,
                channel_discount: self.totals.channel_discount,
                shipping: self.totals.shipping,
                fees: self.totals.fees,
                grand_total: self.totals.grand_total,
            }),
            payment_method: Some(self.payment.method.into()),
            payment: Some(self.payment.status.into()),
            paid: Some(self.payment.paid),
            refunded: Amount::default(),
            fulfilled_by: FulfilledBy::Us,
            fixed_location: None,
            deadlines: Deadlines::default(),
            note: filled(self.note),
            coupon: filled(self.coupon),
            appointment: appointment(self.appointment)?,
            invoice_request: self.invoice_request.map(InvoiceRequest::from),
            tags: Vec::new(),
        })
    }
}

fn lines(given: Vec<DocumentLine>) -> Result<Vec<SnapshotLine>, DocumentError> {
    if given.is_empty() || given.len() > MAX_LINES {
        return Err(DocumentError::new(
            "lines",
            format!("must hold 1 to {MAX_LINES} lines"),
        ));
    }
    let mut lines: Vec<SnapshotLine> = Vec::with_capacity(given.len());
    for (index, line) in given.into_iter().enumerate() {
        let id = line.id.to_string();
        if id.trim().is_empty() || id.len() > 64 {
            return Err(DocumentError::new(
                format!("lines[{index}].id"),
                "must be 1 to 64 characters",
            ));
        }
        if lines.iter().any(|known| known.id == id) {
            return Err(DocumentError::new(
                format!("lines[{index}].id"),
                "is used by another line",
            ));
        }
        if line.quantity == 0 || line.quantity > MAX_QUANTITY {
            return Err(DocumentError::new(
                format!("lines[{index}].quantity"),
                format!("must be 1 to {MAX_QUANTITY}"),
            ));
        }
        lines.push(SnapshotLine {
            id,
            channel_sku: filled(line.channel_sku),
            sku: filled(line.sku),
            name: line.name,
            quantity: line.quantity,
            unit_price: line.unit_price,
            discount: line.discount,
            gift: line.gift,
            parent: filled(line.parent),
        });
    }
    Ok(lines)
}

fn appointment(given: Option<DocumentAppointment>) -> Result<Option<Appointment>, DocumentError> {
    let Some(given) = given else { return Ok(None) };
    match (given.window_start, given.window_end) {
        (None, None) => Ok(None),
        (Some(window_start), Some(window_end)) if window_start < window_end => {
            Ok(Some(Appointment {
                window_start,
                window_end,
            }))
        }
        (Some(_), Some(_)) => Err(DocumentError::new(
            "appointment.window_end",
            "must be after window_start",
        )),
        (Some(_), None) => Err(DocumentError::new(
            "appointment.window_end",
            "is required with window_start",
        )),
        (None, Some(_)) => Err(DocumentError::new(
            "appointment.window_start",
            "is required with window_end",
        )),
    }
}

impl From<DocumentBuyer> for Buyer {
    fn from(given: DocumentBuyer) -> Self {
        Self {
            name: filled(given.name),
            phone: filled(given.phone),
            email: filled(given.email),
            external_id: filled(given.external_id),
        }
    }
}

impl From<DocumentShipTo> for ShipTo {
    fn from(given: DocumentShipTo) -> Self {
        let degrees = |literal: Option<Literal>| literal.map(|l| l.to_string());
        Self {
            name: filled(given.name),
            phone: filled(given.phone),
            text: filled(given.text),
            line: filled(given.line),
            ward: filled(given.ward),
            district: filled(given.district),
            province: filled(given.province),
            lat: filled(degrees(given.lat)),
            lon: filled(degrees(given.lon)),
        }
    }
}

impl From<DocumentInvoiceRequest> for InvoiceRequest {
    fn from(given: DocumentInvoiceRequest) -> Self {
        Self {
            company: filled(given.company),
            tax_code: filled(given.tax_code),
            address: filled(given.address),
            email: filled(given.email),
        }
    }
}

impl From<DocumentMethod> for PaymentMethod {
    fn from(given: DocumentMethod) -> Self {
        match given {
            DocumentMethod::Cod => Self::Cod,
            DocumentMethod::Prepaid => Self::Prepaid,
            DocumentMethod::BankTransfer => Self::BankTransfer,
            DocumentMethod::Card => Self::Card,
            DocumentMethod::Wallet => Self::Wallet,
            DocumentMethod::Installment => Self::Installment,
        }
    }
}

impl From<DocumentPaymentStatus> for ChannelPayment {
    fn from(given: DocumentPaymentStatus) -> Self {
        match given {
            DocumentPaymentStatus::Unpaid => Self::Unpaid,
            DocumentPaymentStatus::Authorized => Self::Authorized,
            DocumentPaymentStatus::PartiallyPaid => Self::PartiallyPaid,
            DocumentPaymentStatus::Paid => Self::Paid,
            DocumentPaymentStatus::PartiallyRefunded => Self::PartiallyRefunded,
            DocumentPaymentStatus::Refunded => Self::Refunded,
            DocumentPaymentStatus::Failed => Self::Failed,
        }
    }
}

fn vnd() -> String {
    "VND".to_owned()
}

/// A whole number of minor units, never negative; `1290000.0` is the same as `1290000`.
fn minor_units<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
    optional_minor_units(deserializer)?
        .ok_or_else(|| serde::de::Error::custom("expected a whole number of minor units"))
}

fn optional_minor_units<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Amount>, D::Error> {
    let Some(literal) = Option::<Literal>::deserialize(deserializer)? else {
        return Ok(None);
    };
    literal
        .whole("amount")
        .ok()
        .filter(|units| (0..=MAX_AMOUNT).contains(units))
        .map(|units| Some(Amount(units)))
        .ok_or_else(|| {
            serde::de::Error::custom("expected a whole number of minor units, not negative")
        })
}
