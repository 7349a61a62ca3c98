//! Labels come from the channel, for those who may see what is printed on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, Request, ResponseTemplate};

use crate::app::{TestApp, on_both};
use crate::desk::{Answer, Desk};
use crate::senders::WebOrder;
use crate::shopee::{good, pair, show_orders};

const STAFF: [&str; 2] = ["orders:read", "pii:read"];
const PDF: &[u8] = b"%PDF-1.4 a label";

/// Shopee makes a label, and needs one look more than the first until it is ready.
async fn makes_labels(app: &TestApp) {
    let looks = Arc::new(AtomicUsize::new(0));
    let answer = move |request: &Request| {
        let row = |fields: Value| good(&json!({"result_list": [fields]}));
        match request.url.path().rsplit('/').next().unwrap() {
            "get_tracking_number" => good(&json!({"tracking_number": "SPXVN0001"})),
            "get_shipping_document_parameter" => row(json!({
                "order_sn": "2411240000001",
                "suggest_shipping_document_type": "THERMAL_AIR_WAYBILL",
            })),
            "create_shipping_document" => row(json!({"order_sn": "2411240000001"})),
            "get_shipping_document_result" => {
                let ready = looks.fetch_add(1, Ordering::SeqCst) > 0;
                row(json!({"status": if ready { "READY" } else { "PROCESSING" }}))
            }
            "download_shipping_document" => {
                ResponseTemplate::new(200).set_body_raw(PDF, "application/pdf")
            }
            other => panic!("{other} makes no label"),
        }
    };
    let answer = Arc::new(answer);
    for call in [
        ("GET", "get_tracking_number"),
        ("POST", "get_shipping_document_parameter"),
        ("POST", "create_shipping_document"),
        ("POST", "get_shipping_document_result"),
        ("POST", "download_shipping_document"),
    ] {
        let answer = Arc::clone(&answer);
        Mock::given(method(call.0))
            .and(path(format!("/api/v2/logistics/{}", call.1)))
            .respond_with(move |request: &Request| answer(request))
            .mount(&app.shopee)
            .await;
    }
}

/// A paid order of the shop, with a parcel.
async fn sold(app: &TestApp) -> (String, String) {
    show_orders(app, app.clock_s()).await;
    let push = app.shopee_push("m1", "2411240000001", "READY_TO_SHIP", app.clock_s());
    app.send(&push).await;
    app.settle().await;
    let order = app.order("2411240000001").await;
    (order.id, order.fulfillment_orders[0].id.clone())
}

async fn label(app: &TestApp, scopes: &[&str], order: &str, parcel: &str) -> Answer {
    let path = format!("/orders/{order}/fulfillment-orders/{parcel}/label");
    Desk::of(app, scopes)
        .await
        .call(Method::GET, &path, None)
        .await
}

on_both! {
    async fn a_label_comes_as_a_file_once_the_channel_has_made_it(kind: Kind) {
        let app = TestApp::start(kind).await;
        makes_labels(&app).await;
        let (order, parcel) = sold(&app).await;
        let early = label(&app, &STAFF, &order, &parcel).await;
        assert_eq!(early.problem(), "503 unavailable");
        assert!(early.header("retry-after").is_some());
        let answer = label(&app, &STAFF, &order, &parcel).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        assert_eq!(answer.body, PDF);
        assert_eq!(answer.header("content-type"), Some("application/pdf"));
        assert_eq!(answer.header("content-disposition"), Some("attachment"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        app.finish().await;
    }

    async fn a_client_that_hangs_up_does_not_cost_the_account_its_tokens(kind: Kind) {
        let app = TestApp::start(kind).await;
        makes_labels(&app).await;
        let (order, parcel) = sold(&app).await;
        Mock::given(method("POST"))
            .and(path("/api/v2/auth/access_token/get"))
            .respond_with(pair().set_delay(Duration::from_millis(700)))
            .expect(1)
            .mount(&app.shopee)
            .await;
        app.tokens_expired().await;
        let desk = Desk::of(&app, &STAFF).await;
        let asked = format!("/orders/{order}/fulfillment-orders/{parcel}/label");
        let vendor_is_asked = || async {
            let all = app.shopee.received_requests().await.unwrap();
            all.iter().any(|request| request.url.path().starts_with("/api/v2/auth/"))
        };
        tokio::select! {
            _ = desk.call(Method::GET, &asked, None) => panic!("answered without a token"),
            () = app.until("the vendor is asked for a token", vendor_is_asked) => {}
        }
        app.until("the pair is stored", || async {
            let stored = "SELECT COUNT(*) FROM channel_account \
                          WHERE channel = 'shopee-vn' AND access_expires_at > 0 AND lease_until = 0";
            app.rows.number(stored).await == 1
        }).await;
        let answer = label(&app, &STAFF, &order, &parcel).await;
        assert_eq!(answer.problem(), "503 unavailable", "still being made");
        app.finish().await;
    }

    async fn a_label_is_only_for_those_who_may_see_its_address(kind: Kind) {
        let app = TestApp::start(kind).await;
        makes_labels(&app).await;
        let (order, parcel) = sold(&app).await;
        let before = app.shopee.received_requests().await.unwrap().len();
        let answer = label(&app, &["orders:read"], &order, &parcel).await;
        assert_eq!(answer.problem(), "403 forbidden");
        assert_eq!(app.shopee.received_requests().await.unwrap().len(), before);
        app.finish().await;
    }

    async fn what_has_no_label_is_said_so(kind: Kind) {
        let app = TestApp::start(kind).await;
        let (order, _) = sold(&app).await;
        let nothing = label(&app, &STAFF, &order, "ful_00000000000000000000000000").await;
        assert_eq!(nothing.problem(), "404 not-found");
        app.web(&WebOrder::phone("WEB-1"), "order.created").await;
        app.settle().await;
        let web = app.order("WEB-1").await;
        let answer = label(&app, &STAFF, &web.id, &web.fulfillment_orders[0].id).await;
        assert_eq!(answer.problem(), "409 not-allowed");
        assert!(answer.json["detail"].as_str().unwrap().contains("kenh channels"));
        app.finish().await;
    }
}
