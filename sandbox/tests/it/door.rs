//! A gateway for tests: it verifies nothing, takes everything once, and gives orders codes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use sandbox::signing;
use serde_json::{Value, json};

/// What arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub path: String,
    pub body: Value,
}

#[derive(Default)]
pub struct Heard {
    pub arrivals: Vec<Arrival>,
    pub orders: BTreeMap<(String, String), Value>,
    pub paid: BTreeSet<String>,
    /// Answers still to be refused with 503, per path.
    pub refuse: BTreeMap<String, u32>,
    /// Whether somebody works on the orders, so that they are not on hold.
    pub works: bool,
    keys: BTreeMap<String, String>,
}

#[derive(Clone, Default)]
pub struct Door {
    pub heard: Arc<Mutex<Heard>>,
    secrets: Arc<sandbox::Secrets>,
}

impl Door {
    pub async fn open() -> (Self, String) {
        let door = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(hear).with_state(door.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (door, url)
    }

    pub fn arrivals(&self, path: &str) -> Vec<Value> {
        let heard = self.heard.lock().unwrap();
        heard
            .arrivals
            .iter()
            .filter(|a| a.path == path)
            .map(|a| a.body.clone())
            .collect()
    }

    pub fn set_status(&self, code: &str, status: &str) {
        let mut heard = self.heard.lock().unwrap();
        let order = heard
            .orders
            .values_mut()
            .find(|order| order["code"] == *code)
            .unwrap();
        order["status"] = json!(status);
    }

    /// Pulls Tiki's event queue until the task is aborted.
    pub fn pull_tiki(&self, sandbox: &sandbox::Sandbox) -> tokio::task::JoinHandle<()> {
        let (door, secrets) = (self.clone(), sandbox.secrets().clone());
        let base = sandbox.addresses()["tiki"].clone();
        tokio::spawn(async move {
            let mut tiki = Tiki {
                token: secrets.tiki_tokens.access.clone(),
                client: reqwest::Client::new(),
                secrets,
                base,
            };
            let mut ack = Value::Null;
            loop {
                let queue = tiki.secrets.tiki_queue.clone();
                let path = format!("/integration/v1/queues/{queue}/events/pull");
                let body = json!({ "ack_id": ack });
                let batch = tiki.call(Method::POST, &path, Some(&body)).await;
                for event in batch["events"].as_array().unwrap() {
                    let code = event["payload"]["order_code"].as_str().unwrap();
                    let path = format!("/integration/v2/orders/{code}");
                    let order = tiki.call(Method::GET, &path, None).await;
                    door.order("tiki-vn", &read_tiki(&order), "on_hold");
                }
                ack = batch["ack_id"].clone();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    }

    /// Whether the message carries its vendor's signature.
    fn genuine(&self, channel: &str, headers: &HeaderMap, body: &[u8], uri: &Uri) -> bool {
        let header = |name: &str| {
            headers
                .get(name)
                .map_or("", |v| v.to_str().unwrap())
                .to_owned()
        };
        let secrets = &self.secrets;
        match channel {
            "web" => signing::standard_matches(
                &secrets.web_secret,
                &header("webhook-id"),
                header("webhook-timestamp").parse().unwrap(),
                body,
                &header("webhook-signature"),
            ),
            "woo-outlet" => {
                body.starts_with(b"webhook_id=")
                    || header("x-wc-webhook-signature")
                        == signing::woocommerce(&secrets.woo_secret, body)
            }
            "lazada-vn" => {
                header("authorization")
                    == signing::lazada_push(
                        &secrets.lazada_app_secret,
                        &secrets.lazada_app_key,
                        body,
                    )
            }
            "shopify" => {
                header("x-shopify-hmac-sha256")
                    == signing::base64_body(&secrets.shopify_secret, body)
            }
            "haravan" => {
                header("x-haravan-hmacsha256")
                    == signing::base64_body(&secrets.haravan_secret, body)
            }
            "sapo-web" => {
                header("x-sapo-hmac-sha256") == signing::base64_body(&secrets.sapo_web_secret, body)
            }
            "sapo-omni" => {
                header("x-sapo-hmac-sha256")
                    == signing::base64_body(&secrets.sapo_omni_secret, body)
            }
            "shopee-vn" => [&*secrets.shopee_push_key, ""].iter().any(|key| {
                header("authorization")
                    == signing::shopee_push(key, &secrets.shopee_callback_url, body)
            }),
            "tiktok-vn" => {
                let (secret, app) = (&secrets.tiktok_app_secret, &secrets.tiktok_app_key);
                header("authorization") == signing::tiktok_push(secret, app, body)
            }
            "facebook-page" => {
                header("x-hub-signature-256") == signing::meta(&secrets.facebook_app_secret, body)
            }
            "zalo-oa" => {
                let event: Value = serde_json::from_slice(body).unwrap();
                let at = event["timestamp"].as_str().unwrap();
                header("x-zevent-signature")
                    == signing::zalo(&secrets.zalo_app_id, body, at, &secrets.zalo_oa_secret)
            }
            // Tiki pushes nothing.
            "tiki-vn" => false,
            "vnpay" => {
                let query = uri.query().unwrap();
                let (signed, hash) = query.split_once("&vnp_SecureHash=").unwrap();
                let mut pairs: Vec<&str> = signed.split('&').collect();
                pairs.sort_unstable();
                hash == signing::vnpay(&secrets.vnpay_hash_secret, &pairs.join("&"))
            }
            "stringee" => {
                let signed: &[u8] = if body.is_empty() {
                    uri.path_and_query().unwrap().as_str().as_bytes()
                } else {
                    body
                };
                header("x-stringee-signature")
                    == signing::stringee(&secrets.stringee_signing_secret, signed)
            }
            "omicall" => header("x-webhook-token") == secrets.omicall_token,
            "momo" | "zalopay" | "zalo-checkout" | "sepay" | "casso" => {
                crate::money::genuine(secrets, channel, &header, body)
            }
            "hub" | "finance" | "technical" => signing::standard_matches(
                &secrets.target(channel),
                &header("webhook-id"),
                header("webhook-timestamp").parse().unwrap(),
                body,
                &header("webhook-signature"),
            ),
            other => panic!("a message for {other}"),
        }
    }

    fn order(&self, channel: &str, document: &Value, status: &str) {
        let mut heard = self.heard.lock().unwrap();
        let external_id = document["external_id"].as_str().unwrap().to_owned();
        let number = heard.orders.len();
        let held = if heard.works {
            json!([])
        } else {
            json!(["test"])
        };
        heard
            .orders
            .entry((channel.to_owned(), external_id.clone()))
            .or_insert_with(|| {
                json!({
                    "id": format!("ord_{number}"), "code": format!("KX{number:08}1"),
                    "channel": channel, "external_id": external_id,
                    "lines": document["lines"], "status": status,
                    "total": document["totals"]["grand_total"], "holds": held,
                    "cod": document["payment"]["method"] == "cod",
                })
            });
    }

    fn pay(&self, uri: &Uri) -> &'static str {
        let pairs: BTreeMap<&str, &str> = uri
            .query()
            .unwrap()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let reference = pairs["vnp_TxnRef"];
        let code = reference.split('-').next().unwrap();
        let mut heard = self.heard.lock().unwrap();
        let order = heard.orders.values().find(|order| order["code"] == code);
        let Some(due) = order.and_then(|order| order["total"].as_i64()) else {
            return "01";
        };
        if pairs["vnp_Amount"] != (due * 100).to_string() {
            return "04";
        }
        if heard.paid.insert(reference.to_owned()) {
            "00"
        } else {
            "02"
        }
    }
}

/// A client of Tiki's API.
pub struct Tiki {
    pub client: reqwest::Client,
    pub secrets: sandbox::Secrets,
    pub base: String,
    pub token: String,
}

impl Tiki {
    /// Until it works, with a new token when the old one has died.
    async fn call(&mut self, method: Method, path: &str, body: Option<&Value>) -> Value {
        loop {
            if let Some((status, answer)) = self.try_call(&method, path, body).await {
                match status {
                    200 => return answer,
                    401 => self.token = self.new_token().await,
                    _ => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Status and body of a whole answer.
    pub async fn try_call(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base))
            .timeout(Duration::from_millis(1500))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.ok()?))
    }

    /// For the app's secret alone.
    pub async fn new_token(&self) -> String {
        let id = &self.secrets.tiki_client_id;
        let answer = self
            .client
            .post(format!("{}/sc/oauth2/token", self.base))
            .basic_auth(id, Some(&self.secrets.tiki_client_secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!(
                "grant_type=client_credentials&client_id={id}&scope="
            ))
            .send()
            .await
            .unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

fn read_tiki(order: &Value) -> Value {
    let items = order["items"].as_array().unwrap().iter();
    let lines: Vec<Value> = items
        .map(|item| {
            json!({"id": item["id"].to_string(), "quantity": item["qty"],
                "sku": item["product"]["seller_product_code"]})
        })
        .collect();
    json!({"external_id": order["code"], "lines": lines,
        "totals": {"grand_total": order["invoice"]["grand_total"]},
        "payment": {"method": order["payment"]["method"]}})
}

async fn hear(
    State(door): State<Door>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    {
        let mut heard = door.heard.lock().unwrap();
        if let Some(left) = heard.refuse.get_mut(&path).filter(|left| **left > 0) {
            *left -= 1;
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    let arrival = Arrival {
        path: path.clone(),
        body: document.clone(),
    };
    if let Some(channel) = path.strip_prefix("/webhooks/") {
        if method == Method::GET && channel == "facebook-page" {
            let word = format!("hub.verify_token={}", door.secrets.facebook_verify_token);
            return match uri.query().unwrap().contains(&word) {
                true => "1158201444".into_response(),
                false => StatusCode::FORBIDDEN.into_response(),
            };
        }
        let asked = channel == "stringee/answer";
        let channel = channel.trim_end_matches("/answer");
        if method == Method::GET && channel == "haravan" {
            let word = format!("hub.verify_token={}", door.secrets.haravan_verify_token);
            return match uri.query().unwrap().contains(&word) {
                true => "1158201444".into_response(),
                false => StatusCode::UNAUTHORIZED.into_response(),
            };
        }
        if !door.genuine(channel, &headers, &body, &uri) {
            return match channel {
                "vnpay" => axum::Json(json!({"RspCode": "97"})).into_response(),
                "zalopay" => axum::Json(json!({"return_code": -1})).into_response(),
                "zalo-checkout" => axum::Json(json!({"returnCode": -1})).into_response(),
                _ => StatusCode::UNAUTHORIZED.into_response(),
            };
        }
        if channel == "vnpay" {
            return axum::Json(json!({"RspCode": door.pay(&uri)})).into_response();
        }
        door.heard.lock().unwrap().arrivals.push(arrival);
        if asked {
            return axum::Json(json!([{"action": "connect"}])).into_response();
        }
        let first = || {
            let key = crate::money::key(channel, &document);
            door.heard.lock().unwrap().paid.insert(key)
        };
        match channel {
            "momo" => return StatusCode::NO_CONTENT.into_response(),
            "zalopay" => {
                let code = if first() { 1 } else { 2 };
                return axum::Json(json!({"return_code": code})).into_response();
            }
            "zalo-checkout" => {
                let code = if first() { 1 } else { 2 };
                return axum::Json(json!({"returnCode": code})).into_response();
            }
            "sepay" => return axum::Json(json!({"success": true})).into_response(),
            "web" => door.order(channel, &document["data"], "on_hold"),
            "woo-outlet" if document["total"].is_string() => {
                let id = document["id"].to_string();
                let lines: Vec<Value> = document["line_items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|line| {
                        json!({"id": line["id"].to_string(), "sku": line["sku"],
                        "quantity": line["quantity"]})
                    })
                    .collect();
                let total: i64 = document["total"].as_str().unwrap().parse().unwrap();
                let order = json!({"external_id": id, "lines": lines,
                    "totals": {"grand_total": total},
                    "payment": {"method": document["payment_method"]}});
                door.order(channel, &order, "on_hold");
            }
            "lazada-vn" if document["message_type"] == 0 => {
                let id = document["data"]["trade_order_id"].clone();
                door.order(channel, &json!({"external_id": id}), "on_hold");
            }
            "shopify" | "haravan" | "sapo-web" | "sapo-omni" => {
                if let Some(order) = shop_order(&document) {
                    door.order(channel, &order, "on_hold");
                }
            }
            "shopee-vn" if document["code"] == 3 => {
                let id = document["data"]["ordersn"].clone();
                door.order(channel, &json!({"external_id": id}), "on_hold");
            }
            "tiktok-vn" if document["type"] == 1 => {
                let id = document["data"]["order_id"].clone();
                door.order(channel, &json!({"external_id": id}), "on_hold");
            }
            "facebook-page" => {
                let item = &document["entry"][0]["messaging"][0];
                if item["order"].is_object() {
                    let buyer = item["sender"]["id"].as_str().unwrap();
                    let id = format!("cart-{buyer}");
                    let products = item["order"]["products"].as_array().unwrap();
                    let lines: Vec<Value> = products
                        .iter()
                        .zip(1..)
                        .map(|(line, n): (_, u32)| {
                            json!({"id": n.to_string(),
                            "sku": line["retailer_id"], "quantity": line["quantity"]})
                        })
                        .collect();
                    let total: i64 = products
                        .iter()
                        .map(|line| {
                            line["unit_price"].as_i64().unwrap()
                                * line["quantity"].as_i64().unwrap()
                        })
                        .sum();
                    let order = json!({"external_id": id, "lines": lines,
                        "totals": {"grand_total": total}});
                    door.order(channel, &order, "draft");
                }
            }
            _ => {}
        }
        return StatusCode::OK.into_response();
    }
    api(&door, &method, &path, &uri, &headers, &document)
}

/// An order of a shop platform; `None` of a deletion.
fn shop_order(document: &Value) -> Option<Value> {
    let items = document["line_items"]
        .as_array()
        .or(document["order_line_items"].as_array())?;
    let lines: Vec<Value> = items
        .iter()
        .map(|line| {
            json!({"id": line["id"].to_string(), "sku": line["sku"], "quantity": line["quantity"]})
        })
        .collect();
    let total = match (&document["total_price"], &document["total"]) {
        (Value::String(text), _) => text.parse().unwrap(),
        (Value::Number(number), _) => number.to_string().trim_end_matches(".0").parse().unwrap(),
        (_, total) => total.as_i64().unwrap(),
    };
    let gateway = document["gateway"].to_string() + &document["payment_gateway_names"].to_string();
    // Sapo Omni names the means by its number, and only where the buyer pays at the door.
    let at_the_door = document["expected_payment_method_id"].is_number();
    let method = if gateway.contains("COD") || at_the_door {
        "cod"
    } else {
        "prepaid"
    };
    let total: i64 = total;
    Some(
        json!({"external_id": document["id"].to_string(), "lines": lines,
        "totals": {"grand_total": total}, "payment": {"method": method}}),
    )
}

fn api(
    door: &Door,
    method: &Method,
    path: &str,
    uri: &Uri,
    headers: &HeaderMap,
    document: &Value,
) -> Response {
    assert_eq!(headers["authorization"], "Bearer kenh_test");
    if *method == Method::GET && path == "/api/v1/orders" {
        let query = uri.query().unwrap_or_default();
        let heard = door.heard.lock().unwrap();
        let wanted: Vec<&Value> = heard
            .orders
            .values()
            .filter(|order| !query.contains("status=draft") || order["status"] == "draft")
            .filter(|order| match query.split_once("q=") {
                Some((_, q)) => order["external_id"] == *q,
                None => true,
            })
            .collect();
        return axum::Json(json!({"data": wanted, "next_cursor": null})).into_response();
    }
    if *method == Method::POST && path == "/api/v1/orders" {
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        let channel = document["channel"].as_str().unwrap().to_owned();
        door.order(&channel, document, "on_hold");
        let mut heard = door.heard.lock().unwrap();
        let place = (
            channel,
            document["external_id"].as_str().unwrap().to_owned(),
        );
        let id = heard.orders[&place]["id"].as_str().unwrap().to_owned();
        let first = heard.keys.entry(key).or_insert(id).clone();
        return (StatusCode::CREATED, axum::Json(json!({"id": first}))).into_response();
    }
    let id = path.split('/').nth(4).unwrap().to_owned();
    let mut heard = door.heard.lock().unwrap();
    let order = heard
        .orders
        .values_mut()
        .find(|order| order["id"] == *id)
        .unwrap();
    match (method.as_str(), path.rsplit('/').next().unwrap()) {
        ("POST", "confirm") => order["status"] = json!("on_hold"),
        ("POST", "reject" | "cancel") => order["status"] = json!("cancelled"),
        _ => {}
    }
    axum::Json(order.clone()).into_response()
}
