//! A WooCommerce order document as a snapshot.
//!
//! Amounts are decimal texts; nothing goes through a float. Lines are rebuilt from their `subtotal`
//! (before discounts) and `total` (after), each with its tax: `price` is per unit, after discount,
//! without tax and a float, so it is not used.

use domain::money::Amount;
use domain::snapshot::{
    Buyer, Cancellation, ChannelPayment, ChannelStatus, Deadlines, FulfilledBy, PaymentMethod,
    ShipTo, Snapshot, SnapshotLine, SnapshotTotals,
};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::channels::storefront::address::{self, Written};
use crate::channels::storefront::money::{self, Money};
use crate::inbound::{Normalized, PayloadError};
use crate::literal::{self, Literal};
use crate::payload::{self, MAX_LINES, filled, word};

#[derive(Deserialize)]
struct Order {
    id: Literal,
    status: String,
    currency: String,
    date_created_gmt: Option<String>,
    date_modified_gmt: Option<String>,
    date_paid_gmt: Option<String>,
    total: Literal,
    shipping_total: Option<Literal>,
    shipping_tax: Option<Literal>,
    billing: Option<Address>,
    shipping: Option<Address>,
    #[serde(default)]
    payment_method: Option<String>,
    customer_id: Option<Literal>,
    customer_note: Option<String>,
    #[serde(default)]
    line_items: Vec<Item>,
    #[serde(default)]
    fee_lines: Vec<Fee>,
    #[serde(default)]
    coupon_lines: Vec<Coupon>,
    #[serde(default)]
    refunds: Vec<Refund>,
}

#[derive(Deserialize)]
struct Item {
    id: Literal,
    name: Option<String>,
    product_id: Option<Literal>,
    variation_id: Option<Literal>,
    quantity: Literal,
    subtotal: Literal,
    subtotal_tax: Option<Literal>,
    total: Literal,
    total_tax: Option<Literal>,
    sku: Option<String>,
}

#[derive(Deserialize)]
struct Fee {
    total: Literal,
    total_tax: Option<Literal>,
}

#[derive(Deserialize)]
struct Coupon {
    code: Option<String>,
}

#[derive(Deserialize)]
struct Refund {
    total: Literal,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Address {
    first_name: Option<String>,
    last_name: Option<String>,
    address_1: Option<String>,
    address_2: Option<String>,
    city: Option<String>,
    state: Option<String>,
    country: Option<String>,
    phone: Option<String>,
    email: Option<String>,
}

/// The order's id: the digits of its number.
pub(super) fn external_id(id: &Literal) -> Result<String, PayloadError> {
    let digits = id.as_str();
    if digits.is_empty() || digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(PayloadError::new("id: expected a whole number"));
    }
    Ok(digits.to_owned())
}

/// A `*_gmt` time: without zone, in UTC.
pub(super) fn gmt(text: Option<&str>, field: &str) -> Result<Timestamp, PayloadError> {
    let wrong = || {
        PayloadError::new(format!(
            "{field}: expected a time such as 2026-11-24T01:02:03"
        ))
    };
    let text = text.ok_or_else(wrong)?.trim_end_matches('Z');
    let civil: DateTime = text.parse().map_err(|_| wrong())?;
    TimeZone::UTC.to_timestamp(civil).map_err(|_| wrong())
}

/// `shipped_status` is the shop's own status of an order that has left, where it has one.
pub(super) fn normalize(document: &[u8], shipped_status: Option<&str>) -> Normalized {
    let order: Order = payload::read(document)?;
    let currency = literal::known_currency(&order.currency)?.code();
    let mut money = Money::of(currency);

    let grand_total = money.sum("total", &[Some(&order.total)])?;
    let shipping = money.sum(
        "shipping_total",
        &[order.shipping_total.as_ref(), order.shipping_tax.as_ref()],
    )?;
    let mut fees = Amount::default();
    for (index, fee) in order.fee_lines.iter().take(MAX_LINES).enumerate() {
        let field = format!("fee_lines[{index}].total");
        fees.0 += money
            .sum(&field, &[Some(&fee.total), fee.total_tax.as_ref()])?
            .0;
    }
    let mut refunded = Amount::default();
    for (index, refund) in order.refunds.iter().take(MAX_LINES).enumerate() {
        // A refund's total is written as a negative amount.
        refunded.0 += money
            .sum(&format!("refunds[{index}].total"), &[Some(&refund.total)])?
            .0
            .abs();
    }
    let lines = lines(&order.line_items, &mut money)?;

    let method = payment_method(order.payment_method.as_deref().unwrap_or_default());
    let (status, known) = channel_status(&order.status, shipped_status);
    let payment = payment(&order, method, refunded, grand_total);
    let mut tags = Vec::new();
    if !known {
        tags.push(format!("unknown_status:{}", word(&order.status)));
    }
    if money.rounded() {
        tags.push("amounts_rounded".to_owned());
    }
    let coupons: Vec<String> = order
        .coupon_lines
        .into_iter()
        .filter_map(|coupon| filled(coupon.code))
        .collect();

    Ok(Snapshot {
        external_id: external_id(&order.id)?,
        placed_at: gmt(order.date_created_gmt.as_deref(), "date_created_gmt")?,
        revised_at: gmt(order.date_modified_gmt.as_deref(), "date_modified_gmt")?,
        status,
        channel_status: word(&order.status),
        cancel_requested: false,
        cancellation: (status == ChannelStatus::Cancelled).then(|| Cancellation {
            by: "shop".to_owned(),
            reason: word(&order.status),
        }),
        buyer: order.billing.as_ref().map(|billing| Buyer {
            name: billing.name(),
            phone: filled(billing.phone.clone()),
            email: filled(billing.email.clone()),
            external_id: order
                .customer_id
                .as_ref()
                .filter(|id| !id.is_zero_or_empty())
                .map(Literal::to_string),
        }),
        ship_to: ship_to(order.shipping, order.billing),
        lines: Some(lines),
        currency: currency.to_owned(),
        totals: Some(SnapshotTotals {
            // Coupons are already spread over the lines.
            seller_discount: Amount::default(),
            channel_discount: Amount::default(),
            shipping,
            fees,
            grand_total: Some(grand_total),
        }),
        payment_method: method,
        payment: Some(payment),
        paid: Some(match payment {
            ChannelPayment::Paid | ChannelPayment::PartiallyRefunded | ChannelPayment::Refunded => {
                grand_total
            }
            ChannelPayment::Unpaid
            | ChannelPayment::Authorized
            | ChannelPayment::PartiallyPaid
            | ChannelPayment::Failed => Amount::default(),
        }),
        refunded,
        fulfilled_by: FulfilledBy::Us,
        fixed_location: None,
        deadlines: Deadlines::default(),
        note: filled(order.customer_note),
        coupon: (!coupons.is_empty()).then(|| coupons.join(",")),
        appointment: None,
        invoice_request: None,
        tags,
    })
}

fn lines(items: &[Item], money: &mut Money<'_>) -> Result<Vec<SnapshotLine>, PayloadError> {
    if items.len() > MAX_LINES {
        return Err(PayloadError::new(format!(
            "line_items: more than {MAX_LINES} lines"
        )));
    }
    let mut lines = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let field = |name: &str| format!("line_items[{index}].{name}");
        let quantity = payload::quantity(&item.quantity, &field("quantity"))?;
        if quantity == 0 {
            continue;
        }
        let gross = money.sum(
            &field("subtotal"),
            &[Some(&item.subtotal), item.subtotal_tax.as_ref()],
        )?;
        let net = money.sum(
            &field("total"),
            &[Some(&item.total), item.total_tax.as_ref()],
        )?;
        let (unit_price, discount) = money::unit_price(gross, net, quantity);
        let variation = item
            .variation_id
            .as_ref()
            .filter(|id| !id.is_zero_or_empty());
        lines.push(SnapshotLine {
            id: item.id.to_string(),
            channel_sku: variation
                .or(item.product_id.as_ref())
                .map(Literal::to_string),
            sku: filled(item.sku.clone()),
            name: item.name.clone().unwrap_or_default(),
            quantity,
            unit_price,
            discount,
            gift: false,
            parent: None,
        });
    }
    Ok(lines)
}

/// The shop's status, and whether we know the word. An unknown one (a plug-in's) waits for a
/// person rather than for goods to leave. A failed payment may be tried again, so the order waits;
/// the trash and deletion are cancellations.
fn channel_status(status: &str, shipped_status: Option<&str>) -> (ChannelStatus, bool) {
    match status {
        _ if shipped_status == Some(status) => (ChannelStatus::Shipped, true),
        "pending" | "on-hold" | "failed" | "checkout-draft" => (ChannelStatus::Pending, true),
        "processing" => (ChannelStatus::Confirmed, true),
        "completed" => (ChannelStatus::Completed, true),
        "cancelled" | "trash" => (ChannelStatus::Cancelled, true),
        "refunded" => (ChannelStatus::Returned, true),
        _ => (ChannelStatus::Pending, false),
    }
}

fn payment_method(gateway: &str) -> Option<PaymentMethod> {
    let gateway = gateway.to_ascii_lowercase();
    let has = |word: &str| gateway.contains(word);
    match gateway.as_str() {
        "" => None,
        "cod" => Some(PaymentMethod::Cod),
        "bacs" => Some(PaymentMethod::BankTransfer),
        _ if has("momo") || has("zalopay") || has("shopeepay") => Some(PaymentMethod::Wallet),
        _ if has("stripe") || has("card") => Some(PaymentMethod::Card),
        _ => Some(PaymentMethod::Prepaid),
    }
}

/// The gateway's word decides except for cash on delivery: the shop marks such an order as paid
/// when it is created through some plug-ins, but the money comes with the goods.
fn payment(
    order: &Order,
    method: Option<PaymentMethod>,
    refunded: Amount,
    total: Amount,
) -> ChannelPayment {
    let is_cod = method == Some(PaymentMethod::Cod);
    match order.status.as_str() {
        "refunded" => return ChannelPayment::Refunded,
        "failed" => return ChannelPayment::Failed,
        _ => {}
    }
    if refunded.0 > 0 {
        let all = refunded >= total;
        return if all {
            ChannelPayment::Refunded
        } else {
            ChannelPayment::PartiallyRefunded
        };
    }
    let says_paid = order
        .date_paid_gmt
        .as_deref()
        .is_some_and(|at| !at.is_empty());
    let collected = order.status == "completed";
    let paid = if is_cod {
        collected
    } else {
        says_paid || collected || order.status == "processing"
    };
    if paid {
        ChannelPayment::Paid
    } else {
        ChannelPayment::Unpaid
    }
}

impl Address {
    fn is_filled(&self) -> bool {
        [
            &self.address_1,
            &self.city,
            &self.first_name,
            &self.last_name,
        ]
        .into_iter()
        .any(|part| part.as_deref().is_some_and(|text| !text.trim().is_empty()))
    }

    fn name(&self) -> Option<String> {
        address::full_name(
            self.first_name.clone(),
            self.last_name.clone(),
            self.country.as_deref(),
        )
    }
}

/// The shipping address, or billing where the buyer gave none; the phone is often on billing only.
fn ship_to(shipping: Option<Address>, billing: Option<Address>) -> Option<ShipTo> {
    let billing_phone = billing.as_ref().and_then(|b| filled(b.phone.clone()));
    let address = shipping.filter(Address::is_filled).or(billing)?;
    let written = Written {
        name: address.name(),
        phone: address.phone,
        line: address.address_1,
        second: address.address_2,
        city: address.city,
        // A state is a code such as HO-CHI-MINH; people read it with spaces.
        province: address.state.map(|state| state.replace('-', " ")),
        ..Written::default()
    };
    let mut place = written.ship_to();
    place.phone = place.phone.or(billing_phone);
    Some(place)
}
