//! Orders that wait for a person, each with a cause that the person can mend.

use std::time::Duration;

use domain::order::{Action, Edit};
use kenh::store::products::{self, Mapping};
use serde_json::json;

use crate::app::{TestApp, on_both};
use crate::senders::{AC_PRICE, WebOrder};

async fn holds(app: &TestApp, external_id: &str) -> Vec<(String, Option<String>)> {
    let order = app.order(external_id).await;
    assert_eq!(order.status.as_str(), "on_hold", "{order:#?}");
    order
        .holds
        .into_iter()
        .map(|hold| (hold.code, hold.detail))
        .collect()
}

on_both! {
    async fn one_mapping_releases_every_order_with_that_article(kind: Kind) {
        let app = TestApp::start(kind).await;
        for id in ["WEB-1", "WEB-2", "WEB-3"] {
            app.web(&WebOrder::new(id).of("MAY-LANH-1HP", 1, AC_PRICE), "order.created").await;
        }
        app.settle().await;
        for id in ["WEB-1", "WEB-2", "WEB-3"] {
            let held = holds(&app, id).await;
            assert_eq!(held[0].0, "unknown-sku");
            assert!(held[0].1.as_ref().unwrap().contains("MAY-LANH-1HP"), "{held:?}");
        }
        assert_eq!(app.partner("hub-wms").calls().len(), 0);

        let mapping = Mapping {
            channel: "web".to_owned(),
            channel_sku: "MAY-LANH-1HP".to_owned(),
            sku: "AC-9000".to_owned(),
        };
        app.clock.advance(Duration::from_secs(1));
        products::map(&app.gateway.db, app.gateway.now_ms(), &[mapping]).await.unwrap();
        app.until("the orders go on", async || {
            app.rows.number("SELECT COUNT(*) FROM orders WHERE held IS NOT NULL").await == 0
        })
        .await;
        app.settle().await;
        assert_eq!(app.partner("hub-wms").count("POST", "/fulfillment-orders"), 3);
        app.finish().await;
    }

    async fn an_address_without_a_province_waits(kind: Kind) {
        let app = TestApp::start(kind).await;
        app.web(&WebOrder::new("WEB-1").to("Atlantis", "1 Main Street, Atlantis"), "order.created").await;
        app.settle().await;
        assert_eq!(holds(&app, "WEB-1").await[0].0, "unknown-province");
        assert_eq!(app.partner("hub-wms").calls().len(), 0);
        app.finish().await;
    }

    async fn totals_that_do_not_add_up_are_held_with_the_field_named(kind: Kind) {
        let app = TestApp::start(kind).await;
        app.web(&WebOrder::new("WEB-1").claims_total(AC_PRICE + 1), "order.created").await;
        app.settle().await;
        let held = holds(&app, "WEB-1").await;
        assert_eq!(held[0].0, "totals");
        assert!(held[0].1.as_ref().unwrap().contains("grand_total"), "{held:?}");
        assert_eq!(app.partner("hub-wms").calls().len(), 0);
        app.finish().await;
    }

    async fn a_cart_from_a_chat_waits_for_staff(kind: Kind) {
        let app = TestApp::start(kind).await;
        app.send(&app.facebook_cart("7230000000000001", "AC-9000", AC_PRICE)).await;
        app.settle().await;
        let drafts = app.orders().await;
        assert_eq!(drafts.len(), 1);
        assert_eq!(drafts[0].status.as_str(), "draft");
        app.pass(Duration::from_secs(7_200)).await;
        assert_eq!(app.partner("hub-wms").calls().len(), 0, "a draft was routed");
        assert_eq!(app.rows.number("SELECT COUNT(*) FROM task").await, 0);

        let id = drafts[0].external_id.clone();
        let edit: Edit = serde_json::from_value(json!({
            "buyer": {"name": "Trần Văn An", "phone": "0901234567", "email": null, "masked": false},
            "ship_to": {"name": "Trần Văn An", "phone": "0901234567", "line": null, "ward": null,
                        "district": null, "province": "TP.HCM", "lat": null, "lon": null,
                        "text": "12 Nguyễn Trãi, P. Bến Thành, TP.HCM", "masked": false},
            "lines": null, "note": null, "appointment": null, "tags": null, "invoice_request": null,
        }))
        .unwrap();
        app.command(&id, Action::Edit(Box::new(edit))).await.unwrap();
        app.command(&id, Action::Confirm).await.unwrap();
        app.settle().await;
        assert_eq!(app.order(&id).await.status.as_str(), "allocated");
        assert_eq!(app.partner("hub-wms").count("POST", "/fulfillment-orders"), 1);
        app.finish().await;
    }
}
