//! Tiki's side of an order: it lives in the API, and an event in the queue names it. The queue is
//! at least once and in order; some events stand in it twice.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    Basket, Cash, Run,
    sender::{Message, Sign},
};
use crate::{
    faults::hash,
    partners::tiki::{TikiOrder, local},
    secrets::channel,
    world::{World, held, seconds},
};

pub(crate) const CONNECTOR: &str = "tiki";

/// The seller's id in events, hashed by Tiki.
pub(crate) const SID: &str = "0A1B2C3D4E5F60718293A4B5C6D7E8F901234567";

/// How long the queue may stand before its events count as lost.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Sold {
    pub(super) code: String,
    pub(super) basket: Basket,
    pub(super) cod: bool,
    pub(super) created: i64,
}

impl Sold {
    pub(super) fn document(&self, status: &str) -> Value {
        let basket = &self.basket;
        let place = &basket.place;
        let total = basket.grand_total();
        let items: Vec<Value> = basket
            .lines
            .iter()
            .zip(1_u64..)
            .map(|(line, number)| {
                let product = hash(0, &line.product.sku) % 90_000_000 + 200_000_000;
                let sum = line.total();
                json!({
                    "id": hash(1, &self.code) % 900_000 * 1_000 + number,
                    "product": {
                        "id": product, "type": "simple", "super_id": 0, "master_id": product - 1,
                        "sku": format!("{:013}", product * 10), "name": line.product.name,
                        "catalog_group_name": line.product.category,
                        "inventory_type": "backorder", "imeis": [], "serial_numbers": [],
                        "thumbnail": "https://salt.example.test/x.jpg",
                        "seller_product_code": line.product.sku, "seller_supply_method": null,
                    },
                    "seller": {"id": 345_678, "name": "Kenh Demo"},
                    "confirmation": {"status": "waiting", "confirmed_at": null,
                        "available_confirm_sla": local(self.created + 43_200),
                        "pickup_confirm_sla": null, "histories": []},
                    "parent_item_id": 0, "price": line.product.price, "qty": line.quantity,
                    "fulfilled_at": null, "is_virtual": false, "is_ebook": false,
                    "is_bookcare": false, "is_free_gift": false, "is_fulfilled": false,
                    "backend_id": 304_657_401, "applied_rule_ids": [],
                    "invoice": {"price": line.product.price, "quantity": line.quantity,
                        "subtotal": sum, "row_total": sum, "discount_amount": 0,
                        "discount_tikixu": 0, "discount_promotion": 0, "discount_percent": 0,
                        "discount_coupon": 0, "discount_other": 0,
                        "is_seller_discount_coupon": false, "seller_fee": 0,
                        "seller_income": sum, "fees": []},
                    "inventory_requisition": null, "inventory_withdrawals": [],
                    "seller_inventory_id": null, "seller_inventory_name": null,
                    "seller_income_detail": {"discount": {"discount_coupon":
                        {"seller_discount": 0, "platform_discount": 0, "total_discount": 0}}},
                })
            })
            .collect();
        let address = json!({
            "full_name": basket.person.name, "street": place.line, "ward": place.ward,
            "district": place.district, "region": place.province, "country": "Việt Nam",
            "country_id": "VN", "email": null,
            // Shown to sellers that deliver by themselves only.
            "phone": if self.cod { basket.person.national.clone() } else { String::new() },
        });
        json!({
            "id": hash(2, &self.code) % 900_000_000, "code": self.code,
            "fulfillment_type": if self.cod { "seller_delivery" } else { "dropship" },
            "status": status, "items": items, "status_histories": [], "is_virtual": false,
            "siblings": [], "created_at": local(self.created), "updated_at": local(self.created),
            "type": "simple", "is_parent": false, "inventory_status": "backorder",
            "linked_code": "", "has_backorder_items": true,
            "multiseller_confirmation": {"seller_id": 345_678, "need_other_sellers_confirm": false},
            "original_code": self.code, "parent_code": "", "relation_code": "",
            "shipping": {"partner_id": null, "partner_name": null, "tracking_code": null,
                "status": null, "address": address, "shipping_detail": null},
            "children": [], "main_state": "awaiting_confirmation",
            "main_substate": "order_verified", "substate": "processing",
            "payment": {"method": if self.cod { "cod" } else { "momo" },
                "is_prepaid": !self.cod, "status": "success", "description": ""},
            "is_rma": false,
            "tiki_warehouse": {"id": 17, "name": "Ho Chi Minh 5", "code": "sgn5"},
            "invoice": {"items_count": basket.lines.len(),
                "subtotal": basket.items(), "grand_total": total,
                "collectible_amount": if self.cod { total } else { 0 },
                "discount_amount": 0, "discount_tikixu": 0, "discount_coupon": 0,
                "gift_card_amount": 0, "coupon_code": null,
                "shipping_amount_after_discount": basket.shipping, "shipping_discount_amount": 0,
                "handling_fee": 0, "other_fee": 0, "total_seller_fee": 0,
                "total_seller_income": basket.items(),
                "purchased_at": local(self.created), "tax_info": null},
            "customer": {"id": hash(3, &self.code) % 9_000_000, "full_name": basket.person.name},
        })
    }
}

/// `ORDER_STATUS_UPDATED`, with its code in both spellings.
pub(crate) fn event(world: &World, code: &str, status: &str, updated: i64) -> Value {
    json!({
        "id": event_id(world, &format!("{code}.{status}.{updated}")),
        "sid": SID, "created_at": updated * 1000,
        "type": "ORDER_STATUS_UPDATED", "version": "v1",
        "payload": {"order_code": code, "orderCode": code, "status": status},
    })
}

fn event_id(world: &World, key: &str) -> String {
    let number = hash(world.options.seed, &format!("tiki event {key}"));
    format!("00000000-aaaa-4bbb-8ccc-{:012x}", number % 0xffff_ffff_ffff)
}

/// Live, a new order's event has no status.
fn created(world: &World, order: &Sold) -> Value {
    json!({
        "id": event_id(world, &order.code), "sid": SID, "created_at": order.created * 1000,
        "type": "ORDER_CREATED_SUCCESSFULLY", "version": "v1",
        "payload": {"order_code": order.code},
    })
}

/// Puts an event into the queue; one in ten stands there twice.
fn announce(run: &Run, event: &Value) {
    let mut shop = held(&run.world.tiki);
    shop.announce(event);
    run.count(CONNECTOR, |sent| sent.messages += 1);
    if run.chance(&format!("twice:{}", event["id"]), 10) {
        shop.announce(event);
        run.count(CONNECTOR, |sent| sent.duplicates += 1);
    }
}

/// Moves an order that is still open; the event that says so.
fn advance(world: &World, code: &str, status: &str) -> Option<Value> {
    let mut shop = held(&world.tiki);
    let order = shop.orders.get_mut(code)?;
    if matches!(order.status(), "canceled" | "complete") {
        return None;
    }
    order.advance(status);
    Some(event(world, code, status, order.updated))
}

/// Placed and released to the seller; perhaps cancelled as long as nothing has been shipped.
pub(crate) async fn order(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let tag = hash(run.scenario.seed, &format!("tiki {number}"));
    let sold = Sold {
        // Nine digits; the number of the story keeps two of them apart.
        code: format!("5{:03}{:05}", tag % 1000, number % 100_000),
        basket: Basket::fill(rng, &run.scenario.catalog),
        cod: rng.u8(0..3) == 0,
        created: seconds(),
    };
    let cash = if sold.cod { Cash::Due } else { Cash::NotDue };
    run.sold(CONNECTOR, channel::TIKI, &sold.code, &sold.basket, cash);
    held(&run.world.tiki).orders.insert(
        sold.code.clone(),
        TikiOrder {
            document: sold.document("queueing"),
            updated: sold.created,
        },
    );
    announce(run, &created(&run.world, &sold));
    if !run.cancels(&sold.code) {
        return;
    }
    run.pause(rng, 400).await;
    if held(&run.world.ledger).any_shipped(channel::TIKI, &sold.code) {
        return; // Tiki lets nobody cancel what is on its way.
    }
    run.cancelled(CONNECTOR, channel::TIKI, &sold.code);
    if let Some(order) = held(&run.world.tiki).orders.get_mut(&sold.code) {
        order.document["cancel_info"] = json!({"reason_code": "2034",
            "reason_text": "Khách đổi ý", "comment": "", "canceled_at": local(seconds())});
    }
    if let Some(event) = advance(&run.world, &sold.code, "canceled") {
        announce(run, &event);
    }
}

/// Tiki's carrier has brought it, and a little later the order is closed.
pub(crate) async fn complete(world: &Arc<World>, code: &str) {
    for status in ["successful_delivery", "complete"] {
        world.pause(&format!("{status}:{code}")).await;
        if let Some(event) = advance(world, code, status) {
            held(&world.tiki).announce(&event);
        }
    }
}

/// Waits until the queue is empty: whoever pulls has then acknowledged everything. What stands in a
/// queue that nobody reads is lost at once.
pub(super) async fn drained(run: &Arc<Run>) {
    let started = Instant::now();
    while held(&run.world.tiki).waiting() > 0 {
        if started.elapsed() > PATIENCE || !held(&run.world.tiki).has_reader() {
            let left = held(&run.world.tiki).waiting();
            run.count(CONNECTOR, |sent| {
                sent.lost += u64::try_from(left).unwrap_or(u64::MAX);
            });
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Tiki pushes nothing: an event at the door is nobody's.
pub(crate) async fn forge(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let code = format!("59{:03}{:04}", rng.u32(0..1000), number % 10_000);
    run.forged(channel::TIKI, &code);
    let event = event(&run.world, &code, "queueing", seconds());
    let message = Message::post(
        CONNECTOR,
        channel::TIKI,
        format!("{CONNECTOR}:forged.{code}"),
        event.to_string().into_bytes(),
        Sign::Fixed(Vec::new()),
    );
    run.forge_message(message).await;
}
