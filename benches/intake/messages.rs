//! What the simulated website sends: signed orders of about a kilobyte, a new one each time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use connectors::inbound::RawWebhook;
use connectors::settings;
use connectors::signature::standard_webhooks::{ID, Keys, SIGNATURE, TIMESTAMP};
use http::{HeaderMap, HeaderValue, Method, Uri};
use jiff::{Timestamp, ToSpan};
use kenh::clock::{Clock, SystemClock};
use serde_json::json;

use crate::Error;

/// The channel whose messages they are, in the shipped configuration.
pub const CHANNEL: &str = "web";

/// Orders that differ in what is bought and where it goes, so that several rules, locations and
/// targets take part: an appliance with its installation, a phone, an accessory, a television.
const BASKETS: [Basket; 4] = [
    Basket {
        skus: [("AC-9000", 12_990_000), ("AC-BRACKET", 350_000)],
        text: "12 Nguyễn Trãi, Phường Bến Thành, Thành phố Hồ Chí Minh",
        province: "Thành phố Hồ Chí Minh",
    },
    Basket {
        skus: [("SS-S26-256", 22_990_000), ("AC-BRACKET", 350_000)],
        text: "45 Cầu Giấy, Phường Cầu Giấy, Hà Nội",
        province: "Hà Nội",
    },
    Basket {
        skus: [("AC-BRACKET", 350_000), ("AC-BRACKET", 350_000)],
        text: "8 Bạch Đằng, Phường Hải Châu, Đà Nẵng",
        province: "Đà Nẵng",
    },
    Basket {
        skus: [("TV-SS-55-QLED", 18_490_000), ("AC-BRACKET", 350_000)],
        text: "102 Lạch Tray, Phường Gia Viên, Hải Phòng",
        province: "Hải Phòng",
    },
];

struct Basket {
    skus: [(&'static str, u64); 2],
    text: &'static str,
    province: &'static str,
}

/// The website: it signs, and never sends the same order twice.
#[derive(Debug, Clone)]
pub struct Website {
    keys: Keys,
    sent: Arc<AtomicU64>,
}

/// A message with its headers.
struct Message {
    id: String,
    timestamp: String,
    signature: String,
    body: String,
}

impl Website {
    /// A website that shares `secret` (`whsec_…`) with the gateway.
    pub fn new(secret: &str) -> Result<Self, Error> {
        let secrets = settings::read(&json!({ "$secret": [secret] }))?;
        Ok(Self {
            keys: Keys::new(&secrets)?,
            sent: Arc::default(),
        })
    }

    /// `n` further messages as bytes on the wire, for a keep-alive connection.
    pub fn requests(&self, n: usize) -> Arc<Vec<Bytes>> {
        Arc::new((0..n).map(|_| self.next().on_the_wire()).collect())
    }

    /// One further message as the door sees it.
    pub fn raw(&self) -> Result<RawWebhook, Error> {
        self.next().as_seen()
    }

    fn next(&self) -> Message {
        let n = self.sent.fetch_add(1, Ordering::Relaxed);
        let now = SystemClock::new().now();
        let timestamp = now.as_second();
        let id = format!("msg_{:x}_{n:08}", std::process::id());
        let body = order(n, now);
        let signature = self.keys.sign(&id, timestamp, body.as_bytes());
        Message {
            id,
            timestamp: timestamp.to_string(),
            signature,
            body,
        }
    }
}

impl Message {
    fn on_the_wire(&self) -> Bytes {
        Bytes::from(format!(
            "POST /webhooks/{CHANNEL} HTTP/1.1\r\nhost: kenh.example.vn\r\n\
             user-agent: website/2.4\r\ncontent-type: application/json\r\n\
             {ID}: {}\r\n{TIMESTAMP}: {}\r\n{SIGNATURE}: {}\r\ncontent-length: {}\r\n\r\n{}",
            self.id,
            self.timestamp,
            self.signature,
            self.body.len(),
            self.body
        ))
    }

    fn as_seen(&self) -> Result<RawWebhook, Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (ID, &self.id),
            (TIMESTAMP, &self.timestamp),
            (SIGNATURE, &self.signature),
        ] {
            headers.insert(name, HeaderValue::from_str(value)?);
        }
        Ok(RawWebhook {
            method: Method::POST,
            uri: Uri::from_static("/webhooks/web"),
            headers,
            body: Bytes::copy_from_slice(self.body.as_bytes()),
        })
    }
}

/// One order document.
fn order(n: u64, now: Timestamp) -> String {
    let choice = usize::try_from(n % 4).expect("invariant: a remainder of four is small");
    let basket = &BASKETS[choice];
    let phone = format!("09{:08}", n % 100_000_000);
    let lines: Vec<_> = basket
        .skus
        .iter()
        .enumerate()
        .map(|(at, (sku, price))| {
            json!({
                "id": (at + 1).to_string(), "sku": sku, "name": format!("Sản phẩm {sku} chính hãng, bảo hành 24 tháng"),
                "quantity": 1, "unit_price": price, "discount": 0,
            })
        })
        .collect();
    let placed = now.saturating_sub(3.seconds()).unwrap_or(now);
    json!({
        "type": "order.created",
        "timestamp": now.to_string(),
        "data": {
            "external_id": format!("WEB-{:x}-{n}", std::process::id()),
            "placed_at": placed.to_string(),
            "revised_at": now.to_string(),
            "status": "confirmed",
            "buyer": { "name": format!("Nguyễn Thị Hương {}", n % 977), "phone": phone, "email": null },
            "ship_to": {
                "name": format!("Nguyễn Thị Hương {}", n % 977), "phone": phone, "text": basket.text,
                "line": null, "ward": null, "district": null, "province": basket.province,
                "lat": null, "lon": null,
            },
            "lines": lines,
            "totals": { "shipping": 0, "seller_discount": 0 },
            "payment": { "method": "prepaid", "status": "paid", "paid": basket.skus.iter().map(|(_, price)| price).sum::<u64>() },
            "note": "Giao giờ hành chính, gọi trước khi đến 30 phút.",
            "coupon": null,
            "appointment": { "window_start": null, "window_end": null },
        },
    })
    .to_string()
}
