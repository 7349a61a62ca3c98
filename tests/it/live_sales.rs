//! Comments under a live sale: what is clear becomes a draft that says why, what is not waits for
//! staff, who answer in private.

use reqwest::Method;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::app::{Kind, Setup, TestApp, on_both};
use crate::configured::{only, speaks};
use crate::desk::Desk;

const VIDEO: &str = "998877665544332";
const BUYER: &str = "8123456789012345";
const STAFF: [&str; 5] = [
    "conversations:write",
    "customers:read",
    "orders:read",
    "orders:write",
    "pii:read",
];

/// A gateway whose page calls `graph`, with a live sale of an air conditioner as A12.
async fn start(kind: Kind, graph: &MockServer) -> TestApp {
    let uri = graph.uri();
    let app = Setup::default()
        .edit_in(move |config, world| {
            let secrets = &world.secrets;
            let secret = |text: &str| json!({"$secret": [text]});
            let settings = json!({
                "app_secret": secret(&secrets.facebook_app_secret),
                "verify_token": secret(&secrets.facebook_verify_token),
                "page_tokens": {&secrets.facebook_page_id: secret(&secrets.facebook_page_token)},
                "base_url": uri,
            });
            speaks(only(config, "facebook-page"), "facebook", &settings);
        })
        .start(kind)
        .await;
    let desk = Desk::of(&app, &STAFF).await;
    let live = json!({
        "channel": "facebook-page", "post": post(&app), "title": "Live 24/11",
        "articles": {"A12": {"sku": "AC-9000", "name": "Máy lạnh 1 HP", "price": 12_490_000}},
        "ask_phone": "Dạ cho em xin số điện thoại ạ",
    });
    let answer = desk.call(Method::PUT, "/lives/24-11", Some(&live)).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    app
}

fn post(app: &TestApp) -> String {
    format!("{}_{VIDEO}", app.secrets.facebook_page_id)
}

/// Somebody writes, corrects or takes back a comment under the video.
async fn comment(app: &TestApp, number: u32, verb: &str, text: &str) {
    let post = post(app);
    let value = json!({
        "from": {"id": BUYER, "name": "Nguyễn Thử Nghiệm"},
        "post": {"status_type": "added_video", "is_published": true, "id": post,
            "permalink_url": format!("https://www.facebook.com/x/videos/{VIDEO}/")},
        "message": text, "post_id": post, "parent_id": post,
        "comment_id": format!("{VIDEO}_{number}"), "created_time": app.clock_s(),
        "item": "comment", "verb": verb,
    });
    app.send(&app.facebook_change(&json!({"field": "feed", "value": value})))
        .await;
    app.settle().await;
}

async fn waiting(desk: &Desk<'_>) -> Vec<Value> {
    let page = desk.get("/conversations").await;
    page["data"].as_array().unwrap().clone()
}

async fn graph() -> MockServer {
    let graph = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/104512345678901/messages"))
        .respond_with(|_: &Request| {
            ResponseTemplate::new(200)
                .set_body_json(json!({"recipient_id": BUYER, "message_id": "m_ours"}))
        })
        .mount(&graph)
        .await;
    graph
}

async fn said(graph: &MockServer) -> Vec<Value> {
    let all = graph.received_requests().await.unwrap();
    let posts = all.iter().filter(|request| request.method == Method::POST);
    posts
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect()
}

on_both! {
    async fn a_clear_comment_becomes_a_draft_that_says_what_was_understood(kind: Kind) {
        let graph = graph().await;
        let app = start(kind, &graph).await;
        comment(&app, 1, "add", "chốt A12 x2 0901234567").await;
        let order = app.orders().await.remove(0);
        assert_eq!(order.status.as_str(), "draft");
        assert_eq!(order.lines[0].sku.as_deref(), Some("AC-9000"));
        assert_eq!((order.lines[0].quantity, order.totals.grand_total.0), (2, 24_980_000));

        let desk = Desk::of(&app, &STAFF).await;
        let shown = desk.get(&format!("/orders/{}", order.id)).await;
        let why = shown["understood"]["why"].as_array().unwrap();
        assert!(!why.is_empty());
        for reason in why {
            let (vi, en) = (reason["vi"].as_str().unwrap(), reason["en"].as_str().unwrap());
            assert!(!vi.is_empty() && !en.is_empty() && vi != en, "{reason}");
            // Reasons tell what was understood, not whom it was understood of.
            assert!(!vi.contains("0901234567") && !en.contains("0901234567"), "{reason}");
        }
        assert_eq!(shown["understood"]["phone"], true);
        // Nothing is reserved before staff confirm.
        assert_eq!(app.partner("hub-wms").count("POST", "/reservations"), 0);
        let queue = waiting(&desk).await;
        assert_eq!(queue.len(), 1);
        assert_eq!(queue[0]["order_id"], json!(order.id));
        app.finish().await;
    }

    async fn a_comment_that_is_no_clear_order_waits_for_staff_without_a_draft(kind: Kind) {
        let graph = graph().await;
        let app = start(kind, &graph).await;
        for (number, text) in (1..).zip(["máy lạnh giá sao shop ơi", "chốt Z99", "A12 hay A13 đẹp hơn?"]) {
            comment(&app, number, "add", text).await;
        }
        assert!(app.orders().await.is_empty(), "{:#?}", app.orders().await);
        let desk = Desk::of(&app, &STAFF).await;
        let queue = waiting(&desk).await;
        assert_eq!(queue.len(), 1, "one conversation per person: {queue:?}");
        assert_eq!(queue[0]["age_s"], 0);
        app.finish().await;
    }

    async fn a_comment_that_is_taken_back_leaves_its_draft_to_staff_with_a_mark(kind: Kind) {
        let graph = graph().await;
        let app = start(kind, &graph).await;
        comment(&app, 1, "add", "chốt A12 0901234567").await;
        assert_eq!(app.orders().await[0].status.as_str(), "draft");
        comment(&app, 1, "remove", "").await;
        let orders = app.orders().await;
        assert_eq!((orders.len(), orders[0].status.as_str()), (1, "draft"));
        assert!(orders[0].tags.contains(&"comment-no-order-any-more".to_owned()), "{:?}", orders[0].tags);
        assert_eq!(waiting(&Desk::of(&app, &STAFF).await).await.len(), 1);
        app.finish().await;
    }

    async fn the_oldest_waits_first_and_is_given_to_somebody_answered_and_closed(kind: Kind) {
        let graph = graph().await;
        let app = start(kind, &graph).await;
        comment(&app, 1, "add", "máy lạnh giá sao shop ơi").await;
        app.clock.advance(std::time::Duration::from_secs(90));
        let desk = Desk::of(&app, &STAFF).await;
        let one = waiting(&desk).await.remove(0);
        assert_eq!(one["age_s"], 90);
        let path = format!("/conversations/{}", one["id"].as_str().unwrap());
        let assigned = desk.post(&format!("{path}/assign"), "a", &json!({"assignee": "mai"})).await;
        assert_eq!(assigned.json["assignee"], "mai");
        let hers = desk.get("/conversations?assignee=mai").await;
        assert_eq!(hers["data"].as_array().unwrap().len(), 1);

        let answer = json!({"text": "Dạ máy còn hàng ạ", "comment": format!("{VIDEO}_1")});
        for _ in 0..2 {
            let replied = desk.post(&format!("{path}/reply"), "r", &answer).await;
            assert_eq!(replied.status, 200, "{}", replied.json);
            app.settle().await;
        }
        let said = said(&graph).await;
        assert_eq!(said.len(), 1, "a repeat sends nothing more: {said:?}");
        assert_eq!(said[0]["recipient"], json!({"comment_id": format!("{VIDEO}_1")}));
        assert_eq!(said[0]["message"]["text"], "Dạ máy còn hàng ạ");
        let other = json!({"text": "Dạ hết hàng ạ", "comment": format!("{VIDEO}_1")});
        let reused = desk.post(&format!("{path}/reply"), "r", &other).await;
        assert_eq!(reused.problem(), "409 idempotency-key-reused");
        let strange = json!({"text": "xin chào", "comment": "1_2"});
        let refused = desk.post(&format!("{path}/reply"), "s", &strange).await;
        assert_eq!((refused.problem().as_str(), &refused.json["field"]), ("422 invalid-field", &json!("comment")));

        let closed = desk.post(&format!("{path}/close"), "c", &json!({"reason": "đã tư vấn"})).await;
        assert_eq!(closed.status, 200, "{}", closed.json);
        assert!(waiting(&desk).await.is_empty());
        // The person's next word opens it again, and it is still hers.
        comment(&app, 2, "add", "còn màu trắng không").await;
        let again = waiting(&desk).await;
        assert_eq!((again.len(), &again[0]["assignee"]), (1, &json!("mai")));
        app.finish().await;
    }

    async fn who_orders_without_a_phone_is_asked_for_it_once_and_the_answer_completes_the_order(kind: Kind) {
        let graph = graph().await;
        let app = start(kind, &graph).await;
        for number in 1..=2 {
            comment(&app, number, "add", &format!("chốt A12 x{number}")).await;
        }
        let questions = said(&graph).await;
        assert_eq!(questions.len(), 1, "{questions:?}");
        assert_eq!(questions[0]["recipient"], json!({"comment_id": format!("{VIDEO}_1")}));
        assert_eq!(questions[0]["message"]["text"], "Dạ cho em xin số điện thoại ạ");
        assert!(app.orders().await.is_empty());
        comment(&app, 3, "add", "0901234567").await;
        assert!(!app.orders().await.is_empty(), "the phone completes what was ordered before");
        assert_eq!(said(&graph).await.len(), 1);
        app.finish().await;
    }

    async fn a_confirmed_draft_waits_no_longer_until_its_buyer_speaks_again(kind: Kind) {
        let graph = graph().await;
        let app = start(kind, &graph).await;
        comment(&app, 1, "add", "chốt A12 0901234567").await;
        let order = app.orders().await.remove(0);
        let desk = Desk::of(&app, &STAFF).await;
        let address = json!({"ship_to": {"text": "12 Nguyễn Trãi, P. Bến Thành, TP.HCM"}, "reason": "khách báo"});
        let path = format!("/orders/{}", order.id);
        let edited = desk.keyed(Method::PATCH, &path, Some("e"), Some(&address)).await;
        assert_eq!(edited.status, 200, "{}", edited.json);
        let confirmed = desk.post(&format!("{path}/confirm"), "c", &json!({"reason": "đã gọi"})).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.json);
        app.settle().await;
        assert!(waiting(&desk).await.is_empty());
        // A word about the weather makes nothing of the order, but somebody should read it.
        comment(&app, 2, "add", "0907654321").await;
        let queue = waiting(&desk).await;
        assert_eq!((queue.len(), &queue[0]["order_id"]), (1, &json!(order.id)));
        let tags = app.orders().await.remove(0).tags;
        assert!(!tags.contains(&"comment-changed-after-confirmation".to_owned()), "{tags:?}");
        app.finish().await;
    }

    async fn a_private_reply_after_its_window_is_refused_and_never_sent(kind: Kind) {
        let graph = graph().await;
        let app = start(kind, &graph).await;
        comment(&app, 1, "add", "máy lạnh giá sao shop ơi").await;
        app.clock.advance(std::time::Duration::from_secs(8 * 86_400));
        let desk = Desk::of(&app, &STAFF).await;
        let one = waiting(&desk).await.remove(0);
        let path = format!("/conversations/{}/reply", one["id"].as_str().unwrap());
        let answer = json!({"text": "Dạ còn ạ", "comment": format!("{VIDEO}_1")});
        assert_eq!(desk.post(&path, "r", &answer).await.problem(), "409 not-allowed");
        assert!(said(&graph).await.is_empty());
        app.finish().await;
    }

    async fn an_answer_that_may_have_arrived_is_looked_for_even_after_the_account_was_refused(kind: Kind) {
        let graph = MockServer::start().await;
        let looks = std::sync::atomic::AtomicUsize::new(0);
        Mock::given(method("POST"))
            .and(path("/104512345678901/messages"))
            .respond_with(ResponseTemplate::new(500))
            .mount(&graph)
            .await;
        Mock::given(method("GET"))
            .and(path(format!("/{VIDEO}_1")))
            .respond_with(move |_: &Request| {
                if looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                    let error = json!({"code": 190, "type": "OAuthException", "message": "expired"});
                    return ResponseTemplate::new(400).set_body_json(json!({"error": error}));
                }
                ResponseTemplate::new(200).set_body_json(json!({"can_reply_privately": false}))
            })
            .mount(&graph)
            .await;
        let app = start(kind, &graph).await;
        comment(&app, 1, "add", "máy lạnh giá sao shop ơi").await;
        let desk = Desk::of(&app, &STAFF).await;
        let one = waiting(&desk).await.remove(0);
        let path = format!("/conversations/{}/reply", one["id"].as_str().unwrap());
        let answer = json!({"text": "Dạ còn ạ", "comment": format!("{VIDEO}_1")});
        assert_eq!(desk.post(&path, "r", &answer).await.status, 200);
        app.settle().await;
        assert_eq!(said(&graph).await.len(), 1, "sent once, found in the end");
        let state = app.rows.text("SELECT state FROM task WHERE op = 'send_message'").await;
        assert_eq!(state.as_deref(), Some("delivered"));
        app.finish().await;
    }

    async fn a_code_list_with_a_mistake_is_refused_with_the_field(kind: Kind) {
        let graph = graph().await;
        let app = start(kind, &graph).await;
        let desk = Desk::of(&app, &STAFF).await;
        let right = json!({
            "channel": "facebook-page", "post": "1_2", "title": "Live",
            "articles": {"A1": {"sku": "AC-9000", "name": "Máy lạnh", "price": 1}},
        });
        let cases = [
            ("/channel", json!("nowhere"), "channel"),
            ("/articles", json!({}), "articles"),
            ("/articles/A1/sku", json!("NO-SUCH"), "articles.A1.sku"),
            ("/articles/A1/price", json!(-1), "articles.A1.price"),
            ("/pinned", json!("B9"), "pinned"),
            ("/quantity_limit", json!(0), "quantity_limit"),
            ("/title", json!(" "), "title"),
            ("/ask_phone", json!(""), "ask_phone"),
        ];
        for (pointer, wrong, field) in cases {
            let mut live = right.clone();
            live["pinned"] = Value::Null;
            live["quantity_limit"] = json!(10);
            live["ask_phone"] = Value::Null;
            *live.pointer_mut(pointer).unwrap() = wrong;
            let answer = desk.call(Method::PUT, "/lives/next", Some(&live)).await;
            assert_eq!(answer.problem(), "422 invalid-field", "{field}");
            assert_eq!(answer.json["field"], field);
        }
        // One post has one code list.
        let mut taken = right;
        taken["post"] = json!(post(&app));
        let answer = desk.call(Method::PUT, "/lives/next", Some(&taken)).await;
        assert_eq!(answer.problem(), "409 version-conflict");
        app.finish().await;
    }
}
