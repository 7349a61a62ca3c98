//! A Sapo Omni order as a snapshot. Five words say how far it is (`status`, `packed_status`,
//! `fulfillment_status`, `received_status`, `return_status`) and a sixth what is paid.

use domain::money::Amount;
use domain::snapshot::{
    Buyer, Cancellation, ChannelPayment, ChannelStatus, Deadlines, FulfilledBy, PaymentMethod,
    ShipTo, Snapshot, SnapshotLine, SnapshotTotals,
};
use jiff::Timestamp;
use serde::Deserialize;

use crate::channels::storefront::address::{self, Written};
use crate::channels::storefront::money::{self, Money};
use crate::channels::storefront::numeric_id;
use crate::inbound::{Normalized, PayloadError};
use crate::literal::Literal;
use crate::payload::{self, MAX_LINES, filled, word};

/// Sapo Omni keeps its books in đồng and does not say so.
const CURRENCY: &str = "VND";

#[derive(Deserialize)]
struct Envelope {
    order: Option<Order>,
}

#[derive(Deserialize)]
pub(super) struct Order {
    id: Literal,
    created_on: Option<String>,
    issued_on: Option<String>,
    modified_on: Option<String>,
    customer_data: Option<Customer>,
    shipping_address: Option<Address>,
    billing_address: Option<Address>,
    email: Option<String>,
    phone_number: Option<String>,
    pub(super) status: Option<String>,
    packed_status: Option<String>,
    fulfillment_status: Option<String>,
    received_status: Option<String>,
    payment_status: Option<String>,
    return_status: Option<String>,
    total: Literal,
    total_discount: Option<Literal>,
    note: Option<String>,
    delivery_fee: Option<DeliveryFee>,
    order_line_items: Option<Vec<Item>>,
    prepayments: Option<Vec<Prepayment>>,
    pub(super) fulfillments: Option<Vec<Fulfillment>>,
    expected_payment_method_id: Option<Literal>,
    promotion_code: Option<String>,
}

#[derive(Deserialize)]
struct Customer {
    id: Option<Literal>,
    name: Option<String>,
    phone_number: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    first_name: Option<String>,
    last_name: Option<String>,
    address1: Option<String>,
    address2: Option<String>,
    ward: Option<String>,
    district: Option<String>,
    city: Option<String>,
    phone_number: Option<String>,
    full_address: Option<String>,
}

/// The fee alone, or with the rule that made it.
#[derive(Deserialize)]
#[serde(untagged)]
enum DeliveryFee {
    Ruled { fee: Option<Literal> },
    Alone(Literal),
}

#[derive(Deserialize)]
struct Item {
    id: Literal,
    variant_id: Option<Literal>,
    product_id: Option<Literal>,
    product_name: Option<String>,
    variant_name: Option<String>,
    sku: Option<String>,
    price: Literal,
    quantity: Literal,
    discount_amount: Option<Literal>,
    tax_included: Option<bool>,
    tax_amount: Option<Literal>,
}

#[derive(Deserialize)]
struct Prepayment {
    amount: Option<Literal>,
    status: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Fulfillment {
    pub(super) id: Literal,
    pub(super) status: Option<String>,
    pub(super) fulfillment_line_items: Option<Vec<Sent>>,
    pub(super) shipment: Option<Shipment>,
}

#[derive(Deserialize)]
pub(super) struct Sent {
    pub(super) order_line_item_id: Literal,
    pub(super) quantity: Literal,
}

#[derive(Deserialize)]
pub(super) struct Shipment {
    pub(super) tracking_code: Option<Literal>,
    cod_amount: Option<Literal>,
}

/// Reads an order alone or in its envelope.
///
/// # Errors
/// The first wrong field.
pub(super) fn read(document: &[u8]) -> Result<Order, PayloadError> {
    match payload::read::<Envelope>(document)? {
        Envelope { order: Some(order) } => Ok(order),
        Envelope { order: None } => payload::read(document),
    }
}

pub(super) fn normalize(document: &[u8], cod_methods: &[u64]) -> Normalized {
    let order = read(document)?;
    let mut money = Money::of(CURRENCY);
    let mut tags = Vec::new();
    let status = status(&order, &mut tags);
    let lines = lines(&order, &mut money)?;
    let totals = totals(&order, &lines, &mut money)?;
    let grand_total = totals.grand_total.unwrap_or_default();
    let payment = payment(&order, &mut tags);
    let paid = paid(&order, payment, grand_total, &mut money)?;
    let method = method(&order, payment, cod_methods);
    if money.rounded() {
        tags.push("amounts_rounded".to_owned());
    }
    let placed = order.issued_on.as_deref().or(order.created_on.as_deref());
    let said = order.status.as_deref().unwrap_or_default();
    Ok(Snapshot {
        external_id: numeric_id(&order.id, "id")?,
        placed_at: time(placed, "created_on")?,
        revised_at: time(order.modified_on.as_deref(), "modified_on")?,
        status,
        channel_status: word(said),
        cancel_requested: false,
        cancellation: (status == ChannelStatus::Cancelled).then(|| Cancellation {
            by: "shop".to_owned(),
            reason: String::new(),
        }),
        buyer: buyer(&order),
        note: filled(order.note.clone()),
        coupon: filled(order.promotion_code.clone()),
        ship_to: ship_to(order),
        lines: Some(lines),
        currency: CURRENCY.to_owned(),
        totals: Some(totals),
        payment_method: method,
        payment: Some(payment),
        paid,
        refunded: Amount::default(),
        fulfilled_by: FulfilledBy::Us,
        fixed_location: None,
        deadlines: Deadlines::default(),
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

/// The farthest word counts. `finished` means that nobody may touch the order any more, whatever
/// became of the goods, so by itself it waits for a person.
fn status(order: &Order, tags: &mut Vec<String>) -> ChannelStatus {
    let is = |word: &Option<String>, value: &str| word.as_deref() == Some(value);
    if is(&order.status, "cancelled") {
        return ChannelStatus::Cancelled;
    }
    if is(&order.return_status, "returned") {
        return ChannelStatus::Returned;
    }
    if is(&order.status, "completed") {
        return ChannelStatus::Completed;
    }
    if is(&order.received_status, "received") {
        return ChannelStatus::Delivered;
    }
    if is(&order.fulfillment_status, "shipped") {
        return ChannelStatus::Shipped;
    }
    if is(&order.packed_status, "packed") {
        return ChannelStatus::Packed;
    }
    match order.status.as_deref().unwrap_or_default() {
        "finalized" => ChannelStatus::Confirmed,
        "draft" => ChannelStatus::Pending,
        unknown => {
            tags.push(format!("unknown_status:{}", word(unknown)));
            ChannelStatus::Pending
        }
    }
}

fn payment(order: &Order, tags: &mut Vec<String>) -> ChannelPayment {
    match order.payment_status.as_deref() {
        Some("paid") => ChannelPayment::Paid,
        Some("partial") => ChannelPayment::PartiallyPaid,
        Some("unpaid") | None => ChannelPayment::Unpaid,
        Some(unknown) => {
            tags.push(format!("unknown_status:{}", word(unknown)));
            ChannelPayment::Unpaid
        }
    }
}

fn paid(
    order: &Order,
    payment: ChannelPayment,
    total: Amount,
    money: &mut Money<'_>,
) -> Result<Option<Amount>, PayloadError> {
    if payment == ChannelPayment::Paid {
        return Ok(Some(total));
    }
    if payment != ChannelPayment::PartiallyPaid {
        return Ok(Some(Amount::default()));
    }
    let prepaid: Vec<_> = (order.prepayments.as_deref().unwrap_or_default().iter())
        .filter(|one| one.status.as_deref() != Some("cancelled"))
        .take(MAX_LINES)
        .map(|one| one.amount.as_ref())
        .collect();
    if prepaid.is_empty() {
        return Ok(None);
    }
    money.sum("prepayments[].amount", &prepaid).map(Some)
}

/// Orders name a payment method by its number only; a carrier that is to collect says the rest.
fn method(order: &Order, payment: ChannelPayment, cod_methods: &[u64]) -> Option<PaymentMethod> {
    let collects = order
        .fulfillments
        .as_deref()
        .unwrap_or_default()
        .iter()
        .any(|parcel| {
            let cod = parcel
                .shipment
                .as_ref()
                .and_then(|shipment| shipment.cod_amount.as_ref());
            cod.is_some_and(|amount| !amount.is_zero_or_empty())
        });
    let expected = order.expected_payment_method_id.as_ref();
    let expected = expected.and_then(|id| id.as_str().parse().ok());
    let is_cod = expected.is_some_and(|id: u64| cod_methods.contains(&id));
    if collects || is_cod {
        Some(PaymentMethod::Cod)
    } else if payment == ChannelPayment::Paid {
        Some(PaymentMethod::Prepaid)
    } else {
        None
    }
}

fn lines(order: &Order, money: &mut Money<'_>) -> Result<Vec<SnapshotLine>, PayloadError> {
    let items = order.order_line_items.as_deref().unwrap_or_default();
    if items.len() > MAX_LINES {
        return Err(PayloadError::new(format!(
            "order_line_items: more than {MAX_LINES} lines"
        )));
    }
    let mut lines = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let field = |name: &str| format!("order_line_items[{index}].{name}");
        let quantity = payload::quantity(&item.quantity, &field("quantity"))?;
        if quantity == 0 {
            continue;
        }
        let price = money.sum(&field("price"), &[Some(&item.price)])?;
        let discount = money.sum(&field("discount_amount"), &[item.discount_amount.as_ref()])?;
        let on_top = item
            .tax_amount
            .as_ref()
            .filter(|_| item.tax_included == Some(false));
        let tax = money.sum(&field("tax_amount"), &[on_top])?;
        let gross = price
            .0
            .saturating_mul(i64::from(quantity))
            .saturating_add(tax.0);
        let (unit_price, discount) = if tax.is_zero() {
            (price, discount)
        } else {
            money::unit_price(Amount(gross), Amount(gross - discount.0), quantity)
        };
        let name = filled(item.variant_name.clone()).or_else(|| filled(item.product_name.clone()));
        lines.push(SnapshotLine {
            id: word(item.id.as_str()),
            channel_sku: (item.variant_id.as_ref().or(item.product_id.as_ref()))
                .filter(|id| !id.is_zero_or_empty())
                .map(|id| word(id.as_str())),
            sku: filled(item.sku.clone()),
            name: name.unwrap_or_default(),
            quantity,
            unit_price,
            discount,
            gift: false,
            parent: None,
        });
    }
    Ok(lines)
}

/// It is documented neither whether `total` holds the delivery fee nor whether `total_discount`
/// holds the lines' own discounts; the reading that adds up is taken, and if none does, the
/// difference holds the order.
fn totals(
    order: &Order,
    lines: &[SnapshotLine],
    money: &mut Money<'_>,
) -> Result<SnapshotTotals, PayloadError> {
    let total = money.sum("total", &[Some(&order.total)])?;
    let stated = money.sum("total_discount", &[order.total_discount.as_ref()])?;
    let fee = match &order.delivery_fee {
        Some(DeliveryFee::Ruled { fee }) => fee.as_ref(),
        Some(DeliveryFee::Alone(fee)) => Some(fee),
        None => None,
    };
    let shipping = money.sum("delivery_fee", &[fee])?;
    let of_lines = lines
        .iter()
        .fold(0_i64, |sum, line| sum.saturating_add(line.discount.0));
    let items = lines.iter().fold(0_i64, |sum, line| {
        let gross = line.unit_price.0.saturating_mul(i64::from(line.quantity));
        sum.saturating_add(gross).saturating_sub(line.discount.0)
    });
    let rest = stated.0.saturating_sub(of_lines).max(0);
    let (discount, grand_total) = [rest, stated.0, 0]
        .into_iter()
        .find_map(|discount| {
            let goods = items.saturating_sub(discount);
            let all = goods.saturating_add(shipping.0);
            let adds_up = total.0 == all || total.0 == goods;
            adds_up.then_some((discount, all))
        })
        .unwrap_or((rest, total.0));
    Ok(SnapshotTotals {
        seller_discount: Amount(discount),
        channel_discount: Amount::default(),
        shipping,
        fees: Amount::default(),
        grand_total: Some(Amount(grand_total)),
    })
}

fn buyer(order: &Order) -> Option<Buyer> {
    let customer = order.customer_data.as_ref();
    let address = order
        .shipping_address
        .as_ref()
        .or(order.billing_address.as_ref());
    let phone = (order.phone_number.clone()).or_else(|| customer?.phone_number.clone());
    let buyer = Buyer {
        name: customer
            .and_then(|customer| filled(customer.name.clone()))
            .or_else(|| address?.name()),
        phone: filled(phone).or_else(|| filled(address?.phone_number.clone())),
        email: filled(order.email.clone()).or_else(|| filled(customer?.email.clone())),
        external_id: (customer.and_then(|customer| customer.id.as_ref()))
            .filter(|id| !id.is_zero_or_empty())
            .map(|id| word(id.as_str())),
    };
    (buyer != Buyer::default()).then_some(buyer)
}

impl Address {
    fn name(&self) -> Option<String> {
        address::full_name(self.first_name.clone(), self.last_name.clone(), Some("VN"))
    }
}

/// `city` is the province.
fn ship_to(order: Order) -> Option<ShipTo> {
    let customer = order.customer_data;
    let address = order.shipping_address.or(order.billing_address)?;
    let name = address
        .name()
        .or_else(|| filled(customer.as_ref()?.name.clone()));
    let phone =
        filled(order.phone_number).or_else(|| filled(customer.as_ref()?.phone_number.clone()));
    let whole = filled(address.full_address);
    let mut place = Written {
        name,
        phone: address.phone_number,
        line: address.address1,
        second: address.address2,
        ward: address.ward,
        district: address.district,
        province: address.city,
        ..Written::default()
    }
    .ship_to();
    place.phone = place.phone.or(phone);
    place.text = whole.or(place.text);
    Some(place)
}
