//! A Tiki invoice as order-level amounts:
//! `grand_total = subtotal − discounts + shipping after discount + handling fee + other fee`.
//!
//! The subtotal is the sum of prices, so discounts stand on the order; who pays them stands on the
//! lines.

use domain::money::Amount;
use domain::snapshot::SnapshotTotals;
use serde::Deserialize;

use crate::inbound::PayloadError;
use crate::literal::Literal;

#[derive(Deserialize)]
pub(super) struct Invoice {
    pub(super) grand_total: Option<Literal>,
    pub(super) collectible_amount: Option<Literal>,
    pub(super) coupon_code: Option<String>,
    discount_amount: Option<Literal>,
    discount_tikixu: Option<Literal>,
    gift_card_amount: Option<Literal>,
    shipping_amount_after_discount: Option<Literal>,
    handling_fee: Option<Literal>,
    other_fee: Option<Literal>,
}

/// The parts of a line that say who pays its discount.
#[derive(Clone, Copy)]
pub(super) struct Discounts<'a> {
    pub(super) invoice: Option<&'a LineInvoice>,
    pub(super) detail: Option<&'a IncomeDetail>,
}

#[derive(Deserialize)]
pub(super) struct LineInvoice {
    discount_coupon: Option<Literal>,
    #[serde(default)]
    is_seller_discount_coupon: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct IncomeDetail {
    discount: Option<IncomeDiscount>,
}

#[derive(Deserialize)]
struct IncomeDiscount {
    discount_coupon: Option<CouponSplit>,
}

#[derive(Deserialize)]
struct CouponSplit {
    seller_discount: Option<Literal>,
    platform_discount: Option<Literal>,
}

/// What the lines say of coupons.
#[derive(Default)]
struct Coupons {
    seller: i64,
    platform: i64,
}

pub(super) fn totals<'a>(
    invoice: &Invoice,
    lines: impl Iterator<Item = Discounts<'a>>,
    currency: &str,
    tags: &mut Vec<String>,
) -> Result<SnapshotTotals, PayloadError> {
    let amount = |literal: &Option<Literal>, field: &str| match literal {
        Some(literal) if !literal.as_str().is_empty() => {
            literal.amount(&format!("invoice.{field}"), currency)
        }
        Some(_) | None => Ok(Amount::default()),
    };
    let discount = amount(&invoice.discount_amount, "discount_amount")?.0.abs();
    let tikixu = amount(&invoice.discount_tikixu, "discount_tikixu")?.0.abs();
    let mut coupons = Coupons::default();
    for line in lines {
        line.add(&mut coupons, currency)?;
    }
    let seller = coupons.seller.min(discount);
    if discount > seller + coupons.platform + tikixu {
        // A promotion of which no line says who pays it: taken for the channel's.
        tags.push("discount_split_unknown".to_owned());
    }
    if amount(&invoice.gift_card_amount, "gift_card_amount")?.0 != 0 {
        tags.push("gift_card".to_owned());
    }
    let handling = amount(&invoice.handling_fee, "handling_fee")?;
    let other = amount(&invoice.other_fee, "other_fee")?;
    Ok(SnapshotTotals {
        seller_discount: Amount(seller),
        channel_discount: Amount(discount - seller),
        shipping: amount(
            &invoice.shipping_amount_after_discount,
            "shipping_amount_after_discount",
        )?,
        fees: Amount(handling.0 + other.0),
        grand_total: match &invoice.grand_total {
            Some(literal) => Some(literal.amount("invoice.grand_total", currency)?),
            None => None,
        },
    })
}

impl Discounts<'_> {
    /// The income detail where there is one, else the invoice's word on whose coupon it is.
    fn add(self, coupons: &mut Coupons, currency: &str) -> Result<(), PayloadError> {
        let amount = |literal: Option<&Literal>, field: &str| match literal {
            Some(literal) if !literal.as_str().is_empty() => {
                literal.amount(field, currency).map(|amount| amount.0.abs())
            }
            Some(_) | None => Ok(0),
        };
        let split = self
            .detail
            .and_then(|detail| detail.discount.as_ref()?.discount_coupon.as_ref());
        let (seller, platform) = match (split, self.invoice) {
            (Some(split), _) => (
                amount(split.seller_discount.as_ref(), "items.seller_discount")?,
                amount(split.platform_discount.as_ref(), "items.platform_discount")?,
            ),
            (None, Some(invoice)) => {
                let coupon = amount(invoice.discount_coupon.as_ref(), "items.discount_coupon")?;
                if invoice.is_seller_discount_coupon == Some(true) {
                    (coupon, 0)
                } else {
                    (0, coupon)
                }
            }
            (None, None) => (0, 0),
        };
        coupons.seller = coupons.seller.saturating_add(seller);
        coupons.platform = coupons.platform.saturating_add(platform);
        Ok(())
    }
}
