//! What a seller may do with Tiki's orders and articles: each takes effect once, and a repeat is
//! refused as it would be there.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use super::{TikiOrder, TikiShop, error};
use crate::{
    partners::{Call, Reply},
    storefront::tiki as story,
    world::{World, held},
};

/// An order on which something may be done, or the vendor's refusal.
fn open<'a>(shop: &'a mut TikiShop, code: &str, ways: &[&str]) -> Result<&'a mut TikiOrder, Reply> {
    let order = shop.orders.get_mut(code);
    let order = order.ok_or_else(|| error(404, "Order not found"))?;
    if !ways.contains(&order.word("fulfillment_type")) {
        return Err(error(400, "The operation model does not allow it"));
    }
    if matches!(order.status(), "canceled" | "closed") {
        return Err(error(400, "Order is canceled"));
    }
    Ok(order)
}

pub(super) fn confirm(world: &Arc<World>, code: &str, body: &Value) -> Reply {
    let ids: BTreeSet<String> = body["available_item_ids"]
        .as_array()
        .into_iter()
        .flatten()
        .map(Value::to_string)
        .collect();
    if let Some(refusal) = wrong_inventory(world, body) {
        return refusal;
    }
    let mut shop = held(&world.tiki);
    let order = match open(
        &mut shop,
        code,
        &["seller_delivery", "tiki_delivery", "cross_border"],
    ) {
        Ok(order) => order,
        Err(refusal) => return refusal,
    };
    let waiting = order.waiting();
    if waiting.is_empty() {
        return error(400, "Order is already confirmed");
    }
    if !ids.is_subset(&waiting) {
        return error(400, "Item does not wait for confirmation");
    }
    order.confirm("seller_canceled", |id| {
        waiting.contains(id) && !ids.contains(id)
    });
    order.confirm("seller_confirmed", |id| ids.contains(id));
    order.advance(if ids.is_empty() {
        "canceled"
    } else {
        "picking"
    });
    let given_back = ids.is_empty();
    moved(
        world,
        shop,
        code,
        if given_back { "give_back" } else { "confirm" },
    )
}

pub(super) fn dropship(world: &Arc<World>, code: &str, body: &Value) -> Reply {
    if let Some(refusal) = wrong_inventory(world, body) {
        return refusal;
    }
    let word = body["confirmation_status"].as_str().unwrap_or_default();
    if !matches!(word, "seller_confirmed" | "seller_canceled") {
        return error(400, "confirmation_status is invalid");
    }
    let mut shop = held(&world.tiki);
    let order = match open(&mut shop, code, &["dropship"]) {
        Ok(order) => order,
        Err(refusal) => return refusal,
    };
    if order.waiting().is_empty() {
        return error(400, "Order is already confirmed");
    }
    order.confirm(word, |_| true);
    let given_back = word == "seller_canceled";
    order.advance(if given_back { "canceled" } else { "picking" });
    moved(
        world,
        shop,
        code,
        if given_back { "give_back" } else { "confirm" },
    )
}

pub(super) fn delivery(world: &Arc<World>, code: &str, body: &Value) -> Reply {
    let mut shop = held(&world.tiki);
    let order = match open(&mut shop, code, &["seller_delivery"]) {
        Ok(order) => order,
        Err(refusal) => return refusal,
    };
    if order.status() == "successful_delivery" {
        return error(400, "Order is delivered already");
    }
    match body["status"].as_str() {
        Some("successful_delivery") => {
            order.advance("successful_delivery");
            moved(world, shop, code, "delivered")
        }
        Some("failed_delivery") => {
            drop(shop);
            told(world, "delivery_failed");
            Reply::json(200, json!({"success": true}))
        }
        _ => error(400, "status is invalid"),
    }
}

/// The order has moved by the gateway's word: an event says so, like every move.
fn moved(
    world: &Arc<World>,
    mut shop: std::sync::MutexGuard<'_, TikiShop>,
    code: &str,
    kind: &str,
) -> Reply {
    let event = shop
        .orders
        .get(code)
        .map(|order| story::event(world, code, order.status(), order.updated));
    if let Some(event) = event {
        shop.announce(&event);
    }
    drop(shop);
    told(world, kind);
    Reply::json(200, json!({"success": true}))
}

fn told(world: &World, kind: &str) {
    let mut ledger = held(&world.ledger);
    *ledger
        .channel("tiki")
        .told
        .entry(kind.to_owned())
        .or_insert(0) += 1;
}

fn wrong_inventory(world: &World, body: &Value) -> Option<Reply> {
    if body["seller_inventory_id"].as_u64() == Some(world.secrets.tiki_seller_inventory) {
        return None;
    }
    held(&world.ledger).violation("tiki: another seller_inventory_id than the shop's".to_owned());
    Some(error(400, "seller_inventory_id is invalid"))
}

pub(super) fn stock(world: &World, body: &Value) -> Reply {
    let place = &body["warehouse_quantities"][0];
    let (product, units) = (
        body["product_id"].as_u64(),
        place["qty_available"].as_i64().filter(|units| *units >= 0),
    );
    let warehouse = world.secrets.tiki_seller_inventory;
    let (Some(product), Some(units)) = (product, units) else {
        held(&world.ledger).violation("tiki: a stock level without product or units".to_owned());
        return error(400, "update error");
    };
    if place["warehouse_id"].as_u64() != Some(warehouse)
        || body["seller_warehouse"].as_str() != Some(&warehouse.to_string())
    {
        return error(
            400,
            &format!("update error [Warehouse '[{place}]' are not found]"),
        );
    }
    let before = held(&world.tiki).stock.insert(product, units);
    if before != Some(units) {
        told(world, "stock");
    }
    Reply::json(200, json!({"state": "approved"}))
}

pub(super) fn labels(world: &World, call: &Call, code: &str, way: &str) -> Reply {
    let mut shop = held(&world.tiki);
    let kind = way.replace('-', "_");
    match open(&mut shop, code, &[&kind]) {
        Ok(order) if order.waiting().is_empty() => {
            // Where the label lies is not the API's business; here it is the same server.
            let address = format!("http://{}/labels/{code}.html", call.header("host"));
            Reply::json(200, json!({ "shipping_label_url": address }))
        }
        Ok(_) => error(400, "Order is not confirmed"),
        Err(refusal) => refusal,
    }
}

pub(super) fn label(call: &Call) -> Reply {
    let page = format!("<html><body>{}</body></html>", call.path);
    Reply::bytes("text/html", page.into_bytes())
}
