//! TikTok Shop's side of an order: the state lives in the shop's API, webhooks only hint at it. They
//! come late, twice and in any order; a 401 ends them for good.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    Basket, Cash, Run,
    sender::{Message, Repeats, Sign, Wants},
};
use crate::{
    faults::hash,
    partners::tiktok::{ShopOrder, Wish},
    secrets::channel,
    signing,
    world::{Outgoing, World, backoff, held, seconds},
};

pub(crate) const CONNECTOR: &str = "tiktok_shop";

/// The vendor's ladder of 2 min, 30 min, 3 h and 12 h, a thousand times faster.
const LADDER: &[u64] = &[120, 1_800, 10_800, 43_200];

pub(super) struct TikTokOrder {
    pub(super) id: String,
    pub(super) basket: Basket,
    pub(super) cod: bool,
    /// Taken off every unit by the seller, in đồng.
    pub(super) off: i64,
    pub(super) created: i64,
}

/// An id of 18 or 19 digits, beyond what a float holds.
fn long_id(seed: u64, text: &str) -> String {
    (1_731_000_000_000_000_000 + hash(seed, text) % 999_999_999_999_999).to_string()
}

impl TikTokOrder {
    pub(super) fn document(&self, status: &str, parcel: &str) -> Value {
        let mut units = Vec::new();
        for line in &self.basket.lines {
            for _ in 0..line.quantity {
                let number = units.len();
                let (price, sku) = (line.product.price, &line.product.sku);
                units.push(json!({
                    "id": long_id(11, &format!("{}.{number}", self.id)),
                    "product_id": long_id(12, sku), "product_name": line.product.name,
                    "sku_id": long_id(13, sku), "sku_name": "Mặc định", "seller_sku": sku,
                    "sku_image": "https://img.example.test/s.jpg",
                    "original_price": (price + self.off).to_string(),
                    "sale_price": price.to_string(), "seller_discount": self.off.to_string(),
                    "platform_discount": "0", "currency": "VND", "display_status": status,
                    "package_id": parcel, "package_status": "TO_FULFILL", "tracking_number": "",
                    "shipping_provider_id": "", "shipping_provider_name": "", "rts_time": 0,
                    "is_gift": false, "sku_type": "NORMAL", "item_tax": [],
                    "combined_listing_skus": [], "cancel_user": "", "cancel_reason": "",
                    "gift_retail_price": "", "is_dangerous_good": false,
                    "needs_prescription": false,
                }));
            }
        }
        let off = self.off * i64::try_from(units.len()).unwrap_or(0);
        let items = self.basket.items();
        let place = &self.basket.place;
        json!({
            "id": self.id, "status": status, "user_id": long_id(14, &self.id),
            "buyer_email": "a1b2C3@chat.seller.example.test", "buyer_message": "",
            "create_time": self.created, "update_time": self.created, "paid_time": 0,
            "cancel_order_sla_time": self.created + 518_400,
            "rts_sla_time": self.created + 172_800, "tts_sla_time": self.created + 259_200,
            "shipping_due_time": self.created + 518_400,
            "collection_due_time": self.created + 691_200, "rts_time": 0,
            "fulfillment_type": "FULFILLMENT_BY_SELLER", "shipping_type": "TIKTOK",
            "delivery_type": "HOME_DELIVERY", "delivery_option_id": "7090000000000000001",
            "delivery_option_name": "Giao hàng tiêu chuẩn", "shipping_provider": "",
            "shipping_provider_id": "", "tracking_number": "",
            "warehouse_id": "7412345678901234567", "is_cod": self.cod,
            "payment_method_name": if self.cod { "Cash on delivery" } else { "ZaloPay" },
            "is_sample_order": false, "is_on_hold_order": false, "is_replacement_order": false,
            "is_buyer_request_cancel": false, "has_updated_recipient_address": false,
            "need_upload_invoice": "UNKNOWN", "commerce_platform": "TIKTOK_SHOP",
            "order_type": "NORMAL", "seller_note": "", "packages": [{"id": parcel}],
            "line_items": units,
            "recipient_address": {
                "name": "N*** V*** A***", "first_name": "", "last_name": "N*** V*** A***",
                "phone_number": format!("(+84)9{}*****{}", &self.basket.person.national[2..3],
                    &self.basket.person.national[8..]),
                "full_address": format!("Vietnam, {}, {}, Phường ***, ***", place.province, place.district),
                "address_detail": "***", "address_line1": "***", "address_line2": "",
                "address_line3": "", "address_line4": "", "postal_code": "",
                "region_code": "VN", "post_town": "",
                "district_info": [
                    level("L0", "Country", "Vietnam"), level("L1", "Province", place.province),
                    level("L2", "District", &place.district), level("L3", "Ward", "Phường ***"),
                ],
                "delivery_preferences": {"drop_off_location": ""},
            },
            "payment": {
                "currency": "VND", "original_total_product_price": (items + off).to_string(),
                "seller_discount": off.to_string(), "platform_discount": "0",
                "sub_total": items.to_string(),
                "original_shipping_fee": (self.basket.shipping + 12_000).to_string(),
                "shipping_fee_seller_discount": "0", "shipping_fee_platform_discount": "12000",
                "shipping_fee_cofunded_discount": "0",
                "shipping_fee": self.basket.shipping.to_string(), "tax": "0",
                "product_tax": "0", "shipping_fee_tax": "0",
                "total_amount": self.basket.grand_total().to_string(),
            },
        })
    }
}

fn level(number: &str, name: &str, value: &str) -> Value {
    json!({"address_level": number, "address_level_name": name, "address_name": value})
}

/// What a webhook reports.
#[derive(Debug, Clone)]
pub(crate) enum Changed {
    Status(&'static str),
    Parcel(String),
    Cancellation { id: String, status: &'static str },
}

/// One webhook's body. The id of a message is the same in all its tries and copies.
pub(super) fn envelope(
    world: &World,
    order_id: &str,
    changed: &Changed,
    update_time: i64,
) -> Value {
    let (kind, data) = match changed {
        Changed::Status(status) => (
            1,
            json!({"is_on_hold_order": *status == "ON_HOLD", "order_id": order_id,
                   "order_status": status, "update_time": update_time}),
        ),
        Changed::Parcel(parcel) => (
            4,
            json!({"sc_type": "SPLIT", "role_type": "SELLER", "update_time": update_time,
                   "package_list": [{"package_id": parcel, "order_id_list": [order_id]}]}),
        ),
        Changed::Cancellation { id, status } => (
            11,
            json!({"cancel_id": id, "cancel_status": status, "cancellations_role": "BUYER",
                   "create_time": update_time, "order_id": order_id}),
        ),
    };
    let essence = format!("{order_id} {changed:?} {update_time}");
    json!({
        "type": kind, "tts_notification_id": long_id(world.options.seed ^ 15, &essence),
        "shop_id": world.secrets.tiktok_shop_id, "timestamp": update_time, "data": data,
    })
}

fn message(world: &World, label: String, body: Vec<u8>, secret: &str) -> Message {
    let signature = signing::tiktok_push(secret, &world.secrets.tiktok_app_key, &body);
    Message {
        wants: Wants::Empty,
        repeats: Repeats::LadderUnless401(LADDER),
        timeout: Duration::from_secs(3),
        ..Message::post(
            CONNECTOR,
            channel::TIKTOK,
            format!("{CONNECTOR}:{label}"),
            body,
            Sign::Fixed(vec![("authorization", signature)]),
        )
    }
}

async fn push(run: &Arc<Run>, order_id: &str, changed: &Changed, update_time: i64) {
    let body = envelope(&run.world, order_id, changed, update_time).to_string();
    let label = format!("{order_id}.{changed:?}.{update_time}");
    let secret = run.world.secrets.tiktok_app_secret.clone();
    run.send(message(&run.world, label, body.into_bytes(), &secret))
        .await;
}

/// Moves the shop's own state; the moment of the change.
fn put(world: &World, order_id: &str, status: &str) -> i64 {
    let mut shop = held(&world.tiktok);
    let order = shop
        .orders
        .get_mut(order_id)
        .expect("the story put the order there");
    order.moved(status);
    order.update_time()
}

/// Unpaid, perhaps on hold, then to be shipped; perhaps cancelled as long as nothing has left.
pub(crate) async fn order(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let tag = hash(run.scenario.seed, &format!("tiktok {number}"));
    let id = (580_000_000_000_000_000 + tag % 9_999_999_999_999_999).to_string();
    let basket = Basket::fill(rng, &run.scenario.catalog);
    run.sold(CONNECTOR, channel::TIKTOK, &id, &basket, Cash::Untold);
    let order = TikTokOrder {
        id: id.clone(),
        basket,
        cod: rng.u8(0..3) == 0,
        off: [0, 0, 0, 50_000][rng.usize(0..4)],
        created: seconds(),
    };
    {
        let mut shop = held(&run.world.tiktok);
        let parcel = shop.next_parcel();
        let first = if order.cod {
            "AWAITING_SHIPMENT"
        } else {
            "UNPAID"
        };
        let document = order.document(first, &parcel);
        let bait = false;
        shop.orders.insert(id.clone(), ShopOrder { document, bait });
    }
    let created = order.created;
    let unpaid = Changed::Status("UNPAID");
    if !order.cod {
        push(run, &id, &unpaid, created).await;
        run.pause(rng, 80).await;
        if let Some(order) = held(&run.world.tiktok).orders.get_mut(&id) {
            order.document["paid_time"] = json!(seconds());
        }
        if rng.u8(0..8) == 0 {
            let at = put(&run.world, &id, "ON_HOLD");
            push(run, &id, &Changed::Status("ON_HOLD"), at).await;
            run.pause(rng, 80).await;
        }
    }
    let at = put(&run.world, &id, "AWAITING_SHIPMENT");
    push(run, &id, &Changed::Status("AWAITING_SHIPMENT"), at).await;
    if !order.cod && rng.u8(0..10) == 0 {
        push(run, &id, &unpaid, created).await;
    }
    if run.cancels(&id) {
        cancel(run, rng, &id).await;
    }
}

/// The buyer cancels in the app, which needs nobody's consent yet.
async fn cancel(run: &Arc<Run>, rng: &mut Rng, id: &str) {
    run.pause(rng, 400).await;
    if held(&run.world.ledger).any_shipped(channel::TIKTOK, id) {
        return; // The app offers no cancellation any more.
    }
    {
        let mut shop = held(&run.world.tiktok);
        let Some(order) = shop
            .orders
            .get_mut(id)
            .filter(|order| !matches!(order.status(), "IN_TRANSIT" | "DELIVERED" | "COMPLETED"))
        else {
            return;
        };
        order.document["cancellation_initiator"] = json!("BUYER");
        order.document["cancel_reason"] = json!("No longer needed");
    }
    run.cancelled(CONNECTOR, channel::TIKTOK, id);
    let at = put(&run.world, id, "CANCELLED");
    // The webhooks have another word for it than the API.
    push(run, id, &Changed::Status("CANCEL"), at).await;
    let granted = Changed::Cancellation {
        id: long_id(16, id),
        status: "CANCELLATION_REQUEST_SUCCESS",
    };
    push(run, id, &granted, at).await;
}

/// A buyer asks the seller to cancel, as the app wants it once a parcel is arranged; the request's
/// id. Nothing for an order that is not there or past that.
pub(crate) fn ask_to_cancel(world: &Arc<World>, order_id: &str) -> Option<String> {
    let status = "CANCELLATION_REQUEST_PENDING";
    let mut shop = held(&world.tiktok);
    let order = shop.orders.get_mut(order_id)?;
    if !matches!(order.status(), "AWAITING_SHIPMENT" | "AWAITING_COLLECTION") {
        return None;
    }
    order.document["is_buyer_request_cancel"] = json!(true);
    order.touched();
    let at = order.update_time();
    let id = long_id(16, &format!("{order_id} {at}"));
    let wish = Wish {
        order_id: order_id.to_owned(),
        status,
        created: at,
    };
    shop.wishes.insert(id.clone(), wish);
    drop(shop);
    let asked = Changed::Cancellation {
        id: id.clone(),
        status,
    };
    tell(world, order_id, asked, at);
    Some(id)
}

/// The order moves on by itself (the carrier, the buyer), and a webhook says so.
pub(crate) async fn move_on(world: &Arc<World>, order_id: &str, status: &'static str) {
    world.pause(&format!("{status}:{order_id}")).await;
    let at = {
        let mut shop = held(&world.tiktok);
        let Some(order) = shop
            .orders
            .get_mut(order_id)
            .filter(|order| order.status() != "CANCELLED")
        else {
            return;
        };
        order.moved(status);
        order.update_time()
    };
    report(world, order_id, &Changed::Status(status), at).await;
}

/// The vendor reports what a call changed, in the background.
pub(crate) fn tell(world: &Arc<World>, order_id: &str, changed: Changed, update_time: i64) {
    let (shared, order_id) = (Arc::clone(world), order_id.to_owned());
    world.job(async move { report(&shared, &order_id, &changed, update_time).await });
}

/// Sends until it is acknowledged, refused for good, or nobody answers for a minute: the vendor
/// keeps no lost messages, the order search must find the rest.
async fn report(world: &Arc<World>, order_id: &str, changed: &Changed, update_time: i64) {
    let body = envelope(world, order_id, changed, update_time)
        .to_string()
        .into_bytes();
    let secrets = &world.secrets;
    let signature =
        signing::tiktok_push(&secrets.tiktok_app_secret, &secrets.tiktok_app_key, &body);
    for attempt in 0..60 {
        let answer = world
            .send(Outgoing {
                method: reqwest::Method::POST,
                path: format!("/webhooks/{}", channel::TIKTOK),
                headers: vec![
                    ("authorization", signature.clone()),
                    ("content-type", "application/json".to_owned()),
                ],
                body: body.clone(),
                timeout: Duration::from_secs(3),
            })
            .await;
        if answer.is_some_and(|answer| answer.success() || answer.status == 401) {
            return;
        }
        tokio::time::sleep(backoff(attempt)).await;
    }
}

/// A webhook with another secret, about an order that the API would even show.
pub(crate) async fn forge(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let id = (589_999_000_000_000_000 + u64::from(number)).to_string();
    run.forged(channel::TIKTOK, &id);
    let order = TikTokOrder {
        id: id.clone(),
        basket: Basket::fill(rng, &run.scenario.catalog),
        cod: true,
        off: 0,
        created: seconds(),
    };
    let document = order.document("AWAITING_SHIPMENT", "1155999999999999999");
    let bait = ShopOrder {
        document,
        bait: true,
    };
    held(&run.world.tiktok).orders.insert(id.clone(), bait);
    let changed = Changed::Status("AWAITING_SHIPMENT");
    let body = envelope(&run.world, &id, &changed, order.created).to_string();
    let label = format!("forged.{id}");
    let forged = message(&run.world, label, body.into_bytes(), "another secret");
    run.forge_message(Message {
        repeats: Repeats::Patient,
        ..forged
    })
    .await;
}
