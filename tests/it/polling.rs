//! Polling: what a channel has and never pushed comes in, page by page, and a page that is not
//! counted yet comes again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connectors::channel::TokenPair;
use jiff::Timestamp;
use kenh::alerts;
use kenh::clock::Clock;
use kenh::config::ChannelConfig;
use kenh::pipeline::{poll, tokens};
use kenh::store::accounts;
use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::app::{Kind, Setup, TestApp, on_both};
use crate::configured::{only, speaks};
use crate::desk::Desk;
use crate::shopee::{good, parameter, show_orders};

const LIST: &str = "/api/v2/order/get_order_list";
const LOST: &str = "/api/v2/push/get_lost_push_message";
const CONFIRM: &str = "/api/v2/push/confirm_consumed_lost_push_message";

fn shop(app: &TestApp) -> ChannelConfig {
    app.gateway.config.channel("shopee-vn").unwrap().clone()
}

/// One turn of the list of orders, now due.
async fn turn(app: &TestApp) -> Result<(), String> {
    turn_of(app, &shop(app), "orders").await
}

async fn turn_of(app: &TestApp, channel: &ChannelConfig, kind: &'static str) -> Result<(), String> {
    app.rows.run("UPDATE poll_position SET next_at = 0").await;
    poll::turn(&app.gateway, channel, kind).await.map(|_| ())
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

/// What is alarmed of Shopee's polls.
async fn alarmed(app: &TestApp) -> Vec<String> {
    let mut standing = alerts::conditions(&app.gateway).await.unwrap();
    standing.retain(|alarm| alarm.key == "polling/shopee-vn");
    standing.into_iter().map(|alarm| alarm.text).collect()
}

/// A store of lost pushes that never gets smaller.
async fn loses(app: &TestApp, confirmed: ResponseTemplate) {
    let push = json!({
        "msg_id": "m1", "data": {}, "shop_id": app.secrets.shopee_shop_id, "code": 99,
        "timestamp": app.clock_s(),
    });
    let page = json!({
        "push_message_list": [{"data": push.to_string()}],
        "has_next_page": true, "last_message_id": 7,
    });
    Mock::given(method("GET"))
        .and(path(LOST))
        .respond_with(good(&page))
        .mount(&app.shopee)
        .await;
    Mock::given(method("POST"))
        .and(path(CONFIRM))
        .respond_with(confirmed)
        .mount(&app.shopee)
        .await;
}

async fn asked(app: &TestApp, wanted: &str) -> usize {
    let all = app.shopee.received_requests().await.unwrap();
    all.iter()
        .filter(|request| request.url.path() == wanted)
        .count()
}

/// A shop at Lazada in which so much changed that a window may be `longest_s` long and no longer.
/// After `fails_after` windows the vendor has no time once.
struct Busy {
    server: MockServer,
    windows: Arc<Mutex<Vec<(i64, i64)>>>,
}

impl Busy {
    async fn start(longest_s: i64, fails_after: Option<usize>) -> Self {
        let server = MockServer::start().await;
        let windows = Arc::new(Mutex::new(Vec::new()));
        let (seen, failed) = (Arc::clone(&windows), AtomicBool::new(false));
        Mock::given(method("GET"))
            .and(path("/orders/get"))
            .respond_with(move |request: &Request| {
                let at = |name| {
                    parameter(request, name)
                        .parse::<Timestamp>()
                        .unwrap()
                        .as_second()
                };
                let (from, to) = (at("update_after"), at("update_before"));
                let mut seen = seen.lock().unwrap();
                let total = if to - from > longest_s {
                    6_000
                } else if Some(seen.len()) == fails_after && !failed.swap(true, Ordering::SeqCst) {
                    return ResponseTemplate::new(503);
                } else {
                    seen.push((from, to));
                    0
                };
                ResponseTemplate::new(200).set_body_json(json!({
                    "code": "0", "request_id": "r",
                    "data": {"count": 0, "countTotal": total, "orders": []},
                }))
            })
            .mount(&server)
            .await;
        Self { server, windows }
    }

    async fn app(&self, kind: Kind) -> TestApp {
        let settings = json!({
            "app_key": "100001", "app_secret": {"$secret": ["s"]}, "seller_id": 1,
            "base_url": self.server.uri(), "auth_url": self.server.uri(),
        });
        let app = Setup::default()
            .edit(move |config| speaks(only(config, "woo-outlet"), "lazada", &settings))
            .start(kind)
            .await;
        let pair = TokenPair {
            access: "a".to_owned().into(),
            refresh: Some("r".to_owned().into()),
            access_expires_at: app.clock.now() + jiff::SignedDuration::from_hours(240),
            refresh_expires_at: None,
        };
        let sealed = tokens::seal_pair(&app.gateway.keys, "woo-outlet", &pair);
        let now = app.gateway.now_ms();
        accounts::import(&app.gateway.db, "woo-outlet", now, &sealed)
            .await
            .unwrap();
        app
    }

    /// What was read in the end, without a gap, from its beginning to its end.
    fn read(&self) -> (i64, i64) {
        let windows = self.windows.lock().unwrap();
        for pair in windows.windows(2) {
            assert!(pair[1].0 <= pair[0].1, "a gap: {windows:?}");
            assert!(pair[1].1 > pair[0].1, "it goes back: {windows:?}");
        }
        (windows[0].0, windows.last().unwrap().1)
    }
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

    async fn a_busy_hour_is_read_in_shorter_windows_and_the_watermark_never_goes_back(kind: Kind) {
        let busy = Busy::start(200, None).await;
        let app = busy.app(kind).await;
        let channel = app.gateway.config.channel("woo-outlet").unwrap();
        let now = app.clock_s();
        turn_of(&app, channel, "orders").await.unwrap();
        assert_eq!(busy.read(), (now - 900, now));
        let watermark = app.rows.number("SELECT watermark FROM poll_position").await;
        assert_eq!(watermark, app.gateway.now_ms());
        app.finish().await;
    }

    async fn what_was_read_in_a_shorter_window_is_not_begun_again_after_a_failure(kind: Kind) {
        let busy = Busy::start(200, Some(2)).await;
        let app = busy.app(kind).await;
        let channel = app.gateway.config.channel("woo-outlet").unwrap();
        let now = app.clock_s();
        turn_of(&app, channel, "orders").await.unwrap_err();
        let watermark = app.rows.number("SELECT watermark FROM poll_position").await;
        assert_eq!(watermark, app.gateway.now_ms(), "it stays");
        turn_of(&app, channel, "orders").await.unwrap();
        assert_eq!(busy.read(), (now - 900, now));
        app.finish().await;
    }

    async fn a_confirmation_that_is_refused_ends_the_turn(kind: Kind) {
        let app = TestApp::start(kind).await;
        let refused = json!({"error": "error_param", "message": "no", "request_id": "r"});
        loses(&app, ResponseTemplate::new(200).set_body_json(refused)).await;
        let reason = turn_of(&app, &shop(&app), "lost_push").await.unwrap_err();
        assert!(reason.contains("error_param"), "{reason}");
        assert_eq!((asked(&app, LOST).await, asked(&app, CONFIRM).await), (1, 1));
        app.settle().await;
        app.finish().await;
    }

    async fn a_page_that_names_itself_as_the_next_ends_the_turn(kind: Kind) {
        let app = TestApp::start(kind).await;
        loses(&app, good(&json!({}))).await;
        turn_of(&app, &shop(&app), "lost_push").await.unwrap_err();
        assert_eq!(asked(&app, LOST).await, 2);
        app.settle().await;
        app.finish().await;
    }

    async fn a_poll_that_comes_to_no_end_is_alarmed(kind: Kind) {
        let app = TestApp::start(kind).await;
        let mended = Arc::new(AtomicBool::new(false));
        let answers = Arc::clone(&mended);
        list(&app, move |_| {
            if answers.load(Ordering::SeqCst) {
                return rows(&[], None);
            }
            ResponseTemplate::new(200).set_body_json(json!({
                "error": "error_permission", "message": "no", "request_id": "r",
            }))
        }).await;
        turn(&app).await.unwrap_err();
        assert!(alarmed(&app).await.is_empty(), "it may pass");
        app.clock.advance(Duration::from_secs(901));
        turn(&app).await.unwrap_err();
        let told = alarmed(&app).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("`orders` of shopee-vn") && told[0].contains("error_permission"), "{told:?}");

        mended.store(true, Ordering::SeqCst);
        turn(&app).await.unwrap();
        assert!(alarmed(&app).await.is_empty());
        // Nobody runs it at all.
        app.clock.advance(Duration::from_secs(901));
        assert_eq!(alarmed(&app).await.len(), 1);
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
