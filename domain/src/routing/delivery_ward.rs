//! What a known ward changes in a decision.

use super::deciding::{ANYWHERE, World, order};
use super::{Decision, MeasuredFrom, RoutingOrder};

fn to_ward(ward: Option<&str>, legacy_ward: Option<&str>) -> RoutingOrder {
    RoutingOrder {
        position: None,
        ward: ward.map(str::to_owned),
        legacy_ward: legacy_ward.map(str::to_owned),
        ..order(&[("A", 1)])
    }
}

fn decide(rules: &str, order: &RoutingOrder) -> Decision {
    World::new().with("near", "A", 5).decide(rules, order)
}

#[test]
fn distance_is_measured_from_the_ward_before_the_province() {
    for (ward, from) in [
        (Some("26737"), MeasuredFrom::WardCentre),
        // Not a code of today.
        (Some("26734"), MeasuredFrom::ProvinceCentre),
        (None, MeasuredFrom::ProvinceCentre),
    ] {
        let decision = decide(ANYWHERE, &to_ward(ward, None));
        assert_eq!(decision.trace.measured_from, from, "{ward:?}");
    }
    let exact = RoutingOrder {
        position: order(&[]).position,
        ..to_ward(Some("26737"), None)
    };
    let decision = decide(ANYWHERE, &exact);
    assert_eq!(decision.trace.measured_from, MeasuredFrom::Position);
}

#[test]
fn a_rule_takes_the_codes_of_wards_old_and_new() {
    let rules = format!(
        "[[rule]]\nname = \"tan-dinh\"\nwhen = {{ ward = [\"26737\", \"old:26734\"] }}\nhold = \"here\"\n{ANYWHERE}"
    );
    for (ward, legacy, held) in [
        (Some("26737"), None, Some("here")),
        (Some("26740"), Some("26734"), Some("here")),
        // The same digits mean another ward in the other list.
        (Some("26734"), None, None),
        (None, Some("26737"), None),
        (None, None, None),
    ] {
        let decision = decide(&rules, &to_ward(ward, legacy));
        assert_eq!(decision.outcome.reason(), held, "{ward:?} {legacy:?}");
    }
}
