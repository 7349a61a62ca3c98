//! Payments that nobody reported on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use connectors::inbound::{Source, VerifiedWebhook};
use jiff::SignedDuration;
use kenh::pipeline::keepers::payments::Keeper;
use kenh::pipeline::receive;
use kenh::pipeline::reconcile::{self, FindingKind, Mode};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::alarms;
use crate::app::{Kind, Setup, TestApp, on_both};
use crate::configured::{only, speaks};
use crate::senders::{AC_PRICE, WebOrder};

/// ZaloPay, and what it answers next.
struct Provider {
    server: MockServer,
    answer: Arc<Mutex<ResponseTemplate>>,
}

impl Provider {
    async fn start() -> Self {
        let server = MockServer::start().await;
        let answer = Arc::new(Mutex::new(unknown()));
        let now = Arc::clone(&answer);
        Mock::given(method("POST"))
            .and(path("/v2/query"))
            .respond_with(move |_: &Request| now.lock().unwrap().clone())
            .mount(&server)
            .await;
        Self { server, answer }
    }

    fn answers(&self, answer: ResponseTemplate) {
        *self.answer.lock().unwrap() = answer;
    }

    /// The payments that it was asked about so far.
    async fn asked(&self) -> Vec<String> {
        let requests = self.server.received_requests().await.unwrap();
        let id = |request: &Request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            body["app_trans_id"].as_str().unwrap().to_owned()
        };
        requests.iter().map(id).collect()
    }

    async fn app(&self, kind: Kind) -> TestApp {
        let settings = json!({
            "app_id": 2553, "key1": {"$secret": ["one"]}, "key2": {"$secret": ["two"]},
            "base_url": self.server.uri(),
        });
        Setup::default()
            .edit(move |config| {
                let channel = only(config, "zalopay");
                speaks(channel, "zalopay", &settings);
                channel.serves = vec!["web".to_owned()];
            })
            .start(kind)
            .await
    }
}

fn says(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn unknown() -> ResponseTemplate {
    says(&json!({"return_code": 2, "sub_return_code": -101, "is_processing": false}))
}

fn pending() -> ResponseTemplate {
    says(&json!({"return_code": 3, "is_processing": true, "amount": AC_PRICE}))
}

fn paid(at: i64) -> ResponseTemplate {
    says(
        &json!({"return_code": 1, "sub_return_code": 1, "is_processing": false,
                 "amount": AC_PRICE, "zp_trans_id": 240_331_000_000_175_i64, "server_time": at}),
    )
}

fn failed() -> ResponseTemplate {
    says(
        &json!({"return_code": 2, "sub_return_code": -63, "is_processing": false,
                 "amount": AC_PRICE, "zp_trans_id": 0}),
    )
}

async fn states(app: &TestApp) -> Vec<String> {
    app.rows
        .texts("SELECT reference || ' ' || state FROM payment_question ORDER BY reference")
        .await
}

/// ZaloPay's answer to an earlier question comes in: the payment is not decided.
async fn undecided(app: &TestApp, reference: &str, code: &str) {
    let channel = app.gateway.config.channel("zalopay").unwrap();
    let notice = json!({"reference": reference, "transaction": "7", "amount": AC_PRICE,
        "state": "authorized", "at": "2026-11-24T02:59:30Z", "provider_code": code});
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

async fn turn(app: &TestApp) {
    Keeper::default().turn(&app.gateway).await.unwrap();
    app.settle().await;
}

on_both! {
    async fn a_card_payment_that_nobody_reported_is_asked_about_and_counts(kind: Kind) {
        let provider = Provider::start().await;
        let app = provider.app(kind).await;
        app.web(&WebOrder::new("WEB-1").card().status("pending"), "order.created").await;
        // What is paid at the door or has been paid already needs no question.
        let cod = WebOrder::phone("WEB-2").cod().from("Trần Bưởi", "0901234568");
        app.web(&cod, "order.created").await;
        app.web(&WebOrder::phone("WEB-3").from("Lê Mận", "0901234569"), "order.created").await;
        app.settle().await;
        app.clock.advance(Duration::from_secs(800));
        turn(&app).await;
        assert!(provider.asked().await.is_empty(), "the buyer may still be typing");

        app.clock.advance(Duration::from_secs(100));
        provider.answers(paid(app.gateway.now_ms()));
        turn(&app).await;
        let code = app.order("WEB-1").await.code;
        assert_eq!(provider.asked().await, [format!("261124_{code}-1")]);
        assert_eq!(states(&app).await, [format!("{code}-1 answered")]);
        let order = app.order("WEB-1").await;
        assert_eq!(order.payment.paid.0, AC_PRICE);
        let message = app.rows.text("SELECT source FROM message WHERE channel = 'zalopay'").await;
        assert_eq!(message.as_deref(), Some("poll"));

        // Dying between the message and the end of the question asks once more, and that is all.
        app.rows.run("UPDATE payment_question SET state = 'open', next_at = 0").await;
        app.pass(Duration::from_secs(100)).await;
        turn(&app).await;
        assert_eq!(provider.asked().await.len(), 1, "the order is paid");
        assert_eq!(states(&app).await, [format!("{code}-1 answered")]);
        app.finish().await;
    }

    async fn who_never_began_to_pay_is_asked_about_ever_more_rarely_and_then_no_more(kind: Kind) {
        let provider = Provider::start().await;
        let app = provider.app(kind).await;
        app.web(&WebOrder::new("WEB-1").card().status("pending"), "order.created").await;
        app.settle().await;
        let mut asked = Vec::new();
        let mut keeper = Keeper::default();
        for minute in 0..=(25 * 60) {
            app.clock.advance(Duration::from_secs(60));
            let before = provider.asked().await.len();
            keeper.turn(&app.gateway).await.unwrap();
            if provider.asked().await.len() > before {
                asked.push(minute);
            }
        }
        assert_eq!(asked[..7], [13, 14, 16, 20, 28, 44, 76], "{asked:?}");
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 61), "{asked:?}");
        assert!(*asked.last().unwrap() < 24 * 60, "{asked:?}");
        let code = app.order("WEB-1").await.code;
        assert_eq!(states(&app).await, [format!("{code}-1 unknown")]);
        assert!(alarms(&app, "payments/").await.is_empty());
        app.settle().await;
        app.finish().await;
    }

    async fn a_payment_begun_after_midnight_is_asked_about_under_its_own_day(kind: Kind) {
        let provider = Provider::start().await;
        let app = provider.app(kind).await;
        app.web(&WebOrder::new("WEB-1").card().status("pending"), "order.created").await;
        app.settle().await;
        // From ten in the morning to one at night, Vietnam's time.
        app.clock.advance(Duration::from_secs(15 * 3_600));
        turn(&app).await;
        let code = app.order("WEB-1").await.code;
        let days = [format!("261124_{code}-1"), format!("261125_{code}-1")];
        assert_eq!(provider.asked().await, days);
        app.finish().await;
    }

    async fn after_a_payment_that_failed_the_next_one_is_asked_about(kind: Kind) {
        let provider = Provider::start().await;
        let app = provider.app(kind).await;
        app.web(&WebOrder::new("WEB-1").card().status("pending"), "order.created").await;
        app.settle().await;
        app.clock.advance(Duration::from_secs(1_000));
        provider.answers(pending());
        turn(&app).await;
        let code = app.order("WEB-1").await.code;
        assert_eq!(states(&app).await, [format!("{code}-1 open")]);
        provider.answers(failed());
        app.clock.advance(Duration::from_secs(100));
        turn(&app).await;
        provider.answers(paid(app.gateway.now_ms()));
        turn(&app).await;
        assert_eq!(states(&app).await, [format!("{code}-1 answered"), format!("{code}-2 answered")]);
        assert_eq!(app.order("WEB-1").await.payment.paid.0, AC_PRICE);
        app.finish().await;
    }

    async fn a_provider_that_cannot_be_asked_is_alarmed_until_it_can(kind: Kind) {
        let provider = Provider::start().await;
        let app = provider.app(kind).await;
        app.web(&WebOrder::new("WEB-1").card().status("pending"), "order.created").await;
        app.settle().await;
        provider.answers(ResponseTemplate::new(503));
        for _ in 0..5 {
            app.clock.advance(Duration::from_secs(900));
            turn(&app).await;
        }
        assert_eq!(alarms(&app, "payments/").await, ["payments/zalopay"]);
        provider.answers(unknown());
        app.clock.advance(Duration::from_secs(3_600));
        turn(&app).await;
        assert!(alarms(&app, "payments/").await.is_empty());
        app.finish().await;
    }

    async fn a_payment_that_its_provider_calls_undecided_is_asked_about_whoever_sold(kind: Kind) {
        let provider = Provider::start().await;
        let app = provider.app(kind).await;
        // The hotline is served by nobody.
        let entered = WebOrder::new("HOT-1").card().status("pending");
        app.web(&entered, "order.created").await;
        app.settle().await;
        app.rows.run("UPDATE orders SET channel = 'hotline'").await;
        let code = app.order("HOT-1").await.code;
        let reference = format!("{code}-3");
        undecided(&app, &reference, "9000").await;
        assert_eq!(states(&app).await, [format!("{reference} open")]);
        app.clock.advance(Duration::from_secs(1_000));
        provider.answers(paid(app.gateway.now_ms()));
        turn(&app).await;
        assert_eq!(provider.asked().await, [format!("261124_{reference}")]);
        assert_eq!(states(&app).await, [format!("{reference} answered")]);
        // A late repeat of the old report opens the question again, and it closes without a call.
        undecided(&app, &reference, "9001").await;
        app.clock.advance(Duration::from_secs(1_000));
        turn(&app).await;
        assert_eq!(provider.asked().await.len(), 1);
        assert_eq!(states(&app).await, [format!("{reference} answered")]);
        app.rows.run("UPDATE orders SET channel = 'web'").await;
        app.finish().await;
    }

    async fn a_provider_without_a_list_is_reconciled_payment_by_payment(kind: Kind) {
        let provider = Provider::start().await;
        let app = provider.app(kind).await;
        let from = app.gateway.clock.now() - SignedDuration::from_hours(1);
        app.web(&WebOrder::new("WEB-1").card().status("pending"), "order.created").await;
        app.web(&WebOrder::phone("WEB-2").cod().from("Trần Bưởi", "0901234568"), "order.created").await;
        app.settle().await;
        provider.answers(paid(app.gateway.now_ms()));
        let reconciled = async |mode| {
            let channel = app.gateway.config.channel("zalopay").unwrap();
            let span = (from, app.gateway.clock.now());
            let report = reconcile::run(&app.gateway, channel, span, mode, &|_| {}).await.unwrap();
            app.settle().await;
            report
        };
        let reference = format!("{}-1", app.order("WEB-1").await.code);
        let looked = reconciled(Mode::Look).await;
        assert_eq!((looked.listed, looked.same), (1, 0), "paid at the door is no question");
        assert_eq!((looked.findings[0].id.as_str(), looked.findings[0].taken), (reference.as_str(), false));
        assert_eq!(looked.findings[0].kind, FindingKind::Missing);
        assert_eq!(app.order("WEB-1").await.payment.paid.0, 0, "looking changes nothing");

        assert!(reconciled(Mode::Take).await.findings[0].taken);
        assert_eq!(app.order("WEB-1").await.payment.paid.0, AC_PRICE);
        let again = reconciled(Mode::Look).await;
        assert_eq!((again.listed, again.same, again.findings.len()), (1, 1, 0));

        // Money that the provider knows nothing of is the worst of all.
        provider.answers(unknown());
        let report = reconciled(Mode::Take).await;
        let FindingKind::Differs(changes) = &report.findings[0].kind else {
            panic!("{:?}", report.findings);
        };
        assert_eq!((changes[0].field.as_str(), &changes[0].to), ("state", &json!("unknown to the provider")));
        assert!(!report.findings[0].taken, "a person must look");
        assert_eq!(app.order("WEB-1").await.payment.paid.0, AC_PRICE);
        app.finish().await;
    }
}
