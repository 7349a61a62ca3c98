//! One delivered order with everything, then one lie at a time.

use std::collections::BTreeMap;
use std::time::Instant;

use super::*;
use crate::{
    books::{InvoiceState, Kind, SoldLine, TargetBooks},
    storefront::Product,
};

const REF: &str = "KX000000018";

fn line() -> Line {
    Line {
        line_id: "1".to_owned(),
        sku: "AC-9000".to_owned(),
        quantity: 1,
    }
}

fn link(status: &str) -> OrderLink {
    OrderLink {
        order_ref: REF.to_owned(),
        channel: "web".to_owned(),
        external_id: "WEB-1".to_owned(),
        status: status.to_owned(),
        held: false,
        installation: None,
    }
}

fn delivered() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.catalog.insert(
        "AC-9000".to_owned(),
        Product {
            sku: "AC-9000".to_owned(),
            name: "Máy lạnh".to_owned(),
            price: 12_990_000,
            category: "air-conditioner".to_owned(),
            serial_tracked: true,
            installable: true,
            components: Vec::new(),
        },
    );
    ledger.sales.insert(
        ("web".to_owned(), "WEB-1".to_owned()),
        Sale {
            lines: vec![SoldLine {
                sku: "AC-9000".to_owned(),
                quantity: 1,
            }],
            grand_total: 12_990_000,
            province_code: "79".to_owned(),
            cash: Some(12_990_000),
            fate: Fate::Wanted,
            cancelled_at: None,
        },
    );
    let mut hub = TargetBooks::new(Kind::Inventory);
    hub.reservations.insert(
        "res_1".to_owned(),
        Reservation {
            order_ref: REF.to_owned(),
            location: "hub-hcm".to_owned(),
            lines: vec![line()],
            state: ReservationState::Consumed,
        },
    );
    hub.fulfillments.insert(
        "ful_1".to_owned(),
        Fulfillment {
            order_ref: REF.to_owned(),
            channel: "web".to_owned(),
            external_id: "WEB-1".to_owned(),
            reservation_id: "res_1".to_owned(),
            location: "hub-hcm".to_owned(),
            lines: vec![line()],
            cod: 12_990_000,
            state: FulfillmentState::Delivered,
            serials: BTreeMap::from([("1".to_owned(), vec!["SN1".to_owned()])]),
            sequence: 4,
            life: 0,
            late_cancel: false,
            shipped_at: None,
        },
    );
    let mut finance = TargetBooks::new(Kind::Invoicing);
    finance.invoices.insert(
        "inv_1".to_owned(),
        Invoice {
            order_ref: REF.to_owned(),
            channel: "web".to_owned(),
            external_id: "WEB-1".to_owned(),
            series: "K26T".to_owned(),
            number: Some("00000001".to_owned()),
            authority_code: None,
            total: 12_990_000,
            state: InvoiceState::Coded,
            adjustments: BTreeMap::new(),
            adjustment_numbers: BTreeMap::new(),
            sequence: 1,
        },
    );
    let mut service = TargetBooks::new(Kind::ServiceCenter);
    service.work_orders.insert(
        "svc_1".to_owned(),
        WorkOrder {
            order_ref: REF.to_owned(),
            kind: "install".to_owned(),
            items: vec![line()],
            window: (String::new(), String::new()),
            state: WorkState::Completed,
            sequence: 4,
            life: 0,
        },
    );
    service.warranties.insert(
        "war_1".to_owned(),
        Warranty {
            order_ref: REF.to_owned(),
            sku: "AC-9000".to_owned(),
            serial: Some("SN1".to_owned()),
            quantity: 1,
        },
    );
    ledger.targets.insert("hub".to_owned(), hub);
    ledger.targets.insert("finance".to_owned(), finance);
    ledger.targets.insert("service".to_owned(), service);
    ledger
}

#[test]
fn a_delivered_order_with_everything_once_is_clean() {
    assert_eq!(
        audit(&delivered(), &[link("delivered")]),
        Vec::<String>::new()
    );
}

#[test]
fn every_tamper_is_noticed() {
    for how in [
        Tamper::DropOneEffect,
        Tamper::RepeatOneEffect,
        Tamper::OneUnitTooMany,
    ] {
        let mut ledger = delivered();
        assert!(tamper(&mut ledger, how));
        let found = audit(&ledger, &[link("delivered")]);
        assert_eq!(found.len(), 1, "{how:?}: {found:?}");
    }
}

#[test]
fn each_missing_or_second_effect_is_noticed() {
    type Lie = (&'static str, fn(&mut Ledger));
    let lies: [Lie; 9] = [
        ("cash", |l| {
            if let Some(order) = l.target("hub").fulfillments.get_mut("ful_1") {
                order.cod = 0;
            }
        }),
        ("fulfillment", |l| l.target("hub").fulfillments.clear()),
        ("reservation", |l| l.target("hub").reservations.clear()),
        ("work order", |l| l.target("service").work_orders.clear()),
        ("warranty", |l| l.target("service").warranties.clear()),
        ("second work order", |l| {
            let copy = l.target("service").work_orders["svc_1"].clone();
            l.target("service")
                .work_orders
                .insert("svc_2".to_owned(), copy);
        }),
        ("second warranty", |l| {
            let copy = l.target("service").warranties["war_1"].clone();
            l.target("service")
                .warranties
                .insert("war_2".to_owned(), copy);
        }),
        ("second parcel", |l| {
            let copy = l.target("hub").fulfillments["ful_1"].clone();
            l.target("hub")
                .fulfillments
                .insert("ful_2".to_owned(), copy);
        }),
        ("unfinished work", |l| {
            if let Some(work) = l.target("service").work_orders.get_mut("svc_1") {
                work.state = WorkState::OnSite;
            }
        }),
    ];
    for (what, lie) in lies {
        let mut ledger = delivered();
        lie(&mut ledger);
        assert_ne!(
            audit(&ledger, &[link("delivered")]),
            Vec::<String>::new(),
            "{what}"
        );
    }
}

#[test]
fn a_cancelled_order_must_leave_nothing_behind() {
    let mut ledger = delivered();
    for sale in ledger.sales.values_mut() {
        sale.fate = Fate::Cancelled;
    }
    let found = audit(&ledger, &[link("cancelled")]);
    assert_eq!(found.len(), 5, "{found:?}");
    ledger.target("hub").fulfillments.clear();
    ledger.target("hub").reservations.clear();
    ledger.target("service").work_orders.clear();
    ledger.target("service").warranties.clear();
    if let Some(invoice) = ledger.target("finance").invoices.get_mut("inv_1") {
        invoice.adjustments.insert("adj_1".to_owned(), -12_990_000);
    }
    assert_eq!(audit(&ledger, &[link("cancelled")]), Vec::<String>::new());
}

#[test]
fn a_parcel_may_leave_while_the_news_of_a_cancellation_is_on_its_way_and_not_later() {
    let mut ledger = delivered();
    let cancelled = Instant::now();
    for sale in ledger.sales.values_mut() {
        sale.fate = Fate::Cancelled;
        sale.cancelled_at = Some(cancelled);
    }
    for parcel in ledger.target("hub").fulfillments.values_mut() {
        parcel.shipped_at = Some(cancelled + Duration::from_millis(2_500));
    }
    let parcels = |ledger: &Ledger| -> Vec<String> {
        let mut found = audit(ledger, &[link("cancelled")]);
        found.retain(|text| text.contains("fulfillment order"));
        found
    };
    ledger.crossing = Duration::from_secs(2);
    let found = parcels(&ledger);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("2500 ms after the cancellation"),
        "{found:?}"
    );
    ledger.crossing = Duration::from_secs(10);
    assert_eq!(parcels(&ledger), Vec::<String>::new());
}

#[test]
fn lost_doubled_unknown_and_forged_orders_are_noticed() {
    let mut ledger = delivered();
    assert_eq!(
        audit(&ledger, &[]).len(),
        2,
        "sold but lost, and effects for nobody"
    );
    let second = OrderLink {
        order_ref: "KX000000026".to_owned(),
        ..link("on_hold")
    };
    let second = OrderLink {
        held: true,
        ..second
    };
    assert_eq!(audit(&ledger, &[link("delivered"), second]).len(), 1);
    let unknown = OrderLink {
        order_ref: "KX000000034".to_owned(),
        external_id: "WEB-2".to_owned(),
        ..link("on_hold")
    };
    assert_eq!(
        audit(&ledger, &[link("delivered"), unknown.clone()]).len(),
        1
    );
    ledger.forged.insert(("web".to_owned(), "WEB-2".to_owned()));
    let found = audit(&ledger, &[link("delivered"), unknown]);
    assert!(found[0].contains("forged"), "{found:?}");
}

#[test]
fn no_installation_is_expected_where_the_rules_do_not_install() {
    let mut ledger = delivered();
    ledger.target("service").work_orders.clear();
    ledger.install_in = Some(vec!["01".to_owned()]);
    assert_eq!(audit(&ledger, &[link("delivered")]), Vec::<String>::new());
}

#[test]
fn an_open_order_is_fine_only_while_a_person_holds_it() {
    let mut ledger = delivered();
    for id in ["hub", "finance", "service"] {
        let kind = ledger.target(id).kind;
        ledger.targets.insert(id.to_owned(), TargetBooks::new(kind));
    }
    let held = OrderLink {
        held: true,
        ..link("on_hold")
    };
    assert_eq!(audit(&ledger, &[held]), Vec::<String>::new());
    assert_eq!(audit(&ledger, &[link("allocated")]).len(), 1);
}
