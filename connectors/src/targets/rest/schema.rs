//! The JSON Schemas of `docs/contract/`, made from the types that write and read the messages.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::callback::{
    Callback, Fulfillment, FulfillmentDelivered, FulfillmentHandled, FulfillmentReason,
    InvoiceCoded, InvoiceIssued, InvoiceRefused, Service, ServiceCompleted, ServiceIncomplete,
    ServiceScheduled, Stock,
};
use super::wire::{
    Adjustment, Cancel, FulfillmentOrder, Invoice, Release, Reschedule, Reservation, Warranty,
    WorkOrder,
};

/// Every request and callback of the contract: the name of its file in `docs/contract/`, without
/// `.schema.json`, and its schema.
#[must_use]
pub fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        request::<Reservation<'_>>("reservation", "POST /reservations"),
        request::<FulfillmentOrder<'_>>("fulfillment-order", "POST /fulfillment-orders"),
        request::<Invoice<'_>>("invoice", "POST /invoices"),
        request::<Adjustment<'_>>(
            "invoice-adjustment",
            "POST /invoices/{invoice_request_id}/adjustments",
        ),
        request::<WorkOrder<'_>>("work-order", "POST /work-orders"),
        request::<Release>(
            "work-order-release",
            "POST /work-orders/{external_id}/release",
        ),
        request::<Reschedule>(
            "work-order-appointment",
            "PATCH /work-orders/{external_id}/appointment",
        ),
        request::<Cancel<'_>>(
            "work-order-cancel",
            "POST /work-orders/{external_id}/cancel",
        ),
        request::<Warranty<'_>>("warranty", "POST /warranties"),
        callback::<Fulfillment>("callback.fulfillment.accepted"),
        callback::<FulfillmentReason>("callback.fulfillment.rejected"),
        callback::<FulfillmentHandled>("callback.fulfillment.packed"),
        callback::<FulfillmentHandled>("callback.fulfillment.shipped"),
        callback::<FulfillmentDelivered>("callback.fulfillment.delivered"),
        callback::<FulfillmentReason>("callback.fulfillment.failed"),
        callback::<Fulfillment>("callback.fulfillment.returned"),
        callback::<Stock>("callback.stock.changed"),
        callback::<InvoiceIssued>("callback.invoice.issued"),
        callback::<InvoiceCoded>("callback.invoice.coded"),
        callback::<InvoiceRefused>("callback.invoice.refused"),
        callback::<ServiceScheduled>("callback.service.scheduled"),
        callback::<Service>("callback.service.assigned"),
        callback::<Service>("callback.service.on_site"),
        callback::<ServiceCompleted>("callback.service.completed"),
        callback::<ServiceIncomplete>("callback.service.incomplete"),
        callback::<Service>("callback.service.cancelled"),
    ]
}

fn request<T: JsonSchema>(file: &'static str, title: &str) -> (&'static str, Schema) {
    let mut schema = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>();
    schema.insert("title".to_owned(), Value::from(title));
    (file, schema)
}

fn callback<T: JsonSchema>(file: &'static str) -> (&'static str, Schema) {
    let topic = file.trim_start_matches("callback.");
    let mut schema = SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<Callback<T>>();
    schema.insert("title".to_owned(), Value::from(topic));
    if let Some(kind) = schema
        .pointer_mut("/properties/type")
        .and_then(Value::as_object_mut)
    {
        kind.insert("const".to_owned(), Value::from(topic));
    }
    (file, schema)
}
