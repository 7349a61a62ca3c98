//! What the vendor answers to questions.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Call, Reply, broken, error, good};
use crate::world::{World, held};

/// The number from `page_size`; 0 where it is none.
fn page_size(call: &Call) -> usize {
    call.parameter("page_size").parse().unwrap_or(0)
}

pub(super) fn detail(world: &World, call: &Call) -> Reply {
    let ids: Vec<&str> = call
        .parameter("ids")
        .split(',')
        .filter(|id| !id.is_empty())
        .collect();
    if !(1..=50).contains(&ids.len()) {
        return broken(world, "ids of no or too many orders", 36_009_004, "ids");
    }
    let shop = held(&world.tiktok);
    let orders: Vec<Value> = ids
        .iter()
        .filter_map(|id| shop.orders.get(*id))
        .map(super::ShopOrder::shown)
        .collect();
    good(json!({ "orders": orders }))
}

pub(super) fn price_detail(world: &World, id: &str) -> Reply {
    let shop = held(&world.tiktok);
    let Some(order) = shop.orders.get(id) else {
        return error(200, 21_008_111, "the order is not owned by the seller");
    };
    let payment = &order.document["payment"];
    good(json!({
        "currency": "VND", "total": payment["original_total_product_price"],
        "payment": payment["total_amount"], "sku_list_price": payment["original_total_product_price"],
        "sku_sale_price": payment["sub_total"], "subtotal": payment["sub_total"],
        "subtotal_deduction_seller": payment["seller_discount"],
        "subtotal_deduction_platform": payment["platform_discount"],
        "subtotal_tax_amount": "0", "voucher_deduction_seller": "", "voucher_deduction_platform": "",
        "shipping_list_price": payment["original_shipping_fee"],
        "shipping_sale_price": payment["shipping_fee"], "tax_amount": "0", "tax_rate": "0",
        "cod_fee": "0.00", "line_items": [],
    }))
}

/// Whole orders of a half-open window of update times, oldest first.
pub(super) fn search(world: &World, call: &Call) -> Reply {
    let size = page_size(call);
    if !(1..=100).contains(&size) {
        return broken(world, "page_size is not 1 to 100", 36_009_004, "page_size");
    }
    if call.parameter("sort_field") != "update_time" || call.parameter("sort_order") != "ASC" {
        return broken(
            world,
            "a search that is not sorted by update time",
            36_009_004,
            "sort",
        );
    }
    let body = call.json();
    let (Some(from), Some(to)) = (
        body["update_time_ge"].as_i64(),
        body["update_time_lt"].as_i64(),
    ) else {
        return broken(world, "a search without a window", 36_009_004, "window");
    };
    let token = call.parameter("page_token");
    let skip = match token.strip_prefix("p.") {
        Some(number) => number.parse().unwrap_or(0),
        None if token.is_empty() => 0,
        None => return error(200, 21_001_001, "Invalid page_token"),
    };
    let shop = held(&world.tiktok);
    let mut found: Vec<&super::ShopOrder> = shop
        .orders
        .values()
        .filter(|order| !order.bait && (from..to).contains(&order.update_time()))
        .collect();
    found.sort_by_key(|order| (order.update_time(), order.document["id"].to_string()));
    let page: Vec<Value> = found
        .iter()
        .skip(skip)
        .take(size)
        .map(|order| order.shown())
        .collect();
    let next = skip + page.len();
    let token = if next < found.len() {
        format!("p.{next}")
    } else {
        String::new()
    };
    good(json!({"next_page_token": token, "total_count": found.len(), "orders": page}))
}

/// Nobody returns anything here.
pub(super) fn returns(world: &World, call: &Call) -> Reply {
    if !(10..=50).contains(&page_size(call)) || !call.json()["order_ids"].is_array() {
        let what = "a search for returns without orders or with a wrong page";
        return broken(world, what, 36_009_004, "page_size");
    }
    good(json!({"next_page_token": "", "total_count": 0, "return_orders": []}))
}

pub(super) fn cancellations(world: &World, call: &Call) -> Reply {
    if !(1..=50).contains(&page_size(call)) {
        let what = "a search for cancellations with a wrong page";
        return broken(world, what, 36_009_004, "page_size");
    }
    let body = call.json();
    let orders = body["order_ids"].as_array().cloned().unwrap_or_default();
    let shop = held(&world.tiktok);
    let found: Vec<Value> = shop
        .wishes
        .iter()
        .filter(|(_, wish)| orders.contains(&json!(wish.order_id)))
        .map(|(id, wish)| {
            json!({"cancel_id": id, "order_id": wish.order_id, "cancel_type": "BUYER_CANCEL",
                   "role": "BUYER", "cancel_status": wish.status, "create_time": wish.created,
                   "update_time": wish.created})
        })
        .collect();
    good(json!({"next_page_token": "", "total_count": found.len(), "cancellations": found}))
}

pub(super) fn reject_reasons(world: &World, call: &Call) -> Reply {
    let id = call.parameter("return_or_cancel_id");
    if !held(&world.tiktok).wishes.contains_key(id) {
        return error(200, 25_007_006, "no such request");
    }
    good(json!({"reasons": [
        {"name": "seller_reject_apply_buyer_request", "text": "Người mua đổi ý"},
        {"name": "seller_reject_apply_product_has_been_packed", "text": "Đã đóng gói"},
    ]}))
}

pub(super) fn package(world: &World, id: &str) -> Reply {
    let shop = held(&world.tiktok);
    let Some(order) = shop.order_of_parcel(id).and_then(|o| shop.orders.get(&o)) else {
        return error(200, 21_011_028, "the package is not the shop's");
    };
    let units: Vec<&Value> = order
        .units()
        .filter(|unit| unit["package_id"] == *id)
        .collect();
    let first = units[0];
    good(json!({
        "package_id": id, "package_status": first["package_status"],
        "tracking_number": first["tracking_number"],
        "shipping_provider_name": first["shipping_provider_name"],
        "shipping_type": order.document["shipping_type"],
        "order_line_item_ids": units.iter().map(|unit| &unit["id"]).collect::<Vec<_>>(),
        "orders": [{"id": order.document["id"]}],
    }))
}

pub(super) fn providers() -> Reply {
    good(json!({"shipping_providers": [
        {"id": "7110000000000000001", "name": "J&T Express"},
        {"id": "7110000000000000007", "name": "Giao Hàng Nhanh"},
    ]}))
}

/// A label exists once the parcel is arranged; its address is no call of the API.
pub(super) fn shipping_document(world: &Arc<World>, call: &Call, id: &str) -> Reply {
    if call.parameter("document_type") != "SHIPPING_LABEL" {
        return broken(
            world,
            "a document that is no label",
            36_009_004,
            "document_type",
        );
    }
    let mut shop = held(&world.tiktok);
    let Some(order) = shop.order_of_parcel(id).and_then(|o| shop.orders.get(&o)) else {
        return error(200, 21_011_028, "the package is not the shop's");
    };
    let unit = order
        .units()
        .find(|unit| unit["package_id"] == *id)
        .cloned()
        .unwrap_or_default();
    if order.document["shipping_type"] == "SELLER" {
        return error(200, 11_034_002, "Seller Shipping");
    }
    match unit["package_status"].as_str() {
        Some("TO_FULFILL") => error(200, 21_023_035, "not arranged"),
        Some("PROCESSING") => {
            shop.labels.insert(id.to_owned());
            let host = call.header("host");
            good(json!({
                "doc_url": format!("http://{host}/labels/{id}.pdf"),
                "tracking_number": unit["tracking_number"],
            }))
        }
        _ => error(200, 21_042_102, "picked up"),
    }
}

/// The store of labels: another service, which must see neither token nor signature.
pub(super) fn label(world: &World, call: &Call) -> Reply {
    if !call.header("x-tts-access-token").is_empty() || !call.parameter("sign").is_empty() {
        let what = "the store of labels saw the token or a signature";
        return broken(world, what, 403, "no");
    }
    let id = call.path.trim_start_matches("/labels/");
    let id = id.trim_end_matches(".pdf");
    if !held(&world.tiktok).labels.contains(id) {
        return Reply::empty(404);
    }
    Reply::bytes(
        "application/pdf",
        b"%PDF-1.4\n%sandbox label\n%%EOF\n".to_vec(),
    )
}
