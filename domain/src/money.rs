//! Money as whole minor units with a currency. VND has no minor unit: one unit is one đồng.
//!
//! Literals are read digit by digit, never through a float: `1.29e6` and `"1290000.0"` are the
//! same integer, and a fraction of a đồng is an error rather than something to round away.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why an amount could not be read. The text itself is not repeated: it may be any field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a decimal number (a thousands separator is not one either).
    #[error("could not read the amount: it is not a plain decimal number")]
    NotANumber,
    /// A fraction smaller than the currency's minor unit.
    #[error("could not read the amount: it has a fraction that {0} does not have")]
    Fraction(Currency),
    /// More than 64 bits of minor units.
    #[error("could not read the amount: it is out of range")]
    OutOfRange,
    /// A currency that is not in [`Currency`].
    #[error("could not read the currency: unknown code")]
    UnknownCurrency,
}

/// An amount in the order's currency, in minor units (whole đồng for VND). May be negative
/// (a discount, a refund).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Amount(pub i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The number of minor units.
    #[must_use]
    pub const fn minor_units(self) -> i64 {
        self.0
    }

    /// Whether nothing is owed either way.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The sum, or `None` beyond 64 bits.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The difference, or `None` beyond 64 bits.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// A unit price times a quantity, or `None` beyond 64 bits.
    #[must_use]
    pub const fn checked_mul(self, quantity: i64) -> Option<Self> {
        match self.0.checked_mul(quantity) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The opposite amount, or `None` for the one value that has none.
    #[must_use]
    pub const fn checked_neg(self) -> Option<Self> {
        match self.0.checked_neg() {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The sum, held at the limits. For figures that people look at, never for what is charged.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, held at the limits. For figures that people look at.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The amount, or zero where it is negative (what is still to pay after an overpayment).
    #[must_use]
    pub fn at_least_zero(self) -> Self {
        self.max(Self::ZERO)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The sum of all amounts, or `None` as soon as it leaves 64 bits.
pub fn sum(amounts: impl IntoIterator<Item = Amount>) -> Option<Amount> {
    amounts
        .into_iter()
        .try_fold(Amount::ZERO, Amount::checked_add)
}

/// Reads a VND money literal: a JSON number or string as it stands in the document
/// (`1290000`, `1290000.00`, `1.29e6`, `"1290000.0"`, `-5000`).
///
/// # Errors
/// [`Error::Fraction`] for part of a đồng, [`Error::NotANumber`] for anything else than a decimal
/// number (so `1.290.000` and `1,290,000`, whose separators would be a guess),
/// [`Error::OutOfRange`] beyond 64 bits.
pub fn parse_literal(literal: &str) -> Result<Amount, Error> {
    parse_literal_in(Currency::Vnd, literal)
}

/// Reads a money literal in major units of `currency` (`"99.00"` USD is 9900 cents).
///
/// # Errors
/// As [`parse_literal`].
pub fn parse_literal_in(currency: Currency, literal: &str) -> Result<Amount, Error> {
    let number = unquote(literal.trim());
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (number, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return Err(Error::NotANumber),
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return Err(Error::NotANumber);
    }

    // digits × 10^scale minor units, with the zeros at both ends taken off first, so that
    // neither `0e999999` nor `1290000.000000000000000000000` is out of range.
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Ok(Amount::ZERO);
    }
    let trailing_zeros = length(digits) - length(significant);
    let scale = exponent + trailing_zeros - length(fraction) + i64::from(currency.exponent());
    if scale < 0 {
        return Err(Error::Fraction(currency));
    }
    if length(significant).saturating_add(scale) > MAX_DIGITS {
        return Err(Error::OutOfRange);
    }
    let sign = if negative { "-" } else { "" };
    let zeros = "0".repeat(usize::try_from(scale).map_err(|_| Error::OutOfRange)?);
    format!("{sign}{significant}{zeros}")
        .parse()
        .map(Amount)
        .map_err(|_| Error::OutOfRange)
}

/// The longest `i64` has 19 digits.
const MAX_DIGITS: i64 = 19;

/// Exponents are held to this, far beyond any amount and far from any overflow.
const MAX_EXPONENT: i64 = 1_000_000_000_000;

fn unquote(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .map_or(text, str::trim)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(MAX_EXPONENT)
}

fn read_exponent(text: &str) -> Result<i64, Error> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !is_digits(digits) {
        return Err(Error::NotANumber);
    }
    // Too long to parse means far out of any range; the caller's limits then say which way.
    let size = digits
        .parse::<i64>()
        .unwrap_or(MAX_EXPONENT)
        .min(MAX_EXPONENT);
    Ok(if negative { -size } else { size })
}

/// A currency that orders may come in (ISO 4217).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Vietnamese đồng, no minor unit.
    #[default]
    Vnd,
    /// US dollar.
    Usd,
    /// Euro.
    Eur,
    /// Singapore dollar.
    Sgd,
    /// Thai baht.
    Thb,
    /// Malaysian ringgit.
    Myr,
    /// Chinese yuan.
    Cny,
    /// Japanese yen, no minor unit.
    Jpy,
    /// South Korean won, no minor unit.
    Krw,
}

impl Currency {
    const ALL: [Self; 9] = [
        Self::Vnd,
        Self::Usd,
        Self::Eur,
        Self::Sgd,
        Self::Thb,
        Self::Myr,
        Self::Cny,
        Self::Jpy,
        Self::Krw,
    ];

    /// The three-letter code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Vnd => "VND",
            Self::Usd => "USD",
            Self::Eur => "EUR",
            Self::Sgd => "SGD",
            Self::Thb => "THB",
            Self::Myr => "MYR",
            Self::Cny => "CNY",
            Self::Jpy => "JPY",
            Self::Krw => "KRW",
        }
    }

    /// How many decimal places the minor unit has (ISO 4217).
    #[must_use]
    pub const fn exponent(self) -> u8 {
        match self {
            Self::Vnd | Self::Jpy | Self::Krw => 0,
            Self::Usd | Self::Eur | Self::Sgd | Self::Thb | Self::Myr | Self::Cny => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        Self::ALL
            .into_iter()
            .find(|currency| currency.code().eq_ignore_ascii_case(text))
            .ok_or(Error::UnknownCurrency)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_way_to_write_an_amount_gives_the_same_integer() {
        for literal in [
            "1290000",
            "1290000.00",
            "1.29e6",
            "1.29E+6",
            "129e4",
            "12900000e-1",
            "\"1290000\"",
            "\"1290000.0\"",
            " 1290000 ",
            "1290000.00000000000000000000000000",
        ] {
            assert_eq!(parse_literal(literal), Ok(Amount(1_290_000)), "{literal}");
        }
        assert_eq!(parse_literal("-5000"), Ok(Amount(-5_000)));
        assert_eq!(parse_literal("0e999999999999999999999"), Ok(Amount::ZERO));
        assert_eq!(parse_literal("-0.00"), Ok(Amount::ZERO));
        assert_eq!(parse_literal("-9223372036854775808"), Ok(Amount(i64::MIN)));
    }

    #[test]
    fn a_fraction_of_a_dong_is_refused_not_rounded() {
        for literal in [
            "0.5",
            "1290000.01",
            "1.290",
            "1e-1",
            "1e-99999999999999999999",
        ] {
            assert_eq!(
                parse_literal(literal),
                Err(Error::Fraction(Currency::Vnd)),
                "{literal}"
            );
        }
    }

    #[test]
    fn what_is_not_a_plain_number_is_refused() {
        for literal in [
            "",
            "\"\"",
            "-",
            "1.290.000",
            "1,290,000",
            "1290000đ",
            "NaN",
            "null",
            "1e",
            "1e+",
            "e6",
            ".5",
            "5.",
            "--5",
            "0x10",
            "1 290 000",
            "\"1290000",
            "1e5.0",
        ] {
            assert_eq!(parse_literal(literal), Err(Error::NotANumber), "{literal}");
        }
        for literal in ["9223372036854775808", "1e19", "1e9999999999999999999999"] {
            assert_eq!(parse_literal(literal), Err(Error::OutOfRange), "{literal}");
        }
    }

    #[test]
    fn dollars_are_read_as_cents() {
        assert_eq!(
            parse_literal_in(Currency::Usd, "\"99.00\""),
            Ok(Amount(9_900))
        );
        assert_eq!(parse_literal_in(Currency::Usd, "99.5"), Ok(Amount(9_950)));
        assert_eq!(
            parse_literal_in(Currency::Usd, "0.001"),
            Err(Error::Fraction(Currency::Usd))
        );
    }

    #[test]
    fn currency_codes_survive_json_and_text() {
        for currency in Currency::ALL {
            let json = serde_json::to_string(&currency).unwrap();
            assert_eq!(json, format!("\"{currency}\""));
            assert_eq!(serde_json::from_str::<Currency>(&json).unwrap(), currency);
            assert_eq!(currency.code().parse(), Ok(currency));
        }
        assert_eq!("XAU".parse::<Currency>(), Err(Error::UnknownCurrency));
    }

    #[test]
    fn arithmetic_says_when_it_leaves_the_range() {
        assert_eq!(Amount(7).checked_mul(3), Some(Amount(21)));
        assert_eq!(Amount(i64::MAX).checked_add(Amount(1)), None);
        assert_eq!(Amount(i64::MIN).checked_neg(), None);
        assert_eq!(sum([Amount(1), Amount(2), Amount(-4)]), Some(Amount(-1)));
        assert_eq!(sum([Amount(i64::MAX), Amount(1)]), None);
    }

    proptest! {
        #[test]
        fn a_written_amount_is_read_back(units: i64, zeros in 0_usize..30) {
            let decimals = "0".repeat(zeros);
            let literal = if zeros == 0 { units.to_string() } else { format!("{units}.{decimals}") };
            prop_assert_eq!(parse_literal(&literal), Ok(Amount(units)));
        }

        #[test]
        fn any_text_is_safe_and_what_is_read_is_written_back(text in "[-+0-9.eE\" ]{0,40}") {
            if let Ok(amount) = parse_literal(&text) {
                prop_assert_eq!(parse_literal(&amount.to_string()), Ok(amount));
            }
        }
    }
}
