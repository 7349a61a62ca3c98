//! Money goes back through the provider that took it: once, whatever the network does.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use connectors::inbound::{Source, VerifiedWebhook};
use kenh::pipeline::receive;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::app::{Kind, Setup, TestApp, on_both};
use crate::configured::{only, speaks};
use crate::desk::{Answer, Desk};
use crate::senders::{AC_PRICE, WebOrder};

const TRANSACTION: &str = "240331000000175";

/// ZaloPay's refunds: what it gave back, and how it answers.
#[derive(Default)]
struct Till {
    given: Vec<Value>,
    looked: usize,
    loses_answers: usize,
    refuses: bool,
}

impl Till {
    fn answer(&mut self, request: &Request) -> ResponseTemplate {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let good = |body: &Value| ResponseTemplate::new(200).set_body_json(body);
        let is_same = |given: &&Value| given["m_refund_id"] == body["m_refund_id"];
        match request.url.path() {
            "/v2/query_refund" => {
                self.looked += 1;
                let code = if self.given.iter().any(|given| is_same(&given)) {
                    1
                } else {
                    2
                };
                good(&json!({"return_code": code, "refund_id": 240_331_000_001_i64}))
            }
            "/v2/refund" if self.refuses => {
                good(&json!({"return_code": 2, "sub_return_code": -13}))
            }
            "/v2/refund" => {
                self.given.push(body);
                if self.loses_answers > 0 {
                    self.loses_answers -= 1;
                    return ResponseTemplate::new(502);
                }
                good(
                    &json!({"return_code": 1, "sub_return_code": 1, "refund_id": 240_331_000_001_i64}),
                )
            }
            other => panic!("{other} is not a refund"),
        }
    }
}

/// The provider, and a paid order at the gateway.
struct Case {
    app: TestApp,
    till: Arc<Mutex<Till>>,
    order: String,
    reference: String,
    _provider: MockServer,
}

impl Case {
    async fn start(kind: Kind) -> Self {
        let provider = MockServer::start().await;
        let till = Arc::new(Mutex::new(Till::default()));
        let answers = Arc::clone(&till);
        Mock::given(method("POST"))
            .respond_with(move |request: &Request| answers.lock().unwrap().answer(request))
            .mount(&provider)
            .await;
        let settings = json!({
            "app_id": 2553, "key1": {"$secret": ["one"]}, "key2": {"$secret": ["two"]},
            "base_url": provider.uri(),
        });
        let app = Setup::default()
            .edit(move |config| {
                let channel = only(config, "zalopay");
                speaks(channel, "zalopay", &settings);
                channel.serves = vec!["web".to_owned()];
            })
            .start(kind)
            .await;
        app.web(
            &WebOrder::new("WEB-1").card().status("pending"),
            "order.created",
        )
        .await;
        app.settle().await;
        let order = app.order("WEB-1").await;
        let reference = format!("{}-1", order.code);
        pays(&app, &reference).await;
        Self {
            app,
            till,
            order: order.id,
            reference,
            _provider: provider,
        }
    }

    fn body(&self, amount: i64) -> Value {
        json!({"reference": self.reference, "transaction": TRANSACTION, "amount": amount,
               "reason": "khách trả hàng"})
    }

    async fn desk(&self) -> Desk<'_> {
        Desk::of(&self.app, &["orders:read", "orders:write"]).await
    }

    async fn asks(&self, key: &str, body: &Value) -> Answer {
        let path = format!("/orders/{}/refunds", self.order);
        let answer = self.desk().await.post(&path, key, body).await;
        self.app.settle().await;
        answer
    }

    async fn refunded(&self) -> i64 {
        self.app.order("WEB-1").await.payment.refunded.0
    }

    fn given(&self) -> usize {
        self.till.lock().unwrap().given.len()
    }
}

/// ZaloPay's answer to an earlier question comes in: the buyer has paid.
async fn pays(app: &TestApp, reference: &str) {
    let channel = app.gateway.config.channel("zalopay").unwrap();
    let notice = json!({"reference": reference, "transaction": TRANSACTION, "amount": AC_PRICE,
        "state": "paid", "at": "2026-11-24T02:59:30Z", "provider_code": "1"});
    let message = VerifiedWebhook::from_inbox(
        Source::Poll,
        Some("query".to_owned()),
        String::new(),
        Bytes::from(notice.to_string()),
    );
    let now = app.gateway.now_ms();
    let language = &*channel.channel;
    let incoming = receive::prepare("zalopay", language, &message, &app.gateway.keys, now);
    app.gateway.receiver.store(incoming).await.unwrap();
    app.settle().await;
}

on_both! {
    async fn what_came_in_is_shown_and_goes_back_through_its_provider(kind: Kind) {
        let case = Case::start(kind).await;
        let order = case.desk().await.get(&format!("/orders/{}", case.order)).await;
        assert_eq!(order["payment"]["received"], json!([{
            "provider": "zalopay", "reference": case.reference, "transaction": TRANSACTION,
            "amount": AC_PRICE, "at": "2026-11-24T02:59:30Z",
        }]));
        let answer = case.asks("first", &case.body(2_990_000)).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        assert_eq!(case.refunded().await, 2_990_000);
        {
            let till = case.till.lock().unwrap();
            assert_eq!(till.given[0]["zp_trans_id"], TRANSACTION);
            assert_eq!(till.given[0]["amount"], 2_990_000);
        }
        // The same wish again is the same refund.
        let again = case.asks("first", &case.body(2_990_000)).await;
        assert_eq!(again.status, 200, "{}", again.json);
        assert_eq!((case.given(), case.refunded().await), (1, 2_990_000));
        case.app.finish().await;
    }

    async fn no_more_goes_back_than_came_in(kind: Kind) {
        let case = Case::start(kind).await;
        assert_eq!(case.asks("most", &case.body(10_000_000)).await.status, 200);
        let answer = case.asks("rest", &case.body(AC_PRICE - 10_000_000 + 1)).await;
        assert_eq!(answer.problem(), "409 not-allowed");
        assert!(answer.json["detail"].as_str().unwrap().contains("2990000"), "{}", answer.json);
        let mut other = case.body(1);
        other["transaction"] = json!("1");
        assert_eq!(case.asks("other", &other).await.problem(), "409 not-allowed");
        assert_eq!((case.given(), case.refunded().await), (1, 10_000_000));
        case.app.finish().await;
    }

    async fn a_wish_without_a_key_or_an_amount_is_refused_at_the_door(kind: Kind) {
        let case = Case::start(kind).await;
        let path = format!("/orders/{}/refunds", case.order);
        let desk = case.desk().await;
        let keyless = desk.keyed(reqwest::Method::POST, &path, None, Some(&case.body(1))).await;
        assert_eq!(keyless.problem(), "400 idempotency-key-required");
        for amount in [0, -1, i64::MIN] {
            let answer = desk.post(&path, "k", &case.body(amount)).await;
            assert_eq!(answer.problem(), "422 invalid-field", "{amount}");
            assert_eq!(answer.json["field"], "amount");
        }
        let mut silent = case.body(1);
        silent["reason"] = json!("  ");
        let answer = desk.post(&path, "k", &silent).await;
        assert_eq!((answer.status, &answer.json["field"]), (422, &json!("reason")));
        let reader = Desk::of(&case.app, &["orders:read"]).await;
        assert_eq!(reader.post(&path, "k", &case.body(1)).await.status, 403);
        assert_eq!(case.till.lock().unwrap().looked, 0);
        case.app.finish().await;
    }

    async fn after_a_lost_answer_the_provider_is_asked_before_anything_is_sent_again(kind: Kind) {
        let case = Case::start(kind).await;
        case.till.lock().unwrap().loses_answers = 1;
        case.asks("first", &case.body(AC_PRICE)).await;
        assert_eq!((case.given(), case.refunded().await), (1, AC_PRICE));
        assert_eq!(case.till.lock().unwrap().looked, 2);
        case.app.finish().await;
    }

    async fn a_refund_that_its_provider_refuses_counts_for_nothing_and_may_be_wished_again(kind: Kind) {
        let case = Case::start(kind).await;
        case.till.lock().unwrap().refuses = true;
        case.asks("first", &case.body(AC_PRICE)).await;
        assert_eq!((case.given(), case.refunded().await), (0, 0));
        case.till.lock().unwrap().refuses = false;
        assert_eq!(case.asks("second", &case.body(AC_PRICE)).await.status, 200);
        assert_eq!((case.given(), case.refunded().await), (1, AC_PRICE));
        case.app.finish().await;
    }
}
