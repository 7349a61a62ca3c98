//! What a Shopee order's escrow says: vouchers by who pays them, coins, the shipping fee that the
//! buyer was charged, and what each line really costs.

use std::collections::BTreeMap;

use domain::money::Amount;
use domain::snapshot::{SnapshotLine, SnapshotTotals};
use serde::Deserialize;

use crate::inbound::PayloadError;
use crate::literal::Literal;

#[derive(Deserialize)]
pub(super) struct Answer {
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Response {
    order_income: Option<Income>,
    buyer_payment_info: Option<BuyerPayment>,
}

/// Amounts are of the order; those of `items` are of the line, not of a unit.
#[derive(Deserialize)]
struct Income {
    voucher_from_seller: Option<Literal>,
    voucher_from_shopee: Option<Literal>,
    coins: Option<Literal>,
    payment_promotion: Option<Literal>,
    credit_card_promotion: Option<Literal>,
    buyer_paid_shipping_fee: Option<Literal>,
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Item {
    item_id: Literal,
    model_id: Option<Literal>,
    quantity_purchased: Option<Literal>,
    discounted_price: Option<Literal>,
}

/// Only what the income lacks.
#[derive(Deserialize)]
struct BuyerPayment {
    shipping_fee: Option<Literal>,
}

/// The figures that are used, positive.
pub(super) struct Figures {
    seller: i64,
    channel: i64,
    shipping: Option<i64>,
    /// Article and model → units and what they cost in all; nothing where it stands twice.
    lines: BTreeMap<String, Option<(i64, i64)>>,
}

impl Figures {
    /// Nothing where the answer holds no income (yet).
    ///
    /// # Errors
    /// Names the field that is not an amount.
    pub(super) fn read(answer: &Answer, currency: &str) -> Result<Option<Self>, PayloadError> {
        let Some(response) = &answer.response else {
            return Ok(None);
        };
        let Some(income) = &response.order_income else {
            return Ok(None);
        };
        let amount = |literal: &Option<Literal>, field: &str| match literal {
            Some(literal) if !literal.as_str().is_empty() => literal
                .amount(&format!("order_income.{field}"), currency)
                .map(|amount| Some(amount.0.abs())),
            Some(_) | None => Ok(None),
        };
        let sum = |literal, field| amount(literal, field).map(Option::unwrap_or_default);
        let paid_by_shopee = sum(&income.voucher_from_shopee, "voucher_from_shopee")?
            + sum(&income.coins, "coins")?
            + sum(&income.payment_promotion, "payment_promotion")?
            + sum(&income.credit_card_promotion, "credit_card_promotion")?;
        let shipping = match amount(&income.buyer_paid_shipping_fee, "buyer_paid_shipping_fee")? {
            Some(fee) => Some(fee),
            None => match &response.buyer_payment_info {
                Some(info) => amount(&info.shipping_fee, "shipping_fee")?,
                None => None,
            },
        };
        let mut lines = BTreeMap::new();
        for item in income.items.iter().flatten() {
            let model = item.model_id.as_ref().map_or("0", Literal::as_str);
            let key = format!("{}.{model}", item.item_id);
            let units = item.quantity_purchased.as_ref();
            let units = units.and_then(|units| units.whole("quantity_purchased").ok());
            let price = amount(&item.discounted_price, "items.discounted_price")?;
            let value = units.zip(price);
            // In a deal an article stands twice: then nobody knows which line is which.
            let value = if lines.contains_key(&key) {
                None
            } else {
                value
            };
            lines.insert(key, value);
        }
        Ok(Some(Self {
            seller: sum(&income.voucher_from_seller, "voucher_from_seller")?,
            channel: paid_by_shopee,
            shipping,
            lines,
        }))
    }

    /// What a deal took off a line: the detail writes the price before it.
    pub(super) fn discount(&self, line: &mut SnapshotLine) {
        let Some(key) = &line.channel_sku else {
            return;
        };
        if let Some(Some((units, paid))) = self.lines.get(key) {
            let gross = line.unit_price.0.saturating_mul(i64::from(line.quantity));
            if *units == i64::from(line.quantity) && *paid < gross {
                line.discount = Amount(gross - paid);
            }
        }
    }

    /// The order's amounts around a stated total. What the figures do not explain is tagged and
    /// put where it does least harm: more than they say is a fee, less a discount of the channel.
    pub(super) fn totals(
        &self,
        total: Amount,
        items: i64,
        estimated_shipping: i64,
        tags: &mut Vec<String>,
    ) -> SnapshotTotals {
        let shipping = self.shipping.unwrap_or(estimated_shipping);
        let explained = items - self.seller - self.channel + shipping;
        let rest = total.0 - explained;
        if rest > 0 {
            tags.push("fees_derived".to_owned());
        }
        if rest < 0 {
            tags.push("discount_derived".to_owned());
        }
        SnapshotTotals {
            seller_discount: Amount(self.seller),
            channel_discount: Amount(self.channel + (-rest).max(0)),
            shipping: Amount(shipping),
            fees: Amount(rest.max(0)),
            grand_total: Some(total),
        }
    }
}
