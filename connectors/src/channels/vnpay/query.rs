//! VNPay's query: which of its pairs are signed, and what they hold.

use crate::form;
use crate::inbound::{PayloadError, Proof, Rejection};
use crate::settings::Secrets;
use crate::signature::vnpay_query;

/// Checks the signature: first over the pairs as received, then over the pairs decoded and
/// encoded anew, for a proxy that spelled them otherwise on the way (PHP escapes `*`, browsers
/// and Java do not).
pub(super) fn verify(secrets: &Secrets, query: &str) -> Result<Proof, Rejection> {
    let own = own_pairs(query);
    let raw: Vec<String> = own.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let first = match vnpay_query(secrets, &raw.join("&")) {
        Err(Rejection::BadSignature) => Rejection::BadSignature,
        other => return other,
    };
    for bare in ["-._*", "-._"] {
        let again: Vec<String> = own
            .iter()
            .map(|(k, v)| format!("{k}={}", form::encode(&form::decode(v), bare)))
            .collect();
        if let Ok(proof) = vnpay_query(secrets, &again.join("&")) {
            return Ok(proof);
        }
    }
    Err(first)
}

/// The pairs that VNPay sent; others may have been in the address before.
fn own_pairs(query: &str) -> Vec<(&str, &str)> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, value)| key.starts_with("vnp_") && !value.is_empty())
        .collect()
}

/// The fields, decoded, each once.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads the fields that a signature covers, as the signature saw them: a key that stands
    /// twice could mean two things.
    ///
    /// # Errors
    /// When a key is repeated.
    pub(super) fn read(query: &str) -> Result<Self, PayloadError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (key, value) in own_pairs(query) {
            if fields.iter().any(|(known, _)| known == key) {
                return Err(PayloadError::new("a field is repeated"));
            }
            fields.push((key.to_owned(), form::decode(value)));
        }
        Ok(Self(fields))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, PayloadError> {
        self.get(name)
            .ok_or_else(|| PayloadError::new(format!("{name}: missing")))
    }
}
