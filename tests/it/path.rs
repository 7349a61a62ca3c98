//! The whole path: a signed webhook becomes one order, reserved, sent, invoiced, installed and
//! warranted, each exactly once.

use serde_json::json;

use crate::app::{TestApp, on_both};
use crate::senders::{AC_PRICE, WebOrder};

/// Serial of the sold air conditioner.
const SERIAL: &str = "AC9000-0001";

on_both! {
    /// Every leg of one air conditioner, with the calls counted at the partners.
    async fn an_order_goes_all_the_way_and_every_effect_happens_once(kind: Kind) {
        let app = TestApp::start(kind).await;
        app.web(&WebOrder::new("WEB-1"), "order.created").await;
        app.settle().await;

        let order = app.order("WEB-1").await;
        let hub = app.partner("hub-wms");
        let reserved = hub.only("POST", "/reservations");
        assert_eq!(reserved.body["location"], "hub-hcm");
        assert_eq!(reserved.body["order_ref"], json!(order.code));
        assert!(reserved.key.starts_with(&format!("{}.", order.code)), "{}", reserved.key);
        let sent = hub.only("POST", "/fulfillment-orders");
        assert_eq!(sent.body["reservation_id"], reserved.body["reservation_id"]);
        let south = app.partner("technical-south");
        let visit = south.only("POST", "/work-orders");
        assert_eq!(visit.body["released"], false);
        assert_eq!(app.partner("einvoice").calls().len(), 0, "nothing is delivered yet");

        let parcel = sent.body["fulfillment_order_id"].as_str().unwrap().to_owned();
        let lines = json!([{"line_id": "1", "quantity": 1, "serials": [SERIAL]}]);
        app.callback("hub-wms", "fulfillment.accepted", 1, json!({"fulfillment_order_id": parcel})).await;
        app.callback("hub-wms", "fulfillment.packed", 2,
            json!({"fulfillment_order_id": parcel, "lines": lines})).await;
        app.callback("hub-wms", "fulfillment.shipped", 3,
            json!({"fulfillment_order_id": parcel, "lines": lines,
                   "tracking": {"carrier": "GHN", "number": "GHN123"}})).await;
        app.callback("hub-wms", "fulfillment.delivered", 4,
            json!({"fulfillment_order_id": parcel, "cod_collected": 0})).await;
        app.settle().await;

        let invoice = app.partner("einvoice").only("POST", "/invoices");
        assert_eq!(invoice.body["total"], AC_PRICE);
        assert_eq!(invoice.body["series"], "1C26MAA");
        south.only("POST", &format!("/work-orders/{}/release", visit.body["external_id"].as_str().unwrap()));
        app.callback("einvoice", "invoice.coded", 1,
            json!({"invoice_request_id": invoice.body["invoice_request_id"], "series": "1C26MAA",
                   "number": "00000001", "authority_code": "M1-26-TEST"})).await;
        app.callback("technical-south", "service.completed", 1,
            json!({"external_id": visit.body["external_id"], "serials": [SERIAL]})).await;
        app.settle().await;

        let order = app.order("WEB-1").await;
        assert_eq!(order.invoice.state, "coded");
        assert_eq!(order.invoice.number.as_deref(), Some("00000001"));
        assert_eq!(order.invoice.authority_code.as_deref(), Some("M1-26-TEST"));
        assert_eq!(order.service_orders[0].state, "completed");
        assert_eq!(order.warranties.len(), 1);
        assert!(order.warranties[0].active);
        assert_eq!(order.warranties[0].serial.as_deref(), Some(SERIAL));
        assert_eq!(order.status.as_str(), "completed");

        assert_eq!(hub.calls().len(), 2, "{:#?}", hub.calls());
        assert_eq!(south.calls().len(), 2, "{:#?}", south.calls());
        assert_eq!(app.partner("einvoice").calls().len(), 1);
        assert_eq!(app.partner("warranty-center").calls().len(), 1);
        assert_eq!(app.partner("store-pos").calls().len(), 0);
        let shipped = app.rows.number("SELECT CAST(SUM(on_hand) AS BIGINT) FROM stock_movement WHERE kind = 'shipped'").await;
        assert_eq!(shipped, -1);
        app.finish().await;
    }

    /// Cash at the door: the parcel carries the sum, the invoice follows the delivery.
    async fn cash_collected_at_the_door_pays_the_order(kind: Kind) {
        let app = TestApp::start(kind).await;
        app.web(&WebOrder::phone("WEB-1").cod(), "order.created").await;
        app.settle().await;
        let part = app.order("WEB-1").await.fulfillment_orders[0].clone();
        assert_eq!(part.cod.0, 6_990_000);
        let target = app.parcel_target(&part.id);
        let sent = app.partner(target).only("POST", "/fulfillment-orders");
        assert_eq!(sent.body["cod"], 6_990_000);
        let lines = json!([{"line_id": "1", "quantity": 1, "serials": ["IMEI-1"]}]);
        app.callback(target, "fulfillment.shipped", 1,
            json!({"fulfillment_order_id": part.id, "lines": lines,
                   "tracking": {"carrier": "GHN", "number": "GHN1"}})).await;
        app.callback(target, "fulfillment.delivered", 2,
            json!({"fulfillment_order_id": part.id, "cod_collected": 6_990_000})).await;
        app.settle().await;
        let order = app.order("WEB-1").await;
        assert_eq!(order.fulfillment_orders[0].cod_collected, Some(6_990_000));
        assert_eq!(app.partner("einvoice").only("POST", "/invoices").body["total"], 6_990_000);
        app.finish().await;
    }

    /// The same callback again, and the whole story again: nothing happens twice.
    async fn a_repeated_callback_has_no_second_effect(kind: Kind) {
        let app = TestApp::start(kind).await;
        app.web(&WebOrder::phone("WEB-1"), "order.created").await;
        app.settle().await;
        let parcel = app.order("WEB-1").await.fulfillment_orders[0].id.clone();
        let target = app.parcel_target(&parcel);
        let lines = json!([{"line_id": "1", "quantity": 1, "serials": ["IMEI-1"]}]);
        let shipped = app.callback_message(target, "fulfillment.shipped", 1,
            json!({"fulfillment_order_id": parcel, "lines": lines,
                   "tracking": {"carrier": "GHN", "number": "GHN1"}}));
        let delivered = app.callback_message(target, "fulfillment.delivered", 2,
            json!({"fulfillment_order_id": parcel}));
        for message in [&shipped, &delivered, &shipped, &delivered] {
            app.send(message).await;
            app.settle().await;
        }
        assert_eq!(app.partner("einvoice").calls().len(), 1);
        assert_eq!(app.partner("warranty-center").calls().len(), 1);
        let shipped = app.rows.number("SELECT CAST(SUM(on_hand) AS BIGINT) FROM stock_movement WHERE kind = 'shipped'").await;
        assert_eq!(shipped, -1);
        app.finish().await;
    }
}
