//! Decisions in single stories.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;

const LOCATIONS: &str = r#"
[locations.hub]
kind = "hub"
name = "Hub"
target = "wms"
province = "79"
position = { lat = 10.85, lon = 106.77 }
hours = "08:00-21:00"
cut_off = "16:00"
closed_on = "sunday"
services = ["installation"]
rank = 1

[locations.near]
kind = "store"
name = "Near"
target = "pos"
province = "79"
position = { lat = 10.78, lon = 106.70 }
hours = "08:00-21:00"
daily_capacity = 10
safety_stock = 1
channels = ["web"]

[locations.far]
kind = "store"
name = "Far"
target = "pos"
province = "92"
position = { lat = 10.03, lon = 105.79 }
hours = "08:00-21:00"
serves = ["92"]
serves_km = 200

[locations.north]
kind = "hub"
name = "North"
target = "wms"
province = "01"
position = { lat = 21.05, lon = 105.89 }
hours = "08:00-21:00"
sells_online = false
rank = 2

[locations.shut]
kind = "store"
name = "Shut"
target = "pos"
province = "79"
hours = "08:00-21:00"
active = false
"#;

pub(super) struct World {
    locations: Locations,
    stock: StockTable,
    now: Timestamp,
}

impl World {
    pub(super) fn new() -> Self {
        let locations = Locations::parse(LOCATIONS, "locations.toml", &BTreeMap::new()).unwrap();
        // A Tuesday, ten in the morning in Vietnam.
        Self {
            locations,
            stock: StockTable::new(),
            now: "2026-11-24T03:00:00Z".parse().unwrap(),
        }
    }

    pub(super) fn with(mut self, location: &str, sku: &str, pieces: i64) -> Self {
        self.stock.set_available(location, sku, pieces);
        self
    }

    pub(super) fn decide(&self, rules: &str, order: &RoutingOrder) -> Decision {
        let text = format!("version = 1\n{rules}");
        let rules = RuleSet::parse(&text, "routing.toml", &Context::new(&self.locations)).unwrap();
        decide(order, &rules, &self.locations, &self.stock, self.now)
    }
}

pub(super) const ANYWHERE: &str = r#"
[default]
name = "anywhere"
[[default.source]]
from = {}
sort = "distance"
split = { max_parcels = 3 }
"#;

pub(super) fn order(lines: &[(&str, u32)]) -> RoutingOrder {
    RoutingOrder {
        channel: "web".to_owned(),
        connector: "website".to_owned(),
        province: Some("79".to_owned()),
        legacy_province: None,
        ward: None,
        legacy_ward: None,
        region: None,
        position: Position::new(10.78, 106.70),
        total: 1_000_000,
        cod: 0,
        payment_method: "prepaid".to_owned(),
        tags: Vec::new(),
        customer_group: None,
        placed_at: "2026-11-24T02:00:00Z".parse().unwrap(),
        promised_by: None,
        fulfilled_by: FulfilledBy::Us,
        fixed_location: None,
        lines: lines
            .iter()
            .enumerate()
            .map(|(place, (sku, quantity))| RoutingLine {
                id: (place + 1).to_string(),
                sku: (*sku).to_owned(),
                category: None,
                brand: None,
                tags: Vec::new(),
                quantity: *quantity,
                unit_price: 100_000,
                gift_of: None,
                bundle: None,
                kit: Vec::new(),
            })
            .collect(),
        excluded: Vec::new(),
        round: 0,
    }
}

fn reason_at(decision: &Decision, location: &str) -> Option<Reason> {
    let trials = decision.trace.rules.iter().flat_map(|rule| &rule.sources);
    let candidate = trials
        .flat_map(|trial| &trial.candidates)
        .find(|candidate| candidate.location == location);
    candidate
        .unwrap()
        .refused
        .as_ref()
        .map(|refusal| refusal.reason)
}

#[test]
fn every_refused_location_carries_its_reason() {
    let world = World::new().with("near", "A", 5).with("hub", "A", 1);
    let mut order = order(&[("A", 2)]);
    order.channel = "shopee-vn".to_owned();
    let decision = world.decide(ANYWHERE, &order);
    assert_eq!(decision.outcome.reason(), Some("no-stock"));
    assert_eq!(
        reason_at(&decision, "near"),
        Some(Reason::ChannelNotAllowed)
    );
    assert_eq!(reason_at(&decision, "hub"), Some(Reason::NotEnough));
    assert_eq!(reason_at(&decision, "far"), Some(Reason::NoSku));
    assert_eq!(reason_at(&decision, "north"), Some(Reason::NotOnline));
    assert_eq!(reason_at(&decision, "shut"), Some(Reason::Inactive));
}

#[test]
fn the_filter_capacity_and_the_rejections_of_the_order_refuse_too() {
    let mut world = World::new()
        .with("near", "A", 5)
        .with("hub", "A", 5)
        .with("far", "A", 5);
    world.stock.set_load("near", 10);
    let rules = ANYWHERE.replace("from = {}", "from = { within_km = 50 }");
    let mut order = order(&[("A", 1)]);
    order.excluded = vec!["hub".to_owned()];
    let decision = world.decide(&rules, &order);
    assert_eq!(reason_at(&decision, "near"), Some(Reason::NoCapacity));
    assert_eq!(reason_at(&decision, "hub"), Some(Reason::RejectedBefore));
    assert_eq!(reason_at(&decision, "far"), Some(Reason::TooFar));

    order.position = None;
    order.province = Some("01".to_owned());
    assert_eq!(
        reason_at(&world.decide(ANYWHERE, &order), "far"),
        Some(Reason::DoesNotServe)
    );
}

#[test]
fn a_promise_rules_out_who_leaves_too_late_until_it_is_broken_anyway() {
    let mut world = World::new().with("hub", "A", 5);
    world.now = "2026-11-24T10:00:00Z".parse().unwrap(); // 17:00, after the cut-off
    let mut order = order(&[("A", 1)]);
    order.promised_by = Some("2026-11-24T14:00:00Z".parse().unwrap());
    assert_eq!(
        reason_at(&world.decide(ANYWHERE, &order), "hub"),
        Some(Reason::PastCutOff)
    );

    let late_ok = ANYWHERE.replace("sort =", "late_ok = true\nsort =");
    let decision = world.decide(&late_ok, &order);
    assert_eq!(
        (decision.locations(), decision.promise_met),
        (vec!["hub"], Some(false))
    );

    order.promised_by = Some("2026-11-24T09:00:00Z".parse().unwrap());
    assert_eq!(world.decide(ANYWHERE, &order).locations(), ["hub"]);
}

#[test]
fn a_closed_day_moves_the_dispatch_to_the_next_working_day() {
    let mut world = World::new().with("hub", "A", 5);
    world.now = "2026-11-28T10:00:00Z".parse().unwrap(); // Saturday, 17:00
    let decision = world.decide(ANYWHERE, &order(&[("A", 1)]));
    assert_eq!(
        decision.dispatch_by,
        Some("2026-11-30T09:00:00Z".parse().unwrap())
    );
}

#[test]
fn the_sort_keys_decide_in_their_order() {
    let world = World::new().with("hub", "A", 50).with("near", "A", 5);
    let order = order(&[("A", 1)]);
    assert_eq!(world.decide(ANYWHERE, &order).locations(), ["near"]);
    let depth = ANYWHERE.replace(
        "\"distance\"",
        "[\"same_province\", \"stock_depth\", \"distance\"]",
    );
    assert_eq!(world.decide(&depth, &order).locations(), ["hub"]);
    let rank = ANYWHERE.replace("\"distance\"", "[\"hub_rank\"]");
    assert_eq!(world.decide(&rank, &order).locations(), ["hub"]);
}

#[test]
fn without_a_split_an_order_never_becomes_two_parcels() {
    let world = World::new().with("hub", "A", 5).with("near", "B", 5);
    let order = order(&[("A", 1), ("B", 1)]);
    let whole = ANYWHERE.replace("split = { max_parcels = 3 }", "");
    assert_eq!(
        world.decide(&whole, &order).outcome.reason(),
        Some("no-stock")
    );
    assert_eq!(world.decide(ANYWHERE, &order).locations(), ["hub", "near"]);
    let dear = ANYWHERE.replace("max_parcels = 3", "max_parcels = 3, min_value = 100_001");
    assert_eq!(
        world.decide(&dear, &order).outcome.reason(),
        Some("no-stock")
    );
}

#[test]
fn sources_are_joined_only_if_none_of_them_can_send_everything() {
    let rules = r#"
[default]
name = "hub, then stores"
[[default.source]]
from = { kind = "hub" }
[[default.source]]
from = { kind = "store" }
sort = "distance"
split = { max_parcels = 2 }
"#;
    let order = order(&[("A", 1), ("B", 1)]);
    let joined = World::new()
        .with("hub", "A", 5)
        .with("near", "B", 5)
        .with("far", "B", 9);
    let decision = joined.decide(rules, &order);
    assert_eq!(decision.locations(), ["hub", "near"]);
    assert_eq!(decision.trace.rules[0].sources.last().unwrap().source, None);

    let alone = joined.with("far", "A", 1);
    assert_eq!(alone.decide(rules, &order).locations(), ["far"]);
}

#[test]
fn a_place_given_to_the_parcels_weighs_them_against_the_other_keys() {
    let world = World::new()
        .with("near", "A", 5)
        .with("hub", "B", 5)
        .with("far", "A", 5)
        .with("far", "B", 5);
    let order = order(&[("A", 1), ("B", 1)]);
    assert_eq!(world.decide(ANYWHERE, &order).locations(), ["far"]);
    let nearness_first = ANYWHERE.replace("\"distance\"", "[\"distance\", \"parcels\"]");
    assert_eq!(
        world.decide(&nearness_first, &order).locations(),
        ["near", "hub"]
    );
}

#[test]
fn a_bundle_and_a_gift_stay_with_their_own() {
    let rules = ANYWHERE.replace(
        "[[default.source]]",
        "keep_together = [\"bundle\", \"gift\"]\n[[default.source]]",
    );
    let world = World::new()
        .with("near", "A", 5)
        .with("hub", "A", 5)
        .with("hub", "B", 5);
    let mut order = order(&[("A", 1), ("B", 1)]);
    order.lines[1].gift_of = Some("1".to_owned());
    assert_eq!(world.decide(&rules, &order).locations(), ["hub"]);
    let torn = World::new().with("near", "A", 5).with("hub", "B", 5);
    assert_eq!(
        torn.decide(&rules, &order).outcome.reason(),
        Some("no-stock")
    );
}

#[test]
fn a_kit_needs_all_its_components_and_reserves_them() {
    let mut order = order(&[("KIT", 2), ("CABLE", 1)]);
    order.lines[0].kit = vec![("PLUG".to_owned(), 1), ("CABLE".to_owned(), 2)];
    let short = World::new().with("hub", "PLUG", 5).with("hub", "CABLE", 4);
    assert_eq!(
        short.decide(ANYWHERE, &order).outcome.reason(),
        Some("no-stock"),
        "the fifth cable is missing"
    );
    let enough = World::new().with("hub", "PLUG", 5).with("hub", "CABLE", 5);
    let decision = enough.decide(ANYWHERE, &order);
    let demand: Vec<(&str, i64)> = decision
        .outcome
        .allocations()
        .iter()
        .flat_map(Allocation::demand)
        .collect();
    assert_eq!(demand, [("PLUG", 2), ("CABLE", 4), ("CABLE", 1)]);
}

#[test]
fn too_many_combinations_are_searched_greedily_and_the_trace_says_so() {
    let many: String = (0..120)
        .map(|place| format!("[locations.s{place:03}]\nkind = \"store\"\nname = \"S\"\ntarget = \"pos\"\nprovince = \"79\"\nhours = \"08:00-21:00\"\n"))
        .collect();
    let mut world = World::new();
    world.locations = Locations::parse(&many, "locations.toml", &BTreeMap::new()).unwrap();
    for place in 0..120 {
        let sku = ["A", "B"][place % 2];
        world.stock.set_available(&format!("s{place:03}"), sku, 5);
    }
    let order = order(&[("A", 1), ("B", 1)]);
    let decision = world.decide(ANYWHERE, &order);
    assert_eq!(decision.locations(), ["s000", "s001"]);
    assert_eq!(decision.trace.rules[0].sources[0].method, Method::Greedy);
}

#[test]
fn next_rule_lets_the_next_match_try_and_the_trace_shows_both() {
    let rules = format!(
        "[[rule]]\nname = \"stores\"\nwhen = {{ channel = \"web\" }}\nsource = {{ from = {{ kind = \"store\" }} }}\notherwise = \"next_rule\"\n{ANYWHERE}"
    );
    let decision = World::new()
        .with("hub", "A", 1)
        .decide(&rules, &order(&[("A", 1)]));
    assert_eq!(decision.rule, "anywhere");
    let results: Vec<&TrialResult> = decision
        .trace
        .rules
        .iter()
        .map(|rule| &rule.result)
        .collect();
    assert_eq!(results, [&TrialResult::PassedOn, &TrialResult::Decided]);
}

#[test]
fn the_first_failed_condition_is_named_by_its_path() {
    let rules = format!(
        "[[rule]]\nname = \"cod\"\nwhen = {{ channel = \"web\", cod = {{ min = 5 }} }}\nhold = \"h\"\n{ANYWHERE}"
    );
    let decision = World::new()
        .with("hub", "A", 1)
        .decide(&rules, &order(&[("A", 1)]));
    assert_eq!(
        decision.trace.rules[0].result,
        TrialResult::Unmatched {
            condition: "when.cod".to_owned()
        }
    );
}

#[test]
fn a_marketplace_that_fixes_the_location_is_obeyed_with_an_alarm() {
    let world = World::new().with("near", "A", 5);
    let mut order = order(&[("A", 1)]);
    order.channel = "shopee-vn".to_owned();
    order.fulfilled_by = FulfilledBy::Marketplace;
    order.fixed_location = Some("near".to_owned());
    let decision = world.decide(ANYWHERE, &order);
    assert_eq!(decision.locations(), ["near"]);
    assert_eq!(decision.tags, ["alarm:fixed-location"]);
    assert_eq!(
        reason_at(&decision, "near"),
        Some(Reason::ChannelNotAllowed)
    );

    order.channel = "web".to_owned();
    assert_eq!(world.decide(ANYWHERE, &order).tags, [""; 0]);

    order.lines[0].quantity = 6;
    let decision = world.decide(ANYWHERE, &order);
    assert_eq!(
        decision.outcome.reason(),
        Some("fixed-location-cannot-send")
    );
    assert_eq!(decision.tags, ["alarm:fixed-location"]);

    order.fixed_location = Some("nowhere".to_owned());
    let decision = world.decide(ANYWHERE, &order);
    assert_eq!(
        decision.outcome.reason(),
        Some("fixed-location-cannot-send")
    );
    assert_eq!(reason_at(&decision, "nowhere"), Some(Reason::Unknown));

    order.fixed_location = None;
    assert_eq!(world.decide(ANYWHERE, &order).outcome, Outcome::Marketplace);
}

#[test]
fn a_pick_up_that_the_store_cannot_fill_is_moved_there() {
    let rules = ANYWHERE.replace(
        "[[default.source]]",
        "transfer_to_store = true\n[[default.source]]",
    );
    let mut order = order(&[("A", 1)]);
    order.fixed_location = Some("near".to_owned());
    let moved = World::new().with("hub", "A", 5).decide(&rules, &order);
    assert_eq!(
        (moved.locations(), moved.transfer_to_store.as_deref()),
        (vec!["hub"], Some("near"))
    );
    let there = World::new()
        .with("hub", "A", 5)
        .with("near", "A", 5)
        .decide(&rules, &order);
    assert_eq!(
        (there.locations(), &there.transfer_to_store),
        (vec!["near"], &None)
    );
}

#[test]
fn a_gift_rides_in_a_parcel_of_the_order_and_never_holds_it() {
    let rules = ANYWHERE.replace(
        "[[default.source]]",
        "gift = { sku = \"G\", quantity = 2 }\n[[default.source]]",
    );
    let order = order(&[("A", 1)]);
    let given = World::new()
        .with("hub", "A", 5)
        .with("hub", "G", 2)
        .decide(&rules, &order);
    assert_eq!(given.gifts[0].location.as_deref(), Some("hub"));
    let none_left = World::new()
        .with("hub", "A", 5)
        .with("near", "G", 2)
        .decide(&rules, &order);
    assert_eq!(
        (none_left.outcome.as_str(), &none_left.gifts[0].location),
        ("allocated", &None)
    );
}

#[test]
fn an_order_without_lines_or_with_too_many_rejections_waits_for_a_person() {
    let world = World::new().with("near", "A", 5).with("hub", "A", 5);
    assert_eq!(
        world.decide(ANYWHERE, &order(&[])).outcome.reason(),
        Some("no-lines")
    );
    let mut order = order(&[("A", 1)]);
    order.round = 3;
    assert_eq!(world.decide(ANYWHERE, &order).locations(), ["hub"]);
    order.round = 4;
    assert_eq!(
        world.decide(ANYWHERE, &order).outcome.reason(),
        Some("rejected-too-often")
    );
}

#[test]
fn a_decision_is_stored_with_its_whole_trace() {
    let world = World::new()
        .with("near", "A", 5)
        .with("hub", "A", 5)
        .with("hub", "B", 2);
    let rules = format!(
        "[[rule]]\nname = \"cod\"\nwhen = {{ channel = \"web\", cod = {{ min = 5 }} }}\nhold = \"h\"\n{ANYWHERE}"
    );
    let mut order = order(&[("A", 1), ("B", 1)]);
    order.promised_by = Some("2026-11-25T03:00:00Z".parse().unwrap());
    insta::assert_json_snapshot!(world.decide(&rules, &order));
}

#[test]
fn the_stricter_split_binds_all_parcels_of_a_joined_plan() {
    let rules = r#"
[default]
name = "hub, then stores"
[[default.source]]
from = { kind = "hub" }
split = { max_parcels = 2 }
[[default.source]]
from = { kind = "store" }
split = { max_parcels = 3 }
"#;
    let world = World::new()
        .with("hub", "A", 5)
        .with("near", "B", 5)
        .with("far", "C", 5);
    let two = world.decide(rules, &order(&[("A", 1), ("B", 1)]));
    assert_eq!(two.locations(), ["hub", "near"]);
    let three = world.decide(rules, &order(&[("A", 1), ("B", 1), ("C", 1)]));
    assert_eq!(three.outcome.reason(), Some("no-stock"));
}
