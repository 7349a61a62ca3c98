//! Packing, handing over and labels, with the platform's double wrapping: an answer that went well
//! may hold rows that did not.

use std::{collections::BTreeSet, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Parameters, Reply, error, parameter, told, violation};
use crate::{
    storefront,
    world::{World, held},
};

/// Orders or parcels of one call.
const MOST: usize = 20;

fn result(data: Value) -> Reply {
    Reply::json(
        200,
        json!({"code": "0", "request_id": "sandbox",
               "result": {"data": data, "success": true, "error_code": "", "error_msg": ""}}),
    )
}

fn failed(code: &str, message: &str) -> Reply {
    Reply::json(
        200,
        json!({"code": "0", "request_id": "sandbox",
               "result": {"success": false, "error_code": code, "error_msg": message}}),
    )
}

fn wanted(parameters: &Parameters, name: &str) -> Value {
    serde_json::from_str(parameter(parameters, name)).unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// An id, which callers write as number or text.
pub(super) fn id(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

pub(super) fn pack(world: &Arc<World>, parameters: &Parameters) -> Reply {
    let request = wanted(parameters, "packReq");
    let orders = list(&request, "pack_order_list");
    let is_complete = request["delivery_type"] == "dropship"
        && request["shipping_allocate_type"] == "TFS"
        && (1..=MOST).contains(&orders.len());
    if !is_complete {
        violation(world, "packReq is not of the vendor's form".to_owned());
        return failed("700004", "param illegal");
    }
    let mut answered = Vec::new();
    for order in orders {
        let Some(order_id) = id(&order["order_id"]) else {
            return failed("700017", "param can't be null");
        };
        let rows: Vec<Value> = pack_order(world, order_id, list(order, "order_item_list"));
        if rows.iter().any(|row| row["item_err_code"] == "0") {
            told(world, "pack");
            storefront::lazada::announce(world, order_id);
        }
        answered.push(json!({"order_id": order_id, "order_item_list": rows}));
    }
    result(json!({ "pack_order_list": answered }))
}

fn pack_order(world: &World, order_id: u64, items: &[Value]) -> Vec<Value> {
    let mut shop = held(&world.lazada);
    let (package, number) = shop.next_parcel();
    let items: Vec<u64> = items.iter().filter_map(id).collect();
    let mut rows = Vec::new();
    let Some(order) = shop.orders.get_mut(&order_id) else {
        return items.iter().map(|item| bad_row(*item, "700021")).collect();
    };
    let mut fit = BTreeSet::new();
    for item in items {
        let unit = order
            .units
            .iter()
            .find(|unit| id(&unit["order_item_id"]) == Some(item));
        let Some(unit) = unit else {
            rows.push(bad_row(item, "700025"));
            continue;
        };
        match unit["status"].as_str() {
            Some("pending" | "repacked") => {
                fit.insert(item);
                rows.push(
                    json!({"order_item_id": item, "item_err_code": "0", "msg": "success",
                    "package_id": package, "tracking_number": number,
                    "shipment_provider": "LEX VN", "retry": false}),
                );
            }
            Some("canceled" | "unpaid") => rows.push(bad_row(item, "700026")),
            _ => {
                violation(world, format!("unit {item} was packed twice"));
                rows.push(bad_row(item, "700026"));
            }
        }
    }
    if !fit.is_empty() {
        order.change(
            |unit| id(&unit["order_item_id"]).is_some_and(|item| fit.contains(&item)),
            |unit| {
                unit["status"] = json!("packed");
                unit["package_id"] = json!(package);
                unit["tracking_code"] = json!(number);
                unit["shipment_provider"] = json!("LEX VN");
            },
        );
    }
    rows
}

fn bad_row(item: u64, code: &str) -> Value {
    json!({"order_item_id": item, "item_err_code": code, "retry": false,
           "msg": "item current status not allow to pack"})
}

pub(super) fn ready_to_ship(world: &Arc<World>, parameters: &Parameters) -> Reply {
    let request = wanted(parameters, "readyToShipReq");
    let packages = list(&request, "packages");
    if !(1..=MOST).contains(&packages.len()) {
        violation(
            world,
            "readyToShipReq is not of the vendor's form".to_owned(),
        );
        return failed("700018", "param size not match");
    }
    let rows: Vec<Value> = packages
        .iter()
        .map(|package| {
            let package = package["package_id"].as_str().unwrap_or_default();
            let code = hand_over(world, package);
            json!({"package_id": package, "item_err_code": code, "retry": false,
                   "msg": if code == "0" { "success" } else { "package status" }})
        })
        .collect();
    result(json!({ "packages": rows }))
}

fn hand_over(world: &Arc<World>, package: &str) -> &'static str {
    let mut shop = held(&world.lazada);
    let in_it = |unit: &Value| unit["package_id"] == package;
    let found = shop
        .orders
        .iter_mut()
        .find(|(_, order)| order.units.iter().any(in_it));
    let Some((order_id, order)) = found else {
        return "600001";
    };
    let order_id = *order_id;
    let statuses: Vec<&Value> = order
        .units
        .iter()
        .filter(|unit| in_it(unit))
        .map(|unit| &unit["status"])
        .collect();
    if statuses.iter().all(|status| **status == "canceled") {
        return "600002";
    }
    if !statuses.iter().any(|status| **status == "packed") {
        drop(shop);
        violation(world, format!("parcel {package} was handed over twice"));
        return "700000";
    }
    order.change(
        |unit| in_it(unit) && unit["status"] == "packed",
        |unit| unit["status"] = json!("ready_to_ship"),
    );
    drop(shop);
    told(world, "ready_to_ship");
    storefront::lazada::announce(world, order_id);
    "0"
}

pub(super) fn document(world: &World, parameters: &Parameters) -> Reply {
    let request = wanted(parameters, "getDocumentReq");
    let packages = list(&request, "packages");
    if request["doc_type"] != "PDF" || packages.is_empty() {
        violation(
            world,
            "getDocumentReq is not of the vendor's form".to_owned(),
        );
        return error("MissingParameter", "ISV", "getDocumentReq");
    }
    let shop = held(&world.lazada);
    let is_known = |package: &Value| {
        let mut units = shop.orders.values().flat_map(|order| &order.units);
        units.any(|unit| unit["package_id"] == package["package_id"])
    };
    if !packages.iter().all(is_known) {
        return failed("600001", "package not found");
    }
    let names: Vec<&str> = packages
        .iter()
        .filter_map(|package| package["package_id"].as_str())
        .collect();
    let page = format!("%PDF-1.4\n% labels of {}\n", names.join(", "));
    result(json!({"doc_type": "PDF", "file": STANDARD.encode(page)}))
}
