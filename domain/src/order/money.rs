//! The money equation of an order:
//! `line.total = quantity × unit_price − discount`, `items = Σ line.total`,
//! `grand_total = items − seller_discount − channel_discount + shipping + fees`.

use crate::money::Amount;
use crate::snapshot::{SnapshotLine, SnapshotTotals};

/// `quantity × unit_price − discount`; `None` if it does not fit 64 bits.
pub(super) fn line_total(line: &SnapshotLine) -> Option<Amount> {
    line.unit_price
        .checked_mul(i64::from(line.quantity))?
        .checked_sub(line.discount)
}

/// The sum of the lines that are still wanted.
pub(super) fn items(lines: &[SnapshotLine]) -> Option<Amount> {
    lines
        .iter()
        .filter(|line| line.quantity > 0)
        .try_fold(Amount::ZERO, |sum, line| sum.checked_add(line_total(line)?))
}

/// What the equation gives for the order.
pub(super) fn grand_total(items: Amount, totals: &SnapshotTotals) -> Option<Amount> {
    items
        .checked_sub(totals.seller_discount)?
        .checked_sub(totals.channel_discount)?
        .checked_add(totals.shipping)?
        .checked_add(totals.fees)
}

/// The first field that does not fit the equation, `lines[2].total` or `totals.grand_total`.
/// A channel that states no grand total leaves nothing to compare.
pub(super) fn misfit(lines: &[SnapshotLine], totals: &SnapshotTotals) -> Option<String> {
    for line in lines {
        // Lines that are no longer wanted may keep a discount.
        if line.quantity > 0 && line_total(line).is_none_or(Amount::is_negative) {
            return Some(format!("lines[{}].total", line.id));
        }
    }
    let parts = [
        ("totals.seller_discount", totals.seller_discount),
        ("totals.channel_discount", totals.channel_discount),
        ("totals.shipping", totals.shipping),
    ];
    if let Some((field, _)) = parts.iter().find(|(_, amount)| amount.is_negative()) {
        return Some((*field).to_owned());
    }
    let Some(items) = items(lines) else {
        return Some("totals.items".to_owned());
    };
    match (grand_total(items, totals), totals.grand_total) {
        (None, _) => Some("totals.grand_total".to_owned()),
        (Some(sum), Some(stated)) if sum != stated => Some("totals.grand_total".to_owned()),
        (Some(sum), _) if sum.is_negative() => Some("totals.grand_total".to_owned()),
        (Some(_), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::testing::line;

    fn totals(grand_total: i64) -> SnapshotTotals {
        SnapshotTotals {
            seller_discount: Amount(50_000),
            channel_discount: Amount(10_000),
            shipping: Amount(30_000),
            fees: Amount(1_000),
            grand_total: Some(Amount(grand_total)),
        }
    }

    #[test]
    fn the_equation_names_the_field_that_does_not_fit() {
        let mut lines = vec![line("1", "A", 2, 100_000), line("2", "B", 1, 50_000)];
        lines[0].discount = Amount(20_000);
        assert_eq!(misfit(&lines, &totals(201_000)), None);
        assert_eq!(
            misfit(&lines, &totals(201_001)).unwrap(),
            "totals.grand_total"
        );
        lines[1].discount = Amount(50_001);
        assert_eq!(misfit(&lines, &totals(201_000)).unwrap(), "lines[2].total");
    }

    #[test]
    fn sums_beyond_64_bits_are_a_misfit_and_no_panic() {
        let lines = vec![line("1", "A", u32::MAX, i64::MAX)];
        assert_eq!(misfit(&lines, &totals(0)).unwrap(), "lines[1].total");
        let lines = vec![line("1", "A", 1, i64::MAX), line("2", "A", 1, i64::MAX)];
        assert_eq!(misfit(&lines, &totals(0)).unwrap(), "totals.items");
    }
}
