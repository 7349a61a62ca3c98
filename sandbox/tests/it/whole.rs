//! The oracle against a gateway that does everything right: with partners that fail, stall and
//! repeat, the books must agree, and each lie told to them afterwards must be found.

use std::{sync::Arc, time::Duration};

use reqwest::Method;
use sandbox::{Kind, Options, Product, Sandbox, Scenario, Tamper, TargetSpec, TokenPair, signing};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::door::Door;

/// Does what an order needs, with one key per effect, until every answer is in.
struct Worker {
    door: Door,
    sandbox: Arc<Sandbox>,
    http: reqwest::Client,
    tokens: Mutex<TokenPair>,
    lazada_tokens: Mutex<TokenPair>,
    tiktok_tokens: Mutex<TokenPair>,
}

impl Worker {
    async fn try_call(
        &self,
        target: &str,
        path: &str,
        key: &str,
        body: &str,
    ) -> Result<u16, reqwest::Error> {
        let at = jiff::Timestamp::now().as_second();
        let secret = self.sandbox.secrets().target(target);
        let request = self
            .http
            .request(
                Method::POST,
                format!("{}{path}", self.sandbox.addresses()[target]),
            )
            .timeout(Duration::from_millis(1500))
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
            .body(body.to_owned());
        let response = request.send().await?;
        let status = response.status().as_u16();
        response.bytes().await?;
        Ok(status)
    }

    async fn call(&self, target: &str, path: &str, key: &str, body: Value) {
        for _ in 0..8 {
            let tried = self.try_call(target, path, key, &body.to_string()).await;
            if tried.is_ok_and(|status| (200..300).contains(&status)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{key} never got through");
    }

    /// One Shopee call, refreshing the token when it has died.
    async fn shopee(&self, path: &str, rest: &str) -> Value {
        for _ in 0..12 {
            let mut tokens = self.tokens.lock().await;
            let answer = self
                .shopee_once(path, Some(&tokens.access), rest, None)
                .await;
            match answer {
                Some(answer) if answer["error"] == "" => return answer,
                Some(answer) if answer["error"] == "invalid_acceess_token" => {
                    let body = json!({"refresh_token": tokens.refresh});
                    let path = "/api/v2/auth/access_token/get";
                    let pair = self.shopee_once(path, None, "", Some(body)).await;
                    if let Some(pair) = pair.filter(|pair| pair["error"] == "") {
                        tokens.access = pair["access_token"].as_str().unwrap().to_owned();
                        tokens.refresh = pair["refresh_token"].as_str().unwrap().to_owned();
                    }
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        panic!("{path} never got through");
    }

    async fn shopee_once(
        &self,
        path: &str,
        token: Option<&str>,
        rest: &str,
        body: Option<Value>,
    ) -> Option<Value> {
        let secrets = self.sandbox.secrets();
        let (partner, shop) = (secrets.shopee_partner_id, secrets.shopee_shop_id);
        let at = jiff::Timestamp::now().as_second();
        let shop_part = token
            .map(|token| format!("{token}{shop}"))
            .unwrap_or_default();
        let base = format!("{partner}{path}{at}{shop_part}");
        let sign = signing::shopee_api(&secrets.shopee_partner_key, &base);
        let token = token.unwrap_or_default();
        let url = format!(
            "{}{path}?partner_id={partner}&timestamp={at}&sign={sign}&access_token={token}&shop_id={shop}{rest}",
            self.sandbox.addresses()["shopee"]
        );
        let request = match body {
            Some(body) => self.http.post(url).json(&body),
            None => self.http.get(url),
        };
        let request = request.timeout(Duration::from_millis(1500));
        request.send().await.ok()?.json().await.ok()
    }

    /// The `data` of one Lazada call, refreshing the token when it has died.
    async fn lazada(&self, path: &str, order_id: &str) -> Value {
        for _ in 0..20 {
            let mut tokens = self.lazada_tokens.lock().await;
            let pairs = [
                ("access_token", tokens.access.as_str()),
                ("order_id", order_id),
            ];
            let answer = crate::channels::lazada(&self.sandbox, "lazada", path, &pairs).await;
            let answer = answer.unwrap_or_default();
            if answer["code"] == "0" {
                return answer["data"].clone();
            }
            if answer["code"] == "IllegalAccessToken" {
                let pairs = [("refresh_token", tokens.refresh.as_str())];
                let path = "/auth/token/refresh";
                let pair = crate::channels::lazada(&self.sandbox, "lazada_auth", path, &pairs);
                if let Some(pair) = pair.await.filter(|pair| pair["code"] == "0") {
                    tokens.access = pair["access_token"].as_str().unwrap().to_owned();
                    tokens.refresh = pair["refresh_token"].as_str().unwrap().to_owned();
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{path} never got through");
    }

    /// One line per unit, once the order is paid.
    async fn read_lazada(&self, order_id: &str) -> (Vec<Value>, i64) {
        loop {
            let units = self.lazada("/order/items/get", order_id).await;
            let units = units.as_array().unwrap();
            if units.iter().any(|unit| unit["status"] == "unpaid") {
                tokio::time::sleep(Duration::from_millis(30)).await;
                continue;
            }
            let amount = |unit: &Value, name: &str| unit[name].as_i64().unwrap();
            let total = units
                .iter()
                .map(|unit| amount(unit, "paid_price") + amount(unit, "shipping_amount"));
            let lines = units.iter().map(|unit| {
                json!({"id": unit["order_item_id"].to_string(), "sku": unit["sku"], "quantity": 1})
            });
            return (lines.collect(), total.sum());
        }
    }

    /// A TikTok Shop order, refreshing the token when it has died.
    async fn tiktok(&self, id: &str) -> Value {
        for _ in 0..40 {
            let mut tokens = self.tiktok_tokens.lock().await;
            let secrets = self.sandbox.secrets();
            let at = jiff::Timestamp::now().as_second().to_string();
            let path = "/order/202309/orders";
            let pairs = [
                ("app_key", secrets.tiktok_app_key.as_str()),
                ("timestamp", &at),
                ("shop_cipher", &secrets.tiktok_shop_cipher),
                ("ids", id),
            ];
            let sign = signing::tiktok_api(&secrets.tiktok_app_secret, path, pairs, b"");
            let query: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let base = &self.sandbox.addresses()["tiktok"];
            let url = format!("{base}{path}?{}&sign={sign}", query.join("&"));
            let request = self
                .http
                .get(url)
                .header("x-tts-access-token", &tokens.access)
                .header("content-type", "application/json")
                .timeout(Duration::from_millis(1500));
            let answer: Option<Value> = match request.send().await {
                Ok(answer) => answer.json().await.ok(),
                Err(_) => None,
            };
            match answer {
                Some(answer) if answer["code"] == 0 => return answer["data"]["orders"][0].clone(),
                Some(answer) if answer["code"] == 105_002 => {
                    let url = format!(
                        "{}/api/v2/token/refresh?app_key={}&app_secret={}&refresh_token={}&grant_type=refresh_token",
                        self.sandbox.addresses()["tiktok_auth"],
                        secrets.tiktok_app_key,
                        secrets.tiktok_app_secret,
                        tokens.refresh
                    );
                    if let Ok(answer) = self.http.get(url).send().await
                        && let Ok(pair) = answer.json::<Value>().await
                        && pair["code"] == 0
                    {
                        let text = |name: &str| pair["data"][name].as_str().unwrap().to_owned();
                        tokens.access = text("access_token");
                        tokens.refresh = text("refresh_token");
                    }
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        panic!("{id} never got through");
    }

    async fn read(&self, order: &Value) -> (Vec<Value>, i64) {
        if order["channel"] == "lazada-vn" {
            return self
                .read_lazada(order["external_id"].as_str().unwrap())
                .await;
        }
        if order["channel"] == "tiktok-vn" {
            let id = order["external_id"].as_str().unwrap();
            loop {
                let found = self.tiktok(id).await;
                if matches!(found["status"].as_str(), Some("UNPAID" | "ON_HOLD")) {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    continue;
                }
                let units = found["line_items"].as_array().unwrap().iter();
                let lines = units.map(
                    |unit| json!({"id": unit["id"], "sku": unit["seller_sku"], "quantity": 1}),
                );
                let total = found["payment"]["total_amount"].as_str().unwrap();
                return (lines.collect(), total.parse().unwrap());
            }
        }
        if order["channel"] != "shopee-vn" {
            return (
                order["lines"].as_array().unwrap().clone(),
                order["total"].as_i64().unwrap(),
            );
        }
        let sn = order["external_id"].as_str().unwrap();
        loop {
            let rest = format!(
                "&order_sn_list={sn}&response_optional_fields=item_list,total_amount,order_status"
            );
            let answer = self.shopee("/api/v2/order/get_order_detail", &rest).await;
            let found = &answer["response"]["order_list"][0];
            if found["order_status"] == "UNPAID" {
                tokio::time::sleep(Duration::from_millis(30)).await;
                continue;
            }
            let lines = found["item_list"].as_array().unwrap().iter();
            let lines = lines.map(|item| {
                json!({"id": item["line_item_id"].to_string(), "sku": item["item_sku"],
                       "quantity": item["model_quantity_purchased"]})
            });
            return (lines.collect(), found["total_amount"].as_i64().unwrap());
        }
    }

    /// The data of a target's callback, once it has come.
    async fn told(&self, target: &str, kind: &str, field: &str, id: &str) -> Value {
        for _ in 0..2000 {
            let arrivals = self.door.arrivals(&format!("/webhooks/{target}"));
            let found = arrivals
                .into_iter()
                .find(|body| body["type"] == kind && body["data"][field] == id);
            if let Some(body) = found {
                return body["data"].clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{kind} of {id} never came");
    }

    async fn serve(&self, order: Value) {
        let code = order["code"].as_str().unwrap();
        let tail = &code[2..];
        let (lines, total) = self.read(&order).await;
        let key = |leg: &str, id: &str| format!("{code}.{leg}.{id}.0");
        let (res, ful, inv) = (
            format!("res_{tail}"),
            format!("ful_{tail}"),
            format!("inv_{tail}"),
        );
        let units: Vec<Value> = lines
            .iter()
            .map(|l| json!({"line_id": l["id"], "sku": l["sku"], "quantity": l["quantity"]}))
            .collect();
        let body = json!({"reservation_id": res, "order_ref": code, "location": "hub-hcm",
            "lines": units, "expires_at": "2026-12-01T00:00:00Z"});
        self.call("hub", "/reservations", &key("reserve", &res), body)
            .await;
        let products = Product::samples();
        let product = |sku: &Value| {
            products
                .iter()
                .find(|product| *sku == *product.sku)
                .unwrap()
        };
        let fitted: Vec<&Value> = units
            .iter()
            .filter(|unit| product(&unit["sku"]).installable)
            .collect();
        let svc = format!("svc_{tail}");
        if !fitted.is_empty() {
            let body = json!({"external_id": svc, "kind": "install", "order_ref": code,
                "items": fitted, "released": false});
            self.call("technical", "/work-orders", &key("install", &svc), body)
                .await;
        }
        let body = json!({"fulfillment_order_id": ful, "reservation_id": res, "order_ref": code,
            "channel": order["channel"], "external_id": order["external_id"],
            "location": "hub-hcm", "lines": units,
            "cod": if order["cod"] == true { total } else { 0 }});
        self.call("hub", "/fulfillment-orders", &key("fulfill", &ful), body)
            .await;
        self.told("hub", "fulfillment.delivered", "fulfillment_order_id", &ful)
            .await;
        let packed = self
            .told("hub", "fulfillment.packed", "fulfillment_order_id", &ful)
            .await;
        let body = json!({"invoice_request_id": inv, "series": "K26T", "order_ref": code,
            "channel": order["channel"], "external_id": order["external_id"],
            "legal_day": "2026-11-24", "lines": [{"line_id": "1", "quantity": 1, "amount": total,
            "tax_amount": 0}], "discount": 0, "shipping": 0, "total": total, "tax_total": 0});
        self.call("finance", "/invoices", &key("invoice", &inv), body)
            .await;
        if !fitted.is_empty() {
            let path = format!("/work-orders/{svc}/release");
            let body = json!({"delivered_at": "2026-11-24T08:00:00Z"});
            self.call("technical", &path, &key("release", &svc), body)
                .await;
            self.told("technical", "service.completed", "external_id", &svc)
                .await;
        }
        for line in packed["lines"].as_array().unwrap() {
            let unit = units
                .iter()
                .find(|unit| unit["line_id"] == line["line_id"])
                .unwrap();
            for (serial, n) in line["serials"].as_array().unwrap().iter().zip(0..) {
                let war = format!("war_{tail}_{}_{n}", line["line_id"].as_str().unwrap());
                let body = json!({"warranty_id": war, "order_ref": code, "sku": unit["sku"],
                    "serial": serial, "quantity": 1});
                self.call("technical", "/warranties", &key("warranty", &war), body)
                    .await;
            }
        }
        self.told("finance", "invoice.coded", "invoice_request_id", &inv)
            .await;
        self.door.set_status(code, "delivered");
    }
}

async fn sell(faults: bool, orders: u32) -> Arc<Worker> {
    let (door, url) = Door::open().await;
    door.heard.lock().unwrap().works = true;
    let spec = |id: &str, kind| TargetSpec {
        id: id.to_owned(),
        kind,
    };
    let options = Options {
        door: Some(url),
        faults,
        seed: 21,
        pause_ms: (1, 10),
        reject_percent: 0,
        targets: vec![
            spec("hub", Kind::Inventory),
            spec("finance", Kind::Invoicing),
            spec("technical", Kind::ServiceCenter),
        ],
        ..Options::default()
    };
    let sandbox = Arc::new(Sandbox::start(options).await.unwrap());
    door.pull_tiki(&sandbox);
    let tokens = Mutex::new(sandbox.secrets().shopee_tokens.clone());
    let lazada_tokens = Mutex::new(sandbox.secrets().lazada_tokens.clone());
    let tiktok_tokens = Mutex::new(sandbox.secrets().tiktok_tokens.clone());
    let http = reqwest::Client::new();
    let worker = Arc::new(Worker {
        door,
        sandbox,
        http,
        tokens,
        lazada_tokens,
        tiktok_tokens,
    });
    let scenario = Scenario {
        cancel_percent: 0,
        ..Scenario::new(orders, 9, Product::samples(), "kenh_test")
    };
    let report = worker.sandbox.run(scenario).await.unwrap();
    assert_eq!(report.unexpected, Vec::<String>::new());
    let forged = &report.by_connector["callback"];
    assert_eq!((forged.forged, forged.refused), (1, 1));
    let open: Vec<Value> = {
        let heard = worker.door.heard.lock().unwrap();
        heard
            .orders
            .values()
            .filter(|order| order["status"] == "on_hold")
            .cloned()
            .collect()
    };
    let mut serving = tokio::task::JoinSet::new();
    for order in open {
        let worker = Arc::clone(&worker);
        serving.spawn(async move { worker.serve(order).await });
    }
    while let Some(served) = serving.join_next().await {
        served.unwrap();
    }
    assert!(worker.sandbox.settled(Duration::from_secs(60)).await);
    worker
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_does_everything_right_passes_with_and_without_faults() {
    for faults in [false, true] {
        let worker = sell(faults, 60).await;
        let links = worker.sandbox.links("kenh_test").await.unwrap();
        let books = worker.sandbox.books();
        assert_eq!(books.violations, Vec::<String>::new(), "faults: {faults}");
        assert_eq!(
            worker.sandbox.audit(&links),
            Vec::<String>::new(),
            "faults: {faults}"
        );
        assert_eq!(books.targets["hub"].repeats > 0, faults);
        for how in [
            Tamper::OneUnitTooMany,
            Tamper::RepeatOneEffect,
            Tamper::DropOneEffect,
        ] {
            assert!(worker.sandbox.tamper(how));
            let found = worker.sandbox.audit(&links);
            assert_ne!(found, Vec::<String>::new(), "{how:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_effect_is_noticed() {
    let worker = sell(false, 20).await;
    let links = worker.sandbox.links("kenh_test").await.unwrap();
    assert!(worker.sandbox.tamper(Tamper::DropOneEffect));
    let found = worker.sandbox.audit(&links);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("no invoice"), "{found:?}");
}
