//! Lazada's side of an order: one push per unit, several of them at the same instant, the state in
//! the shop's API, and a buyer who may have to ask before an order is cancelled.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    Basket, Cash, Run,
    sender::{Message, Repeats, Sign},
    shopee::mask_name,
};
use crate::{
    faults::{chance, hash},
    partners::lazada::{LazadaOrder, ids, text_time},
    secrets::channel,
    signing,
    world::{Answer, Outgoing, World, backoff, held, seconds},
};

pub(crate) const CONNECTOR: &str = "lazada";

/// Every half hour, twelve times, a thousand times faster.
const LADDER: &[u64] = &[1_800; 12];
/// How long the vendor waits for an answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the shop's order is made of.
pub(super) struct Sold<'a> {
    pub(super) order_id: u64,
    pub(super) basket: &'a Basket,
    pub(super) cod: bool,
    pub(super) created: i64,
}

impl Sold<'_> {
    fn address(&self) -> Value {
        let place = &self.basket.place;
        json!({
            "first_name": mask_name(&self.basket.person.name), "last_name": "",
            "phone": format!("84*******{}", &self.basket.person.national[8..]), "phone2": "",
            "address1": "S**************", "address2": "", "address3": place.province,
            "address4": place.district, "address5": "P**************", "city": place.district,
            "post_code": "", "country": "Vietnam", "addressDistrict": place.district,
        })
    }

    pub(super) fn head(&self, status: &str) -> Value {
        let at = text_time(self.created);
        let shipping = format!("{}.00", self.basket.shipping);
        json!({
            "order_id": self.order_id, "order_number": self.order_id, "created_at": at,
            "updated_at": at, "address_updated_at": at,
            "price": format!("{}.00", self.basket.items()),
            "voucher": self.basket.seller_discount, "voucher_seller": self.basket.seller_discount,
            "voucher_platform": 0, "voucher_code": "", "shipping_fee": shipping,
            "shipping_fee_original": shipping, "shipping_fee_discount_seller": 0,
            "shipping_fee_discount_platform": 0,
            "payment_method": if self.cod { "COD" } else { "MOMO_WALLET" },
            "statuses": [status], "items_count": self.units(status).len(),
            "customer_first_name": mask_name(&self.basket.person.name), "customer_last_name": "",
            "address_shipping": self.address(), "address_billing": self.address(),
            "remarks": "", "buyer_note": "", "delivery_info": "", "gift_option": false,
            "gift_message": "", "tax_code": "", "branch_number": "",
            "national_registration_number": "", "promised_shipping_times": "",
            "warehouse_code": "dropshipping",
            "extra_attributes": "{\"TaxInvoiceRequested\":false}",
            "need_cancel_confirm": false, "is_cancel_pending": false,
        })
    }

    /// One row per unit. The shipping fee stands on the first.
    pub(super) fn units(&self, status: &str) -> Vec<Value> {
        let at = text_time(self.created);
        let sla = jiff::Timestamp::from_second(self.created + 172_800).unwrap_or_default();
        let units = self.basket.lines.iter().flat_map(|line| {
            std::iter::repeat_n(line, usize::try_from(line.quantity).unwrap_or_default())
        });
        units
            .zip(1_u64..)
            .map(|(line, number)| {
                let (product, sku) = ids(&line.product.sku);
                let shipping = if number == 1 { self.basket.shipping } else { 0 };
                json!({
                    "order_item_id": self.order_id + number * 100_000,
                    "order_id": self.order_id, "name": line.product.name,
                    "sku": line.product.sku, "shop_sku": format!("{product}_VNAMZ-{sku}"),
                    "sku_id": sku.to_string(), "product_id": product.to_string(),
                    "variation": "", "item_price": line.product.price,
                    "paid_price": line.product.price, "tax_amount": 0, "currency": "VND",
                    "voucher_amount": 0, "voucher_seller": 0, "voucher_platform": 0,
                    "voucher_seller_lpi": 0, "voucher_platform_lpi": 0,
                    "voucher_code_seller": "", "voucher_code_platform": "", "voucher_code": "",
                    "shipping_amount": shipping, "shipping_fee_original": 0,
                    "shipping_fee_discount_seller": 0, "shipping_fee_discount_platform": 0,
                    "shipping_service_cost": 0, "wallet_credits": 0, "status": status,
                    "reason": "", "reason_detail": "", "cancel_return_initiator": "null-null",
                    "return_status": "", "package_id": "", "tracking_code": "",
                    "tracking_code_pre": "", "shipment_provider": "",
                    "shipping_type": "Dropshipping", "shipping_provider_type": "standard",
                    "is_fbl": 0, "delivery_option_sof": 0, "is_digital": 0, "is_reroute": 0,
                    "order_type": "Normal", "order_flag": "NORMAL", "stage_pay_status": "",
                    "sla_time_stamp": sla.to_string(), "promised_shipping_time": "",
                    "payment_time": if self.cod || status == "unpaid" { Value::Null }
                        else { json!(self.created * 1000) },
                    "created_at": at, "updated_at": at, "warehouse_code": "dropshipping",
                    "buyer_id": (hash(1, &self.order_id.to_string()) % 900_000_000).to_string(),
                    "shop_id": "Acme Store VN", "invoice_number": "", "purchase_order_id": "",
                    "purchase_order_number": "", "digital_delivery_info": "",
                    "extra_attributes": "", "product_main_image": "https://img.example.test/1.jpg",
                    "product_detail_url": "https://www.example.test/1.html",
                    "gift_wrapping": "", "personalization": "", "show_giftwrapping_tag": false,
                    "show_personalization_tag": false, "mp3_order": false, "semi_managed": false,
                    "biz_group": 70100, "need_cancel_confirm": false, "is_cancel_pending": false,
                    "can_escalate_pickup": false,
                })
            })
            .collect()
    }

    fn order(&self, status: &str, bait: bool) -> LazadaOrder {
        let mut order = LazadaOrder {
            head: self.head(status),
            units: self.units(status),
            updated: self.created - 1,
            request: None,
            bait,
        };
        order.set_status(status);
        order
    }
}

pub(super) fn envelope(world: &World, kind: i64, data: &Value) -> Value {
    json!({
        "seller_id": world.secrets.lazada_seller_id.to_string(), "message_type": kind,
        "data": data, "timestamp": seconds(), "site": "lazada_vn",
    })
}

/// What type 0 says of one unit.
pub(super) fn unit_news(order_id: u64, unit: &Value, at: i64) -> Value {
    json!({
        "order_status": unit["status"], "trade_order_id": order_id.to_string(),
        "trade_order_line_id": unit["order_item_id"].to_string(),
        "status_update_time": at, "buyer_id": unit["buyer_id"],
    })
}

/// What type 10 says; its ids are numbers.
pub(super) fn reverse_news(world: &World, order_id: u64, request: u64, state: &str) -> Value {
    json!({
        "reverse_order_id": request, "reverse_order_line_id": request + 1,
        "trade_order_id": order_id, "trade_order_line_id": order_id + 100_000,
        "buyer_id": hash(1, &order_id.to_string()) % 900_000_000,
        "seller_id": world.secrets.lazada_seller_id, "reverse_status": state,
        "status_update_time": seconds(), "extraParams": {},
    })
}

/// What type 14 says of a parcel.
pub(super) fn parcel_news(order_id: u64, package: &Value, state: &str) -> Value {
    json!({
        "trade_order_id": order_id.to_string(),
        "buyer_id": (hash(1, &order_id.to_string()) % 900_000_000).to_string(),
        "fulfillment_package_id": package, "status": state, "status_update_time": seconds(),
    })
}

/// The pushes about all units of an order as they stand now.
fn news_of(world: &World, order_id: u64) -> Vec<Value> {
    let shop = held(&world.lazada);
    let Some(order) = shop.orders.get(&order_id) else {
        return Vec::new();
    };
    let at = order.updated;
    let units = order.units.iter();
    units
        .map(|unit| envelope(world, 0, &unit_news(order_id, unit, at)))
        .collect()
}

fn signature(world: &World, secret: &str, body: &[u8]) -> String {
    signing::lazada_push(secret, &world.secrets.lazada_app_key, body)
}

fn message(world: &World, envelope: &Value, secret: &str) -> Message {
    let body = envelope.to_string().into_bytes();
    let signature = signature(world, secret, &body);
    let data = &envelope["data"];
    let label = format!(
        "{CONNECTOR}:{}:{}:{}:{}:{}",
        envelope["message_type"],
        data["trade_order_id"],
        data["trade_order_line_id"],
        data["order_status"],
        data["status_update_time"],
    );
    Message {
        repeats: Repeats::Ladder(LADDER),
        timeout: PATIENCE,
        ..Message::post(
            CONNECTOR,
            channel::LAZADA,
            label,
            body,
            Sign::Fixed(vec![("authorization", signature)]),
        )
    }
}

/// Sends all, the units' news side by side; now and then one twice at the same instant.
async fn push(run: &Arc<Run>, envelopes: Vec<Value>) {
    let secret = run.world.secrets.lazada_app_secret.clone();
    for envelope in envelopes {
        let genuine = message(&run.world, &envelope, &secret);
        if run.chance(&format!("twin:{}", genuine.label), 12) {
            run.count(CONNECTOR, |sent| sent.duplicates += 1);
            let twin = genuine.clone();
            tokio::join!(run.send(genuine), run.deliver(&twin));
        } else {
            run.send(genuine).await;
        }
    }
}

/// Unpaid, then pending; perhaps cancelled, at once or after the buyer asked.
pub(crate) async fn order(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let tag = hash(run.scenario.seed, &format!("lazada {number}"));
    let order_id = 500_000_000_000_000 + tag % 99_000_000_000 * 1_000 + u64::from(number % 1_000);
    let name = order_id.to_string();
    let basket = Basket::fill(rng, &run.scenario.catalog);
    run.sold(CONNECTOR, channel::LAZADA, &name, &basket, Cash::Untold);
    let cod = rng.u8(0..3) == 0;
    let sold = Sold {
        order_id,
        basket: &basket,
        cod,
        created: seconds(),
    };
    let world = &run.world;
    if !cod {
        let unpaid = sold.order("unpaid", false);
        held(&world.lazada).orders.insert(order_id, unpaid);
        push(run, news_of(world, order_id)).await;
        run.pause(rng, 80).await;
    }
    {
        let mut shop = held(&world.lazada);
        let order = shop
            .orders
            .entry(order_id)
            .or_insert_with(|| sold.order("pending", false));
        order.change(
            |_| true,
            |unit| {
                unit["status"] = json!("pending");
                if !cod {
                    unit["payment_time"] = json!(seconds() * 1000);
                }
            },
        );
    }
    push(run, news_of(world, order_id)).await;
    if run.cancels(&name) {
        run.pause(rng, 400).await;
        cancel(run, order_id, &name).await;
    }
}

/// The platform offers no cancellation once something has left.
async fn cancel(run: &Arc<Run>, order_id: u64, name: &str) {
    let world = &run.world;
    let has_left = || held(&world.ledger).any_shipped(channel::LAZADA, name);
    if has_left() {
        return;
    }
    let request = 701_000_000_000_000 + order_id % 1_000_000_000;
    if run.chance(&format!("asks:{name}"), 40) {
        with_order(world, order_id, |order| order.ask_to_cancel(request));
        let asked = reverse_news(world, order_id, request, "CANCEL_INIT");
        push(run, vec![envelope(world, 10, &asked)]).await;
        // Silence means consent.
        let refused = decision(world, order_id).await == Some(false);
        if refused || has_left() {
            with_order(world, order_id, LazadaOrder::withdraw_request);
            push(run, news_of(world, order_id)).await;
            return;
        }
    }
    run.cancelled(CONNECTOR, channel::LAZADA, name);
    with_order(world, order_id, |order| {
        order.request = None;
        order.cancel(|_| true, "customer", "Change of mind");
    });
    let done = reverse_news(world, order_id, request, "CANCEL_SUCCESS");
    push(run, vec![envelope(world, 10, &done)]).await;
    push(run, news_of(world, order_id)).await;
}

fn with_order(world: &World, order_id: u64, change: impl FnOnce(&mut LazadaOrder)) {
    if let Some(order) = held(&world.lazada).orders.get_mut(&order_id) {
        change(order);
    }
}

/// The seller's answer, if it comes in time.
async fn decision(world: &World, order_id: u64) -> Option<bool> {
    for _ in 0..20 {
        let agreed = answered(world, order_id);
        if agreed.is_some() {
            return agreed;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

fn answered(world: &World, order_id: u64) -> Option<bool> {
    let shop = held(&world.lazada);
    shop.orders.get(&order_id)?.request?.agreed
}

/// Tells what became of an order by the gateway's own doing, behind its back.
pub(crate) fn announce(world: &Arc<World>, order_id: u64) {
    let shared = Arc::clone(world);
    world.job(async move {
        let news = news_of(&shared, order_id);
        tell(&shared, news).await;
    });
}

/// The carrier has scanned the last parcel at the buyer's door.
pub(crate) async fn arrived(world: &Arc<World>, order_id: u64) {
    world.pause(&format!("arrived:{order_id}")).await;
    let mut packages: Vec<Value> = Vec::new();
    with_order(world, order_id, |order| {
        order.set_status("delivered");
        for unit in order.units.iter().filter(|unit| unit["package_id"] != "") {
            if !packages.contains(&unit["package_id"]) {
                packages.push(unit["package_id"].clone());
            }
        }
    });
    let scans = packages
        .iter()
        .map(|package| envelope(world, 14, &parcel_news(order_id, package, "DELIVERED")));
    let news: Vec<Value> = scans.chain(news_of(world, order_id)).collect();
    tell(world, news).await;
}

/// Sends outside of a scenario: no tally, one after the other until each is taken.
async fn tell(world: &Arc<World>, news: Vec<Value>) {
    for envelope in news {
        let body = envelope.to_string().into_bytes();
        let signature = signature(world, &world.secrets.lazada_app_secret, &body);
        for attempt in 0..60 {
            let answer: Option<Answer> = world
                .send(Outgoing {
                    method: reqwest::Method::POST,
                    path: format!("/webhooks/{}", channel::LAZADA),
                    headers: vec![
                        ("authorization", signature.clone()),
                        ("content-type", "application/json".to_owned()),
                    ],
                    body: body.clone(),
                    timeout: PATIENCE,
                })
                .await;
            if answer.is_some_and(|answer| answer.success()) {
                break;
            }
            tokio::time::sleep(backoff(attempt)).await;
        }
    }
}

/// Something about products, which the gateway keeps and ignores.
pub(crate) async fn chatter(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let product = &run.scenario.catalog[rng.usize(0..run.scenario.catalog.len())];
    let data = json!({"item_id": ids(&product.sku).0.to_string(), "seller_sku": product.sku,
        "status": "APPROVED", "trade_order_id": number});
    push(run, vec![envelope(&run.world, 3, &data)]).await;
}

/// A push signed with another secret, about an order that the API would even show.
pub(crate) async fn forge(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let order_id = 599_999_000_000_000 + u64::from(number);
    run.forged(channel::LAZADA, &order_id.to_string());
    let basket = Basket::fill(rng, &run.scenario.catalog);
    let sold = Sold {
        order_id,
        basket: &basket,
        cod: chance(run.scenario.seed, "forged cod", 50),
        created: seconds(),
    };
    let bait = sold.order("pending", true);
    held(&run.world.lazada).orders.insert(order_id, bait);
    for envelope in news_of(&run.world, order_id).into_iter().take(1) {
        let forged = message(&run.world, &envelope, "somebody else's secret");
        run.forge_message(Message {
            repeats: Repeats::Patient,
            ..forged
        })
        .await;
    }
}
