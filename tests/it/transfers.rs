//! Bank transfers find their order by the code that buyers write, and no money gets lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use kenh::alerts;
use kenh::clock::Clock;
use kenh::config::ChannelConfig;
use kenh::pipeline::poll;
use kenh::pipeline::reconcile::{self, FindingKind, Mode, Report};
use sandbox::signing;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::app::{Kind, Setup, TestApp, on_both};
use crate::configured::speaks;
use crate::desk::Desk;
use crate::senders::{AC_PRICE, Knock, WebOrder};

/// SePay reports a transfer into the shop's account.
fn transfer(app: &TestApp, id: i64, amount: i64, text: &str) -> Knock {
    let at = app.clock_s().to_string();
    let body = json!({
        "id": id, "gateway": "Vietcombank", "transactionDate": "2026-11-24 10:00:37",
        "accountNumber": "0123499999", "code": null, "content": text, "transferType": "in",
        "transferAmount": amount, "accumulated": 20_580_000, "subAccount": null,
        "referenceCode": format!("MAUFT{id}"), "description": "",
    });
    let body = body.to_string().into_bytes();
    let signature = signing::sepay(&app.secrets.sepay_secret, &at, &body);
    Knock::post("/webhooks/sepay", body)
        .with("x-sepay-timestamp", &at)
        .with("x-sepay-signature", &signature)
}

/// SePay's list of transfers.
struct Bank {
    server: MockServer,
    listed: Arc<Mutex<Vec<Value>>>,
}

impl Bank {
    async fn start() -> Self {
        let server = MockServer::start().await;
        let listed = Arc::new(Mutex::new(Vec::new()));
        let rows = Arc::clone(&listed);
        Mock::given(method("GET"))
            .and(path("/userapi/transactions/list"))
            .respond_with(move |_: &Request| {
                let rows = rows.lock().unwrap().clone();
                ResponseTemplate::new(200).set_body_json(json!({
                    "status": 200, "error": null, "messages": {"success": true},
                    "transactions": rows,
                }))
            })
            .mount(&server)
            .await;
        Self { server, listed }
    }

    async fn app(&self, kind: Kind) -> TestApp {
        let address = self.server.uri();
        Setup::default()
            .edit_in(move |config, world| {
                let sepay = config.channels.iter_mut().find(|c| c.id == "sepay");
                let settings = json!({
                    "secret": {"$secret": [world.secrets.sepay_secret]},
                    "api_token": {"$secret": ["token"]},
                    "order_code_prefix": "KE", "base_url": address,
                });
                speaks(sepay.unwrap(), "sepay", &settings);
            })
            .start(kind)
            .await
    }

    fn lists(&self, id: i64, amount: i64, text: &str) {
        self.listed.lock().unwrap().push(json!({
            "id": id.to_string(), "transaction_date": "2026-11-24 10:00:37",
            "account_number": "0123499999", "amount_in": amount.to_string(),
            "amount_out": "0.00", "code": null, "transaction_content": text,
        }));
    }
}

fn sepay(app: &TestApp) -> &ChannelConfig {
    app.gateway.config.channel("sepay").unwrap()
}

/// The list of transfers is polled, and what it brought is settled.
async fn poll(app: &TestApp) {
    app.clock.advance(Duration::from_secs(900));
    poll::turn(&app.gateway, sepay(app), "transactions")
        .await
        .unwrap();
    app.settle().await;
}

async fn reconciled(app: &TestApp) -> Report {
    let now = app.clock.now();
    let day = (now - SignedDuration::from_hours(12), now);
    reconcile::run(&app.gateway, sepay(app), day, Mode::Look, &|_| ())
        .await
        .unwrap()
}

async fn dead(app: &TestApp) -> i64 {
    let dead = "SELECT COUNT(*) FROM notice WHERE state = 'dead'";
    app.rows.number(dead).await
}

/// An order of the website that is to be paid by transfer; its code.
async fn ordered(app: &TestApp) -> String {
    app.web(
        &WebOrder::new("WEB-1").card().status("pending"),
        "order.created",
    )
    .await;
    app.settle().await;
    app.order("WEB-1").await.code.to_string()
}

async fn holds(app: &TestApp) -> Vec<String> {
    let order = app.order("WEB-1").await;
    order.holds.iter().map(|hold| hold.code.clone()).collect()
}

on_both! {
    async fn a_transfer_with_the_code_somewhere_in_its_text_pays_the_order_once(kind: Kind) {
        let app = TestApp::start(kind).await;
        let code = ordered(&app).await;
        let text = format!("MBVCB.123456.{code}.NGUYEN THI LAN chuyen tien");
        let knock = transfer(&app, 90_000_001, AC_PRICE, &text);
        for _ in 0..2 {
            let answer = app.knock(&knock).await;
            assert_eq!((answer.status, answer.json()), (200, json!({"success": true})));
            app.settle().await;
        }
        let order = app.order("WEB-1").await;
        assert_eq!((order.payment.paid.0, order.payment.received.len()), (AC_PRICE, 1));
        assert_eq!(order.payment.status.as_str(), "paid");
        app.finish().await;
    }

    async fn what_is_missing_is_waited_for_and_what_is_too_much_is_shown(kind: Kind) {
        let app = TestApp::start(kind).await;
        let code = ordered(&app).await;
        app.send(&transfer(&app, 90_000_001, AC_PRICE - 1_000_000, &code)).await;
        app.settle().await;
        assert_eq!(app.order("WEB-1").await.payment.status.as_str(), "partially_paid");
        assert!(holds(&app).await.contains(&"under-payment".to_owned()), "{:?}", holds(&app).await);
        assert_eq!(app.partner("hub-wms").count("POST", "/reservations"), 0);

        app.send(&transfer(&app, 90_000_002, 1_500_000, &code)).await;
        app.settle().await;
        let order = app.order("WEB-1").await;
        assert_eq!(order.payment.paid.0, AC_PRICE + 500_000);
        assert!(holds(&app).await.contains(&"over-payment".to_owned()), "{:?}", holds(&app).await);
        app.finish().await;
    }

    async fn money_of_nobody_is_parked_and_alarmed(kind: Kind) {
        let mut app = TestApp::start(kind).await;
        app.send(&transfer(&app, 90_000_001, 500_000, "tra tien may lanh")).await;
        // The form of a code of ours, and a check digit that fits, of an order that never was.
        app.send(&transfer(&app, 90_000_002, 500_000, "KE000000018 chuyen tien")).await;
        app.settle().await;
        let reasons = app.rows.texts("SELECT reason FROM notice WHERE state = 'dead' ORDER BY message_seq").await;
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(reasons[0].contains("no order code in it"), "{reasons:?}");
        let standing = alerts::conditions(&app.gateway).await.unwrap();
        assert!(standing.iter().any(|alarm| alarm.key == "dead-messages/sepay"));
        app.expects_dead(2, 0);
        app.finish().await;
    }

    async fn money_of_nobody_waits_once_however_often_it_is_reported(kind: Kind) {
        let bank = Bank::start().await;
        let mut app = bank.app(kind).await;
        let text = "tra tien may lanh";
        app.send(&transfer(&app, 90_000_001, 500_000, text)).await;
        app.settle().await;
        assert_eq!(dead(&app).await, 1);
        bank.lists(90_000_001, 500_000, text);
        bank.lists(90_000_002, 600_000, text);
        poll(&app).await;
        assert_eq!(dead(&app).await, 2, "the second one is news");
        app.send(&transfer(&app, 90_000_002, 600_000, text)).await;
        app.settle().await;
        assert_eq!(dead(&app).await, 2);
        let known = "SELECT COUNT(*) FROM notice WHERE state = 'ignored' AND reason LIKE 'an earlier message%'";
        assert_eq!(app.rows.number(known).await, 2);

        // Read again, the one that waits still waits.
        let desk = Desk::of(&app, &["inbox:read", "inbox:replay"]).await;
        let first = app.rows.number("SELECT MIN(message_seq) FROM notice WHERE state = 'dead'").await;
        let again = desk.post(&format!("/inbox/{first}/replay"), "again", &json!({})).await;
        assert!(again.status < 300, "{}", again.json);
        app.settle().await;
        assert_eq!(dead(&app).await, 2);
        app.expects_dead(2, 0);
        app.finish().await;
    }

    async fn a_transfer_that_was_pushed_is_not_missing_in_the_banks_list(kind: Kind) {
        let bank = Bank::start().await;
        let mut app = bank.app(kind).await;
        let code = ordered(&app).await;
        app.send(&transfer(&app, 90_000_001, AC_PRICE, &code)).await;
        app.send(&transfer(&app, 90_000_002, 500_000, "tra tien may lanh")).await;
        app.settle().await;
        bank.lists(90_000_001, AC_PRICE, &code);
        bank.lists(90_000_002, 500_000, "tra tien may lanh");
        let report = reconciled(&app).await;
        assert_eq!((report.listed, report.same), (2, 2), "{:?}", report.findings);
        bank.lists(90_000_003, 700_000, "tra tien tu lanh");
        let report = reconciled(&app).await;
        assert_eq!((report.listed, report.same), (3, 2), "{:?}", report.findings);
        assert_eq!(report.findings[0].id, "90000003");
        assert_eq!(report.findings[0].kind, FindingKind::Missing);
        app.expects_dead(1, 0);
        app.finish().await;
    }

    async fn money_of_nobody_is_booked_to_its_order_by_hand_and_only_once(kind: Kind) {
        let mut app = TestApp::start(kind).await;
        ordered(&app).await;
        app.web(&WebOrder::new("WEB-2").card().status("pending"), "order.created").await;
        app.send(&transfer(&app, 90_000_001, AC_PRICE, "tra tien may lanh")).await;
        app.settle().await;
        let message = app.rows.number("SELECT message_seq FROM notice WHERE state = 'dead'").await;
        let (order, other) = (app.order("WEB-1").await, app.order("WEB-2").await);
        let desk = Desk::of(&app, &["orders:write"]).await;
        let body = json!({"message": message, "reason": "khách gửi ảnh chuyển khoản"});
        let book = async |order: &str, body: &serde_json::Value| {
            let answer = desk.post(&format!("/orders/{order}/payments"), "k", body).await;
            app.settle().await;
            answer
        };
        let reader = Desk::of(&app, &["orders:read"]).await;
        let path = format!("/orders/{}/payments", order.id);
        assert_eq!(reader.post(&path, "k", &body).await.status, 403);
        for _ in 0..2 {
            let answer = book(&order.id, &body).await;
            assert_eq!(answer.status, 200, "{}", answer.json);
        }
        let paid = app.order("WEB-1").await.payment;
        assert_eq!((paid.paid.0, paid.received.len()), (AC_PRICE, 1));
        assert_eq!(book(&other.id, &body).await.problem(), "409 not-allowed");
        assert_eq!(app.order("WEB-2").await.payment.paid.0, 0);
        let trail = app.rows.texts("SELECT detail FROM audit WHERE action = 'order.payment'").await;
        assert_eq!(trail.len(), 1, "{trail:?}");
        let nothing = json!({"message": message + 1_000, "reason": "x"});
        assert_eq!(book(&order.id, &nothing).await.status, 404);
        // What has found its order by itself is nobody's to book.
        let code = other.code.to_string();
        app.send(&transfer(&app, 90_000_002, 1_000, &code)).await;
        app.settle().await;
        let settled = app.rows.number("SELECT MAX(message_seq) FROM notice").await;
        let taken = json!({"message": settled, "reason": "x"});
        assert_eq!(book(&order.id, &taken).await.problem(), "409 not-allowed");
        app.expects_dead(0, 0);
        app.finish().await;
    }

    async fn what_the_bank_took_is_not_given_back_by_a_call_that_nobody_takes(kind: Kind) {
        let app = TestApp::start(kind).await;
        let code = ordered(&app).await;
        app.send(&transfer(&app, 90_000_001, AC_PRICE, &code)).await;
        app.settle().await;
        let order = app.order("WEB-1").await;
        let received = &order.payment.received[0];
        let desk = Desk::of(&app, &["orders:write"]).await;
        let refund = json!({"reference": received.reference, "transaction": received.transaction,
            "amount": 1_000, "reason": "trả lại"});
        let answer = desk.post(&format!("/orders/{}/refunds", order.id), "r", &refund).await;
        assert_eq!(answer.problem(), "409 not-allowed");
        assert!(answer.json["detail"].as_str().unwrap().contains("sepay takes no refunds"));
        app.finish().await;
    }
}
