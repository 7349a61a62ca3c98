//! What is on sale at a shop, set by the gateway.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Call, Platform, Reply, invalid, not_found};
use crate::world::{World, held};

/// The vendor's inventory item of a variant is its number and this.
const ITEM: u64 = 40_000_000_000_000_000;

/// `None` where the path is not about stock.
pub(super) fn answer(
    world: &Arc<World>,
    platform: Platform,
    method: &str,
    path: &[&str],
    call: &Call,
) -> Option<Reply> {
    let id = |text: &str| text.trim_end_matches(".json").parse::<u64>().unwrap_or(0);
    Some(match (method, path) {
        ("GET", ["variants", variant]) => match id(variant) {
            0 => not_found(platform),
            variant => Reply::json(
                200,
                json!({ "variant": {
                    "id": variant, "product_id": variant + 7,
                    "inventory_item_id": variant % ITEM + ITEM,
                    "inventory_management": platform.name(),
                } }),
            ),
        },
        ("POST", ["inventory_levels", "set.json"]) if platform == Platform::Shopify => {
            let body = call.json();
            let item = body["inventory_item_id"].as_u64();
            set(
                world,
                platform,
                item,
                body["location_id"].as_u64(),
                &body["available"],
            )
        }
        ("POST", ["inventories", "adjustorset.json"]) if platform == Platform::Haravan => {
            let body = call.json();
            let sent = &body["inventory"];
            let line = &sent["line_items"][0];
            let variant = line["product_variant_id"].as_u64();
            if sent["type"] != "set" || line["product_id"].as_u64() != variant.map(|v| v + 7) {
                held(&world.ledger).violation("haravan: stock was adjusted, not set".to_owned());
                return Some(invalid("inventory is invalid"));
            }
            set(
                world,
                platform,
                variant,
                sent["location_id"].as_u64(),
                &line["quantity"],
            )
        }
        ("PUT", ["variants", variant]) if platform == Platform::SapoWeb => {
            let body = call.json();
            let units = &body["variant"]["inventory_quantity"];
            set(world, platform, Some(id(variant)), Some(1), units)
        }
        _ => return None,
    })
}

fn set(
    world: &Arc<World>,
    platform: Platform,
    article: Option<u64>,
    location: Option<u64>,
    units: &Value,
) -> Reply {
    let (Some(article), Some(_), Some(units)) = (article, location, units.as_i64()) else {
        let text = format!(
            "{}: a stock level without article or place",
            platform.name()
        );
        held(&world.ledger).violation(text);
        return invalid("level is invalid");
    };
    if units < 0 {
        let text = format!("{}: a stock level below zero", platform.name());
        held(&world.ledger).violation(text);
    }
    let mut ledger = held(&world.ledger);
    *ledger
        .channel(platform.name())
        .told
        .entry("stock".to_owned())
        .or_insert(0) += 1;
    Reply::json(
        200,
        json!({ "inventory_level": { "inventory_item_id": article, "available": units } }),
    )
}
