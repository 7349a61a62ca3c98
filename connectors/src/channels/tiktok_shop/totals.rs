//! What the buyer pays, split as the money equation wants it.
//!
//! The seller's discount stands on the lines, the vendor's (which it pays back) on the order, and
//! shipping is what the buyer is charged after all discounts on it. A difference that nothing
//! explains stays: it holds the order, and a tag says so.

use domain::money::Amount;
use domain::snapshot::SnapshotTotals;

use super::document::{Payment, PriceDetail, is_set, money};
use super::lines::Lines;
use crate::inbound::PayloadError;
use crate::literal::Literal;

/// The mark of an order whose amounts nothing explains.
pub(super) const UNEXPLAINED: &str = "amounts_unexplained";

/// Values of the voucher fields that are types of vouchers and no amounts.
const VOUCHER_TYPES: [i64; 3] = [1_010_000, 1_020_000, 1_030_000];

/// Amounts of one payment block.
struct Stated<'a> {
    payment: &'a Payment,
    currency: &'a str,
}

impl Stated<'_> {
    fn amount(&self, literal: Option<&Literal>, field: &str) -> Result<i64, PayloadError> {
        Ok(money(literal, &format!("payment.{field}"), self.currency)?.0)
    }

    fn shipping(&self) -> Result<i64, PayloadError> {
        let payment = self.payment;
        if payment.shipping_fee.is_some() {
            return self.amount(payment.shipping_fee.as_ref(), "shipping_fee");
        }
        let original = self.amount(
            payment.original_shipping_fee.as_ref(),
            "original_shipping_fee",
        )?;
        let discounts = [
            payment.shipping_fee_seller_discount.as_ref(),
            payment.shipping_fee_platform_discount.as_ref(),
            payment.shipping_fee_cofunded_discount.as_ref(),
        ];
        discounts.into_iter().try_fold(original, |left, discount| {
            Ok(left - self.amount(discount, "shipping_fee_discount")?)
        })
    }

    /// Taxes and fees on top; all 0 in Vietnam, where prices include the tax.
    fn fees(&self) -> Result<i64, PayloadError> {
        let payment = self.payment;
        [
            payment.tax.as_ref(),
            payment.handling_fee.as_ref(),
            payment.item_insurance_fee.as_ref(),
            payment.shipping_insurance_fee.as_ref(),
            payment.small_order_fee.as_ref(),
            payment.buyer_service_fee.as_ref(),
            payment.payment_discount_service_fee.as_ref(),
        ]
        .into_iter()
        .try_fold(0, |sum, fee| Ok(sum + self.amount(fee, "fees")?))
    }
}

pub(super) fn totals(
    payment: Option<&Payment>,
    price: Option<&PriceDetail>,
    lines: &Lines,
    is_over: bool,
    currency: &str,
    tags: &mut Vec<String>,
) -> Result<SnapshotTotals, PayloadError> {
    let sums = lines.sums;
    let Some(payment) = payment else {
        return Ok(SnapshotTotals {
            channel_discount: Amount(sums.platform),
            ..SnapshotTotals::default()
        });
    };
    let stated = Stated { payment, currency };
    tags.extend(shipping_tags(payment));
    let list = stated.amount(
        payment.original_total_product_price.as_ref(),
        "original_total_product_price",
    )?;
    let mut totals = SnapshotTotals {
        seller_discount: Amount::default(),
        channel_discount: Amount(sums.platform),
        shipping: Amount(stated.shipping()?),
        fees: Amount(stated.fees()?),
        grand_total: None,
    };
    // The block still describes the order with the units that are cancelled: the lines know better.
    if lines.part_cancelled && list != sums.list {
        tags.push("part_cancelled".to_owned());
        return Ok(totals);
    }
    let seller = stated.amount(payment.seller_discount.as_ref(), "seller_discount")?;
    let platform = match &payment.platform_discount {
        Some(_) => stated.amount(payment.platform_discount.as_ref(), "platform_discount")?,
        None => sums.platform,
    };
    let by_means = stated.amount(
        payment.payment_platform_discount.as_ref(),
        "payment_platform_discount",
    )?;
    // What of a discount the lines do not carry is one of the whole order.
    totals.seller_discount = Amount((seller - sums.seller).max(0));
    totals.channel_discount = Amount(platform + by_means);
    let Some(total) = payment.total_amount.as_ref() else {
        return Ok(totals);
    };
    let total = total.amount("payment.total_amount", currency)?;
    // Nothing is owed any more: there is nothing to compare.
    if is_over && total.0 == 0 {
        return Ok(totals);
    }
    totals.grand_total = Some(total);
    let gap = owed(&totals, lines) - total.0;
    if gap != 0 {
        match vouchers(price, gap, currency) {
            Some((seller, platform)) => {
                totals.seller_discount.0 += seller;
                totals.channel_discount.0 += platform;
                tags.push("vouchers_from_price_detail".to_owned());
            }
            None => tags.push(UNEXPLAINED.to_owned()),
        }
    }
    Ok(totals)
}

fn owed(totals: &SnapshotTotals, lines: &Lines) -> i64 {
    lines.sums.list - lines.sums.seller - totals.seller_discount.0 - totals.channel_discount.0
        + totals.shipping.0
        + totals.fees.0
}

/// The vouchers of the price detail, where they are just what is missing.
fn vouchers(price: Option<&PriceDetail>, gap: i64, currency: &str) -> Option<(i64, i64)> {
    let amount = |literal: Option<&Literal>| {
        let amount = money(literal, "voucher", currency).ok()?.0;
        Some(if VOUCHER_TYPES.contains(&amount) {
            0
        } else {
            amount
        })
    };
    let price = price?;
    let seller = amount(price.voucher_deduction_seller.as_ref())?;
    let platform = amount(price.voucher_deduction_platform.as_ref())?;
    [(seller, platform), (seller, 0), (0, platform)]
        .into_iter()
        .find(|(seller, platform)| gap > 0 && seller + platform == gap)
}

/// Who gave the buyer the discount on shipping: what the seller gave comes off the payout.
fn shipping_tags(payment: &Payment) -> impl Iterator<Item = String> {
    [
        (
            payment.shipping_fee_seller_discount.as_ref(),
            "shipping_discount:seller",
        ),
        (
            payment.shipping_fee_platform_discount.as_ref(),
            "shipping_discount:platform",
        ),
        (
            payment.shipping_fee_cofunded_discount.as_ref(),
            "shipping_discount:cofunded",
        ),
    ]
    .into_iter()
    .filter(|(amount, _)| is_set(*amount))
    .map(|(_, tag)| tag.to_owned())
}
