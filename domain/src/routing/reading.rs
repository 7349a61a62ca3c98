//! How mistakes in the files are told: all at once, each with its place.

use std::collections::{BTreeMap, BTreeSet};

use super::written::{LocationsFile, RoutingFile, locations_schema, routing_schema};
use super::*;

const LOCATIONS: &str = r#"
[locations.hub-hcm]
kind = "hub"
name = "Hub"
target = "hub-wms"
province = "79"
hours = "08:00-21:00"
services = ["installation"]
tags = ["flagship"]

[locations.store-q1]
kind = "store"
name = "Store"
target = "hub-wms"
province = "79"
hours = "08:00-21:00"
"#;

fn words(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn locations() -> Locations {
    Locations::parse(LOCATIONS, "locations.toml", &BTreeMap::new()).unwrap()
}

fn context(locations: &Locations) -> Context<'_> {
    Context {
        locations,
        targets: words(&[
            ("hub-wms", "inventory"),
            ("technical-south", "service_center"),
            ("einvoice", "invoicing"),
            ("zalo", "notify"),
            ("ghn", "carrier"),
        ]),
        channels: words(&[("web", "website"), ("shopee-vn", "shopee")]),
        categories: BTreeSet::from(["tv".to_owned(), "phone".to_owned()]),
    }
}

fn problems_of(text: &str) -> String {
    let locations = locations();
    let problems = RuleSet::parse(text, "routing.toml", &context(&locations)).unwrap_err();
    problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect()
}

#[test]
fn all_mistakes_of_a_rule_file_are_told_at_once_with_their_places() {
    insta::assert_snapshot!(problems_of(
        r#"version = 2
max_round = 3

[default]
name = "rest"
  [[default.source]]
  from = { kind = "hbu" }
  sort = ["distnace", "load", "load"]
  [default.otherwise]
  action = "next_rule"

[[rule]]
name = "first"
when = { chanel = "web", province = ["7", "77", "old:99"], any_line = { category = "tvs" } }
legs = { invoice = "on_delivry", installation = "technical-sout", warranty = "on_installation", carrier = { target = "einvoice" }, notify = 3 }
  [[rule.source]]
  from = { location = "hub-hmc", service = "instalation", within_km = 0 }
  split = { max_parcels = 1 }

[[rule]]
name = "first"
when = { region = "north", province = "79", total = { min = 5, max = 4 }, channel = "web", connector = "shopee", weekday = "someday" }
hold = "h"

[[rule]]
name = "neither"
when = {}

[[test]]
name = "t"
order = { channel = "webb", lines = [{ sku = "X", quantity = 0 }] }
stock = [{ location = "nowhere", sku = "X", on_hand = 1 }]
expect = { rule = "frist", leg = "invoice", outcome = "holds" }
"#
    ));
}

#[test]
fn a_syntax_error_does_not_hide_the_mistakes_around_it() {
    insta::assert_snapshot!(problems_of(
        "version = 1\nmax_rounds = \n[default]\nname = \"rest\"\nholt = \"h\"\n"
    ));
}

#[test]
fn all_mistakes_of_a_location_file_are_told_at_once_with_their_places() {
    let text = r#"
[locations.Hub_1]
kind = "warehouse"
name = ""
target = "hub-wsm"
province = "77"
position = { lat = 106.7, lon = 10.8 }
hours = "21:00-08:00"
cutoff = "16:00"
invoice_series = "1C26MA"

[locations.store-1]
kind = "store"
name = "Store"
target = "einvoice"
province = "79"
hours = "08:00-21:00"
cut_off = "22:00"
closed_on = ["sonday"]
closed_dates = "2027-02-30"
daily_capacity = 0
invoice_series = "1C26MAA"

[locations.store-2]
name = "Store"
target = "hub-wms"
province = "79"
hours = "08:00-21:00"
invoice_series = "1C26MAA"
"#;
    let targets = words(&[("hub-wms", "inventory"), ("einvoice", "invoicing")]);
    let problems = Locations::parse(text, "locations.toml", &targets).unwrap_err();
    insta::assert_snapshot!(
        problems
            .iter()
            .map(|problem| format!("{problem}\n"))
            .collect::<String>()
    );
}

/// Every key of the language once.
const EVERYTHING: &str = r#"
version = 1
author = "an"
active_from = 2026-12-01T00:00:00+07:00
max_rounds = 4
[default]
name = "rest"
hold = "h"
tag = "t"
[[rule]]
name = "all conditions"
keep_together = ["bundle", "gift", "order"]
tag = ["a", "b"]
priority = -3
gift = [{ sku = "G", quantity = 2 }]
transfer_to_store = true
[rule.legs]
invoice = { target = "einvoice", when = "on_shipment" }
installation = { target = "technical-south", when = "on_delivery" }
warranty = "on_installation"
carrier = "ghn"
notify = { target = "zalo", when = "on_allocation" }
[rule.when]
channel = ["web"]
connector = "website"
province = ["79", "old:77"]
region = ["south"]
ward = ["26734", "old:26734"]
total = { min = 1 }
quantity = { max = 9 }
payment_method = ["cod", "bank_transfer"]
cod = { min = 1, max = 2 }
any_line = { category = "tv", brand = ["Sony"], sku = "TV-1", sku_prefix = "TV-", tag = "new" }
all_lines = { category = ["tv", "phone"] }
customer_group = "gold"
tag = "vip"
placed_at = { from = "2026-11-01T00:00:00", to = "2026-12-01T00:00:00+07:00", time = "22:00-06:00" }
weekday = ["monday"]
promised_by = { within_hours = 24, time = "08:00-12:00" }
fulfilled_by = "us"
not = { tag = "x" }
any = [{ tag = "y" }, { tag = "z" }]
all = [{ tag = "y" }]
[[rule.source]]
from = { kind = ["hub"], region = "same", province = "same", location = "hub-hcm", service = "installation", tag = "flagship", within_km = 15, open_now = true }
sort = ["promise", "parcels", "same_province", "same_region", "hub_rank", "distance", "load", "stock_depth", "cost", "priority"]
keep_back = 1
late_ok = true
split = { max_parcels = 2, min_value = 500_000 }
[rule.otherwise]
hold = "needs-a-person"
[[rule]]
name = "short forms"
when = { any = [{ tag = "a" }] }
legs = { invoice = "none", installation = false, warranty = true }
source = { from = { region = ["north", "south"], province = ["79"] } }
otherwise = "next_rule"
[[test]]
name = "t"
at = 2026-11-24T10:00:00
stock = [{ location = "hub-hcm", sku = "TV-1", on_hand = 1 }]
expect = { rule = "rest", outcome = "hold", reason = "h", locations = [], parcels = 0, legs = "invoice", tags = ["t"] }
[test.order]
channel = "web"
connector = "website"
province = "79"
ward = "26734"
position = { lat = 10.8, lon = 106 }
total = 1
cod = 1
payment_method = "cod"
tags = ["q"]
customer_group = "gold"
placed_at = "2026-11-24T10:00:00"
promised_by = "2026-11-25T10:00:00"
fulfilled_by = "us"
fixed_location = "hub-hcm"
excluded = "hub-hcm"
round = 1
lines = [{ id = "1", sku = "TV-1", category = "tv", brand = "Sony", tags = "new", quantity = 1, unit_price = 1, gift_of = "2", bundle = "b", kit = [{ sku = "P", quantity = 1 }] }]
"#;

#[test]
fn every_key_of_the_language_is_read_and_stands_in_the_schema() {
    let locations = locations();
    let rules = RuleSet::parse(EVERYTHING, "routing.toml", &context(&locations)).unwrap();
    assert_eq!(rules.run_tests(&locations), []);
    let written: RoutingFile = toml::from_str(EVERYTHING).unwrap();
    assert_eq!(written.rule.len(), 2);
    toml::from_str::<LocationsFile>(LOCATIONS).unwrap();

    // And the other way: what the schema names must be a key that the reader asks for.
    let known = keys_of(&routing_schema())
        .union(&keys_of(&locations_schema()))
        .cloned()
        .collect::<BTreeSet<_>>();
    let sources = concat!(
        include_str!("rules_file.rs"),
        include_str!("rules_file_legs.rs"),
        include_str!("rules_file_when.rs"),
        include_str!("rules_file_tests.rs"),
        include_str!("locations_file.rs"),
    );
    let unread: Vec<&String> = known
        .iter()
        .filter(|key| !sources.contains(&format!("\"{key}\"")))
        .collect();
    assert!(unread.is_empty(), "{unread:?}");
}

/// All property names anywhere in a schema.
fn keys_of(schema: &schemars::Schema) -> BTreeSet<String> {
    fn walk(value: &serde_json::Value, found: &mut BTreeSet<String>) {
        if let Some(properties) = value
            .get("properties")
            .and_then(serde_json::Value::as_object)
        {
            found.extend(properties.keys().cloned());
        }
        match value {
            serde_json::Value::Object(inner) => inner.values().for_each(|value| walk(value, found)),
            serde_json::Value::Array(inner) => inner.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    walk(schema.as_value(), &mut found);
    found
}

#[test]
fn both_spellings_of_otherwise_mean_the_same() {
    let locations = locations();
    let read = |otherwise: &str| {
        let text = format!(
            "version = 1\n[default]\nname = \"d\"\nsource = {{ from = {{}} }}\notherwise = {otherwise}\n"
        );
        let rules = RuleSet::parse(&text, "routing.toml", &context(&locations)).unwrap();
        rules.rules()[0].otherwise.clone()
    };
    let long = read(r#"{ action = "backorder", reason = "on-its-way" }"#);
    assert_eq!(long, read(r#"{ backorder = "on-its-way" }"#));
    assert_eq!(
        long,
        Otherwise {
            action: Action::Backorder,
            reason: "on-its-way".to_owned()
        }
    );
}

#[test]
fn the_version_changes_with_the_content_and_only_with_it() {
    let locations = locations();
    let version = |text: &str| {
        RuleSet::parse(text, "routing.toml", &context(&locations))
            .unwrap()
            .version()
            .to_owned()
    };
    let text = "version = 1\n[default]\nname = \"d\"\nhold = \"h\"\n";
    assert_eq!(version(text), version(text));
    assert_ne!(version(text), version(&text.replace("\"h\"", "\"i\"")));
    assert_eq!(version(text).len(), 16);
}

#[test]
fn a_test_that_does_not_hold_says_what_came_instead() {
    let locations = locations();
    let text = "version = 1\n[default]\nname = \"d\"\nhold = \"h\"\n[[test]]\nname = \"t\"\norder = { lines = [{ sku = \"X\" }] }\nexpect = { outcome = \"allocated\" }\n";
    let rules = RuleSet::parse(text, "routing.toml", &context(&locations)).unwrap();
    let failures: Vec<String> = rules
        .run_tests(&locations)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        failures,
        ["test `t` in line 5: expected outcome `allocated`, got `hold`"]
    );
}
