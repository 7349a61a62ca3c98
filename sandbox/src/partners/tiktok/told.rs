//! What the vendor is told: each effect once. A second one is a broken rule, because a client that
//! is not sure can look first.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use super::{Call, Reply, TikTokShop, broken, error, good};
use crate::{
    storefront::tiktok::{self, Changed},
    world::{World, held},
};

fn booked(world: &World, what: &str) {
    let mut ledger = held(&world.ledger);
    *ledger
        .channel("tiktok")
        .told
        .entry(what.to_owned())
        .or_insert(0) += 1;
}

/// A parcel is handed to the vendor's carrier, or left with the shop's own.
pub(super) fn ship(world: &Arc<World>, call: &Call, parcel: &str) -> Reply {
    let body = call.json();
    let mut shop = held(&world.tiktok);
    let Some(order_id) = shop.order_of_parcel(parcel) else {
        return error(200, 21_011_028, "the package is not the shop's");
    };
    let order = shop.orders.get_mut(&order_id).expect("it was just found");
    let own = order.document["shipping_type"] == "SELLER";
    let number = body["self_shipment"]["tracking_number"].as_str();
    let provider = body["self_shipment"]["shipping_provider_id"].as_str();
    if matches!(order.status(), "UNPAID" | "ON_HOLD" | "CANCELLED") {
        drop(shop);
        let what = "a parcel of an order that must not be shipped";
        return broken(world, what, 21_011_003, "order status");
    }
    if own && (number.is_none_or(str::is_empty) || provider.is_none_or(str::is_empty)) {
        return error(200, 21_011_022, "tracking number or provider");
    }
    let number = match number {
        Some(number) if own => number.to_owned(),
        _ => super::parcel_number(parcel),
    };
    let mut open = 0;
    let mut repeated = false;
    for unit in order.units_mut() {
        if unit["package_id"] == *parcel {
            repeated |= unit["package_status"] != "TO_FULFILL";
            unit["package_status"] = json!(if own { "FULFILLING" } else { "PROCESSING" });
            unit["tracking_number"] = json!(number);
            unit["shipping_provider_name"] = json!("J&T Express");
        }
        open += usize::from(unit["package_status"] == "TO_FULFILL");
    }
    if repeated {
        drop(shop);
        return broken(world, "a parcel was shipped twice", 21_011_001, "shipped");
    }
    let status = match (open, own) {
        (0, true) => "IN_TRANSIT",
        (0, false) => "AWAITING_COLLECTION",
        _ => "PARTIALLY_SHIPPING",
    };
    order.document["status"] = json!(status);
    order.touched();
    let at = order.update_time();
    drop(shop);
    booked(world, "shipped");
    tiktok::tell(world, &order_id, Changed::Status(status), at);
    tiktok::tell(world, &order_id, Changed::Parcel(parcel.to_owned()), at);
    good(json!({}))
}

/// A parcel becomes several; together they must hold what it held.
pub(super) fn split(world: &Arc<World>, call: &Call, order_id: &str) -> Reply {
    let body = call.json();
    let groups: Vec<Vec<String>> = body["splittable_groups"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|group| strings(&group["order_line_item_ids"]))
        .collect();
    let mut shop = held(&world.tiktok);
    let parcels: Vec<String> = groups.iter().map(|_| shop.next_parcel()).collect();
    let Some(order) = shop.orders.get_mut(order_id) else {
        return error(200, 21_008_111, "the order is not owned by the seller");
    };
    let named: BTreeSet<&str> = groups.iter().flatten().map(String::as_str).collect();
    let of: BTreeSet<String> = order
        .units()
        .filter(|unit| named.contains(unit["id"].as_str().unwrap_or_default()))
        .map(|unit| unit["package_id"].to_string())
        .collect();
    let whole = order
        .units()
        .filter(|unit| of.contains(&unit["package_id"].to_string()))
        .count();
    let fits = groups.len() > 1
        && groups.iter().all(|group| !group.is_empty())
        && named.len() == groups.iter().map(Vec::len).sum::<usize>()
        && of.len() == 1
        && whole == named.len()
        && order
            .units()
            .filter(|unit| of.contains(&unit["package_id"].to_string()))
            .all(|unit| unit["package_status"] == "TO_FULFILL");
    if !fits {
        drop(shop);
        return broken(world, "a split that does not fit", 21_011_020, "groups");
    }
    for unit in order.units_mut() {
        let id = unit["id"].as_str().unwrap_or_default().to_owned();
        if let Some(place) = groups.iter().position(|group| group.contains(&id)) {
            unit["package_id"] = json!(parcels[place]);
        }
    }
    let rows: Vec<Value> = parcels.iter().map(|id| json!({ "id": id })).collect();
    order.document["packages"] = json!(rows);
    order.document["split_or_combine_tag"] = json!("SPLIT");
    order.touched();
    let at = order.update_time();
    drop(shop);
    booked(world, "split");
    tiktok::tell(world, order_id, Changed::Parcel(parcels[0].clone()), at);
    good(json!({ "packages": rows }))
}

/// The shop's own fleet reports.
pub(super) fn deliver(world: &Arc<World>, call: &Call) -> Reply {
    let body = call.json();
    let report = &body["packages"][0];
    let parcel = report["id"].as_str().unwrap_or_default().to_owned();
    let failed = report["delivery_type"] == "DELIVERY_FAILED";
    if failed && !report["fail_delivery_reason"].is_string() {
        return broken(
            world,
            "a failed delivery without a reason",
            36_009_004,
            "reason",
        );
    }
    let mut shop = held(&world.tiktok);
    let order_id = shop.order_of_parcel(&parcel);
    let order = order_id.as_ref().and_then(|id| shop.orders.get_mut(id));
    let code = match &order {
        None => Some(21_011_028),
        Some(order) if order.document["shipping_type"] != "SELLER" => Some(10_007_014),
        Some(order) if order.status() != "IN_TRANSIT" => Some(21_011_030),
        Some(_) => None,
    };
    let (Some(order), Some(order_id), None) = (order, order_id, code) else {
        return good(json!({"errors": [{"code": code, "message": "not taken",
            "detail": {"package_id": parcel}}]}));
    };
    let status = if failed { "CANCELLED" } else { "DELIVERED" };
    order.moved(status);
    let at = order.update_time();
    drop(shop);
    booked(
        world,
        if failed {
            "delivery_failed"
        } else {
            "delivered"
        },
    );
    tiktok::tell(world, &order_id, Changed::Status(status), at);
    good(json!({"errors": []}))
}

/// The seller calls an order off.
pub(super) fn cancel(world: &Arc<World>, call: &Call) -> Reply {
    let body = call.json();
    let order_id = body["order_id"].as_str().unwrap_or_default().to_owned();
    let reason = body["cancel_reason"].as_str().unwrap_or_default();
    let mut shop = held(&world.tiktok);
    let Some(order) = shop.orders.get_mut(&order_id) else {
        return error(200, 25_020_005, "no permission");
    };
    let unpaid = [
        "seller_cancel_unpaid_reason_out_of_stock",
        "seller_cancel_unpaid_reason_wrong_price",
        "seller_cancel_unpaid_reason_buyer_hasnt_paid_within_time_allowed",
    ];
    let later = [
        "seller_cancel_reason_out_of_stock",
        "seller_cancel_reason_wrong_price",
    ];
    let (status, fits) = match order.status() {
        "CANCELLED" => return error(200, 25_001_011, "already cancelled"),
        "IN_TRANSIT" | "DELIVERED" | "COMPLETED" => {
            return error(200, 25_001_045, "shipped");
        }
        "UNPAID" => ("UNPAID", unpaid.contains(&reason)),
        _ => ("paid", later.contains(&reason)),
    };
    if !fits {
        drop(shop);
        let what = format!("the reason to cancel is none for an order that is {status}");
        return broken(world, &what, 25_001_021, "Reason not match order status");
    }
    order.document["cancellation_initiator"] = json!("SELLER");
    order.document["cancel_reason"] = json!(reason);
    order.moved("CANCELLED");
    let at = order.update_time();
    drop(shop);
    booked(world, "cancelled");
    tiktok::tell(world, &order_id, Changed::Status("CANCEL"), at);
    good(json!({"cancel_id": "4035400000000000001",
                "cancel_status": "CANCELLATION_REQUEST_SUCCESS"}))
}

/// The seller answers a buyer's wish to cancel.
pub(super) fn decide(world: &Arc<World>, call: &Call, id: &str, decision: &str) -> Reply {
    let key = call.parameter("idempotency_key").to_owned();
    if key.is_empty() || key.len() > 255 {
        return broken(
            world,
            "an answer without an idempotency key",
            25_001_001,
            "key",
        );
    }
    let mut shop = held(&world.tiktok);
    let essence = format!("{id} {decision}");
    match shop.keys.get(&key) {
        Some(known) if *known == essence => return good(json!({})),
        Some(_) => {
            drop(shop);
            let what = "one idempotency key for two answers";
            return broken(world, what, 25_001_001, "key");
        }
        None => {}
    }
    let TikTokShop { orders, wishes, .. } = &mut *shop;
    let Some(wish) = wishes.get_mut(id) else {
        return error(200, 25_007_006, "no such request");
    };
    let grant = match decision {
        "approve" => true,
        "reject" if call.json()["reject_reason"].is_string() => false,
        _ => return error(200, 25_001_001, "decision"),
    };
    if wish.status != "CANCELLATION_REQUEST_PENDING" {
        let code = if grant { 25_011_012 } else { 25_011_011 };
        return error(200, code, "the request waits for nobody");
    }
    let Some(order) = orders.get_mut(&wish.order_id) else {
        return error(200, 25_007_006, "no such order");
    };
    wish.status = if grant {
        "CANCELLATION_REQUEST_SUCCESS"
    } else {
        "CANCELLATION_REQUEST_CANCELLED"
    };
    order.document["is_buyer_request_cancel"] = json!(false);
    if grant {
        order.document["cancellation_initiator"] = json!("BUYER");
        order.document["cancel_reason"] = json!("No longer needed");
        order.moved("CANCELLED");
    } else {
        order.touched();
    }
    let (order_id, at) = (wish.order_id.clone(), order.update_time());
    let changed = Changed::Cancellation {
        id: id.to_owned(),
        status: wish.status,
    };
    shop.keys.insert(key, essence);
    drop(shop);
    booked(
        world,
        if grant {
            "cancel_granted"
        } else {
            "cancel_rejected"
        },
    );
    tiktok::tell(world, &order_id, changed, at);
    good(json!({}))
}

/// What is on sale; absolute, so a repeat is harmless.
pub(super) fn stock(world: &World, call: &Call, product: &str) -> Reply {
    let body = call.json();
    let mut shop = held(&world.tiktok);
    for sku in body["skus"].as_array().into_iter().flatten() {
        let quantity = sku["inventory"][0]["quantity"].as_i64();
        let (Some(id), Some(quantity)) = (sku["id"].as_str(), quantity) else {
            drop(shop);
            return broken(
                world,
                "a stock level without SKU or quantity",
                12_019_024,
                "stock",
            );
        };
        let place = (product.to_owned(), id.to_owned());
        shop.stock.insert(place, quantity.max(0));
    }
    drop(shop);
    booked(world, "stock");
    good(json!({"errors": []}))
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}
