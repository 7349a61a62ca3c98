//! From the shops' order to our snapshot: how far it is, what is paid, and amounts that add up.

use domain::money::Amount;
use domain::snapshot::{
    Buyer, Cancellation, ChannelPayment, ChannelStatus, Deadlines, FulfilledBy, PaymentMethod,
    ShipTo, Snapshot, SnapshotLine, SnapshotTotals,
};
use jiff::Timestamp;
use serde_json::Value;

use super::document::{Item, Order, Transaction};
use super::money::{self, Money};
use super::{ConfirmCod, address, gateway, numeric_id};
use crate::inbound::{Normalized, PayloadError};
use crate::literal::{self, Literal};
use crate::payload::{self, MAX_LINES, filled, word};

/// What a shop's settings say about reading its orders.
#[derive(Debug, Clone, Copy)]
pub(in crate::channels) struct Reading<'a> {
    pub(in crate::channels) confirm_cod: ConfirmCod,
    pub(in crate::channels) cod_gateways: &'a [String],
}

/// Document → snapshot.
///
/// # Errors
/// When a field that the order cannot do without is missing or of another type.
pub(in crate::channels) fn normalize(document: &[u8], reading: Reading<'_>) -> Normalized {
    let order = super::document::read(document)?;
    let currency = order.currency.as_deref().unwrap_or("VND");
    let currency = literal::known_currency(currency)?.code();
    let mut money = Money::of(currency);
    let mut tags = Vec::new();

    let method = gateway::method(gateways(&order), reading.cod_gateways);
    let stage = stage(&order, method, reading.confirm_cod, &mut tags);
    let total = money.sum("total_price", &[Some(&order.total_price)])?;
    let payment = payment(order.financial_status.as_deref());
    let paid = paid(&order, payment, total, &mut money)?;
    let refunded = refunded(&order, payment, total, &mut money)?;
    let (lines, totals) = amounts(&order, &stage, total, &mut money)?;
    if money.rounded() {
        tags.push("amounts_rounded".to_owned());
    }

    let created = order.created_at.as_deref().or(order.created_on.as_deref());
    let changed = order.updated_at.as_deref().or(order.modified_on.as_deref());
    let placed_at = time(created, "created_at")?;
    let coupons: Vec<String> = (order.discount_codes.as_deref().unwrap_or_default().iter())
        .filter_map(|coupon| filled(coupon.code.clone()))
        .collect();
    Ok(Snapshot {
        external_id: numeric_id(&order.id, "id")?,
        placed_at,
        revised_at: match changed {
            Some(changed) => time(Some(changed), "updated_at")?,
            None => placed_at,
        },
        status: stage.status,
        channel_status: stage.word,
        cancel_requested: false,
        cancellation: stage.cancellation,
        buyer: buyer(&order),
        note: filled(order.note.clone()),
        ship_to: ship_to(order),
        lines: Some(lines),
        currency: currency.to_owned(),
        totals: Some(totals),
        payment_method: method,
        payment: Some(payment),
        paid,
        refunded,
        fulfilled_by: FulfilledBy::Us,
        fixed_location: None,
        deadlines: Deadlines::default(),
        coupon: (!coupons.is_empty()).then(|| coupons.join(",")),
        appointment: None,
        invoice_request: None,
        tags,
    })
}

fn time(text: Option<&str>, field: &str) -> Result<Timestamp, PayloadError> {
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        PayloadError::new(format!(
            "{field}: expected a time such as 2026-11-24T01:02:03Z"
        ))
    })
}

fn gateways(order: &Order) -> impl Iterator<Item = &str> {
    let names = order.payment_gateway_names.as_deref().unwrap_or_default();
    let one = [&order.gateway_code, &order.gateway];
    (names.iter().map(String::as_str)).chain(one.into_iter().filter_map(|name| name.as_deref()))
}

/// How far the order is.
struct Stage {
    status: ChannelStatus,
    word: String,
    cancellation: Option<Cancellation>,
}

impl Order {
    /// The shop or the buyer has cancelled it. `restocked` is said of a cancelled order alone.
    pub(in crate::channels) fn is_cancelled(&self) -> bool {
        self.cancelled_at.is_some()
            || self.cancelled_on.is_some()
            || self.cancelled_status.as_deref() == Some("cancelled")
            || self.status.as_deref() == Some("cancelled")
            || self.fulfillment_status.as_deref() == Some("restocked")
    }

    /// Somebody at the shop has confirmed it (Haravan).
    pub(in crate::channels) fn is_confirmed(&self) -> bool {
        self.confirmed_status.as_deref() == Some("confirmed")
    }
}

fn stage(
    order: &Order,
    method: Option<PaymentMethod>,
    confirm_cod: ConfirmCod,
    tags: &mut Vec<String>,
) -> Stage {
    let financial = order.financial_status.as_deref().unwrap_or("pending");
    let fulfillment = match order.fulfillment_status.as_deref() {
        None | Some("" | "notfulfilled" | "unfulfilled" | "unshipped") => "unfulfilled",
        Some(word) => word,
    };
    let known_money = matches!(
        financial,
        "pending"
            | "unpaid"
            | "authorized"
            | "partially_paid"
            | "paid"
            | "partially_refunded"
            | "refunded"
            | "voided"
            | "expired"
    );
    let known_goods = matches!(
        fulfillment,
        "unfulfilled" | "partial" | "fulfilled" | "restocked"
    );
    for (known, said) in [(known_money, financial), (known_goods, fulfillment)] {
        if !known {
            tags.push(format!("unknown_status:{}", word(said)));
        }
    }
    let status = |status| Stage {
        status,
        word: format!("{}/{}", word(financial), word(fulfillment)),
        cancellation: None,
    };
    let cancelled = |reason: &str| Stage {
        status: ChannelStatus::Cancelled,
        word: "cancelled".to_owned(),
        cancellation: Some(Cancellation {
            by: if reason == "customer" {
                "buyer"
            } else {
                "shop"
            }
            .to_owned(),
            reason: word(reason),
        }),
    };
    if order.is_cancelled() {
        return cancelled(order.cancel_reason.as_deref().unwrap_or_default());
    }
    if fulfillment == "fulfilled" {
        return status(whereabouts(order));
    }
    // All the money went back before anything left: nobody will send it.
    if financial == "refunded" && fulfillment == "unfulfilled" {
        return cancelled("refunded");
    }
    let paid = matches!(
        financial,
        "authorized" | "partially_paid" | "paid" | "partially_refunded" | "refunded"
    );
    let void = matches!(financial, "voided" | "expired");
    let at_once = method == Some(PaymentMethod::Cod) && confirm_cod == ConfirmCod::AtOnce;
    if paid || fulfillment == "partial" || (!void && (order.is_confirmed() || at_once)) {
        status(ChannelStatus::Confirmed)
    } else {
        status(ChannelStatus::Pending)
    }
}

/// Of an order that has left in whole: with the carrier, with the buyer, or on its way back.
fn whereabouts(order: &Order) -> ChannelStatus {
    let parcels: Vec<&str> = (order.fulfillments.as_deref().unwrap_or_default().iter())
        .filter(|parcel| !parcel.is_cancelled())
        .map(|parcel| parcel.whereabouts().unwrap_or_default())
        .collect();
    let failed = |word: &&str| {
        matches!(
            *word,
            "failure" | "return" | "returned" | "returning" | "waitingforreturn"
        )
    };
    if !parcels.is_empty() && parcels.iter().all(|word| *word == "delivered") {
        ChannelStatus::Delivered
    } else if parcels.iter().any(failed) {
        ChannelStatus::DeliveryFailed
    } else {
        ChannelStatus::Shipped
    }
}

fn payment(financial: Option<&str>) -> ChannelPayment {
    match financial.unwrap_or_default() {
        "authorized" => ChannelPayment::Authorized,
        "partially_paid" => ChannelPayment::PartiallyPaid,
        "paid" => ChannelPayment::Paid,
        "partially_refunded" => ChannelPayment::PartiallyRefunded,
        "refunded" => ChannelPayment::Refunded,
        "voided" | "expired" => ChannelPayment::Failed,
        _ => ChannelPayment::Unpaid,
    }
}

/// What came in; of a part payment only where the shop says how much.
fn paid(
    order: &Order,
    payment: ChannelPayment,
    total: Amount,
    money: &mut Money<'_>,
) -> Result<Option<Amount>, PayloadError> {
    match payment {
        ChannelPayment::Unpaid | ChannelPayment::Authorized | ChannelPayment::Failed => {
            Ok(Some(Amount::default()))
        }
        ChannelPayment::Paid | ChannelPayment::PartiallyRefunded | ChannelPayment::Refunded => {
            Ok(Some(total))
        }
        ChannelPayment::PartiallyPaid => {
            if let Some(outstanding) = &order.total_outstanding {
                let open = money.sum("total_outstanding", &[Some(outstanding)])?;
                return Ok(Some(Amount((total.0 - open.0).max(0))));
            }
            let known = order.transactions.as_deref().unwrap_or_default();
            let taken = |t: &&Transaction| t.is(&["sale", "capture"]) && t.succeeded();
            let amounts: Vec<Option<&Literal>> = known
                .iter()
                .filter(taken)
                .take(MAX_LINES)
                .map(|t| t.amount.as_ref())
                .collect();
            if amounts.is_empty() {
                return Ok(None);
            }
            money.sum("transactions[].amount", &amounts).map(Some)
        }
    }
}

fn refunded(
    order: &Order,
    payment: ChannelPayment,
    total: Amount,
    money: &mut Money<'_>,
) -> Result<Amount, PayloadError> {
    let amounts: Vec<Option<&Literal>> = (order.refunds.as_deref().unwrap_or_default().iter())
        .flat_map(|refund| refund.transactions.as_deref().unwrap_or_default())
        .filter(|transaction| transaction.is(&["refund"]) && transaction.succeeded())
        .take(MAX_LINES)
        .map(|transaction| transaction.amount.as_ref())
        .collect();
    let sum = Amount(
        money
            .sum("refunds[].transactions[].amount", &amounts)?
            .0
            .abs(),
    );
    Ok(if payment == ChannelPayment::Refunded && sum.is_zero() {
        total
    } else {
        sum
    })
}

fn buyer(order: &Order) -> Option<Buyer> {
    let address = order
        .shipping_address
        .as_ref()
        .or(order.billing_address.as_ref());
    let customer = order.customer.as_ref();
    let country = Some("VN");
    let name = customer
        .and_then(|c| address::full_name(c.first_name.clone(), c.last_name.clone(), country))
        .or_else(|| address?.full_name());
    let phone = (order.phone.clone())
        .or_else(|| customer?.phone.clone())
        .or_else(|| address?.phone());
    let email = (order.email.clone())
        .or_else(|| order.contact_email.clone())
        .or_else(|| customer?.email.clone());
    let buyer = Buyer {
        name,
        phone: filled(phone),
        email: filled(email),
        external_id: customer
            .and_then(|c| c.id.as_ref())
            .filter(|id| !id.is_zero_or_empty())
            .map(|id| word(id.as_str())),
    };
    (buyer != Buyer::default()).then_some(buyer)
}

/// The shipping address, or billing where the buyer gave none; the phone is often on the order only.
fn ship_to(order: Order) -> Option<ShipTo> {
    let phone = filled(order.phone)
        .or_else(|| filled(order.customer.and_then(|customer| customer.phone)))
        .or_else(|| order.billing_address.as_ref()?.phone());
    let address = order
        .shipping_address
        .filter(super::document::Address::is_filled)
        .or(order.billing_address)?;
    let mut place = address.written().ship_to();
    place.phone = place.phone.or(phone);
    Some(place)
}

/// A line with what the amounts are made of.
struct Counted {
    line: SnapshotLine,
    reduced: bool,
}

fn amounts(
    order: &Order,
    stage: &Stage,
    total: Amount,
    money: &mut Money<'_>,
) -> Result<(Vec<SnapshotLine>, SnapshotTotals), PayloadError> {
    let items = order.line_items.as_deref().unwrap_or_default();
    if items.len() > MAX_LINES {
        return Err(PayloadError::new(format!(
            "line_items: more than {MAX_LINES} lines"
        )));
    }
    let tax_on_top = matches!(&order.taxes_included,
        Some(value) if *value == Value::Bool(false) || value.as_str() == Some("false"));
    let mut counted = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let field = |name: &str| format!("line_items[{index}].{name}");
        let wanted = if stage.status == ChannelStatus::Cancelled {
            payload::quantity(&item.quantity, &field("quantity"))?
        } else {
            wanted(order, item, &field)?
        };
        counted.push(line(item, wanted, tax_on_top, money, &field)?);
    }
    let shipping = shipping(order, tax_on_top, money)?;
    let fees = money.sum("total_tip_received", &[order.total_tip_received.as_ref()])?;
    let totals = SnapshotTotals {
        shipping: shipping.charged,
        fees,
        grand_total: Some(total),
        ..SnapshotTotals::default()
    };
    let (mut counted, totals) = if counted.iter().any(|one| one.reduced) {
        edited(order, counted, totals, tax_on_top, money)?
    } else {
        let stated = money.sum("total_discounts", &[order.total_discounts.as_ref()])?;
        let totals = SnapshotTotals {
            seller_discount: order_discount(&counted, totals, stated, shipping.discount),
            ..totals
        };
        (counted, totals)
    };
    counted.retain(|one| one.line.quantity > 0);
    Ok((counted.into_iter().map(|one| one.line).collect(), totals))
}

/// Units that are still wanted: those that have left and those that may still leave. Without these
/// counts (Sapo, older documents) all of the line.
fn wanted(
    order: &Order,
    item: &Item,
    field: &impl Fn(&str) -> String,
) -> Result<u32, PayloadError> {
    let bought = payload::quantity(&item.quantity, &field("quantity"))?;
    let (Some(open), Some(current)) = (&item.fulfillable_quantity, &item.current_quantity) else {
        return Ok(bought);
    };
    let open = payload::quantity(open, &field("fulfillable_quantity"))?;
    let current = payload::quantity(current, &field("current_quantity"))?;
    let mut left: u32 = 0;
    let parcels = order.fulfillments.as_deref().unwrap_or_default().iter();
    for parcel in parcels.filter(|parcel| !parcel.is_cancelled()) {
        for sent in parcel.line_items.as_deref().unwrap_or_default() {
            if sent.id == item.id {
                left = left.saturating_add(payload::quantity(
                    &sent.quantity,
                    "fulfillments[].line_items[].quantity",
                )?);
            }
        }
    }
    // A return after delivery lowers the current quantity; the parcel has left all the same. And a
    // line that needs no parcel is never fulfillable.
    Ok(left.saturating_add(open).max(current).min(bought))
}

fn line(
    item: &Item,
    quantity: u32,
    tax_on_top: bool,
    money: &mut Money<'_>,
    field: &impl Fn(&str) -> String,
) -> Result<Counted, PayloadError> {
    let bought = payload::quantity(&item.quantity, &field("quantity"))?;
    let price = money.sum(&field("price"), &[Some(&item.price)])?;
    let allocations = item.discount_allocations.as_deref().unwrap_or_default();
    // Allocations hold the line's share of the order's discounts too; without them only the line's
    // own discount is told.
    let discount = if allocations.is_empty() {
        money.sum(&field("total_discount"), &[item.total_discount.as_ref()])?
    } else {
        let parts: Vec<_> = allocations
            .iter()
            .take(MAX_LINES)
            .map(|a| Some(&a.amount))
            .collect();
        money.sum(&field("discount_allocations[].amount"), &parts)?
    };
    let taxes: Vec<_> = (item.tax_lines.as_deref().unwrap_or_default().iter())
        .filter(|_| tax_on_top)
        .take(MAX_LINES)
        .map(|tax| Some(&tax.price))
        .collect();
    let tax = money.sum(&field("tax_lines[].price"), &taxes)?;
    let gross = price.0.saturating_mul(i64::from(bought));
    let (unit_price, discount) = if tax.is_zero() || bought == 0 {
        (price, discount)
    } else {
        let (gross, net) = (Amount(gross + tax.0), Amount(gross + tax.0 - discount.0));
        money::unit_price(gross, net, bought)
    };
    let variant = item.variant_id.as_ref().filter(|id| !id.is_zero_or_empty());
    let name = filled(item.name.clone()).or_else(|| {
        let title = filled(item.title.clone())?;
        Some(match filled(item.variant_title.clone()) {
            Some(variant) => format!("{title} - {variant}"),
            None => title,
        })
    });
    Ok(Counted {
        line: SnapshotLine {
            id: word(item.id.as_str()),
            channel_sku: variant
                .or(item.product_id.as_ref())
                .filter(|id| !id.is_zero_or_empty())
                .map(|id| word(id.as_str())),
            sku: filled(item.sku.clone()),
            name: name.unwrap_or_default(),
            quantity,
            unit_price,
            discount,
            gift: false,
            parent: None,
        },
        reduced: quantity < bought,
    })
}

/// What the buyer pays for shipping, and what was taken off it.
struct ShippingCost {
    charged: Amount,
    discount: Amount,
}

fn shipping(
    order: &Order,
    tax_on_top: bool,
    money: &mut Money<'_>,
) -> Result<ShippingCost, PayloadError> {
    let (mut price, mut discount) = (0_i64, 0_i64);
    let lines = order.shipping_lines.as_deref().unwrap_or_default();
    for (index, line) in lines.iter().take(MAX_LINES).enumerate() {
        if line.is_removed == Some(true) {
            continue;
        }
        let field = |name: &str| format!("shipping_lines[{index}].{name}");
        let taxes = line.tax_lines.as_deref().unwrap_or_default().iter();
        let taxes = taxes
            .filter(|_| tax_on_top)
            .take(MAX_LINES)
            .map(|tax| Some(&tax.price));
        let parts: Vec<_> = std::iter::once(Some(&line.price)).chain(taxes).collect();
        price = price.saturating_add(money.sum(&field("price"), &parts)?.0);
        let off = line
            .discount_allocations
            .as_deref()
            .unwrap_or_default()
            .iter();
        let off: Vec<_> = off.take(MAX_LINES).map(|off| Some(&off.amount)).collect();
        let off = money.sum(&field("discount_allocations[].amount"), &off)?;
        discount = discount.saturating_add(off.0);
    }
    Ok(ShippingCost {
        charged: Amount(price.saturating_sub(discount)),
        discount: Amount(discount),
    })
}

fn items(counted: &[Counted]) -> i64 {
    counted.iter().fold(0_i64, |sum, one| {
        let gross = one
            .line
            .unit_price
            .0
            .saturating_mul(i64::from(one.line.quantity));
        sum.saturating_add(gross)
            .saturating_sub(one.line.discount.0)
    })
}

/// The discount of the order as a whole. `total_discounts` means all discounts at Shopify, lines and
/// shipping included; elsewhere it is documented as such but has been seen to leave the lines' own
/// out, or to be in the prices already. The reading that comes to the stated total is taken; if none
/// does, the documented one, and the difference will hold the order.
fn order_discount(
    counted: &[Counted],
    totals: SnapshotTotals,
    stated: Amount,
    shipping: Amount,
) -> Amount {
    let lines = counted
        .iter()
        .fold(0_i64, |sum, one| sum.saturating_add(one.line.discount.0));
    let documented = stated
        .0
        .saturating_sub(lines)
        .saturating_sub(shipping.0)
        .max(0);
    let before = items(counted)
        .saturating_add(totals.shipping.0)
        .saturating_add(totals.fees.0);
    let total = totals.grand_total.unwrap_or_default().0;
    [documented, stated.0, 0]
        .into_iter()
        .find(|discount| before.saturating_sub(*discount) == total)
        .map_or(Amount(documented), Amount)
}

/// An edited order: Shopify keeps the amounts of the lines as they were bought and states the whole
/// as it is now, so all discounts become one of the order.
fn edited(
    order: &Order,
    counted: Vec<Counted>,
    totals: SnapshotTotals,
    tax_on_top: bool,
    money: &mut Money<'_>,
) -> Result<(Vec<Counted>, SnapshotTotals), PayloadError> {
    let counted: Vec<Counted> = counted
        .into_iter()
        .map(|mut one| {
            one.line.discount = Amount::default();
            one
        })
        .collect();
    let (Some(subtotal), Some(total)) = (&order.current_subtotal_price, &order.current_total_price)
    else {
        let totals = SnapshotTotals {
            grand_total: None,
            ..totals
        };
        return Ok((counted, totals));
    };
    let subtotal = money.sum("current_subtotal_price", &[Some(subtotal)])?;
    let total = money.sum("current_total_price", &[Some(total)])?;
    let totals = SnapshotTotals {
        seller_discount: Amount(items(&counted).saturating_sub(subtotal.0).max(0)),
        // Which part of the tax is left is not told line by line.
        grand_total: (!tax_on_top).then_some(total),
        ..totals
    };
    Ok((counted, totals))
}
