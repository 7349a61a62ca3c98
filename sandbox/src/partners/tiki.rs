//! Tiki's Open API as a shop sees it: bearer tokens, an event queue that is pulled and acknowledged
//! by the next pull, orders with times that carry no zone, confirmations that work once.

mod calls;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use http::Method;
use jiff::tz::Offset;
use serde_json::{Value, json};

use super::{Call, Reply, around, pairs};
use crate::{
    faults::{chance, hash},
    secrets::{Secrets, channel},
    signing,
    storefront::tiki as story,
    world::{World, held},
};

/// While faults are on, calls that one access token serves before it is declared dead.
const CALLS_PER_TOKEN: u32 = 80;
/// Events of one batch.
const BATCH: usize = 20;
/// Documented; live clients use half of it.
const MOST_ROWS: usize = 100;

/// One order as Tiki keeps it.
#[derive(Debug, Clone)]
pub(crate) struct TikiOrder {
    pub(crate) document: Value,
    /// Seconds since 1970.
    pub(crate) updated: i64,
}

impl TikiOrder {
    fn word(&self, field: &str) -> &str {
        self.document[field].as_str().unwrap_or_default()
    }

    pub(crate) fn status(&self) -> &str {
        self.word("status")
    }

    /// Moves the order on; update times never stand still.
    pub(crate) fn advance(&mut self, status: &str) {
        self.updated = crate::world::seconds().max(self.updated + 1);
        self.document["status"] = json!(status);
        self.document["updated_at"] = json!(local(self.updated));
        if let Some(histories) = self.document["status_histories"].as_array_mut() {
            histories.push(json!({"status": status, "created_at": local(self.updated)}));
        }
    }

    fn confirm(&mut self, word: &str, only: impl Fn(&str) -> bool) {
        let items = self.document["items"].as_array_mut();
        for item in items.into_iter().flatten() {
            if only(&item["id"].to_string()) {
                item["confirmation"]["status"] = json!(word);
            }
        }
    }

    fn waiting(&self) -> BTreeSet<String> {
        let items = self.document["items"].as_array();
        items
            .into_iter()
            .flatten()
            .filter(|item| item["confirmation"]["status"] == "waiting")
            .map(|item| item["id"].to_string())
            .collect()
    }
}

/// The shop, its queue and its app.
#[derive(Debug)]
pub(crate) struct TikiShop {
    pub(crate) orders: BTreeMap<String, TikiOrder>,
    /// Not acknowledged yet, oldest first, each with its place in the queue.
    events: Vec<(u64, Value)>,
    last_event: u64,
    acknowledged: u64,
    pulls: u64,
    subscriptions: BTreeSet<String>,
    token: String,
    calls_left: u32,
    grants: u64,
    stock: BTreeMap<u64, i64>,
}

impl TikiShop {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        let types = ["ORDER_CREATED_SUCCESSFULLY", "ORDER_STATUS_UPDATED"];
        Self {
            orders: BTreeMap::new(),
            events: Vec::new(),
            last_event: 0,
            acknowledged: 0,
            pulls: 0,
            subscriptions: types.map(str::to_owned).into(),
            token: secrets.tiki_tokens.access.clone(),
            calls_left: CALLS_PER_TOKEN,
            grants: 0,
            stock: BTreeMap::new(),
        }
    }

    /// Puts an event into the queue, if the app wants this kind.
    pub(crate) fn announce(&mut self, event: &Value) {
        let kind = event["type"].as_str().unwrap_or_default();
        if self.subscriptions.contains(kind) {
            self.last_event += 1;
            self.events.push((self.last_event, event.clone()));
        }
    }

    /// Events that nobody has acknowledged.
    pub(crate) fn waiting(&self) -> usize {
        self.events.len()
    }

    /// Whether anybody reads the queue at all.
    pub(crate) fn has_reader(&self) -> bool {
        self.pulls > 0
    }
}

/// Tiki's times: Vietnam's, without a zone.
pub(crate) fn local(second: i64) -> String {
    let at = jiff::Timestamp::from_second(second).unwrap_or_default();
    Offset::constant(7)
        .to_datetime(at)
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

fn error(status: u16, text: &str) -> Reply {
    Reply::json(status, json!({ "errors": [text] }))
}

pub(crate) async fn answer(world: &Arc<World>, call: Call) -> Reply {
    held(&world.ledger).channel("tiki").requests += 1;
    let reply = guarded(world, &call).await;
    if reply.status >= 400 {
        held(&world.ledger).channel("tiki").refused += 1;
    }
    reply
}

async fn guarded(world: &Arc<World>, call: &Call) -> Reply {
    if call.path == "/sc/oauth2/token" {
        return token(world, call);
    }
    if call.path.starts_with("/labels/") {
        return calls::label(call);
    }
    if !accepted(world, call.header("authorization")) {
        return error(401, "Unauthorized");
    }
    let key = format!(
        "tiki:{}:{}:{}",
        call.path,
        call.parameter("page"),
        call.json()["ack_id"]
    );
    let fault = match call.method {
        // What changes an order is looked at before it is repeated, so its answer may get lost.
        Method::GET | Method::POST | Method::PUT => world.faults.draw(&key),
        _ => None,
    };
    around(fault, &call.wire, || act(world, call)).await
}

/// An in-house app asks with its secret alone.
fn token(world: &World, call: &Call) -> Reply {
    let secrets = &world.secrets;
    let basic = signing::basic(&secrets.tiki_client_id, &secrets.tiki_client_secret);
    if call.method != Method::POST || call.header("authorization") != basic {
        held(&world.ledger).violation("tiki: a token was asked for with a wrong secret".to_owned());
        return Reply::json(401, json!({"error": "invalid_client"}));
    }
    let form = pairs(&String::from_utf8_lossy(&call.body));
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    if field("grant_type") != "client_credentials" || field("client_id") != secrets.tiki_client_id {
        held(&world.ledger).violation("tiki: a token was asked for with a wrong form".to_owned());
        return Reply::json(400, json!({"error": "invalid_request"}));
    }
    let mut shop = held(&world.tiki);
    shop.grants += 1;
    let number = hash(world.options.seed, &format!("tiki token {}", shop.grants));
    shop.token = format!("tiki{number:016x}{}", shop.grants);
    shop.calls_left = CALLS_PER_TOKEN;
    let access = shop.token.clone();
    drop(shop);
    held(&world.ledger).channel("tiki").refreshes += 1;
    Reply::json(
        200,
        json!({"access_token": access, "expires_in": secrets.tiki_tokens.expires_in_s,
               "scope": field("scope"), "token_type": "bearer"}),
    )
}

/// Whether the token is good; while faults are on it dies after a number of calls.
fn accepted(world: &World, header: &str) -> bool {
    let mut shop = held(&world.tiki);
    if header.strip_prefix("Bearer ") != Some(&*shop.token) {
        return false;
    }
    if world.faults.on() {
        if shop.calls_left == 0 {
            return false;
        }
        shop.calls_left -= 1;
    }
    true
}

fn act(world: &Arc<World>, call: &Call) -> Reply {
    let (method, segments) = call.route();
    let queue = &*world.secrets.tiki_queue;
    match (method, segments.as_slice()) {
        ("POST", ["integration", "v1", "queues"]) => {
            let name = call.json()["name"].clone();
            Reply::json(
                200,
                json!({"code": queue, "name": name, "status": "ACTIVE"}),
            )
        }
        ("POST", ["integration", "v1", "queues", code, "subscriptions"]) if *code == queue => {
            let kind = call.json()["event_type"].clone();
            let word = kind.as_str().unwrap_or_default().to_owned();
            held(&world.tiki).subscriptions.insert(word);
            Reply::json(
                200,
                json!({"code": queue, "active": true, "event_type": kind,
                "sid": story::SID}),
            )
        }
        ("POST", ["integration", "v1", "queues", code, "events", "pull"]) if *code == queue => {
            pull(world, &call.json()["ack_id"])
        }
        ("GET", ["integration", "v2", "orders"]) => list(world, call),
        (
            "GET",
            [
                "integration",
                "v2",
                "orders",
                "dropship",
                "expected-pickup-slots",
            ],
        ) => {
            let slot = local(crate::world::seconds() + 7_200);
            Reply::json(
                200,
                json!({"seller_id": 345_678, "pickup_slots": [
                {"expected_pickup_slot": slot, "expected_pickup_time": slot}]}),
            )
        }
        ("GET", ["integration", "v2", "orders", code]) => match held(&world.tiki).orders.get(*code)
        {
            Some(order) => Reply::json(200, order.document.clone()),
            None => error(404, "Order not found"),
        },
        ("GET", ["integration", "v2", "orders", code, way, "labels"]) => {
            calls::labels(world, call, code, way)
        }
        ("POST", ["integration", "v2", "orders", code, "confirm-available"]) => {
            calls::confirm(world, code, &call.json())
        }
        (
            "POST",
            [
                "integration",
                "v2",
                "orders",
                code,
                "dropship",
                "confirm-available",
            ],
        ) => calls::dropship(world, code, &call.json()),
        (
            "POST",
            [
                "integration",
                "v2",
                "orders",
                code,
                "seller-delivery",
                "update-delivery",
            ],
        ) => calls::delivery(world, code, &call.json()),
        ("PUT", ["integration", "v2", "products", "updateSku"]) => {
            calls::stock(world, &call.json())
        }
        _ => error(404, "not found"),
    }
}

/// The acknowledgement of a batch is a mark: everything up to it is forgotten.
fn pull(world: &World, ack_id: &Value) -> Reply {
    let mut shop = held(&world.tiki);
    shop.pulls += 1;
    if let Some(text) = ack_id.as_str() {
        let mark = mark(text).filter(|mark| *mark <= shop.last_event);
        let Some(mark) = mark else {
            drop(shop);
            held(&world.ledger).violation("tiki: an ack_id that nobody gave".to_owned());
            return error(400, "ack_id is invalid");
        };
        shop.acknowledged = shop.acknowledged.max(mark);
        let acknowledged = shop.acknowledged;
        shop.events.retain(|(place, _)| *place > acknowledged);
    } else if !ack_id.is_null() {
        drop(shop);
        held(&world.ledger).violation("tiki: ack_id is neither null nor a text".to_owned());
        return error(400, "ack_id is invalid");
    }
    let batch: Vec<&(u64, Value)> = shop.events.iter().take(BATCH).collect();
    let mark = batch.last().map_or(shop.acknowledged, |(place, _)| *place);
    let events: Vec<&Value> = batch.iter().map(|(_, event)| event).collect();
    Reply::json(
        200,
        json!({"events": events, "ack_id": format!("00000000-dddd-4eee-8fff-{mark:012x}")}),
    )
}

fn mark(ack_id: &str) -> Option<u64> {
    let digits = ack_id.strip_prefix("00000000-dddd-4eee-8fff-")?;
    u64::from_str_radix(digits, 16).ok()
}

fn list(world: &World, call: &Call) -> Reply {
    let number = |name: &str| call.parameter(name).parse::<usize>().unwrap_or(0);
    let (page, limit) = (number("page").max(1), number("limit"));
    let (from, to) = (
        call.parameter("updated_from_date"),
        call.parameter("updated_to_date"),
    );
    let readable = |text: &str| text.parse::<jiff::civil::DateTime>().is_ok() && text.len() == 19;
    if !(1..=MOST_ROWS).contains(&limit) || !readable(from) || !readable(to) {
        held(&world.ledger).violation("tiki: a list of orders with wrong parameters".to_owned());
        return error(400, "wrong parameters");
    }
    let shop = held(&world.tiki);
    let mut found: Vec<&TikiOrder> = shop
        .orders
        .values()
        .filter(|order| (from..=to).contains(&order.word("updated_at")))
        .collect();
    found.sort_by_key(|order| order.updated);
    if call.parameter("order_by") != "updated_at|asc" {
        found.reverse();
    }
    let pages = found.len().div_ceil(limit);
    let data: Vec<&Value> = found
        .iter()
        .skip((page - 1) * limit)
        .take(limit)
        .map(|order| &order.document)
        .collect();
    Reply::json(
        200,
        json!({"data": data, "paging": {"total": found.len(), "current_page": page,
            "per_page": limit, "last_page": pages}}),
    )
}

/// After the last parcel has arrived, Tiki's carrier reports it; what the seller brings itself is
/// reported by the seller.
pub(crate) fn delivered(world: &Arc<World>, sold_on: &str, code: &str) {
    if sold_on != channel::TIKI || !held(&world.ledger).all_delivered(sold_on, code) {
        return;
    }
    let by_seller = held(&world.tiki)
        .orders
        .get(code)
        .is_some_and(|order| order.word("fulfillment_type") == "seller_delivery");
    if by_seller || !chance(world.options.seed, &format!("complete:{code}"), 50) {
        return;
    }
    let (shared, code) = (Arc::clone(world), code.to_owned());
    world.job(async move { story::complete(&shared, &code).await });
}
