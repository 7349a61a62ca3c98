//! JSON Schemas of orders for the API's description. The aggregate's view belongs to the core,
//! which knows nothing of OpenAPI, so its schema is written down here and held to the view by a
//! test.

use connectors::channels::website::order_document_schema;
use serde_json::{Map, Value, json};

/// The schemas to put among the description's components.
#[must_use]
pub fn schemas() -> Map<String, Value> {
    let mut schemas: Map<String, Value> =
        serde_json::from_str(include_str!("schemas.json")).expect("the file is a JSON object");
    let document = order_document_schema().to_value();
    schemas.insert("NewOrder".to_owned(), new_order(document.clone()));
    schemas.insert("OrderEdit".to_owned(), edit(&document));
    schemas.insert("OrderDocument".to_owned(), document);
    schemas
}

/// The order document with what staff say beside it.
fn new_order(mut schema: Value) -> Value {
    schema["title"] = json!("New order");
    let properties = &mut schema["properties"];
    properties["channel"] =
        json!({ "type": "string", "description": "A channel whose connector is `staff`." });
    properties["entered_by"] = json!({
        "type": ["string", "null"],
        "description": "Who entered it; whom the token stands for where missing."
    });
    properties["call_ref"] = json!({
        "type": ["object", "null"],
        "description": "The call that it came from.",
        "required": ["provider", "call_id"],
        "properties": { "provider": { "type": "string" }, "call_id": { "type": "string" } },
        "additionalProperties": false,
    });
    properties["confirm_duplicate"] = json!({
        "type": "boolean", "default": false,
        "description": "It is another order, although it looks like one that was just entered."
    });
    if let Some(required) = schema["required"].as_array_mut() {
        required.push(json!("channel"));
    }
    schema
}

/// The parts of the order document that are corrected.
fn edit(document: &Value) -> Value {
    let mut properties = json!({
        "reason": { "type": "string", "description": "Why; kept in the audit log.", "maxLength": 500 },
        "tags": {
            "type": "array", "maxItems": 50,
            "items": { "type": "string", "minLength": 1, "maxLength": 64 },
            "description": "Tags beside the channel's."
        },
    });
    for part in [
        "buyer",
        "ship_to",
        "lines",
        "note",
        "appointment",
        "invoice_request",
    ] {
        properties[part] = document["properties"][part].clone();
    }
    json!({
        "type": "object", "title": "Correction of an order", "minProperties": 1,
        "additionalProperties": false, "properties": properties,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::code::OrderCode;
    use domain::id::OrderId;
    use domain::order::Order;
    use std::collections::BTreeSet;

    /// Compares the names of a value's fields with those of a schema, all the way down.
    fn compare(value: &Value, schema: &Value, schemas: &Map<String, Value>, path: &str) {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap();
            return compare(value, &schemas[name], schemas, path);
        }
        if let Some(options) = schema["oneOf"].as_array() {
            return match value {
                Value::Null => (),
                value => compare(value, &options[0], schemas, path),
            };
        }
        match value {
            Value::Object(map) => {
                let known = schema["properties"].as_object().unwrap();
                let given: BTreeSet<&String> = map.keys().collect();
                assert_eq!(given, known.keys().collect(), "{path}");
                for (key, item) in map {
                    compare(item, &known[key], schemas, &format!("{path}.{key}"));
                }
            }
            Value::Array(items) => {
                for item in items {
                    compare(item, &schema["items"], schemas, path);
                }
            }
            Value::String(word) => {
                let words = schema["enum"].as_array();
                assert!(
                    words.is_none_or(|words| words.contains(&json!(word))),
                    "{path}: {word}"
                );
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    #[test]
    fn the_schema_of_an_order_is_what_an_order_shows() {
        let now = "2026-11-24T01:02:03Z".parse().unwrap();
        let code = OrderCode::new(&"KE".parse().unwrap(), 1).unwrap();
        let order = Order::new(OrderId::from_uuid(1), code, "web", "website", "W-1", now);
        let view = serde_json::to_value(order.view()).unwrap();
        let schemas = schemas();
        compare(&view, &schemas["Order"], &schemas, "order");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, schemas: &Map<String, Value>) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(to)) = map.get("$ref") {
                        assert!(schemas.contains_key(to.rsplit('/').next().unwrap()), "{to}");
                    }
                    map.values().for_each(|value| walk(value, schemas));
                }
                Value::Array(items) => items.iter().for_each(|value| walk(value, schemas)),
                _ => {}
            }
        }
        let schemas = schemas();
        schemas.values().for_each(|schema| walk(schema, &schemas));
    }
}
