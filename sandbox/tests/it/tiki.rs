//! Tiki's API as a connector meets it.

use reqwest::Method;
use sandbox::{Options, Product, Sandbox, Scenario};
use serde_json::{Value, json};

use crate::door::{Door, Tiki};

async fn client(sandbox: &Sandbox) -> Tiki {
    let secrets = sandbox.secrets().clone();
    Tiki {
        client: reqwest::Client::new(),
        base: sandbox.addresses()["tiki"].clone(),
        token: secrets.tiki_tokens.access.clone(),
        secrets,
    }
}

async fn post(tiki: &Tiki, path: &str, body: Value) -> (u16, Value) {
    let answer = tiki.try_call(&Method::POST, path, Some(&body)).await;
    answer.unwrap()
}

async fn get(tiki: &Tiki, path: &str) -> (u16, Value) {
    tiki.try_call(&Method::GET, path, None).await.unwrap()
}

async fn pull(tiki: &Tiki, ack_id: &Value) -> (u16, Value) {
    let queue = &tiki.secrets.tiki_queue;
    let path = format!("/integration/v1/queues/{queue}/events/pull");
    post(tiki, &path, json!({ "ack_id": ack_id })).await
}

/// A sandbox that has sold a few orders on every channel; nobody has pulled Tiki's queue for good.
async fn sold() -> (Sandbox, Tiki) {
    let (door, url) = Door::open().await;
    let options = Options {
        door: Some(url),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let tiki = client(&sandbox).await;
    let puller = door.pull_tiki(&sandbox);
    let scenario = Scenario {
        cancel_percent: 0,
        ..Scenario::new(60, 3, Product::samples(), "kenh_test")
    };
    sandbox.run(scenario).await.unwrap();
    puller.abort();
    (sandbox, tiki)
}

/// Its orders of one way, oldest first.
async fn orders(tiki: &Tiki, way: &str) -> Vec<Value> {
    let path = "/integration/v2/orders?page=1&limit=50&updated_from_date=2020-01-01%2000:00:00\
                &updated_to_date=2099-01-01%2000:00:00&order_by=updated_at%7Casc";
    let (status, list) = get(tiki, path).await;
    assert_eq!(status, 200);
    let data = list["data"].as_array().unwrap();
    let ours = data.iter().filter(|order| order["fulfillment_type"] == way);
    ours.cloned().collect()
}

#[tokio::test]
async fn a_batch_comes_again_until_the_next_pull_acknowledges_it() {
    let (sandbox, tiki) = sold().await;
    let order = orders(&tiki, "dropship").await.remove(0);
    let code = order["code"].as_str().unwrap();
    let body = json!({"confirmation_status": "seller_confirmed",
        "seller_inventory_id": tiki.secrets.tiki_seller_inventory});
    let path = format!("/integration/v2/orders/{code}/dropship/confirm-available");
    assert_eq!(post(&tiki, &path, body).await.0, 200);
    let (_, first) = pull(&tiki, &Value::Null).await;
    assert_eq!(first["events"][0]["payload"]["order_code"], code);
    let (_, again) = pull(&tiki, &Value::Null).await;
    assert_eq!(first, again);
    let (_, next) = pull(&tiki, &first["ack_id"]).await;
    assert_eq!(next["events"], json!([]));
    // A repeat of the acknowledgement, after a lost answer, is harmless.
    assert_eq!(pull(&tiki, &first["ack_id"]).await.0, 200);
    assert_eq!(pull(&tiki, &Value::Null).await.1["events"], json!([]));
    assert_eq!(sandbox.books().violations, Vec::<String>::new());
    assert_eq!(pull(&tiki, &json!("made up")).await.0, 400);
    assert_eq!(
        sandbox.books().violations,
        ["tiki: an ack_id that nobody gave"]
    );
}

#[tokio::test]
async fn a_confirmation_counts_once_and_what_is_left_out_is_given_back() {
    let (sandbox, tiki) = sold().await;
    let inventory = tiki.secrets.tiki_seller_inventory;
    let order = orders(&tiki, "seller_delivery").await.remove(0);
    let path = format!("/integration/v2/orders/{}", order["code"].as_str().unwrap());
    let confirm = format!("{path}/confirm-available");
    let all: Vec<Value> = order["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].clone())
        .collect();
    let body = json!({"available_item_ids": [all[0]], "seller_inventory_id": inventory});
    assert_eq!(post(&tiki, &confirm, body.clone()).await.0, 200);
    assert_eq!(post(&tiki, &confirm, body).await.0, 400);
    let (_, after) = get(&tiki, &path).await;
    assert_eq!(after["status"], "picking");
    let confirmed = &after["items"][0]["confirmation"]["status"];
    assert_eq!(confirmed, "seller_confirmed");
    let deliver = format!("{path}/seller-delivery/update-delivery");
    let body = json!({"status": "successful_delivery"});
    assert_eq!(post(&tiki, &deliver, body.clone()).await.0, 200);
    assert_eq!(post(&tiki, &deliver, body).await.0, 400);
    let told = &sandbox.books().channels["tiki"].told;
    assert_eq!((told["confirm"], told["delivered"]), (1, 1));
}

#[tokio::test]
async fn stock_takes_an_absolute_level_of_the_shops_own_warehouse() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let tiki = client(&sandbox).await;
    let warehouse = tiki.secrets.tiki_seller_inventory;
    let level = |warehouse: u64, units: i64| {
        json!({"product_id": 276_543_210, "seller_warehouse": warehouse.to_string(),
            "warehouse_quantities": [{"warehouse_id": warehouse, "qty_available": units}]})
    };
    let put = async |body: Value| {
        let path = "/integration/v2/products/updateSku";
        let answer = tiki.try_call(&Method::PUT, path, Some(&body)).await;
        answer.unwrap()
    };
    assert_eq!(put(level(warehouse, 7)).await.1["state"], "approved");
    assert_eq!(put(level(warehouse, 7)).await.0, 200);
    assert_eq!(put(level(1, 7)).await.0, 400);
    assert_eq!(sandbox.books().channels["tiki"].told["stock"], 1);
    assert_eq!(put(level(warehouse, -1)).await.0, 400);
    assert_eq!(sandbox.books().violations.len(), 1);
}

#[tokio::test]
async fn a_label_is_a_page_at_an_address_once_the_order_is_confirmed() {
    let (_sandbox, tiki) = sold().await;
    let order = orders(&tiki, "dropship").await.remove(0);
    let path = format!("/integration/v2/orders/{}", order["code"].as_str().unwrap());
    let labels = format!("{path}/dropship/labels?format=html");
    assert_eq!(get(&tiki, &labels).await.0, 400);
    let body = json!({"confirmation_status": "seller_confirmed",
        "seller_inventory_id": tiki.secrets.tiki_seller_inventory});
    let confirm = format!("{path}/dropship/confirm-available");
    assert_eq!(post(&tiki, &confirm, body).await.0, 200);
    let (_, answer) = get(&tiki, &labels).await;
    let page = reqwest::get(answer["shipping_label_url"].as_str().unwrap());
    let page = page.await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html");
}

#[tokio::test]
async fn a_token_is_given_for_the_secret_alone_and_a_wrong_one_is_noticed() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let mut tiki = client(&sandbox).await;
    tiki.token = "dead".to_owned();
    assert_eq!(get(&tiki, "/integration/v2/orders/1").await.0, 401);
    tiki.token = tiki.new_token().await;
    assert_eq!(get(&tiki, "/integration/v2/orders/1").await.0, 404);
    assert_eq!(sandbox.books().channels["tiki"].refreshes, 1);
    let form = reqwest::Client::new()
        .post(format!("{}/sc/oauth2/token", tiki.base))
        .basic_auth(&tiki.secrets.tiki_client_id, Some("wrong"))
        .body("grant_type=client_credentials");
    assert_eq!(form.send().await.unwrap().status(), 401);
    assert_eq!(sandbox.books().violations.len(), 1);
}
