//! TikTok Shop's API as a connector meets it: what it checks, and that what it is told counts once.

use std::time::Duration;

use sandbox::{Options, Product, Sandbox, Scenario, signing};
use serde_json::{Value, json};

use crate::door::Door;

struct Shop {
    sandbox: Sandbox,
    door: Door,
    token: String,
}

impl Shop {
    async fn open() -> Self {
        let (door, url) = Door::open().await;
        let options = Options {
            door: Some(url),
            ..Options::default()
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        let token = sandbox.secrets().tiktok_tokens.access.clone();
        Self {
            sandbox,
            door,
            token,
        }
    }

    /// A shop that has sold; the ids of its orders.
    async fn selling(orders: u32) -> (Self, Vec<String>) {
        let shop = Self::open().await;
        let scenario = Scenario {
            cancel_percent: 0,
            ..Scenario::new(orders, 5, Product::samples(), "kenh_test")
        };
        shop.sandbox.run(scenario).await.unwrap();
        assert!(shop.sandbox.settled(Duration::from_secs(30)).await);
        let heard = shop.door.heard.lock().unwrap();
        let of_shop = heard.orders.keys().filter(|(on, _)| on == "tiktok-vn");
        let ids = of_shop.map(|(_, id)| id.clone()).collect();
        drop(heard);
        (shop, ids)
    }

    async fn call(&self, path: &str, extra: &[(&str, &str)], body: Option<Value>) -> Value {
        let at = jiff::Timestamp::now().as_second();
        self.call_at(at, path, extra, body).await
    }

    async fn call_at(
        &self,
        at: i64,
        path: &str,
        extra: &[(&str, &str)],
        body: Option<Value>,
    ) -> Value {
        let secrets = self.sandbox.secrets();
        let at = at.to_string();
        let mut pairs = vec![
            ("app_key", secrets.tiktok_app_key.as_str()),
            ("timestamp", &at),
            ("shop_cipher", &secrets.tiktok_shop_cipher),
        ];
        pairs.extend_from_slice(extra);
        let text = body.as_ref().map(Value::to_string).unwrap_or_default();
        let secret = &secrets.tiktok_app_secret;
        let sign = signing::tiktok_api(secret, path, pairs.iter().copied(), text.as_bytes());
        let query: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", signing::form_encode(value)))
            .collect();
        let url = format!(
            "{}{path}?{}&sign={sign}",
            self.sandbox.addresses()["tiktok"],
            query.join("&")
        );
        let client = reqwest::Client::new();
        let request = match body {
            Some(_) => client.post(url).body(text),
            None => client.get(url),
        };
        let request = request
            .header("content-type", "application/json")
            .header("x-tts-access-token", &self.token);
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn order(&self, id: &str) -> Value {
        let answer = self
            .call("/order/202309/orders", &[("ids", id)], None)
            .await;
        answer["data"]["orders"][0].clone()
    }

    async fn refresh(&self, token: &str) -> Value {
        let secrets = self.sandbox.secrets();
        let url = format!(
            "{}/api/v2/token/refresh?app_key={}&app_secret={}&refresh_token={token}&grant_type=refresh_token",
            self.sandbox.addresses()["tiktok_auth"],
            secrets.tiktok_app_key,
            secrets.tiktok_app_secret
        );
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    fn violations(&self) -> Vec<String> {
        self.sandbox.books().violations
    }

    fn told(&self, what: &str) -> u64 {
        let books = self.sandbox.books();
        let told = &books.channels["tiktok"].told;
        told.get(what).copied().unwrap_or(0)
    }

    /// Types of the webhooks about this order.
    fn webhooks(&self, id: &str) -> Vec<(i64, Value)> {
        let arrivals = self.door.arrivals("/webhooks/tiktok-vn");
        let about = arrivals
            .into_iter()
            .filter(|body| body["data"].to_string().contains(id));
        about
            .map(|body| (body["type"].as_i64().unwrap(), body["data"].clone()))
            .collect()
    }
}

fn window() -> Value {
    let now = jiff::Timestamp::now().as_second();
    json!({"update_time_ge": now - 900, "update_time_lt": now + 60})
}

const SORTED: [(&str, &str); 2] = [("sort_field", "update_time"), ("sort_order", "ASC")];

#[tokio::test]
async fn a_wrong_signature_an_old_call_and_a_dead_token_are_refused() {
    let mut shop = Shop::open().await;
    let now = jiff::Timestamp::now().as_second();
    for at in [now - 400, now + 120] {
        let path = "/order/202309/orders";
        let answer = shop.call_at(at, path, &[("ids", "1")], None).await;
        assert_eq!(answer["code"], 106_001);
    }
    assert_eq!(shop.violations().len(), 1);
    shop.token = "TTP_dead".to_owned();
    let answer = shop
        .call("/order/202309/orders", &[("ids", "1")], None)
        .await;
    assert_eq!(answer["code"], 105_002);
    assert_eq!(shop.violations().len(), 1);
}

#[tokio::test]
async fn a_refresh_tells_moments_and_forgives_one_lost_answer() {
    let shop = Shop::open().await;
    let first = shop.sandbox.secrets().tiktok_tokens.clone();
    let second = shop.refresh(&first.refresh).await;
    let ends = second["data"]["access_token_expire_in"].as_i64().unwrap();
    let now = jiff::Timestamp::now().as_second();
    assert!((now + 604_700..now + 604_900).contains(&ends));
    // The answer was lost: the same token again.
    let third = shop.refresh(&first.refresh).await;
    assert_eq!(third["code"], 0);
    assert_ne!(
        second["data"]["access_token"],
        third["data"]["access_token"]
    );
    assert_eq!(shop.refresh(&first.refresh).await["code"], 36_004_004);
    assert_eq!(shop.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn the_order_search_pages_through_whole_orders_of_a_window() {
    let (shop, ids) = Shop::selling(60).await;
    assert!(ids.len() > 2, "{ids:?}");
    let path = "/order/202309/orders/search";
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let mut extra = vec![("page_size", "2"), ("page_token", token.as_str())];
        extra.extend(SORTED);
        let answer = shop.call(path, &extra, Some(window())).await;
        for order in answer["data"]["orders"].as_array().unwrap() {
            assert!(order["line_items"].is_array());
            found.push(order["id"].as_str().unwrap().to_owned());
        }
        token = answer["data"]["next_page_token"]
            .as_str()
            .unwrap()
            .to_owned();
        if token.is_empty() {
            break;
        }
    }
    found.sort();
    assert_eq!(found, ids);
    let mut extra = vec![("page_size", "2"), ("page_token", "gone")];
    extra.extend(SORTED);
    assert_eq!(
        shop.call(path, &extra, Some(window())).await["code"],
        21_001_001
    );
    assert_eq!(shop.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_parcel_is_shipped_once_gets_its_number_and_then_its_label() {
    let (shop, ids) = Shop::selling(20).await;
    let id = &ids[0];
    let order = shop.order(id).await;
    let parcel = order["packages"][0]["id"].as_str().unwrap().to_owned();
    let base = format!("/fulfillment/202309/packages/{parcel}");
    let documents = format!("{base}/shipping_documents");
    let kind = [("document_type", "SHIPPING_LABEL")];
    assert_eq!(shop.call(&documents, &kind, None).await["code"], 21_023_035);
    let ship = format!("{base}/ship");
    assert_eq!(shop.call(&ship, &[], Some(json!({}))).await["code"], 0);
    let detail = shop.call(&base, &[], None).await;
    let number = detail["data"]["tracking_number"].as_str().unwrap();
    assert!(number.starts_with("JTVN"), "{detail}");
    assert_eq!(shop.order(id).await["status"], "AWAITING_COLLECTION");
    let label = shop.call(&documents, &kind, None).await;
    let url = label["data"]["doc_url"].as_str().unwrap();
    let label = reqwest::get(url).await.unwrap();
    assert_eq!(label.headers()["content-type"], "application/pdf");
    assert!(label.bytes().await.unwrap().starts_with(b"%PDF"));
    assert!(shop.sandbox.settled(Duration::from_secs(10)).await);
    let types: Vec<i64> = shop.webhooks(id).iter().map(|(kind, _)| *kind).collect();
    assert!(types.contains(&4), "{types:?}");
    assert_eq!(shop.violations(), Vec::<String>::new());
    // Once more is a broken rule, and counts for nothing.
    assert_ne!(shop.call(&ship, &[], Some(json!({}))).await["code"], 0);
    assert_eq!(shop.violations(), ["tiktok: a parcel was shipped twice"]);
    assert_eq!(shop.told("shipped"), 1);
}

#[tokio::test]
async fn a_parcel_is_divided_into_parcels_that_hold_the_same() {
    let (shop, ids) = Shop::selling(60).await;
    let mut order = Value::Null;
    for id in &ids {
        order = shop.order(id).await;
        if order["line_items"].as_array().unwrap().len() > 1 {
            break;
        }
    }
    let id = order["id"].as_str().unwrap();
    let units: Vec<Value> = order["line_items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|unit| unit["id"].clone())
        .collect();
    let path = format!("/fulfillment/202309/orders/{id}/split");
    let groups = |rest: &[Value]| {
        json!({"splittable_groups": [{"id": "1", "order_line_item_ids": [units[0]]},
            {"id": "2", "order_line_item_ids": rest}]})
    };
    let twice = shop.call(&path, &[], Some(groups(&units))).await;
    assert_ne!(twice["code"], 0);
    assert_eq!(shop.violations(), ["tiktok: a split that does not fit"]);
    let good = shop.call(&path, &[], Some(groups(&units[1..]))).await;
    let parcels = good["data"]["packages"].as_array().unwrap();
    assert_eq!(parcels.len(), 2);
    let divided = shop.order(id).await;
    assert_eq!(divided["line_items"][0]["package_id"], parcels[0]["id"]);
    assert_eq!(divided["line_items"][1]["package_id"], parcels[1]["id"]);
    assert_eq!(shop.told("split"), 1);
}

#[tokio::test]
async fn a_cancellation_needs_a_reason_for_the_orders_state_and_happens_once() {
    let (shop, ids) = Shop::selling(20).await;
    let id = &ids[0];
    let path = "/return_refund/202309/cancellations";
    let wrong = json!({"order_id": id, "cancel_reason": "seller_cancel_unpaid_reason_wrong_price"});
    assert_eq!(shop.call(path, &[], Some(wrong)).await["code"], 25_001_021);
    assert_eq!(shop.violations().len(), 1);
    let right = json!({"order_id": id, "cancel_reason": "seller_cancel_reason_out_of_stock"});
    assert_eq!(shop.call(path, &[], Some(right.clone())).await["code"], 0);
    let again = shop.call(path, &[], Some(right)).await;
    assert_eq!(again["code"], 25_001_011);
    let order = shop.order(id).await;
    assert_eq!(
        (&order["status"], &order["cancellation_initiator"]),
        (&json!("CANCELLED"), &json!("SELLER"))
    );
    assert!(shop.sandbox.settled(Duration::from_secs(10)).await);
    let last = shop.webhooks(id).pop().unwrap();
    // The webhook has its own word for it.
    assert_eq!(last.1["order_status"], "CANCEL");
    assert_eq!(shop.told("cancelled"), 1);
}

#[tokio::test]
async fn a_buyers_wish_is_decided_once_and_a_repeat_with_the_same_key_is_harmless() {
    let (shop, ids) = Shop::selling(60).await;
    let search = "/return_refund/202309/cancellations/search";
    let page = [("page_size", "10")];
    for (id, decision, body) in [
        (&ids[0], "approve", json!({})),
        (
            &ids[1],
            "reject",
            json!({"reject_reason": "seller_reject_apply_product_has_been_packed"}),
        ),
    ] {
        let wish = shop.sandbox.ask_to_cancel_on_tiktok(id).unwrap();
        assert_eq!(shop.order(id).await["is_buyer_request_cancel"], true);
        let wanted = json!({ "order_ids": [id] });
        let found = shop.call(search, &page, Some(wanted.clone())).await;
        let found = &found["data"]["cancellations"][0];
        assert_eq!(found["cancel_id"], *wish);
        assert_eq!(found["cancel_status"], "CANCELLATION_REQUEST_PENDING");
        let path = format!("/return_refund/202309/cancellations/{wish}/{decision}");
        let key = [("idempotency_key", decision)];
        for _ in 0..2 {
            let answer = shop.call(&path, &key, Some(body.clone())).await;
            assert_eq!(answer["code"], 0, "{answer}");
        }
        let late = [("idempotency_key", "another")];
        assert_ne!(shop.call(&path, &late, Some(body.clone())).await["code"], 0);
    }
    assert_eq!(shop.order(&ids[0]).await["status"], "CANCELLED");
    assert_eq!(shop.order(&ids[1]).await["status"], "AWAITING_SHIPMENT");
    assert_eq!(
        (shop.told("cancel_granted"), shop.told("cancel_rejected")),
        (1, 1)
    );
    assert_eq!(shop.sandbox.ask_to_cancel_on_tiktok(&ids[0]), None);
    assert_eq!(shop.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_stock_level_is_absolute_and_a_call_that_does_not_exist_is_noticed() {
    let shop = Shop::open().await;
    let path = "/product/202309/products/1731/inventory/update";
    let level = |n: i64| json!({"skus": [{"id": "1732", "inventory": [{"quantity": n}]}]});
    for n in [5, 3] {
        let answer = shop.call(path, &[], Some(level(n))).await;
        assert_eq!(
            (&answer["code"], &answer["data"]["errors"]),
            (&json!(0), &json!([]))
        );
    }
    assert_eq!(shop.told("stock"), 2);
    assert_eq!(shop.call("/nowhere", &[], None).await["code"], 36_009_009);
    assert_eq!(shop.violations(), ["tiktok: a call that does not exist"]);
}
