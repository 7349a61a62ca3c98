//! Reading vendors' messages: errors that name the field and never repeat its content, and limits
//! that keep every later sum within 64 bits.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::inbound::PayloadError;
use crate::literal::Literal;

/// The largest single amount taken, in minor units. With [`MAX_QUANTITY`] and [`MAX_LINES`] no sum
/// over an order can leave 64 bits.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000;

/// The most units of one line.
pub const MAX_QUANTITY: u32 = 10_000;

/// The most lines of one order.
pub const MAX_LINES: usize = 500;

/// Vendors' order ids are short; a longer one is not an id.
const MAX_ID: usize = 64;

/// Reads a JSON document.
///
/// # Errors
/// Path and expectation of the first wrong field, without its content.
pub fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, PayloadError> {
    serde_json::from_slice(bytes)
        .or_else(|_| tracked(bytes))
        .map_err(|misread| match misread.path {
            Some(path) => PayloadError::new(format!("{path}: {}", misread.message)),
            None => PayloadError::new(misread.message),
        })
}

/// Why a document could not be read.
#[derive(Debug)]
pub(crate) struct Misread {
    /// The first wrong field; `.` for the whole, nothing where no field is to blame.
    pub(crate) path: Option<String>,
    /// What was expected, without the content.
    pub(crate) message: String,
}

/// Reads a document again that could not be read, to learn where: keeping the path costs more than
/// the reading, and nearly all documents are good.
///
/// # Errors
/// Path and expectation of the first wrong field, without its content.
pub(crate) fn tracked<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Misread> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| Misread {
        path: Some(error.path().to_string()),
        message: expectation(&error.inner().to_string()),
    })?;
    reader.end().map_err(|_| Misread {
        path: None,
        message: "text after the JSON document".to_owned(),
    })?;
    Ok(value)
}

/// What was expected, out of a message of serde: those quote the content before the last
/// `, expected`, and what follows comes from the type alone.
#[must_use]
pub fn expectation(message: &str) -> String {
    let message = message
        .rfind(" at line ")
        .map_or(message, |position| &message[..position]);
    if let Some(position) = message.rfind(", expected ") {
        return message[position + 2..].to_owned();
    }
    let known = ["missing field", "duplicate field", "EOF", "expected"];
    if known.iter().any(|words| message.starts_with(words)) {
        return message.to_owned();
    }
    "not of the expected form".to_owned()
}

/// Checks an id that a vendor gave to an order: short, printable ASCII, no spaces. It goes into
/// addresses and keys.
///
/// # Errors
/// Names `field`.
pub fn external_id(text: &str, field: &str) -> Result<String, PayloadError> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || text.len() > MAX_ID || !printable {
        return Err(PayloadError::new(format!(
            "{field}: expected 1 to {MAX_ID} printable characters without spaces"
        )));
    }
    Ok(text.to_owned())
}

/// A number of units, 0 to [`MAX_QUANTITY`].
///
/// # Errors
/// Names `field`.
pub fn quantity(literal: &Literal, field: &str) -> Result<u32, PayloadError> {
    u32::try_from(literal.whole(field)?)
        .ok()
        .filter(|units| *units <= MAX_QUANTITY)
        .ok_or_else(|| PayloadError::new(format!("{field}: expected 0 to {MAX_QUANTITY} units")))
}

/// SHA-256 of a body in hexadecimal, for keys where the vendor gives nothing better.
#[must_use]
pub fn digest(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// A vendor's word made safe for logs, tags and reasons: letters, digits and `_-.:/`, 40 at most.
#[must_use]
pub fn word(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/'))
        .take(40)
        .collect()
}

/// A vendor's sentence made safe for logs and reasons: numbers become `#`, letters beyond ASCII and
/// most marks fall away, 120 characters at most.
#[must_use]
pub fn sentence(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars().take(120) {
        if c.is_ascii_digit() {
            if !safe.ends_with('#') {
                safe.push('#');
            }
        } else if c.is_ascii_alphabetic() || matches!(c, ' ' | '_' | '-' | '.' | '[' | ']') {
            safe.push(c);
        }
    }
    safe.trim().to_owned()
}

/// `None` for an empty or blank text.
#[must_use]
pub fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Sample {
        #[serde(rename = "phone")]
        _phone: u32,
    }

    #[test]
    fn an_error_names_the_field_and_not_its_content() {
        for body in [
            r#"{"phone":"0901234567"}"#,
            r#"{"phone":"0901234567, expected secret"}"#,
            r#"{"phone":-1}"#,
            r#"{}"#,
            r#"{"phone":"#,
            r#"["0901234567"]x"#,
        ] {
            let error = read::<Sample>(body.as_bytes()).unwrap_err();
            assert!(!error.what.contains("0901234567"), "{error}");
            assert!(!error.what.contains("secret"), "{error}");
        }
        let error = read::<Sample>(br#"{"phone":"0901"}"#).unwrap_err();
        assert_eq!(error.what, "phone: expected u32");
    }

    #[test]
    fn a_sentence_keeps_no_number_and_no_name() {
        assert_eq!(
            sentence("order of Đỗ Ánh, 0901 234 567: not found"),
            "order of  nh # # # not found"
        );
        assert_eq!(sentence(&"x".repeat(500)).len(), 120);
    }

    #[test]
    fn an_id_that_is_none_is_refused() {
        for wrong in ["", "a b", "đ", &"1".repeat(65), "a\nb"] {
            assert!(external_id(wrong, "id").is_err(), "{wrong}");
        }
    }
}
