//! Sums of the decimal texts and numbers that shops write.

use domain::money::Amount;

use crate::inbound::PayloadError;
use crate::literal::{self, Literal};

/// Sums literals exactly; what does not come out in whole minor units is rounded and remembered,
/// because a shop may be set to show more places than its currency has.
pub(in crate::channels) struct Money<'a> {
    currency: &'a str,
    rounded: bool,
}

impl<'a> Money<'a> {
    pub(in crate::channels) fn of(currency: &'a str) -> Self {
        Self {
            currency,
            rounded: false,
        }
    }

    pub(in crate::channels) fn sum(
        &mut self,
        field: &str,
        parts: &[Option<&Literal>],
    ) -> Result<Amount, PayloadError> {
        let texts = parts.iter().flatten().map(|part| part.as_str());
        let (amount, rounded) = literal::rounded_sum(texts, field, self.currency)?;
        self.rounded |= rounded;
        Ok(amount)
    }

    /// Something was rounded.
    pub(in crate::channels) fn rounded(&self) -> bool {
        self.rounded
    }
}

/// The price of one unit and the discount of a line that comes to `net`, where its `units` are
/// worth `gross` before discounts. A price that does not divide evenly is rounded up and the
/// discount takes the rest, so that the line's total is exact.
pub(in crate::channels) fn unit_price(gross: Amount, net: Amount, units: u32) -> (Amount, Amount) {
    let units = i64::from(units);
    let price = (gross.0.max(net.0) + units - 1).div_euclid(units);
    (Amount(price), Amount(price * units - net.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_does_not_divide_comes_to_its_total_all_the_same() {
        let (price, discount) = unit_price(Amount(1_000_000), Amount(900_000), 3);
        assert_eq!((price, discount), (Amount(333_334), Amount(100_002)));
        assert_eq!(price.0 * 3 - discount.0, 900_000);
    }
}
