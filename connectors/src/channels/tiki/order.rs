//! A Tiki order as a snapshot.

use super::document::{Address, Item, Order};
use super::money;
use super::payment::paid;
use crate::inbound::{Normalized, PayloadError};
use crate::literal::Literal;
use crate::payload::{self, MAX_LINES, filled, word};
use domain::money::Amount;
use domain::snapshot::{
    Buyer, Cancellation, ChannelStatus, Deadlines, FulfilledBy, ShipTo, Snapshot, SnapshotLine,
};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Tiki sells in đồng only and does not say so.
pub(super) const CURRENCY: &str = "VND";

pub(super) fn normalize(document: &[u8], instock_at_tiki: bool) -> Normalized {
    let order: Order = payload::read(document)?;
    let mut tags = Vec::new();
    let status = status(&order, &mut tags);
    let lines = lines(&order, status, &mut tags)?;
    let totals = match (&order.invoice, &lines) {
        (Some(invoice), Some(_)) => {
            let discounts = order.items.iter().flatten().map(Item::discounts);
            Some(money::totals(invoice, discounts, CURRENCY, &mut tags)?)
        }
        _ => None,
    };
    let paid = paid(&order, status)?;
    let fulfilled_by = fulfilled_by(&order, instock_at_tiki, &mut tags);
    more_tags(&order, &mut tags);
    let created = required_time(order.created_at.as_deref(), "created_at")?;
    let revised = match order.updated_at.as_deref() {
        Some(text) if !text.is_empty() => local_time(text, "updated_at")?,
        Some(_) | None => created,
    };
    Ok(Snapshot {
        external_id: payload::external_id(order.code.as_str(), "code")?,
        placed_at: created,
        revised_at: revised,
        status,
        channel_status: word(order.status.as_deref().unwrap_or_default()),
        cancel_requested: false,
        cancellation: is_over(status).then(|| cancellation(&order)),
        buyer: buyer(&order),
        ship_to: order
            .shipping
            .as_ref()
            .and_then(|shipping| shipping.address.as_ref())
            .map(ship_to),
        deadlines: deadlines(&order, status)?,
        lines,
        currency: CURRENCY.to_owned(),
        totals,
        payment_method: paid.method,
        payment: paid.state,
        paid: paid.amount,
        refunded: Amount::default(),
        fulfilled_by,
        fixed_location: None,
        note: None,
        coupon: order
            .invoice
            .as_ref()
            .and_then(|invoice| filled(invoice.coupon_code.clone())),
        appointment: None,
        invoice_request: None,
        tags,
    })
}

pub(super) fn is_over(status: ChannelStatus) -> bool {
    matches!(
        status,
        ChannelStatus::Cancelled | ChannelStatus::DeliveryFailed
    )
}

fn status(order: &Order, tags: &mut Vec<String>) -> ChannelStatus {
    match order.status.as_deref().unwrap_or_default() {
        // Paid but not released to the seller yet: Tiki's advice is to leave these alone.
        "waiting_payment" | "payment_review" | "paid" | "processing" => ChannelStatus::Pending,
        "holded" => {
            tags.push("on_hold_at_tiki".to_owned());
            ChannelStatus::Pending
        }
        "queueing" | "picking" | "packaging" => ChannelStatus::Confirmed,
        "finished_packing" | "ready_to_ship" => ChannelStatus::Packed,
        "handover_to_partner" | "shipping" => ChannelStatus::Shipped,
        "delivered" | "successful_delivery" => ChannelStatus::Delivered,
        "complete" => ChannelStatus::Completed,
        "canceled" if had_left(order) => ChannelStatus::DeliveryFailed,
        "canceled" | "closed" => ChannelStatus::Cancelled,
        "returned" => ChannelStatus::Returned,
        unknown => {
            tags.push(format!("unknown_status:{}", word(unknown)));
            ChannelStatus::Pending
        }
    }
}

/// Whether the parcel was on its way before the order was cancelled: then it could not be
/// delivered and comes back.
fn had_left(order: &Order) -> bool {
    order.status_histories.iter().flatten().any(|history| {
        matches!(
            history.status.as_deref(),
            Some("handover_to_partner" | "shipping")
        )
    })
}

fn cancellation(order: &Order) -> Cancellation {
    let info = order.cancel_info.as_ref();
    Cancellation {
        // Tiki writes why, and not who.
        by: "channel".to_owned(),
        reason: info
            .and_then(|info| filled(info.reason_text.clone()))
            .or_else(|| Some(info?.reason_code.as_ref()?.to_string()))
            .unwrap_or_default(),
    }
}

fn lines(
    order: &Order,
    status: ChannelStatus,
    tags: &mut Vec<String>,
) -> Result<Option<Vec<SnapshotLine>>, PayloadError> {
    let Some(items) = &order.items else {
        return Ok(None);
    };
    if items.len() > MAX_LINES {
        return Err(PayloadError::new(format!(
            "items: more than {MAX_LINES} lines"
        )));
    }
    let ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
    let mut lines: Vec<SnapshotLine> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let field = |name: &str| format!("items[{index}].{name}");
        let id = item.id.as_str();
        if id.is_empty() || id.len() > 64 || ids[..index].contains(&id) {
            return Err(PayloadError::new(format!(
                "{}: expected an id of its own",
                field("id")
            )));
        }
        // A line that we gave back is wanted no more; an order that is over keeps its lines.
        if item.is_given_back() && !is_over(status) {
            tags.push(format!("line_cancelled:{}", word(id)));
            continue;
        }
        let quantity = payload::quantity(&item.qty, &field("qty"))?;
        if quantity == 0 {
            continue;
        }
        let unit_price = match &item.price {
            Some(price) => price.amount(&field("price"), CURRENCY)?,
            None => return Err(PayloadError::new(format!("{}: missing", field("price")))),
        };
        lines.push(SnapshotLine {
            id: id.to_owned(),
            channel_sku: item.channel_sku(),
            sku: item.seller_sku(),
            name: item
                .product
                .as_ref()
                .and_then(|product| filled(product.name.clone()))
                .unwrap_or_default(),
            quantity,
            unit_price,
            discount: Amount::default(),
            gift: item.is_free_gift == Some(true),
            parent: item
                .parent_item_id
                .as_ref()
                .map(Literal::as_str)
                .filter(|parent| *parent != id && ids.contains(parent))
                .map(str::to_owned),
        });
    }
    Ok(Some(lines))
}

/// Only what Tiki delivers can lie in its own warehouse.
fn fulfilled_by(order: &Order, instock_at_tiki: bool, tags: &mut Vec<String>) -> FulfilledBy {
    let by_tiki = matches!(
        order.fulfillment_type.as_deref(),
        Some("tiki_delivery" | "instant_delivery")
    );
    let items: Vec<&Item> = order.items.iter().flatten().collect();
    let instock = items
        .iter()
        .filter(|item| item.inventory() == "instock")
        .count();
    if !instock_at_tiki || !by_tiki || instock == 0 {
        return FulfilledBy::Us;
    }
    if instock < items.len() {
        // Somebody must look: part of it lies with us and part with Tiki.
        tags.push("partly_in_tiki_warehouse".to_owned());
        return FulfilledBy::Us;
    }
    FulfilledBy::Marketplace
}

fn buyer(order: &Order) -> Option<Buyer> {
    let customer = order.customer.as_ref();
    let address = order
        .shipping
        .as_ref()
        .and_then(|shipping| shipping.address.as_ref());
    let buyer = Buyer {
        name: customer.and_then(|customer| filled(customer.full_name.clone())),
        // Shown where the seller delivers; else empty or null.
        phone: address.and_then(Address::phone),
        email: address.and_then(|address| filled(address.email.clone())),
        external_id: customer
            .and_then(|customer| customer.id.as_ref())
            .filter(|id| !id.is_zero_or_empty())
            .map(Literal::to_string),
    };
    (buyer != Buyer::default()).then_some(buyer)
}

fn ship_to(address: &Address) -> ShipTo {
    ShipTo {
        name: filled(address.full_name.clone()),
        phone: address.phone(),
        text: None,
        line: filled(address.street.clone()),
        ward: filled(address.ward.clone()),
        district: filled(address.district.clone()),
        province: filled(address.region.clone()),
        lat: None,
        lon: None,
    }
}

/// The earliest of its lines: Tiki cancels a line that is not confirmed in time.
fn deadlines(order: &Order, status: ChannelStatus) -> Result<Deadlines, PayloadError> {
    let mut deadlines = Deadlines::default();
    if is_over(status) {
        return Ok(deadlines);
    }
    let earlier = |known: Option<Timestamp>, at: Option<Timestamp>| match (known, at) {
        (Some(known), Some(at)) => Some(known.min(at)),
        (known, at) => known.or(at),
    };
    for item in order.items.iter().flatten() {
        let Some(confirmation) = &item.confirmation else {
            continue;
        };
        if item.waits() {
            let at = moment(
                confirmation.available_confirm_sla.as_deref(),
                "available_confirm_sla",
            )?;
            deadlines.confirm_by = earlier(deadlines.confirm_by, at);
        }
        let at = moment(
            confirmation.pickup_confirm_sla.as_deref(),
            "pickup_confirm_sla",
        )?;
        deadlines.ship_by = earlier(deadlines.ship_by, at);
    }
    Ok(deadlines)
}

fn more_tags(order: &Order, tags: &mut Vec<String>) {
    if let Some(kind) = &order.fulfillment_type {
        tags.push(format!("fulfillment:{}", word(kind)));
    }
    let awaits = order.items.iter().flatten().any(Item::waits);
    if awaits && order.status.as_deref() == Some("queueing") {
        tags.push("awaits_confirmation".to_owned());
    }
    if order.has_backorder_items == Some(true) {
        tags.push("backorder".to_owned());
    }
    let others = order.multiseller_confirmation.as_ref();
    if others.is_some_and(|others| others.need_other_sellers_confirm == Some(true)) {
        tags.push("other_sellers_must_confirm".to_owned());
    }
    let own = order.code.as_str();
    let mut link = |name: &str, code: Option<&Literal>| {
        let code = code.map_or("", Literal::as_str);
        if !code.is_empty() && code != "0" && code != own {
            tags.push(format!("{name}:{}", word(code)));
        }
    };
    link("original", order.original_code.as_ref());
    link("parent", order.parent_code.as_ref());
    link("relation", order.relation_code.as_ref());
    link("linked", order.linked_code.as_ref());
    for sibling in order.siblings.iter().flatten().take(20) {
        link("sibling", sibling.code.as_ref());
    }
    let rma = order.rma_info.as_ref();
    link(
        "rma_of",
        rma.and_then(|rma| rma.original_order_code.as_ref()),
    );
    link(
        "exchanged_for",
        rma.and_then(|rma| rma.exchanged_order_code.as_ref()),
    );
    if order.is_rma == Some(true) {
        tags.push("rma".to_owned());
    }
    if let Some(status) = rma.and_then(|rma| rma.status.as_deref()) {
        tags.push(format!("rma_status:{}", word(status)));
    }
    if let Some(method) = order.payment.as_ref().and_then(|p| p.method.as_deref()) {
        tags.push(format!("payment:{}", word(method)));
    }
    let cancel = order.cancel_info.as_ref();
    if let Some(code) = cancel.and_then(|cancel| cancel.reason_code.as_ref()) {
        tags.push(format!("cancel_reason:{}", word(code.as_str())));
    }
    let warehouse = order.tiki_warehouse.as_ref();
    if let Some(code) = warehouse.and_then(|warehouse| warehouse.code.as_deref()) {
        tags.push(format!("tiki_warehouse:{}", word(code)));
    }
    let tracking = order.shipping.as_ref();
    let tracking = tracking.and_then(|shipping| shipping.tracking_code.as_ref());
    if let Some(number) = tracking.filter(|number| !number.as_str().is_empty()) {
        tags.push(format!("tracking:{}", word(number.as_str())));
    }
}

fn required_time(text: Option<&str>, field: &str) -> Result<Timestamp, PayloadError> {
    local_time(text.unwrap_or_default(), field)
}

fn moment(text: Option<&str>, field: &str) -> Result<Option<Timestamp>, PayloadError> {
    match text {
        Some(text) if !text.is_empty() => local_time(text, field).map(Some),
        Some(_) | None => Ok(None),
    }
}

/// Tiki's times are Vietnam's (UTC+7) and carry no zone; one that carries a zone is taken at its
/// word.
pub(super) fn local_time(text: &str, field: &str) -> Result<Timestamp, PayloadError> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    text.parse::<DateTime>()
        .ok()
        .and_then(|civil| Offset::constant(7).to_timestamp(civil).ok())
        .ok_or_else(|| {
            PayloadError::new(format!(
                "{field}: expected a time such as 2026-11-24 08:02:03"
            ))
        })
}
