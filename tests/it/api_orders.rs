//! The order API: who may call it, what lists find, and what staff can do.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::api_app::{Answer, App};

const STAFF: [&str; 3] = ["orders:read", "orders:write", "pii:read"];

fn order(phone: &str, name: &str) -> Value {
    json!({
        "channel": "hotline", "status": "confirmed",
        "buyer": { "name": name, "phone": phone },
        "ship_to": { "name": name, "phone": phone, "text": "12 Nguyễn Trãi, P. Bến Thành, TP.HCM", "province": "TP.HCM" },
        "lines": [{ "id": "1", "sku": "TV-55", "name": "Smart TV 55", "quantity": 1, "unit_price": 13_490_000 }],
        "payment": { "method": "cod" }, "note": "gọi trước khi giao"
    })
}

async fn enter(app: &App, token: &str, key: &str, order: &Value) -> Answer {
    let key = [("Idempotency-Key", key)];
    app.call(
        Method::POST,
        "/api/v1/orders",
        Some(token),
        &key,
        Some(order),
    )
    .await
}

/// Enters `n` orders, a minute apart, each of another buyer; their ids, oldest first.
async fn enter_many(app: &App, token: &str, n: u32) -> Vec<String> {
    let mut ids = Vec::new();
    for i in 0..n {
        app.clock.advance(Duration::from_mins(1));
        let body = order(&format!("09012345{i:02}"), &format!("Trần Buyer{i}"));
        let answer = enter(app, token, &format!("many-{i}"), &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        ids.push(answer.json["id"].as_str().unwrap().to_owned());
    }
    ids
}

fn ids(page: &Answer) -> Vec<String> {
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let data = page.json["data"].as_array().unwrap();
    data.iter()
        .map(|o| o["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn no_route_of_the_api_answers_without_a_token() {
    let app = App::start().await;
    let stranger = format!("kenh_{}", "A".repeat(43));
    let document = app
        .call(Method::GET, "/openapi.json", None, &[], None)
        .await;
    let mut walked = 0;
    for (path, item) in document.json["paths"].as_object().unwrap() {
        let path = path.replace(['{', '}'], "");
        for method in item.as_object().unwrap().keys() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else {
                continue;
            };
            for token in [None, Some(stranger.as_str())] {
                let answer = app.call(method.clone(), &path, token, &[], None).await;
                assert_eq!(answer.problem(), "401 unauthenticated", "{method} {path}");
                assert_eq!(answer.headers["www-authenticate"], "Bearer");
            }
            walked += 1;
        }
    }
    assert!(walked >= 10, "{walked}");
    app.stop().await;
}

#[tokio::test]
async fn a_token_without_the_scope_is_refused_and_a_revoked_one_soon_forgotten() {
    let app = App::start().await;
    let weak = app.token("kho", &["stock:read"], None).await;
    let answer = app.get("/api/v1/orders", &weak).await;
    assert_eq!(answer.problem(), "403 forbidden");
    assert!(answer.text.contains("orders:read"));

    let reader = app.token("lan", &["orders:read"], None).await;
    assert_eq!(ids(&app.get("/api/v1/orders", &reader).await), [""; 0]);
    let db = &app.gateway().db;
    let stored = kenh::store::tokens::list(db).await.unwrap();
    let id = &stored.iter().find(|t| t.actor == "lan").unwrap().id;
    let now = app.gateway().now_ms();
    assert!(kenh::store::tokens::revoke(db, id, now).await.unwrap());
    app.clock.advance(Duration::from_secs(6));
    let answer = app.get("/api/v1/orders", &reader).await;
    assert_eq!(answer.problem(), "401 unauthenticated");
    app.stop().await;
}

#[tokio::test]
async fn a_token_that_calls_too_often_is_told_to_wait() {
    let app = App::start().await;
    let token = app.token("bot", &["orders:read"], None).await;
    let path = "/api/v1/orders?limit=1";
    // What the configuration allows at once; time stands still meanwhile.
    let burst = app.gateway().config.limits.api.burst;
    for _ in 0..burst {
        assert_eq!(app.get(path, &token).await.status, StatusCode::OK);
    }
    let refused = app.get(path, &token).await;
    assert_eq!(refused.problem(), "429 rate-limited");
    assert_eq!(refused.headers["retry-after"], "1");
    let other = app.token("lan", &["orders:read"], None).await;
    assert_eq!(app.get(path, &other).await.status, StatusCode::OK);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(app.get(path, &token).await.status, StatusCode::OK);
    app.stop().await;
}

#[tokio::test]
async fn the_same_key_enters_an_order_once() {
    let app = App::start().await;
    let token = app.token("lan", &STAFF, None).await;
    let body = order("0901 234 567", "Nguyễn Văn An");
    let first = enter(&app, &token, "call-1", &body).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    let id = first.json["id"].as_str().unwrap();
    assert_eq!(first.headers["location"], format!("/api/v1/orders/{id}"));
    assert_eq!(first.json["buyer"]["phone"], "+84901234567");
    assert!(
        first.json["tags"]
            .as_array()
            .unwrap()
            .contains(&json!("entered_by:lan"))
    );

    let again = enter(&app, &token, "call-1", &body).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text);
    assert_eq!(again.json["id"], id);

    let mut other = body.clone();
    other["note"] = json!("other");
    let answer = enter(&app, &token, "call-1", &other).await;
    assert_eq!(answer.problem(), "409 idempotency-key-reused");

    let answer = app.post("/api/v1/orders", &token, &body).await;
    assert_eq!(answer.problem(), "400 idempotency-key-required");
    assert_eq!(ids(&app.get("/api/v1/orders", &token).await).len(), 1);
    app.stop().await;
}

#[tokio::test]
async fn a_wrong_field_is_named_and_nothing_is_written() {
    let app = App::start().await;
    let token = app.token("lan", &STAFF, None).await;
    let wrong = |change: fn(&mut Value)| {
        let mut body = order("0901234567", "Nguyễn Văn An");
        change(&mut body);
        body
    };
    let cases = [
        (
            wrong(|o| o["lines"][0]["quantity"] = json!("hai bộ")),
            "lines[0].quantity",
        ),
        (
            wrong(|o| o["payment"]["method"] = json!("gold")),
            "payment.method",
        ),
        (wrong(|o| o["colour"] = json!("red")), "colour"),
        (wrong(|o| o["channel"] = json!("shopee-vn")), "channel"),
        (wrong(|o| o["lines"] = json!([])), "lines"),
        (
            wrong(|o| o["confirm_duplicate"] = json!("yes")),
            "confirm_duplicate",
        ),
    ];
    for (n, (body, field)) in cases.iter().enumerate() {
        let answer = enter(&app, &token, &format!("wrong-{n}"), body).await;
        assert_eq!(answer.problem(), "422 invalid-field", "{}", answer.text);
        assert_eq!(answer.json["field"], *field, "{}", answer.text);
        assert!(!answer.text.contains("hai bộ") && !answer.text.contains("Nguyễn"));
    }
    assert_eq!(ids(&app.get("/api/v1/orders", &token).await).len(), 0);
    app.stop().await;
}

#[tokio::test]
async fn what_looks_like_the_order_of_a_moment_ago_wants_to_be_confirmed() {
    let app = App::start().await;
    let token = app.token("lan", &STAFF, None).await;
    let mut body = order("0901234567", "Nguyễn Văn An");
    assert_eq!(enter(&app, &token, "a", &body).await.status, 201);
    let twice = enter(&app, &token, "b", &body).await;
    assert_eq!(twice.problem(), "409 not-allowed");
    body["confirm_duplicate"] = json!(true);
    assert_eq!(enter(&app, &token, "b", &body).await.status, 201);
    // Half an hour later it is a new wish.
    app.clock.advance(Duration::from_mins(31));
    body["confirm_duplicate"] = json!(false);
    assert_eq!(enter(&app, &token, "c", &body).await.status, 201);
    app.stop().await;
}

#[tokio::test]
async fn personal_data_is_masked_for_tokens_that_may_not_see_it() {
    let app = App::start().await;
    let staff = app.token("lan", &STAFF, None).await;
    let blind = app.token("bi", &["orders:read"], None).await;
    let made = enter(&app, &staff, "a", &order("0901234567", "Nguyễn Văn An")).await;
    let id = made.json["id"].as_str().unwrap();
    for path in [
        "/api/v1/orders".to_owned(),
        format!("/api/v1/orders/{id}"),
        format!("/api/v1/orders/{id}/timeline"),
        format!("/api/v1/orders/{id}/explain"),
    ] {
        let answer = app.get(&path, &blind).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        for secret in ["Nguyễn", "901234567", "Trãi", "gọi trước"] {
            assert!(!answer.text.contains(secret), "{path}: {secret}");
        }
    }
    let open = app.get(&format!("/api/v1/orders/{id}"), &staff).await;
    assert_eq!(open.json["buyer"]["name"], "Nguyễn Văn An");
    app.stop().await;
}

#[tokio::test]
async fn orders_are_found_by_phone_name_code_and_external_id() {
    let app = App::start().await;
    let token = app.token("lan", &STAFF, None).await;
    let mut body = order("0901 234 567", "Nguyễn Thị Hòa");
    body["external_id"] = json!("PHONE-1");
    let made = enter(&app, &token, "a", &body).await.json;
    let other = enter(&app, &token, "b", &order("0912 345 678", "Trần Văn Bình")).await;
    assert_eq!(other.status, 201);
    let id = made["id"].as_str().unwrap();
    let code = made["code"].as_str().unwrap();
    let lower = code.to_lowercase();
    for query in [
        "phone=%2B84901234567",
        "phone=090.123.4567",
        "q=PHONE-1",
        &format!("q={code}"),
        &format!("q={lower}"),
        "q=nguyen%20hoa",
        "q=h%C3%B2a",
        "phone=0901234567&status=allocated&channel=hotline",
    ] {
        let found = app.get(&format!("/api/v1/orders?{query}"), &token).await;
        assert_eq!(ids(&found), [id], "{query}");
    }
    let by_code = app.get(&format!("/api/v1/orders/{lower}"), &token).await;
    assert_eq!(by_code.json["id"], id);
    let none = app.get("/api/v1/orders?q=nguyen%20binh", &token).await;
    assert_eq!(ids(&none).len(), 0);
    app.stop().await;
}

#[tokio::test]
async fn pages_show_every_order_once_newest_first() {
    let app = App::start().await;
    let token = app.token("lan", &STAFF, None).await;
    let mut made = enter_many(&app, &token, 7).await;
    for (list, newest_first) in [
        ("limit=3", true),
        ("limit=3&status=allocated", true),
        (
            "limit=2&channel=hotline&placed_from=2026-11-24T03:00:00Z",
            true,
        ),
        ("limit=2&sort=updated_at", false),
        ("limit=4&updated_from=2026-11-24T00:00:00Z", false),
    ] {
        let mut seen = Vec::new();
        let mut next = String::new();
        loop {
            let page = app
                .get(&format!("/api/v1/orders?{list}{next}"), &token)
                .await;
            seen.extend(ids(&page));
            match page.json["next_cursor"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        if newest_first {
            seen.reverse();
        }
        assert_eq!(seen, made, "{list}");
    }
    // An order that comes while pages are read does not shift them.
    let page = app.get("/api/v1/orders?limit=3", &token).await;
    let cursor = page.json["next_cursor"].as_str().unwrap();
    app.clock.advance(Duration::from_mins(1));
    enter(&app, &token, "late", &order("0987654321", "Lê Muộn")).await;
    let rest = app
        .get(&format!("/api/v1/orders?limit=3&cursor={cursor}"), &token)
        .await;
    made.reverse();
    assert_eq!(ids(&rest), made[3..6]);
    app.stop().await;
}

#[tokio::test]
async fn a_wrong_query_is_answered_with_its_field() {
    let app = App::start().await;
    let token = app.token("lan", &STAFF, None).await;
    enter_many(&app, &token, 2).await;
    let page = app.get("/api/v1/orders?limit=1", &token).await;
    let cursor = page.json["next_cursor"].as_str().unwrap();
    let other = format!("limit=1&status=allocated&cursor={cursor}");
    let tampered = format!("limit=1&cursor={cursor}x");
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("status=open", "status"),
        ("channel=nowhere", "channel"),
        ("location=nowhere", "location"),
        ("phone=123", "phone"),
        ("placed_from=yesterday", "placed_from"),
        ("sort=price", "sort"),
        ("colour=red", "colour"),
        ("q=", "q"),
        (&other, "cursor"),
        (&tampered, "cursor"),
    ] {
        let answer = app.get(&format!("/api/v1/orders?{query}"), &token).await;
        assert_eq!(answer.problem(), "422 invalid-field", "{query}");
        assert_eq!(answer.json["field"], field, "{query}");
    }
    for query in [
        "status=allocated&channel=hotline",
        "sort=updated_at&status=allocated",
        "sort=placed_at&updated_from=2026-11-24T00:00:00Z",
    ] {
        let answer = app.get(&format!("/api/v1/orders?{query}"), &token).await;
        assert_eq!(answer.problem(), "422 filter-not-indexed", "{query}");
    }
    app.stop().await;
}

#[tokio::test]
async fn staff_hold_release_and_cancel_and_the_audit_log_says_who_and_why() {
    let app = App::start().await;
    let token = app.token("lan", &STAFF, None).await;
    let admin = app.token("root", &["admin"], None).await;
    let made = enter(&app, &token, "a", &order("0901234567", "Nguyễn Văn An")).await;
    let path = format!("/api/v1/orders/{}", made.json["id"].as_str().unwrap());
    let act = |action: &'static str, headers: &'static [(&str, &str)]| {
        let (app, token, path) = (&app, &token, format!("{path}/{action}"));
        async move {
            let body = json!({ "reason": format!("because of {action}") });
            app.call(Method::POST, &path, Some(token), headers, Some(&body))
                .await
        }
    };
    let held = act("hold", &[("If-Match", "\"999\"")]).await;
    assert_eq!(held.problem(), "409 version-conflict");
    assert_eq!(act("hold", &[]).await.json["status"], "on_hold");
    assert_eq!(act("release", &[]).await.json["status"], "allocated");
    assert_eq!(act("release", &[]).await.problem(), "409 not-allowed");
    assert_eq!(act("melt", &[]).await.problem(), "404 not-found");

    let key: &[(&str, &str)] = &[("Idempotency-Key", "cancel-1")];
    let cancelled = act("cancel", key).await;
    assert_eq!(cancelled.json["status"], "cancelled", "{}", cancelled.text);
    let again = act("cancel", key).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text);
    assert_eq!(again.json["version"], cancelled.json["version"]);
    assert_eq!(
        act("hold", key).await.problem(),
        "409 idempotency-key-reused"
    );
    assert_eq!(act("cancel", &[]).await.problem(), "409 not-allowed");

    let none = app
        .post(&format!("{path}/hold"), &token, &json!({ "reason": " " }))
        .await;
    assert_eq!(none.problem(), "422 invalid-field");

    let subject = made.json["id"].as_str().unwrap();
    let log = app
        .get(&format!("/api/v1/audit?subject={subject}"), &admin)
        .await;
    let log: Vec<String> = log.json["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| format!("{} {} {}", e["actor"], e["action"], e["detail"]).replace('"', ""))
        .collect();
    assert_eq!(
        log,
        [
            "lan order.cancel because of cancel",
            "lan order.release because of release",
            "lan order.hold because of hold",
            "lan order.create 1 lines",
        ]
    );
    app.stop().await;
}

#[tokio::test]
async fn staff_correct_an_order_and_leave_out_a_line() {
    let app = App::start().await;
    let token = app.token("lan", &STAFF, None).await;
    let mut body = order("0901234567", "Nguyễn Văn An");
    body["lines"].as_array_mut().unwrap().push(
        json!({ "id": "2", "sku": "AC-9000", "name": "AC", "quantity": 1, "unit_price": 9_000_000 }),
    );
    let made = enter(&app, &token, "a", &body).await;
    let path = format!("/api/v1/orders/{}", made.json["id"].as_str().unwrap());
    let tag = made.headers["etag"].to_str().unwrap().to_owned();
    let change =
        json!({ "buyer": { "name": "Nguyễn Văn An", "phone": "0912345678" }, "tags": ["vip"] });
    let edited = app
        .call(
            Method::PATCH,
            &path,
            Some(&token),
            &[("If-Match", &tag)],
            Some(&change),
        )
        .await;
    assert_eq!(edited.status, StatusCode::OK, "{}", edited.text);
    assert_eq!(edited.json["buyer"]["phone"], "+84912345678");
    assert!(
        edited.json["tags"]
            .as_array()
            .unwrap()
            .contains(&json!("vip"))
    );
    let stale = app
        .call(
            Method::PATCH,
            &path,
            Some(&token),
            &[("If-Match", &tag)],
            Some(&change),
        )
        .await;
    assert_eq!(stale.problem(), "409 version-conflict");

    let reason = json!({ "reason": "the buyer has one already" });
    let less = app
        .post(&format!("{path}/lines/2/cancel"), &token, &reason)
        .await;
    assert_eq!(less.status, StatusCode::OK, "{}", less.text);
    let lines: Vec<&str> = less.json["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["id"].as_str().unwrap())
        .collect();
    assert_eq!(lines, ["1"]);
    let unknown = app
        .post(&format!("{path}/lines/9/cancel"), &token, &reason)
        .await;
    assert_eq!(unknown.problem(), "409 not-allowed");
    app.stop().await;
}

#[tokio::test]
async fn a_token_of_a_location_sees_and_changes_only_what_is_there() {
    let app = App::start().await;
    let staff = app.token("lan", &STAFF, None).await;
    let made = enter(&app, &staff, "a", &order("0901234567", "Nguyễn Văn An")).await;
    let id = made.json["id"].as_str().unwrap();
    let here = made.json["fulfillment_orders"][0]["location"]
        .as_str()
        .unwrap();
    let there = if here == "hub-hanoi" {
        "hub-danang"
    } else {
        "hub-hanoi"
    };
    let own = app.token("kho", &STAFF, Some(here)).await;
    let foreign = app.token("xa", &STAFF, Some(there)).await;
    let path = format!("/api/v1/orders/{id}");

    assert_eq!(ids(&app.get("/api/v1/orders", &own).await), [id]);
    assert_eq!(app.get(&path, &own).await.status, StatusCode::OK);
    assert_eq!(ids(&app.get("/api/v1/orders", &foreign).await).len(), 0);
    for path in [
        path.clone(),
        format!("{path}/timeline"),
        format!("{path}/explain"),
    ] {
        assert_eq!(app.get(&path, &foreign).await.problem(), "404 not-found");
    }
    let reason = json!({ "reason": "x" });
    let hold = app.post(&format!("{path}/hold"), &foreign, &reason).await;
    assert_eq!(hold.problem(), "404 not-found");
    let asked = app
        .get(&format!("/api/v1/orders?location={here}"), &foreign)
        .await;
    assert_eq!(asked.problem(), "403 forbidden");

    // It goes where staff send it, and is seen there from then on.
    let to = json!({ "reason": "closer", "location": there });
    let moved = app.post(&format!("{path}/transfer"), &staff, &to).await;
    assert_eq!(moved.status, StatusCode::OK, "{}", moved.text);
    app.stop().await;
}

#[tokio::test]
async fn the_timeline_and_the_explanation_tell_what_happened() {
    let app = App::start().await;
    let token = app.token("lan", &STAFF, None).await;
    let made = enter(&app, &token, "a", &order("0901234567", "Nguyễn Văn An")).await;
    let path = format!("/api/v1/orders/{}", made.json["id"].as_str().unwrap());
    app.clock.advance(Duration::from_mins(1));
    app.post(
        &format!("{path}/reroute"),
        &token,
        &json!({ "reason": "try again" }),
    )
    .await;
    let timeline = app.get(&format!("{path}/timeline"), &token).await;
    let entries = timeline.json["entries"].as_array().unwrap();
    let kinds: BTreeSet<&str> = entries
        .iter()
        .map(|e| e["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        BTreeSet::from(["decision", "event", "staff", "task"])
    );
    let times: Vec<&str> = entries.iter().map(|e| e["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted());

    let explained = app.get(&format!("{path}/explain"), &token).await;
    assert_eq!(explained.status, StatusCode::OK, "{}", explained.text);
    assert_eq!(
        explained.json["decision"]["rule"],
        made.json["decision"]["rule"]
    );
    assert!(explained.json["decision"]["trace"].is_object());
    app.stop().await;
}

#[tokio::test]
async fn what_describes_the_api_needs_no_token_and_no_network() {
    let app = App::start().await;
    let read = async |path: &str| {
        let answer = app.call(Method::GET, path, None, &[], None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        answer
    };
    let schema = read("/schemas/order-document.json").await;
    assert!(schema.json["properties"]["lines"].is_object());
    let page = read("/docs/errors/not-found").await;
    assert!(page.text.starts_with("# not-found"));
    let docs = read("/docs/").await;
    assert!(docs.text.contains("swagger-ui"), "{}", docs.text);
    assert!(!docs.text.contains("https://"), "{}", docs.text);
    let nowhere = app.call(Method::GET, "/nowhere", None, &[], None).await;
    assert_eq!(nowhere.problem(), "404 not-found");
    let put = app
        .call(Method::PUT, "/openapi.json", None, &[], None)
        .await;
    assert_eq!(put.problem(), "405 method-not-allowed");
    app.stop().await;
}
