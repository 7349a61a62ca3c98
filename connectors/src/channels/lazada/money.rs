//! What the buyer owes. The order's head states it for the order as it was placed; after some units
//! were cancelled only the units say what is left.

use domain::money::Amount;
use domain::snapshot::{ChannelPayment, ChannelStatus, SnapshotTotals};

use super::document::{Item, Order};
use super::status::{Reverse, of_item};
use crate::inbound::PayloadError;
use crate::literal::Literal;

/// The head's amounts: price − vouchers + shipping.
pub(super) fn of_order(
    order: &Order,
    currency: &str,
    tags: &mut Vec<String>,
) -> Result<SnapshotTotals, PayloadError> {
    let read = |literal: &Option<Literal>, field: &str| amount(literal, field, currency);
    let seller = read(&order.voucher_seller, "order.voucher_seller")?;
    let platform = read(&order.voucher_platform, "order.voucher_platform")?;
    let voucher = read(&order.voucher, "order.voucher")?;
    let shipping = read(&order.shipping_fee, "order.shipping_fee")?;
    let discounts = split(voucher, seller, platform, tags);
    let price = match &order.price {
        Some(price) => Some(price.amount("order.price", currency)?),
        None => None,
    };
    Ok(SnapshotTotals {
        seller_discount: Amount(discounts.seller),
        channel_discount: Amount(discounts.platform),
        shipping,
        fees: Amount::default(),
        grand_total: price
            .map(|price| Amount(price.0 - discounts.seller - discounts.platform + shipping.0)),
    })
}

/// The amounts of these units: item price − vouchers + shipping of each.
pub(super) fn of_items(
    items: &[&Item],
    currency: &str,
    tags: &mut Vec<String>,
) -> Result<SnapshotTotals, PayloadError> {
    let mut totals = SnapshotTotals::default();
    let mut paid = Some(0_i64);
    for item in items {
        let read = |literal: &Option<Literal>, field: &str| amount(literal, field, currency);
        let seller = read(&item.voucher_seller, "items[].voucher_seller")?;
        let platform = read(&item.voucher_platform, "items[].voucher_platform")?;
        let voucher = read(&item.voucher_amount, "items[].voucher_amount")?;
        let shipping = read(&item.shipping_amount, "items[].shipping_amount")?;
        let discounts = split(voucher, seller, platform, tags);
        totals.seller_discount.0 += discounts.seller;
        totals.channel_discount.0 += discounts.platform;
        totals.shipping.0 += shipping.0;
        paid = match (&item.paid_price, paid) {
            (Some(price), Some(sum)) => {
                Some(sum + price.amount("items[].paid_price", currency)?.0 + shipping.0)
            }
            (None, _) | (_, None) => None,
        };
    }
    totals.grand_total = paid.map(Amount);
    Ok(totals)
}

struct Split {
    seller: i64,
    platform: i64,
}

/// Where the sum of vouchers says more than its two parts, the rest counts as the platform's: only
/// what the seller surely pays may lower the seller's revenue.
fn split(voucher: Amount, seller: Amount, platform: Amount, tags: &mut Vec<String>) -> Split {
    let rest = voucher.0 - seller.0 - platform.0;
    if rest <= 0 {
        return Split {
            seller: seller.0,
            platform: platform.0,
        };
    }
    let tag = "voucher_split_unknown";
    if !tags.iter().any(|known| known == tag) {
        tags.push(tag.to_owned());
    }
    Split {
        seller: seller.0,
        platform: platform.0 + rest,
    }
}

fn amount(literal: &Option<Literal>, field: &str, currency: &str) -> Result<Amount, PayloadError> {
    match literal {
        Some(literal) if !literal.as_str().trim().is_empty() => literal.amount(field, currency),
        Some(_) | None => Ok(Amount::default()),
    }
}

/// Payment, and what was given back.
pub(super) fn payment(
    is_cod: bool,
    status: ChannelStatus,
    wanted: &[&Item],
    currency: &str,
) -> Result<(ChannelPayment, Amount), PayloadError> {
    let back = |item: &&&Item| of_item(item) == Some(Reverse::MoneyBack);
    let mut refunded = 0;
    for item in wanted.iter().filter(back) {
        refunded += amount(&item.paid_price, "items[].paid_price", currency)?.0;
    }
    let refunds = wanted.iter().filter(back).count();
    let is_over = matches!(
        status,
        ChannelStatus::Cancelled | ChannelStatus::DeliveryFailed
    );
    let is_paid = !is_cod
        && (wanted.iter().any(|item| item.payment_time.id().is_some())
            || !matches!(status, ChannelStatus::Pending | ChannelStatus::Cancelled));
    let payment = match (is_paid, is_over) {
        _ if refunds > 0 && refunds == wanted.len() => ChannelPayment::Refunded,
        _ if refunds > 0 => ChannelPayment::PartiallyRefunded,
        // The marketplace holds the money and gives it back by itself.
        (true, true) => ChannelPayment::Refunded,
        (true, false) => ChannelPayment::Paid,
        (false, _) => ChannelPayment::Unpaid,
    };
    Ok((payment, Amount(refunded)))
}
