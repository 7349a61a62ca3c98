//! Webhook subscriptions are looked after.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kenh::pipeline::keepers::subscriptions;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, Request, ResponseTemplate};

use super::alarms;
use crate::app::{Kind, Setup, TestApp, on_both};
use crate::configured::only;
use crate::desk::Desk;

const WEBHOOKS: &str = "/wp-json/wc/v3/webhooks";
const DOOR: &str = "https://kenh.example.vn/webhooks/woo-outlet";
const TOPICS: [&str; 4] = [
    "order.created",
    "order.updated",
    "order.deleted",
    "order.restored",
];

async fn start(kind: Kind, public_url: Option<&'static str>) -> TestApp {
    Setup::default()
        .edit(move |config| {
            only(config, "woo-outlet");
            config.server.public_url = public_url.map(str::to_owned);
        })
        .start(kind)
        .await
}

type Answer = Arc<Mutex<ResponseTemplate>>;

/// The shop's list of webhooks, and that it takes new ones.
async fn shop(app: &TestApp) -> Answer {
    let answer = Arc::new(Mutex::new(listed(&[])));
    let now = Arc::clone(&answer);
    Mock::given(method("GET"))
        .and(path(WEBHOOKS))
        .respond_with(move |_: &Request| now.lock().unwrap().clone())
        .mount(&app.woocommerce)
        .await;
    Mock::given(method("POST"))
        .and(path(WEBHOOKS))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({"id": 1})))
        .mount(&app.woocommerce)
        .await;
    answer
}

fn listed(webhooks: &[Value]) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(webhooks)
}

fn all(status: &str) -> ResponseTemplate {
    let webhook = |topic| json!({"id": 1, "status": status, "topic": topic, "delivery_url": DOOR});
    listed(&TOPICS.map(webhook))
}

fn answers(answer: &Answer, next: ResponseTemplate) {
    *answer.lock().unwrap() = next;
}

async fn calls(app: &TestApp, verb: &str) -> Vec<Request> {
    let mut all = app.woocommerce.received_requests().await.unwrap();
    all.retain(|request| request.method.as_str() == verb && request.url.path() == WEBHOOKS);
    all
}

async fn seen(app: &TestApp) -> String {
    let sql = "SELECT state || ': ' || COALESCE(detail, '') FROM subscription WHERE channel = 'woo-outlet'";
    app.rows.text(sql).await.unwrap()
}

async fn later(app: &TestApp, seconds: u64) {
    app.clock.advance(Duration::from_secs(seconds));
    subscriptions::turn(&app.gateway).await.unwrap();
}

on_both! {
    async fn what_the_shop_has_dropped_is_subscribed_again_at_our_public_door(kind: Kind) {
        let app = start(kind, Some("https://kenh.example.vn")).await;
        shop(&app).await;
        later(&app, 0).await;
        let made: Vec<String> = calls(&app, "POST")
            .await
            .iter()
            .map(|request| {
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                assert_eq!(body["delivery_url"], DOOR);
                body["topic"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(made, TOPICS);
        assert_eq!(seen(&app).await, "good: ");
        // Nothing more until its time has come.
        later(&app, 899).await;
        assert_eq!(calls(&app, "GET").await.len(), 1);
        later(&app, 1).await;
        assert_eq!(calls(&app, "GET").await.len(), 2);
        app.finish().await;
    }

    async fn what_a_person_must_put_right_is_alarmed_until_it_is(kind: Kind) {
        let app = start(kind, Some("https://kenh.example.vn")).await;
        let answer = shop(&app).await;
        answers(&answer, all("paused"));
        later(&app, 0).await;
        assert!(seen(&app).await.starts_with("broken: somebody paused"), "{}", seen(&app).await);
        assert_eq!(alarms(&app, "subscription/").await, ["subscription/woo-outlet"]);
        let woo = Desk::of(&app, &["channels:read"]).await.channel("woo-outlet").await;
        assert_eq!(woo["subscription"]["state"], "broken", "{woo}");
        // A shop that is down has not mended it.
        answers(&answer, ResponseTemplate::new(503));
        later(&app, 900).await;
        assert_eq!(alarms(&app, "subscription/").await, ["subscription/woo-outlet"]);
        answers(&answer, all("active"));
        later(&app, 900).await;
        assert_eq!(seen(&app).await, "good: ");
        assert!(alarms(&app, "subscription/").await.is_empty());
        app.finish().await;
    }

    async fn a_shop_that_is_down_is_looked_at_again_soon(kind: Kind) {
        let app = start(kind, Some("https://kenh.example.vn")).await;
        let answer = shop(&app).await;
        answers(&answer, ResponseTemplate::new(503));
        later(&app, 0).await;
        assert!(seen(&app).await.starts_with("unreachable: "));
        later(&app, 119).await;
        assert_eq!(calls(&app, "GET").await.len(), 1);
        answers(&answer, all("active"));
        later(&app, 1).await;
        assert_eq!(seen(&app).await, "good: ");
        app.finish().await;
    }

    async fn without_a_public_address_nothing_is_asked_and_nothing_alarmed(kind: Kind) {
        let app = start(kind, None).await;
        shop(&app).await;
        later(&app, 0).await;
        assert!(seen(&app).await.starts_with("unset: "), "{}", seen(&app).await);
        assert!(calls(&app, "GET").await.is_empty());
        assert!(alarms(&app, "subscription/").await.is_empty());
        app.finish().await;
    }
}
