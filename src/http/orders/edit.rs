//! `PATCH /api/v1/orders/{id}`: what staff correct survives later messages of the channel.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use connectors::channels::website::{OrderDocument, unknown_field};
use domain::order::{Action, Edit};
use serde_json::{Map, Value, json};

use super::act::command;
use super::create::wrong;
use crate::gateway::Gateway;
use crate::http::auth::{Caller, Scope};
use crate::http::extract::Json;
use crate::http::problem::Problem;

/// The parts of an order that are corrected, each as a whole and in the form of the order
/// document.
const PARTS: [&str; 5] = ["buyer", "ship_to", "lines", "note", "appointment"];

/// Tags of one edit at most.
const TAGS: usize = 50;

/// Characters of a tag at most.
const TAG_CHARS: usize = 64;

/// Correct an order
///
/// Every part that is given replaces the whole part: a buyer without an e-mail address has none
/// afterwards. Parts that are not given, or null, stay as they are. What is corrected here stays
/// so even if the channel sends the order again. `Idempotency-Key` and `If-Match` work as for the
/// actions.
#[utoipa::path(
    patch, path = "/orders/{id}", tag = "orders", operation_id = "edit_order",
    params(
        ("id" = String, Path, description = "Id (`ord_…`) or code of the order"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat harmless"),
        ("If-Match" = Option<String>, Header, description = "Version of the order"),
    ),
    request_body(content = ref("#/components/schemas/OrderEdit")),
    responses(
        (status = 200, description = "The order as it is now", body = ref("#/components/schemas/Order")),
        (status = 404, description = "No such order, or not for this token"),
        (status = 409, description = "The order does not allow it, or has another version"),
    ),
    security(("token" = ["orders:write"])),
)]
pub(super) async fn edit(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    Json(mut request): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    caller.require(Scope::OrdersWrite)?;
    let reason = match request.remove("reason") {
        None | Some(Value::Null) => "corrected".to_owned(),
        Some(Value::String(reason)) => reason,
        Some(_) => return Err(Problem::invalid("reason", "expected a text")),
    };
    let edit = read(request, gateway.clock.now())?;
    let action = Action::Edit(Box::new(edit));
    command(&gateway, &caller, &name, &headers, &reason, action).await
}

/// Reads the parts by putting them into an order document that is good otherwise, so that they
/// follow the same rules as in a new order.
fn read(mut request: Map<String, Value>, now: jiff::Timestamp) -> Result<Edit, Problem> {
    request.retain(|_, value| !value.is_null());
    if request.is_empty() {
        return Err(Problem::invalid(".", "names nothing to correct"));
    }
    if let Some(path) = masked(&Value::Object(request.clone()), "") {
        return Err(Problem::invalid(
            path,
            "is masked; read the order with a token that has pii:read, or send the whole value",
        ));
    }
    let tags = request.remove("tags").map(tags).transpose()?;
    let given = |part: &str| request.contains_key(part);
    if let Some(field) = request
        .keys()
        .find(|key| !PARTS.contains(&key.as_str()) && *key != "invoice_request")
    {
        return Err(Problem::invalid(
            field.clone(),
            "cannot be corrected; buyer, ship_to, lines, note, appointment, tags and \
             invoice_request can",
        ));
    }
    let (with_lines, with_appointment) = (given("lines"), given("appointment"));
    let mut document = json!({
        "external_id": "edit", "status": "confirmed", "payment": { "method": "cod" },
        "lines": [{ "id": "1", "name": "-", "quantity": 1, "unit_price": 0 }],
    });
    document
        .as_object_mut()
        .expect("made as an object")
        .extend(request);
    if let Some(path) = unknown_field(&document) {
        return Err(Problem::invalid(
            path,
            "is not a field of the order document",
        ));
    }
    let snapshot = OrderDocument::read(&document.to_string())
        .and_then(|document| document.into_snapshot(now))
        .map_err(|e| wrong(&e))?;
    if with_appointment && snapshot.appointment.is_none() {
        return Err(Problem::invalid(
            "appointment",
            "needs both ends of the window",
        ));
    }
    Ok(Edit {
        buyer: snapshot.buyer,
        ship_to: snapshot.ship_to,
        lines: snapshot.lines.filter(|_| with_lines),
        note: snapshot.note,
        appointment: snapshot.appointment,
        tags,
        invoice_request: snapshot.invoice_request,
    })
}

fn tags(value: Value) -> Result<Vec<String>, Problem> {
    let wrong = || Problem::invalid("tags", "must be at most 50 texts of 1 to 64 characters");
    let tags: Vec<String> = serde_json::from_value(value).map_err(|_| wrong())?;
    let good = |tag: &String| !tag.trim().is_empty() && tag.chars().count() <= TAG_CHARS;
    if tags.len() > TAGS || !tags.iter().all(good) {
        return Err(wrong());
    }
    Ok(tags)
}

/// The first text that was masked for a reader, and must not replace what is behind it.
fn masked(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::String(text) => text.contains('•').then(|| path.to_owned()),
        Value::Object(map) => map.iter().find_map(|(key, item)| {
            let dot = if path.is_empty() { "" } else { "." };
            masked(item, &format!("{path}{dot}{key}"))
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(n, item)| masked(item, &format!("{path}[{n}]"))),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(request: Value) -> Result<Edit, Problem> {
        let now = "2026-11-24T01:02:03Z".parse().unwrap();
        read(request.as_object().unwrap().clone(), now)
    }

    fn field(request: Value) -> String {
        format!("{:?}", of(request).unwrap_err())
    }

    #[test]
    fn only_what_is_given_is_edited() {
        let edit = of(json!({ "note": "call first", "buyer": { "phone": "0901234567" } })).unwrap();
        assert_eq!(edit.note.as_deref(), Some("call first"));
        assert_eq!(edit.buyer.unwrap().phone.as_deref(), Some("0901234567"));
        assert_eq!((edit.lines, edit.ship_to, edit.tags), (None, None, None));
    }

    #[test]
    fn wrong_parts_are_named() {
        assert!(field(json!({})).contains("nothing to correct"));
        assert!(field(json!({ "status": "confirmed" })).contains("\"status\""));
        assert!(field(json!({ "buyer": { "colour": 1 } })).contains("buyer.colour"));
        let line = json!({ "id": "1", "name": "TV", "quantity": "two", "unit_price": 1 });
        assert!(field(json!({ "lines": [line] })).contains("lines[0].quantity"));
        assert!(field(json!({ "tags": [""] })).contains("\"tags\""));
    }

    #[test]
    fn what_was_masked_for_a_reader_does_not_come_back() {
        let request = json!({ "buyer": { "name": "N. V. A", "phone": "09•••••567" } });
        assert!(field(request).contains("buyer.phone"));
    }
}
