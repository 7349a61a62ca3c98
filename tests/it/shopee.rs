//! A channel whose pushes only hint: the order is fetched with a signed call, and the token for
//! it is refreshed once, whoever asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, Request, ResponseTemplate};

use crate::app::{Setup, TestApp, on_both};
use crate::senders::WebOrder;

const DETAIL: &str = "/api/v2/order/get_order_detail";
const REFRESH: &str = "/api/v2/auth/access_token/get";

/// The shop's own document of a paid order of one phone.
pub fn document(order_sn: &str, status: &str, updated: i64) -> Value {
    json!({
        "order_sn": order_sn, "region": "VN", "currency": "VND", "cod": false,
        "pending_terms": [], "order_status": status, "shipping_carrier": "SPX Express",
        "payment_method": "ShopeePay", "estimated_shipping_fee": 0, "actual_shipping_fee": 0,
        "message_to_seller": "", "create_time": updated - 60, "update_time": updated,
        "pay_time": updated, "days_to_ship": 2, "ship_by_date": updated + 172_800,
        "total_amount": 6_990_000, "buyer_user_id": 1, "buyer_username": "k******9",
        "recipient_address": {
            "name": "N******n", "phone": "******67", "town": "Phường ******",
            "district": "Quận 1", "city": "", "state": "TP. Hồ Chí Minh", "region": "VN",
            "zipcode": "", "full_address": "Số ******, Phường ******, Quận 1, TP. Hồ Chí Minh",
        },
        "note": "", "split_up": false, "buyer_cancel_reason": "", "cancel_by": "",
        "cancel_reason": "", "fulfillment_flag": "fulfilled_by_local_seller",
        "pickup_done_time": 0, "invoice_data": null,
        "item_list": [{
            "item_id": 10_000_000_001_i64, "item_name": "KAQ U95", "item_sku": "KAQ-U95",
            "model_id": 0, "model_name": "", "model_sku": "", "model_quantity_purchased": 1,
            "model_original_price": 6_990_000, "model_discounted_price": 6_990_000,
            "wholesale": false, "weight": 1, "add_on_deal": false, "main_item": false,
            "add_on_deal_id": 0, "promotion_type": "", "promotion_id": 0,
            "order_item_id": 10_000_000_001_i64, "promotion_group_id": 0,
        }],
        "package_list": [{"package_number": "OFG1", "logistics_status": "LOGISTICS_NOT_START",
                          "shipping_carrier": "SPX Express"}],
    })
}

pub fn good(response: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(
        json!({"error": "", "message": "", "request_id": "r", "response": response, "warning": ""}),
    )
}

pub fn pair() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "partner_id": 1_000_001, "shop_id": 812_345_678, "refresh_token": "new-refresh",
        "access_token": "new-access", "expire_in": 14_400, "request_id": "r",
        "error": "", "message": "",
    }))
}

/// The API shows every order that it is asked for.
pub async fn show_orders(app: &TestApp, updated: i64) {
    Mock::given(method("GET"))
        .and(path(DETAIL))
        .respond_with(move |request: &Request| {
            let pairs: Vec<_> = request.url.query_pairs().collect();
            let number = pairs
                .iter()
                .find(|(name, _)| name == "order_sn_list")
                .unwrap();
            let order = document(&number.1, "READY_TO_SHIP", updated);
            good(&json!({"order_list": [order]}))
        })
        .mount(&app.shopee)
        .await;
}

async fn requests(app: &TestApp, wanted: &str) -> Vec<Request> {
    let mut all = app.shopee.received_requests().await.unwrap();
    all.retain(|request| request.url.path() == wanted);
    all
}

pub fn parameter(request: &Request, name: &str) -> String {
    let found = request.url.query_pairs().find(|(key, _)| key == name);
    found
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

on_both! {
    async fn a_channel_whose_api_stalls_holds_up_no_other_channel(kind: Kind) {
        let app = Setup::default()
            .edit(|config| {
                // 64 notices may be under way.
                config.work.settle_batch = 1;
                config.work.fetch_concurrency = 2;
            })
            .start(kind)
            .await;
        let now = app.clock_s();
        let mended = Arc::new(AtomicBool::new(false));
        let answers = Arc::clone(&mended);
        Mock::given(method("GET"))
            .and(path(DETAIL))
            .respond_with(move |request: &Request| {
                let number = parameter(request, "order_sn_list");
                let order = document(&number, "READY_TO_SHIP", now);
                let answer = good(&json!({"order_list": [order]}));
                if answers.load(Ordering::SeqCst) {
                    answer
                } else {
                    answer.set_delay(Duration::from_secs(8))
                }
            })
            .mount(&app.shopee)
            .await;
        let pushes = (0..80).map(|n| {
            let push = app.shopee_push(&format!("m{n}"), &format!("24112400001{n:02}"), "READY_TO_SHIP", now);
            let app = &app;
            async move { app.send(&push).await }
        });
        join_all(pushes).await;
        app.until("the shop's API is asked and does not answer", || async {
            requests(&app, DETAIL).await.len() == 2
        }).await;

        app.web(&WebOrder::phone("WEB-1"), "order.created").await;
        app.until("the website's order is reserved", || async {
            !app.orders().await.is_empty()
        }).await;
        assert_eq!(app.orders().await.len(), 1, "none of the stalled shop's");
        mended.store(true, Ordering::SeqCst);
        app.settle().await;
        assert_eq!(app.orders().await.len(), 81);
        app.finish().await;
    }

    async fn a_push_leads_to_a_signed_fetch_and_an_order(kind: Kind) {
        let app = TestApp::start(kind).await;
        let now = app.clock_s();
        show_orders(&app, now).await;
        app.send(&app.shopee_push("m1", "2411240000001", "READY_TO_SHIP", now)).await;
        app.settle().await;
        let order = app.order("2411240000001").await;
        assert_eq!(order.totals.grand_total.0, 6_990_000);
        let fetches = requests(&app, DETAIL).await;
        assert_eq!(fetches.len(), 1);
        let base = format!(
            "{}{DETAIL}{}{}{}",
            app.secrets.shopee_partner_id,
            parameter(&fetches[0], "timestamp"),
            app.secrets.shopee_tokens.access,
            app.secrets.shopee_shop_id,
        );
        let expected = sandbox::signing::shopee_api(&app.secrets.shopee_partner_key, &base);
        assert_eq!(parameter(&fetches[0], "sign"), expected);
        assert_eq!(requests(&app, REFRESH).await.len(), 0);
        app.finish().await;
    }

    async fn the_same_message_id_with_other_content_makes_it_fetch_again(kind: Kind) {
        let app = TestApp::start(kind).await;
        let now = app.clock_s();
        show_orders(&app, now).await;
        app.send(&app.shopee_push("m1", "2411240000001", "READY_TO_SHIP", now)).await;
        app.settle().await;
        app.send(&app.shopee_push("m1", "2411240000001", "PROCESSED", now)).await;
        app.settle().await;
        let outcomes = app.rows.texts("SELECT outcome FROM receipt ORDER BY seq").await;
        assert_eq!(outcomes, ["new", "conflict"]);
        assert_eq!(app.rows.number("SELECT COUNT(*) FROM message_conflict").await, 1);
        assert_eq!(requests(&app, DETAIL).await.len(), 2);
        assert_eq!(app.rows.number("SELECT COUNT(*) FROM notice WHERE state = 'done'").await, 2);
        app.finish().await;
    }

    async fn a_refused_token_is_refreshed_once_and_the_fetch_repeated(kind: Kind) {
        let app = TestApp::start(kind).await;
        let now = app.clock_s();
        let refused = json!({"error": "invalid_acceess_token", "message": "Invalid access_token.", "request_id": "r"});
        Mock::given(method("GET"))
            .and(path(DETAIL))
            .and(query_param("access_token", app.secrets.shopee_tokens.access.as_str()))
            .respond_with(ResponseTemplate::new(200).set_body_json(refused))
            .with_priority(1)
            .mount(&app.shopee)
            .await;
        show_orders(&app, now).await;
        Mock::given(method("POST")).and(path(REFRESH)).respond_with(pair()).mount(&app.shopee).await;
        app.send(&app.shopee_push("m1", "2411240000001", "READY_TO_SHIP", now)).await;
        app.settle().await;
        let refreshes = requests(&app, REFRESH).await;
        assert_eq!(refreshes.len(), 1);
        let body: Value = serde_json::from_slice(&refreshes[0].body).unwrap();
        assert_eq!(body["refresh_token"], json!(app.secrets.shopee_tokens.refresh));
        let fetches = requests(&app, DETAIL).await;
        assert_eq!(parameter(&fetches[1], "access_token"), "new-access");
        app.order("2411240000001").await;
        app.finish().await;
    }

    async fn a_refusal_that_comes_late_costs_no_second_refresh(kind: Kind) {
        let app = TestApp::start(kind).await;
        let now = app.clock_s();
        let refused = json!({"error": "invalid_acceess_token", "message": "Invalid access_token.", "request_id": "r"});
        // All go out with the old token; the refusals come one after another, each when the
        // refresh that the one before it led to is over.
        Mock::given(method("GET"))
            .and(path(DETAIL))
            .and(query_param("access_token", app.secrets.shopee_tokens.access.as_str()))
            .respond_with(move |request: &Request| {
                let number = parameter(request, "order_sn_list");
                let turn = u64::from(number.as_bytes().last().unwrap() - b'0');
                ResponseTemplate::new(200)
                    .set_body_json(refused.clone())
                    .set_delay(Duration::from_millis(500 + 250 * turn))
            })
            .with_priority(1)
            .mount(&app.shopee)
            .await;
        show_orders(&app, now).await;
        Mock::given(method("POST")).and(path(REFRESH)).respond_with(pair()).mount(&app.shopee).await;
        let pushes = (0..4).map(|n| {
            let push = app.shopee_push(&format!("m{n}"), &format!("241124000000{n}"), "READY_TO_SHIP", now);
            let app = &app;
            async move { app.send(&push).await }
        });
        join_all(pushes).await;
        app.settle().await;
        assert_eq!(requests(&app, REFRESH).await.len(), 1);
        assert_eq!(requests(&app, DETAIL).await.len(), 8);
        assert_eq!(app.orders().await.len(), 4);
        app.finish().await;
    }

    async fn eight_fetches_with_an_expired_token_refresh_it_once(kind: Kind) {
        let app = Setup::default().tokens_expire_in(0).start(kind).await;
        let now = app.clock_s();
        show_orders(&app, now).await;
        Mock::given(method("POST"))
            .and(path(REFRESH))
            .respond_with(pair().set_delay(Duration::from_millis(300)))
            .mount(&app.shopee)
            .await;
        let pushes = (0..8).map(|n| {
            let push = app.shopee_push(&format!("m{n}"), &format!("241124000000{n}"), "READY_TO_SHIP", now);
            let app = &app;
            async move { app.send(&push).await }
        });
        join_all(pushes).await;
        app.settle().await;
        assert_eq!(requests(&app, REFRESH).await.len(), 1);
        let fetches = requests(&app, DETAIL).await;
        assert_eq!(fetches.len(), 8);
        assert!(fetches.iter().all(|f| parameter(f, "access_token") == "new-access"));
        assert_eq!(app.orders().await.len(), 8);
        app.finish().await;
    }

    async fn a_try_that_cannot_go_on_after_its_first_call_is_marked_for_a_look(kind: Kind) {
        let mut app = TestApp::start(kind).await;
        let now = app.clock_s();
        show_orders(&app, now).await;
        // A carrier that wants a number of ours: there is no request for that.
        Mock::given(method("GET"))
            .and(path("/api/v2/logistics/get_shipping_parameter"))
            .respond_with(good(&json!({"info_needed": {"non_integrated": ["tracking_no"]}})))
            .mount(&app.shopee)
            .await;
        app.send(&app.shopee_push("m1", "2411240000001", "READY_TO_SHIP", now)).await;
        app.settle().await;
        let parcel = app.order("2411240000001").await.fulfillment_orders[0].id.clone();
        let target = app.parcel_target(&parcel);
        app.callback(target, "fulfillment.accepted", 1, json!({"fulfillment_order_id": parcel})).await;
        app.settle().await;
        let task = "SELECT state || ' ' || CAST(unknown AS TEXT) FROM task WHERE op = 'tell_arranged'";
        assert_eq!(app.rows.text(task).await.as_deref(), Some("dead 1"));
        app.expects_dead(0, 1);
        app.finish().await;
    }

    async fn a_status_that_nobody_knows_is_kept_counted_and_fails_no_order(kind: Kind) {
        let app = TestApp::start(kind).await;
        let now = app.clock_s();
        Mock::given(method("GET"))
            .and(path(DETAIL))
            .respond_with(move |request: &Request| {
                let number = parameter(request, "order_sn_list");
                good(&json!({"order_list": [document(&number, "SENT_TO_THE_MOON", now)]}))
            })
            .mount(&app.shopee)
            .await;
        app.send(&app.shopee_push("m1", "2411240000001", "SENT_TO_THE_MOON", now)).await;
        app.settle().await;
        let order = app.order("2411240000001").await;
        let is_kept = order.tags.iter().any(|tag| tag.starts_with("unknown_status:"));
        assert!(is_kept, "{:?}", order.tags);
        let page = app.http.get(format!("{}/metrics", app.url)).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("kenh_unknown_values_total{channel=\"shopee-vn\"} 1"), "{page}");
        app.finish().await;
    }
}
