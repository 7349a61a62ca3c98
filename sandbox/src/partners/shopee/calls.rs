//! What a seller may do with Shopee's orders, parcels, labels and articles: each takes effect once,
//! and a repeat is answered as it is there.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Shop, ShopOrder, error, good};
use crate::{
    faults::{chance, hash},
    partners::{Call, Reply},
    storefront::shopee as story,
    world::{World, held, seconds},
};

const PICKUP_ADDRESS: u64 = 234;

impl ShopOrder {
    /// Moves the order on; update times never stand still.
    pub(crate) fn advance(&mut self, status: &'static str) {
        self.status = status;
        self.update_time = seconds().max(self.update_time + 1);
        self.document["order_status"] = json!(status);
        self.document["update_time"] = json!(self.update_time);
    }

    pub(crate) fn cancel(&mut self, by: &str, reason: &str) {
        self.document["cancel_by"] = json!(by);
        self.document["cancel_reason"] = json!(reason);
        self.document["total_amount"] = json!(0);
        self.advance("CANCELLED");
    }

    /// What the buyer pays, once it is known, in đồng.
    pub(crate) fn price(&self) -> i64 {
        let lines = self.items().map(|item| {
            let units = item["model_quantity_purchased"].as_i64().unwrap_or(0);
            units * item["model_discounted_price"].as_i64().unwrap_or(0)
        });
        let shipping = self.document["estimated_shipping_fee"].as_i64();
        lines.sum::<i64>() + shipping.unwrap_or(0) - self.seller_voucher
    }

    fn items(&self) -> impl Iterator<Item = &Value> {
        self.document["item_list"].as_array().into_iter().flatten()
    }
}

/// The number that the carrier gives, the same whenever it is asked for.
fn tracking(world: &World, order_sn: &str) -> String {
    let number = hash(world.options.seed, &format!("shopee parcel {order_sn}"));
    format!("SPXVN{:012}", number % 1_000_000_000_000)
}

fn told(world: &World, kind: &str) {
    let mut ledger = held(&world.ledger);
    let told = &mut ledger.channel("shopee").told;
    *told.entry(kind.to_owned()).or_insert(0) += 1;
}

fn violation(world: &World, text: &str) {
    held(&world.ledger).violation(format!("shopee: {text}"));
}

fn known<'a>(shop: &'a mut Shop, order_sn: &str) -> Result<&'a mut ShopOrder, Reply> {
    let order = shop.orders.get_mut(order_sn);
    order.ok_or_else(|| {
        error(
            "error_not_found",
            "Wrong parameters, detail: the order is not found.",
        )
    })
}

/// Nothing is in escrow before the buyer has paid or a carrier was promised the cash.
pub(super) fn escrow(world: &World, call: &Call) -> Reply {
    let mut shop = held(&world.shopee);
    let order_sn = call.parameter("order_sn");
    let order = match known(&mut shop, order_sn) {
        Ok(order) if !matches!(order.status, "UNPAID" | "CANCELLED") => order,
        Ok(_) => {
            return error(
                "common.error_not_found",
                "supplier order item income not found",
            );
        }
        Err(refusal) => return refusal,
    };
    let items: Vec<Value> = order
        .items()
        .map(|item| {
            let units = item["model_quantity_purchased"].as_i64().unwrap_or(0);
            let line = |price: &str| item[price].as_i64().unwrap_or(0) * units;
            json!({
                "item_id": item["item_id"], "item_name": item["item_name"],
                "item_sku": item["item_sku"], "model_id": item["model_id"],
                "quantity_purchased": units, "original_price": line("model_original_price"),
                "discounted_price": line("model_discounted_price"), "seller_discount": 0,
                "shopee_discount": 0, "discount_from_coin": 0,
                "discount_from_voucher_seller": 0, "discount_from_voucher_shopee": 0,
            })
        })
        .collect();
    let total = order.document["total_amount"].as_i64().unwrap_or(0);
    let shipping = order.document["estimated_shipping_fee"].clone();
    good(json!({
        "order_sn": order_sn, "buyer_user_name": order.document["buyer_username"],
        "return_order_sn_list": [],
        "order_income": {
            "buyer_total_amount": total, "escrow_amount": total,
            "voucher_from_seller": order.seller_voucher, "voucher_from_shopee": 0, "coins": 0,
            "payment_promotion": 0, "buyer_paid_shipping_fee": shipping, "commission_fee": 0,
            "service_fee": 0, "items": items,
        },
    }))
}

pub(super) fn parameters(world: &World, call: &Call) -> Reply {
    let mut shop = held(&world.shopee);
    let order_sn = call.parameter("order_sn");
    match known(&mut shop, order_sn) {
        Ok(order) if order.status == "READY_TO_SHIP" => {}
        Ok(_) => {
            return error(
                "error_param",
                "Shipping parameters can only be obtained when package is ready to be shipped",
            );
        }
        Err(refusal) => return refusal,
    }
    let slot =
        |id: &str, flags: &[&str]| json!({"date": seconds(), "pickup_time_id": id, "flags": flags});
    good(json!({
        "info_needed": {"dropoff": [], "pickup": ["address_id", "pickup_time_id"]},
        "dropoff": null,
        "pickup": {"address_list": [
            {"address_id": 123, "region": "VN", "address_flag": ["default_address"],
             "time_slot_list": null},
            {"address_id": PICKUP_ADDRESS, "region": "VN", "address_flag": ["pickup_address"],
             "time_slot_list": [slot("morning", &[]), slot("evening", &["recommended"])]},
        ]},
    }))
}

pub(super) fn ship(world: &Arc<World>, call: &Call) -> Reply {
    let body = call.json();
    let order_sn = body["order_sn"].as_str().unwrap_or_default();
    let ways: Vec<&str> = ["pickup", "dropoff", "non_integrated"]
        .into_iter()
        .filter(|way| body.get(way).is_some())
        .collect();
    if ways.len() != 1 {
        violation(world, "ship_order with no way or with several");
        return error(
            "logistics.ship_order_only_support_one_type",
            "Please select just one way to ship order: pickup or dropoff or non_integrated.",
        );
    }
    if body.get("package_number").is_some() {
        violation(world, "ship_order names the only parcel of an order");
        return error(
            "logistics.ship_order_not_need_pacakge_number",
            "Please don’t request with package_number for this unsplit order.",
        );
    }
    let pickup = &body["pickup"];
    if ways == ["pickup"] {
        let address = pickup["address_id"].as_u64();
        let slot = pickup["pickup_time_id"].as_str();
        if address != Some(PICKUP_ADDRESS) || !matches!(slot, Some("morning" | "evening")) {
            violation(
                world,
                "ship_order with an address or time that was not offered",
            );
            return error(
                "logistics.ship_order_pickup_time_invalid",
                "Invalid pickup time id.",
            );
        }
    }
    let mut shop = held(&world.shopee);
    let order = match known(&mut shop, order_sn) {
        Ok(order) => order,
        Err(refusal) => return refusal,
    };
    match order.status {
        "READY_TO_SHIP" => {}
        "UNPAID" | "IN_CANCEL" | "CANCELLED" => {
            return error(
                "logistics.ship_order_not_ready_to_ship",
                "The order is not ready to ship.",
            );
        }
        _ => {
            return error(
                " logistics.package_already_shipped",
                "This package has already been arranged shipment and you can't call this API again.",
            );
        }
    }
    order.document["package_list"][0]["logistics_status"] = json!("LOGISTICS_REQUEST_CREATED");
    // Half of the carriers number a parcel at once; a push tells of the others.
    order.numbered = chance(world.options.seed, &format!("numbered:{order_sn}"), 50);
    order.advance("PROCESSED");
    let (update_time, numbered) = (order.update_time, order.numbered);
    drop(shop);
    told(world, "arrange");
    let (shared, order_sn) = (Arc::clone(world), order_sn.to_owned());
    world.job(async move {
        story::moved(&shared, &order_sn, "PROCESSED", update_time).await;
        if !numbered {
            shared.pause(&format!("number:{order_sn}")).await;
            let number = tracking(&shared, &order_sn);
            if let Some(order) = held(&shared.shopee).orders.get_mut(&order_sn) {
                order.numbered = true;
            }
            story::numbered(&shared, &order_sn, &number).await;
        }
    });
    good(Value::Null)
}

pub(super) fn tracking_number(world: &World, call: &Call) -> Reply {
    let mut shop = held(&world.shopee);
    let order_sn = call.parameter("order_sn");
    match known(&mut shop, order_sn) {
        Ok(order) if order.numbered => good(json!({
            "tracking_number": tracking(world, order_sn), "plp_number": "", "hint": ""
        })),
        Ok(_) => good(json!({"tracking_number": "", "plp_number": "", "hint": ""})),
        Err(refusal) => refusal,
    }
}

pub(super) fn cancel(world: &Arc<World>, call: &Call) -> Reply {
    let body = call.json();
    let order_sn = body["order_sn"].as_str().unwrap_or_default();
    let reason = body["cancel_reason"].as_str().unwrap_or_default();
    let items = body["item_list"].as_array();
    let named = items.is_some_and(|items| {
        !items.is_empty() && items.iter().all(|item| item["item_id"].is_u64())
    });
    let fits = match reason {
        "OUT_OF_STOCK" => named,
        "CUSTOMER_REQUEST" | "UNDELIVERABLE_AREA" | "COD_NOT_SUPPORTED" => true,
        _ => false,
    };
    if !fits {
        violation(world, "cancel_order without a reason or without its items");
        return error("error_param", "Wrong parameters, detail: cancel_reason.");
    }
    let mut shop = held(&world.shopee);
    let order = match known(&mut shop, order_sn) {
        Ok(order) => order,
        Err(refusal) => return refusal,
    };
    if !matches!(order.status, "UNPAID" | "READY_TO_SHIP" | "PROCESSED") {
        return error("order.error_limit", "Can not cancel this order");
    }
    order.cancel("seller", "Out of Stock");
    let update_time = order.update_time;
    drop(shop);
    told(world, "cancel");
    announce(world, order_sn, "CANCELLED", update_time);
    good(json!({ "update_time": update_time }))
}

pub(super) fn answer_wish(world: &Arc<World>, call: &Call) -> Reply {
    let body = call.json();
    let order_sn = body["order_sn"].as_str().unwrap_or_default();
    let grants = match body["operation"].as_str() {
        Some("ACCEPT") => true,
        Some("REJECT") => false,
        _ => {
            violation(world, "handle_buyer_cancellation without an operation");
            return error("error_param", "Wrong parameters, detail: operation.");
        }
    };
    let mut shop = held(&world.shopee);
    let order = match known(&mut shop, order_sn) {
        Ok(order) if order.status == "IN_CANCEL" => order,
        Ok(_) => {
            return error(
                "order.cancel_order_invalid_status",
                "Invalid order_status.The order status should be IN_CANCEL.",
            );
        }
        Err(refusal) => return refusal,
    };
    if grants {
        order.cancel("buyer", "Buyer Request to Cancel");
    } else {
        order.advance("READY_TO_SHIP");
    }
    let (status, update_time) = (order.status, order.update_time);
    drop(shop);
    told(world, if grants { "grant_wish" } else { "refuse_wish" });
    announce(world, order_sn, status, update_time);
    good(json!({ "update_time": update_time }))
}

fn announce(world: &Arc<World>, order_sn: &str, status: &'static str, update_time: i64) {
    let (shared, order_sn) = (Arc::clone(world), order_sn.to_owned());
    world.job(async move { story::moved(&shared, &order_sn, status, update_time).await });
}

pub(super) fn stock(world: &World, call: &Call) -> Reply {
    let body = call.json();
    let item = body["item_id"].as_u64();
    let models = body["stock_list"].as_array();
    let (Some(item), Some(models)) = (item, models.filter(|list| (1..=50).contains(&list.len())))
    else {
        violation(world, "update_stock without an article or models");
        return error("error_param", "Wrong parameters, detail: stock_list.");
    };
    let (mut set, mut failed) = (Vec::new(), Vec::new());
    for model in models {
        let id = model["model_id"].as_u64().unwrap_or(0);
        match model["seller_stock"][0]["stock"].as_i64() {
            Some(units) if units >= 0 => {
                let before = held(&world.shopee).stock.insert((item, id), units);
                if before != Some(units) {
                    told(world, "stock");
                }
                set.push(json!({"model_id": id, "stock": units}));
            }
            _ => failed.push(json!({"model_id": id, "failed_reason": "stock is invalid"})),
        }
    }
    good(json!({"failure_list": failed, "success_list": set}))
}

/// The four calls of a label about one order.
pub(super) fn document(world: &World, call: &Call, step: &str) -> Reply {
    let body = call.json();
    let wanted = &body["order_list"][0];
    let order_sn = wanted["order_sn"].as_str().unwrap_or_default();
    let number = tracking(world, order_sn);
    let mut shop = held(&world.shopee);
    let order = match known(&mut shop, order_sn) {
        Ok(order) => order,
        Err(refusal) => return refusal,
    };
    let row = |row: Value| good(json!({ "result_list": [row] }));
    let failed = |word: &str| {
        row(
            json!({"order_sn": order_sn, "fail_error": format!("logistics.{word}"),
                   "fail_message": word}),
        )
    };
    match step {
        "get_shipping_document_parameter" => row(json!({"order_sn": order_sn,
            "suggest_shipping_document_type": "THERMAL_AIR_WAYBILL",
            "selectable_shipping_document_type": ["THERMAL_AIR_WAYBILL"]})),
        "create_shipping_document" if !order.numbered => failed("package_can_not_print"),
        "create_shipping_document" if wanted["tracking_number"] != *number => {
            failed("tracking_number_invalid")
        }
        "create_shipping_document" => {
            order.label_asked = order.label_asked.max(1);
            row(json!({ "order_sn": order_sn }))
        }
        _ if order.label_asked == 0 => failed("shipping_document_should_print_first"),
        "get_shipping_document_result" => {
            // It takes a moment: the first look finds it unfinished.
            order.label_asked += 1;
            let status = if order.label_asked > 2 {
                "READY"
            } else {
                "PROCESSING"
            };
            row(json!({"order_sn": order_sn, "status": status}))
        }
        _ if order.label_asked <= 2 => error(
            "logistics.download_later",
            "Processing, please download later.",
        ),
        _ => Reply::bytes(
            "application/octet-stream",
            format!("%PDF-1.4\n% {order_sn}\n%%EOF\n").into_bytes(),
        ),
    }
}
