//! The last units on the shelf: as many promises as there are units, whoever asks at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use kenh::app::Role;
use kenh::clock::Clock as _;
use kenh::pipeline::settle::{Count, Input};
use kenh::store::stock;

use crate::app::{Kind, TestApp, on_both};
use crate::senders::WebOrder;

const SKU: &str = "FAN-SENKO-16";

/// Leaves `units` that may be sold, all of them at one hub, which keeps two back.
async fn leave(app: &TestApp, units: i64) {
    let places = app
        .rows
        .texts(&format!("SELECT location FROM stock WHERE sku = '{SKU}'"))
        .await;
    assert!(places.len() > 3);
    let counts = places
        .into_iter()
        .map(|location| stock::Count {
            on_hand: if location == "hub-hcm" { units + 2 } else { 0 },
            location,
            sku: SKU.to_owned(),
            as_of: app.gateway.now_ms(),
            sequence: 1,
            safety: None,
            reference: "recount".to_owned(),
        })
        .collect();
    app.gateway
        .settler
        .ask(|reply| {
            Input::Count(Box::new(Count {
                actor: "staff".to_owned(),
                counts,
                reply,
            }))
        })
        .await
        .unwrap();
}

/// 200 buyers at once, each at one of these doors.
async fn rush(app: &TestApp, doors: &[String]) {
    let orders = (0..200).map(|n| {
        let order = WebOrder::new(&format!("WEB-{n}")).of(SKU, 1, 450_000);
        let message = app.web_message(&order, "order.created");
        let door = &doors[n % doors.len()];
        async move { app.world.knock(door, &message).await.status }
    });
    let statuses = join_all(orders).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    app.settle().await;
}

async fn ten_were_promised(app: &TestApp) {
    let reserved = app
        .rows
        .number(&format!(
            "SELECT CAST(SUM(reserved) AS BIGINT) FROM stock WHERE sku = '{SKU}'"
        ))
        .await;
    assert_eq!(reserved, 10);
    let allocated = app
        .rows
        .number("SELECT COUNT(*) FROM orders WHERE status = 'allocated'")
        .await;
    let held = app
        .rows
        .number("SELECT COUNT(*) FROM orders WHERE held = 'no-stock'")
        .await;
    assert_eq!((allocated, held), (10, 190));
    assert_eq!(app.partner("hub-wms").done("POST /reservations"), 10);
    assert_eq!(app.partner("hub-wms").count("POST", "/reservations"), 10);
    assert_eq!(app.partner("store-pos").calls().len(), 0);
}

on_both! {
    async fn two_hundred_buyers_of_ten_units_get_ten(kind: Kind) {
        let app = TestApp::start(kind).await;
        leave(&app, 10).await;
        rush(&app, std::slice::from_ref(&app.url)).await;
        ten_were_promised(&app).await;
        app.finish().await;
    }

    async fn a_late_report_of_shipping_is_already_in_a_newer_count(kind: Kind) {
        let app = TestApp::start(kind).await;
        leave(&app, 3).await;
        app.web(&WebOrder::new("WEB-1").of(SKU, 1, 450_000), "order.created").await;
        app.settle().await;
        let part = app.order("WEB-1").await.fulfillment_orders[0].clone();
        app.clock.advance(std::time::Duration::from_secs(1));
        let shipped = app.callback_message("hub-wms", "fulfillment.shipped", 1,
            serde_json::json!({"fulfillment_order_id": part.id, "tracking": null,
                "lines": [{"line_id": part.lines[0].line_id, "quantity": 1}]}));
        // The hub counts after the parcel left, and that is heard of first.
        app.clock.advance(std::time::Duration::from_secs(60));
        let data = serde_json::json!({"location": "hub-hcm", "sku": SKU, "on_hand": 4,
            "as_of": app.clock.now().to_string()});
        app.callback("hub-wms", "stock.changed", 2, data).await;
        app.settle().await;
        app.send(&shipped).await;
        app.settle().await;
        let row = app
            .rows
            .texts(&format!(
                "SELECT CAST(on_hand AS TEXT) || '/' || CAST(reserved AS TEXT) FROM stock \
                 WHERE sku = '{SKU}' AND location = 'hub-hcm'"
            ))
            .await;
        assert_eq!(row, ["4/0"]);
        app.finish().await;
    }

    async fn a_count_below_the_promises_is_oversold_and_never_negative(kind: Kind) {
        let app = TestApp::start(kind).await;
        leave(&app, 3).await;
        for n in 0..3 {
            let order = WebOrder::new(&format!("WEB-{n}")).of(SKU, 1, 450_000);
            app.web(&order, "order.created").await;
        }
        app.settle().await;
        app.clock.advance(std::time::Duration::from_secs(1));
        let data = serde_json::json!({"location": "hub-hcm", "sku": SKU, "on_hand": 1,
            "as_of": jiff::Timestamp::from_millisecond(app.gateway.now_ms()).unwrap().to_string()});
        app.callback("hub-wms", "stock.changed", 2, data).await;
        app.settle().await;
        let row = app
            .rows
            .texts(&format!(
                "SELECT CAST(on_hand AS TEXT) || '/' || CAST(reserved AS TEXT) FROM stock \
                 WHERE sku = '{SKU}' AND location = 'hub-hcm'"
            ))
            .await;
        assert_eq!(row, ["1/3"]);
        // Nobody gets a fourth.
        app.web(&WebOrder::new("WEB-4").of(SKU, 1, 450_000), "order.created").await;
        app.settle().await;
        assert_eq!(app.order("WEB-4").await.status.as_str(), "on_hold");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_on_one_database_promise_ten_units_once() {
    let app = TestApp::start(Kind::Postgres).await;
    leave(&app, 10).await;
    let roles = BTreeSet::from([Role::Receive, Role::Work]);
    let second = app.gateway(2, &roles).await;
    let doors = [app.url.clone(), format!("http://{}", second.address)];
    rush(&app, &doors).await;
    ten_were_promised(&app).await;
    second.stop().await;
    app.finish().await;
}
