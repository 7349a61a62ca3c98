//! The REST side of a WooCommerce site: Basic authentication, pages, modified-after polling, notes
//! and statuses, stock, and webhooks that the site disables after six failures in a row.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{Call, Reply, around};
use crate::{
    signing,
    world::{World, held},
};

/// The shop's orders by id, as its REST API renders them, with what the gateway wrote on them.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) orders: BTreeMap<i64, Value>,
    notes: BTreeMap<i64, Vec<Value>>,
    /// Topic → active, or disabled after six failures in a row.
    webhooks: BTreeMap<&'static str, bool>,
    failures: u32,
    last_note: u64,
}

const TOPICS: [&str; 4] = [
    "order.created",
    "order.updated",
    "order.deleted",
    "order.restored",
];

impl Default for Site {
    fn default() -> Self {
        Self {
            orders: BTreeMap::new(),
            notes: BTreeMap::new(),
            webhooks: TOPICS.into_iter().map(|topic| (topic, true)).collect(),
            failures: 0,
            last_note: 0,
        }
    }
}

impl Site {
    /// Whether the shop still sends this.
    pub(crate) fn sends(&self, topic: &str) -> bool {
        self.webhooks.get(topic).copied().unwrap_or(false)
    }

    /// The sixth failure in a row disables the webhooks for good.
    pub(crate) fn delivered(&mut self, arrived: bool) {
        self.failures = if arrived { 0 } else { self.failures + 1 };
        if self.failures >= 6 {
            self.webhooks
                .values_mut()
                .for_each(|active| *active = false);
        }
    }
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
    let key = format!(
        "woocommerce:{}:{}:{}",
        call.method,
        call.path,
        call.parameter("page")
    );
    let fault = world.faults.draw(&key);
    if fault.is_some() {
        held(&world.ledger).channel("woocommerce").refused += 1;
    }
    around(fault, &call.wire, || act(world, &call)).await
}

fn act(world: &Arc<World>, call: &Call) -> Reply {
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
        ("PUT", ["wp-json", "wc", "v3", "orders", id]) => {
            put_status(world, number(id), &call.json())
        }
        ("GET", ["wp-json", "wc", "v3", "orders", id, "notes"]) => {
            let site = held(&world.woocommerce);
            if !site.orders.contains_key(&number(id)) {
                return no_order();
            }
            let notes = site.notes.get(&number(id)).cloned().unwrap_or_default();
            Reply::json(200, Value::Array(notes))
        }
        ("POST", ["wp-json", "wc", "v3", "orders", id, "notes"]) => {
            write_note(world, number(id), &call.json())
        }
        ("GET", ["wp-json", "wc", "v3", "products", id]) => Reply::json(
            200,
            json!({ "id": number(id), "type": "simple", "parent_id": 0 }),
        ),
        ("PUT", ["wp-json", "wc", "v3", "products", id]) => {
            put_stock(world, number(id), &call.json())
        }
        ("GET", ["wp-json", "wc", "v3", "webhooks"]) => webhooks(world),
        ("PUT", ["wp-json", "wc", "v3", "webhooks", id]) => enable(world, number(id), &call.json()),
        ("POST", ["wp-json", "wc", "v3", "webhooks"]) => {
            let text = "woocommerce: a webhook was made that is there already";
            held(&world.ledger).violation(text.to_owned());
            Reply::json(201, json!({ "id": 99, "status": "active" }))
        }
        _ => error(404, "rest_no_route", "No route was found matching the URL."),
    }
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or(0)
}

fn no_order() -> Reply {
    error(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
}

/// The order's status, as the gateway wants it; the site tells of it as of any change.
fn put_status(world: &Arc<World>, id: i64, body: &Value) -> Reply {
    let status = body["status"].as_str().unwrap_or_default().to_owned();
    if !["processing", "completed", "cancelled", "on-hold"].contains(&&*status) {
        return error(400, "rest_invalid_param", "Invalid parameter(s): status");
    }
    let order = {
        let mut site = held(&world.woocommerce);
        let Some(order) = site.orders.get_mut(&id) else {
            return no_order();
        };
        let ended = ["completed", "cancelled", "trash"]
            .iter()
            .any(|end| order["status"] == *end);
        if ended {
            let text = format!("woocommerce: {id} was {} already", order["status"]);
            held(&world.ledger).violation(text);
        }
        crate::storefront::woocommerce::restate(order, &status);
        order.clone()
    };
    let mut ledger = held(&world.ledger);
    *ledger
        .channel("woocommerce")
        .told
        .entry(status)
        .or_insert(0) += 1;
    drop(ledger);
    let shared = Arc::clone(world);
    world.job(async move { crate::storefront::woocommerce::echo(&shared, id).await });
    Reply::json(200, order)
}

/// A note must end with the gateway's mark, and each mark is written once.
fn write_note(world: &Arc<World>, id: i64, body: &Value) -> Reply {
    let text = body["note"].as_str().unwrap_or_default().to_owned();
    let mark = text.rsplit_once('[').map(|(_, mark)| mark.to_owned());
    let mut site = held(&world.woocommerce);
    if !site.orders.contains_key(&id) {
        return no_order();
    }
    site.last_note += 1;
    let note = json!({
        "id": site.last_note, "author": "system", "note": text,
        "customer_note": body["customer_note"],
    });
    let notes = site.notes.entry(id).or_default();
    let twice = notes.iter().any(|known| known["note"] == note["note"]);
    notes.push(note.clone());
    drop(site);
    let mut ledger = held(&world.ledger);
    match mark {
        Some(mark) if mark.ends_with(']') && !twice => {
            let kind = ["accepted", "shipped", "delivered", "failed", "cancelled"]
                .into_iter()
                .find(|kind| mark.contains(kind))
                .unwrap_or("other");
            *ledger
                .channel("woocommerce")
                .told
                .entry(format!("note_{kind}"))
                .or_insert(0) += 1;
        }
        Some(_) => ledger.violation(format!("woocommerce: a note was written twice on {id}")),
        None => ledger.violation(format!("woocommerce: a note without a mark on {id}")),
    }
    Reply::json(201, note)
}

fn put_stock(world: &Arc<World>, id: i64, body: &Value) -> Reply {
    let mut ledger = held(&world.ledger);
    if body["manage_stock"] != true || body["stock_quantity"].as_i64().is_none_or(|n| n < 0) {
        ledger.violation(format!("woocommerce: a stock level of {id} that is none"));
        return error(
            400,
            "rest_invalid_param",
            "Invalid parameter(s): stock_quantity",
        );
    }
    *ledger
        .channel("woocommerce")
        .told
        .entry("stock".to_owned())
        .or_insert(0) += 1;
    Reply::json(
        200,
        json!({ "id": id, "stock_quantity": body["stock_quantity"] }),
    )
}

fn webhooks(world: &World) -> Reply {
    let address = world.door_address(crate::secrets::channel::WOO);
    let site = held(&world.woocommerce);
    let list: Vec<Value> = (site.webhooks.iter().zip(12_i64..))
        .map(|((topic, active), id)| {
            let status = if *active { "active" } else { "disabled" };
            json!({
                "id": id, "name": "Kenh", "status": status, "topic": topic,
                "resource": "order", "delivery_url": address,
            })
        })
        .collect();
    Reply::json(200, Value::Array(list))
}

fn enable(world: &World, id: i64, body: &Value) -> Reply {
    let mut site = held(&world.woocommerce);
    let nth = usize::try_from(id - 12).unwrap_or(usize::MAX);
    let Some(active) = site.webhooks.values_mut().nth(nth) else {
        return error(
            404,
            "woocommerce_rest_shop_webhook_invalid_id",
            "ID is invalid.",
        );
    };
    *active = body["status"] == "active";
    site.failures = 0;
    Reply::json(200, json!({ "id": id, "status": body["status"] }))
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
