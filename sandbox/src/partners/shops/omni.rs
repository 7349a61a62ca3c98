//! Sapo Omni: finalize, cancel, and parcels that are packed, shipped and received.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Call, Platform, Reply, book, echo, listing, not_found};
use crate::world::{World, held};

const OMNI: Platform = Platform::SapoOmni;

fn refused(what: &str) -> Reply {
    Reply::json(
        422,
        json!({ "data_error": { "status": 422, "errors": { "": what } } }),
    )
}

/// `None` where there is no such call.
pub(super) fn answer(
    world: &Arc<World>,
    method: &str,
    path: &[&str],
    call: &Call,
) -> Option<Reply> {
    let number = |text: &str| text.trim_end_matches(".json").parse::<u64>().unwrap_or(0);
    Some(match (method, path) {
        ("GET", ["orders.json"]) => listing::list(world, OMNI, call),
        ("GET", ["orders", id]) => match held(&world.shops).of(OMNI).orders.get(&number(id)) {
            Some(order) => Reply::json(200, json!({ "order": order })),
            None => not_found(OMNI),
        },
        ("POST", ["orders", id, "finalize"]) => finalize(world, number(id)),
        ("POST", ["orders", id, "cancel"]) => cancel(world, number(id)),
        ("POST", ["orders", id, "fulfillments"]) => pack(world, number(id), &call.json()),
        ("POST", ["orders", id, "fulfillments", parcel, "ship"]) => {
            step(world, number(id), number(parcel), "packed", "shipped")
        }
        ("POST", ["orders", id, "fulfillments", parcel, "receive"]) => {
            step(world, number(id), number(parcel), "shipped", "received")
        }
        _ => return None,
    })
}

fn finalize(world: &Arc<World>, id: u64) -> Reply {
    let reply = {
        let mut shops = held(&world.shops);
        let shop = shops.of(OMNI);
        match shop.orders.get(&id).map(|order| order["status"].clone()) {
            None => return not_found(OMNI),
            Some(status) if status != "draft" => return refused("Đơn hàng đã được xác nhận rồi"),
            Some(_) => shop.change(OMNI, id, |order| {
                order["status"] = json!("finalized");
                Reply::json(200, json!({ "order": order }))
            }),
        }
    };
    book(world, OMNI, "accepted", &id.to_string());
    echo(world, OMNI, id);
    reply.unwrap_or_else(|| not_found(OMNI))
}

fn cancel(world: &Arc<World>, id: u64) -> Reply {
    let reply = {
        let mut shops = held(&world.shops);
        let shop = shops.of(OMNI);
        match shop.orders.get(&id).map(|order| order["status"].clone()) {
            None => return not_found(OMNI),
            Some(status) if status == "cancelled" => return refused("Đơn hàng đã bị hủy"),
            Some(_) => shop.change(OMNI, id, |order| {
                order["status"] = json!("cancelled");
                Reply::json(200, json!({ "order": order }))
            }),
        }
    };
    book(world, OMNI, "cancelled", &id.to_string());
    echo(world, OMNI, id);
    reply.unwrap_or_else(|| not_found(OMNI))
}

fn parcels(order: &Value) -> Vec<Value> {
    order["fulfillments"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

/// Units of a line that no parcel holds yet.
fn left(order: &Value, line: u64) -> u64 {
    let bought = (order["order_line_items"].as_array().into_iter().flatten())
        .find(|item| item["id"].as_u64() == Some(line))
        .and_then(|item| item["quantity"].as_u64())
        .unwrap_or(0);
    let packed: u64 = parcels(order)
        .iter()
        .filter(|parcel| parcel["status"] != "cancelled")
        .flat_map(|parcel| {
            parcel["fulfillment_line_items"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        })
        .filter(|item| item["order_line_item_id"].as_u64() == Some(line))
        .filter_map(|item| item["quantity"].as_u64())
        .sum();
    bought.saturating_sub(packed)
}

fn pack(world: &Arc<World>, id: u64, body: &Value) -> Reply {
    let sent = &body["fulfillment"];
    if !sent["shipment"]["delivery_service_provider_id"].is_u64() {
        let what = "Đối tác vận chuyển không tồn tại hoặc không khả dụng";
        return Reply::json(422, json!({ "error": { "message": what } }));
    }
    let reply = {
        let mut shops = held(&world.shops);
        let shop = shops.of(OMNI);
        let Some(order) = shop.orders.get(&id) else {
            return not_found(OMNI);
        };
        let items = sent["fulfillment_line_items"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let fits = items.iter().all(|item| {
            let units = item["quantity"].as_u64().unwrap_or(0);
            let line = item["order_line_item_id"].as_u64().unwrap_or(0);
            units > 0 && units <= left(order, line)
        });
        if items.is_empty() || !fits || order["status"] != "finalized" {
            held(&world.ledger).violation(format!("sapo_omni: {id} was packed twice or too much"));
            return refused("Số lượng không hợp lệ");
        }
        let parcel = json!({
            "id": shop.next_id(), "order_id": id, "status": "packed",
            "fulfillment_line_items": items, "shipment": sent["shipment"],
        });
        shop.change(OMNI, id, |order| {
            let mut all = parcels(order);
            all.push(parcel.clone());
            order["fulfillments"] = Value::Array(all);
            restate(order);
        });
        Reply::json(201, json!({ "fulfillment": parcel }))
    };
    echo(world, OMNI, id);
    reply
}

fn step(world: &Arc<World>, id: u64, parcel: u64, from: &str, to: &str) -> Reply {
    {
        let mut shops = held(&world.shops);
        let shop = shops.of(OMNI);
        let stands = shop.orders.get(&id).map(|order| {
            let all = parcels(order);
            let one = all.iter().find(|one| one["id"].as_u64() == Some(parcel));
            one.map(|one| one["status"].clone()).unwrap_or_default()
        });
        match stands {
            None => return not_found(OMNI),
            Some(status) if status != from => {
                return refused("Trạng thái của gói hàng hiện tại không thể chuyển");
            }
            Some(_) => shop.change(OMNI, id, |order| {
                let mut all = parcels(order);
                for one in all
                    .iter_mut()
                    .filter(|one| one["id"].as_u64() == Some(parcel))
                {
                    one["status"] = json!(to);
                }
                order["fulfillments"] = Value::Array(all);
                restate(order);
            }),
        };
    }
    let kind = if to == "received" { "delivered" } else { to };
    book(world, OMNI, kind, &format!("{id} {parcel}"));
    echo(world, OMNI, id);
    // The vendor's description shows an empty answer.
    Reply::empty(200)
}

/// The order's words follow from its parcels, once they hold all of it.
fn restate(order: &mut Value) {
    let whole = (order["order_line_items"].as_array().into_iter().flatten())
        .filter_map(|item| item["id"].as_u64())
        .all(|line| left(order, line) == 0);
    let all = parcels(order);
    let every = |states: &[&str]| {
        whole
            && all
                .iter()
                .all(|one| states.iter().any(|state| one["status"] == *state))
    };
    let word = |yes: bool, word: &str, other: &str| json!(if yes { word } else { other });
    let shipped = every(&["shipped", "received"]);
    let received = every(&["received"]);
    order["packed_status"] = word(whole, "packed", "unpacked");
    order["fulfillment_status"] = word(shipped, "shipped", "unshipped");
    order["received_status"] = word(received, "received", "unreceived");
}
