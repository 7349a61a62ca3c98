//! The files that ship in `config/` are valid, tested by themselves, and leave no product behind.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::written::{LocationsFile, RoutingFile};
use super::*;

const LOCATIONS: &str = include_str!("../../../config/locations.toml");
const ROUTING: &str = include_str!("../../../config/routing.toml");
const CATALOG: &str = include_str!("../../../config/catalog.toml");

fn targets() -> BTreeMap<String, String> {
    let kinds = [
        ("hub-wms", "inventory"),
        ("store-pos", "inventory"),
        ("technical-south", "service_center"),
        ("technical-north", "service_center"),
        ("technical-central", "service_center"),
    ];
    kinds
        .into_iter()
        .map(|(id, kind)| (id.to_owned(), kind.to_owned()))
        .collect()
}

fn locations() -> Locations {
    Locations::parse(LOCATIONS, "config/locations.toml", &targets()).unwrap()
}

fn products() -> Vec<toml::Table> {
    let catalog: toml::Table = toml::from_str(CATALOG).unwrap();
    let products = catalog["product"].as_array().unwrap();
    products
        .iter()
        .map(|product| product.as_table().unwrap().clone())
        .collect()
}

fn rules(locations: &Locations) -> RuleSet {
    let categories: BTreeSet<String> = products()
        .iter()
        .map(|product| product["category"].as_str().unwrap().to_owned())
        .collect();
    let context = Context {
        targets: targets(),
        categories,
        ..Context::new(locations)
    };
    RuleSet::parse(ROUTING, "config/routing.toml", &context).unwrap()
}

#[test]
fn the_shipped_rules_are_valid_and_their_tests_hold() {
    let locations = locations();
    let rules = rules(&locations);
    let failures: Vec<String> = rules
        .run_tests(&locations)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(rules.test_count() >= 10);
}

#[test]
fn the_shipped_files_have_the_shape_that_the_schemas_describe() {
    toml::from_str::<RoutingFile>(ROUTING).unwrap();
    toml::from_str::<LocationsFile>(LOCATIONS).unwrap();
}

#[test]
fn invoice_series_of_locations_differ_in_their_last_two_letters() {
    let locations = locations();
    let endings: BTreeSet<&str> = locations
        .iter()
        .map(|location| &location.invoice_series.as_deref().unwrap()[5..])
        .collect();
    assert_eq!((endings.len(), locations.len()), (15, 15));
}

#[test]
fn every_product_of_the_catalog_leaves_for_every_province_at_any_hour() {
    let locations = locations();
    let rules = rules(&locations);
    let products = products();
    let catalog: toml::Table = toml::from_str(CATALOG).unwrap();
    let mut stock = StockTable::new();
    for count in catalog["stock"].as_array().unwrap() {
        let location = locations.get(count["location"].as_str().unwrap()).unwrap();
        let on_hand = count["on_hand"].as_integer().unwrap();
        stock.set_counters(location, count["sku"].as_str().unwrap(), on_hand, 0);
    }
    let moments: [Timestamp; 2] = [
        "2026-11-24T03:00:00Z".parse().unwrap(),
        "2026-11-24T17:30:00Z".parse().unwrap(),
    ];
    let provinces = region::codes().map(Some).chain([None]);
    for province in provinces {
        for product in &products {
            let text = |key: &str| product[key].as_str().unwrap().to_owned();
            let kit = product
                .get("components")
                .and_then(toml::Value::as_array)
                .cloned()
                .unwrap_or_default();
            let price = product["price"].as_integer().unwrap();
            for now in moments {
                let order = RoutingOrder {
                    channel: "web".to_owned(),
                    connector: "website".to_owned(),
                    province: province.map(str::to_owned),
                    legacy_province: None,
                    ward: None,
                    legacy_ward: None,
                    region: None,
                    position: None,
                    total: price,
                    cod: price,
                    payment_method: "cod".to_owned(),
                    tags: Vec::new(),
                    customer_group: None,
                    placed_at: now,
                    promised_by: None,
                    fulfilled_by: FulfilledBy::Us,
                    fixed_location: None,
                    lines: vec![RoutingLine {
                        id: "1".to_owned(),
                        sku: text("sku"),
                        category: Some(text("category")),
                        brand: Some(text("brand")),
                        tags: Vec::new(),
                        quantity: 1,
                        unit_price: price,
                        gift_of: None,
                        bundle: None,
                        kit: kit
                            .iter()
                            .map(|part| (part["sku"].as_str().unwrap().to_owned(), 1))
                            .collect(),
                    }],
                    excluded: Vec::new(),
                    round: 0,
                };
                let decision = decide(&order, &rules, &locations, &stock, now);
                assert_eq!(
                    decision.outcome.as_str(),
                    "allocated",
                    "{} to {province:?}",
                    text("sku")
                );
            }
        }
    }
}
