//! Cancelling for the seller, and the seller's answer to a buyer's wish to cancel.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use super::parcels::id;
use super::{Parameters, Reply, error, good, parameter, told, violation};
use crate::{
    storefront,
    world::{World, held},
};

const REASONS: [(&str, &str); 3] = [
    ("10000019", "Sourcing Delay"),
    ("10000021", "Out of Stock"),
    ("10000023", "Wrong Price or Pricing Error"),
];

/// The order and the units that a call names; the platform's error where they do not fit.
fn named(parameters: &Parameters) -> Option<(u64, BTreeSet<u64>)> {
    let order = parameter(parameters, "order_id").parse().ok()?;
    let items: Vec<Value> =
        serde_json::from_str(parameter(parameters, "order_item_id_list")).ok()?;
    let items: BTreeSet<u64> = items.iter().filter_map(id).collect();
    (!items.is_empty()).then_some((order, items))
}

fn tip(kind: &str, options: bool) -> Value {
    let options: Vec<Value> = REASONS
        .iter()
        .filter(|_| options)
        .map(|(id, name)| json!({"reason_id": id, "reason_name": name}))
        .collect();
    json!({"tip_content": "SKU stock may be set to 0", "tip_type": kind,
           "reason_options": options})
}

/// Whether these units can still be cancelled; `None` where they are not units of the order.
fn cancellable(world: &World, order_id: u64, items: &BTreeSet<u64>) -> Option<bool> {
    let shop = held(&world.lazada);
    let order = shop.orders.get(&order_id)?;
    let units: Vec<&Value> = order
        .units
        .iter()
        .filter(|unit| id(&unit["order_item_id"]).is_some_and(|item| items.contains(&item)))
        .collect();
    if units.len() != items.len() {
        return None;
    }
    Some(units.iter().all(|unit| {
        matches!(
            unit["status"].as_str(),
            Some("pending" | "repacked" | "packed" | "ready_to_ship")
        )
    }))
}

pub(super) fn validate(world: &World, parameters: &Parameters) -> Reply {
    let Some((order_id, items)) = named(parameters) else {
        violation(world, "cancel/validate without order or units".to_owned());
        return error(
            "102",
            "ISP",
            "E0102: trade order line id is empty or invalid",
        );
    };
    match cancellable(world, order_id, &items) {
        None => error("123", "ISP", "E0123: invalid trade order lines"),
        Some(true) => good(tip("warning", true)),
        Some(false) => good(tip("error", false)),
    }
}

pub(super) fn create(world: &Arc<World>, parameters: &Parameters) -> Reply {
    let Some((order_id, items)) = named(parameters) else {
        violation(world, "cancel/create without order or units".to_owned());
        return error(
            "102",
            "ISP",
            "E0102: trade order line id is empty or invalid",
        );
    };
    let reason = parameter(parameters, "reason_id");
    let Some((_, reason)) = REASONS.iter().find(|(id, _)| *id == reason) else {
        violation(
            world,
            "cancel/create with a reason that was not offered".to_owned(),
        );
        return error("104", "ISP", "E0104: reason is empty or invalid");
    };
    match cancellable(world, order_id, &items) {
        None => return error("123", "ISP", "E0123: invalid trade order lines"),
        Some(false) => {
            if cancelled_by_seller(world, order_id, &items) {
                violation(world, format!("order {order_id} was cancelled twice"));
            }
            return good(tip("error", false));
        }
        Some(true) => {}
    }
    if let Some(order) = held(&world.lazada).orders.get_mut(&order_id) {
        let chosen =
            |unit: &Value| id(&unit["order_item_id"]).is_some_and(|item| items.contains(&item));
        order.cancel(chosen, "seller", reason);
    }
    told(world, "cancel");
    storefront::lazada::announce(world, order_id);
    good(tip("success", false))
}

fn cancelled_by_seller(world: &World, order_id: u64, items: &BTreeSet<u64>) -> bool {
    let shop = held(&world.lazada);
    shop.orders.get(&order_id).is_some_and(|order| {
        order.units.iter().any(|unit| {
            id(&unit["order_item_id"]).is_some_and(|item| items.contains(&item))
                && unit["cancel_return_initiator"] == "cancellation-seller"
        })
    })
}

pub(super) fn decide(world: &World, parameters: &Parameters) -> Reply {
    let request: u64 = parameter(parameters, "reverse_order_id")
        .parse()
        .unwrap_or(0);
    let agreed = match parameter(parameters, "agree_cancel") {
        "true" => true,
        "false" => false,
        _ => {
            violation(world, "seller/decide without a decision".to_owned());
            return error("MissingParameter", "ISV", "agree_cancel");
        }
    };
    let mut shop = held(&world.lazada);
    let found = shop
        .orders
        .values_mut()
        .filter_map(|order| order.request.as_mut())
        .find(|open| open.id == request);
    match found {
        None => error("131", "ISP", "E0131: no decision for this reverse order"),
        Some(open) if open.agreed.is_some() => {
            drop(shop);
            violation(world, format!("request {request} was answered twice"));
            error("131", "ISP", "E0131: no decision for this reverse order")
        }
        Some(open) => {
            open.agreed = Some(agreed);
            drop(shop);
            told(world, "answer_cancel");
            Reply::json(200, json!({"code": "0", "request_id": "sandbox"}))
        }
    }
}
