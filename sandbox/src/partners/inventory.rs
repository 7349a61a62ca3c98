//! A Hub or store: reserves, packs, ships and delivers, and says so by callbacks.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use serde_json::{Value, json};

use super::{
    Call, Reply,
    callback::{Happening, report},
    lazada, shopee,
    target::{Ask, Effect, Then, no_such_call, not_found},
    tiki, tiktok,
};
use crate::{
    books::{
        Fulfillment, FulfillmentState, Ledger, Line, Reservation, ReservationState, TargetBooks,
    },
    faults::{chance, hash},
    world::{World, held, now_text},
};

pub(crate) fn apply(ask: &mut Ask<'_>, call: &Call) -> Effect {
    let (method, segments) = call.route();
    match (method, segments.as_slice()) {
        ("POST", ["reservations"]) => reserve(ask),
        ("DELETE", ["reservations", id]) => Effect::of(release(ask, id)),
        ("POST", ["fulfillment-orders"]) => fulfill(ask),
        ("DELETE", ["fulfillment-orders", id]) => Effect::of(cancel(ask, id)),
        _ => no_such_call(ask, call),
    }
}

pub(crate) fn look_up(books: &TargetBooks, call: &Call) -> Option<Value> {
    let (_, segments) = call.route();
    match segments.as_slice() {
        ["reservations", id] => books.reservations.get(*id).map(|r| reservation_body(id, r)),
        ["fulfillment-orders", id] => books
            .fulfillments
            .get(*id)
            .map(|order| json!({"fulfillment_order_id": id, "state": order.state})),
        ["stock"] => Some(stock(books, call)),
        _ => None,
    }
}

fn reservation_body(id: &str, reservation: &Reservation) -> Value {
    json!({
        "reservation_id": id,
        "order_ref": reservation.order_ref,
        "location": reservation.location,
        "lines": reservation.lines,
        "state": reservation.state,
    })
}

/// What this target was told it has; nothing is invented for a SKU that nobody counted.
fn stock(books: &TargetBooks, call: &Call) -> Value {
    let (location, sku) = (call.parameter("location"), call.parameter("sku"));
    let rows: Vec<Value> = books
        .stock
        .iter()
        .filter(|((at, _), _)| location.is_empty() || at == location)
        .filter(|((_, of), _)| sku.is_empty() || of == sku)
        .map(|((at, of), on_hand)| {
            let reserved: i64 = books
                .reservations
                .values()
                .filter(|r| r.state == ReservationState::Held && r.location == *at)
                .flat_map(|r| &r.lines)
                .filter(|line| line.sku == *of)
                .map(|line| line.quantity)
                .sum();
            json!({"location": at, "sku": of, "on_hand": on_hand, "reserved": reserved,
                   "as_of": now_text()})
        })
        .collect();
    json!({ "stock": rows })
}

fn reserve(ask: &mut Ask<'_>) -> Effect {
    let id = ask.text("reservation_id");
    let fresh = Reservation {
        order_ref: ask.text("order_ref"),
        location: ask.text("location"),
        lines: ask.lines("lines"),
        state: ReservationState::Held,
    };
    if id.is_empty() || fresh.order_ref.is_empty() || !whole(&fresh.lines) {
        ask.violation("a reservation without id, order or whole lines");
        return Effect::of(unreadable());
    }
    let known = ask.ledger.target(ask.target).reservations.get(&id).cloned();
    if let Some(known) = known.filter(|known| known.state != ReservationState::Released) {
        ask.violation(&format!(
            "reservation {id} was asked for again under another key"
        ));
        return Effect::of(Reply::json(200, reservation_body(&id, &known)));
    }
    let draw = format!("{}.{}", fresh.order_ref, fresh.location);
    let options = &ask.world.options;
    if chance(
        options.seed,
        &format!("closed:{draw}"),
        options.closed_percent,
    ) {
        return Effect::of(Reply::json(423, json!({"code": "closed"})));
    }
    if chance(
        options.seed,
        &format!("insufficient:{draw}"),
        options.insufficient_percent,
    ) {
        let lines: Vec<Value> = fresh
            .lines
            .iter()
            .map(|line| json!({"sku": line.sku, "available": 0}))
            .collect();
        return Effect::of(Reply::json(
            409,
            json!({"code": "insufficient", "message": "not enough stock", "lines": lines}),
        ));
    }
    let body = reservation_body(&id, &fresh);
    ask.ledger.target(ask.target).reservations.insert(id, fresh);
    Effect::of(Reply::json(201, body))
}

fn whole(lines: &[Line]) -> bool {
    !lines.is_empty()
        && lines
            .iter()
            .all(|line| line.quantity > 0 && !line.sku.is_empty())
}

fn unreadable() -> Reply {
    Reply::json(
        422,
        json!({"code": "unreadable", "message": "a required field is missing"}),
    )
}

fn release(ask: &mut Ask<'_>, id: &str) -> Reply {
    match ask.ledger.target(ask.target).reservations.get_mut(id) {
        None => not_found(),
        Some(reservation) if reservation.state == ReservationState::Consumed => Reply::json(
            409,
            json!({"code": "consumed", "message": "a fulfillment order took this reservation"}),
        ),
        Some(reservation) => {
            reservation.state = ReservationState::Released;
            Reply::empty(204)
        }
    }
}

fn fulfill(ask: &mut Ask<'_>) -> Effect {
    let id = ask.text("fulfillment_order_id");
    let fresh = Fulfillment {
        order_ref: ask.text("order_ref"),
        channel: ask.text("channel"),
        external_id: ask.text("external_id"),
        reservation_id: ask.text("reservation_id"),
        location: ask.text("location"),
        lines: ask.lines("lines"),
        cod: ask.body["cod"].as_i64().unwrap_or(0),
        state: FulfillmentState::Received,
        serials: std::collections::BTreeMap::new(),
        sequence: 0,
        life: 0,
        late_cancel: false,
        shipped_at: None,
    };
    if id.is_empty() || fresh.order_ref.is_empty() || !whole(&fresh.lines) {
        ask.violation("a fulfillment order without id, order or whole lines");
        return Effect::of(unreadable());
    }
    let known = ask.ledger.target(ask.target).fulfillments.get(&id).cloned();
    if let Some(live) = known.as_ref().filter(|order| order.state.live()) {
        ask.violation(&format!(
            "fulfillment order {id} came again under another key"
        ));
        let body = json!({"fulfillment_order_id": id, "state": live.state});
        return Effect::of(Reply::json(200, body));
    }
    if let Err(code) = consume(ask, &id, &fresh) {
        ask.violation(&format!("fulfillment order {id}: {code}"));
        return Effect::of(Reply::json(
            409,
            json!({"code": code, "message": "the reservation cannot be consumed"}),
        ));
    }
    let sequence = known.as_ref().map_or(0, |order| order.sequence);
    let life = known.map_or(0, |order| order.life + 1);
    let body = json!({"fulfillment_order_id": id, "state": fresh.state});
    ask.ledger.target(ask.target).fulfillments.insert(
        id.clone(),
        Fulfillment {
            sequence,
            life,
            ..fresh
        },
    );
    Effect {
        reply: Reply::json(201, body),
        then: Then::Fulfill { id, life },
    }
}

fn units(ledger: &Ledger, lines: &[Line]) -> BTreeMap<String, i64> {
    ledger.units(lines.iter().map(|line| (line.sku.as_str(), line.quantity)))
}

/// The reservation must be held, for this order and place, and for the same units.
fn consume(ask: &mut Ask<'_>, id: &str, order: &Fulfillment) -> Result<(), &'static str> {
    // A kit is reserved by its components and packed as one line that lists them.
    let wanted = units(ask.ledger, &order.lines);
    let held = ask
        .ledger
        .target(ask.target)
        .reservations
        .get(&order.reservation_id)
        .ok_or("unknown_reservation")?
        .lines
        .clone();
    let held = units(ask.ledger, &held);
    let books = ask.ledger.target(ask.target);
    let reservation = books
        .reservations
        .get_mut(&order.reservation_id)
        .ok_or("unknown_reservation")?;
    if reservation.state != ReservationState::Held {
        return Err("reservation_not_held");
    }
    if reservation.order_ref != order.order_ref || reservation.location != order.location {
        return Err("reservation_of_another_order_or_location");
    }
    if held != wanted {
        return Err("reservation_for_other_units");
    }
    reservation.state = ReservationState::Consumed;
    tracing::debug!(fulfillment_order = id, "a reservation was consumed");
    Ok(())
}

fn cancel(ask: &mut Ask<'_>, id: &str) -> Reply {
    let books = ask.ledger.target(ask.target);
    let Some(order) = books.fulfillments.get_mut(id) else {
        return not_found();
    };
    match order.state {
        FulfillmentState::Shipped | FulfillmentState::Delivered => {
            order.late_cancel = true;
            return Reply::json(409, json!({"code": "shipped", "message": "it is too late"}));
        }
        FulfillmentState::Rejected | FulfillmentState::Cancelled => return Reply::empty(204),
        FulfillmentState::Received | FulfillmentState::Accepted | FulfillmentState::Packed => {}
    }
    order.state = FulfillmentState::Cancelled;
    let reservation_id = order.reservation_id.clone();
    give_back(books, &reservation_id);
    Reply::empty(204)
}

fn give_back(books: &mut TargetBooks, reservation_id: &str) {
    if let Some(reservation) = books.reservations.get_mut(reservation_id) {
        reservation.state = ReservationState::Released;
    }
}

/// From acceptance to the buyer's door, unless the order is rejected or cancelled on the way.
pub(crate) async fn live(world: &Arc<World>, target: &str, id: &str, life: u32) {
    let steps = [
        FulfillmentState::Accepted,
        FulfillmentState::Packed,
        FulfillmentState::Shipped,
        FulfillmentState::Delivered,
    ];
    for state in steps {
        world.pause(&format!("{id}.{state:?}")).await;
        let Some((happening, sold)) = advance(world, target, id, life, state) else {
            return;
        };
        let over = happening.kind == "fulfillment.rejected";
        report(world, target, happening).await;
        if over {
            return;
        }
        if state == FulfillmentState::Delivered {
            lazada::delivered(world, &sold.0, &sold.1);
            shopee::delivered(world, &sold.0, &sold.1);
            tiki::delivered(world, &sold.0, &sold.1);
            tiktok::delivered(world, &sold.0, &sold.1);
        }
    }
}

/// One step of the books; nothing when the order was cancelled or replaced meanwhile.
fn advance(
    world: &World,
    target: &str,
    id: &str,
    life: u32,
    state: FulfillmentState,
) -> Option<(Happening, (String, String))> {
    let mut ledger = held(&world.ledger);
    let serials = match state {
        FulfillmentState::Packed => pack(world, &mut ledger, target, id),
        _ => None,
    };
    let books = ledger.target(target);
    let order = books.fulfillments.get_mut(id)?;
    if order.life != life || !order.state.live() {
        return None;
    }
    order.sequence += 1;
    let draw = format!("reject:{}.{}", order.order_ref, order.location);
    let rejected = state == FulfillmentState::Accepted
        && chance(world.options.seed, &draw, world.options.reject_percent);
    order.state = if rejected {
        FulfillmentState::Rejected
    } else {
        state
    };
    if let Some(serials) = serials {
        order.serials = serials;
    }
    let mut data = json!({ "fulfillment_order_id": id });
    let kind = match order.state {
        FulfillmentState::Rejected => {
            data["reason"] = json!("damaged_on_shelf");
            "fulfillment.rejected"
        }
        FulfillmentState::Packed => {
            data["lines"] = parcel(order);
            "fulfillment.packed"
        }
        FulfillmentState::Shipped => {
            order.shipped_at = Some(Instant::now());
            data["lines"] = parcel(order);
            data["tracking"] = json!({"carrier": "sandbox-express",
                "number": format!("SBX{:012}", hash(world.options.seed, id) % 1_000_000_000_000)});
            "fulfillment.shipped"
        }
        FulfillmentState::Delivered => {
            data["cod_collected"] = json!(order.cod);
            "fulfillment.delivered"
        }
        FulfillmentState::Accepted | FulfillmentState::Received | FulfillmentState::Cancelled => {
            "fulfillment.accepted"
        }
    };
    let sold = (order.channel.clone(), order.external_id.clone());
    let happening = Happening {
        kind,
        subject: id.to_owned(),
        sequence: order.sequence,
        data,
    };
    let reservation_id = order.reservation_id.clone();
    if rejected {
        give_back(books, &reservation_id);
    }
    Some((happening, sold))
}

fn parcel(order: &Fulfillment) -> Value {
    order
        .lines
        .iter()
        .map(|line| {
            let serials = order
                .serials
                .get(&line.line_id)
                .cloned()
                .unwrap_or_default();
            json!({"line_id": line.line_id, "quantity": line.quantity, "serials": serials})
        })
        .collect()
}

/// A serial number per unit of every serial-tracked line.
fn pack(
    world: &World,
    ledger: &mut Ledger,
    target: &str,
    id: &str,
) -> Option<std::collections::BTreeMap<String, Vec<String>>> {
    let lines = ledger.target(target).fulfillments.get(id)?.lines.clone();
    let mut serials = std::collections::BTreeMap::new();
    for line in lines.iter().filter(|line| ledger.serial_tracked(&line.sku)) {
        let of_line: &mut Vec<String> = serials.entry(line.line_id.clone()).or_default();
        for unit in 0..line.quantity {
            let key = format!("{id}.{}.{}.{unit}", line.line_id, line.sku);
            of_line.push(format!("SN{:016X}", hash(world.options.seed, &key)));
        }
    }
    Some(serials)
}
