//! Orders of Shopify's form: read, tagged or confirmed, cancelled, fulfilled.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Call, Platform, Reply, book, echo, invalid, listing, not_found};
use crate::world::{World, held};

/// `None` where the path is not about orders.
pub(super) fn answer(
    world: &Arc<World>,
    platform: Platform,
    method: &str,
    path: &[&str],
    call: &Call,
) -> Option<Reply> {
    let id = |text: &str| text.trim_end_matches(".json").parse::<u64>().unwrap_or(0);
    let shopify = platform == Platform::Shopify;
    Some(match (method, path) {
        ("GET", ["orders.json"]) => listing::list(world, platform, call),
        ("GET", ["orders", order]) => {
            match held(&world.shops).of(platform).orders.get(&id(order)) {
                Some(order) => Reply::json(200, json!({ "order": order })),
                None => not_found(platform),
            }
        }
        ("PUT", ["orders", order]) if platform != Platform::Haravan => {
            tag(world, platform, id(order), &call.json())
        }
        ("POST", ["orders", order, "confirm.json"]) if platform == Platform::Haravan => {
            confirm(world, id(order), &call.json())
        }
        ("POST", ["orders", order, "cancel.json"]) => {
            cancel(world, platform, id(order), &call.json())
        }
        ("POST", ["orders", order, "fulfillments.json"]) if !shopify => {
            ship_lines(world, platform, id(order), &call.json())
        }
        ("GET", ["orders", order, "fulfillments.json"]) if shopify => {
            match held(&world.shops).of(platform).orders.get(&id(order)) {
                Some(order) => Reply::json(200, json!({ "fulfillments": order["fulfillments"] })),
                None => not_found(platform),
            }
        }
        ("GET", ["orders", order, "fulfillment_orders.json"]) if shopify => {
            fulfillment_orders(world, id(order))
        }
        ("POST", ["fulfillments.json"]) if shopify => ship_by_order(world, &call.json()),
        ("GET", ["orders", order, "refunds.json"]) if shopify => {
            match held(&world.shops).of(platform).orders.get(&id(order)) {
                Some(order) => Reply::json(200, json!({ "refunds": order["refunds"] })),
                None => not_found(platform),
            }
        }
        ("POST", ["orders", order, "refunds.json"]) if shopify => {
            refund(world, id(order), &call.json())
        }
        _ => return None,
    })
}

fn is_cancelled(order: &Value) -> bool {
    order["cancelled_at"].is_string()
        || order["cancelled_on"].is_string()
        || order["cancelled_status"] == "cancelled"
}

fn tag(world: &Arc<World>, platform: Platform, id: u64, body: &Value) -> Reply {
    let sent = &body["order"];
    if sent["id"].as_u64() != Some(id) || !sent["tags"].is_string() {
        return invalid("order is invalid");
    }
    let reply = {
        let mut shops = held(&world.shops);
        let shop = shops.of(platform);
        let before = shop.orders.get(&id).map(|order| order["tags"].clone());
        let lost = before.is_some_and(|before| {
            let kept = sent["tags"].as_str().unwrap_or_default();
            let had = before
                .as_str()
                .unwrap_or_default()
                .split(',')
                .map(str::trim);
            had.filter(|tag| !tag.is_empty())
                .any(|tag| !kept.contains(tag))
        });
        if lost {
            held(&world.ledger).violation(format!("{}: tags of {id} got lost", platform.name()));
        }
        shop.change(platform, id, |order| {
            order["tags"] = sent["tags"].clone();
            Reply::json(200, json!({ "order": order }))
        })
    };
    let Some(reply) = reply else {
        return not_found(platform);
    };
    book(world, platform, "accepted", &id.to_string());
    echo(world, platform, id);
    reply
}

fn confirm(world: &Arc<World>, id: u64, body: &Value) -> Reply {
    let platform = Platform::Haravan;
    if body["confirmed_status"] != "confirmed" {
        return invalid("confirmed_status is invalid");
    }
    let reply = {
        let mut shops = held(&world.shops);
        let shop = shops.of(platform);
        if shop.orders.get(&id).is_some_and(is_cancelled) {
            return invalid("order has been cancelled");
        }
        shop.change(platform, id, |order| {
            order["confirmed_status"] = json!("confirmed");
            Reply::json(200, json!({ "order": order }))
        })
    };
    let Some(reply) = reply else {
        return not_found(platform);
    };
    book(world, platform, "accepted", &id.to_string());
    echo(world, platform, id);
    reply
}

fn cancel(world: &Arc<World>, platform: Platform, id: u64, body: &Value) -> Reply {
    let known = ["customer", "fraud", "inventory", "declined", "other"];
    let reason = body["reason"].as_str().unwrap_or("other").to_owned();
    if !known.contains(&&*reason) {
        let text = format!("{}: reason {reason} does not exist", platform.name());
        held(&world.ledger).violation(text);
        return invalid("reason is invalid");
    }
    let reply = {
        let mut shops = held(&world.shops);
        let shop = shops.of(platform);
        let Some(order) = shop.orders.get(&id) else {
            return not_found(platform);
        };
        if is_cancelled(order) {
            return invalid("order has already been cancelled");
        }
        if order["fulfillment_status"] == "fulfilled" {
            return invalid("Cannot cancel a fulfilled order");
        }
        let now = platform.stamp(crate::world::seconds());
        shop.change(platform, id, |order| {
            match platform {
                Platform::SapoWeb | Platform::SapoOmni => {
                    order["cancelled_on"] = json!(now);
                    order["status"] = json!("cancelled");
                }
                Platform::Haravan => {
                    order["cancelled_at"] = json!(now);
                    order["cancelled_status"] = json!("cancelled");
                }
                Platform::Shopify => order["cancelled_at"] = json!(now),
            }
            order["cancel_reason"] = json!(reason);
            Reply::json(200, json!({ "order": order }))
        })
    };
    book(world, platform, "cancelled", &id.to_string());
    echo(world, platform, id);
    reply.unwrap_or_else(|| not_found(platform))
}

/// Haravan and Sapo Web: the order's own lines.
fn ship_lines(world: &Arc<World>, platform: Platform, id: u64, body: &Value) -> Reply {
    let sent = &body["fulfillment"];
    let items: Vec<(u64, u64)> = (sent["line_items"].as_array().into_iter().flatten())
        .map(|item| {
            let number = |field: &str| item[field].as_u64().unwrap_or(0);
            (number("id"), number("quantity"))
        })
        .collect();
    let number = sent["tracking_number"].clone();
    let company = sent["tracking_company"].clone();
    ship(world, platform, id, &items, &number, &company)
}

/// One fulfillment order holds all lines: its id is the order's plus one, its lines' ids are those
/// of the order's lines plus one.
fn fulfillment_orders(world: &World, id: u64) -> Reply {
    let mut shops = held(&world.shops);
    let Some(order) = shops.of(Platform::Shopify).orders.get(&id) else {
        return not_found(Platform::Shopify);
    };
    let items: Vec<Value> = (order["line_items"].as_array().into_iter().flatten())
        .map(|line| {
            let line_id = line["id"].as_u64().unwrap_or(0);
            json!({
                "id": line_id + 1, "line_item_id": line_id, "variant_id": line["variant_id"],
                "quantity": line["quantity"], "fulfillable_quantity": line["fulfillable_quantity"],
            })
        })
        .collect();
    let over = is_cancelled(order) || order["fulfillment_status"] == "fulfilled";
    let status = if over { "closed" } else { "open" };
    let one = json!({
        "id": id + 1, "order_id": id, "assigned_location_id": 65_000_000_001_u64,
        "status": status, "request_status": "unsubmitted", "line_items": items,
    });
    Reply::json(200, json!({ "fulfillment_orders": [one] }))
}

fn ship_by_order(world: &Arc<World>, body: &Value) -> Reply {
    let sent = &body["fulfillment"];
    let groups = &sent["line_items_by_fulfillment_order"];
    let Some(order_id) = groups[0]["fulfillment_order_id"].as_u64() else {
        return invalid("line_items_by_fulfillment_order is invalid");
    };
    let items: Vec<(u64, u64)> = (groups.as_array().into_iter().flatten())
        .flat_map(|group| group["fulfillment_order_line_items"].as_array())
        .flatten()
        .map(|item| {
            let number = |field: &str| item[field].as_u64().unwrap_or(0);
            (number("id").saturating_sub(1), number("quantity"))
        })
        .collect();
    let info = &sent["tracking_info"];
    let id = order_id.saturating_sub(1);
    ship(
        world,
        Platform::Shopify,
        id,
        &items,
        &info["number"],
        &info["company"],
    )
}

/// Books a parcel; more than is left, or a tracking number that is known, is refused and noted.
fn ship(
    world: &Arc<World>,
    platform: Platform,
    id: u64,
    items: &[(u64, u64)],
    number: &Value,
    company: &Value,
) -> Reply {
    let (reply, parcel) = {
        let mut shops = held(&world.shops);
        let shop = shops.of(platform);
        let Some(order) = shop.orders.get(&id) else {
            return not_found(platform);
        };
        if is_cancelled(order) {
            return invalid("order is cancelled");
        }
        let parcels = order["fulfillments"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let known = number.is_string() && parcels.iter().any(|p| p["tracking_number"] == *number);
        if items.is_empty() || known || !items.iter().all(|item| fits(order, *item)) {
            let text = format!("{}: {id} was fulfilled twice or too much", platform.name());
            held(&world.ledger).violation(text);
            return invalid("quantity is invalid");
        }
        let parcel = shop.next_id();
        let lines: Vec<Value> = items
            .iter()
            .map(|(line, units)| json!({ "id": line, "quantity": units }))
            .collect();
        let fulfillment = json!({
            "id": parcel, "order_id": id, "status": "success", "tracking_number": number,
            "tracking_company": company, "line_items": lines,
        });
        shop.change(platform, id, |order| {
            send(order, items);
            let mut parcels = parcels;
            parcels.push(fulfillment.clone());
            order["fulfillments"] = Value::Array(parcels);
        });
        (
            Reply::json(201, json!({ "fulfillment": fulfillment })),
            parcel,
        )
    };
    book(world, platform, "shipped", &format!("{id} {parcel}"));
    echo(world, platform, id);
    reply
}

fn line(order: &Value, id: u64) -> Option<&Value> {
    let lines = order["line_items"].as_array()?;
    lines.iter().find(|line| line["id"].as_u64() == Some(id))
}

fn fits(order: &Value, (id, units): (u64, u64)) -> bool {
    let left = line(order, id).and_then(|line| line["fulfillable_quantity"].as_u64());
    units > 0 && left.is_some_and(|left| units <= left)
}

fn send(order: &mut Value, items: &[(u64, u64)]) {
    let mut left = 0;
    for line in order["line_items"].as_array_mut().into_iter().flatten() {
        let id = line["id"].as_u64();
        let sent: u64 = items
            .iter()
            .filter(|(of, _)| Some(*of) == id)
            .map(|(_, n)| n)
            .sum();
        let open = line["fulfillable_quantity"]
            .as_u64()
            .unwrap_or(0)
            .saturating_sub(sent);
        line["fulfillable_quantity"] = json!(open);
        if sent > 0 {
            line["fulfillment_status"] = json!(if open == 0 { "fulfilled" } else { "partial" });
        }
        left += open;
    }
    order["fulfillment_status"] = json!(if left == 0 { "fulfilled" } else { "partial" });
}

/// Cancelled lines: a refund without money.
fn refund(world: &Arc<World>, id: u64, body: &Value) -> Reply {
    let platform = Platform::Shopify;
    let sent = &body["refund"];
    if sent["transactions"]
        .as_array()
        .is_some_and(|money| !money.is_empty())
    {
        held(&world.ledger).violation("shopify: money was given back through the shop".to_owned());
        return invalid("transactions are not expected");
    }
    let note = sent["note"].as_str().unwrap_or_default().to_owned();
    let reply = {
        let mut shops = held(&world.shops);
        let shop = shops.of(platform);
        let refund_id = shop.next_id();
        let changed = shop.change(platform, id, |order| {
            for item in sent["refund_line_items"].as_array().into_iter().flatten() {
                let units = item["quantity"].as_u64().unwrap_or(0);
                for line in order["line_items"].as_array_mut().into_iter().flatten() {
                    if line["id"] == item["line_item_id"] {
                        for field in ["current_quantity", "fulfillable_quantity"] {
                            let left = line[field].as_u64().unwrap_or(0).saturating_sub(units);
                            line[field] = json!(left);
                        }
                    }
                }
            }
            let refund = json!({
                "id": refund_id, "order_id": id, "note": note, "transactions": [],
                "refund_line_items": sent["refund_line_items"],
            });
            if let Some(refunds) = order["refunds"].as_array_mut() {
                refunds.push(refund.clone());
            }
            restate(order);
            Reply::json(201, json!({ "refund": refund }))
        });
        match changed {
            Some(reply) => reply,
            None => return not_found(platform),
        }
    };
    book(world, platform, "lines_cancelled", &format!("{id} {note}"));
    echo(world, platform, id);
    reply
}

/// The current amounts after an edit.
fn restate(order: &mut Value) {
    let goods: i64 = (order["line_items"].as_array().into_iter().flatten())
        .map(|line| {
            let price: i64 = line["price"]
                .as_str()
                .and_then(|p| p.parse().ok())
                .unwrap_or(0);
            price * line["current_quantity"].as_i64().unwrap_or(0)
        })
        .sum();
    let shipping = order["shipping_lines"][0]["price"]
        .as_str()
        .and_then(|p| p.parse().ok());
    order["current_subtotal_price"] = json!(goods.to_string());
    order["current_total_price"] = json!((goods + shipping.unwrap_or(0_i64)).to_string());
}
