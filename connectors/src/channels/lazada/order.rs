//! A Lazada order, head and items, as a snapshot.

use domain::money::Amount;
use domain::snapshot::{
    Buyer, Cancellation, ChannelPayment, ChannelStatus, Deadlines, FulfilledBy, InvoiceRequest,
    PaymentMethod, ShipTo, Snapshot, SnapshotLine,
};
use jiff::Timestamp;
use serde::Deserialize;

use super::document::{Address, Item, Joined, Loose, Order, epoch, required_time, time};
use super::items::{self, groups};
use super::money;
use super::status::{self, Judged, Stage, stage};
use crate::inbound::{Normalized, PayloadError};
use crate::literal;
use crate::payload::{self, filled, word};

pub(super) fn normalize(document: &[u8]) -> Normalized {
    let joined: Joined = payload::read(document)?;
    items::check(&joined.items)?;
    snapshot(&joined.order, &joined.items)
}

fn snapshot(order: &Order, items: &[Item]) -> Normalized {
    let currency = items.iter().find_map(|item| item.currency.text());
    let currency = literal::known_currency(currency.unwrap_or("VND"))?.code();
    let mut judged = status::judge(order, items);
    let status = judged.status;
    let wanted = wanted(items, status);
    let fulfilled_by = fulfilled_by(&wanted, &mut judged.tags);
    let wanted: Vec<&Item> = match fulfilled_by {
        FulfilledBy::Marketplace => wanted,
        // What the vendor's warehouse sends beside ours is neither reserved nor shipped by us.
        FulfilledBy::Us => wanted.into_iter().filter(|i| !i.is_fbl.is_true()).collect(),
    };
    let totals = if wanted.len() == items.len() {
        money::of_order(order, currency, &mut judged.tags)?
    } else {
        money::of_items(&wanted, currency, &mut judged.tags)?
    };
    let is_cod = order
        .payment_method
        .text()
        .is_some_and(|text| text.eq_ignore_ascii_case("COD"));
    let (payment, refunded) = money::payment(is_cod, status, &wanted, currency)?;
    more_tags(order, &wanted, &mut judged);
    let created_at = required_time(&order.created_at, "order.created_at")?;
    Ok(Snapshot {
        external_id: payload::external_id(order.order_id.as_str(), "order.order_id")?,
        placed_at: created_at,
        revised_at: revised_at(order, items)?,
        status,
        channel_status: word(&judged.words),
        cancel_requested: judged.cancel_requested,
        cancellation: cancellation(status, items),
        buyer: buyer(order, items),
        ship_to: order.address_shipping.as_ref().map(ship_to),
        lines: Some(lines(items, &wanted, currency)?),
        currency: currency.to_owned(),
        totals: Some(totals),
        // Whatever the means, the money is with the marketplace, not with a provider of ours.
        payment_method: Some(if is_cod {
            PaymentMethod::Cod
        } else {
            PaymentMethod::Prepaid
        }),
        payment: Some(payment),
        paid: match payment {
            ChannelPayment::Paid => totals.grand_total,
            ChannelPayment::Unpaid => Some(Amount::default()),
            ChannelPayment::Authorized
            | ChannelPayment::PartiallyPaid
            | ChannelPayment::PartiallyRefunded
            | ChannelPayment::Refunded
            | ChannelPayment::Failed => None,
        },
        refunded,
        fulfilled_by,
        fixed_location: None,
        deadlines: Deadlines {
            confirm_by: None,
            ship_by: ship_by(&wanted),
        },
        note: note(order),
        coupon: order.voucher_code.owned(),
        appointment: None,
        invoice_request: invoice_request(order),
        tags: judged.tags,
    })
}

/// The units that the order is about: without the cancelled ones, unless all are. A cancelled order
/// keeps its lines as they were bought; its status says the rest.
fn wanted(items: &[Item], status: ChannelStatus) -> Vec<&Item> {
    items
        .iter()
        .filter(|item| status == ChannelStatus::Cancelled || stage(item) != Stage::Cancelled)
        .collect()
}

fn fulfilled_by(wanted: &[&Item], tags: &mut Vec<String>) -> FulfilledBy {
    let theirs = wanted.iter().filter(|item| item.is_fbl.is_true()).count();
    if theirs == 0 {
        return FulfilledBy::Us;
    }
    if theirs == wanted.len() {
        return FulfilledBy::Marketplace;
    }
    tags.push(format!("fulfilled_by_lazada:{theirs}"));
    FulfilledBy::Us
}

fn lines(
    items: &[Item],
    wanted: &[&Item],
    currency: &str,
) -> Result<Vec<SnapshotLine>, PayloadError> {
    let mut lines = Vec::new();
    for group in groups(items) {
        let is_wanted = |unit: &&&Item| wanted.iter().any(|item| item.id() == unit.id());
        let units = group.units.iter().filter(is_wanted).count();
        if units > 0 {
            lines.push(items::line(&group, units, currency)?);
        }
    }
    Ok(lines)
}

/// The newest change of the head or any unit: the two documents are read one after the other.
fn revised_at(order: &Order, items: &[Item]) -> Result<Timestamp, PayloadError> {
    let units = items
        .iter()
        .filter_map(|item| time(item.updated_at.text()?));
    let head = order.updated_at.text().and_then(time);
    match units.chain(head).max() {
        Some(newest) => Ok(newest),
        None => required_time(&order.updated_at, "order.updated_at"),
    }
}

fn cancellation(status: ChannelStatus, items: &[Item]) -> Option<Cancellation> {
    if !matches!(
        status,
        ChannelStatus::Cancelled | ChannelStatus::DeliveryFailed
    ) {
        return None;
    }
    let told = |item: &&Item| item.cancel_return_initiator.text().is_some();
    let item = items.iter().find(told).or_else(|| items.first())?;
    let initiator = item.cancel_return_initiator.text().unwrap_or_default();
    let who = initiator.rsplit('-').next().unwrap_or_default().trim();
    let by = match who.to_ascii_lowercase().as_str() {
        "customer" => "buyer".to_owned(),
        "seller" => "seller".to_owned(),
        "internal" | "null" | "" => "system".to_owned(),
        "failed delivery" => "carrier".to_owned(),
        other => word(other),
    };
    Some(Cancellation {
        by,
        reason: item
            .reason
            .owned()
            .or_else(|| item.reason_detail.owned())
            .unwrap_or_default(),
    })
}

fn buyer(order: &Order, items: &[Item]) -> Option<Buyer> {
    let billing = order.address_billing.as_ref();
    let buyer = Buyer {
        name: full_name(&order.customer_first_name, &order.customer_last_name)
            .or_else(|| full_name(&billing?.first_name, &billing?.last_name)),
        phone: billing.and_then(phone),
        email: None,
        external_id: items
            .iter()
            .find_map(|item| item.buyer_id.id())
            .map(str::to_owned),
    };
    (buyer != Buyer::default()).then_some(buyer)
}

fn full_name(first: &Loose, last: &Loose) -> Option<String> {
    let parts: Vec<&str> = first.text().into_iter().chain(last.text()).collect();
    filled(Some(parts.join(" ")))
}

fn phone(address: &Address) -> Option<String> {
    address.phone.owned().or_else(|| address.phone2.owned())
}

fn ship_to(address: &Address) -> ShipTo {
    let district = [
        &address.district,
        &address.dsitrict,
        &address.address4,
        &address.city,
    ];
    let street: Vec<&str> = [&address.address1, &address.address2]
        .into_iter()
        .filter_map(Loose::text)
        .collect();
    ShipTo {
        name: full_name(&address.first_name, &address.last_name),
        phone: phone(address),
        text: None,
        line: filled(Some(street.join(", "))),
        ward: address.address5.owned(),
        district: district.into_iter().find_map(Loose::owned),
        province: address.address3.owned(),
        lat: None,
        lon: None,
    }
}

/// The earliest of the units that still have to leave.
fn ship_by(wanted: &[&Item]) -> Option<Timestamp> {
    wanted
        .iter()
        .filter_map(|item| time(item.sla_time_stamp.text()?))
        .min()
}

fn note(order: &Order) -> Option<String> {
    let parts: Vec<&str> = [&order.buyer_note, &order.remarks]
        .into_iter()
        .filter_map(Loose::text)
        .collect();
    filled(Some(parts.join("\n")))
}

/// A tax code is given by companies; its name and address are not part of the document.
fn invoice_request(order: &Order) -> Option<InvoiceRequest> {
    Some(InvoiceRequest {
        company: None,
        tax_code: Some(order.tax_code.owned()?),
        address: None,
        email: None,
    })
}

#[derive(Deserialize)]
struct Extra {
    #[serde(default, rename = "TaxInvoiceRequested")]
    tax_invoice_requested: Loose,
}

fn more_tags(order: &Order, wanted: &[&Item], judged: &mut Judged) {
    let tags = &mut judged.tags;
    let extra = order.extra_attributes.text();
    let extra = extra.and_then(|text| serde_json::from_str::<Extra>(text).ok());
    if extra.is_some_and(|extra| extra.tax_invoice_requested.is_true()) {
        tags.push("tax_invoice_requested".to_owned());
    }
    if wanted.iter().any(|item| item.is_digital.is_true()) {
        tags.push("digital".to_owned());
    }
    if wanted.iter().any(|item| item.delivery_option_sof.is_true()) {
        tags.push("seller_fleet".to_owned());
    }
    // Silence means consent: the vendor cancels by itself at that moment.
    let trigger = wanted
        .iter()
        .filter_map(|item| epoch(item.cancel_trigger_time.id()?))
        .min();
    if let (true, Some(at)) = (judged.cancel_requested, trigger) {
        tags.push(format!("answer_cancel_by:{at}"));
    }
}
