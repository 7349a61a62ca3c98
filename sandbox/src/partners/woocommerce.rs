//! The REST side of a WooCommerce site: Basic authentication, pages, modified-after polling.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{Call, Reply, around};
use crate::{
    signing,
    world::{World, held},
};

/// The shop's orders by id, as its REST API renders them.
#[derive(Debug, Default)]
pub(crate) struct Site {
    pub(crate) orders: BTreeMap<i64, Value>,
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(
        status,
        json!({"code": code, "message": message, "data": {"status": status}}),
    )
}

pub(crate) async fn answer(world: &Arc<World>, call: Call) -> Reply {
    held(&world.ledger).channel("woocommerce").requests += 1;
    let secrets = &world.secrets;
    let expected = signing::basic(&secrets.woo_consumer_key, &secrets.woo_consumer_secret);
    if call.header("authorization") != expected {
        let mut ledger = held(&world.ledger);
        ledger.channel("woocommerce").refused += 1;
        ledger.violation("woocommerce: a call without the consumer key and secret".to_owned());
        return error(
            401,
            "woocommerce_rest_cannot_view",
            "Sorry, you cannot view this.",
        );
    }
    let key = format!("woocommerce:{}:{}", call.path, call.parameter("page"));
    let fault = world.faults.draw(&key);
    if fault.is_some() {
        held(&world.ledger).channel("woocommerce").refused += 1;
    }
    around(fault, &call.wire, || act(world, &call)).await
}

fn act(world: &World, call: &Call) -> Reply {
    let (method, segments) = call.route();
    match (method, segments.as_slice()) {
        ("GET", ["wp-json", "wc", "v3", "orders"]) => list(world, call),
        ("GET", ["wp-json", "wc", "v3", "orders", id]) => {
            let id: i64 = id.parse().unwrap_or(0);
            match held(&world.woocommerce).orders.get(&id) {
                Some(order) => Reply::json(200, order.clone()),
                None => error(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID."),
            }
        }
        _ => error(404, "rest_no_route", "No route was found matching the URL."),
    }
}

fn list(world: &World, call: &Call) -> Reply {
    let size: usize = call
        .parameter("per_page")
        .parse()
        .unwrap_or(10)
        .clamp(1, 100);
    let page: usize = call.parameter("page").parse().unwrap_or(1).max(1);
    let after = call.parameter("modified_after").trim_end_matches('Z');
    // Without `dates_are_gmt` the parameter is the site's local time.
    let compared = if call.parameter("dates_are_gmt") == "true" {
        "date_modified_gmt"
    } else {
        "date_modified"
    };
    let sorted = if call.parameter("orderby") == "modified" {
        "date_modified_gmt"
    } else {
        "date_created_gmt"
    };
    let status = call.parameter("status");
    let site = held(&world.woocommerce);
    let mut found: Vec<&Value> = site
        .orders
        .values()
        .filter(|order| text(order, compared) > after)
        // The trash is listed only when it is asked for by name.
        .filter(|order| match status {
            "" | "any" => order["status"] != "trash",
            wanted => wanted.split(',').any(|one| order["status"] == one),
        })
        .collect();
    found.sort_by(|a, b| text(a, sorted).cmp(text(b, sorted)));
    if call.parameter("order") != "asc" {
        found.reverse(); // The vendor's default: newest first.
    }
    let pages = found.len().div_ceil(size);
    let body: Vec<Value> = found
        .iter()
        .skip((page - 1) * size)
        .take(size)
        .map(|order| (*order).clone())
        .collect();
    Reply {
        headers: vec![
            ("x-wp-total", found.len().to_string()),
            ("x-wp-totalpages", pages.to_string()),
        ],
        ..Reply::json(200, Value::Array(body))
    }
}

fn text<'a>(order: &'a Value, field: &str) -> &'a str {
    order[field].as_str().unwrap_or_default()
}
