//! Numbers as the vendor wrote them: never through a float, ids beyond 2^53 included.

use std::fmt;

use domain::money::{Amount, Currency, parse_literal, parse_literal_in};
use rust_decimal::prelude::ToPrimitive as _;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::inbound::PayloadError;
use crate::payload::MAX_AMOUNT;

/// A JSON number or text, kept as its literal: vendors write the same field both ways.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Literal(String);

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Number(number) => Ok(Self(number.to_string())),
            Value::String(text) => Ok(Self(text)),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                Err(serde::de::Error::custom("expected a number or a text"))
            }
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Literal {
    /// The literal itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Zero or nothing: vendors use both for "none".
    #[must_use]
    pub fn is_zero_or_empty(&self) -> bool {
        self.0.is_empty() || parse_literal(&self.0).is_ok_and(Amount::is_zero)
    }

    /// The amount in minor units of `currency`.
    ///
    /// # Errors
    /// Names `field` when this is not a number or has more places than the currency.
    pub fn amount(&self, field: &str, currency: &str) -> Result<Amount, PayloadError> {
        amount(&self.0, field, currency)
    }

    /// A whole number (`2`, `"2"`, `2.0`).
    ///
    /// # Errors
    /// Names `field` when this is not a whole number that fits.
    pub fn whole(&self, field: &str) -> Result<i64, PayloadError> {
        // Whole đồng and whole units are read by the same rule.
        parse_literal(&self.0)
            .map(Amount::minor_units)
            .map_err(|_| PayloadError::new(format!("{field}: expected a whole number")))
    }
}

/// Reads a decimal literal (`1290000`, `"1290000.00"`, `1.29e6`) as minor units of `currency`,
/// exactly.
///
/// # Errors
/// Names `field` when it is not a number, has more places than the currency, or does not fit.
pub fn amount(literal: &str, field: &str, currency: &str) -> Result<Amount, PayloadError> {
    let currency = known_currency(currency)?;
    let amount = parse_literal_in(currency, literal)
        .map_err(|error| PayloadError::new(format!("{field}: {error}")))?;
    bounded(amount.minor_units(), field)
}

/// The currency of an order.
///
/// # Errors
/// Names the field `currency` when the code is not one that shops here meet.
pub fn known_currency(code: &str) -> Result<Currency, PayloadError> {
    code.parse()
        .map_err(|_| PayloadError::new("currency: expected a known ISO 4217 code"))
}

/// The sum of decimal literals in minor units of `currency`, half a unit rounded away from zero,
/// and whether anything was rounded.
///
/// # Errors
/// Names `field` when one is not a number or the sum is too large.
pub fn rounded_sum<'a>(
    literals: impl IntoIterator<Item = &'a str>,
    field: &str,
    currency: &str,
) -> Result<(Amount, bool), PayloadError> {
    let wrong = |why| PayloadError::new(format!("{field}: {why}"));
    let mut sum = Decimal::ZERO;
    for literal in literals {
        // WooCommerce writes nothing where it means zero.
        if !literal.trim().is_empty() {
            let part = decimal(literal).ok_or_else(|| wrong("expected an amount"))?;
            sum = sum
                .checked_add(part)
                .ok_or_else(|| wrong("the amount is too large"))?;
        }
    }
    let places = u32::from(known_currency(currency)?.exponent());
    let factor = Decimal::from(10_i64.pow(places));
    let minor = sum
        .checked_mul(factor)
        .ok_or_else(|| wrong("the amount is too large"))?;
    let whole = minor.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    let units = whole
        .to_i64()
        .ok_or_else(|| wrong("the amount is too large"))?;
    Ok((bounded(units, field)?, whole != minor))
}

fn bounded(units: i64, field: &str) -> Result<Amount, PayloadError> {
    if units.unsigned_abs() > MAX_AMOUNT.unsigned_abs() {
        return Err(PayloadError::new(format!(
            "{field}: the amount is too large"
        )));
    }
    Ok(Amount(units))
}

fn decimal(literal: &str) -> Option<Decimal> {
    let literal = literal.trim();
    if literal.contains(['e', 'E']) {
        return Decimal::from_scientific(literal).ok();
    }
    Decimal::from_str_exact(literal).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vnd(literal: &str) -> Result<i64, PayloadError> {
        amount(literal, "total", "VND").map(|a| a.0)
    }

    #[test]
    fn spellings_of_the_same_amount_are_the_same_amount() {
        for text in [
            "1290000",
            "1290000.0",
            "1290000.00",
            "1.29e6",
            "1.29E+6",
            " 1290000 ",
        ] {
            assert_eq!(vnd(text).unwrap(), 1_290_000, "{text}");
        }
        assert_eq!(amount("12.5", "t", "USD").unwrap(), Amount(1250));
    }

    #[test]
    fn what_is_not_a_whole_amount_is_refused_by_field_name() {
        for text in [
            "0.5",
            "abc",
            "",
            "1e40",
            "99999999999999999999",
            "NaN",
            "1,000",
        ] {
            let error = vnd(text).unwrap_err();
            assert!(error.what.starts_with("total: "), "{error}");
        }
    }

    #[test]
    fn an_id_beyond_the_exact_floats_keeps_every_digit() {
        let id: Literal = serde_json::from_str("1074523198822400001").unwrap();
        assert_eq!(id.as_str(), "1074523198822400001");
    }
}
