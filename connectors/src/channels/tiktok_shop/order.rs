//! A TikTok Shop order as a snapshot.

use domain::money::Amount;
use domain::snapshot::{
    Buyer, Cancellation, ChannelPayment, ChannelStatus, Deadlines, FulfilledBy, PaymentMethod,
    ShipTo, Snapshot, SnapshotTotals,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::document::{Address, Order, PriceDetail, Return, is_set, moment, seconds};
use super::{lines, returns, totals};
use crate::inbound::{Normalized, PayloadError};
use crate::literal::{self, Literal};
use crate::payload::{self, filled, word};

/// What a fetch puts together, or an answer of an order call.
#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    order_detail: Option<&'a RawValue>,
    #[serde(borrow)]
    price_detail: Option<&'a RawValue>,
    #[serde(borrow)]
    returns: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: Option<T>,
}

#[derive(Deserialize)]
struct Orders<'a> {
    #[serde(borrow)]
    orders: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Returns {
    return_orders: Option<Vec<Return>>,
}

pub(super) fn normalize(document: &[u8]) -> Normalized {
    let whole: Whole<'_> = serde_json::from_slice(document)
        .map_err(|_| PayloadError::new(".: expected an order or an answer with orders"))?;
    let answer = match whole.order_detail {
        Some(detail) => Some(payload::read::<Whole<'_>>(detail.get().as_bytes())?)
            .and_then(|answer| answer.data),
        None => whole.data,
    };
    let order: Order = match answer {
        Some(data) => {
            let data: Orders<'_> = serde_json::from_str(data.get())
                .map_err(|_| PayloadError::new("data.orders: expected a list"))?;
            match data.orders.as_deref() {
                Some([first, ..]) => payload::read(first.get().as_bytes())?,
                Some([]) | None => return Err(PayloadError::new("data.orders: no order")),
            }
        }
        None => payload::read(document)?,
    };
    snapshot(
        order,
        aside::<PriceDetail>(whole.price_detail).as_ref(),
        aside::<Returns>(whole.returns)
            .and_then(|returns| returns.return_orders)
            .as_deref(),
    )
}

/// What stands beside the order, where it is there and of the vendor's form: the order does not
/// depend on it.
fn aside<'a, T: Deserialize<'a>>(part: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str::<Option<Answer<T>>>(part?.get())
        .ok()??
        .data
}

fn snapshot(order: Order, price: Option<&PriceDetail>, sent_back: Option<&[Return]>) -> Normalized {
    let currency = currency(&order)?;
    let mut tags = Vec::new();
    let mut status = status(&order, &mut tags);
    let is_over = matches!(
        status,
        ChannelStatus::Cancelled | ChannelStatus::DeliveryFailed
    );
    let placed_at = seconds(&order.create_time, "create_time")?;
    let mut revised_at = match &order.update_time {
        Some(time) if !time.is_zero_or_empty() => seconds(time, "update_time")?,
        Some(_) | None => placed_at,
    };
    let lines = match &order.line_items {
        Some(items) => Some(lines::read(items, is_over, &currency)?),
        None => None,
    };
    let totals = match &lines {
        Some(lines) => {
            let (payment, tags) = (order.payment.as_ref(), &mut tags);
            Some(totals::totals(
                payment, price, lines, is_over, &currency, tags,
            )?)
        }
        None => None,
    };
    let returned = returns::read(&order, sent_back.unwrap_or_default(), &currency, &mut tags)?;
    if !is_over {
        status = returned.status.unwrap_or(status);
        // A return moves on while the order's own time may stand still.
        revised_at = returned.at.map_or(revised_at, |at| at.max(revised_at));
    }
    let money = Money::of(&order, is_over, totals.as_ref(), returned.refunded);
    more_tags(&order, lines.as_ref(), &mut tags);
    Ok(Snapshot {
        external_id: payload::external_id(order.id.as_str(), "id")?,
        placed_at,
        revised_at,
        status,
        channel_status: word(&order.status),
        cancel_requested: order.is_buyer_request_cancel == Some(true) && !is_over,
        cancellation: is_over.then(|| cancellation(&order)),
        buyer: Some(Buyer {
            name: filled(order.buyer_nickname.clone()),
            phone: None,
            // The vendor's alias forwards to its chat: no invoice may go there.
            email: None,
            external_id: order
                .user_id
                .as_ref()
                .filter(|id| !id.is_zero_or_empty())
                .map(Literal::to_string),
        })
        .filter(|buyer| *buyer != Buyer::default()),
        ship_to: order
            .recipient_address
            .as_ref()
            .map(ship_to)
            .filter(|address| *address != ShipTo::default()),
        lines: lines.map(|lines| lines.lines),
        currency,
        totals,
        // The vendor's word for the means is for display only; `is_cod` is sure.
        payment_method: Some(if order.is_cod == Some(true) {
            PaymentMethod::Cod
        } else {
            PaymentMethod::Prepaid
        }),
        payment: Some(money.payment),
        paid: money.paid,
        refunded: Amount(returned.refunded),
        fulfilled_by: match order.fulfillment_type.as_deref() {
            Some("FULFILLMENT_BY_TIKTOK" | "FULFILLMENT_BY_DILAYANI_TOKOPEDIA") => {
                FulfilledBy::Marketplace
            }
            Some(_) | None => FulfilledBy::Us,
        },
        fixed_location: None,
        deadlines: deadlines(&order)?,
        note: filled(order.buyer_message),
        coupon: None,
        appointment: None,
        invoice_request: None,
        tags,
    })
}

fn currency(order: &Order) -> Result<String, PayloadError> {
    let of_payment = order.payment.as_ref().and_then(|p| p.currency.clone());
    let of_items = order.line_items.iter().flatten();
    let code = filled(of_payment)
        .or_else(|| {
            of_items
                .filter_map(|item| filled(item.currency.clone()))
                .next()
        })
        .unwrap_or_else(|| "VND".to_owned());
    Ok(literal::known_currency(&code)?.code().to_owned())
}

fn status(order: &Order, tags: &mut Vec<String>) -> ChannelStatus {
    match order.status.as_str() {
        "UNPAID" => ChannelStatus::Pending,
        // Paid, but for an hour the buyer may cancel at will.
        "ON_HOLD" => {
            tags.push("on_hold".to_owned());
            ChannelStatus::Pending
        }
        "AWAITING_SHIPMENT" => ChannelStatus::Confirmed,
        "PARTIALLY_SHIPPING" => {
            tags.push("partially_shipping".to_owned());
            ChannelStatus::Packed
        }
        "AWAITING_COLLECTION" => ChannelStatus::Packed,
        "IN_TRANSIT" => ChannelStatus::Shipped,
        "DELIVERED" => ChannelStatus::Delivered,
        "COMPLETED" => ChannelStatus::Completed,
        "CANCELLED" | "CANCEL" if delivery_failed(order) => ChannelStatus::DeliveryFailed,
        "CANCELLED" | "CANCEL" => ChannelStatus::Cancelled,
        unknown => {
            tags.push(format!("unknown_status:{}", word(unknown)));
            ChannelStatus::Pending
        }
    }
}

/// A cancelled order whose parcel had left: it comes back or is lost. `collection_time` is when the
/// order went into transit; the texts are the vendor's reasons for ending one by itself.
fn delivery_failed(order: &Order) -> bool {
    if is_set(order.collection_time.as_ref()) {
        return true;
    }
    let reason = order
        .cancel_reason
        .as_deref()
        .unwrap_or_default()
        .to_ascii_lowercase();
    ["rejected", "delivery failed", "lost", "damaged", "scrapped"]
        .iter()
        .any(|word| reason.contains("package") && reason.contains(word))
}

/// The order's own words, else those of its first cancelled unit.
fn cancellation(order: &Order) -> Cancellation {
    let items = || order.line_items.iter().flatten();
    let by = filled(order.cancellation_initiator.clone())
        .or_else(|| items().find_map(|item| filled(item.cancel_user.clone())));
    let reason = filled(order.cancel_reason.clone())
        .or_else(|| items().find_map(|item| filled(item.cancel_reason.clone())));
    Cancellation {
        by: by.map_or_else(|| "system".to_owned(), |by| word(&by.to_ascii_lowercase())),
        reason: reason.unwrap_or_default(),
    }
}

struct Money {
    payment: ChannelPayment,
    paid: Option<Amount>,
}

impl Money {
    fn of(order: &Order, is_over: bool, totals: Option<&SnapshotTotals>, refunded: i64) -> Self {
        let is_cod = order.is_cod == Some(true);
        // A prepaid order past the checkout is paid, also one that costs nothing and has no time of
        // payment.
        let past_checkout = !is_cod && !is_over && order.status != "UNPAID";
        let is_paid = is_set(order.paid_time.as_ref()) || past_checkout;
        let total = totals.and_then(|totals| totals.grand_total);
        let all_back = total.is_some_and(|total| refunded >= total.0);
        let payment = match (is_paid, is_over, refunded > 0) {
            // The vendor holds the money and gives it back by itself.
            (true, true, _) => ChannelPayment::Refunded,
            (true, false, true) if all_back => ChannelPayment::Refunded,
            (true, false, true) => ChannelPayment::PartiallyRefunded,
            (true, false, false) => ChannelPayment::Paid,
            (false, _, _) => ChannelPayment::Unpaid,
        };
        let paid = match payment {
            ChannelPayment::Unpaid => Some(Amount::default()),
            ChannelPayment::Paid | ChannelPayment::PartiallyRefunded => total,
            ChannelPayment::Refunded if !is_over => total,
            ChannelPayment::Refunded
            | ChannelPayment::Authorized
            | ChannelPayment::PartiallyPaid
            | ChannelPayment::Failed => None,
        };
        Self { payment, paid }
    }
}

/// To be arranged by `rts_sla_time`, with the carrier by `tts_sla_time`; later the vendor cancels by
/// itself.
fn deadlines(order: &Order) -> Result<Deadlines, PayloadError> {
    let first = |times: [(Option<&Literal>, &str); 3]| -> Result<Option<Timestamp>, PayloadError> {
        for (time, field) in times {
            if let Some(at) = moment(time, field)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    };
    Ok(Deadlines {
        confirm_by: moment(order.rts_sla_time.as_ref(), "rts_sla_time")?,
        ship_by: first([
            (order.tts_sla_time.as_ref(), "tts_sla_time"),
            (order.shipping_due_time.as_ref(), "shipping_due_time"),
            (order.collection_due_time.as_ref(), "collection_due_time"),
        ])?,
    })
}

fn ship_to(given: &Address) -> ShipTo {
    let mut address = ShipTo {
        name: filled(given.name.clone()),
        phone: filled(given.phone_number.clone()),
        text: filled(given.full_address.clone()),
        line: filled(given.address_line1.clone()).or_else(|| filled(given.address_detail.clone())),
        ..ShipTo::default()
    };
    for level in given.district_info.iter().flatten() {
        let name = filled(level.address_name.clone());
        let kind = level
            .address_level_name
            .as_deref()
            .unwrap_or_default()
            .to_ascii_lowercase();
        // Since July 2025 wards follow provinces: the level's name says more than its number.
        let is_ward = ["ward", "commune", "phường", "xã"]
            .iter()
            .any(|word| kind.contains(word));
        match level.address_level.as_deref() {
            Some("L1") => address.province = name,
            Some("L2") if is_ward => address.ward = name,
            Some("L2") => address.district = name,
            Some("L3") => address.ward = name,
            // The country, and levels that Vietnam does not have.
            Some(_) | None => {}
        }
    }
    address
}

fn more_tags(order: &Order, lines: Option<&lines::Lines>, tags: &mut Vec<String>) {
    let flags = [
        (order.is_sample_order, "sample_order"),
        (order.is_replacement_order, "replacement_order"),
        (order.is_exchange_order, "exchange_order"),
        (
            lines.map(|lines| lines.bundle_shared),
            "bundle_price_shared",
        ),
    ];
    let set = flags.into_iter().filter(|(flag, _)| *flag == Some(true));
    tags.extend(set.map(|(_, tag)| tag.to_owned()));
    if let Some(kind) = order.order_type.as_deref().map(word)
        && !matches!(kind.as_str(), "" | "NORMAL")
    {
        tags.push(format!("order_type:{}", kind.to_ascii_lowercase()));
    }
    if let Some(tag) = order.split_or_combine_tag.as_deref().map(word)
        && matches!(tag.as_str(), "COMBINED" | "COMBINE" | "SPLIT")
    {
        tags.push(format!("parcels:{}", tag.to_ascii_lowercase()));
    }
    if order.shipping_type.as_deref() == Some("SELLER") {
        tags.push("seller_shipping".to_owned());
    }
}
