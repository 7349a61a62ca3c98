//! Shopee's side of an order: the state lives in the shop's API, pushes only hint at it, and
//! they come late, twice and in any order, an `UNPAID` even after `CANCELLED`.

pub(crate) mod unheard;

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    Basket, Cash, Run,
    sender::{Message, Repeats, Sign, Wants},
};
use crate::{
    faults::hash,
    partners::shopee::ShopOrder,
    secrets::channel,
    signing,
    world::{Answer, Outgoing, World, backoff, held, seconds},
};

pub(crate) const CONNECTOR: &str = "shopee";

/// The vendor's ladder of 5 min, 30 min and 3 h, a thousand times faster.
const LADDER: &[u64] = &[300, 1_800, 10_800];

/// Shopee waits so long for a seller's answer, times 20 ms.
const PATIENCE_WITH_A_SELLER: u32 = 100;

pub(super) struct ShopeeOrder {
    pub(super) order_sn: String,
    pub(super) basket: Basket,
    pub(super) cod: bool,
    pub(super) created: i64,
    pub(super) paid: Option<i64>,
    pub(super) updated: i64,
}

impl ShopeeOrder {
    pub(super) fn document(&self, status: &str) -> Value {
        let place = &self.basket.place;
        let total = match status {
            "UNPAID" => None,
            "CANCELLED" => Some(0),
            _ => Some(self.basket.grand_total()),
        };
        let items: Vec<Value> = self
            .basket
            .lines
            .iter()
            .zip(1_u64..)
            .map(|(line, number)| {
                let item = hash(0, &line.product.sku) % 90_000_000_000 + 10_000_000_000;
                json!({
                    "item_id": item, "item_name": line.product.name,
                    "item_sku": line.product.sku, "model_id": 0, "model_name": "",
                    "model_sku": "", "model_quantity_purchased": line.quantity,
                    "model_original_price": line.product.price,
                    "model_discounted_price": line.product.price,
                    "wholesale": false, "weight": 1, "add_on_deal": false, "main_item": false,
                    "add_on_deal_id": 0, "promotion_type": "", "promotion_id": 0,
                    "order_item_id": item, "line_item_id": item + number,
                    "promotion_group_id": 0,
                    "product_location_id": ["VN0GXXXXZ"], "is_prescription_item": false,
                    "is_b2c_owned_item": false, "promotion_list": [], "hot_listing_item": false,
                    "active_qty": line.quantity, "cancel_requested_qty": 0, "cancelled_qty": 0,
                    "return_requested_qty": 0, "returned_qty": 0,
                })
            })
            .collect();
        let cancelled = status == "CANCELLED";
        let mut document = json!({
            "order_sn": self.order_sn, "region": "VN", "currency": "VND", "cod": self.cod,
            "pending_terms": [], "order_status": status, "shipping_carrier": "SPX Express",
            "checkout_shipping_carrier": "Nhanh",
            "payment_method": if self.cod { "Cash on Delivery" } else { "ShopeePay" },
            "estimated_shipping_fee": self.basket.shipping, "actual_shipping_fee": 0,
            "actual_shipping_fee_confirmed": false, "reverse_shipping_fee": 0,
            "message_to_seller": "", "create_time": self.created, "update_time": self.updated,
            "pay_time": self.paid, "days_to_ship": 2, "ship_by_date": self.created + 172_800,
            "booking_sn": "", "advance_package": false,
            "buyer_user_id": hash(1, &self.order_sn) % 900_000_000, "buyer_username": "k******9",
            "recipient_address": {
                "name": mask_name(&self.basket.person.name),
                "phone": format!("******{}", &self.basket.person.national[8..]),
                "town": "Phường ******", "district": place.district, "city": "",
                "state": place.province, "region": "VN", "zipcode": "",
                "full_address": format!("Số ******, Phường ******, {}, {}", place.district, place.province),
            },
            "goods_to_declare": false, "note": "", "note_update_time": 0, "item_list": items,
            "split_up": false,
            "buyer_cancel_reason": if cancelled { "Need to Modify Order" } else { "" },
            "cancel_by": if cancelled { "buyer" } else { "" },
            "cancel_reason": if cancelled { "Buyer Request to Cancel" } else { "" },
            "fulfillment_flag": "fulfilled_by_local_seller", "pickup_done_time": 0,
            "invoice_data": null, "order_chargeable_weight_gram": 1000, "return_request_due_date": 0,
            "package_list": [{"package_number": package(&self.order_sn),
                "logistics_status": "LOGISTICS_NOT_START", "shipping_carrier": "SPX Express"}],
        });
        if let Some(total) = total {
            document["total_amount"] = json!(total);
        }
        document
    }

    /// Moves the shop's own state; update times never stand still, whoever moved it last.
    fn put(&mut self, world: &World, status: &'static str) {
        let mut shop = held(&world.shopee);
        let before = shop.orders.get(&self.order_sn);
        let last = before.map_or(self.updated, |order| order.update_time.max(self.updated));
        self.updated = seconds().max(last + 1);
        let order = ShopOrder {
            status,
            document: self.document(status),
            update_time: self.updated,
            bait: false,
            seller_voucher: self.basket.seller_discount,
            numbered: before.is_some_and(|order| order.numbered),
            label_asked: 0,
        };
        shop.orders.insert(self.order_sn.clone(), order);
    }
}

/// The shop's own state of an order.
fn status_of(world: &World, order_sn: &str) -> &'static str {
    let shop = held(&world.shopee);
    shop.orders.get(order_sn).map_or("", |order| order.status)
}

/// `Nguyễn Thị Lan` → `N******n`.
pub(super) fn mask_name(name: &str) -> String {
    let first: String = name.chars().take(1).collect();
    let last: String = name.chars().rev().take(1).collect();
    format!("{first}******{last}")
}

fn envelope(world: &World, order_sn: &str, status: &str, update_time: i64) -> Value {
    let tag = hash(
        world.options.seed,
        &format!("{order_sn}.{status}.{update_time}"),
    );
    let scenario = if status == "COMPLETED" { "NORMAL" } else { "" };
    json!({
        "msg_id": format!("{tag:016x}{:016x}", tag.rotate_left(17)),
        "data": {"completed_scenario": scenario, "items": [], "ordersn": order_sn,
                 "status": status, "update_time": update_time},
        "shop_id": world.secrets.shopee_shop_id, "code": 3, "timestamp": seconds(),
    })
}

fn message(world: &World, label: String, body: Vec<u8>, key: &str) -> Message {
    let signature = signing::shopee_push(key, &world.secrets.shopee_callback_url, &body);
    Message {
        wants: Wants::Empty,
        repeats: Repeats::Ladder(LADDER),
        timeout: Duration::from_secs(3),
        ..Message::post(
            CONNECTOR,
            channel::SHOPEE,
            format!("{CONNECTOR}:{label}"),
            body,
            Sign::Fixed(vec![("authorization", signature)]),
        )
    }
}

async fn push(run: &Arc<Run>, order_sn: &str, status: &str, update_time: i64) {
    let envelope = envelope(&run.world, order_sn, status, update_time);
    let label = format!("{order_sn}.{status}.{update_time}");
    let body = envelope.to_string().into_bytes();
    let key = run.world.secrets.shopee_push_key.clone();
    if !run.send(message(&run.world, label, body, &key)).await {
        held(&run.world.shopee).lose(&envelope);
    }
}

/// The console's verification, signed with an empty key as it is before a key is saved.
pub(crate) async fn greet(run: &Arc<Run>) {
    let body = json!({"code": 0, "data": {"verify_info": "This is a verification message"},
                      "timestamp": seconds()});
    let ping = message(
        &run.world,
        "verify".to_owned(),
        body.to_string().into_bytes(),
        "",
    );
    if run
        .deliver(&Message {
            repeats: Repeats::Patient,
            ..ping
        })
        .await
        .is_none()
    {
        run.unexpected("shopee: the verification was not answered with 2xx".to_owned());
    }
}

/// Unpaid, then ready to ship; perhaps cancelled as long as nothing has been shipped.
pub(crate) async fn order(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let tag = hash(run.scenario.seed, &format!("shopee {number}"));
    let order_sn = format!("{}{:08X}", stamp(), tag & 0xffff_ffff);
    let basket = with_voucher(Basket::fill(rng, &run.scenario.catalog), rng);
    run.sold(CONNECTOR, channel::SHOPEE, &order_sn, &basket, Cash::Untold);
    let created = seconds();
    let cod = rng.u8(0..3) == 0;
    let mut order = ShopeeOrder {
        order_sn,
        basket,
        cod,
        created,
        paid: None,
        updated: created - 1,
    };
    let order_sn = order.order_sn.clone();
    if !cod {
        order.put(&run.world, "UNPAID");
        push(run, &order_sn, "UNPAID", order.updated).await;
        run.pause(rng, 80).await;
        order.paid = Some(seconds());
    }
    let unpaid_at = order.updated;
    order.put(&run.world, "READY_TO_SHIP");
    push(run, &order_sn, "READY_TO_SHIP", order.updated).await;
    if rng.u8(0..10) == 0 {
        push(run, &order_sn, "UNPAID", unpaid_at).await;
    }
    if !run.cancels(&order_sn) {
        return;
    }
    run.pause(rng, 400).await;
    let shipped = || held(&run.world.ledger).any_shipped(channel::SHOPEE, &order_sn);
    if shipped() || status_of(&run.world, &order_sn) == "CANCELLED" {
        return; // The app offers no cancellation any more.
    }
    if run.chance(&format!("wish:{order_sn}"), 40) {
        order.put(&run.world, "IN_CANCEL");
        push(run, &order_sn, "IN_CANCEL", order.updated).await;
        if decided(run, &order_sn).await {
            return;
        }
        if shipped() {
            order.put(&run.world, "READY_TO_SHIP");
            push(run, &order_sn, "READY_TO_SHIP", order.updated).await;
            return;
        }
    }
    run.cancelled(CONNECTOR, channel::SHOPEE, &order_sn);
    order.put(&run.world, "CANCELLED");
    push(run, &order_sn, "CANCELLED", order.updated).await;
    // Seen in the wild: the first state once more, after the last.
    push(run, &order_sn, "UNPAID", unpaid_at).await;
}

/// Waits a while for the seller to answer a buyer who wishes to cancel; true when it was answered.
/// Shopee decides by itself afterwards.
async fn decided(run: &Arc<Run>, order_sn: &str) -> bool {
    for _ in 0..PATIENCE_WITH_A_SELLER {
        match status_of(&run.world, order_sn) {
            "IN_CANCEL" => tokio::time::sleep(Duration::from_millis(20)).await,
            "CANCELLED" => {
                run.cancelled(CONNECTOR, channel::SHOPEE, order_sn);
                return true;
            }
            _ => return true,
        }
    }
    false
}

/// One basket in five comes with a voucher of the shop.
fn with_voucher(mut basket: Basket, rng: &mut Rng) -> Basket {
    let items: Vec<i64> = basket.lines.iter().map(super::BasketLine::total).collect();
    if rng.u8(0..5) == 0 && items.iter().all(|total| *total > 500_000) {
        basket.seller_discount = 50_000;
    }
    basket
}

/// `261124`: Shopee's numbers begin with the day.
fn stamp() -> String {
    jiff::Timestamp::now().strftime("%y%m%d").to_string()
}

/// The buyer has confirmed the receipt: the shop's state moves on and a push says so.
pub(crate) async fn complete(world: &Arc<World>, order_sn: &str) {
    world.pause(&format!("complete:{order_sn}")).await;
    let update_time = {
        let mut shop = held(&world.shopee);
        let Some(order) = shop
            .orders
            .get_mut(order_sn)
            .filter(|o| matches!(o.status, "READY_TO_SHIP" | "PROCESSED"))
        else {
            return;
        };
        order.status = "COMPLETED";
        order.update_time = seconds().max(order.update_time + 1);
        order.document["order_status"] = json!("COMPLETED");
        order.document["update_time"] = json!(order.update_time);
        order.update_time
    };
    moved(world, order_sn, "COMPLETED", update_time).await;
}

/// The shop's state has moved by somebody's word: a push says so.
pub(crate) async fn moved(world: &Arc<World>, order_sn: &str, status: &str, update_time: i64) {
    announce(world, &envelope(world, order_sn, status, update_time)).await;
}

/// The carrier has numbered a parcel (code 4).
pub(crate) async fn numbered(world: &Arc<World>, order_sn: &str, number: &str) {
    let tag = hash(world.options.seed, &format!("number {order_sn}"));
    let envelope = json!({
        "msg_id": format!("{tag:016x}{:016x}", tag.rotate_left(17)),
        "data": {"ordersn": order_sn, "forder_id": tag.to_string(),
                 "package_number": package(order_sn), "tracking_no": number},
        "shop_id": world.secrets.shopee_shop_id, "code": 4, "timestamp": seconds(),
    });
    announce(world, &envelope).await;
}

/// The signed push of an envelope.
fn outgoing(world: &World, envelope: &Value) -> Outgoing {
    let body = envelope.to_string().into_bytes();
    let secrets = &world.secrets;
    let signature = signing::shopee_push(
        &secrets.shopee_push_key,
        &secrets.shopee_callback_url,
        &body,
    );
    Outgoing {
        method: reqwest::Method::POST,
        path: format!("/webhooks/{}", channel::SHOPEE),
        headers: vec![
            ("authorization", signature),
            ("content-type", "application/json".to_owned()),
        ],
        body,
        timeout: Duration::from_secs(3),
    }
}

/// Pushes until somebody takes it, or it goes to the lost ones.
async fn announce(world: &Arc<World>, envelope: &Value) {
    for attempt in 0..60 {
        let answer: Option<Answer> = world.send(outgoing(world, envelope)).await;
        if answer.is_some_and(|answer| answer.success()) {
            return;
        }
        tokio::time::sleep(backoff(attempt)).await;
    }
    held(&world.shopee).lose(envelope);
}

/// The only parcel of an order.
fn package(order_sn: &str) -> String {
    format!("OFG{:018}", hash(2, order_sn) % 1_000_000_000_000)
}

/// A push with another key, about an order that the API would even show.
pub(crate) async fn forge(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let order_sn = format!("{}FORGED{:02}", stamp(), number % 100);
    run.forged(channel::SHOPEE, &order_sn);
    let created = seconds();
    let order = ShopeeOrder {
        order_sn: order_sn.clone(),
        basket: Basket::fill(rng, &run.scenario.catalog),
        cod: true,
        created,
        paid: None,
        updated: created,
    };
    let bait = ShopOrder {
        status: "READY_TO_SHIP",
        document: order.document("READY_TO_SHIP"),
        update_time: created,
        bait: true,
        seller_voucher: 0,
        numbered: false,
        label_asked: 0,
    };
    held(&run.world.shopee)
        .orders
        .insert(order_sn.clone(), bait);
    let body = envelope(&run.world, &order_sn, "READY_TO_SHIP", created)
        .to_string()
        .into_bytes();
    let forged = message(&run.world, format!("forged.{order_sn}"), body, "shpkforged");
    run.forge_message(Message {
        repeats: Repeats::Patient,
        ..forged
    })
    .await;
}
