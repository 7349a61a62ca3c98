//! Lead forms: what a person typed into an advertisement.

use domain::snapshot::Buyer;
use serde_json::Value;

use super::envelope::text;
use super::graph::moment;
use crate::inbound::{ConversationNotice, PayloadError};
use crate::payload::word;

/// A lead form's answers.
pub(super) fn read(page: &str, document: &[u8]) -> Result<ConversationNotice, PayloadError> {
    let document: Value = serde_json::from_slice(document)
        .map_err(|_| PayloadError::new("the document is not JSON"))?;
    let id = text(&document, "/id").ok_or_else(|| PayloadError::new("id: missing"))?;
    let at = text(&document, "/created_time")
        .and_then(|t| moment(&t))
        .ok_or_else(|| PayloadError::new("created_time: expected a time"))?;
    let fields = document
        .get("field_data")
        .and_then(Value::as_array)
        .ok_or_else(|| PayloadError::new("field_data: expected a list"))?;
    let mut buyer = Buyer::default();
    let mut names = [None, None];
    let mut address = [None, None, None];
    let mut hints = vec![format!("leadgen_id:{id}")];
    if let Some(form) = text(&document, "/form_id") {
        hints.push(format!("form_id:{form}"));
    }
    for field in fields {
        let Some(name) = text(field, "/name") else {
            continue;
        };
        let values: Vec<String> = field
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|value| text(value, ""))
            .collect();
        if values.is_empty() {
            continue;
        }
        let value = Some(values.join(", "));
        match name.as_str() {
            "full_name" => buyer.name = value,
            "first_name" => names[1] = value,
            "last_name" => names[0] = value,
            "phone_number" | "phone" => buyer.phone = value,
            "email" => buyer.email = value,
            "street_address" => address[0] = value,
            "city" => address[1] = value,
            "province" | "state" => address[2] = value,
            _ => hints.push(format!("{}:{}", word(&name), values.join(", "))),
        }
    }
    if buyer.name.is_none() {
        // Vietnamese order: family name first.
        buyer.name = joined(names, " ");
    }
    let person = format!("lead:{id}");
    Ok(ConversationNotice {
        message_id: person.clone(),
        person,
        account: page.to_owned(),
        kind: "form".to_owned(),
        outgoing: false,
        text: None,
        buyer: Some(buyer),
        address: joined(address, ", "),
        lines: Vec::new(),
        at,
        hints,
    })
}

fn joined<const N: usize>(parts: [Option<String>; N], between: &str) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(between))
}
