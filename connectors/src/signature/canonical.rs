//! Kind I: a signature over re-serialised JSON (Casso v2), the only kind that needs parsing first.

use serde_json::Value;

use super::{HmacSha512, accept, hex_tag, mac_holds};
use crate::inbound::{Proof, Rejection};
use crate::settings::Secrets;

/// `t=<ms>,v1=<hex>`: HMAC-SHA512 over `{t}.` and the body as compact JSON with object keys sorted
/// at every level, non-ASCII and `/` unescaped, numbers as written. The vendor documents no window
/// for `t`: a repeat is caught by the transaction id.
///
/// # Errors
/// Missing, malformed or not made with any of the secrets; malformed when the body is not JSON.
pub fn casso(secrets: &Secrets, body: &[u8], given: Option<&str>) -> Result<Proof, Rejection> {
    let given = given.ok_or(Rejection::MissingSignature)?;
    let field = |name: &str| {
        given
            .split(',')
            .find_map(|part| part.trim().strip_prefix(name))
            .ok_or(Rejection::MalformedSignature)
    };
    let timestamp = field("t=")?;
    let tag = hex_tag("", Some(field("v1=")?))?;
    let document: Value = serde_json::from_slice(body).map_err(|_| Rejection::Malformed)?;
    let mut canonical = String::with_capacity(body.len());
    write_sorted(&document, &mut canonical);
    let signed = [timestamp.as_bytes(), b".", canonical.as_bytes()];
    accept(
        secrets
            .keys()
            .any(|key| mac_holds::<HmacSha512>(key, &signed, &tag)),
    )
}

/// Sorted here and not by the map type, so that another crate's choice of features cannot change
/// what is signed. Depth is bounded by the parser.
fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (index, (key, item)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(item, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_sorted(item, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string());
        }
    }
}
