//! What must hold for every order, stock and rule file, not only for the examples.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

const LOCATIONS: &str = include_str!("../../../config/locations.toml");
const SKUS: [&str; 4] = ["A", "B", "C", "D"];
const CATEGORIES: [&str; 3] = ["tv", "phone", "accessory"];
const PROVINCES: [&str; 4] = ["79", "01", "48", "92"];

fn locations() -> Locations {
    Locations::parse(LOCATIONS, "locations.toml", &BTreeMap::new()).unwrap()
}

fn parse(text: &str, locations: &Locations) -> RuleSet {
    RuleSet::parse(text, "routing.toml", &Context::new(locations)).unwrap()
}

fn now() -> Timestamp {
    "2026-11-24T03:00:00Z".parse().unwrap()
}

prop_compose! {
    fn any_line()(
        sku in 0..SKUS.len(),
        category in 0..CATEGORIES.len(),
        quantity in 1..4_u32,
        unit_price in prop::sample::select(vec![0, 50_000, 400_000, 9_000_000]),
        bundle in prop::option::of(0..2_u8),
        kit in prop::bool::weighted(0.15),
    ) -> RoutingLine {
        RoutingLine {
            id: String::new(),
            sku: SKUS[sku].to_owned(),
            category: Some(CATEGORIES[category].to_owned()),
            brand: None,
            tags: Vec::new(),
            quantity,
            unit_price,
            gift_of: None,
            bundle: bundle.map(|bundle| format!("b{bundle}")),
            kit: if kit { vec![("A".to_owned(), 1), ("B".to_owned(), 2)] } else { Vec::new() },
        }
    }
}

prop_compose! {
    fn any_order()(
        mut lines in prop::collection::vec(any_line(), 1..6),
        province in prop::option::of(prop::sample::select(PROVINCES.to_vec())),
        cod in prop::sample::select(vec![0, 3_000_000, 20_000_000]),
        channel in prop::sample::select(vec!["web", "shopee-vn", "hotline"]),
        excluded in prop::collection::vec(prop::sample::select(vec!["hub-hcm", "hub-hanoi", "store-hcm-q1"]), 0..3),
        round in 0..5_u32,
        promised in prop::option::of(-20_i64..100),
        gift in any::<bool>(),
        tagged in any::<bool>(),
    ) -> RoutingOrder {
        for (place, line) in lines.iter_mut().enumerate() {
            line.id = format!("L{place}");
            if gift && place > 0 {
                line.gift_of = Some("L0".to_owned());
            }
        }
        RoutingOrder {
            channel: channel.to_owned(),
            connector: "website".to_owned(),
            province: province.map(str::to_owned),
            legacy_province: None,
            ward: None,
            legacy_ward: None,
            region: None,
            position: None,
            total: lines.iter().map(RoutingLine::value).sum(),
            cod,
            payment_method: if cod > 0 { "cod" } else { "prepaid" }.to_owned(),
            tags: if tagged { vec!["vip".to_owned()] } else { Vec::new() },
            customer_group: None,
            placed_at: now(),
            promised_by: promised.map(|hours| now() + jiff::SignedDuration::from_hours(hours)),
            fulfilled_by: FulfilledBy::Us,
            fixed_location: None,
            lines,
            excluded: excluded.into_iter().map(str::to_owned).collect(),
            round,
        }
    }
}

/// Scarce stock at a handful of places: (location, SKU, pieces).
fn any_stock() -> impl Strategy<Value = Vec<(usize, usize, i64)>> {
    prop::collection::vec((0..15_usize, 0..SKUS.len(), 0..9_i64), 0..40)
}

fn table(counts: &[(usize, usize, i64)], locations: &Locations) -> StockTable {
    let all: Vec<&Location> = locations.iter().collect();
    let mut stock = StockTable::new();
    for (location, sku, pieces) in counts {
        stock.set_available(&all[*location].id, SKUS[*sku], *pieces);
    }
    stock
}

/// One rule with two sources, in all the ways that matter to the search.
fn any_rules() -> impl Strategy<Value = String> {
    let source = (
        prop::sample::select(vec![
            "{ kind = \"hub\" }",
            "{ kind = \"store\" }",
            "{}",
            "{ region = \"same\" }",
        ]),
        prop::sample::select(vec![
            "",
            "\"parcels\", ",
            "\"distance\", \"parcels\", ",
            "\"stock_depth\", \"load\", ",
        ]),
        0..3_u32,
        prop::option::of((2..5_u32, prop::sample::select(vec![0, 100_000, 1_000_000]))),
    );
    let together = prop::sample::select(vec!["[\"bundle\", \"gift\"]", "\"gift\"", "\"order\""]);
    (source.clone(), source, together).prop_map(|(first, second, together)| {
        let mut text = format!("version = 1\n[default]\nname = \"all\"\nkeep_together = {together}\ngift = {{ sku = \"D\" }}\n");
        for (from, sort, keep_back, split) in [first, second] {
            writeln!(text, "[[default.source]]\nfrom = {from}\nkeep_back = {keep_back}\nsort = [{sort}\"cost\"]").unwrap();
            if let Some((max_parcels, min_value)) = split {
                writeln!(text, "split = {{ max_parcels = {max_parcels}, min_value = {min_value} }}").unwrap();
            }
        }
        text
    })
}

/// Rules with all kinds of discrete conditions, nested ones among them.
fn any_rule_file() -> impl Strategy<Value = String> {
    let condition = prop::sample::select(vec![
        "channel = \"web\"",
        "channel = [\"shopee-vn\", \"hotline\"]",
        "province = [\"79\", \"92\"]",
        "province = \"old:77\"",
        "region = \"north\"",
        "payment_method = \"cod\"",
        "cod = { min = 5_000_000 }",
        "any_line = { category = \"tv\" }",
        "all_lines = { category = [\"phone\", \"accessory\"] }",
        "any_line = { sku = [\"A\", \"C\"], category = \"phone\" }",
        "any_line = { sku_prefix = \"B\" }",
        "tag = \"vip\"",
        "fulfilled_by = \"marketplace\"",
        "quantity = { min = 3, max = 6 }",
        "not = { region = \"south\" }",
        "any = [{ channel = \"web\" }, { payment_method = \"cod\", region = \"central\" }]",
        "all = [{ channel = \"web\" }, { not = { tag = \"vip\" } }]",
        "weekday = \"tuesday\"",
    ]);
    prop::collection::vec(prop::collection::vec(condition, 1..4), 1..90).prop_map(|rules| {
        let mut text = String::from("version = 1\n");
        for (place, conditions) in rules.into_iter().enumerate() {
            // A key may stand only once, so equal keys go into tables of their own.
            let groups: BTreeSet<&str> = conditions.into_iter().collect();
            let groups: Vec<String> = groups
                .into_iter()
                .map(|condition| format!("{{ {condition} }}"))
                .collect();
            let when = if groups.len() == 1 {
                groups[0].clone()
            } else {
                format!("{{ all = [{}] }}", groups.join(", "))
            };
            writeln!(
                text,
                "[[rule]]\nname = \"r{place}\"\nhold = \"h\"\nwhen = {when}"
            )
            .unwrap();
        }
        text.push_str("[default]\nname = \"rest\"\nhold = \"h\"\n");
        text
    })
}

proptest! {
    #[test]
    fn the_index_finds_the_rule_that_a_walk_would_find(file in any_rule_file(), order in any_order()) {
        let locations = locations();
        let rules = parse(&file, &locations);
        let walked = rules.first_failures(&order).into_iter().find(|(_, failure)| failure.is_none()).unwrap().0;
        prop_assert_eq!(&rules.matching(&order).name, walked);
    }

    #[test]
    fn an_allocation_is_whole_within_stock_and_within_the_split(
        order in any_order(),
        counts in any_stock(),
        file in any_rules(),
    ) {
        let locations = locations();
        let rules = parse(&file, &locations);
        let stock = table(&counts, &locations);
        let decision = decide(&order, &rules, &locations, &stock, now());
        prop_assert_eq!(&decision, &decide(&order, &rules, &locations, &stock, now()), "not deterministic");

        let Outcome::Allocated { allocations, parcels } = &decision.outcome else {
            prop_assert!(decision.gifts.is_empty() && decision.outcome.reason().is_some());
            return Ok(());
        };
        let wanted: Vec<(&str, &str, u32)> =
            order.lines.iter().map(|line| (line.id.as_str(), line.sku.as_str(), line.quantity)).collect();
        let given: Vec<(&str, &str, u32)> =
            allocations.iter().map(|one| (one.line_id.as_str(), one.sku.as_str(), one.quantity)).collect();
        prop_assert_eq!(wanted, given, "every line exactly once");

        let locations_used = decision.locations();
        prop_assert_eq!(locations_used.len(), usize::try_from(*parcels).unwrap());
        prop_assert!(!order.excluded.iter().any(|id| locations_used.contains(&id.as_str())), "excluded");

        let mut taken: HashMap<(&str, &str), i64> = HashMap::new();
        for allocation in allocations {
            for (sku, pieces) in allocation.demand() {
                *taken.entry((&allocation.location, sku)).or_default() += pieces;
            }
        }
        for gift in &decision.gifts {
            if let Some(location) = &gift.location {
                prop_assert!(locations_used.contains(&location.as_str()), "a gift makes no parcel");
                *taken.entry((location, &gift.sku)).or_default() += i64::from(gift.quantity);
            }
        }
        let rule = &rules.rules()[0];
        let hubs_only = order.round == rules.max_rounds();
        let keep_back = if hubs_only { 0 } else { rule.sources.iter().map(|source| source.keep_back).min().unwrap() };
        for ((location, sku), pieces) in taken {
            let available = stock.available(location, sku).unwrap();
            prop_assert!(pieces <= available - i64::from(keep_back), "{pieces} of {sku} at {location}");
        }

        let most = rule.sources.iter().filter_map(|source| source.split).map(|split| split.max_parcels).max();
        prop_assert!(*parcels <= if hubs_only { 1 } else { most.unwrap_or(1) }, "more parcels than allowed");
        if *parcels > 1 {
            let least = rule.sources.iter().filter_map(|source| source.split).map(|split| split.min_value).min();
            for location in locations_used {
                let parcel = order.lines.iter().zip(allocations).filter(|(_, one)| one.location == location);
                let value: i64 = parcel.map(|(line, _)| line.value()).sum();
                prop_assert!(value >= least.unwrap(), "a parcel of {value}");
            }
        }
        for (line, allocation) in order.lines.iter().zip(allocations) {
            let main = order.lines.iter().position(|main| Some(&main.id) == line.gift_of.as_ref());
            if let Some(main) = main {
                prop_assert_eq!(&allocations[main].location, &allocation.location, "a gift left its line");
            }
        }
    }

    #[test]
    fn one_place_that_has_everything_is_never_overlooked(order in any_order(), file in any_rules(), place in 0..15_usize) {
        let locations = locations();
        let rules = parse(&file, &locations);
        let location = locations.iter().nth(place).unwrap();
        let mut stock = StockTable::new();
        SKUS.iter().for_each(|sku| stock.set_available(&location.id, sku, 1_000));
        let decision = decide(&order, &rules, &locations, &stock, now());
        let asked = rules.rules()[0].sources.iter().any(|source| {
            (source.from.kind.is_empty() || source.from.kind.contains(&location.kind))
                && (source.from.region.is_none() || order.region() == Some(location.region))
        });
        let on_time = order.promised_by.is_none_or(|promise| {
            promise <= now() || location.next_dispatch(now()).is_some_and(|leaves| leaves <= promise)
        });
        if asked && on_time && order.round < rules.max_rounds() && !order.excluded.contains(&location.id) {
            prop_assert_eq!(decision.locations(), vec![location.id.as_str()]);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z\\[\\]{}=\"., \n0-9_:-]{0,200}") {
        let locations = locations();
        prop_assert!(RuleSet::parse(&text, "routing.toml", &Context::new(&locations)).is_err());
        prop_assert!(Locations::parse(&text, "locations.toml", &BTreeMap::new()).is_err());
    }

    #[test]
    fn a_decision_survives_json(order in any_order(), counts in any_stock(), file in any_rules()) {
        let locations = locations();
        let decision = decide(&order, &parse(&file, &locations), &locations, &table(&counts, &locations), now());
        let json = serde_json::to_string(&decision).unwrap();
        prop_assert_eq!(serde_json::from_str::<Decision>(&json).unwrap(), decision);
        let json = serde_json::to_string(&order).unwrap();
        prop_assert_eq!(serde_json::from_str::<RoutingOrder>(&json).unwrap(), order);
    }
}
