//! What a seller tells Shopee, as a connector meets it.

use std::time::Duration;

use reqwest::Method;
use sandbox::{Options, Product, Sandbox, Scenario, signing};
use serde_json::{Value, json};

use crate::door::Door;

struct Shop {
    door: Door,
    sandbox: Sandbox,
    /// An order that is ready to ship.
    order_sn: String,
}

impl Shop {
    async fn open() -> Self {
        let (door, url) = Door::open().await;
        let options = Options {
            door: Some(url),
            ..Options::default()
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        door.pull_tiki(&sandbox);
        let scenario = Scenario {
            cancel_percent: 0,
            ..Scenario::new(20, 3, Product::samples(), "kenh_test")
        };
        sandbox.run(scenario).await.unwrap();
        let order_sn = {
            let heard = door.heard.lock().unwrap();
            let mut keys = heard.orders.keys();
            let key = keys.find(|(channel, _)| channel == "shopee-vn").unwrap();
            key.1.clone()
        };
        Self {
            door,
            sandbox,
            order_sn,
        }
    }

    async fn send(&self, path: &str, rest: &str, body: Option<Value>) -> reqwest::Response {
        let secrets = self.sandbox.secrets();
        let (partner, shop) = (secrets.shopee_partner_id, secrets.shopee_shop_id);
        let token = &secrets.shopee_tokens.access;
        let path = format!("/api/v2/{path}");
        let at = jiff::Timestamp::now().as_second();
        let base = format!("{partner}{path}{at}{token}{shop}");
        let sign = signing::shopee_api(&secrets.shopee_partner_key, &base);
        let url = format!(
            "{}{path}?partner_id={partner}&timestamp={at}&sign={sign}&access_token={token}&shop_id={shop}{rest}",
            self.sandbox.addresses()["shopee"]
        );
        let client = reqwest::Client::new();
        let request = match body {
            Some(body) => client.request(Method::POST, url).json(&body),
            None => client.get(url),
        };
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let rest = format!("&order_sn={}", self.order_sn);
        self.send(path, &rest, None).await.json().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.send(path, "", Some(body)).await;
        answer.json().await.unwrap()
    }

    async fn detail(&self) -> Value {
        let rest = format!(
            "&order_sn_list={}&response_optional_fields=total_amount,item_list",
            self.order_sn
        );
        let answer = self.send("order/get_order_detail", &rest, None).await;
        let answer: Value = answer.json().await.unwrap();
        answer["response"]["order_list"][0].clone()
    }

    async fn ship(&self) -> Value {
        let pickup = json!({"address_id": 234, "pickup_time_id": "evening"});
        let body = json!({"order_sn": self.order_sn, "pickup": pickup});
        self.post("logistics/ship_order", body).await
    }

    fn told(&self, kind: &str) -> u64 {
        let books = self.sandbox.books();
        books.channels["shopee"]
            .told
            .get(kind)
            .copied()
            .unwrap_or(0)
    }

    fn pushed(&self, code: u64) -> Vec<Value> {
        let pushes = self.door.arrivals("/webhooks/shopee-vn");
        let ours = |push: &Value| push["code"] == code && push["data"]["ordersn"] == *self.order_sn;
        pushes.into_iter().filter(ours).collect()
    }
}

#[tokio::test]
async fn a_shipment_is_arranged_once_and_a_push_brings_what_is_missing() {
    let shop = Shop::open().await;
    let parameters = shop.get("logistics/get_shipping_parameter").await;
    let addresses = &parameters["response"]["pickup"]["address_list"];
    assert_eq!(addresses[1]["time_slot_list"][1]["flags"][0], "recommended");
    assert_eq!(shop.ship().await["error"], "");
    assert_eq!(shop.detail().await["order_status"], "PROCESSED");
    let again = shop.ship().await;
    assert_eq!(again["error"], " logistics.package_already_shipped");
    assert_eq!(shop.told("arrange"), 1);
    assert!(shop.sandbox.settled(Duration::from_secs(10)).await);
    let number = shop.get("logistics/get_tracking_number").await;
    let number = &number["response"]["tracking_number"];
    assert!(number.as_str().unwrap().starts_with("SPXVN"));
    // Either the number was there at once, or a push has told it.
    for push in shop.pushed(4) {
        assert_eq!(push["data"]["tracking_no"], *number);
    }
    let statuses = shop.pushed(3);
    assert_eq!(statuses.last().unwrap()["data"]["status"], "PROCESSED");
    assert_eq!(shop.sandbox.books().violations, Vec::<String>::new());
}

#[tokio::test]
async fn a_shipment_in_no_way_or_at_a_time_of_ones_own_is_noticed() {
    let shop = Shop::open().await;
    for wrong in [
        json!({"order_sn": shop.order_sn}),
        json!({"order_sn": shop.order_sn, "pickup": {}, "dropoff": {}}),
        json!({"order_sn": shop.order_sn, "pickup": {"address_id": 1, "pickup_time_id": "noon"}}),
        json!({"order_sn": shop.order_sn, "dropoff": {}, "package_number": "OFG1"}),
    ] {
        let answer = shop.post("logistics/ship_order", wrong).await;
        assert_ne!(answer["error"], "");
    }
    assert_eq!(shop.sandbox.books().violations.len(), 3);
    assert_eq!(shop.told("arrange"), 0);
}

#[tokio::test]
async fn an_escrow_adds_up_to_what_the_buyer_pays() {
    let shop = Shop::open().await;
    let detail = shop.detail().await;
    let escrow = shop.get("payment/get_escrow_detail").await;
    let income = &escrow["response"]["order_income"];
    let amount = |field: &str| income[field].as_i64().unwrap();
    let items: i64 = income["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["discounted_price"].as_i64().unwrap())
        .sum();
    let paid = items - amount("voucher_from_seller") + amount("buyer_paid_shipping_fee");
    assert_eq!(detail["total_amount"], paid);
}

#[tokio::test]
async fn an_order_is_cancelled_once_and_with_its_articles() {
    let shop = Shop::open().await;
    let without = json!({"order_sn": shop.order_sn, "cancel_reason": "OUT_OF_STOCK"});
    let answer = shop.post("order/cancel_order", without).await;
    assert_eq!(answer["error"], "error_param");
    let item = shop.detail().await["item_list"][0].clone();
    let body = json!({"order_sn": shop.order_sn, "cancel_reason": "OUT_OF_STOCK",
        "item_list": [{"item_id": item["item_id"], "model_id": item["model_id"]}]});
    let answer = shop.post("order/cancel_order", body.clone()).await;
    assert_eq!(answer["error"], "");
    assert_eq!(shop.detail().await["order_status"], "CANCELLED");
    let again = shop.post("order/cancel_order", body).await;
    assert_eq!(again["error"], "order.error_limit");
    let wish = json!({"order_sn": shop.order_sn, "operation": "ACCEPT"});
    let answer = shop.post("order/handle_buyer_cancellation", wish).await;
    assert_eq!(answer["error"], "order.cancel_order_invalid_status");
    assert_eq!(shop.told("cancel"), 1);
    assert_eq!(shop.sandbox.books().violations.len(), 1);
}

#[tokio::test]
async fn stock_is_set_model_by_model() {
    let shop = Shop::open().await;
    let level = |units: i64| {
        json!({"item_id": 1000, "stock_list": [
            {"model_id": 0, "seller_stock": [{"stock": units}]}]})
    };
    let answer = shop.post("product/update_stock", level(7)).await;
    assert_eq!(answer["response"]["success_list"][0]["stock"], 7);
    shop.post("product/update_stock", level(7)).await;
    assert_eq!(shop.told("stock"), 1);
    let answer = shop.post("product/update_stock", level(-1)).await;
    assert_eq!(answer["response"]["failure_list"][0]["model_id"], 0);
}

#[tokio::test]
async fn a_label_is_made_after_the_number_and_takes_a_moment() {
    let shop = Shop::open().await;
    let label = async |step: &str, number: &Value| {
        let order = json!({"order_sn": shop.order_sn, "tracking_number": number,
            "shipping_document_type": "THERMAL_AIR_WAYBILL"});
        let path = format!("logistics/{step}_shipping_document");
        shop.post(&path, json!({"order_list": [order]})).await["response"]["result_list"][0].clone()
    };
    let early = label("create", &Value::Null).await;
    assert_eq!(early["fail_error"], "logistics.package_can_not_print");
    shop.ship().await;
    assert!(shop.sandbox.settled(Duration::from_secs(10)).await);
    let number =
        shop.get("logistics/get_tracking_number").await["response"]["tracking_number"].clone();
    assert_eq!(label("create", &number).await["fail_error"], Value::Null);
    let order = json!({"order_list": [{"order_sn": shop.order_sn}]});
    let mut states = Vec::new();
    for _ in 0..2 {
        let path = "logistics/get_shipping_document_result";
        let answer = shop.post(path, order.clone()).await;
        states.push(answer["response"]["result_list"][0]["status"].clone());
    }
    assert_eq!(states, ["PROCESSING", "READY"]);
    let path = "logistics/download_shipping_document";
    let file = shop.send(path, "", Some(order)).await;
    assert!(file.bytes().await.unwrap().starts_with(b"%PDF"));
}

#[tokio::test]
async fn what_nobody_was_told_of_is_listed_and_pushed_only_when_asked() {
    let (door, url) = Door::open().await;
    let options = Options {
        door: Some(url),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let product = &Product::samples()[0];
    let yesterday = jiff::Timestamp::now().as_second() - 86_400;
    let order_sn = sandbox.sell_unheard_on_shopee(product, "UNPAID", yesterday);
    let other = sandbox.sell_unheard_on_shopee(product, "COMPLETED", yesterday);
    let shop = Shop {
        door,
        sandbox,
        order_sn,
    };
    let span = format!("&time_from={yesterday}&time_to={yesterday}&page_size=100");
    let list = shop.send("order/get_order_list", &span, None).await;
    let list: Value = list.json().await.unwrap();
    assert_eq!(list["response"]["order_list"].as_array().unwrap().len(), 2);
    assert_eq!(shop.detail().await["total_amount"], Value::Null);

    assert!(
        shop.sandbox
            .move_unheard_on_shopee(&shop.order_sn, "READY_TO_SHIP")
    );
    assert!(
        shop.sandbox
            .move_unheard_on_shopee(&shop.order_sn, "PROCESSED")
    );
    let orders = shop.sandbox.shopee_orders();
    let document = &orders[&shop.order_sn];
    let paid = shop.detail().await["total_amount"].clone();
    assert!(paid.as_i64().unwrap() >= product.price, "{paid}");
    assert_eq!(
        (&document["order_status"], &document["total_amount"]),
        (&json!("PROCESSED"), &paid)
    );
    assert!(document["pay_time"].as_i64() < document["update_time"].as_i64());
    assert_eq!(orders[&other]["order_status"], "COMPLETED");
    assert!(shop.pushed(3).is_empty(), "nobody was to hear of it");

    for _ in 0..2 {
        assert!(shop.sandbox.push_from_shopee(&shop.order_sn).await);
    }
    let pushes = shop.pushed(3);
    assert_eq!(pushes.len(), 2);
    assert_eq!(pushes[0], pushes[1], "one message, twice");
    assert_eq!(pushes[0]["data"]["update_time"], document["update_time"]);
    assert!(!shop.sandbox.push_from_shopee("261124UNKNOWN1").await);
    assert!(
        !shop
            .sandbox
            .move_unheard_on_shopee("261124UNKNOWN1", "SHIPPED")
    );
    assert_eq!(shop.sandbox.books().violations, Vec::<String>::new());
}
