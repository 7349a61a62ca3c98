//! The oracle: compares what the storefront sold with what the partners hold, order by order.
//! From the gateway it takes only which order goes by which code, and the state that it claims.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    books::{
        Fate, Fulfillment, FulfillmentState, Invoice, Ledger, Line, Reservation, ReservationState,
        Sale, Warranty, WorkOrder, WorkState,
    },
    secrets::channel,
    storefront::facebook::CART,
};

/// What the gateway says about one of its orders.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderLink {
    /// The order's code, which partners know as `order_ref`.
    pub order_ref: String,
    /// The channel's id.
    pub channel: String,
    /// The channel's own number.
    pub external_id: String,
    /// The one status shown to people.
    pub status: String,
    /// Whether a person must look at it first.
    #[serde(default)]
    pub held: bool,
    /// Whether the rules asked for an installation, where the caller knows better than the
    /// catalog and the provinces of the scenario.
    #[serde(default)]
    pub installation: Option<bool>,
}

/// What a status promises about the effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// Everything happened, exactly once.
    Whole,
    /// Nothing is left.
    Nothing,
    /// Nothing is there too much.
    Bounded,
}

/// Effects of one order at all partners.
#[derive(Default)]
struct Effects<'a> {
    reservations: Vec<(&'a str, &'a Reservation)>,
    fulfillments: Vec<(&'a str, &'a Fulfillment)>,
    invoices: Vec<(&'a str, &'a Invoice)>,
    work: Vec<(&'a str, &'a WorkOrder)>,
    warranties: Vec<(&'a str, &'a Warranty)>,
}

impl Effects<'_> {
    fn none(&self) -> bool {
        self.reservations.is_empty()
            && self.fulfillments.is_empty()
            && self.invoices.is_empty()
            && self.work.is_empty()
            && self.warranties.is_empty()
    }
}

/// Every discrepancy as one sentence; empty when the books agree.
pub(crate) fn audit(ledger: &Ledger, links: &[OrderLink]) -> Vec<String> {
    let mut found = Vec::new();
    let effects = live_effects(ledger);
    let mut codes = BTreeSet::new();
    for link in links {
        if !codes.insert(link.order_ref.as_str()) {
            found.push(format!("{}: two orders go by this code", link.order_ref));
        }
    }
    for code in effects.keys().filter(|code| !codes.contains(**code)) {
        found.push(format!(
            "{code}: a partner holds something for an order that does not exist"
        ));
    }
    let nothing = Effects::default();
    let mut known: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for link in links {
        let held = effects.get(link.order_ref.as_str()).unwrap_or(&nothing);
        let mut say = |text: String| found.push(format!("{}: {text}", name(link)));
        belongs(link, held, &mut say);
        match sale(ledger, link) {
            Some((key, sale)) => {
                *known.entry(key).or_insert(0) += 1;
                let promise = promise(link, sale, &mut say);
                compare(ledger, link, sale, held, promise, &mut say);
            }
            None => stranger(ledger, link, held, &mut say),
        }
    }
    for ((on, id), sale) in &ledger.sales {
        match known.get(&(on.as_str(), id.as_str())) {
            Some(1) => {}
            Some(times) => found.push(format!("{on} {id}: became {times} orders")),
            None => found.push(format!(
                "{on} {id}: sold ({:?}) but never became an order",
                sale.fate
            )),
        }
    }
    found
}

fn name(link: &OrderLink) -> String {
    format!(
        "{} ({} {}, {})",
        link.order_ref, link.channel, link.external_id, link.status
    )
}

/// What is still in force at any partner, by order code.
fn live_effects(ledger: &Ledger) -> BTreeMap<&str, Effects<'_>> {
    let mut all: BTreeMap<&str, Effects<'_>> = BTreeMap::new();
    for books in ledger.targets.values() {
        for (id, one) in &books.reservations {
            if one.state != ReservationState::Released {
                all.entry(&one.order_ref)
                    .or_default()
                    .reservations
                    .push((id, one));
            }
        }
        for (id, one) in &books.fulfillments {
            if one.state.live() {
                all.entry(&one.order_ref)
                    .or_default()
                    .fulfillments
                    .push((id, one));
            }
        }
        for (id, one) in &books.invoices {
            if one.remaining() != 0 {
                all.entry(&one.order_ref)
                    .or_default()
                    .invoices
                    .push((id, one));
            }
        }
        for (id, one) in &books.work_orders {
            if one.state != WorkState::Cancelled {
                all.entry(&one.order_ref).or_default().work.push((id, one));
            }
        }
        for (id, one) in &books.warranties {
            all.entry(&one.order_ref)
                .or_default()
                .warranties
                .push((id, one));
        }
    }
    all
}

/// The storefront's side of a link; a cart may still go by its buyer.
fn sale<'a>(ledger: &'a Ledger, link: &OrderLink) -> Option<((&'a str, &'a str), &'a Sale)> {
    let exact = ledger
        .sales
        .get_key_value(&(link.channel.clone(), link.external_id.clone()));
    let by_buyer = || {
        ledger.sales.iter().find(|((on, id), _)| {
            on == channel::FACEBOOK
                && *on == link.channel
                && id
                    .strip_prefix(CART)
                    .is_some_and(|buyer| link.external_id.contains(buyer))
        })
    };
    exact
        .or_else(by_buyer)
        .map(|((on, id), sale)| ((on.as_str(), id.as_str()), sale))
}

/// Partners must know the order under the channel and number that the gateway gives.
fn belongs(link: &OrderLink, held: &Effects<'_>, say: &mut impl FnMut(String)) {
    let fulfillments = held
        .fulfillments
        .iter()
        .map(|(id, one)| (id, &one.channel, &one.external_id));
    let invoices = held
        .invoices
        .iter()
        .map(|(id, one)| (id, &one.channel, &one.external_id));
    for (id, on, external_id) in fulfillments.chain(invoices) {
        if *on != link.channel || *external_id != link.external_id {
            say(format!("{id} was made for {on} {external_id}"));
        }
    }
}

/// An order that the storefront never sold.
fn stranger(ledger: &Ledger, link: &OrderLink, held: &Effects<'_>, say: &mut impl FnMut(String)) {
    let forged = ledger.forged.iter().any(|(on, id)| {
        *on == link.channel
            && (*id == link.external_id
                || id
                    .strip_prefix(CART)
                    .is_some_and(|buyer| link.external_id.contains(buyer)))
    });
    let conversation = [channel::FACEBOOK, channel::ZALO].contains(&link.channel.as_str());
    if forged {
        say("a forged message became an order".to_owned());
    } else if !conversation || !matches!(link.status.as_str(), "draft" | "cancelled") {
        say("the storefront never sold this".to_owned());
    }
    if !held.none() {
        say("a partner holds something for it".to_owned());
    }
}

/// What this status promises, and whether the buyer's wish allows it.
fn promise(link: &OrderLink, sale: &Sale, say: &mut impl FnMut(String)) -> Promise {
    match link.status.as_str() {
        "delivered" | "completed" => {
            if sale.fate == Fate::Turned {
                say("staff turned it down, yet it was delivered".to_owned());
            }
            if link.held {
                Promise::Bounded
            } else {
                Promise::Whole
            }
        }
        "cancelled" => {
            if sale.fate == Fate::Wanted {
                say("nobody cancelled it".to_owned());
            }
            Promise::Nothing
        }
        "draft" => {
            say("still a draft".to_owned());
            Promise::Nothing
        }
        "returning" | "returned" | "delivery_failed" => Promise::Bounded,
        _ => {
            if !link.held {
                say("neither delivered, nor cancelled, nor held".to_owned());
            }
            Promise::Bounded
        }
    }
}

fn compare(
    ledger: &Ledger,
    link: &OrderLink,
    sale: &Sale,
    held: &Effects<'_>,
    promise: Promise,
    say: &mut impl FnMut(String),
) {
    if promise == Promise::Nothing {
        leftovers(sale, held, ledger.crossing, say);
        return;
    }
    let whole = promise == Promise::Whole;
    let sold = ledger.units(
        sale.lines
            .iter()
            .map(|line| (line.sku.as_str(), line.quantity)),
    );
    let reserved = units(
        ledger,
        held.reservations.iter().flat_map(|(_, one)| &one.lines),
    );
    let sent = units(
        ledger,
        held.fulfillments.iter().flat_map(|(_, one)| &one.lines),
    );
    covers("reserved", &reserved, &sold, whole, say);
    covers("sent", &sent, &sold, whole, say);
    if whole {
        for (id, one) in &held.fulfillments {
            if one.state != FulfillmentState::Delivered {
                say(format!("{id} is {:?}", one.state));
            }
        }
        for (id, one) in &held.reservations {
            if one.state != ReservationState::Consumed {
                say(format!("reservation {id} is still held"));
            }
        }
    }
    cash(sale, held, whole, say);
    invoices(sale, held, whole, say);
    installation(ledger, link, sale, held, whole, say);
    warranties(ledger, sale, held, &sold, whole, say);
}

fn units<'a>(ledger: &Ledger, lines: impl Iterator<Item = &'a Line>) -> BTreeMap<String, i64> {
    ledger.units(lines.map(|line| (line.sku.as_str(), line.quantity)))
}

fn covers(
    what: &str,
    have: &BTreeMap<String, i64>,
    sold: &BTreeMap<String, i64>,
    whole: bool,
    say: &mut impl FnMut(String),
) {
    let skus: BTreeSet<&String> = have.keys().chain(sold.keys()).collect();
    for sku in skus {
        let (have, sold) = (
            have.get(sku).copied().unwrap_or(0),
            sold.get(sku).copied().unwrap_or(0),
        );
        if have > sold || (whole && have < sold) {
            say(format!("{have} of {sku} {what}, {sold} sold"));
        }
    }
}

/// What had left before the cancellation could take effect comes back by hand: the gateway has
/// asked for it and was told that it is too late, or it knew already that the parcel had left.
fn left_before(sale: &Sale, parcel: &Fulfillment, crossing: Duration) -> bool {
    parcel.late_cancel
        || sale
            .cancelled_at
            .zip(parcel.shipped_at)
            .is_some_and(|(cancelled, shipped)| shipped < cancelled + crossing)
}

/// How long after the cancellation a parcel left that nobody asked back.
fn went_on(sale: &Sale, parcel: &Fulfillment) -> String {
    match sale.cancelled_at.zip(parcel.shipped_at) {
        Some((cancelled, shipped)) => format!(
            ": it left {} ms after the cancellation, and nobody asked for it back",
            shipped.saturating_duration_since(cancelled).as_millis()
        ),
        None => String::new(),
    }
}

fn leftovers(sale: &Sale, held: &Effects<'_>, crossing: Duration, say: &mut impl FnMut(String)) {
    let gone: BTreeSet<&str> = held
        .fulfillments
        .iter()
        .filter(|(_, one)| left_before(sale, one, crossing))
        .map(|(_, one)| one.reservation_id.as_str())
        .collect();
    for (id, one) in &held.reservations {
        if !gone.contains(id) {
            say(format!("reservation {id} is {:?}", one.state));
        }
    }
    for (id, one) in &held.fulfillments {
        if !left_before(sale, one, crossing) {
            let after = went_on(sale, one);
            say(format!("fulfillment order {id} is {:?}{after}", one.state));
        }
    }
    for (id, one) in &held.invoices {
        say(format!("invoice {id} still charges {}", one.remaining()));
    }
    // A visit that has been made, and a warranty of goods that the buyer has, are not taken back.
    for (id, one) in &held.work {
        if gone.is_empty() || one.state != WorkState::Completed {
            say(format!("work order {id} is {:?}", one.state));
        }
    }
    for (id, _) in &held.warranties {
        if gone.is_empty() {
            say(format!("warranty {id} was given"));
        }
    }
}

/// What the parcels collect together is what the buyer owes at the door.
fn cash(sale: &Sale, held: &Effects<'_>, whole: bool, say: &mut impl FnMut(String)) {
    let asked: i64 = held.fulfillments.iter().map(|(_, one)| one.cod).sum();
    if let Some(due) = sale
        .cash
        .filter(|due| asked > *due || (whole && asked < *due))
    {
        say(format!("{asked} asked at the door, {due} due"));
    }
}

fn invoices(sale: &Sale, held: &Effects<'_>, whole: bool, say: &mut impl FnMut(String)) {
    match held.invoices.as_slice() {
        [] if whole => say("no invoice".to_owned()),
        [] => {}
        [(id, one)] => {
            if one.remaining() != sale.grand_total {
                say(format!(
                    "invoice {id} is over {}, sold for {}",
                    one.remaining(),
                    sale.grand_total
                ));
            }
            if whole && one.number.is_none() {
                say(format!("invoice {id} has no number"));
            }
        }
        several => say(format!("{} live invoices", several.len())),
    }
}

/// Every installable unit exactly once, if the rules install at this place.
fn installation(
    ledger: &Ledger,
    link: &OrderLink,
    sale: &Sale,
    held: &Effects<'_>,
    whole: bool,
    say: &mut impl FnMut(String),
) {
    let here = ledger
        .install_in
        .as_ref()
        .is_none_or(|provinces| provinces.contains(&sale.province_code));
    let asked = link.installation.unwrap_or(here);
    let installable = |sku: &str| {
        ledger
            .catalog
            .get(sku)
            .is_some_and(|product| product.installable)
    };
    let wanted = sale
        .lines
        .iter()
        .filter(|line| asked && installable(&line.sku))
        .map(|line| (line.sku.as_str(), line.quantity));
    let wanted: BTreeMap<String, i64> = ledger.units(wanted);
    let jobs = || held.work.iter().filter(|(_, one)| one.kind == "install");
    let planned = units(ledger, jobs().flat_map(|(_, one)| &one.items));
    let sold = ledger.units(
        sale.lines
            .iter()
            .map(|line| (line.sku.as_str(), line.quantity)),
    );
    // A job may list a bracket beside the air conditioner, but never one that was not sold.
    let aside = |sku: &String| !wanted.contains_key(sku) && !installable(sku);
    let (beside, main): (BTreeMap<_, _>, BTreeMap<_, _>) =
        planned.into_iter().partition(|(sku, _)| aside(sku));
    covers("to be installed", &main, &wanted, whole, say);
    covers("on installation jobs", &beside, &sold, false, say);
    for (id, one) in jobs().filter(|_| whole) {
        if one.state != WorkState::Completed {
            say(format!("work order {id} is {:?}", one.state));
        }
    }
}

/// One warranty per serial number that left; never more units than were sold.
fn warranties(
    ledger: &Ledger,
    sale: &Sale,
    held: &Effects<'_>,
    sold: &BTreeMap<String, i64>,
    whole: bool,
    say: &mut impl FnMut(String),
) {
    let mut given: BTreeMap<String, i64> = BTreeMap::new();
    let mut serials: BTreeSet<&String> = BTreeSet::new();
    for (id, one) in &held.warranties {
        *given.entry(one.sku.clone()).or_insert(0) += one.quantity;
        if one
            .serial
            .as_ref()
            .is_some_and(|serial| !serials.insert(serial))
        {
            say(format!("warranty {id} is the second for its serial number"));
        }
    }
    for (sku, quantity) in &given {
        // A kit may be warranted as one article, or by its components.
        let as_sold: i64 = sale
            .lines
            .iter()
            .filter(|line| line.sku == *sku)
            .map(|line| line.quantity)
            .sum();
        let units = sold.get(sku).copied().unwrap_or(0).max(as_sold);
        if *quantity > units {
            say(format!("warranties for {quantity} of {sku}, {units} sold"));
        }
    }
    if !whole {
        return;
    }
    for (sku, units) in sold.iter().filter(|(sku, _)| ledger.serial_tracked(sku)) {
        let given = given.get(sku).copied().unwrap_or(0);
        if given < *units {
            say(format!(
                "warranties for {given} of {sku}, {units} delivered"
            ));
        }
    }
    let left: BTreeSet<&String> = held
        .fulfillments
        .iter()
        .flat_map(|(_, one)| one.serials.values().flatten())
        .collect();
    for serial in left.difference(&serials) {
        say(format!("serial {serial} left without a warranty"));
    }
}

/// A way to falsify the books, so that a test can see the oracle notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tamper {
    /// An invoice is forgotten.
    DropOneEffect,
    /// An invoice is issued a second time.
    RepeatOneEffect,
    /// One unit more is reserved than was sold.
    OneUnitTooMany,
}

/// Falsifies the books; false when they hold nothing to falsify.
pub(crate) fn tamper(ledger: &mut Ledger, how: Tamper) -> bool {
    match how {
        Tamper::DropOneEffect => ledger.targets.values_mut().any(|books| {
            let id = books.invoices.iter().find(|(_, one)| one.remaining() > 0);
            let id = id.map(|(id, _)| id.clone());
            id.is_some_and(|id| books.invoices.remove(&id).is_some())
        }),
        Tamper::RepeatOneEffect => ledger.targets.values_mut().any(|books| {
            let one = books.invoices.iter().find(|(_, one)| one.remaining() > 0);
            let copy = one.map(|(id, one)| (format!("{id}-again"), one.clone()));
            copy.is_some_and(|(id, one)| books.invoices.insert(id, one).is_none())
        }),
        Tamper::OneUnitTooMany => ledger.targets.values_mut().any(|books| {
            let live = books
                .reservations
                .values_mut()
                .find(|one| one.state != ReservationState::Released);
            live.and_then(|one| one.lines.first_mut())
                .map(|line| line.quantity += 1)
                .is_some()
        }),
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
