//! TikTok Shop's Partner API as a shop sees it: calls signed over their body, a code inside every
//! answer, tokens that end at a stated moment, whole orders in the order search.
//!
//! The state of the shop is here; what calls do to it stands in [`told`], reading it in [`asked`].

pub(crate) mod asked;
pub(crate) mod told;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{Call, Reply, around};
use crate::{
    faults::{Fault, chance, hash},
    secrets::{Secrets, TokenPair, channel},
    signing, storefront,
    world::{World, held, seconds},
};

/// By how much a call's time may be behind and ahead, in seconds.
const BEHIND_S: i64 = 300;
const AHEAD_S: i64 = 30;
/// While faults are on, calls that one access token serves before it is declared dead.
const CALLS_PER_TOKEN: u32 = 80;
const ACCESS_LIFE_S: i64 = 604_800;
const REFRESH_LIFE_S: i64 = 31_536_000;

/// One order as TikTok Shop keeps it.
#[derive(Debug, Clone)]
pub(crate) struct ShopOrder {
    /// With the recipient, which is shown only when the state allows it.
    pub(crate) document: Value,
    /// Known to the order detail only: bait for a forged message.
    pub(crate) bait: bool,
}

/// The number that the vendor's carrier gives a parcel.
pub(crate) fn parcel_number(parcel: &str) -> String {
    format!("JTVN{:012}", hash(3, parcel) % 1_000_000_000_000)
}

impl ShopOrder {
    pub(crate) fn status(&self) -> &str {
        self.document["status"].as_str().unwrap_or_default()
    }

    /// Moves the order on; update times never stand still.
    pub(crate) fn moved(&mut self, status: &str) {
        self.document["status"] = json!(status);
        self.touched();
        let arranged = matches!(status, "IN_TRANSIT" | "DELIVERED" | "COMPLETED");
        for unit in self.units_mut() {
            unit["display_status"] = json!(status);
            let word = match status {
                "IN_TRANSIT" => "FULFILLING",
                "DELIVERED" | "COMPLETED" => "COMPLETED",
                _ => continue,
            };
            unit["package_status"] = json!(word);
            // A carrier takes no parcel that has no number: it gives one at the counter.
            if unit["tracking_number"]
                .as_str()
                .unwrap_or_default()
                .is_empty()
            {
                let parcel = unit["package_id"].as_str().unwrap_or_default();
                unit["tracking_number"] = json!(parcel_number(parcel));
            }
        }
        if arranged && self.document["collection_time"].as_i64().unwrap_or(0) == 0 {
            self.document["collection_time"] = json!(seconds());
        }
    }

    pub(crate) fn touched(&mut self) {
        let before = self.update_time();
        self.document["update_time"] = json!(seconds().max(before + 1));
    }

    pub(crate) fn update_time(&self) -> i64 {
        self.document["update_time"].as_i64().unwrap_or(0)
    }

    pub(crate) fn units(&self) -> impl Iterator<Item = &Value> {
        self.document["line_items"].as_array().into_iter().flatten()
    }

    pub(crate) fn units_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.document["line_items"]
            .as_array_mut()
            .into_iter()
            .flatten()
    }

    /// As the API shows it: nobody's address before the order is sure.
    fn shown(&self) -> Value {
        let mut document = self.document.clone();
        if matches!(self.status(), "UNPAID" | "ON_HOLD")
            && let Some(fields) = document.as_object_mut()
        {
            fields.remove("recipient_address");
        }
        document
    }
}

/// A buyer's wish to cancel.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) order_id: String,
    pub(crate) status: &'static str,
    pub(crate) created: i64,
}

/// The shop behind the API.
#[derive(Debug)]
pub(crate) struct TikTokShop {
    pub(crate) orders: BTreeMap<String, ShopOrder>,
    /// By cancel id.
    pub(crate) wishes: BTreeMap<String, Wish>,
    /// What is on sale, by product and SKU.
    pub(crate) stock: BTreeMap<(String, String), i64>,
    /// Parcels with a label, and addresses of labels that were given out.
    labels: BTreeSet<String>,
    /// Idempotency keys that were used, with what for.
    keys: BTreeMap<String, String>,
    tokens: TokenPair,
    /// The refresh token before the current one: a client whose answer got lost may use it again.
    before: Option<String>,
    access_ends: i64,
    calls_left: u32,
    grants: u64,
    parcels: u64,
}

impl TikTokShop {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self {
            orders: BTreeMap::new(),
            wishes: BTreeMap::new(),
            stock: BTreeMap::new(),
            labels: BTreeSet::new(),
            keys: BTreeMap::new(),
            tokens: secrets.tiktok_tokens.clone(),
            before: None,
            access_ends: seconds() + ACCESS_LIFE_S,
            calls_left: CALLS_PER_TOKEN,
            grants: 0,
            parcels: 0,
        }
    }

    /// A new pair, as after a refresh or after the seller authorised the app again.
    pub(crate) fn grant(&mut self, seed: u64) -> TokenPair {
        self.grants += 1;
        let access = hash(seed, &format!("tiktok access {}", self.grants));
        let refresh = hash(seed, &format!("tiktok refresh {}", self.grants));
        self.before = Some(std::mem::take(&mut self.tokens.refresh));
        self.calls_left = CALLS_PER_TOKEN;
        self.access_ends = seconds() + ACCESS_LIFE_S;
        self.tokens = TokenPair {
            access: format!("TTP_{access:016x}{refresh:016x}"),
            refresh: format!("TTP_{refresh:016x}{access:016x}"),
            expires_in_s: 604_800,
        };
        self.tokens.clone()
    }

    pub(crate) fn next_parcel(&mut self) -> String {
        self.parcels += 1;
        (1_155_123_456_700_000_000 + self.parcels).to_string()
    }

    /// The order that holds this parcel.
    pub(crate) fn order_of_parcel(&self, parcel: &str) -> Option<String> {
        self.orders
            .iter()
            .find(|(_, order)| order.units().any(|unit| unit["package_id"] == *parcel))
            .map(|(id, _)| id.clone())
    }
}

/// A refusal with the vendor's code.
fn error(status: u16, code: i64, message: &str) -> Reply {
    Reply::json(
        status,
        json!({"code": code, "message": message, "data": null, "request_id": "sandbox"}),
    )
}

fn good(data: Value) -> Reply {
    Reply::json(
        200,
        json!({"code": 0, "message": "Success", "data": data, "request_id": "sandbox"}),
    )
}

/// The gateway broke a rule: written down, and refused as the vendor would.
fn broken(world: &World, what: &str, code: i64, message: &str) -> Reply {
    held(&world.ledger).violation(format!("tiktok: {what}"));
    error(200, code, message)
}

pub(crate) async fn answer(world: &Arc<World>, call: Call) -> Reply {
    if call.path.starts_with("/labels/") {
        return asked::label(world, &call);
    }
    held(&world.ledger).channel("tiktok").requests += 1;
    let reply = guarded(world, &call).await;
    let failed = reply.body.as_ref().is_none_or(|body| body["code"] != 0);
    if failed {
        held(&world.ledger).channel("tiktok").refused += 1;
    }
    reply
}

async fn guarded(world: &Arc<World>, call: &Call) -> Reply {
    if let Err(reason) = signed(world, call) {
        held(&world.ledger).violation(format!("tiktok: {}: {reason}", call.path));
        return error(401, 106_001, "Invalid sign");
    }
    if call.parameter("shop_cipher") != world.secrets.tiktok_shop_cipher {
        return broken(world, "shop_cipher is wrong", 106_013, "shop_cipher");
    }
    if call.header("content-type") != "application/json" {
        return broken(
            world,
            "content-type is not JSON",
            36_009_004,
            "content-type",
        );
    }
    if !accepted(world, call.header("x-tts-access-token")) {
        let words = "Expired credentials. Please obtain new access token.";
        return error(401, 105_002, words);
    }
    let essence = String::from_utf8_lossy(&call.body);
    let key = format!(
        "tiktok:{} {}:{}:{}:{essence}",
        call.method,
        call.path,
        call.parameter("ids"),
        call.parameter("page_token"),
    );
    let fault = world.faults.draw(&key);
    if fault == Some(Fault::TooMany) {
        return error(429, 36_009_002, "Too many requests.");
    }
    around(fault, &call.wire, || act(world, call)).await
}

/// Path, sorted pairs and body between two copies of the secret.
fn signed(world: &World, call: &Call) -> Result<(), &'static str> {
    let secrets = &world.secrets;
    let timestamp: i64 = call
        .parameter("timestamp")
        .parse()
        .map_err(|_| "timestamp is missing")?;
    let age = seconds() - timestamp;
    if !(-AHEAD_S..=BEHIND_S).contains(&age) {
        return Err("timestamp is too old or too new");
    }
    if call.parameter("app_key") != secrets.tiktok_app_key {
        return Err("app_key is wrong");
    }
    let pairs = call
        .query
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let expected = signing::tiktok_api(&secrets.tiktok_app_secret, &call.path, pairs, &call.body);
    if call.parameter("sign") == expected {
        Ok(())
    } else {
        Err("sign does not match")
    }
}

/// Whether the access token is good; while faults are on it dies after a number of calls.
fn accepted(world: &World, token: &str) -> bool {
    let mut shop = held(&world.tiktok);
    if token != shop.tokens.access || seconds() >= shop.access_ends {
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
    match (method, segments.as_slice()) {
        ("GET", ["order", "202309", "orders"]) => asked::detail(world, call),
        ("GET", ["order", "202407", "orders", id, "price_detail"]) => {
            asked::price_detail(world, id)
        }
        ("POST", ["order", "202309", "orders", "search"]) => asked::search(world, call),
        ("POST", ["return_refund", "202309", "returns", "search"]) => asked::returns(world, call),
        ("POST", ["return_refund", "202309", "cancellations", "search"]) => {
            asked::cancellations(world, call)
        }
        ("GET", ["return_refund", "202309", "reject_reasons"]) => {
            asked::reject_reasons(world, call)
        }
        ("GET", ["fulfillment", "202309", "packages", id]) => asked::package(world, id),
        (
            "GET",
            [
                "fulfillment",
                "202309",
                "packages",
                id,
                "shipping_documents",
            ],
        ) => asked::shipping_document(world, call, id),
        (
            "GET",
            [
                "logistics",
                "202309",
                "delivery_options",
                _,
                "shipping_providers",
            ],
        ) => asked::providers(),
        ("POST", ["fulfillment", "202309", "packages", id, "ship"]) => told::ship(world, call, id),
        ("POST", ["fulfillment", "202309", "orders", id, "split"]) => told::split(world, call, id),
        ("POST", ["fulfillment", "202309", "packages", "deliver"]) => told::deliver(world, call),
        ("POST", ["return_refund", "202309", "cancellations"]) => told::cancel(world, call),
        ("POST", ["return_refund", "202309", "cancellations", id, decision]) => {
            told::decide(world, call, id, decision)
        }
        ("POST", ["product", "202309", "products", id, "inventory", "update"]) => {
            told::stock(world, call, id)
        }
        _ => broken(
            world,
            "a call that does not exist",
            36_009_009,
            "Invalid path",
        ),
    }
}

/// The other host: a refresh with the secret in its address.
pub(crate) async fn refresh(world: &Arc<World>, call: Call) -> Reply {
    let secrets = &world.secrets;
    let right = call.path == "/api/v2/token/refresh"
        && call.parameter("app_key") == secrets.tiktok_app_key
        && call.parameter("app_secret") == secrets.tiktok_app_secret
        && call.parameter("grant_type") == "refresh_token";
    if !right {
        return broken(
            world,
            "a refresh with wrong credentials",
            36_004_001,
            "app_secret",
        );
    }
    let fault = world.faults.draw("tiktok:refresh");
    around(fault, &call.wire, || {
        let offered = call.parameter("refresh_token");
        let mut shop = held(&world.tiktok);
        let known = offered == shop.tokens.refresh || shop.before.as_deref() == Some(offered);
        if offered.is_empty() || !known {
            return error(200, 36_004_004, "refresh token is invalid");
        }
        let pair = shop.grant(world.options.seed);
        drop(shop);
        held(&world.ledger).channel("tiktok").refreshes += 1;
        good(json!({
            "access_token": pair.access,
            "access_token_expire_in": seconds() + ACCESS_LIFE_S,
            "refresh_token": pair.refresh,
            "refresh_token_expire_in": seconds() + REFRESH_LIFE_S,
            "open_id": "7010000000000000001", "seller_name": "Sandbox VN",
            "seller_base_region": "VN", "user_type": 0,
            "granted_scopes": ["seller.order.info", "seller.fulfillment.basic"],
        }))
    })
    .await
}

/// After the last parcel has arrived the order is delivered; half of the buyers confirm at once.
pub(crate) fn delivered(world: &Arc<World>, sold_on: &str, order_id: &str) {
    if sold_on != channel::TIKTOK || !held(&world.ledger).all_delivered(sold_on, order_id) {
        return;
    }
    let (shared, order_id) = (Arc::clone(world), order_id.to_owned());
    let received = chance(world.options.seed, &format!("received:{order_id}"), 50);
    world.job(async move {
        for status in ["IN_TRANSIT", "DELIVERED", "COMPLETED"] {
            if status == "COMPLETED" && !received {
                return;
            }
            storefront::tiktok::move_on(&shared, &order_id, status).await;
        }
    });
}
