//! Lazada Open Platform as a shop sees it: every parameter signed, HTTP 200 with the error inside,
//! one row per unit, parcels that the platform makes, cancellations with offered reasons.

mod parcels;
mod reverse;
pub(crate) mod shop;

use std::{collections::BTreeMap, sync::Arc};

use http::Method;
use serde_json::{Value, json};

pub(crate) use self::shop::{LazadaOrder, LazadaShop, ids, text_time};
use super::{Call, Reply, around, pairs};
use crate::{
    faults::{Fault, chance},
    secrets::channel,
    signing, storefront,
    world::{World, held, seconds},
};

/// Milliseconds by which a call's timestamp may be off.
const WINDOW_MS: i64 = 7_200_000;
/// The vendor pages no further.
const MOST_OFFSET: usize = 5_000;

/// All parameters of a call, those of a form among them.
type Parameters = BTreeMap<String, String>;

fn error(code: &str, kind: &str, message: &str) -> Reply {
    Reply::json(
        200,
        json!({"code": code, "type": kind, "message": message, "request_id": "sandbox"}),
    )
}

fn good(data: Value) -> Reply {
    Reply::json(
        200,
        json!({"code": "0", "data": data, "request_id": "sandbox"}),
    )
}

fn violation(world: &World, text: String) {
    held(&world.ledger).violation(format!("lazada: {text}"));
}

/// Counts an effect that the gateway had at the platform.
fn told(world: &World, kind: &str) {
    let mut ledger = held(&world.ledger);
    *ledger
        .channel("lazada")
        .told
        .entry(kind.to_owned())
        .or_insert(0) += 1;
}

/// The gateway of the country.
pub(crate) async fn answer(world: &Arc<World>, call: Call) -> Reply {
    counted(world, serve(world, &call, false).await)
}

/// The token server of all countries.
pub(crate) async fn auth(world: &Arc<World>, call: Call) -> Reply {
    counted(world, serve(world, &call, true).await)
}

fn counted(world: &World, reply: Reply) -> Reply {
    let mut ledger = held(&world.ledger);
    let books = ledger.channel("lazada");
    books.requests += 1;
    if reply.body.as_ref().is_none_or(|body| body["code"] != "0") {
        books.refused += 1;
    }
    reply
}

async fn serve(world: &Arc<World>, call: &Call, is_auth: bool) -> Reply {
    let path = call.path.strip_prefix("/rest").unwrap_or(&call.path);
    let mut parameters = call.query.clone();
    let form = "application/x-www-form-urlencoded";
    if call.method == Method::POST && call.header("content-type").starts_with(form) {
        parameters.extend(pairs(&String::from_utf8_lossy(&call.body)));
    }
    if let Err(reason) = signed(world, path, &parameters, is_auth) {
        violation(world, format!("{path}: {reason}"));
        let message = "The request signature does not conform to platform standards";
        return error("IncompleteSignature", "ISV", message);
    }
    if !is_auth && !accepted(world, parameter(&parameters, "access_token")) {
        let message = "The specified access token is invalid or expired";
        return error("IllegalAccessToken", "ISV", message);
    }
    let key = format!(
        "lazada:{path}:{}:{}:{}",
        parameter(&parameters, "order_id"),
        parameter(&parameters, "update_after"),
        parameter(&parameters, "packReq"),
    );
    // The old refresh token dies with the answer that brings the new one: an answer that is lost
    // would need a person, and the demo has none at hand.
    let fault = if is_auth {
        world.faults.draw_before(&key)
    } else {
        world.faults.draw(&key)
    };
    if fault == Some(Fault::TooMany) {
        let message = "Api access frequency exceeds the limit. this ban will last 1 seconds";
        return error("ApiCallLimit", "ISV", message);
    }
    around(fault, &call.wire, || {
        act(world, &call.method, path, &parameters, is_auth)
    })
    .await
}

fn parameter<'a>(parameters: &'a Parameters, name: &str) -> &'a str {
    parameters.get(name).map_or("", String::as_str)
}

/// Path and all parameters but the signature, upper hex.
fn signed(
    world: &World,
    path: &str,
    parameters: &Parameters,
    is_auth: bool,
) -> Result<(), &'static str> {
    let secrets = &world.secrets;
    let at: i64 = parameter(parameters, "timestamp")
        .parse()
        .map_err(|_| "timestamp is missing")?;
    if (jiff::Timestamp::now().as_millisecond() - at).abs() > WINDOW_MS {
        return Err("timestamp is outside two hours");
    }
    if parameter(parameters, "app_key") != secrets.lazada_app_key {
        return Err("app_key is wrong");
    }
    if parameter(parameters, "sign_method") != "sha256" {
        return Err("sign_method is not sha256");
    }
    if parameters.values().any(String::is_empty) {
        return Err("an empty value is sent");
    }
    if is_auth == parameters.contains_key("access_token") {
        return Err("access_token belongs to calls of the shop only");
    }
    let pairs = parameters
        .iter()
        .filter(|(name, _)| *name != "sign")
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let expected = signing::lazada_api(&secrets.lazada_app_secret, path, pairs);
    if parameter(parameters, "sign") == expected {
        Ok(())
    } else {
        Err("sign does not match")
    }
}

/// Whether the access token is good; while faults are on it dies after a number of calls.
fn accepted(world: &World, token: &str) -> bool {
    held(&world.lazada).accepts(token, world.faults.on())
}

fn act(
    world: &Arc<World>,
    method: &Method,
    path: &str,
    parameters: &Parameters,
    is_auth: bool,
) -> Reply {
    match (method.as_str(), path) {
        (_, "/auth/token/refresh") if is_auth => refresh(world, parameters),
        ("GET", "/order/get") => one(world, parameters, |order| order.head.clone()),
        ("GET", "/order/items/get") => one(world, parameters, |order| json!(order.units)),
        ("GET", "/orders/get") => list(world, parameters),
        ("POST", "/order/fulfill/pack") => parcels::pack(world, parameters),
        ("POST", "/order/package/rts") => parcels::ready_to_ship(world, parameters),
        (_, "/order/package/document/get") => parcels::document(world, parameters),
        ("GET", "/order/reverse/cancel/validate") => reverse::validate(world, parameters),
        ("GET", "/order/reverse/cancel/create") => reverse::create(world, parameters),
        ("GET", "/order/reverse/cancel/seller/decide") => reverse::decide(world, parameters),
        (_, "/product/stock/sellable/update") => stock(world, parameters),
        _ => error("InvalidApiPath", "ISV", "The API path is not valid"),
    }
}

fn bad_order() -> Reply {
    error("16", "ISP", "E016: Invalid Order ID")
}

fn one(world: &World, parameters: &Parameters, shown: impl FnOnce(&LazadaOrder) -> Value) -> Reply {
    let shop = held(&world.lazada);
    let order = parameter(parameters, "order_id").parse().ok();
    match order.and_then(|id: u64| shop.orders.get(&id)) {
        Some(order) => good(shown(order)),
        None => bad_order(),
    }
}

fn list(world: &World, parameters: &Parameters) -> Reply {
    let time = |name: &str| parameter(parameters, name).parse::<jiff::Timestamp>().ok();
    let Some(after) = time("update_after") else {
        violation(world, "orders/get without update_after".to_owned());
        return error("MissingParameter", "ISV", "update_after is missing");
    };
    let before = time("update_before").unwrap_or(jiff::Timestamp::MAX);
    let number = |name: &str| parameter(parameters, name).parse::<usize>().unwrap_or(0);
    let (limit, offset) = (number("limit"), number("offset"));
    if !(1..=100).contains(&limit) {
        violation(
            world,
            "orders/get with a limit that is not 1 to 100".to_owned(),
        );
        return error("19", "ISP", "E019: Invalid Limit");
    }
    if offset > MOST_OFFSET {
        violation(world, "orders/get beyond 5000".to_owned());
        return error("14", "ISP", "E014: Invalid Offset");
    }
    if (
        parameter(parameters, "sort_by"),
        parameter(parameters, "sort_direction"),
    ) != ("updated_at", "ASC")
    {
        violation(world, "orders/get is not read oldest first".to_owned());
    }
    let range = after.as_second()..=before.as_second();
    let shop = held(&world.lazada);
    let mut found: Vec<(&u64, &LazadaOrder)> = shop
        .orders
        .iter()
        .filter(|(_, order)| !order.bait && range.contains(&order.updated))
        .collect();
    found.sort_by_key(|(id, order)| (order.updated, **id));
    let page: Vec<&Value> = found
        .iter()
        .skip(offset)
        .take(limit)
        .map(|(_, order)| &order.head)
        .collect();
    good(json!({"countTotal": found.len(), "count": page.len(), "orders": page}))
}

/// A refresh gives a new pair and takes nothing off the authorisation's end. The pair before stays
/// good for one more refresh: its answer may have been lost.
fn refresh(world: &World, parameters: &Parameters) -> Reply {
    let mut shop = held(&world.lazada);
    if !shop.may_refresh(parameter(parameters, "refresh_token")) {
        let message = "The specified refresh token is invalid or expired";
        return error("IllegalRefreshToken", "ISV", message);
    }
    let left = shop.authorised_until - seconds();
    let pair = shop.renew(world.options.seed);
    drop(shop);
    held(&world.ledger).channel("lazada").refreshes += 1;
    let seller = world.secrets.lazada_seller_id.to_string();
    Reply::json(
        200,
        json!({
            "access_token": pair.access, "refresh_token": pair.refresh,
            "expires_in": pair.expires_in_s, "refresh_expires_in": left.max(0),
            "country": "vn", "account": "seller@example.test",
            "account_platform": "seller_center",
            "country_user_info_list": [{"country": "vn", "seller_id": seller,
                "user_id": seller, "short_code": "VN1ABCDE"}],
            "code": "0", "request_id": "sandbox",
        }),
    )
}

/// Sets sellable units, absolute. Unknown articles are refused with the detail that explains 501.
fn stock(world: &World, parameters: &Parameters) -> Reply {
    let payload = parameter(parameters, "payload");
    let number = |tag: &str| {
        let (_, rest) = payload.split_once(&format!("<{tag}>"))?;
        rest.split_once('<')?.0.parse::<i64>().ok()
    };
    let (Some(item), Some(sku), Some(units)) = (
        number("ItemId"),
        number("SkuId"),
        number("SellableQuantity"),
    ) else {
        violation(world, "a stock payload without ids or quantity".to_owned());
        return error("5", "ISP", "E005: Invalid Request Format");
    };
    let is_sold = held(&world.ledger)
        .catalog
        .keys()
        .any(|known| ids(known) == (item.unsigned_abs(), sku.unsigned_abs()));
    if !is_sold || units < 0 {
        let mut reply = error("501", "ISP", "E501: Update product failed");
        if let Some(body) = &mut reply.body {
            body["detail"] = json!([{"field": "SkuId", "message": "SKU_NOT_EXIST"}]);
        }
        return reply;
    }
    held(&world.lazada).stock.insert((item, sku), units);
    told(world, "stock");
    good(json!({}))
}

/// After the last parcel has arrived, the carrier's scan tells half of the orders at once.
pub(crate) fn delivered(world: &Arc<World>, sold_on: &str, order_id: &str) {
    if sold_on != channel::LAZADA || !held(&world.ledger).all_delivered(sold_on, order_id) {
        return;
    }
    if !chance(world.options.seed, &format!("scanned:{order_id}"), 50) {
        return;
    }
    let Ok(order_id) = order_id.parse() else {
        return;
    };
    let shared = Arc::clone(world);
    world.job(async move { storefront::lazada::arrived(&shared, order_id).await });
}
