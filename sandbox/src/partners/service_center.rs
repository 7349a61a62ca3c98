//! The technical team: installs what was delivered, and keeps warranties by serial number.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Call, Reply,
    callback::{Happening, report},
    target::{Ask, Effect, Then, as_text, no_such_call, not_found},
};
use crate::{
    books::{FulfillmentState, TargetBooks, Warranty, WorkOrder, WorkState},
    world::{World, held},
};

const KINDS: [&str; 5] = [
    "install",
    "warranty_repair",
    "paid_repair",
    "pickup_return",
    "site_survey",
];

pub(crate) fn apply(ask: &mut Ask<'_>, call: &Call) -> Effect {
    let (method, segments) = call.route();
    match (method, segments.as_slice()) {
        ("POST", ["work-orders"]) => create(ask),
        ("POST", ["work-orders", id, "release"]) => release(ask, id),
        ("PATCH", ["work-orders", id, "appointment"]) => Effect::of(appoint(ask, id)),
        ("POST", ["work-orders", id, "cancel"]) => cancel(ask, id),
        ("POST", ["warranties"]) => Effect::of(warrant(ask)),
        _ => no_such_call(ask, call),
    }
}

pub(crate) fn look_up(books: &TargetBooks, call: &Call) -> Option<Value> {
    let (_, segments) = call.route();
    match segments.as_slice() {
        ["work-orders", id] => books.work_orders.get(*id).map(|work| work_body(id, work)),
        ["warranties", id] => books.warranties.get(*id).map(|warranty| {
            json!({"warranty_id": id, "sku": warranty.sku, "serial": warranty.serial,
                   "quantity": warranty.quantity})
        }),
        _ => None,
    }
}

fn work_body(id: &str, work: &WorkOrder) -> Value {
    json!({"external_id": id, "state": work.state})
}

fn create(ask: &mut Ask<'_>) -> Effect {
    let id = ask.text("external_id");
    let kind = ask.text("kind");
    let order_ref = ask.text("order_ref");
    let items = ask.lines("items");
    if id.is_empty() || order_ref.is_empty() || items.is_empty() || !KINDS.contains(&&*kind) {
        ask.violation("a work order without external_id, order_ref, items or a known kind");
        return Effect::of(Reply::json(
            422,
            json!({"code": "unreadable", "message": "a required field is missing"}),
        ));
    }
    let known = ask.ledger.target(ask.target).work_orders.get(&id).cloned();
    if let Some(live) = known
        .as_ref()
        .filter(|work| work.state != WorkState::Cancelled)
    {
        ask.violation(&format!("work order {id} came again under another key"));
        return Effect::of(Reply::json(200, work_body(&id, live)));
    }
    let appointment = &ask.body["appointment"];
    let window = (
        as_text(&appointment["window_start"]),
        as_text(&appointment["window_end"]),
    );
    let released = ask.body["released"].as_bool().unwrap_or(false);
    let work = WorkOrder {
        order_ref,
        kind,
        items,
        window,
        state: if released {
            WorkState::Released
        } else {
            WorkState::Waiting
        },
        sequence: known.as_ref().map_or(0, |work| work.sequence),
        life: known.map_or(0, |work| work.life + 1),
    };
    let then = if released {
        Then::Serve {
            id: id.clone(),
            life: work.life,
        }
    } else {
        Then::Nothing
    };
    let body = work_body(&id, &work);
    ask.ledger.target(ask.target).work_orders.insert(id, work);
    Effect {
        reply: Reply::json(201, body),
        then,
    }
}

/// No visit before delivery: something of the order must have reached the buyer.
fn release(ask: &mut Ask<'_>, id: &str) -> Effect {
    let Some(work) = ask.ledger.target(ask.target).work_orders.get(id).cloned() else {
        ask.violation(&format!(
            "work order {id} is released but was never created"
        ));
        return Effect::of(not_found());
    };
    match work.state {
        WorkState::Waiting => {}
        WorkState::Cancelled => {
            return Effect::of(Reply::json(
                409,
                json!({"code": "cancelled", "message": "the work order was cancelled"}),
            ));
        }
        _ => {
            ask.violation(&format!(
                "work order {id} is released again under another key"
            ));
            return Effect::of(Reply::json(200, work_body(id, &work)));
        }
    }
    let delivered = ask
        .ledger
        .targets
        .values()
        .flat_map(|books| books.fulfillments.values())
        .any(|order| {
            order.order_ref == work.order_ref && order.state == FulfillmentState::Delivered
        });
    if !delivered {
        ask.violation(&format!(
            "work order {id} is released before anything was delivered"
        ));
    }
    let books = ask.ledger.target(ask.target);
    if let Some(work) = books.work_orders.get_mut(id) {
        work.state = WorkState::Released;
    }
    let body = json!({"external_id": id, "state": "released"});
    Effect {
        reply: Reply::json(200, body),
        then: Then::Serve {
            id: id.to_owned(),
            life: work.life,
        },
    }
}

fn appoint(ask: &mut Ask<'_>, id: &str) -> Reply {
    let window = (ask.text("window_start"), ask.text("window_end"));
    match ask.ledger.target(ask.target).work_orders.get_mut(id) {
        None => not_found(),
        Some(work) => {
            work.window = window;
            Reply::json(200, work_body(id, work))
        }
    }
}

fn cancel(ask: &mut Ask<'_>, id: &str) -> Effect {
    let Some(work) = ask.ledger.target(ask.target).work_orders.get_mut(id) else {
        return Effect::of(not_found());
    };
    if work.state == WorkState::Completed {
        return Effect::of(Reply::json(
            409,
            json!({"code": "completed", "message": "the work is done"}),
        ));
    }
    let already = work.state == WorkState::Cancelled;
    work.state = WorkState::Cancelled;
    let reply = Reply::json(200, work_body(id, work));
    let then = if already {
        Then::Nothing
    } else {
        Then::CancelWork { id: id.to_owned() }
    };
    Effect { reply, then }
}

fn warrant(ask: &mut Ask<'_>) -> Reply {
    let id = ask.text("warranty_id");
    let serial = Some(ask.text("serial")).filter(|serial| !serial.is_empty());
    let warranty = Warranty {
        order_ref: ask.text("order_ref"),
        sku: ask.text("sku"),
        serial: serial.clone(),
        quantity: ask.body["quantity"].as_i64().unwrap_or(1),
    };
    let body = json!({"warranty_id": id});
    if ask.ledger.target(ask.target).warranties.contains_key(&id) {
        ask.violation(&format!("warranty {id} came again under another key"));
        return Reply::json(200, body);
    }
    let shipped = ask.ledger.serials(&warranty.order_ref);
    if let Some(serial) = serial {
        let twice = ask
            .ledger
            .targets
            .values()
            .flat_map(|books| books.warranties.values())
            .any(|other| other.serial.as_ref() == Some(&serial));
        if twice {
            ask.violation(&format!("serial {serial} has two warranties"));
        }
        if !shipped.values().flatten().any(|other| *other == serial) {
            ask.violation(&format!(
                "serial {serial} never left under {}",
                warranty.order_ref
            ));
        }
    }
    ask.ledger
        .target(ask.target)
        .warranties
        .insert(id, warranty);
    Reply::json(201, body)
}

/// From the appointment to the finished job, unless it is cancelled on the way.
pub(crate) async fn live(world: &Arc<World>, target: &str, id: &str, life: u32) {
    let steps = [
        WorkState::Scheduled,
        WorkState::Assigned,
        WorkState::OnSite,
        WorkState::Completed,
    ];
    for state in steps {
        world.pause(&format!("{id}.{state:?}")).await;
        let Some(happening) = advance(world, target, id, life, state) else {
            return;
        };
        report(world, target, happening).await;
    }
}

fn advance(
    world: &World,
    target: &str,
    id: &str,
    life: u32,
    state: WorkState,
) -> Option<Happening> {
    let mut ledger = held(&world.ledger);
    let order_ref = ledger.target(target).work_orders.get(id)?.order_ref.clone();
    let serials = ledger.serials(&order_ref);
    let work = ledger.target(target).work_orders.get_mut(id)?;
    if work.life != life || work.state == WorkState::Cancelled {
        return None;
    }
    work.state = state;
    work.sequence += 1;
    let mut data = json!({ "external_id": id });
    let kind = match state {
        WorkState::Assigned => "service.assigned",
        WorkState::OnSite => "service.on_site",
        WorkState::Completed => {
            let on_plate: Vec<&String> = work
                .items
                .iter()
                .flat_map(|item| serials.get(&item.sku).into_iter().flatten())
                .collect();
            data["serials"] = json!(on_plate);
            "service.completed"
        }
        WorkState::Scheduled | WorkState::Waiting | WorkState::Released | WorkState::Cancelled => {
            if work.window.0.is_empty() {
                work.window = tomorrow();
            }
            data["window_start"] = json!(work.window.0);
            data["window_end"] = json!(work.window.1);
            "service.scheduled"
        }
    };
    Some(Happening {
        kind,
        subject: id.to_owned(),
        sequence: work.sequence,
        data,
    })
}

/// A three-hour window that begins in a day.
fn tomorrow() -> (String, String) {
    let start = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let end = start + jiff::SignedDuration::from_hours(3);
    (format!("{start:.0}"), format!("{end:.0}"))
}

/// Confirms a cancellation.
pub(crate) async fn cancelled(world: &Arc<World>, target: &str, id: &str) {
    let happening = {
        let mut ledger = held(&world.ledger);
        let Some(work) = ledger.target(target).work_orders.get_mut(id) else {
            return;
        };
        work.sequence += 1;
        Happening {
            kind: "service.cancelled",
            subject: id.to_owned(),
            sequence: work.sequence,
            data: json!({ "external_id": id }),
        }
    };
    report(world, target, happening).await;
}
