//! Callbacks: what a system reports of fulfillment orders, stock, invoices and work orders.

use domain::fulfillment::{HandledLine, Tracking};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Kind;
use super::wire::Moment;
use crate::inbound::{
    FulfillmentEvent, FulfillmentEventKind, InvoiceEvent, InvoiceEventKind, Notice, NoticeBody,
    PayloadError, ServiceEvent, ServiceEventKind, StockCount, VerifiedWebhook,
};
use crate::payload::{digest, word};

/// Every callback.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Callback<D> {
    /// What happened.
    #[serde(rename = "type")]
    #[expect(
        dead_code,
        reason = "the type is read before `D` is known; here it is for the schema"
    )]
    kind: String,
    /// Stable over repeats.
    pub(super) id: String,
    /// When it happened.
    pub(super) occurred_at: Moment,
    /// Rises per subject.
    #[schemars(range(min = 0))]
    pub(super) sequence: i64,
    /// About what.
    pub(super) data: D,
}

/// Of a fulfillment order, nothing more to say.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Fulfillment {
    /// Kenh's id.
    #[schemars(length(min = 1))]
    fulfillment_order_id: String,
}

/// Of a fulfillment order, with a reason.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct FulfillmentReason {
    /// Kenh's id.
    #[schemars(length(min = 1))]
    fulfillment_order_id: String,
    /// Why.
    #[serde(default)]
    reason: Option<String>,
}

/// Of a fulfillment order, with what was handled.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct FulfillmentHandled {
    /// Kenh's id.
    #[schemars(length(min = 1))]
    fulfillment_order_id: String,
    /// What is in the parcel.
    lines: Vec<Line>,
    /// The parcel; with `shipped` only.
    #[serde(default)]
    tracking: Option<Parcel>,
}

/// Units and serials of one order line.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Line {
    /// Order line.
    line_id: String,
    /// Units.
    quantity: u32,
    /// Serial numbers or IMEIs.
    #[serde(default)]
    serials: Vec<String>,
}

/// A parcel's tracking.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Parcel {
    /// Carrier.
    carrier: String,
    /// Tracking number.
    number: String,
}

/// A fulfillment order in the buyer's hands.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct FulfillmentDelivered {
    /// Kenh's id.
    #[schemars(length(min = 1))]
    fulfillment_order_id: String,
    /// Cash collected, whole đồng.
    #[serde(default)]
    #[schemars(range(min = 0))]
    cod_collected: Option<i64>,
}

/// An absolute count.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Stock {
    /// Location.
    #[schemars(length(min = 1))]
    location: String,
    /// SKU.
    #[schemars(length(min = 1))]
    sku: String,
    /// Units on hand.
    on_hand: i64,
    /// The count holds as of this moment.
    as_of: Moment,
}

/// An invoice got its number.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct InvoiceIssued {
    /// Kenh's id of the request.
    #[schemars(length(min = 1))]
    invoice_request_id: String,
    /// Number.
    #[schemars(length(min = 1))]
    number: String,
    /// Series.
    #[serde(default)]
    series: Option<String>,
}

/// The tax authority gave its code.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct InvoiceCoded {
    /// Kenh's id of the request.
    #[schemars(length(min = 1))]
    invoice_request_id: String,
    /// The authority's code.
    #[serde(default)]
    authority_code: Option<String>,
    /// Number, where the system repeats it.
    #[serde(default)]
    number: Option<String>,
}

/// An invoice was refused.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct InvoiceRefused {
    /// Kenh's id of the request.
    #[schemars(length(min = 1))]
    invoice_request_id: String,
    /// Why.
    #[serde(default)]
    reason: Option<String>,
}

/// Of a work order, nothing more to say.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Service {
    /// Kenh's id.
    #[schemars(length(min = 1))]
    external_id: String,
}

/// A window is agreed.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ServiceScheduled {
    /// Kenh's id.
    #[schemars(length(min = 1))]
    external_id: String,
    /// Start.
    #[serde(default)]
    window_start: Option<Moment>,
    /// End.
    #[serde(default)]
    window_end: Option<Moment>,
}

/// The visit is done.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ServiceCompleted {
    /// Kenh's id.
    #[schemars(length(min = 1))]
    external_id: String,
    /// Serials of what was installed.
    #[serde(default)]
    serials: Vec<String>,
}

/// Another visit is needed.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ServiceIncomplete {
    /// Kenh's id.
    #[schemars(length(min = 1))]
    external_id: String,
    /// Why.
    #[serde(default)]
    reason: Option<String>,
}

/// The contract's `id` is stable over repeats; a body without one falls back on `webhook-id`,
/// which Standard Webhooks keeps over repeats too.
pub(super) fn dedup_key(message: &VerifiedWebhook) -> String {
    let own = serde_json::from_slice::<Value>(message.body())
        .ok()
        .and_then(|body| body.get("id")?.as_str().map(str::to_owned))
        .filter(|id| !id.is_empty());
    match (own, message.topic().filter(|id| !id.is_empty())) {
        (Some(id), _) => format!("id:{id}"),
        (None, Some(id)) => format!("webhook-id:{id}"),
        (None, None) => format!("body:{}", digest(message.body())),
    }
}

/// The callback as a notice.
pub(super) fn notice(kind: Kind, body: &[u8]) -> Result<Notice, PayloadError> {
    let value: Value =
        serde_json::from_slice(body).map_err(|_| PayloadError::new("the body is not JSON"))?;
    let topic = value
        .get("type")
        .and_then(Value::as_str)
        .ok_or_else(|| PayloadError::new("type: missing"))?;
    let owner = match topic.split('.').next() {
        Some("fulfillment" | "stock") => Kind::Inventory,
        Some("invoice") => Kind::Invoicing,
        Some("service") => Kind::ServiceCenter,
        _ => return Ok(ignored(topic, "is not of the contract")),
    };
    if owner != kind {
        return Ok(ignored(
            topic,
            &format!("does not belong to an {} target", kind.as_str()),
        ));
    }
    match topic {
        "fulfillment.accepted" => fulfillment(&value, |data: Fulfillment| {
            (data.fulfillment_order_id, FulfillmentEventKind::Accepted)
        }),
        "fulfillment.rejected" => fulfillment(&value, |data: FulfillmentReason| {
            let reason = data.reason.unwrap_or_default();
            (
                data.fulfillment_order_id,
                FulfillmentEventKind::Rejected { reason },
            )
        }),
        "fulfillment.packed" => fulfillment(&value, |data: FulfillmentHandled| {
            let lines = data.lines.into_iter().map(HandledLine::from).collect();
            (
                data.fulfillment_order_id,
                FulfillmentEventKind::Packed { lines },
            )
        }),
        "fulfillment.shipped" => fulfillment(&value, |data: FulfillmentHandled| {
            (
                data.fulfillment_order_id,
                FulfillmentEventKind::Shipped {
                    lines: data.lines.into_iter().map(HandledLine::from).collect(),
                    tracking: data.tracking.map(|parcel| Tracking {
                        carrier: parcel.carrier,
                        number: parcel.number,
                    }),
                },
            )
        }),
        "fulfillment.delivered" => {
            let read: Callback<FulfillmentDelivered> = callback(&value)?;
            if read.data.cod_collected.is_some_and(i64::is_negative) {
                return Err(PayloadError::new("data.cod_collected: is negative"));
            }
            fulfillment(&value, |data: FulfillmentDelivered| {
                (
                    data.fulfillment_order_id,
                    FulfillmentEventKind::Delivered {
                        cod_collected: data.cod_collected,
                    },
                )
            })
        }
        "fulfillment.failed" => fulfillment(&value, |data: FulfillmentReason| {
            let reason = data.reason.unwrap_or_default();
            (
                data.fulfillment_order_id,
                FulfillmentEventKind::Failed { reason },
            )
        }),
        "fulfillment.returned" => fulfillment(&value, |data: Fulfillment| {
            (data.fulfillment_order_id, FulfillmentEventKind::Returned)
        }),
        "stock.changed" => stock(&value),
        "invoice.issued" => invoice(&value, |data: InvoiceIssued| {
            (
                data.invoice_request_id,
                InvoiceEventKind::Issued {
                    number: data.number,
                    series: data.series,
                },
            )
        }),
        "invoice.coded" => invoice(&value, |data: InvoiceCoded| {
            (
                data.invoice_request_id,
                InvoiceEventKind::Coded {
                    authority_code: data.authority_code,
                    number: data.number,
                },
            )
        }),
        "invoice.refused" => invoice(&value, |data: InvoiceRefused| {
            let reason = data.reason.unwrap_or_default();
            (
                data.invoice_request_id,
                InvoiceEventKind::Refused { reason },
            )
        }),
        "service.scheduled" => service(&value, |data: ServiceScheduled| {
            (
                data.external_id,
                ServiceEventKind::Scheduled {
                    window_start: data.window_start.map(|moment| moment.0),
                    window_end: data.window_end.map(|moment| moment.0),
                },
            )
        }),
        "service.assigned" => service(&value, |data: Service| {
            (data.external_id, ServiceEventKind::Assigned)
        }),
        "service.on_site" => service(&value, |data: Service| {
            (data.external_id, ServiceEventKind::OnSite)
        }),
        "service.completed" => service(&value, |data: ServiceCompleted| {
            let serials = data.serials;
            (data.external_id, ServiceEventKind::Completed { serials })
        }),
        "service.incomplete" => service(&value, |data: ServiceIncomplete| {
            let reason = data.reason.unwrap_or_default();
            (data.external_id, ServiceEventKind::Incomplete { reason })
        }),
        "service.cancelled" => service(&value, |data: Service| {
            (data.external_id, ServiceEventKind::Cancelled)
        }),
        other => Ok(ignored(other, "is not of the contract")),
    }
}

impl From<Line> for HandledLine {
    fn from(line: Line) -> Self {
        Self {
            line_id: line.line_id,
            quantity: line.quantity,
            serials: line.serials,
        }
    }
}

fn fulfillment<D: DeserializeOwned>(
    value: &Value,
    split: impl FnOnce(D) -> (String, FulfillmentEventKind),
) -> Result<Notice, PayloadError> {
    let read: Callback<D> = callback(value)?;
    let (fulfillment_order_id, kind) = split(read.data);
    about(fulfillment_order_id, |fulfillment_order_id| {
        NoticeBody::Fulfillment(FulfillmentEvent {
            fulfillment_order_id,
            sequence: read.sequence,
            at: read.occurred_at.0,
            kind,
        })
    })
}

fn invoice<D: DeserializeOwned>(
    value: &Value,
    split: impl FnOnce(D) -> (String, InvoiceEventKind),
) -> Result<Notice, PayloadError> {
    let read: Callback<D> = callback(value)?;
    let (invoice_request_id, kind) = split(read.data);
    about(invoice_request_id, |invoice_request_id| {
        NoticeBody::Invoice(InvoiceEvent {
            invoice_request_id,
            sequence: read.sequence,
            at: read.occurred_at.0,
            kind,
        })
    })
}

fn service<D: DeserializeOwned>(
    value: &Value,
    split: impl FnOnce(D) -> (String, ServiceEventKind),
) -> Result<Notice, PayloadError> {
    let read: Callback<D> = callback(value)?;
    let (service_order_id, kind) = split(read.data);
    about(service_order_id, |service_order_id| {
        NoticeBody::Service(ServiceEvent {
            service_order_id,
            sequence: read.sequence,
            at: read.occurred_at.0,
            kind,
        })
    })
}

/// More units than any location has: a count beyond is a mistake.
const MOST_UNITS: i64 = 100_000_000;

fn stock(value: &Value) -> Result<Notice, PayloadError> {
    let read: Callback<Stock> = callback(value)?;
    let Stock {
        location,
        sku,
        on_hand,
        as_of,
    } = read.data;
    if location.is_empty() || sku.is_empty() {
        return Err(PayloadError::new("data.location, data.sku: is empty"));
    }
    if !(0..=MOST_UNITS).contains(&on_hand) {
        return Err(PayloadError::new(
            "data.on_hand: is not from 0 to 100000000",
        ));
    }
    Ok(Notice {
        key: Some(format!("{location}/{sku}")),
        body: NoticeBody::Stock(StockCount {
            location,
            sku,
            on_hand,
            as_of: as_of.0,
            sequence: read.sequence,
        }),
    })
}

fn about(subject: String, body: impl FnOnce(String) -> NoticeBody) -> Result<Notice, PayloadError> {
    if subject.is_empty() {
        return Err(PayloadError::new("data: our id is empty"));
    }
    Ok(Notice {
        key: Some(subject.clone()),
        body: body(subject),
    })
}

/// Only the path is told: serde's own words would repeat the content.
fn callback<D: DeserializeOwned>(value: &Value) -> Result<Callback<D>, PayloadError> {
    let read: Callback<D> = serde_path_to_error::deserialize(value).map_err(|error| {
        PayloadError::new(format!("{}: not as the contract says", error.path()))
    })?;
    if read.id.is_empty() {
        return Err(PayloadError::new("id: is empty"));
    }
    if read.sequence < 0 {
        return Err(PayloadError::new("sequence: is negative"));
    }
    Ok(read)
}

fn ignored(topic: &str, why: &str) -> Notice {
    let topic = word(topic);
    Notice {
        key: None,
        body: NoticeBody::Ignored {
            reason: format!("callback {topic} {why}"),
        },
    }
}
