//! A Shopee order detail as a snapshot.
//!
//! The detail says what the buyer pays in all (once paid, or for cash on delivery) and what the
//! shop sells the articles for, but not how vouchers were split: that stands in the escrow, see
//! [`super::escrow`]. Without it what lies between is derived here, so that the equation of totals
//! holds, and tagged because it had to be guessed.

use domain::money::Amount;
use domain::snapshot::{
    Buyer, Cancellation, ChannelPayment, ChannelStatus, Deadlines, FulfilledBy, PaymentMethod,
    ShipTo, Snapshot, SnapshotLine, SnapshotTotals,
};
use jiff::Timestamp;

use super::document::{Address, Item, Order, Tracking, Whole};
use super::escrow::{self, Figures};
use super::returns;
use crate::inbound::{Normalized, PayloadError};
use crate::literal::{self, Literal};
use crate::payload::{self, MAX_LINES, filled, word};

pub(super) fn normalize(document: &[u8]) -> Normalized {
    let whole: Whole<'_> = serde_json::from_slice(document)
        .map_err(|_| PayloadError::new(".: expected an order or an answer with orders"))?;
    let response = whole
        .order_detail
        .map_or(whole.response, |answer| answer.response);
    let order: Order = match response {
        Some(response) => match response.order_list.first() {
            Some(first) => payload::read(first.get().as_bytes())?,
            None => return Err(PayloadError::new("response.order_list: no order")),
        },
        None => payload::read(document)?,
    };
    let escrow = whole
        .escrow
        .and_then(|raw| serde_json::from_str::<escrow::Answer>(raw.get()).ok());
    let mut snapshot = snapshot(order, escrow.as_ref())?;
    for raw in whole.tracking {
        let answer = serde_json::from_str::<Option<Tracking>>(raw.get()).unwrap_or_default();
        let number = answer.and_then(|answer| answer.response?.tracking_number);
        if let Some(number) = filled(number) {
            snapshot.tags.push(format!("tracking:{}", word(&number)));
        }
    }
    let returns: Vec<returns::Answer> = whole
        .returns
        .iter()
        .filter_map(|raw| serde_json::from_str(raw.get()).ok())
        .collect();
    returns::apply(&mut snapshot, &returns)?;
    Ok(snapshot)
}

fn snapshot(mut order: Order, escrow: Option<&escrow::Answer>) -> Normalized {
    order.currency = literal::known_currency(&order.currency)?.code().to_owned();
    let mut tags = Vec::new();
    let (status, cancel_requested) = status(&order, &mut tags);
    // Figures that cannot be read are as good as none: the order itself is whole without them.
    let figures = match escrow.map(|answer| Figures::read(answer, &order.currency)) {
        Some(Ok(figures)) => figures,
        Some(Err(_)) => {
            tags.push("escrow_unreadable".to_owned());
            None
        }
        None => None,
    };
    let mut lines = lines(&order, status)?;
    if let Some(figures) = &figures {
        lines
            .iter_mut()
            .flatten()
            .for_each(|line| figures.discount(line));
    }
    let totals = match &lines {
        Some(lines) => Some(totals(&order, status, lines, figures.as_ref(), &mut tags)?),
        None => None,
    };
    let payment = payment(&order, status);
    let total = totals.and_then(|totals| totals.grand_total);
    more_tags(&order, &mut tags);
    let fulfilled_by = fulfilled_by(&order);
    Ok(Snapshot {
        external_id: payload::external_id(&order.order_sn, "order_sn")?,
        placed_at: seconds(&order.create_time, "create_time")?,
        revised_at: seconds(&order.update_time, "update_time")?,
        status,
        channel_status: word(&order.order_status),
        cancel_requested,
        cancellation: matches!(
            status,
            ChannelStatus::Cancelled | ChannelStatus::DeliveryFailed
        )
        .then(|| cancellation(&order)),
        buyer: Some(Buyer {
            name: filled(order.buyer_username.clone()),
            phone: None,
            email: None,
            external_id: order
                .buyer_user_id
                .as_ref()
                .filter(|id| !id.is_zero_or_empty())
                .map(Literal::to_string),
        })
        .filter(|buyer| *buyer != Buyer::default()),
        ship_to: order.recipient_address.map(ShipTo::from),
        lines,
        currency: order.currency,
        totals,
        // The vendor's word for the means is free text in the buyer's language; `cod` is sure.
        payment_method: Some(if order.cod {
            PaymentMethod::Cod
        } else {
            PaymentMethod::Prepaid
        }),
        payment: Some(payment),
        paid: match payment {
            ChannelPayment::Paid => total,
            ChannelPayment::Unpaid => Some(Amount::default()),
            ChannelPayment::Authorized
            | ChannelPayment::PartiallyPaid
            | ChannelPayment::PartiallyRefunded
            | ChannelPayment::Refunded
            | ChannelPayment::Failed => None,
        },
        refunded: Amount::default(),
        fulfilled_by,
        fixed_location: None,
        deadlines: Deadlines {
            confirm_by: None,
            ship_by: moment(order.ship_by_date.as_ref(), "ship_by_date")?,
        },
        note: filled(order.message_to_seller),
        coupon: None,
        appointment: None,
        invoice_request: None,
        tags,
    })
}

/// The unified status and whether a cancellation waits for an answer.
fn status(order: &Order, tags: &mut Vec<String>) -> (ChannelStatus, bool) {
    let items = order.item_list.iter().flatten();
    let part_requested = items
        .filter_map(|item| item.cancel_requested_qty.as_ref())
        .any(|quantity| !quantity.is_zero_or_empty());
    let status = match order.order_status.as_str() {
        "UNPAID" => ChannelStatus::Pending,
        "PENDING" => {
            let terms = order.pending_terms.iter().flatten();
            tags.extend(terms.map(|term| format!("pending:{}", word(term))));
            ChannelStatus::Pending
        }
        "READY_TO_SHIP" | "INVOICE_PENDING" => ChannelStatus::Confirmed,
        "RETRY_SHIP" => {
            tags.push("rearrange_shipment".to_owned());
            ChannelStatus::Confirmed
        }
        "PROCESSED" => ChannelStatus::Packed,
        "SHIPPED" => ChannelStatus::Shipped,
        "TO_CONFIRM_RECEIVE" => ChannelStatus::Delivered,
        "COMPLETED" => ChannelStatus::Completed,
        "TO_RETURN" => ChannelStatus::ReturnRequested,
        // The request says nothing of how far the parcel is; the pickup does.
        "IN_CANCEL" if is_set(order.pickup_done_time.as_ref()) => ChannelStatus::Shipped,
        "IN_CANCEL" => ChannelStatus::Confirmed,
        "CANCELLED" if delivery_failed(order) => ChannelStatus::DeliveryFailed,
        "CANCELLED" => ChannelStatus::Cancelled,
        unknown => {
            tags.push(format!("unknown_status:{}", word(unknown)));
            ChannelStatus::Pending
        }
    };
    let is_over = matches!(
        status,
        ChannelStatus::Cancelled | ChannelStatus::DeliveryFailed
    );
    let requested = order.order_status == "IN_CANCEL" || (part_requested && !is_over);
    (status, requested)
}

/// The parcel of an advance package left under a booking, before the order existed: to reserve and
/// ship it again would send the goods twice, so it is nobody's to fulfil any more.
fn fulfilled_by(order: &Order) -> FulfilledBy {
    let by_shopee = order.fulfillment_flag.as_deref() == Some("fulfilled_by_shopee");
    if by_shopee || order.advance_package == Some(true) {
        FulfilledBy::Marketplace
    } else {
        FulfilledBy::Us
    }
}

/// A cancelled order whose goods had left: the parcel comes back or is lost.
fn delivery_failed(order: &Order) -> bool {
    let by_reason = matches!(
        order.cancel_reason.as_deref(),
        Some("Failed Delivery" | "Parcel is Lost" | "COD Rejected")
    );
    let mut packages = order.package_list.iter().flatten();
    by_reason
        || packages.any(|package| {
            matches!(
                package.logistics_status.as_deref(),
                Some("LOGISTICS_DELIVERY_FAILED" | "LOGISTICS_LOST" | "LOGISTICS_PICKUP_FAILED")
            )
        })
}

fn cancellation(order: &Order) -> Cancellation {
    let text = |text: &Option<String>| filled(text.clone());
    Cancellation {
        by: text(&order.cancel_by).unwrap_or_else(|| "system".to_owned()),
        reason: text(&order.cancel_reason)
            .or_else(|| text(&order.buyer_cancel_reason))
            .unwrap_or_default(),
    }
}

fn payment(order: &Order, status: ChannelStatus) -> ChannelPayment {
    let is_paid = is_set(order.pay_time.as_ref());
    let is_over = matches!(
        status,
        ChannelStatus::Cancelled | ChannelStatus::DeliveryFailed
    );
    match (is_paid, is_over) {
        // The marketplace holds the money and gives it back by itself.
        (true, true) => ChannelPayment::Refunded,
        (true, false) => ChannelPayment::Paid,
        (false, _) => ChannelPayment::Unpaid,
    }
}

fn lines(order: &Order, status: ChannelStatus) -> Result<Option<Vec<SnapshotLine>>, PayloadError> {
    let Some(items) = &order.item_list else {
        return Ok(None);
    };
    if items.len() > MAX_LINES {
        return Err(PayloadError::new(format!(
            "item_list: more than {MAX_LINES} lines"
        )));
    }
    let ids = line_ids(items);
    let mut lines: Vec<SnapshotLine> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let field = |name: &str| format!("item_list[{index}].{name}");
        let bought = payload::quantity(
            &item.model_quantity_purchased,
            &field("model_quantity_purchased"),
        )?;
        let cancelled = match &item.cancelled_qty {
            // A cancelled order keeps its lines as they were bought; its status says the rest.
            Some(quantity) if status != ChannelStatus::Cancelled => {
                payload::quantity(quantity, &field("cancelled_qty"))?
            }
            Some(_) | None => 0,
        };
        let quantity = bought.saturating_sub(cancelled);
        if quantity == 0 {
            continue;
        }
        lines.push(SnapshotLine {
            id: ids[index].clone(),
            channel_sku: Some(item.channel_sku()),
            sku: filled(item.model_sku.clone()).or_else(|| filled(item.item_sku.clone())),
            name: name(item),
            quantity,
            unit_price: unit_price(item, &field("model_discounted_price"), &order.currency)?,
            discount: Amount::default(),
            gift: item
                .promotion_type
                .as_deref()
                .is_some_and(|kind| kind.contains("gift")),
            parent: main_item(item, items).map(|main| ids[main].clone()),
        });
    }
    Ok(Some(lines))
}

/// Article and model; one that stands twice in an order (once in a deal) gets a number, in the
/// document's order, cancelled lines counted too.
fn line_ids(items: &[Item]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::with_capacity(items.len());
    items
        .iter()
        .map(|item| {
            let channel_sku = item.channel_sku();
            let same = seen.iter().filter(|known| **known == channel_sku).count();
            seen.push(channel_sku.clone());
            if same == 0 {
                channel_sku
            } else {
                format!("{channel_sku}#{}", same + 1)
            }
        })
        .collect()
}

/// Where the article stands that an add-on goes with.
fn main_item(item: &Item, items: &[Item]) -> Option<usize> {
    if item.add_on_deal != Some(true) || item.main_item == Some(true) {
        return None;
    }
    let deal = item.deal()?;
    items
        .iter()
        .position(|other| other.main_item == Some(true) && other.deal() == Some(deal))
}

fn name(item: &Item) -> String {
    let article = item.item_name.clone().unwrap_or_default();
    match filled(item.model_name.clone()) {
        Some(model) => format!("{article} - {model}"),
        None => article,
    }
}

/// What the shop sells one unit for. In a bundle deal the discounted price is written as 0, which
/// is not the price: there the original stands, and the deal shows as a discount of the order.
fn unit_price(item: &Item, field: &str, currency: &str) -> Result<Amount, PayloadError> {
    let is_bundle = item.promotion_type.as_deref() == Some("bundle_deal");
    let discounted = match &item.model_discounted_price {
        Some(price) => Some(price.amount(field, currency)?),
        None => None,
    };
    match (discounted, &item.model_original_price) {
        (Some(price), _) if price.0 > 0 || !is_bundle => Ok(price),
        (_, Some(original)) => original.amount(field, currency),
        (Some(price), None) => Ok(price),
        (None, None) => Err(PayloadError::new(format!("{field}: missing"))),
    }
}

/// `total = items + shipping − discounts`. Only `total` and the items are sure: the estimated
/// shipping fee is what the buyer is charged unless a voucher is at work; the escrow's figures say
/// more.
fn totals(
    order: &Order,
    status: ChannelStatus,
    lines: &[SnapshotLine],
    figures: Option<&Figures>,
    tags: &mut Vec<String>,
) -> Result<SnapshotTotals, PayloadError> {
    let amount = |literal: &Option<Literal>, field: &str| match literal {
        Some(literal) => literal.amount(field, &order.currency).map(Some),
        None => Ok(None),
    };
    let stated = amount(&order.total_amount, "total_amount")?;
    let estimated = amount(&order.estimated_shipping_fee, "estimated_shipping_fee")?;
    let estimated = estimated.unwrap_or_default();
    let is_over = matches!(
        status,
        ChannelStatus::Cancelled | ChannelStatus::DeliveryFailed
    );
    // Nothing is owed any more, or nothing is stated yet: there is nothing to compare.
    let Some(total) = stated.filter(|total| !(is_over && total.0 == 0)) else {
        return Ok(SnapshotTotals {
            shipping: estimated,
            ..SnapshotTotals::default()
        });
    };
    let items: i64 = lines
        .iter()
        .map(|line| line.unit_price.0 * i64::from(line.quantity) - line.discount.0)
        .sum();
    if let Some(figures) = figures {
        return Ok(figures.totals(total, items, estimated.0, tags));
    }
    let between = total.0 - items;
    let (shipping, discount) = if between == estimated.0 {
        (between, 0)
    } else if between > estimated.0 {
        tags.push("shipping_derived".to_owned());
        (between, 0)
    } else {
        // Vouchers and coins; who pays them stands in the escrow detail only.
        tags.push("voucher_split_unknown".to_owned());
        (estimated.0, estimated.0 - between)
    };
    Ok(SnapshotTotals {
        channel_discount: Amount(discount),
        shipping: Amount(shipping),
        grand_total: Some(total),
        ..SnapshotTotals::default()
    })
}

fn more_tags(order: &Order, tags: &mut Vec<String>) {
    if order.advance_package == Some(true) {
        tags.push("advance_package".to_owned());
    }
    if let Some(booking) = order.booking_sn.as_deref().filter(|sn| !sn.is_empty()) {
        tags.push(format!("booking:{}", word(booking)));
    }
}

impl From<Address> for ShipTo {
    fn from(given: Address) -> Self {
        Self {
            name: filled(given.name),
            phone: filled(given.phone),
            text: filled(given.full_address),
            line: None,
            ward: filled(given.town),
            district: filled(given.district),
            province: filled(given.state).or_else(|| filled(given.city)),
            lat: None,
            lon: None,
        }
    }
}

fn is_set(seconds: Option<&Literal>) -> bool {
    seconds.is_some_and(|literal| !literal.is_zero_or_empty())
}

fn seconds(literal: &Literal, field: &str) -> Result<Timestamp, PayloadError> {
    Timestamp::from_second(literal.whole(field)?)
        .map_err(|_| PayloadError::new(format!("{field}: expected unix seconds")))
}

fn moment(literal: Option<&Literal>, field: &str) -> Result<Option<Timestamp>, PayloadError> {
    match literal {
        Some(literal) if !literal.is_zero_or_empty() => seconds(literal, field).map(Some),
        Some(_) | None => Ok(None),
    }
}
