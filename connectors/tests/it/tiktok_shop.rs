//! TikTok Shop beyond its fixtures: the calls that are made, and what holds for any order.

use std::collections::BTreeMap;

use connectors::channel::{CallContext, Channel, PollWindow, Wanted};
use connectors::feedback::{LabelOf, Try};
use connectors::signature::tiktok_api_sign;
use domain::snapshot::Snapshot;
use domain::task::{CancelReason, ChannelTask, News};
use http::{Method, Request};
use jiff::Timestamp;
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::fixtures::build;

const ORDER: &str = "580012345678901234";

fn now() -> Timestamp {
    "2026-09-25T03:01:06Z".parse().unwrap()
}

fn shop() -> Box<dyn Channel> {
    build("tiktok_shop", &BTreeMap::new())
}

fn call(token: &SecretString) -> CallContext<'_> {
    CallContext {
        now: now(),
        access_token: Some(token),
    }
}

fn parameters<T>(request: &Request<T>) -> BTreeMap<String, String> {
    let query = request.uri().query().unwrap();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The signature that this request must carry, from its own path, query and body.
fn signature(request: &Request<bytes::Bytes>) -> String {
    let query = parameters(request);
    let pairs: Vec<(&str, &str)> = query
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let secret = SecretString::from("ttsecretMadeUp0001");
    tiktok_api_sign(&secret, request.uri().path(), &pairs, request.body())
}

#[test]
fn a_fetch_is_signed_and_hides_its_token() {
    let token = SecretString::from("TTP_madeUpAccess");
    let request = shop()
        .fetch(Wanted::Order(ORDER), &[], call(&token))
        .unwrap();
    assert_eq!(request.method(), Method::GET);
    assert_eq!(request.uri().host(), Some("open-api.tiktokglobalshop.com"));
    assert_eq!(request.uri().path(), "/order/202309/orders");
    let query = parameters(&request);
    assert_eq!(query["ids"], ORDER);
    assert_eq!(query["timestamp"], "1790305266");
    assert_eq!(query["shop_cipher"], "GCP_madeUpCipher0001");
    assert_eq!(query["sign"], signature(&request));
    let header = &request.headers()["x-tts-access-token"];
    assert_eq!(header, "TTP_madeUpAccess");
    assert!(header.is_sensitive());
}

#[test]
fn an_id_that_is_none_is_never_asked_for() {
    let token = SecretString::from("t");
    for wrong in ["", "1/2", "../x", "1,2", "1?x=1", "đ", &"1".repeat(65)] {
        let asked = shop().fetch(Wanted::Order(wrong), &[], call(&token));
        assert!(asked.is_none(), "{wrong}");
        let shop = shop();
        let label = LabelOf {
            external_id: wrong,
            parcel: None,
            tracking: None,
        };
        let labels = shop.labels().unwrap();
        assert!(labels.request(label, &[], call(&token)).is_err(), "{wrong}");
        let label = LabelOf {
            external_id: ORDER,
            parcel: Some(wrong),
            tracking: None,
        };
        assert!(labels.request(label, &[], call(&token)).is_err(), "{wrong}");
        let task = ChannelTask {
            order_ref: "KE000001230".to_owned(),
            external_id: wrong.to_owned(),
            news: News::Cancelled {
                reason: CancelReason::OutOfStock,
                text: String::new(),
                lines: Vec::new(),
                whole: true,
            },
        };
        let attempt = Try {
            key: "k",
            got: &[],
            unknown: false,
        };
        let told = shop.feedback().unwrap();
        assert!(told.request(&task, attempt, call(&token)).is_err());
    }
}

#[test]
fn a_poll_covers_its_body_and_is_half_open() {
    let shop = shop();
    let polling = shop.polling().unwrap();
    let token = SecretString::from("t");
    let window = PollWindow {
        from: "2026-09-25T02:00:00.9Z".parse().unwrap(),
        to: "2026-09-25T03:00:00Z".parse().unwrap(),
        cursor: Some("aDU2dHIyUm9vYnkxM2U=".to_owned()),
    };
    let request = polling.request("orders", &window, call(&token));
    assert_eq!(request.method(), Method::POST);
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    let wanted = json!({"update_time_ge": 1_790_301_600, "update_time_lt": 1_790_305_200});
    assert_eq!(body, wanted);
    let query = parameters(&request);
    assert_eq!(
        (&*query["sort_field"], &*query["sort_order"]),
        ("update_time", "ASC")
    );
    // Encoded in the address, but signed as it is.
    assert_eq!(query["page_token"], "aDU2dHIyUm9vYnkxM2U%3D");
    let mut pairs: Vec<(&str, &str)> = query
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    for pair in &mut pairs {
        if pair.0 == "page_token" {
            pair.1 = "aDU2dHIyUm9vYnkxM2U=";
        }
    }
    let secret = SecretString::from("ttsecretMadeUp0001");
    let made = tiktok_api_sign(&secret, request.uri().path(), &pairs, request.body());
    assert_eq!(query["sign"], made);
}

#[test]
fn a_refresh_goes_to_the_other_host_and_may_be_repeated() {
    let shop = shop();
    let tokens = shop.tokens().unwrap();
    let request = tokens.refresh(&SecretString::from("TTP_r&1"), now());
    assert_eq!(request.method(), Method::GET);
    assert_eq!(request.uri().host(), Some("auth.tiktok-shops.com"));
    assert_eq!(request.uri().path(), "/api/v2/token/refresh");
    let query = parameters(&request);
    assert_eq!(query["app_secret"], "ttsecretMadeUp0001");
    assert_eq!(query["refresh_token"], "TTP_r%261");
    assert_eq!(query["grant_type"], "refresh_token");
    assert!(request.headers().get("x-tts-access-token").is_none());
}

#[derive(Debug, Clone)]
struct Unit {
    sku: u8,
    seller: i64,
    platform: i64,
    cancelled: bool,
}

fn unit() -> impl Strategy<Value = Unit> {
    (0..4_u8, 0..400_i64, 0..400_i64, any::<bool>()).prop_map(|(sku, seller, platform, gone)| {
        Unit {
            sku,
            seller,
            platform,
            cancelled: gone,
        }
    })
}

/// An order of these units: SKU 2 is a bundle of one and two, SKU 3 a gift.
fn order(units: &[Unit], all_wanted: bool) -> Snapshot {
    let price = |unit: &Unit| [1_000, 999, 1_001, 0][usize::from(unit.sku)];
    let discount = |unit: &Unit, of: i64| of.min(price(unit) / 2);
    let items: Vec<Value> = units
        .iter()
        .zip(1..)
        .map(|(unit, id)| {
            let components = if unit.sku == 2 {
                json!([{"sku_id": "91", "product_id": "9", "seller_sku": "A", "sku_count": 1},
                       {"sku_id": "92", "product_id": "9", "seller_sku": "B", "sku_count": 2}])
            } else {
                json!([])
            };
            json!({
                "id": id.to_string(), "product_id": "7", "sku_id": unit.sku.to_string(),
                "original_price": price(unit).to_string(), "is_gift": unit.sku == 3,
                "seller_discount": discount(unit, unit.seller).to_string(),
                "platform_discount": discount(unit, unit.platform).to_string(),
                "display_status": if unit.cancelled && !all_wanted { "CANCELLED" } else { "" },
                "combined_listing_skus": components,
            })
        })
        .collect();
    let wanted = || units.iter().filter(|unit| all_wanted || !unit.cancelled);
    let list: i64 = wanted().map(price).sum();
    let seller: i64 = wanted().map(|unit| discount(unit, unit.seller)).sum();
    let platform: i64 = wanted().map(|unit| discount(unit, unit.platform)).sum();
    let document = json!({
        "id": ORDER, "status": "AWAITING_SHIPMENT", "create_time": 1_790_305_200,
        "line_items": items,
        "payment": {"currency": "VND", "original_total_product_price": list.to_string(),
            "seller_discount": seller.to_string(), "platform_discount": platform.to_string(),
            "shipping_fee": "15", "total_amount": (list - seller - platform + 15).to_string()},
    });
    shop().normalize(document.to_string().as_bytes()).unwrap()
}

proptest! {
    #[test]
    fn units_grouped_and_bundles_taken_apart_add_up_to_the_total(
        units in proptest::collection::vec(unit(), 1..12),
        all in any::<bool>(),
    ) {
        let snapshot = order(&units, all);
        let lines = snapshot.lines.unwrap();
        let totals = snapshot.totals.unwrap();
        let items: i64 = lines
            .iter()
            .map(|line| line.unit_price.0 * i64::from(line.quantity) - line.discount.0)
            .sum();
        prop_assert_eq!(
            items - totals.seller_discount.0 - totals.channel_discount.0 + totals.shipping.0,
            totals.grand_total.unwrap().0
        );
        for line in &lines {
            let gross = line.unit_price.0 * i64::from(line.quantity);
            prop_assert!((0..=gross).contains(&line.discount.0), "{line:?}");
        }
    }

    #[test]
    fn a_cancelled_unit_takes_from_a_quantity_and_changes_no_id(
        units in proptest::collection::vec(unit(), 1..12),
    ) {
        let before = order(&units, true).lines.unwrap();
        let after = order(&units, false).lines.unwrap();
        for line in &after {
            let known = before.iter().find(|known| known.id == line.id).unwrap();
            prop_assert_eq!(&known.channel_sku, &line.channel_sku);
            prop_assert!(line.quantity <= known.quantity);
        }
        let pieces = |lines: &[domain::snapshot::SnapshotLine]| -> u32 {
            lines.iter().map(|line| line.quantity).sum()
        };
        let gone: u32 = units
            .iter()
            .filter(|unit| unit.cancelled)
            .map(|unit| if unit.sku == 2 { 3 } else { 1 })
            .sum();
        prop_assert_eq!(pieces(&before), pieces(&after) + gone);
    }
}
