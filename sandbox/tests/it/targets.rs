//! Targets of the open contract: signatures, idempotency, lives that report back.

use std::time::Duration;

use reqwest::Method;
use sandbox::{
    FulfillmentState, Kind, Options, OrderLink, ReservationState, Sandbox, TargetSpec, WorkState,
    signing,
};
use serde_json::{Value, json};

use crate::door::Door;

const REF: &str = "KX000000018";

struct Client {
    sandbox: Sandbox,
    http: reqwest::Client,
    door: Door,
}

impl Client {
    async fn with(options: Options) -> Self {
        let (door, url) = Door::open().await;
        let spec = |id: &str, kind| TargetSpec {
            id: id.to_owned(),
            kind,
        };
        let sandbox = Sandbox::start(Options {
            door: Some(url),
            pause_ms: (1, 3),
            reject_percent: 0,
            targets: vec![
                spec("hub", Kind::Inventory),
                spec("finance", Kind::Invoicing),
                spec("technical", Kind::ServiceCenter),
            ],
            ..options
        })
        .await
        .unwrap();
        Self {
            sandbox,
            http: reqwest::Client::new(),
            door,
        }
    }

    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn call(
        &self,
        target: &str,
        method: Method,
        path: &str,
        key: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value), reqwest::Error> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let at = jiff::Timestamp::now().as_second();
        let secret = self.sandbox.secrets().target(target);
        let response = self
            .http
            .request(
                method,
                format!("{}{path}", self.sandbox.addresses()[target]),
            )
            .header("idempotency-key", key)
            .header("webhook-id", key)
            .header("webhook-timestamp", at)
            .header(
                "webhook-signature",
                signing::standard(&secret, key, at, body.as_bytes()),
            )
            .header(
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            )
            .body(body)
            .send()
            .await?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    async fn post(&self, target: &str, path: &str, key: &str, body: Value) -> (u16, Value) {
        self.call(target, Method::POST, path, key, Some(body))
            .await
            .unwrap()
    }

    async fn reserve(&self, id: &str, key: &str) -> (u16, Value) {
        let body = json!({"reservation_id": id, "order_ref": REF, "location": "hub-hcm",
            "lines": [{"line_id": "1", "sku": "AC-9000", "quantity": 1}],
            "expires_at": "2026-11-25T00:00:00Z"});
        self.post("hub", "/reservations", key, body).await
    }

    async fn fulfill(&self, id: &str, reservation: &str, key: &str) -> (u16, Value) {
        let body = json!({"fulfillment_order_id": id, "reservation_id": reservation,
            "order_ref": REF, "channel": "web", "external_id": "WEB-1", "location": "hub-hcm",
            "lines": [{"line_id": "1", "sku": "AC-9000", "name": "Máy lạnh", "quantity": 1}],
            "cod": 12_990_000});
        self.post("hub", "/fulfillment-orders", key, body).await
    }

    async fn invoice(&self, id: &str, key: &str) -> (u16, Value) {
        let body = json!({"invoice_request_id": id, "series": "K26T", "order_ref": REF,
            "channel": "web", "external_id": "WEB-1", "legal_day": "2026-11-24",
            "lines": [{"line_id": "1", "quantity": 1, "amount": 12_990_000, "tax_amount": 962_222}],
            "discount": 0, "shipping": 0, "total": 12_990_000, "tax_total": 962_222});
        self.post("finance", "/invoices", key, body).await
    }

    async fn settle(&self) {
        assert!(self.sandbox.settled(Duration::from_secs(30)).await);
    }

    fn types(&self, target: &str) -> Vec<String> {
        let mut told = self.door.arrivals(&format!("/webhooks/{target}"));
        told.sort_by_key(|body| body["sequence"].as_i64());
        told.iter()
            .map(|body| body["type"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_no_second_effect() {
    let client = Client::new().await;
    let (status, first) = client.reserve("res_1", "KX000000018.reserve.res_1.0").await;
    assert_eq!(status, 201);
    let (status, second) = client.reserve("res_1", "KX000000018.reserve.res_1.0").await;
    assert_eq!((status, &second), (200, &first));
    let books = client.sandbox.books();
    assert_eq!(
        books.targets["hub"].reservations[&ReservationState::Held],
        1
    );
    assert_eq!(books.targets["hub"].repeats, 1);
    assert_eq!(books.violations, Vec::<String>::new());
}

#[tokio::test]
async fn another_key_for_the_same_effect_is_a_violation_and_changes_nothing() {
    let client = Client::new().await;
    client.reserve("res_1", "KX000000018.reserve.res_1.0").await;
    assert_eq!(
        client
            .reserve("res_1", "KX000000018.reserve.res_1.1")
            .await
            .0,
        200
    );
    client.invoice("inv_1", "KX000000018.invoice.inv_1.0").await;
    assert_eq!(
        client
            .invoice("inv_1", "KX000000018.invoice.inv_1.1")
            .await
            .0,
        200
    );
    let books = client.sandbox.books();
    assert_eq!(books.targets["finance"].invoices, 1);
    assert_eq!(books.violations.len(), 2, "{:?}", books.violations);
}

#[tokio::test]
async fn a_released_reservation_may_be_made_again_by_the_next_generation() {
    let client = Client::new().await;
    client.reserve("res_1", "KX000000018.reserve.res_1.0").await;
    let path = "/reservations/res_1";
    let key = "KX000000018.release.res_1.0";
    let released = client
        .call("hub", Method::DELETE, path, key, None)
        .await
        .unwrap();
    assert_eq!(released.0, 204);
    assert_eq!(
        client
            .reserve("res_1", "KX000000018.reserve.res_1.1")
            .await
            .0,
        201
    );
    let gone = client.call(
        "hub",
        Method::DELETE,
        "/reservations/res_9",
        "KX000000018.release.res_9.0",
        None,
    );
    assert_eq!(gone.await.unwrap().0, 404);
    assert_eq!(client.sandbox.books().violations, Vec::<String>::new());
}

#[tokio::test]
async fn an_unsigned_request_is_refused_and_written_down() {
    let client = Client::new().await;
    let url = format!("{}/reservations", client.sandbox.addresses()["hub"]);
    let answer = client.http.post(url).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(client.sandbox.books().violations.len(), 1);
}

#[tokio::test]
async fn an_order_goes_from_reservation_to_warranty_and_reports_every_step() {
    let client = Client::new().await;
    client.reserve("res_1", "KX000000018.reserve.res_1.0").await;
    let work = json!({"external_id": "svc_1", "kind": "install", "order_ref": REF,
        "items": [{"line_id": "1", "sku": "AC-9000", "quantity": 1}], "released": false});
    let created = client.post(
        "technical",
        "/work-orders",
        "KX000000018.install.svc_1.0",
        work,
    );
    assert_eq!(
        created.await,
        (201, json!({"external_id": "svc_1", "state": "waiting"}))
    );
    let sent = client
        .fulfill("ful_1", "res_1", "KX000000018.fulfill.ful_1.0")
        .await;
    assert_eq!(sent.0, 201);
    client.settle().await;
    assert_eq!(
        client.types("hub"),
        [
            "fulfillment.accepted",
            "fulfillment.packed",
            "fulfillment.shipped",
            "fulfillment.delivered"
        ]
    );
    let told = client.door.arrivals("/webhooks/hub");
    let delivered = told
        .iter()
        .find(|body| body["type"] == "fulfillment.delivered")
        .unwrap();
    assert_eq!(delivered["data"]["cod_collected"], 12_990_000);
    let release = json!({"delivered_at": "2026-11-24T08:00:00Z"});
    let released = client.post(
        "technical",
        "/work-orders/svc_1/release",
        "KX000000018.release.svc_1.0",
        release,
    );
    assert_eq!(released.await.0, 200);
    client.invoice("inv_1", "KX000000018.invoice.inv_1.0").await;
    client.settle().await;
    assert_eq!(
        client.types("technical"),
        [
            "service.scheduled",
            "service.assigned",
            "service.on_site",
            "service.completed"
        ]
    );
    assert!(
        client
            .types("finance")
            .contains(&"invoice.coded".to_owned())
    );
    let looked = client
        .call("finance", Method::GET, "/invoices/inv_1", "look", None)
        .await
        .unwrap();
    assert_eq!(
        (looked.0, &looked.1["state"], &looked.1["number"]),
        (200, &json!("coded"), &json!("00000001"))
    );
    assert_eq!(client.sandbox.books().violations, Vec::<String>::new());
    // Nothing was sold by this storefront, and the oracle says so.
    let link = OrderLink {
        order_ref: REF.to_owned(),
        channel: "web".to_owned(),
        external_id: "WEB-1".to_owned(),
        status: "delivered".to_owned(),
        held: false,
        installation: None,
    };
    assert_eq!(client.sandbox.audit(&[link]).len(), 2);
}

#[tokio::test]
async fn a_cancelled_fulfillment_order_stops_and_gives_its_stock_back() {
    let client = Client::with(Options {
        seed: 5,
        ..Options::default()
    })
    .await;
    client.reserve("res_1", "KX000000018.reserve.res_1.0").await;
    // The first callback is refused for a while, so that the cancellation comes in time.
    client
        .door
        .heard
        .lock()
        .unwrap()
        .refuse
        .insert("/webhooks/hub".to_owned(), 3);
    client
        .fulfill("ful_1", "res_1", "KX000000018.fulfill.ful_1.0")
        .await;
    let path = "/fulfillment-orders/ful_1";
    let key = "KX000000018.cancel.ful_1.0";
    let cancelled = client
        .call("hub", Method::DELETE, path, key, None)
        .await
        .unwrap();
    assert_eq!(cancelled.0, 204);
    client.settle().await;
    let books = client.sandbox.books();
    assert_eq!(
        books.targets["hub"].fulfillment_orders[&FulfillmentState::Cancelled],
        1
    );
    assert_eq!(
        books.targets["hub"].reservations[&ReservationState::Released],
        1
    );
    assert!(
        !client
            .types("hub")
            .contains(&"fulfillment.shipped".to_owned())
    );
}

#[tokio::test]
async fn it_is_too_late_to_cancel_what_is_delivered_or_completed() {
    let client = Client::new().await;
    client.reserve("res_1", "KX000000018.reserve.res_1.0").await;
    client
        .fulfill("ful_1", "res_1", "KX000000018.fulfill.ful_1.0")
        .await;
    client.settle().await;
    let key = "KX000000018.cancel.ful_1.0";
    let late = client
        .call(
            "hub",
            Method::DELETE,
            "/fulfillment-orders/ful_1",
            key,
            None,
        )
        .await
        .unwrap();
    assert_eq!((late.0, &late.1["code"]), (409, &json!("shipped")));
    let work = json!({"external_id": "svc_1", "kind": "install", "order_ref": REF,
        "items": [{"line_id": "1", "sku": "AC-9000", "quantity": 1}], "released": true});
    client
        .post(
            "technical",
            "/work-orders",
            "KX000000018.install.svc_1.0",
            work,
        )
        .await;
    client.settle().await;
    let key = "KX000000018.cancel.svc_1.0";
    let late = client
        .post(
            "technical",
            "/work-orders/svc_1/cancel",
            key,
            json!({"reason": "x"}),
        )
        .await;
    assert_eq!((late.0, &late.1["code"]), (409, &json!("completed")));
    let books = client.sandbox.books();
    assert_eq!(
        books.targets["technical"].work_orders[&WorkState::Completed],
        1
    );
}

#[tokio::test]
async fn a_visit_before_delivery_is_a_violation() {
    let client = Client::new().await;
    let work = json!({"external_id": "svc_1", "kind": "install", "order_ref": REF,
        "items": [{"line_id": "1", "sku": "AC-9000", "quantity": 1}]});
    client
        .post(
            "technical",
            "/work-orders",
            "KX000000018.install.svc_1.0",
            work,
        )
        .await;
    let release = json!({"delivered_at": "2026-11-24T08:00:00Z"});
    client
        .post(
            "technical",
            "/work-orders/svc_1/release",
            "KX000000018.release.svc_1.0",
            release,
        )
        .await;
    let violations = client.sandbox.books().violations;
    assert!(
        violations[0].contains("before anything was delivered"),
        "{violations:?}"
    );
}

#[tokio::test]
async fn a_rejection_gives_the_stock_back_and_says_why() {
    let (door, url) = Door::open().await;
    let client = Client {
        sandbox: Sandbox::start(Options {
            door: Some(url),
            pause_ms: (1, 3),
            reject_percent: 100,
            targets: vec![TargetSpec {
                id: "hub".to_owned(),
                kind: Kind::Inventory,
            }],
            ..Options::default()
        })
        .await
        .unwrap(),
        http: reqwest::Client::new(),
        door,
    };
    client.reserve("res_1", "KX000000018.reserve.res_1.0").await;
    client
        .fulfill("ful_1", "res_1", "KX000000018.fulfill.ful_1.0")
        .await;
    client.settle().await;
    assert_eq!(client.types("hub"), ["fulfillment.rejected"]);
    let books = client.sandbox.books();
    assert_eq!(
        books.targets["hub"].reservations[&ReservationState::Released],
        1
    );
}

#[tokio::test]
async fn with_faults_every_call_gets_through_in_a_few_tries_and_has_one_effect() {
    let client = Client::with(Options {
        faults: true,
        seed: 11,
        ..Options::default()
    })
    .await;
    let mut failures = 0;
    for number in 0..60 {
        let key = format!("KX000000018.reserve.res_{number}.0");
        let body = json!({"reservation_id": format!("res_{number}"), "order_ref": REF,
            "location": "hub-hcm", "lines": [{"line_id": "1", "sku": "AC-9000", "quantity": 1}]});
        let mut done = false;
        for _ in 0..8 {
            let tried = client
                .call(
                    "hub",
                    Method::POST,
                    "/reservations",
                    &key,
                    Some(body.clone()),
                )
                .await;
            done = tried.is_ok_and(|(status, _)| status == 200 || status == 201);
            if done {
                break;
            }
            failures += 1;
        }
        assert!(done, "{key} never got through");
    }
    let books = client.sandbox.books();
    assert!(failures > 0, "no fault was injected");
    assert_eq!(
        books.targets["hub"].reservations[&ReservationState::Held],
        60
    );
    assert_eq!(books.violations, Vec::<String>::new());
}

#[tokio::test]
async fn a_recount_is_reported_and_shown() {
    let client = Client::new().await;
    client.sandbox.recount("hub", "hub-hcm", "AC-9000", 7);
    client.settle().await;
    client.sandbox.recount("hub", "hub-hcm", "AC-9000", 5);
    client.settle().await;
    let told = client.door.arrivals("/webhooks/hub");
    let counts: Vec<_> = told
        .iter()
        .map(|body| (body["sequence"].as_i64(), body["data"]["on_hand"].as_i64()))
        .collect();
    assert_eq!(counts, [(Some(1), Some(7)), (Some(2), Some(5))]);
    client.reserve("res_1", "KX000000018.reserve.res_1.0").await;
    let path = "/stock?location=hub-hcm&sku=AC-9000";
    let (_, stock) = client
        .call("hub", Method::GET, path, "look", None)
        .await
        .unwrap();
    assert_eq!(
        (
            &stock["stock"][0]["on_hand"],
            &stock["stock"][0]["reserved"]
        ),
        (&json!(5), &json!(1))
    );
}
