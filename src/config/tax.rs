//! `tax.toml`: VAT rates by class and day. The rate of an invoice is fixed when it is issued.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;

/// `tax.toml` as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "tax.toml")]
pub(super) struct Written {
    /// Rates; the periods of one class must not overlap.
    pub rate: Vec<WrittenRate>,
}

/// `[[rate]]` as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRate {
    /// The tax class that products name.
    #[schemars(length(min = 1))]
    pub class: String,
    /// Percent.
    #[schemars(range(max = 100))]
    pub rate: u32,
    /// First day, as `2025-07-01`.
    #[schemars(with = "String")]
    pub valid_from: Date,
    /// Last day; open if it is left out.
    #[schemars(with = "Option<String>")]
    pub valid_to: Option<Date>,
    /// The law or decree.
    #[schemars(length(min = 1))]
    pub legal_reference: String,
}

/// A rate in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxRate {
    /// The tax class that products name.
    pub class: String,
    /// Percent, 0 for exempt classes.
    pub percent: u32,
    /// First day.
    pub valid_from: Date,
    /// Last day; `None`: open.
    pub valid_to: Option<Date>,
    /// The law or decree.
    pub legal_reference: String,
}

impl TaxRate {
    pub(super) fn holds_on(&self, day: Date) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|last| day <= last)
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.class == other.class
            && other.valid_to.is_none_or(|last| self.valid_from <= last)
            && self.valid_to.is_none_or(|last| other.valid_from <= last)
    }
}

/// All rates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tax {
    rates: Vec<TaxRate>,
}

impl Tax {
    /// From rates whose periods do not overlap.
    pub(super) fn new(rates: Vec<TaxRate>) -> Self {
        Self { rates }
    }

    /// The rate of a class on a legal day (Asia/Ho_Chi_Minh); `None` if no law is entered for it.
    #[must_use]
    pub fn rate_on(&self, class: &str, day: Date) -> Option<&TaxRate> {
        self.rates
            .iter()
            .find(|rate| rate.class == class && rate.holds_on(day))
    }

    /// Whether any rate is entered for the class.
    #[must_use]
    pub fn knows(&self, class: &str) -> bool {
        self.rates.iter().any(|rate| rate.class == class)
    }

    /// All rates, as entered.
    #[must_use]
    pub fn rates(&self) -> &[TaxRate] {
        &self.rates
    }
}
