//! Lists of changed orders: Shopify's by cursor, the others by page number.

use serde_json::{Value, json};

use super::{Platform, Reply, error};
use crate::{
    partners::Call,
    world::{World, held},
};

fn changed_at(platform: Platform, order: &Value) -> i64 {
    let text = order[platform.changed()].as_str();
    let at: Option<jiff::Timestamp> = text.and_then(|text| text.parse().ok());
    at.map_or(0, jiff::Timestamp::as_second)
}

fn bound(call: &Call, name: &str, otherwise: i64) -> i64 {
    let at: Option<jiff::Timestamp> = call.parameter(name).parse().ok();
    at.map_or(otherwise, jiff::Timestamp::as_second)
}

pub(super) fn list(world: &World, platform: Platform, call: &Call) -> Reply {
    let most = if platform == Platform::Haravan {
        50
    } else {
        250
    };
    let size: usize = call.parameter("limit").parse().unwrap_or(50);
    if !(1..=most).contains(&size) {
        let text = format!("{}: limit is not 1 to {most}", platform.name());
        held(&world.ledger).violation(text);
        return error(400, "limit is invalid");
    }
    match platform {
        Platform::Shopify => by_cursor(world, call, size),
        Platform::Haravan | Platform::SapoWeb | Platform::SapoOmni => {
            by_number(world, platform, call, size)
        }
    }
}

/// The cursor holds the query; a page after the first takes nothing else.
fn by_cursor(world: &World, call: &Call, size: usize) -> Reply {
    let cursor = call.parameter("page_info");
    let (from, to, skip) = if cursor.is_empty() {
        if call.parameter("status") != "any" {
            held(&world.ledger)
                .violation("shopify: a poll that leaves closed orders out".to_owned());
        }
        let to = bound(call, "updated_at_max", i64::MAX);
        (bound(call, "updated_at_min", 0), to, 0)
    } else {
        let parts: Vec<i64> = cursor
            .split('_')
            .filter_map(|part| part.parse().ok())
            .collect();
        let [from, to, skip] = parts[..] else {
            return error(400, "page_info: Invalid value.");
        };
        if call
            .query
            .keys()
            .any(|name| !["page_info", "limit", "fields"].contains(&&**name))
        {
            held(&world.ledger).violation("shopify: page_info beside other parameters".to_owned());
            return error(400, "page_info cannot be used with other parameters");
        }
        (from, to, usize::try_from(skip).unwrap_or(0))
    };
    let mut shops = held(&world.shops);
    let shop = shops.of(Platform::Shopify);
    let at = |order: &Value| changed_at(Platform::Shopify, order);
    let mut found: Vec<&Value> = shop
        .orders
        .values()
        .filter(|order| (from..=to).contains(&at(order)))
        .collect();
    found.sort_by_key(|order| at(order));
    let page: Vec<Value> = found
        .iter()
        .skip(skip)
        .take(size)
        .map(|o| (*o).clone())
        .collect();
    let mut headers = Vec::new();
    if skip + page.len() < found.len() {
        let next = format!("{from}_{to}_{}", skip + page.len());
        let base = format!("http://{}{}", call.header("host"), call.path);
        headers.push((
            "link",
            format!("<{base}?limit={size}&page_info={next}>; rel=\"next\""),
        ));
    }
    Reply {
        headers,
        ..Reply::json(200, json!({ "orders": page }))
    }
}

/// Newest first where the platform is not asked for another order.
fn by_number(world: &World, platform: Platform, call: &Call, size: usize) -> Reply {
    let since = format!("{}_min", platform.changed());
    if platform != Platform::SapoOmni && call.parameter("status") != "any" {
        let text = format!("{}: a poll that leaves closed orders out", platform.name());
        held(&world.ledger).violation(text);
    }
    let from = bound(call, &since, 0);
    let page: usize = call.parameter("page").parse().unwrap_or(1).max(1);
    let mut shops = held(&world.shops);
    let mut found: Vec<&Value> = shops
        .of(platform)
        .orders
        .values()
        .filter(|order| changed_at(platform, order) >= from)
        .collect();
    if call.parameter("order") != "created_at asc" {
        found.reverse();
    }
    let total = found.len();
    let found: Vec<Value> = found
        .into_iter()
        .skip((page - 1) * size)
        .take(size)
        .cloned()
        .collect();
    Reply::json(
        200,
        json!({ "metadata": { "total": total, "page": page, "limit": size }, "orders": found }),
    )
}
