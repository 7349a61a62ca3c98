//! Books made by hand, balanced and then spoiled.

use std::collections::{BTreeMap, BTreeSet};

use connectors::inbound::Source;
use domain::code::{OrderCode, Prefix};
use domain::id::OrderId;
use domain::money::Amount;
use domain::order::{Context, Fact, LocationSettings, Order, Settings};
use domain::plan::{Movement, MovementKind};
use domain::routing::{Allocation, Decision, Legs, MeasuredFrom, Outcome, Trace};
use domain::snapshot::{
    Buyer, ChannelPayment, ChannelStatus, Deadlines, FulfilledBy, PaymentMethod, ShipTo, Snapshot,
    SnapshotLine, SnapshotTotals,
};
use domain::task::Task;
use jiff::Timestamp;

use super::{Dead, Finding, Options, Report, Scope, run};
use crate::catalog::CatalogCache;
use crate::store::inbox::{self, Incoming, NewNotice, NewState};
use crate::store::ledger;
use crate::store::notices::{self, NoticeEnd};
use crate::store::products::{self, Product};
use crate::store::stock::{self, Count};
use crate::store::testing::TempDb;
use crate::store::tx::{Loaded, Save, Tx};

fn now() -> Timestamp {
    "2026-11-24T01:00:00Z".parse().unwrap()
}

fn now_ms() -> i64 {
    now().as_millisecond()
}

fn settings() -> Settings {
    let hub = LocationSettings {
        target: Some("wms".to_owned()),
        invoice_series: Some("1C26THC".to_owned()),
        name: None,
    };
    Settings {
        locations: BTreeMap::from([("hub-hcm".to_owned(), hub)]),
        invoice_target: Some("einvoice".to_owned()),
        ..Settings::default()
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        external_id: "WEB-1".to_owned(),
        placed_at: now(),
        revised_at: now(),
        status: ChannelStatus::Confirmed,
        channel_status: "confirmed".to_owned(),
        cancel_requested: false,
        cancellation: None,
        buyer: Some(Buyer {
            name: Some("Nguyễn Văn An".to_owned()),
            phone: Some("0901234567".to_owned()),
            email: None,
            external_id: None,
        }),
        ship_to: Some(ShipTo {
            name: Some("Nguyễn Văn An".to_owned()),
            phone: Some("0901234567".to_owned()),
            text: Some("12 Nguyễn Trãi, P. Bến Thành, TP.HCM".to_owned()),
            ..ShipTo::default()
        }),
        lines: Some(vec![SnapshotLine {
            id: "1".to_owned(),
            channel_sku: None,
            sku: Some("FAN-1".to_owned()),
            name: "Fan".to_owned(),
            quantity: 2,
            unit_price: Amount(450_000),
            discount: Amount(0),
            gift: false,
            parent: None,
        }]),
        currency: "VND".to_owned(),
        totals: Some(SnapshotTotals {
            grand_total: Some(Amount(900_000)),
            ..SnapshotTotals::default()
        }),
        payment_method: Some(PaymentMethod::Card),
        payment: Some(ChannelPayment::Paid),
        paid: None,
        refunded: Amount(0),
        fulfilled_by: FulfilledBy::Us,
        fixed_location: None,
        deadlines: Deadlines::default(),
        note: None,
        coupon: None,
        appointment: None,
        invoice_request: None,
        tags: vec![],
    }
}

fn decision() -> Decision {
    Decision {
        rule: "south".to_owned(),
        rules_version: "abc".to_owned(),
        outcome: Outcome::Allocated {
            allocations: vec![Allocation {
                line_id: "1".to_owned(),
                sku: "FAN-1".to_owned(),
                quantity: 2,
                location: "hub-hcm".to_owned(),
                components: vec![],
            }],
            parcels: 1,
        },
        legs: Legs::default(),
        tags: vec![],
        priority: 0,
        gifts: vec![],
        transfer_to_store: None,
        dispatch_by: None,
        promise_met: None,
        trace: Trace {
            now: now(),
            round: 0,
            region: None,
            measured_from: MeasuredFrom::Unknown,
            rules: vec![],
        },
    }
}

fn moved(order_id: &str, movement: &Movement) -> stock::Movement {
    let (kind, on_hand, reserved) = match movement.kind {
        MovementKind::Reserve => ("reserved", 0, movement.quantity),
        MovementKind::Release => ("released", 0, -movement.quantity),
        MovementKind::Ship => ("shipped", -movement.quantity, -movement.quantity),
        MovementKind::Return => ("returned", 0, 0),
    };
    stock::Movement {
        location: movement.location.clone(),
        sku: movement.sku.clone(),
        kind,
        on_hand,
        reserved,
        order_id: Some(order_id.to_owned()),
        reference: movement.reference.clone(),
        happened_at: movement.at.as_millisecond(),
    }
}

fn message(key: &str) -> Incoming {
    Incoming {
        channel: "web".to_owned(),
        dedup_key: key.to_owned(),
        source: Source::Push,
        topic: None,
        body: b"sealed".to_vec(),
        body_hash: "h".to_owned(),
        received_at: now_ms(),
        notices: vec![NewNotice {
            kind: "order",
            key: Some("WEB-1".to_owned()),
            state: NewState::Waiting,
        }],
        preflight: None,
    }
}

/// One message, repeated once, settled into one order with two fans reserved and its task due.
async fn books() -> TempDb {
    let db = TempDb::new().await;
    let product = Product {
        sku: "FAN-1".to_owned(),
        name: "Fan".to_owned(),
        category: None,
        brand: None,
        tags: vec![],
        price: None,
        tax_class: None,
        unit: None,
        serial_tracked: false,
        installation: false,
        warranty_months: 0,
        components: vec![],
    };
    products::put(&db, now_ms(), &[product]).await.unwrap();
    let opening = Count {
        location: "hub-hcm".to_owned(),
        sku: "FAN-1".to_owned(),
        on_hand: 10,
        as_of: now_ms(),
        sequence: 0,
        safety: None,
        reference: "opening".to_owned(),
    };
    stock::open(&db, now_ms(), &[opening]).await.unwrap();
    inbox::receive(&db, &[message("a"), message("a")])
        .await
        .unwrap();
    let leased = notices::claim(&db, "t", now_ms(), now_ms() + 1_000, 10, &[])
        .await
        .unwrap();

    let (order, tasks, movements) = routed(&db).await;
    let id = order.id().to_string();
    let loaded = Loaded {
        order,
        row_version: 0,
    };
    let save = Save {
        loaded: &loaded,
        phone_hash: None,
        terms: BTreeSet::new(),
        events: vec![],
        change: "created",
    };
    let tx = Tx::begin(&db).await.unwrap();
    tx.save(now_ms(), &[save]).await.unwrap();
    let tasks: Vec<(Option<String>, Task)> = tasks
        .into_iter()
        .map(|task| (Some(id.clone()), task))
        .collect();
    tx.insert_tasks(now_ms(), &tasks).await.unwrap();
    let movements: Vec<_> = movements.iter().map(|it| moved(&id, it)).collect();
    tx.move_stock(now_ms(), &movements).await.unwrap();
    let done = NoticeEnd::Done {
        order_id: Some(id.clone()),
    };
    let ends: Vec<_> = leased
        .into_iter()
        .map(|notice| {
            (
                notice.message_seq,
                notice.ordinal,
                "t".to_owned(),
                done.clone(),
            )
        })
        .collect();
    tx.end_notices(now_ms(), &ends).await.unwrap();
    tx.commit().await.unwrap();
    db
}

/// An order that has just been routed, with what it asks for.
async fn routed(db: &TempDb) -> (Order, Vec<Task>, Vec<Movement>) {
    let catalog = CatalogCache::default();
    catalog.refresh(db).await.unwrap();
    let (catalog, settings) = (catalog.current(), settings());
    let context = Context {
        now: now(),
        catalog: &*catalog,
        settings: &settings,
    };
    let id = OrderId::derive(now_ms(), &["test"]);
    let code = OrderCode::new(&"KE".parse::<Prefix>().unwrap(), 1).unwrap();
    let mut order = Order::new(id, code, "web", "website", "WEB-1", now());
    let _applied = order.apply(&Fact::Snapshot(Box::new(snapshot())), &context);
    assert!(order.plan(&context).route, "the order wants to be routed");
    let taken = order.take_decision(&decision(), &context);
    let plan = order.plan(&context);
    assert!(!plan.tasks.is_empty(), "a reservation is asked for");
    let movements = taken.movements.into_iter().chain(plan.movements).collect();
    (order, plan.tasks, movements)
}

async fn verified(db: &TempDb) -> Report {
    run(db, &settings(), &Options::all(now())).await.unwrap()
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.code).collect()
}

fn only(report: &Report) -> &Finding {
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    assert!(!report.balanced);
    &report.findings[0]
}

#[tokio::test]
async fn whole_books_balance_and_are_summed_up() {
    let db = books().await;
    let report = verified(&db).await;
    assert!(report.balanced, "{:#?}", report.findings);
    let web = &report.channels[0];
    assert_eq!((web.receipts, web.new, web.duplicate), (2, 1, 1));
    assert_eq!((web.messages, web.notices, web.done), (1, 1, 1));
    let hub = &report.stock[0];
    assert_eq!((hub.on_hand, hub.reserved, hub.held_by_orders), (10, 2, 2));
    assert_eq!(report.orders[0].orders, 1);
    assert_eq!((report.legs[0].asked, report.legs[0].open), (1, 1));
    assert!(report.text().ends_with("The books balance.\n"));
}

#[tokio::test]
async fn a_lost_receipt_is_found_with_its_message() {
    let db = books().await;
    db.run("DELETE FROM receipt WHERE outcome = 'new'").await;
    let report = verified(&db).await;
    let finding = only(&report);
    assert_eq!(finding.code, "receipt-missing");
    assert!(finding.what.contains("message 1"), "{}", finding.what);
    assert!(finding.place.contains("web"), "{}", finding.place);
    assert!(!report.channels[0].balanced);
}

#[tokio::test]
async fn a_message_without_a_notice_is_found_with_the_replay_that_mends_it() {
    let db = books().await;
    db.run("DELETE FROM notice").await;
    let report = verified(&db).await;
    let finding = only(&report);
    assert_eq!(finding.code, "notice-missing");
    assert!(finding.remedy.contains("/inbox/1/replay"), "{finding:?}");
}

#[tokio::test]
async fn a_lost_message_is_found_by_its_receipts() {
    let db = books().await;
    db.run("DELETE FROM notice").await;
    db.run("DELETE FROM message").await;
    assert_eq!(codes(&verified(&db).await), ["message-missing"; 2]);
}

#[tokio::test]
async fn a_counter_that_drifted_is_found_repaired_and_audited() {
    let db = books().await;
    db.run("UPDATE stock SET on_hand = 9, reserved = 5").await;
    let report = verified(&db).await;
    assert_eq!(codes(&report), ["counter-drifted", "reserved-differs"]);
    let drifted = &report.findings[0];
    assert!(drifted.what.contains("reserved 5"), "{}", drifted.what);
    assert!(drifted.remedy.contains("--repair"), "{}", drifted.remedy);

    let rebuilt = ledger::rebuild_stock(&db, "operator", now_ms())
        .await
        .unwrap();
    assert_eq!(rebuilt.len(), 1);
    assert!(verified(&db).await.balanced);
    let audit = db
        .text("SELECT action || ' ' || subject || ' ' || detail AS x FROM audit")
        .await;
    assert_eq!(
        audit,
        ["stock.rebuild hub-hcm/FAN-1 on hand 9 → 10, reserved 5 → 2"]
    );
}

#[tokio::test]
async fn a_counter_that_was_lost_is_found_and_made_again() {
    let db = books().await;
    db.run("DELETE FROM stock").await;
    assert_eq!(
        codes(&verified(&db).await),
        ["counter-drifted", "reserved-differs"]
    );
    ledger::rebuild_stock(&db, "operator", now_ms())
        .await
        .unwrap();
    assert!(verified(&db).await.balanced);
}

#[tokio::test]
async fn a_movement_that_no_order_made_is_found_though_the_counter_agrees() {
    let db = books().await;
    db.run(
        "INSERT INTO stock_movement (location, sku, kind, on_hand, reserved, reference, happened_at, at) \
         VALUES ('hub-hcm', 'FAN-1', 'reserved', 0, 1, 'by hand', 1, 1)",
    )
    .await;
    db.run("UPDATE stock SET reserved = 3").await;
    let options = Options {
        scope: Scope::Stock,
        ..Options::all(now())
    };
    let report = run(&db, &settings(), &options).await.unwrap();
    let finding = only(&report);
    assert_eq!(finding.code, "reserved-differs");
    assert_eq!(finding.what, "3 units are reserved, live orders hold 2");
}

#[tokio::test]
async fn a_task_that_nobody_asked_for_is_found() {
    let db = books().await;
    db.run(
        "INSERT INTO task (key, order_id, target, op, leg, subject, generation, state, not_before, created_at, body) \
         SELECT 'stray', order_id, target, op, leg, subject, 7, state, not_before, created_at, body FROM task",
    )
    .await;
    let report = verified(&db).await;
    let finding = only(&report);
    assert_eq!(finding.code, "task-orphaned");
    assert!(
        finding.what.contains("task 2 (reserve, pending)"),
        "{}",
        finding.what
    );
    assert!(finding.place.contains("wms"), "{}", finding.place);
}

#[tokio::test]
async fn a_task_that_was_lost_or_ended_behind_its_order_is_found() {
    let db = books().await;
    db.run("UPDATE task SET state = 'delivered', finished_at = 1")
        .await;
    assert_eq!(only(&verified(&db).await).code, "task-differs");
    db.run("DELETE FROM task").await;
    let report = verified(&db).await;
    let finding = only(&report);
    assert_eq!(finding.code, "task-missing");
    assert!(
        finding.what.starts_with("reserve of res_"),
        "{}",
        finding.what
    );
}

#[tokio::test]
async fn dead_letters_wait_for_a_person_and_are_findings_only_when_strict() {
    let db = books().await;
    db.run("UPDATE notice SET state = 'dead', reason = 'no id'")
        .await;
    let report = verified(&db).await;
    assert!(report.balanced, "{:#?}", report.findings);
    assert_eq!(report.waits.len(), 1);
    assert!(report.waits[0].what.contains("no id"));
    let strict = Options {
        dead: Dead::Finding,
        ..Options::all(now())
    };
    let report = run(&db, &settings(), &strict).await.unwrap();
    assert_eq!(only(&report).code, "dead");
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_found_and_does_not_stop_the_rest() {
    let db = books().await;
    db.run("UPDATE orders SET doc = '{}'").await;
    let found = codes(&verified(&db).await);
    assert_eq!(found, ["order-unreadable", "reserved-differs"]);
}

#[tokio::test]
async fn a_column_that_differs_from_its_document_is_found() {
    let db = books().await;
    db.run("UPDATE orders SET status = 'delivered'").await;
    let report = verified(&db).await;
    assert_eq!(only(&report).code, "column-differs");
}
