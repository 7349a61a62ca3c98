//! The webhooks that lead from a shop to the gateway.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Call, Platform, Reply, error};
use crate::world::{World, held};

/// What a shop tells of.
pub(super) const TOPICS: [&str; 8] = [
    "orders/create",
    "orders/updated",
    "orders/paid",
    "orders/cancelled",
    "orders/fulfilled",
    "orders/delete",
    "refunds/create",
    "app/uninstalled",
];

/// `None` where the path is not about webhooks.
pub(super) fn answer(
    world: &Arc<World>,
    platform: Platform,
    method: &str,
    path: &[&str],
    call: &Call,
) -> Option<Reply> {
    if path != ["webhooks.json"] || platform == Platform::Haravan {
        return None;
    }
    let mut shops = held(&world.shops);
    let shop = shops.of(platform);
    Some(match method {
        "GET" => {
            let address = world.door_address(platform.channel());
            let hooks: Vec<Value> = shop
                .topics
                .iter()
                .zip(1_u64..)
                .map(|(topic, id)| {
                    json!({ "id": id, "topic": topic, "address": address, "format": "json" })
                })
                .collect();
            Reply::json(200, json!({ "webhooks": hooks }))
        }
        "POST" => {
            let body = call.json();
            let topic = body["webhook"]["topic"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            if !TOPICS.contains(&&*topic) || body["webhook"]["format"] != "json" {
                return Some(error(422, "topic is invalid"));
            }
            if !shop.topics.insert(topic.clone()) {
                let taken = json!({ "address": ["for this topic has already been taken"] });
                return Some(Reply::json(422, json!({ "errors": taken })));
            }
            Reply::json(201, json!({ "webhook": { "id": 99, "topic": topic } }))
        }
        _ => return None,
    })
}

/// Haravan subscribes a shop as a whole.
pub(super) fn haravan(world: &Arc<World>, method: &str) -> Reply {
    let mut shops = held(&world.shops);
    let shop = shops.of(Platform::Haravan);
    match method {
        "GET" if shop.topics.is_empty() => Reply::json(200, json!({ "data": [] })),
        "GET" => Reply::json(200, json!({ "data": [{ "org_id": 200_000_000_001_u64 }] })),
        "POST" => {
            shop.topics = TOPICS.iter().map(|&topic| topic.to_owned()).collect();
            Reply::json(200, json!({ "error": false }))
        }
        _ => error(404, "Not Found"),
    }
}
