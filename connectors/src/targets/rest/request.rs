//! Task → call: method, path and body.

use bytes::Bytes;
use domain::task::TaskBody;
use http::Method;
use serde::Serialize;

use super::Kind;
use super::wire::{
    Adjustment, Appointment, Cancel, DependsOn, FulfillmentOrder, Invoice, Moment, Release,
    Reschedule, Reservation, Warranty, WorkOrder,
};
use crate::target::BuildError;
use crate::url::encode;

/// A call before it gets its headers.
pub(super) struct Planned {
    pub(super) method: Method,
    /// Path below the target's address.
    pub(super) path: String,
    pub(super) body: Option<Bytes>,
}

/// Which kind of target does the task; `None` for what a channel is told.
pub(super) fn kind(body: &TaskBody) -> Option<Kind> {
    Some(match body {
        TaskBody::Reserve { .. }
        | TaskBody::ReleaseReservation { .. }
        | TaskBody::CreateFulfillment { .. }
        | TaskBody::CancelFulfillment { .. } => Kind::Inventory,
        TaskBody::IssueInvoice(_) | TaskBody::AdjustInvoice { .. } => Kind::Invoicing,
        TaskBody::CreateWorkOrder { .. }
        | TaskBody::ReleaseWorkOrder { .. }
        | TaskBody::RescheduleWorkOrder { .. }
        | TaskBody::CancelWorkOrder { .. }
        | TaskBody::ActivateWarranty { .. } => Kind::ServiceCenter,
        TaskBody::Channel(_)
        | TaskBody::ChannelStock(_)
        | TaskBody::ChannelMessage(_)
        | TaskBody::BuyerNotice(_) => {
            return None;
        }
    })
}

fn for_a_channel() -> BuildError {
    BuildError {
        what: "only a channel can be told this".to_owned(),
    }
}

/// Where the thing that the task is about can be asked for: `GET /{collection}/{our id}`.
///
/// # Errors
/// For what only a channel can be told.
pub(super) fn stored(body: &TaskBody) -> Result<String, BuildError> {
    Ok(match body {
        TaskBody::Reserve { reservation_id, .. }
        | TaskBody::ReleaseReservation { reservation_id } => {
            format!("/reservations/{}", encode(reservation_id))
        }
        TaskBody::CreateFulfillment {
            fulfillment_order_id,
            ..
        }
        | TaskBody::CancelFulfillment {
            fulfillment_order_id,
        } => format!("/fulfillment-orders/{}", encode(fulfillment_order_id)),
        TaskBody::IssueInvoice(invoice) => {
            format!("/invoices/{}", encode(&invoice.invoice_request_id))
        }
        TaskBody::AdjustInvoice {
            invoice_request_id,
            adjustment_id,
            ..
        } => format!(
            "/invoices/{}/adjustments/{}",
            encode(invoice_request_id),
            encode(adjustment_id)
        ),
        TaskBody::CreateWorkOrder { external_id, .. }
        | TaskBody::ReleaseWorkOrder { external_id, .. }
        | TaskBody::RescheduleWorkOrder { external_id, .. }
        | TaskBody::CancelWorkOrder { external_id, .. } => {
            format!("/work-orders/{}", encode(external_id))
        }
        TaskBody::ActivateWarranty { warranty_id, .. } => {
            format!("/warranties/{}", encode(warranty_id))
        }
        TaskBody::Channel(_)
        | TaskBody::ChannelStock(_)
        | TaskBody::ChannelMessage(_)
        | TaskBody::BuyerNotice(_) => {
            return Err(for_a_channel());
        }
    })
}

/// The call of a task.
pub(super) fn plan(body: &TaskBody) -> Result<Planned, BuildError> {
    match body {
        TaskBody::Reserve {
            reservation_id,
            order_ref,
            location,
            lines,
            expires_at,
        } => with_body(
            Method::POST,
            "/reservations".to_owned(),
            &Reservation {
                reservation_id,
                order_ref,
                location,
                lines: lines.iter().map(Into::into).collect(),
                expires_at: Moment(*expires_at),
            },
        ),
        TaskBody::ReleaseReservation { .. } | TaskBody::CancelFulfillment { .. } => Ok(Planned {
            method: Method::DELETE,
            path: stored(body)?,
            body: None,
        }),
        TaskBody::CreateFulfillment {
            fulfillment_order_id,
            reservation_id,
            order_ref,
            channel,
            external_id,
            location,
            lines,
            ship_to,
            cod,
            note,
            deadline,
        } => with_body(
            Method::POST,
            "/fulfillment-orders".to_owned(),
            &FulfillmentOrder {
                fulfillment_order_id,
                reservation_id,
                order_ref,
                channel,
                external_id,
                location,
                lines: lines.iter().map(Into::into).collect(),
                ship_to: ship_to.into(),
                cod: *cod,
                note: note.as_deref(),
                deadline: deadline.map(Moment),
            },
        ),
        TaskBody::IssueInvoice(invoice) => with_body(
            Method::POST,
            "/invoices".to_owned(),
            &Invoice::from(invoice),
        ),
        TaskBody::AdjustInvoice {
            invoice_request_id,
            adjustment_id,
            order_ref,
            reason,
            lines,
            total,
            tax_total,
        } => with_body(
            Method::POST,
            format!("/invoices/{}/adjustments", encode(invoice_request_id)),
            &Adjustment {
                adjustment_id,
                reason,
                order_ref,
                lines: lines.iter().map(Into::into).collect(),
                total: *total,
                tax_total: *tax_total,
            },
        ),
        TaskBody::CreateWorkOrder {
            external_id,
            kind,
            order_ref,
            customer,
            site,
            items,
            appointment,
        } => with_body(
            Method::POST,
            "/work-orders".to_owned(),
            &WorkOrder {
                external_id,
                kind,
                order_ref,
                customer: customer.into(),
                site: site.into(),
                items: items.iter().map(Into::into).collect(),
                appointment: appointment.as_ref().map(|window| Appointment {
                    window_start: Moment(window.window_start),
                    window_end: Moment(window.window_end),
                    source: "buyer",
                }),
                released: false,
                depends_on: DependsOn { event: "delivered" },
            },
        ),
        TaskBody::ReleaseWorkOrder { delivered_at, .. } => with_body(
            Method::POST,
            format!("{}/release", stored(body)?),
            &Release {
                delivered_at: Moment(*delivered_at),
            },
        ),
        TaskBody::RescheduleWorkOrder {
            window_start,
            window_end,
            ..
        } => with_body(
            Method::PATCH,
            format!("{}/appointment", stored(body)?),
            &Reschedule {
                window_start: Moment(*window_start),
                window_end: Moment(*window_end),
            },
        ),
        TaskBody::CancelWorkOrder { reason, .. } => with_body(
            Method::POST,
            format!("{}/cancel", stored(body)?),
            &Cancel { reason },
        ),
        TaskBody::ActivateWarranty {
            warranty_id,
            order_ref,
            sku,
            name,
            serial,
            quantity,
            customer,
            starts_on,
            proof,
        } => with_body(
            Method::POST,
            "/warranties".to_owned(),
            &Warranty {
                warranty_id,
                order_ref,
                sku,
                name,
                serial: serial.as_deref(),
                quantity: *quantity,
                customer: customer.into(),
                starts_on,
                proof,
            },
        ),
        TaskBody::Channel(_)
        | TaskBody::ChannelStock(_)
        | TaskBody::ChannelMessage(_)
        | TaskBody::BuyerNotice(_) => Err(for_a_channel()),
    }
}

fn with_body(method: Method, path: String, body: &impl Serialize) -> Result<Planned, BuildError> {
    let body = serde_json::to_vec(body).map_err(|_| BuildError {
        what: "the body cannot be written as JSON".to_owned(),
    })?;
    Ok(Planned {
        method,
        path,
        body: Some(Bytes::from(body)),
    })
}
