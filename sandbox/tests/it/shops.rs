//! The shop platforms' APIs as a connector meets them: credentials, pages, what is told and booked.

use std::time::Duration;

use reqwest::{Method, Response};
use sandbox::{Options, Product, Sandbox, Scenario, signing};
use serde_json::{Value, json};

use crate::door::Door;

struct Shop {
    sandbox: Sandbox,
    door: Door,
}

impl Shop {
    /// A sandbox that has sold on every platform.
    async fn open() -> Self {
        let (door, url) = Door::open().await;
        let options = Options {
            door: Some(url),
            ..Options::default()
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        let scenario = Scenario {
            cancel_percent: 0,
            ..Scenario::new(40, 3, Product::samples(), "kenh_test")
        };
        let report = sandbox.run(scenario).await.unwrap();
        assert_eq!(report.unexpected, Vec::<String>::new());
        assert!(sandbox.settled(Duration::from_secs(30)).await);
        Self { sandbox, door }
    }

    async fn call(&self, shop: &str, method: Method, path: &str, body: Option<Value>) -> Response {
        let secrets = self.sandbox.secrets();
        let (header, value) = match shop {
            "shopify" => (
                "x-shopify-access-token",
                secrets.shopify_access_token.clone(),
            ),
            "haravan" => (
                "authorization",
                format!("Bearer {}", secrets.haravan_access_token),
            ),
            "sapo_web" => ("x-sapo-access-token", secrets.sapo_web_access_token.clone()),
            "sapo_omni" => (
                "x-sapo-access-token",
                secrets.sapo_omni_access_token.clone(),
            ),
            "woocommerce" => (
                "authorization",
                signing::basic(&secrets.woo_consumer_key, &secrets.woo_consumer_secret),
            ),
            other => panic!("{other}"),
        };
        let url = format!("{}{path}", self.sandbox.addresses()[shop]);
        let mut request = reqwest::Client::new()
            .request(method, url)
            .header(header, value);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, shop: &str, path: &str) -> Value {
        let answer = self.call(shop, Method::GET, path, None).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    async fn post(&self, shop: &str, path: &str, body: Value) -> u16 {
        let answer = self.call(shop, Method::POST, path, Some(body)).await;
        answer.status().as_u16()
    }

    fn told(&self, shop: &str, kind: &str) -> u64 {
        let books = self.sandbox.books();
        books.channels[shop].told.get(kind).copied().unwrap_or(0)
    }

    fn violations(&self) -> Vec<String> {
        self.sandbox.books().violations
    }

    /// How often the door heard of this order.
    fn heard(&self, channel: &str, id: &Value) -> usize {
        let arrivals = self.door.arrivals(&format!("/webhooks/{channel}"));
        arrivals.iter().filter(|body| body["id"] == *id).count()
    }
}

#[tokio::test]
async fn a_shop_knows_its_caller() {
    let shop = Shop::open().await;
    for (name, path) in [
        ("shopify", "/admin/api/2025-10/orders.json?status=any"),
        ("haravan", "/com/orders.json?status=any"),
        ("sapo_web", "/admin/orders.json?status=any"),
        ("sapo_omni", "/admin/orders.json"),
    ] {
        let url = format!("{}{path}", shop.sandbox.addresses()[name]);
        assert_eq!(reqwest::get(url).await.unwrap().status(), 401, "{name}");
        let listed = shop.get(name, path).await;
        assert_eq!(listed["orders"].as_array().unwrap().len(), 1, "{name}");
    }
    assert_eq!(shop.violations().len(), 4);
}

#[tokio::test]
async fn shopify_pages_by_link_and_refuses_a_cursor_beside_other_parameters() {
    let (_door, url) = Door::open().await;
    let options = Options {
        door: Some(url),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let scenario = Scenario::new(85, 3, Product::samples(), "kenh_test");
    sandbox.run(scenario).await.unwrap();
    let token = sandbox.secrets().shopify_access_token.clone();
    let get = |url: String| {
        let request = reqwest::Client::new().get(url);
        request.header("x-shopify-access-token", &token).send()
    };
    let base = format!(
        "{}/admin/api/2025-10/orders.json?limit=1",
        sandbox.addresses()["shopify"]
    );
    let answer = get(format!(
        "{base}&status=any&updated_at_min=2026-01-01T00:00:00Z"
    ));
    let answer = answer.await.unwrap();
    let link = answer.headers()["link"].to_str().unwrap().to_owned();
    let next = link.split(['<', '>']).nth(1).unwrap().to_owned();
    assert_eq!(get(next.clone()).await.unwrap().status(), 200);
    assert_eq!(sandbox.books().violations, Vec::<String>::new());
    let beside = get(format!("{next}&status=any")).await.unwrap();
    assert_eq!(beside.status(), 400);
    assert_eq!(sandbox.books().violations.len(), 1);
}

#[tokio::test]
async fn shopify_fulfills_by_its_own_orders_and_never_twice() {
    let shop = Shop::open().await;
    let root = "/admin/api/2025-10";
    let list = shop
        .get("shopify", &format!("{root}/orders.json?status=any"))
        .await;
    let order = &list["orders"][0];
    let id = order["id"].as_u64().unwrap();
    let before = shop.heard("shopify", &order["id"]);
    let path = format!("{root}/orders/{id}/fulfillment_orders.json");
    let asked = shop.get("shopify", &path).await;
    let open = &asked["fulfillment_orders"][0];
    assert_eq!(open["status"], "open");
    let items: Vec<Value> = (open["line_items"].as_array().unwrap().iter())
        .map(|line| json!({"id": line["id"], "quantity": line["fulfillable_quantity"]}))
        .collect();
    let body = json!({"fulfillment": {
        "line_items_by_fulfillment_order": [
            {"fulfillment_order_id": open["id"], "fulfillment_order_line_items": items}
        ],
        "tracking_info": {"number": "GHN0001", "company": "GHN"},
    }});
    let fulfill = format!("{root}/fulfillments.json");
    assert_eq!(shop.post("shopify", &fulfill, body.clone()).await, 201);
    let now = shop
        .get("shopify", &format!("{root}/orders/{id}.json"))
        .await;
    assert_eq!(now["order"]["fulfillment_status"], "fulfilled");
    assert_eq!(shop.told("shopify", "shipped"), 1);
    assert_eq!(shop.violations(), Vec::<String>::new());
    assert!(shop.sandbox.settled(Duration::from_secs(10)).await);
    assert!(shop.heard("shopify", &order["id"]) > before, "nobody told");
    assert_eq!(shop.post("shopify", &fulfill, body).await, 422);
    assert_eq!(shop.told("shopify", "shipped"), 1);
    assert_eq!(shop.violations().len(), 1);
    let cancel = format!("{root}/orders/{id}/cancel.json");
    let late = shop
        .post("shopify", &cancel, json!({"reason": "other"}))
        .await;
    assert_eq!(late, 422);
}

#[tokio::test]
async fn haravan_confirms_ships_and_cancels() {
    let shop = Shop::open().await;
    let list = shop.get("haravan", "/com/orders.json?status=any").await;
    let order = &list["orders"][0];
    let root = format!("/com/orders/{}", order["id"]);
    let confirm = json!({"confirmed_status": "confirmed"});
    let confirmed = shop
        .post("haravan", &format!("{root}/confirm.json"), confirm)
        .await;
    assert_eq!(confirmed, 200);
    let line = &order["line_items"][0];
    let body = json!({"fulfillment": {"tracking_number": "GHN1",
        "line_items": [{"id": line["id"], "quantity": line["quantity"]}]}});
    let ship = format!("{root}/fulfillments.json");
    assert_eq!(shop.post("haravan", &ship, body.clone()).await, 201);
    assert_eq!(shop.post("haravan", &ship, body).await, 422);
    assert_eq!(shop.told("haravan", "accepted"), 1);
    assert_eq!(shop.told("haravan", "shipped"), 1);
    let stock = json!({"inventory": {"type": "set", "location_id": 1, "line_items": [
        {"product_id": 8, "product_variant_id": 1, "quantity": 5}]}});
    let set = shop
        .post("haravan", "/com/inventories/adjustorset.json", stock)
        .await;
    assert_eq!(set, 200);
    assert_eq!(shop.told("haravan", "stock"), 1);
}

#[tokio::test]
async fn sapo_web_keeps_its_tags_and_cancels_once() {
    let shop = Shop::open().await;
    let list = shop.get("sapo_web", "/admin/orders.json?status=any").await;
    let id = list["orders"][0]["id"].clone();
    let path = format!("/admin/orders/{id}.json");
    for (tags, lost) in [("vip", 0), ("vip, kenh-accepted", 0), ("kenh-accepted", 1)] {
        let body = json!({"order": {"id": id, "tags": tags}});
        let answer = shop.call("sapo_web", Method::PUT, &path, Some(body)).await;
        assert_eq!(answer.status(), 200);
        let seen = shop.violations();
        let lost_tags = seen.iter().filter(|v| v.contains("got lost")).count();
        assert_eq!(lost_tags, lost, "{tags}");
    }
    let cancel = format!("/admin/orders/{id}/cancel.json");
    assert_eq!(
        shop.post("sapo_web", &cancel, json!({"reason": "customer"}))
            .await,
        200
    );
    assert_eq!(
        shop.post("sapo_web", &cancel, json!({"reason": "customer"}))
            .await,
        422
    );
    assert_eq!(shop.told("sapo_web", "cancelled"), 1);
}

#[tokio::test]
async fn sapo_omni_packs_ships_and_receives() {
    let shop = Shop::open().await;
    let list = shop.get("sapo_omni", "/admin/orders.json").await;
    let order = &list["orders"][0];
    let root = format!("/admin/orders/{}", order["id"]);
    let again = shop
        .post("sapo_omni", &format!("{root}/finalize"), json!({}))
        .await;
    assert_eq!(again, 422, "the shop has confirmed it");
    let items: Vec<Value> = (order["order_line_items"].as_array().unwrap().iter())
        .map(|line| json!({"order_line_item_id": line["id"], "quantity": line["quantity"]}))
        .collect();
    let mut body = json!({"fulfillment": {"delivery_type": "courier",
        "fulfillment_line_items": items, "shipment": {}}});
    let pack = format!("{root}/fulfillments");
    assert_eq!(
        shop.post("sapo_omni", &pack, body.clone()).await,
        422,
        "without a carrier"
    );
    body["fulfillment"]["shipment"] = json!({"delivery_service_provider_id": 10355});
    let answer = shop
        .call("sapo_omni", Method::POST, &pack, Some(body))
        .await;
    let parcel = answer.json::<Value>().await.unwrap()["fulfillment"]["id"].clone();
    for (step, status) in [
        ("receive", 422),
        ("ship", 200),
        ("receive", 200),
        ("receive", 422),
    ] {
        let path = format!("{root}/fulfillments/{parcel}/{step}");
        assert_eq!(
            shop.post("sapo_omni", &path, json!({})).await,
            status,
            "{step}"
        );
    }
    let now = shop.get("sapo_omni", &format!("{root}.json")).await;
    assert_eq!(now["order"]["received_status"], "received");
    assert_eq!(shop.told("sapo_omni", "delivered"), 1);
    assert_eq!(shop.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn woocommerce_takes_each_marked_note_once_and_tells_of_a_status() {
    let shop = Shop::open().await;
    let list = shop.get("woocommerce", "/wp-json/wc/v3/orders").await;
    let order = &list[0];
    let root = format!("/wp-json/wc/v3/orders/{}", order["id"]);
    let notes = format!("{root}/notes");
    let note = |text: &str| json!({"note": text, "customer_note": false});
    let marked = "Đã nhận đơn. [KX000000001 accepted]";
    assert_eq!(shop.post("woocommerce", &notes, note(marked)).await, 201);
    assert_eq!(
        shop.get("woocommerce", &notes)
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(shop.told("woocommerce", "note_accepted"), 1);
    assert_eq!(shop.violations(), Vec::<String>::new());
    shop.post("woocommerce", &notes, note(marked)).await;
    shop.post("woocommerce", &notes, note("no mark")).await;
    assert_eq!(shop.violations().len(), 2);
    let before = shop.heard("woo-outlet", &order["id"]);
    let completed = json!({"status": "completed"});
    let answer = shop
        .call("woocommerce", Method::PUT, &root, Some(completed))
        .await;
    assert_eq!(answer.status(), 200);
    assert!(shop.sandbox.settled(Duration::from_secs(10)).await);
    assert!(shop.heard("woo-outlet", &order["id"]) > before);
    let hooks = shop.get("woocommerce", "/wp-json/wc/v3/webhooks").await;
    let active = |hook: &Value| hook["status"] == "active";
    assert!(hooks.as_array().unwrap().iter().all(active));
}

#[tokio::test]
async fn the_website_takes_each_signed_event_once() {
    let shop = Shop::open().await;
    let secret = shop.sandbox.secrets().web_callback_secret.clone();
    let links = shop.sandbox.links("kenh_test").await.unwrap();
    let order = links.iter().find(|link| link.channel == "web").unwrap();
    let send = |id: &'static str, secret: String, kind: &str| {
        let body = json!({"type": kind, "timestamp": "2026-11-24T02:20:00Z",
            "data": {"external_id": order.external_id, "order_ref": order.order_ref}});
        let body = body.to_string();
        let at = jiff::Timestamp::now().as_second();
        let url = shop.sandbox.addresses()["website"].clone();
        reqwest::Client::new()
            .post(url)
            .header("webhook-id", id)
            .header("webhook-timestamp", at)
            .header(
                "webhook-signature",
                signing::standard(&secret, id, at, body.as_bytes()),
            )
            .body(body)
            .send()
    };
    for _ in 0..2 {
        let answer = send("k1", secret.clone(), "order.accepted").await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(shop.told("website", "order.accepted"), 1);
    assert_eq!(shop.violations(), Vec::<String>::new());
    let other = send("k1", secret.clone(), "order.shipped").await.unwrap();
    assert_eq!(other.status(), 400);
    let wrong = "whsec_c29tZS1vdGhlci1zZWNyZXQtdGhhdC1ub2JvZHktaGFz".to_owned();
    assert_eq!(
        send("k2", wrong, "order.accepted").await.unwrap().status(),
        401
    );
    assert_eq!(shop.violations().len(), 2);
}
