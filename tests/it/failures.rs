//! Partners that refuse, fail, stall and forget, buyers who change their minds, and messages
//! that come in the wrong order.

use std::time::Duration;

use kenh::store::deliveries::{self, Redrive};
use serde_json::json;
use wiremock::ResponseTemplate;

use crate::app::{Setup, TestApp, on_both};
use crate::partner::{Then, late};
use crate::senders::{AC_PRICE, WebOrder};

fn answer(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status)
}

/// Words of the attempts at one operation, oldest first.
async fn attempts(app: &TestApp, op: &str) -> Vec<String> {
    let sql = format!(
        "SELECT a.call || ' ' || a.outcome FROM attempt a JOIN task t ON t.seq = a.task_seq \
         WHERE t.op = '{op}' ORDER BY a.seq"
    );
    app.rows.texts(&sql).await
}

on_both! {
    async fn a_cancellation_before_shipping_leaves_nothing_live(kind: Kind) {
        let app = TestApp::start(kind).await;
        let order = WebOrder::new("WEB-1");
        app.web(&order, "order.created").await;
        app.settle().await;
        app.web(&order.cancelled(), "order.cancelled").await;
        app.settle().await;

        assert_eq!(app.order("WEB-1").await.status.as_str(), "cancelled");
        for target in ["hub-wms", "technical-south"] {
            assert_eq!(app.partner(target).live().len(), 0, "{target}");
        }
        assert_eq!(app.partner("einvoice").calls().len(), 0);
        let reserved = app.rows.number("SELECT CAST(SUM(reserved) AS BIGINT) FROM stock").await;
        assert_eq!(reserved, 0);
        // The visit is called off before the goods are put back.
        let undone = app
            .rows
            .texts("SELECT op FROM task WHERE op IN ('cancel_work_order', 'cancel_fulfillment') ORDER BY finished_at, seq")
            .await;
        assert_eq!(undone.first().map(String::as_str), Some("cancel_work_order"), "{undone:?}");
        app.finish().await;
    }

    async fn a_cancellation_that_comes_before_its_order_wins(kind: Kind) {
        let app = TestApp::start(kind).await;
        let order = WebOrder::new("WEB-1");
        app.web(&order.clone().cancelled(), "order.cancelled").await;
        app.settle().await;
        app.web(&order, "order.created").await;
        app.settle().await;
        assert_eq!(app.order("WEB-1").await.status.as_str(), "cancelled");
        assert_eq!(app.partner("hub-wms").calls().len(), 0);
        app.finish().await;
    }

    async fn a_payment_that_comes_before_its_order_waits_for_it(kind: Kind) {
        // The code of a database's first order is always the same.
        let first = TestApp::start(kind).await;
        first.web(&WebOrder::new("WEB-1"), "order.created").await;
        first.settle().await;
        let reference = format!("{}-1", first.order("WEB-1").await.code);
        first.finish().await;

        let app = TestApp::start(kind).await;
        let answer = app.knock(&app.vnpay(&reference, AC_PRICE, 1)).await;
        assert_eq!(answer.json()["RspCode"], "01");
        app.until("the payment was tried and put off", async || {
            app.rows.number("SELECT COUNT(*) FROM notice WHERE attempts > 0").await == 1
        })
        .await;
        app.web(&WebOrder::new("WEB-1").card(), "order.created").await;
        app.settle().await;
        let order = app.order("WEB-1").await;
        assert_eq!(order.payment.paid.0, AC_PRICE);
        assert_eq!(app.partner("hub-wms").count("POST", "/reservations"), 1);
        app.finish().await;
    }

    async fn callbacks_in_any_order_end_in_the_same_state(kind: Kind) {
        let app = TestApp::start(kind).await;
        app.web(&WebOrder::phone("WEB-1"), "order.created").await;
        app.settle().await;
        let parcel = app.order("WEB-1").await.fulfillment_orders[0].id.clone();
        let lines = json!([{"line_id": "1", "quantity": 1, "serials": ["IMEI-1"]}]);
        let target = app.parcel_target(&parcel);
        app.callback(target, "fulfillment.delivered", 4, json!({"fulfillment_order_id": parcel})).await;
        app.callback(target, "fulfillment.packed", 2, json!({"fulfillment_order_id": parcel, "lines": lines})).await;
        app.settle().await;
        app.callback(target, "fulfillment.accepted", 1, json!({"fulfillment_order_id": parcel})).await;
        app.callback(target, "fulfillment.shipped", 3,
            json!({"fulfillment_order_id": parcel, "lines": lines,
                   "tracking": {"carrier": "GHN", "number": "GHN1"}})).await;
        app.settle().await;
        let order = app.order("WEB-1").await;
        assert_eq!(order.fulfillment_orders[0].state, "delivered");
        assert_eq!(order.fulfillment_orders[0].tracking.as_ref().unwrap().number, "GHN1");
        assert_eq!(order.warranties[0].serial.as_deref(), Some("IMEI-1"));
        assert_eq!(app.partner("einvoice").count("POST", "/invoices"), 1);
        assert_eq!(app.partner("warranty-center").count("POST", "/warranties"), 1);
        app.finish().await;
    }

    async fn a_location_that_rejects_is_not_asked_again(kind: Kind) {
        let app = TestApp::start(kind).await;
        app.web(&WebOrder::phone("WEB-1"), "order.created").await;
        app.settle().await;
        let first = app.order("WEB-1").await.fulfillment_orders[0].clone();
        let target = app.parcel_target(&first.id);
        app.callback(target, "fulfillment.rejected", 1,
            json!({"fulfillment_order_id": first.id, "reason": "damaged"})).await;
        app.settle().await;
        let order = app.order("WEB-1").await;
        let parts = &order.fulfillment_orders;
        assert_eq!(parts.len(), 2, "{parts:#?}");
        assert_eq!(parts[0].state, "rejected");
        assert_ne!(parts[1].location, first.location);
        assert_eq!(order.status.as_str(), "allocated");
        // What was sold of the first location's shelf is free again.
        let reserved = app.rows.number("SELECT CAST(SUM(reserved) AS BIGINT) FROM stock").await;
        assert_eq!(reserved, 1);
        app.finish().await;
    }

    async fn a_partner_without_the_goods_loses_the_order_to_the_next(kind: Kind) {
        let app = TestApp::start(kind).await;
        let none = json!({"code": "insufficient", "message": "none", "lines": [{"sku": "AC-9000", "available": 0}]});
        app.partner("hub-wms").script("POST", "/reservations", 1,
            Then::Instead(answer(409).set_body_json(none)));
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        app.settle().await;
        let order = app.order("WEB-1").await;
        let live: Vec<_> = order
            .fulfillment_orders
            .iter()
            .filter(|part| part.state != "rejected" && part.state != "cancelled")
            .collect();
        assert_eq!(live.len(), 1, "{:#?}", order.fulfillment_orders);
        assert_ne!(live[0].location, "hub-hcm");
        let reserved = app.rows.text("SELECT location FROM stock WHERE reserved > 0").await;
        assert_eq!(reserved.as_deref(), Some(live[0].location.as_str()));
        app.finish().await;
    }

    async fn a_failing_partner_is_tried_again_and_every_try_is_kept(kind: Kind) {
        let app = TestApp::start(kind).await;
        let hub = app.partner("hub-wms");
        hub.script("POST", "/reservations", 2, Then::Instead(answer(500)));
        hub.script("POST", "/reservations", 1, Then::Instead(answer(503).insert_header("retry-after", "1")));
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        app.settle().await;
        assert_eq!(hub.done("POST /reservations"), 1);
        let words = attempts(&app, "reserve").await;
        assert_eq!(words.iter().filter(|w| *w == "send retry").count(), 3, "{words:?}");
        assert_eq!(words.last().map(String::as_str), Some("send accepted"));
        // After every 5xx the partner is asked before anything is sent again.
        assert_eq!(words.iter().filter(|w| *w == "lookup absent").count(), 3, "{words:?}");
        app.finish().await;
    }

    async fn nothing_is_sent_before_a_retry_after_has_passed(kind: Kind) {
        let app = TestApp::start(kind).await;
        let hub = app.partner("hub-wms");
        hub.script("POST", "/reservations", 1, Then::Instead(answer(429).insert_header("retry-after", "30")));
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        app.settle().await;
        let posts = hub.of("POST", "/reservations");
        let at = |n: usize| -> i64 {
            posts[n].headers["webhook-timestamp"].to_str().unwrap().parse().unwrap()
        };
        assert_eq!(posts.len(), 2);
        assert!(at(1) >= at(0) + 30, "sent after {} s", at(1) - at(0));
        app.finish().await;
    }

    async fn an_answer_that_got_lost_is_looked_up_and_not_repeated(kind: Kind) {
        let setup = Setup::default().edit(|config| {
            for target in &mut config.targets {
                if target.id == "technical-south" {
                    target.calls.timeout_ms = 300;
                }
            }
        });
        let app = setup.start(kind).await;
        app.partner("hub-wms").script("POST", "/reservations", 1, Then::After(answer(502)));
        app.partner("technical-south").script("POST", "/work-orders", 1,
            Then::After(late(201, Duration::from_secs(2))));
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        app.settle().await;
        let hub = app.partner("hub-wms");
        assert_eq!(hub.count("POST", "/reservations"), 1);
        assert_eq!(hub.count("GET", "/reservations/"), 1);
        let south = app.partner("technical-south");
        assert_eq!(south.count("POST", "/work-orders"), 1);
        assert_eq!(south.count("GET", "/work-orders/"), 1);
        assert_eq!(hub.count("POST", "/fulfillment-orders"), 1);
        assert_eq!(attempts(&app, "reserve").await.last().map(String::as_str), Some("lookup found"));
        app.finish().await;
    }

    async fn a_success_with_garbage_in_it_is_a_success(kind: Kind) {
        let app = TestApp::start(kind).await;
        app.partner("hub-wms").script("POST", "/reservations", 1,
            Then::After(answer(201).set_body_string("<html>welcome</html>")));
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        app.settle().await;
        assert_eq!(app.partner("hub-wms").count("POST", "/reservations"), 1);
        assert_eq!(app.partner("hub-wms").count("POST", "/fulfillment-orders"), 1);
        app.finish().await;
    }

    async fn a_delivery_that_gives_up_is_a_dead_letter_until_it_is_redriven(kind: Kind) {
        let app = TestApp::start(kind).await;
        let south = app.partner("technical-south");
        south.script("POST", "/work-orders", 10_000, Then::Instead(answer(500)));
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        let begun = app.gateway.now_ms();
        app.until("the first try failed and the next one has its time", async || {
            let waiting = format!(
                "SELECT COUNT(*) FROM task WHERE op = 'create_work_order' AND state = 'pending' \
                 AND attempts = 1 AND not_before > {begun}"
            );
            app.rows.number(&waiting).await == 1
        })
        .await;
        app.clock.advance(Duration::from_secs(601));
        app.settle().await;
        let dead = app.rows.texts("SELECT op FROM task WHERE state = 'dead'").await;
        assert_eq!(dead, ["create_work_order"]);
        // The rest of the order is not held up by it.
        assert_eq!(app.partner("hub-wms").count("POST", "/fulfillment-orders"), 1);

        south.behave();
        let filter = Redrive { target: Some("technical-south".to_owned()), ..Redrive::default() };
        let redriven = deliveries::redrive(&app.gateway.db, &filter, "staff", app.gateway.now_ms()).await.unwrap();
        assert_eq!(redriven.len(), 1);
        app.settle().await;
        assert_eq!(south.done("POST /work-orders"), 1);
        assert_eq!(app.order("WEB-1").await.service_orders[0].state, "waiting");
        app.finish().await;
    }
}
