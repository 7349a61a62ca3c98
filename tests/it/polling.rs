//! Polling: what a channel has and never pushed comes in, page by page, and a page that is not
//! counted yet comes again.

use kenh::config::ChannelConfig;
use kenh::pipeline::poll;
use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, Request, ResponseTemplate};

use crate::app::{TestApp, on_both};
use crate::desk::Desk;
use crate::shopee::{good, parameter, show_orders};

const LIST: &str = "/api/v2/order/get_order_list";

fn shop(app: &TestApp) -> ChannelConfig {
    app.gateway.config.channel("shopee-vn").unwrap().clone()
}

/// One turn of the list of orders, now due.
async fn turn(app: &TestApp) -> Result<(), String> {
    app.rows.run("UPDATE poll_position SET next_at = 0").await;
    poll::turn(&app.gateway, &shop(app), "orders")
        .await
        .map(|_| ())
}

fn rows(orders: &[&str], next: Option<&str>) -> ResponseTemplate {
    let orders: Vec<_> = orders
        .iter()
        .map(|order| json!({"order_sn": order, "order_status": "READY_TO_SHIP"}))
        .collect();
    good(&json!({
        "more": next.is_some(), "next_cursor": next.unwrap_or(""), "order_list": orders,
    }))
}

/// The list of orders, as `page` answers to a cursor.
async fn list(app: &TestApp, page: impl Fn(&str) -> ResponseTemplate + Send + Sync + 'static) {
    Mock::given(method("GET"))
        .and(path(LIST))
        .respond_with(move |request: &Request| page(&parameter(request, "cursor")))
        .mount(&app.shopee)
        .await;
}

async fn cursors(app: &TestApp) -> Vec<String> {
    let all = app.shopee.received_requests().await.unwrap();
    all.iter()
        .filter(|request| request.url.path() == LIST)
        .map(|request| parameter(request, "cursor"))
        .collect()
}

on_both! {
    async fn every_page_of_a_window_comes_in_and_the_watermark_follows(kind: Kind) {
        let app = TestApp::start(kind).await;
        show_orders(&app, app.clock_s()).await;
        list(&app, |cursor| match cursor {
            "" => rows(&["2411240000001", "2411240000002"], Some("20")),
            _ => rows(&["2411240000003"], None),
        }).await;
        turn(&app).await.unwrap();
        app.settle().await;
        assert_eq!(app.orders().await.len(), 3);
        assert_eq!(cursors(&app).await, ["", "20"]);
        let first = app.rows.number("SELECT watermark FROM poll_position").await;
        assert_eq!(first, app.gateway.now_ms());
        let found = app.rows.number("SELECT found FROM poll_position").await;
        assert_eq!(found, 3);

        // The next window overlaps: what it shows again is known.
        turn(&app).await.unwrap();
        app.settle().await;
        assert_eq!(app.rows.number("SELECT found FROM poll_position").await, 3);
        assert_eq!(app.orders().await.len(), 3);
        app.finish().await;
    }

    async fn a_window_goes_on_where_it_failed(kind: Kind) {
        let app = TestApp::start(kind).await;
        show_orders(&app, app.clock_s()).await;
        let calls = std::sync::atomic::AtomicUsize::new(0);
        list(&app, move |cursor| match cursor {
            "" => rows(&["2411240000001"], Some("20")),
            _ if calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => {
                ResponseTemplate::new(503)
            }
            _ => rows(&["2411240000002"], None),
        }).await;
        turn(&app).await.unwrap_err();
        turn(&app).await.unwrap();
        app.settle().await;
        assert_eq!(app.orders().await.len(), 2);
        assert_eq!(cursors(&app).await, ["", "20", "20"]);
        app.finish().await;
    }

    async fn a_vendor_that_has_no_time_does_not_cost_the_place_in_the_window(kind: Kind) {
        let app = TestApp::start(kind).await;
        show_orders(&app, app.clock_s()).await;
        let calls = std::sync::atomic::AtomicUsize::new(0);
        list(&app, move |cursor| match cursor {
            "" => rows(&["2411240000001"], Some("20")),
            _ if calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 3 => {
                ResponseTemplate::new(503)
            }
            _ => rows(&["2411240000002"], None),
        }).await;
        for _ in 0..3 {
            turn(&app).await.unwrap_err();
        }
        turn(&app).await.unwrap();
        app.settle().await;
        assert_eq!(app.orders().await.len(), 2);
        assert_eq!(cursors(&app).await, ["", "20", "20", "20", "20"]);
        app.finish().await;
    }

    async fn a_cursor_that_is_refused_for_good_is_given_up_and_the_window_begins_again(kind: Kind) {
        let app = TestApp::start(kind).await;
        show_orders(&app, app.clock_s()).await;
        let seen = std::sync::atomic::AtomicUsize::new(0);
        list(&app, move |cursor| match cursor {
            "" if seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => {
                rows(&["2411240000001"], Some("expired"))
            }
            "" => rows(&["2411240000001", "2411240000002"], None),
            _ => ResponseTemplate::new(200).set_body_json(json!({
                "error": "error_param", "message": "cursor", "request_id": "r",
            })),
        }).await;
        turn(&app).await.unwrap_err();
        turn(&app).await.unwrap_err();
        turn(&app).await.unwrap();
        app.settle().await;
        assert_eq!(app.orders().await.len(), 2);
        assert_eq!(cursors(&app).await, ["", "expired", "expired", ""]);
        app.finish().await;
    }

    async fn only_what_no_push_brought_is_counted_as_found_by_polling(kind: Kind) {
        let app = TestApp::start(kind).await;
        show_orders(&app, app.clock_s()).await;
        list(&app, |_| rows(&["2411240000001", "2411240000002"], None)).await;
        let push = app.shopee_push("m1", "2411240000001", "READY_TO_SHIP", app.clock_s());
        app.send(&push).await;
        app.settle().await;
        turn(&app).await.unwrap();
        app.settle().await;
        let desk = Desk::of(&app, &["channels:read"]).await;
        assert_eq!(desk.channel("shopee-vn").await["found_by_poll"], 1);
        assert_eq!(desk.channel("web").await["found_by_poll"], 0);

        // A push that comes late changes nothing, and what is known is not found again.
        let late = app.shopee_push("m2", "2411240000002", "READY_TO_SHIP", app.clock_s());
        app.send(&late).await;
        app.settle().await;
        turn(&app).await.unwrap();
        app.settle().await;
        assert_eq!(desk.channel("shopee-vn").await["found_by_poll"], 1);
        assert_eq!(app.orders().await.len(), 2);
        app.finish().await;
    }
}
