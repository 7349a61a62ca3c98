//! The API of operators: deliveries, inbox, stock, catalog, health, changes and rules.

use std::time::Duration;

use bytes::Bytes;
use connectors::inbound::{Source, VerifiedWebhook};
use kenh::bells::News;
use kenh::pipeline::receive;
use kenh::pipeline::settle::Input;
use kenh::store::outbox::{self, Finished, TaskEnd};
use kenh::store::{feed, inbox, tokens, upkeep};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::api_app::{Answer, App};

const OPERATOR: [&str; 9] = [
    "orders:read",
    "orders:write",
    "deliveries:read",
    "deliveries:write",
    "inbox:read",
    "inbox:replay",
    "stock:read",
    "stock:write",
    "channels:read",
];

async fn put(app: &App, path: &str, token: &str, body: &Value) -> Answer {
    app.call(Method::PUT, path, Some(token), &[], Some(body))
        .await
}

/// Enters an order, long enough after the last one not to be taken for the same.
async fn enter(app: &App, token: &str, key: &str) -> String {
    app.clock.advance(Duration::from_hours(1));
    let body = json!({
        "channel": "hotline", "status": "confirmed",
        "buyer": { "name": "Trần Thị Bưởi", "phone": "0901234567" },
        "ship_to": { "name": "Trần Thị Bưởi", "phone": "0901234567", "text": "12 Nguyễn Trãi, P. Bến Thành, TP.HCM", "province": "TP.HCM" },
        "lines": [{ "id": "1", "sku": "TV-55", "name": "Smart TV 55", "quantity": 1, "unit_price": 13_490_000 }],
        "payment": { "method": "cod" }
    });
    let headers = [("Idempotency-Key", key)];
    let path = "/api/v1/orders";
    let answer = app
        .call(Method::POST, path, Some(token), &headers, Some(&body))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.json["id"].as_str().unwrap().to_owned()
}

/// Lets the pending deliveries of an order die, as the outbox does when it gives up.
async fn kill(app: &App, token: &str, order: &str) -> i64 {
    let path = format!("/api/v1/deliveries?order={order}&state=pending");
    let page = app.get(&path, token).await;
    let target = page.json["data"][0]["target"].as_str().unwrap().to_owned();
    let id = page.json["data"][0]["id"].as_i64().unwrap();
    let gateway = app.gateway();
    let now = gateway.now_ms();
    let leased = outbox::claim(&gateway.db, &target, "t", now, now + 60_000, 9)
        .await
        .unwrap();
    for task in leased {
        let finished = Finished {
            task,
            token: "t".to_owned(),
            attempts: Vec::new(),
            end: TaskEnd::Dead {
                reason: "gave up after 9 attempts in 90 s: HTTP 503".to_owned(),
                unknown: false,
            },
        };
        gateway
            .settler
            .submit(Input::Task(Box::new(finished)))
            .await;
    }
    // Inputs are settled in their order, so the next answer comes after the deaths.
    enter(app, token, &format!("after-{order}")).await;
    id
}

#[tokio::test]
async fn dead_deliveries_are_grouped_by_cause_and_redriven_once() {
    let app = App::start().await;
    let token = app.token("lan", &OPERATOR, None).await;
    let order = enter(&app, &token, "k1").await;
    let id = kill(&app, &token, &order).await;

    let groups = app.get("/api/v1/deliveries?group=cause", &token).await;
    assert_eq!(
        groups.json["data"][0]["cause"], "HTTP 503",
        "{}",
        groups.text
    );
    assert_eq!(groups.json["data"][0]["count"], 1);
    let filter = json!({ "cause": "HTTP 503", "dry_run": true });
    let path = "/api/v1/deliveries/redrive";
    let dry = app.post(path, &token, &filter).await;
    assert_eq!(
        (&dry.json["count"], &dry.json["ids"]),
        (&json!(1), &json!([]))
    );
    let empty = app.post(path, &token, &json!({})).await;
    assert_eq!(empty.problem(), "422 invalid-field");

    let reader = app.token("an", &["deliveries:read"], None).await;
    let one = format!("/api/v1/deliveries/{id}/redrive");
    let refused = app.post(&one, &reader, &json!({})).await;
    assert_eq!(refused.problem(), "403 forbidden");
    let done = app.post(&one, &token, &json!({})).await;
    assert_eq!(done.json["ids"], json!([id]), "{}", done.text);
    let again = app.post(&one, &token, &json!({})).await;
    assert_eq!(again.problem(), "409 not-allowed");

    let shown = app.get(&format!("/api/v1/deliveries/{id}"), &token).await;
    assert_eq!(shown.json["state"], "pending");
    assert_eq!(shown.json["attempts"], 0);
    assert!(!shown.text.contains("Bưởi"));
    let missing = app.get("/api/v1/deliveries/999", &token).await;
    assert_eq!(missing.problem(), "404 not-found");
    app.stop().await;
}

/// Stores a message of the website as its door does.
async fn arrive(app: &App, body: &str) {
    let gateway = app.gateway();
    let body = Bytes::copy_from_slice(body.as_bytes());
    let message =
        VerifiedWebhook::from_inbox(Source::Push, Some("msg_1".to_owned()), String::new(), body);
    let inbound = gateway.inbound("web").unwrap();
    let now = gateway.now_ms();
    let incoming = receive::prepare("web", &*inbound, &message, &gateway.keys, now);
    inbox::receive(&gateway.db, &[incoming]).await.unwrap();
}

#[tokio::test]
async fn a_message_is_shown_without_its_content_and_opened_only_with_the_scope() {
    let app = App::start().await;
    let token = app.token("lan", &OPERATOR, None).await;
    arrive(&app, r#"{"type":"order.created","buyer":"Bưởi"}"#).await;

    let page = app.get("/api/v1/inbox?state=dead", &token).await;
    let message = &page.json["data"][0];
    assert_eq!(message["receipts"]["new"], 1, "{}", page.text);
    assert!(!page.text.contains("Bưởi"));
    let groups = app.get("/api/v1/inbox?group=cause", &token).await;
    assert_eq!(groups.json["data"][0]["count"], 1, "{}", groups.text);

    let raw = "/api/v1/inbox/1/raw";
    assert_eq!(app.get(raw, &token).await.problem(), "403 forbidden");
    let auditor = app.token("boss", &["inbox:raw", "admin"], None).await;
    let opened = app.get(raw, &auditor).await;
    assert!(opened.json["body"].as_str().unwrap().contains("Bưởi"));
    assert_eq!(opened.headers["cache-control"], "no-store");
    let audit = app.get("/api/v1/audit", &auditor).await;
    assert_eq!(
        audit.json["data"][0]["action"], "inbox.raw",
        "{}",
        audit.text
    );

    let replay = app.post("/api/v1/inbox/1/replay", &token, &json!({})).await;
    assert_eq!(replay.problem(), "409 not-allowed");
    app.stop().await;
}

#[tokio::test]
async fn a_replay_first_tells_what_it_reads_and_then_adds_a_reading() {
    let app = App::start().await;
    let token = app.token("lan", &OPERATOR, None).await;
    let document = json!({
        "type": "order.created", "timestamp": "2026-11-24T01:02:03Z",
        "data": {
            "external_id": "WEB-1", "placed_at": "2026-11-24T01:02:00Z",
            "revised_at": "2026-11-24T01:02:00Z", "status": "confirmed",
            "buyer": { "name": "Trần Thị Bưởi", "phone": "0901 234 567" },
            "ship_to": { "name": "Trần Thị Bưởi", "phone": "0901 234 567", "text": "12 Nguyễn Trãi, TP.HCM", "province": "TP.HCM" },
            "lines": [{ "id": "1", "sku": "TV-55", "name": "TV", "quantity": 1, "unit_price": 13_490_000 }],
            "payment": { "method": "cod", "status": "unpaid", "paid": 0 }
        }
    });
    arrive(&app, &document.to_string()).await;
    let path = "/api/v1/inbox/1/replay";
    let dry = app.post(path, &token, &json!({ "dry_run": true })).await;
    assert_eq!(dry.json["notices"][0]["document"], "here", "{}", dry.text);
    assert_eq!(dry.json["notices"][0]["key"], "WEB-1");
    let before = app.get("/api/v1/inbox/1", &token).await;
    assert_eq!(before.json["notices"].as_array().unwrap().len(), 1);

    let done = app.post(path, &token, &json!({})).await;
    assert_eq!(done.json["reading"], 1, "{}", done.text);
    let after = app.get("/api/v1/inbox/1", &token).await;
    assert_eq!(after.json["notices"][1]["state"], "waiting");
    assert_eq!(after.json["notices"][1]["reading"], 1);
    app.stop().await;
}

#[tokio::test]
async fn counts_are_checked_as_a_whole_before_the_first_is_written() {
    let app = App::start().await;
    let token = app.token("kho", &OPERATOR, None).await;
    let path = "/api/v1/stock";
    let count = |location: &str, sku: &str, on_hand: i64| json!({ "location": location, "sku": sku, "on_hand": on_hand });
    for (wrong, field) in [
        (count("nowhere", "TV-55", 1), "[1].location"),
        (count("hub-hcm", "NO-SUCH", 1), "[1].sku"),
        (count("hub-hcm", "AC-9000", -1), "[1].on_hand"),
        (count("hub-hcm", "TV-55", 2), "[1].sku"),
    ] {
        let body = json!([count("hub-hcm", "TV-55", 7), wrong]);
        let answer = put(&app, path, &token, &body).await;
        assert_eq!(answer.problem(), "422 invalid-field");
        assert_eq!(answer.json["field"], field);
    }
    let one = "/api/v1/stock?location=hub-hcm&sku=TV-55";
    assert_eq!(app.get(one, &token).await.json["data"][0]["on_hand"], 1_000);

    app.clock.advance(Duration::from_secs(1));
    let done = put(&app, path, &token, &json!([count("hub-hcm", "TV-55", 7)])).await;
    assert_eq!(done.json, json!({ "changed": 1, "unchanged": 0 }));
    assert_eq!(app.get(one, &token).await.json["data"][0]["on_hand"], 7);

    let store = app
        .token("hn", &["stock:read", "stock:write"], Some("hub-hanoi"))
        .await;
    let own = app.get(path, &store).await;
    assert!(
        own.json["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["location"] == "hub-hanoi")
    );
    let other = put(&app, path, &store, &json!([count("hub-hcm", "TV-55", 1)])).await;
    assert_eq!(other.problem(), "403 forbidden");
    app.stop().await;
}

#[tokio::test]
async fn products_and_mappings_are_written_and_listed() {
    let app = App::start().await;
    let token = app.token("kho", &OPERATOR, None).await;
    let product = json!([{ "sku": "FAN-1", "name": "Quạt đứng", "category": "fan" }]);
    let done = put(&app, "/api/v1/products", &token, &product).await;
    assert_eq!(done.json["written"], 1, "{}", done.text);
    let page = app.get("/api/v1/products?limit=1", &token).await;
    assert_eq!(page.json["data"][0]["sku"], "AC-9000");
    let next = format!(
        "/api/v1/products?limit=1&cursor={}",
        page.json["next_cursor"].as_str().unwrap()
    );
    assert_eq!(app.get(&next, &token).await.json["data"][0]["sku"], "FAN-1");

    let path = "/api/v1/sku-mappings";
    let mapping = |channel: &str, sku: &str| json!([{ "channel": channel, "channel_sku": "11.22", "sku": sku }]);
    let done = put(&app, path, &token, &mapping("shopee-vn", "FAN-1")).await;
    assert_eq!(done.json["written"], 1, "{}", done.text);
    for (wrong, field) in [
        (mapping("nowhere", "FAN-1"), "[0].channel"),
        (mapping("shopee-vn", "X"), "[0].sku"),
    ] {
        assert_eq!(put(&app, path, &token, &wrong).await.json["field"], field);
    }
    let listed = app
        .get("/api/v1/sku-mappings?channel=shopee-vn", &token)
        .await;
    assert_eq!(listed.json["data"], mapping("shopee-vn", "FAN-1"));
    app.stop().await;
}

#[tokio::test]
async fn channels_and_targets_show_what_came_in_and_what_waits() {
    let app = App::start().await;
    let token = app.token("lan", &OPERATOR, None).await;
    arrive(&app, r#"{"type":"order.created"}"#).await;
    enter(&app, &token, "k1").await;

    let channels = app.get("/api/v1/channels", &token).await;
    let web = channels.json["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["id"] == "web")
        .unwrap()
        .clone();
    assert_eq!(
        (&web["intake"]["new"], &web["intake"]["dead"]),
        (&json!(1), &json!(1)),
        "{web}"
    );
    assert_eq!(web["flow"]["breaker"], "closed");
    assert!(!channels.text.contains("whsec"));
    let targets = app.get("/api/v1/targets", &token).await;
    let waiting: i64 = targets.json["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["waiting"].as_i64().unwrap())
        .sum();
    assert!(waiting > 0, "{}", targets.text);
    app.stop().await;
}

/// The next piece of a stream; `None` at its orderly end.
async fn text(stream: &mut reqwest::Response) -> Option<String> {
    let piece = stream.chunk().await.unwrap()?;
    Some(String::from_utf8(piece.to_vec()).unwrap())
}

#[tokio::test]
async fn the_feed_shows_published_changes_and_a_stream_goes_on_until_the_gateway_stops() {
    let app = App::start().await;
    let token = app.token("bi", &OPERATOR, None).await;
    let first = enter(&app, &token, "k1").await;
    let unpublished = app.get("/api/v1/changes", &token).await;
    assert_eq!(unpublished.json, json!({ "data": [], "next": 0 }));
    let db = &app.gateway().db;
    upkeep::publish_changes(db, 100).await.unwrap();
    let page = app.get("/api/v1/changes?after=0&limit=1", &token).await;
    assert_eq!(page.json["data"][0]["order_id"], first);
    assert_eq!(page.json["next"], 1);

    let last = feed::changes(db, 0, 100)
        .await
        .unwrap()
        .last()
        .unwrap()
        .position;
    let mut stream = app
        .stream(
            "/api/v1/changes",
            &token,
            &[("Last-Event-ID", &(last - 1).to_string())],
        )
        .await;
    let event = text(&mut stream).await.unwrap();
    assert!(event.contains(&format!("id: {last}\n")), "{event}");
    let second = enter(&app, &token, "k2").await;
    upkeep::publish_changes(db, 100).await.unwrap();
    app.gateway().bells.ring(News::Published);
    let event = text(&mut stream).await.unwrap();
    assert!(event.contains(&second), "{event}");
    app.stop().await;
    assert_eq!(text(&mut stream).await, None, "the stream ends in order");
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let app = App::start().await;
    let token = app.token("bi", &OPERATOR, None).await;
    enter(&app, &token, "k1").await;
    let db = &app.gateway().db;
    upkeep::publish_changes(db, 100).await.unwrap();
    let mut stream = app.stream("/api/v1/changes", &token, &[]).await;
    assert!(text(&mut stream).await.is_some());
    let writer = app.token("nhap", &OPERATOR, None).await;
    let stored = tokens::list(db).await.unwrap();
    let id = &stored.iter().find(|t| t.actor == "bi").unwrap().id;
    let now = app.gateway().now_ms();
    assert!(tokens::revoke(db, id, now).await.unwrap());
    let second = enter(&app, &writer, "k2").await;
    upkeep::publish_changes(db, 100).await.unwrap();
    app.gateway().bells.ring(News::Published);
    // What was sent before the end may still be on its way.
    while let Some(event) = text(&mut stream).await {
        assert!(!event.contains(&second), "it goes on: {event}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_position_that_is_not_kept_any_more_is_refused_and_never_skipped() {
    let app = App::start().await;
    let token = app.token("bi", &OPERATOR, None).await;
    enter(&app, &token, "k1").await;
    enter(&app, &token, "k2").await;
    let db = &app.gateway().db;
    upkeep::publish_changes(db, 100).await.unwrap();
    let all = feed::changes(db, 0, 100).await.unwrap();
    let last = all.last().unwrap().position;
    app.clock.advance(Duration::from_secs(60));
    upkeep::prune_changes(db, app.gateway().now_ms(), 100)
        .await
        .unwrap();

    let gone = app.get("/api/v1/changes?after=0", &token).await;
    assert_eq!(gone.problem(), "410 changes-gone");
    assert!(
        gone.text.contains(&format!("positions {last} to {last}")),
        "{}",
        gone.text
    );
    // Given by a database that has been restored since.
    let ahead = format!("/api/v1/changes?after={}", last + 1);
    assert_eq!(app.get(&ahead, &token).await.problem(), "410 changes-gone");
    let page = app.get("/api/v1/changes", &token).await;
    assert_eq!(page.json["next"], last);
    let page = app
        .get(&format!("/api/v1/changes?after={}", last - 1), &token)
        .await;
    assert_eq!(page.json["data"][0]["position"], last);
    app.stop().await;
}

#[tokio::test]
async fn the_rules_in_force_are_shown_and_a_draft_is_checked_without_effect() {
    let app = App::start().await;
    let token = app.token("lan", &["routing:read"], None).await;
    let shown = app.get("/api/v1/routing", &token).await;
    let version = shown.json["version"].clone();
    assert!(
        !shown.json["rules"].as_array().unwrap().is_empty(),
        "{}",
        shown.text
    );
    // A JSON string is TOML of a wrong form: what matters is that its mistakes are told.
    let bad = app
        .post("/api/v1/routing/check", &token, &json!("[[rule]"))
        .await;
    assert_eq!(bad.json["valid"], false, "{}", bad.text);
    assert!(bad.json["problems"][0]["line"].as_u64().unwrap() >= 1);
    let after = app.get("/api/v1/routing", &token).await;
    assert_eq!(after.json["version"], version);
    app.stop().await;
}
