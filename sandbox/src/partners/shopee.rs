//! Shopee Open Platform v2 as a shop sees it: signed calls, HTTP 200 with the error inside,
//! single-use refresh tokens, thin pushes that must be fetched, a store of lost pushes.

mod calls;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use http::Method;
use serde_json::{Value, json};

use super::{Call, Reply, around};
use crate::{
    faults::{Fault, chance, hash},
    secrets::{Secrets, TokenPair, channel},
    signing, storefront,
    world::{World, held, seconds},
};

/// Seconds by which a call's timestamp may be off.
const WINDOW_S: i64 = 300;
/// The longest `get_order_list` window.
const LONGEST_LIST_S: i64 = 15 * 86_400;
/// While faults are on, calls that one access token serves before it is declared dead.
const CALLS_PER_TOKEN: u32 = 60;
/// Fields that come without being asked for.
const DEFAULT_FIELDS: [&str; 13] = [
    "order_sn",
    "region",
    "currency",
    "cod",
    "order_status",
    "pending_terms",
    "message_to_seller",
    "create_time",
    "update_time",
    "days_to_ship",
    "ship_by_date",
    "booking_sn",
    "advance_package",
];

/// One order as Shopee keeps it.
#[derive(Debug, Clone)]
pub(crate) struct ShopOrder {
    pub(crate) status: &'static str,
    pub(crate) document: Value,
    pub(crate) update_time: i64,
    /// Known to `get_order_detail` only: bait for a forged push.
    pub(crate) bait: bool,
    /// What the shop's own voucher took off the order, in đồng; only the escrow tells.
    pub(crate) seller_voucher: i64,
    /// The carrier has numbered the parcel.
    pub(crate) numbered: bool,
    /// Calls about the parcel's label so far.
    pub(crate) label_asked: u32,
}

/// The shop behind the API.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) orders: BTreeMap<String, ShopOrder>,
    tokens: TokenPair,
    calls_left: u32,
    spent: BTreeSet<String>,
    grants: u64,
    lost: Vec<(u64, Value)>,
    last_message: u64,
    stock: BTreeMap<(u64, u64), i64>,
}

impl Shop {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self {
            orders: BTreeMap::new(),
            tokens: secrets.shopee_tokens.clone(),
            calls_left: CALLS_PER_TOKEN,
            spent: BTreeSet::new(),
            grants: 0,
            lost: Vec::new(),
            last_message: 1_234_000,
            stock: BTreeMap::new(),
        }
    }

    /// Keeps a push that was never acknowledged for the lost-push calls.
    pub(crate) fn lose(&mut self, envelope: &Value) {
        self.last_message += 1;
        self.lost.push((self.last_message, envelope.clone()));
    }

    /// A new pair, as after the seller authorised the app again.
    pub(crate) fn grant(&mut self, seed: u64) -> TokenPair {
        self.grants += 1;
        let access = hash(seed, &format!("shopee access {}", self.grants));
        let refresh = hash(seed, &format!("shopee refresh {}", self.grants));
        self.spent.insert(std::mem::take(&mut self.tokens.refresh));
        self.calls_left = CALLS_PER_TOKEN;
        self.tokens = TokenPair {
            access: format!("{access:016x}{refresh:016x}"),
            refresh: format!("{refresh:016x}{access:016x}"),
            expires_in_s: 14_400,
        };
        self.tokens.clone()
    }
}

fn error(code: &str, message: &str) -> Reply {
    Reply::json(
        200,
        json!({"error": code, "message": message, "request_id": "sandbox"}),
    )
}

fn good(response: Value) -> Reply {
    Reply::json(
        200,
        json!({"error": "", "message": "", "request_id": "sandbox", "response": response,
               "warning": ""}),
    )
}

pub(crate) async fn answer(world: &Arc<World>, call: Call) -> Reply {
    held(&world.ledger).channel("shopee").requests += 1;
    let reply = guarded(world, &call).await;
    let failed = reply.raw.is_none() && reply.body.as_ref().is_none_or(|body| body["error"] != "");
    if failed {
        held(&world.ledger).channel("shopee").refused += 1;
    }
    reply
}

async fn guarded(world: &Arc<World>, call: &Call) -> Reply {
    let refresh = call.path == "/api/v2/auth/access_token/get";
    let public = refresh || call.path.starts_with("/api/v2/push/");
    if let Err(reason) = signed(world, call, public) {
        held(&world.ledger).violation(format!("shopee: {}: {reason}", call.path));
        return error("error_sign", "Wrong sign.");
    }
    if !public && !accepted(world, call.parameter("access_token")) {
        return error("invalid_acceess_token", "Invalid access_token.");
    }
    let about = call.json();
    let key = format!(
        "shopee:{}:{}{}{}:{}",
        call.path,
        call.parameter("order_sn_list"),
        call.parameter("order_sn"),
        about["order_sn"].as_str().unwrap_or_default(),
        call.parameter("cursor")
    );
    // A lost refresh spends the token; what is told of an order is looked at before a repeat.
    let fault = if call.method == Method::POST && public {
        world.faults.draw_before(&key)
    } else {
        world.faults.draw(&key)
    };
    if fault == Some(Fault::TooMany) {
        return error(
            "error_rate_limit",
            "Too many requests, please try again later.",
        );
    }
    around(fault, &call.wire, || act(world, call)).await
}

/// `partner_id + path + timestamp`, for shop calls also `access_token + shop_id`.
fn signed(world: &World, call: &Call, public: bool) -> Result<(), &'static str> {
    let secrets = &world.secrets;
    let timestamp: i64 = call
        .parameter("timestamp")
        .parse()
        .map_err(|_| "timestamp is missing")?;
    if (seconds() - timestamp).abs() > WINDOW_S {
        return Err("timestamp is outside five minutes");
    }
    if call.parameter("partner_id") != secrets.shopee_partner_id.to_string() {
        return Err("partner_id is wrong");
    }
    let mut base = format!("{}{}{timestamp}", secrets.shopee_partner_id, call.path);
    if !public {
        if call.parameter("shop_id") != secrets.shopee_shop_id.to_string() {
            return Err("shop_id is wrong");
        }
        base.push_str(call.parameter("access_token"));
        base.push_str(call.parameter("shop_id"));
    }
    let expected = signing::shopee_api(&secrets.shopee_partner_key, &base);
    if call.parameter("sign") == expected {
        Ok(())
    } else {
        Err("sign does not match")
    }
}

/// Whether the access token is good; while faults are on it dies after a number of calls.
fn accepted(world: &World, token: &str) -> bool {
    let mut shop = held(&world.shopee);
    if token != shop.tokens.access {
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
    match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/api/v2/order/get_order_detail") => detail(world, call),
        ("GET", "/api/v2/order/get_order_list") => list(world, call),
        ("GET", "/api/v2/payment/get_escrow_detail") => calls::escrow(world, call),
        ("GET", "/api/v2/returns/get_return_detail") => {
            error("error_data", "The return you queried doesn't exist.")
        }
        ("GET", "/api/v2/logistics/get_shipping_parameter") => calls::parameters(world, call),
        ("POST", "/api/v2/logistics/ship_order") => calls::ship(world, call),
        ("GET", "/api/v2/logistics/get_tracking_number") => calls::tracking_number(world, call),
        ("POST", "/api/v2/order/cancel_order") => calls::cancel(world, call),
        ("POST", "/api/v2/order/handle_buyer_cancellation") => calls::answer_wish(world, call),
        ("POST", "/api/v2/product/update_stock") => calls::stock(world, call),
        (
            "POST",
            "/api/v2/logistics/get_shipping_document_parameter"
            | "/api/v2/logistics/create_shipping_document"
            | "/api/v2/logistics/get_shipping_document_result"
            | "/api/v2/logistics/download_shipping_document",
        ) => calls::document(
            world,
            call,
            call.path.rsplit('/').next().unwrap_or_default(),
        ),
        ("POST", "/api/v2/auth/access_token/get") => refresh(world, call),
        ("GET", "/api/v2/push/get_lost_push_message") => lost(world),
        ("POST", "/api/v2/push/confirm_consumed_lost_push_message") => confirm(world, call),
        _ => error("error_not_found", "The requested URL was not found."),
    }
}

fn detail(world: &World, call: &Call) -> Reply {
    let numbers: Vec<&str> = call
        .parameter("order_sn_list")
        .split(',')
        .filter(|sn| !sn.is_empty())
        .collect();
    if !(1..=50).contains(&numbers.len()) {
        held(&world.ledger).violation(format!(
            "shopee: order_sn_list of {} numbers",
            numbers.len()
        ));
        return error("error_param", "order_sn_list must hold 1 to 50 numbers.");
    }
    let wanted: BTreeSet<&str> = call
        .parameter("response_optional_fields")
        .split(',')
        .chain(DEFAULT_FIELDS)
        .collect();
    let shop = held(&world.shopee);
    let orders: Vec<Value> = numbers
        .iter()
        .filter_map(|number| shop.orders.get(*number))
        .map(|order| {
            let mut document = order.document.clone();
            if let Some(fields) = document.as_object_mut() {
                fields.retain(|name, _| wanted.contains(name.as_str()));
            }
            document
        })
        .collect();
    good(json!({ "order_list": orders }))
}

fn list(world: &World, call: &Call) -> Reply {
    let number = |name: &str| call.parameter(name).parse::<i64>().unwrap_or(0);
    let (from, to) = (number("time_from"), number("time_to"));
    if to < from || to - from > LONGEST_LIST_S {
        held(&world.ledger).violation("shopee: get_order_list over more than 15 days".to_owned());
        return error("order.order_list_invalid_time", "The time range is wrong.");
    }
    let size = usize::try_from(number("page_size")).unwrap_or(0);
    if !(1..=100).contains(&size) {
        held(&world.ledger).violation("shopee: page_size is not 1 to 100".to_owned());
        return error("error_param", "page_size must be 1 to 100.");
    }
    let skip: usize = call.parameter("cursor").parse().unwrap_or(0);
    let status = call.parameter("order_status");
    let shop = held(&world.shopee);
    let mut found: Vec<(&String, &ShopOrder)> = shop
        .orders
        .iter()
        .filter(|(_, order)| !order.bait && (from..=to).contains(&order.update_time))
        .filter(|(_, order)| status.is_empty() || order.status == status)
        .collect();
    found.sort_unstable_by_key(|(number, order)| (order.update_time, *number));
    let page: Vec<Value> = found
        .iter()
        .skip(skip)
        .take(size)
        .map(|(number, order)| {
            json!({"order_sn": number, "order_status": order.status, "booking_sn": ""})
        })
        .collect();
    let more = skip + page.len() < found.len();
    let next = if more {
        (skip + page.len()).to_string()
    } else {
        String::new()
    };
    good(json!({"more": more, "next_cursor": next, "order_list": page}))
}

fn refresh(world: &World, call: &Call) -> Reply {
    let body = call.json();
    let offered = body["refresh_token"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let mut shop = held(&world.shopee);
    if shop.spent.contains(&offered) {
        drop(shop);
        held(&world.ledger).violation("shopee: a refresh token was used twice".to_owned());
        return error("error_auth", "Invalid refresh_token.");
    }
    if offered != shop.tokens.refresh {
        return error("error_auth", "Invalid refresh_token.");
    }
    let pair = shop.grant(world.options.seed);
    drop(shop);
    held(&world.ledger).channel("shopee").refreshes += 1;
    Reply::json(
        200,
        json!({
            "partner_id": world.secrets.shopee_partner_id,
            "shop_id": world.secrets.shopee_shop_id,
            "refresh_token": pair.refresh,
            "access_token": pair.access,
            "expire_in": pair.expires_in_s,
            "request_id": "sandbox",
            "error": "",
            "message": "",
        }),
    )
}

fn lost(world: &World) -> Reply {
    let shop = held(&world.shopee);
    let batch: Vec<&(u64, Value)> = shop.lost.iter().take(100).collect();
    let messages: Vec<Value> = batch
        .iter()
        .map(|(_, envelope)| {
            json!({"shop_id": envelope["shop_id"], "code": envelope["code"],
                   "timestamp": envelope["timestamp"], "data": envelope.to_string()})
        })
        .collect();
    good(json!({
        "push_message_list": messages,
        "has_next_page": shop.lost.len() > batch.len(),
        "last_message_id": batch.last().map_or(0, |(id, _)| *id),
    }))
}

fn confirm(world: &World, call: &Call) -> Reply {
    let mark = call.json()["last_message_id"].as_u64().unwrap_or(0);
    held(&world.shopee).lost.retain(|(id, _)| *id > mark);
    good(json!({}))
}

/// After the last parcel has arrived, half of the buyers press "received" at once.
pub(crate) fn delivered(world: &Arc<World>, sold_on: &str, order_sn: &str) {
    if sold_on != channel::SHOPEE || !held(&world.ledger).all_delivered(sold_on, order_sn) {
        return;
    }
    if !chance(world.options.seed, &format!("received:{order_sn}"), 50) {
        return;
    }
    let (shared, order_sn) = (Arc::clone(world), order_sn.to_owned());
    world.job(async move { storefront::shopee::complete(&shared, &order_sn).await });
}
