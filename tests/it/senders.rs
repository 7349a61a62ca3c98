//! Those who knock: each signs as its vendor does, with the sandbox's signing code, which shares
//! nothing with the gateway's.

use kenh::clock::Clock;
use sandbox::signing;
use serde_json::{Value, json};

use crate::app::{TestApp, World};

/// What the door said.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// A request as it will be sent.
#[derive(Debug, Clone)]
pub struct Knock {
    pub get: bool,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Knock {
    pub fn post(path: &str, body: Vec<u8>) -> Self {
        Self {
            get: false,
            path: path.to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body,
        }
    }

    pub fn get(path: &str) -> Self {
        Self {
            get: true,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl TestApp {
    pub async fn knock(&self, knock: &Knock) -> Answer {
        self.world.knock(&self.url, knock).await
    }

    /// Sends and insists on being acknowledged.
    pub async fn send(&self, knock: &Knock) {
        let answer = self.knock(knock).await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }

    /// Sends an order of the website.
    pub async fn web(&self, order: &WebOrder, kind: &str) {
        self.send(&self.web_message(order, kind)).await;
    }

    /// A target reports.
    pub async fn callback(&self, target: &str, kind: &str, sequence: i64, data: Value) {
        self.send(&self.callback_message(target, kind, sequence, data))
            .await;
    }
}

impl World {
    /// The clock's time, seconds since 1970.
    pub fn clock_s(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// The inventory system that got this parcel.
    pub fn parcel_target(&self, parcel: &str) -> &'static str {
        let has = |target: &&&str| {
            let posts = self.partner(target).of("POST", "/fulfillment-orders");
            posts
                .iter()
                .any(|call| call.body["fulfillment_order_id"] == parcel)
        };
        ["hub-wms", "store-pos"]
            .iter()
            .find(has)
            .expect("somebody got the parcel")
    }

    pub async fn knock(&self, gateway: &str, knock: &Knock) -> Answer {
        let url = format!("{gateway}{}", knock.path);
        let mut request = if knock.get {
            self.http.get(url)
        } else {
            self.http.post(url).body(knock.body.clone())
        };
        for (name, value) in &knock.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let header = response.headers().get("content-type");
        Answer {
            status: response.status().as_u16(),
            content_type: header
                .map(|v| v.to_str().unwrap().to_owned())
                .unwrap_or_default(),
            body: response.text().await.unwrap(),
        }
    }

    /// A message by Standard Webhooks.
    pub fn standard(&self, path: &str, secret: &str, id: &str, body: &Value) -> Knock {
        let at = self.clock.now().as_second();
        let body = body.to_string().into_bytes();
        let signature = signing::standard(secret, id, at, &body);
        Knock::post(path, body)
            .with("webhook-id", id)
            .with("webhook-timestamp", &at.to_string())
            .with("webhook-signature", &signature)
    }

    pub fn web_message(&self, order: &WebOrder, kind: &str) -> Knock {
        let id = format!("msg_{}_{kind}_{}", order.external_id, order.revision);
        let body = json!({
            "type": kind,
            "timestamp": self.clock.now().to_string(),
            "data": order.document(),
        });
        self.standard("/webhooks/web", &self.secrets.web_secret, &id, &body)
    }

    pub fn callback_message(&self, target: &str, kind: &str, sequence: i64, data: Value) -> Knock {
        let subject = [
            "fulfillment_order_id",
            "invoice_request_id",
            "external_id",
            "sku",
        ]
        .iter()
        .find_map(|name| data[*name].as_str())
        .unwrap_or("?");
        let id = format!("evt_{subject}_{kind}_{sequence}");
        let body = json!({
            "type": kind,
            "id": id,
            "occurred_at": self.clock.now().to_string(),
            "sequence": sequence,
            "data": data,
        });
        let secret = self.secrets.target(target);
        self.standard(&format!("/webhooks/{target}"), &secret, &id, &body)
    }

    /// VNPay's IPN about `reference`; `amount` in đồng.
    pub fn vnpay(&self, reference: &str, amount: i64, transaction: u32) -> Knock {
        let local = self.clock.now() + jiff::SignedDuration::from_hours(7);
        let pairs = [
            ("vnp_TxnRef", reference.to_owned()),
            ("vnp_TransactionStatus", "00".to_owned()),
            ("vnp_ResponseCode", "00".to_owned()),
            ("vnp_TransactionNo", transaction.to_string()),
            ("vnp_OrderInfo", format!("Thanh toan don hang {reference}")),
            ("vnp_PayDate", local.strftime("%Y%m%d%H%M%S").to_string()),
            ("vnp_BankCode", "NCB".to_owned()),
            ("vnp_Amount", (amount * 100).to_string()),
            ("vnp_TmnCode", self.secrets.vnpay_tmn_code.clone()),
        ];
        let base = signing::vnpay_base(&pairs);
        let hash = signing::vnpay(&self.secrets.vnpay_hash_secret, &base);
        let query: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", signing::form_encode(value)))
            .collect();
        Knock::get(&format!(
            "/webhooks/vnpay?{}&vnp_SecureHash={hash}",
            query.join("&")
        ))
    }

    /// Shopee's thin push.
    pub fn shopee_push(&self, message: &str, order_sn: &str, status: &str, at: i64) -> Knock {
        let body = json!({
            "msg_id": message,
            "data": {"completed_scenario": "", "items": [], "ordersn": order_sn,
                     "status": status, "update_time": at},
            "shop_id": self.secrets.shopee_shop_id, "code": 3, "timestamp": at,
        });
        self.shopee_body(body.to_string().into_bytes())
    }

    pub fn shopee_body(&self, body: Vec<u8>) -> Knock {
        let signature = signing::shopee_push(
            &self.secrets.shopee_push_key,
            &self.secrets.shopee_callback_url,
            &body,
        );
        Knock::post("/webhooks/shopee-vn", body).with("authorization", &signature)
    }

    /// A message of Meta from the page's chat.
    pub fn facebook(&self, item: &Value) -> Knock {
        self.facebook_entry(json!({
            "id": self.secrets.facebook_page_id,
            "time": self.clock.now_ms(),
            "messaging": [item],
        }))
    }

    /// A message of Meta about what happened on the page.
    pub fn facebook_change(&self, change: &Value) -> Knock {
        self.facebook_entry(json!({
            "id": self.secrets.facebook_page_id,
            "time": self.clock_s(),
            "changes": [change],
        }))
    }

    fn facebook_entry(&self, entry: Value) -> Knock {
        let body = signing::ascii_json(&json!({"object": "page", "entry": [entry]}));
        let signature = signing::meta(&self.secrets.facebook_app_secret, &body);
        Knock::post("/webhooks/facebook-page", body).with("x-hub-signature-256", &signature)
    }

    /// A cart of one article.
    pub fn facebook_cart(&self, person: &str, sku: &str, price: i64) -> Knock {
        self.facebook(&json!({
            "sender": {"id": person},
            "recipient": {"id": self.secrets.facebook_page_id},
            "timestamp": self.clock.now_ms(),
            "order": {"note": "giao giờ hành chính", "products": [{
                "id": "1000000000000001", "retailer_id": sku, "name": sku,
                "unit_price": price, "currency": "VND", "quantity": 1,
            }]},
        }))
    }

    /// An event of the Zalo Official Account.
    pub fn zalo(&self, event: &Value) -> Knock {
        let timestamp = self.clock.now_ms().to_string();
        let mut event = event.clone();
        event["timestamp"] = json!(timestamp);
        event["app_id"] = json!(self.secrets.zalo_app_id);
        let body = event.to_string().into_bytes();
        let signature = signing::zalo(
            &self.secrets.zalo_app_id,
            &body,
            &timestamp,
            &self.secrets.zalo_oa_secret,
        );
        Knock::post("/webhooks/zalo-oa", body).with("x-zevent-signature", &signature)
    }

    /// A webhook of WooCommerce.
    pub fn woo(&self, topic: &str, delivery: &str, body: &Value) -> Knock {
        let body = body.to_string().into_bytes();
        let signature = signing::woocommerce(&self.secrets.woo_secret, &body);
        Knock::post("/webhooks/woo-outlet", body)
            .with("x-wc-webhook-topic", topic)
            .with("x-wc-webhook-resource", "order")
            .with(
                "x-wc-webhook-event",
                topic.split('.').nth(1).unwrap_or_default(),
            )
            .with("x-wc-webhook-id", "7")
            .with(
                "x-wc-webhook-source",
                &format!("{}/", self.woocommerce.uri()),
            )
            .with("x-wc-webhook-delivery-id", delivery)
            .with("x-wc-webhook-signature", &signature)
    }
}

/// An order of the website, with everything in order unless a test says otherwise.
#[derive(Debug, Clone)]
pub struct WebOrder {
    pub external_id: String,
    revision: u32,
    status: &'static str,
    method: &'static str,
    paid: i64,
    lines: Vec<(String, u32, i64)>,
    province: String,
    text: String,
    name: String,
    phone: String,
    user: Option<String>,
    recipient_phone: Option<String>,
    grand_total: Option<i64>,
    note: Option<String>,
    reason: Option<String>,
}

/// The price of [`WebOrder::new`]'s air conditioner, in đồng.
pub const AC_PRICE: i64 = 12_990_000;

impl WebOrder {
    /// A confirmed, prepaid air conditioner for Ho Chi Minh City: reserved, installed, warranted.
    pub fn new(external_id: &str) -> Self {
        Self {
            external_id: external_id.to_owned(),
            revision: 1,
            status: "confirmed",
            method: "prepaid",
            paid: AC_PRICE,
            lines: vec![("AC-9000".to_owned(), 1, AC_PRICE)],
            province: "TP.HCM".to_owned(),
            text: "12 Nguyễn Trãi, P. Bến Thành, TP.HCM".to_owned(),
            name: "Nguyễn Thị Lan".to_owned(),
            phone: "0901234567".to_owned(),
            user: None,
            recipient_phone: None,
            grand_total: None,
            note: None,
            reason: None,
        }
    }

    /// One phone for the city centre: the nearest store sends it, nobody installs it.
    pub fn phone(external_id: &str) -> Self {
        Self::new(external_id).of("KAQ-U95", 1, 6_990_000)
    }

    /// Of another buyer.
    pub fn from(mut self, name: &str, phone: &str) -> Self {
        name.clone_into(&mut self.name);
        phone.clone_into(&mut self.phone);
        self
    }

    /// Of a buyer who has an account on the website.
    pub fn user(mut self, id: &str) -> Self {
        self.user = Some(id.to_owned());
        self
    }

    /// A gift: somebody else receives it.
    pub fn gift_to(mut self, phone: &str) -> Self {
        self.recipient_phone = Some(phone.to_owned());
        self
    }

    /// Other goods, paid in full.
    pub fn of(mut self, sku: &str, quantity: u32, price: i64) -> Self {
        self.lines = vec![(sku.to_owned(), quantity, price)];
        self.paid = i64::from(quantity) * price;
        self
    }

    pub fn to(mut self, province: &str, text: &str) -> Self {
        province.clone_into(&mut self.province);
        text.clone_into(&mut self.text);
        self
    }

    /// Pays at the door.
    pub fn cod(mut self) -> Self {
        self.method = "cod";
        self.paid = 0;
        self
    }

    /// Will pay by card, has not yet.
    pub fn card(mut self) -> Self {
        self.method = "card";
        self.paid = 0;
        self
    }

    /// Paid in full by now.
    pub fn paid(mut self) -> Self {
        self.paid = self.total();
        self.revised()
    }

    pub fn status(mut self, status: &'static str) -> Self {
        self.status = status;
        self
    }

    pub fn cancelled(mut self) -> Self {
        self.status = "cancelled";
        self.reason = Some("changed_mind".to_owned());
        self.revised()
    }

    pub fn note(mut self, note: &str) -> Self {
        self.note = Some(note.to_owned());
        self.revised()
    }

    /// A sum that does not add up.
    pub fn claims_total(mut self, total: i64) -> Self {
        self.grand_total = Some(total);
        self
    }

    /// One second newer.
    pub fn revised(mut self) -> Self {
        self.revision += 1;
        self
    }

    pub fn total(&self) -> i64 {
        self.lines
            .iter()
            .map(|(_, n, price)| i64::from(*n) * price)
            .sum()
    }

    pub fn document(&self) -> Value {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .enumerate()
            .map(|(n, (sku, quantity, price))| {
                json!({"id": (n + 1).to_string(), "sku": sku, "name": sku, "quantity": quantity,
                       "unit_price": price, "discount": 0})
            })
            .collect();
        let payment = if self.paid > 0 { "paid" } else { "unpaid" };
        let mut document = json!({
            "external_id": self.external_id,
            "placed_at": "2026-11-24T02:59:00Z",
            "revised_at": format!("2026-11-24T02:59:{:02}Z", self.revision),
            "status": self.status,
            "buyer": {"name": self.name, "phone": self.phone, "email": null,
                      "external_id": self.user},
            "ship_to": {"name": self.name,
                        "phone": self.recipient_phone.as_ref().unwrap_or(&self.phone),
                        "text": self.text,
                        "line": null, "ward": null, "district": null,
                        "province": self.province, "lat": null, "lon": null},
            "lines": lines,
            "totals": {"shipping": 0, "seller_discount": 0},
            "payment": {"method": self.method, "status": payment, "paid": self.paid},
            "note": self.note, "coupon": null,
            "appointment": {"window_start": null, "window_end": null},
        });
        if let Some(total) = self.grand_total {
            document["totals"]["grand_total"] = json!(total);
        }
        if let Some(reason) = &self.reason {
            document["reason"] = json!(reason);
        }
        document
    }
}
