//! The calls that connectors make: addresses, signatures, credentials, and that none of it is shown.

use std::collections::BTreeMap;

use connectors::channel::{CallContext, Channel, PollWindow, Wanted, gone};
use connectors::signature::{basic_auth, shopee_api_sign};
use domain::snapshot::ChannelStatus;
use http::{Method, Request};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::fixtures::build;

fn now() -> Timestamp {
    "2026-09-25T03:01:06Z".parse().unwrap()
}

fn call(token: &SecretString) -> CallContext<'_> {
    CallContext {
        now: now(),
        access_token: Some(token),
    }
}

fn window(cursor: Option<&str>) -> PollWindow {
    PollWindow {
        from: "2026-09-25T02:00:00Z".parse().unwrap(),
        to: "2026-09-25T03:00:00Z".parse().unwrap(),
        cursor: cursor.map(str::to_owned),
    }
}

fn parameters<T>(request: &Request<T>) -> BTreeMap<String, String> {
    request
        .uri()
        .query()
        .unwrap()
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn connector(name: &str) -> Box<dyn Channel> {
    build(name, &BTreeMap::new())
}

#[test]
fn facebook_goes_on_in_a_long_thread_before_it_asks_for_more_threads() {
    let facebook = connector("facebook");
    let polling = facebook.polling().unwrap();
    let none = SecretString::from("");
    let asked = |cursor| polling.request("conversations", &window(Some(cursor)), call(&none));
    let older = asked("0|t_9:QVFI=|QVF4");
    assert!(
        older.uri().path().ends_with("/t_9/messages"),
        "{}",
        older.uri().path()
    );
    assert_eq!(parameters(&older)["after"], "QVFI%3D");
    let threads = asked("0||QVF4");
    assert!(
        threads.uri().path().ends_with("/conversations"),
        "{}",
        threads.uri().path()
    );
    assert_eq!(parameters(&threads)["after"], "QVF4");
}

#[test]
fn shopee_signs_a_fetch_with_token_and_shop_and_asks_for_every_field_it_reads() {
    let token = SecretString::from("4f3e2d1c0b9a89786756453423120f1e");
    let request = connector("shopee")
        .fetch(Wanted::Order("2609250K7QX3MB"), &[], call(&token))
        .unwrap();
    assert_eq!(request.method(), Method::GET);
    assert_eq!(request.uri().host(), Some("partner.shopeemobile.com"));
    assert_eq!(request.uri().path(), "/api/v2/order/get_order_detail");
    let query = parameters(&request);
    assert_eq!(query["order_sn_list"], "2609250K7QX3MB");
    assert_eq!(query["request_order_status_pending"], "true");
    // The value of the vector `shopee-api-shop`: same key, token, shop and second.
    assert_eq!(
        query["sign"],
        "e7bcbd794560881e086c9f54116717a8a5cb1e9874c1a38e0c014d5a0f6a1ce1"
    );
    for field in [
        "item_list",
        "recipient_address",
        "total_amount",
        "pay_time",
        "package_list",
        "fulfillment_flag",
        "buyer_user_id",
        "cancel_by",
        "cancel_reason",
        "pickup_done_time",
    ] {
        assert!(query["response_optional_fields"].contains(field), "{field}");
    }
}

#[test]
fn shopee_refreshes_with_a_public_signature_and_a_body() {
    let shopee = connector("shopee");
    let tokens = shopee.tokens().unwrap();
    let request = tokens.refresh(&SecretString::from("refresh-1"), now());
    assert_eq!(request.method(), Method::POST);
    let query = parameters(&request);
    // The value of the vector `shopee-api-public`.
    assert_eq!(
        query["sign"],
        "963ca1aaec993efd6d7c1e96b79759e210b6bb3d9cf07b76d0baf6491c887ac1"
    );
    assert!(!query.contains_key("shop_id") && !query.contains_key("access_token"));
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    let wanted =
        json!({"refresh_token": "refresh-1", "shop_id": 812_345_678, "partner_id": 1_000_001});
    assert_eq!(body, wanted);
}

#[test]
fn shopee_lists_orders_of_a_window_page_by_page() {
    let shopee = connector("shopee");
    let polling = shopee.polling().unwrap();
    let token = SecretString::from("t");
    let query = parameters(&polling.request("orders", &window(Some("20")), call(&token)));
    assert_eq!(query["time_range_field"], "update_time");
    assert_eq!(
        (&*query["time_from"], &*query["time_to"]),
        ("1790301600", "1790305200")
    );
    assert_eq!(query["cursor"], "20");
    let path = "/api/v2/order/get_order_list";
    let key = SecretString::from("test_partner_key_0001");
    let shop = Some((&token, 812_345_678));
    assert_eq!(
        query["sign"],
        shopee_api_sign(&key, 1_000_001, path, now().as_second(), shop)
    );
    assert!(polling.longest_window_s("orders") <= 15 * 86_400);
}

#[test]
fn woocommerce_calls_with_the_consumer_key_and_hides_it() {
    let woo = connector("woocommerce");
    let none = SecretString::from("");
    let request = woo.fetch(Wanted::Order("727"), &[], call(&none)).unwrap();
    assert_eq!(
        request.uri(),
        "https://shop.example.invalid/wp-json/wc/v3/orders/727"
    );
    let key = "ck_0000000000000000000000000000000000000001";
    let secret = SecretString::from("cs_0000000000000000000000000000000000000002");
    let header = &request.headers()["authorization"];
    assert_eq!(header, basic_auth(key, &secret).expose_secret());
    assert!(header.is_sensitive());
    for wrong in ["", "7 27", "../users", "727?x=1", "đ"] {
        assert!(
            woo.fetch(Wanted::Order(wrong), &[], call(&none)).is_none(),
            "{wrong}"
        );
    }
}

#[test]
fn woocommerce_polls_from_one_second_before_and_the_trash_by_name() {
    let woo = connector("woocommerce");
    let polling = woo.polling().unwrap();
    let none = SecretString::from("");
    let query = parameters(&polling.request("orders", &window(None), call(&none)));
    assert_eq!(query["modified_after"], "2026-09-25T01%3A59%3A59");
    assert_eq!(
        (
            &*query["dates_are_gmt"],
            &*query["orderby"],
            &*query["order"]
        ),
        ("true", "modified", "asc")
    );
    assert_eq!(query["page"], "1");
    assert!(!query.contains_key("status"));
    let query = parameters(&polling.request("trash", &window(Some("1790301700/3")), call(&none)));
    assert_eq!((&*query["status"], &*query["page"]), ("trash", "3"));
    assert_eq!(query["modified_after"], "2026-09-25T02%3A01%3A40");
}

#[test]
fn an_order_that_its_shop_deleted_is_a_bare_cancellation() {
    let snapshot = gone("727", now());
    assert_eq!(snapshot.status, ChannelStatus::Cancelled);
    assert_eq!(snapshot.revised_at, now());
    assert!(snapshot.lines.is_none() && snapshot.totals.is_none() && snapshot.buyer.is_none());
}

#[test]
fn shops_call_with_their_credentials_and_hide_them() {
    let none = SecretString::from("");
    for (name, address, header, value) in [
        (
            "shopify",
            "https://mau-dien-may.myshopify.com/admin/api/2025-10/orders/727.json",
            "x-shopify-access-token",
            "shpat_00000000000000000000000000000001",
        ),
        (
            "haravan",
            "https://apis.haravan.com/com/orders/727.json",
            "authorization",
            "Bearer hrv-access-0000000000000001",
        ),
        (
            "sapo_web",
            "https://mau-dien-may.mysapo.net/admin/orders/727.json",
            "x-sapo-access-token",
            "sapo-access-0000000000000001",
        ),
        (
            "sapo_omni",
            "https://mau-dien-may.mysapogo.com/admin/orders/727.json",
            "x-sapo-access-token",
            "sapo-access-0000000000000002",
        ),
    ] {
        let shop = connector(name);
        let request = shop.fetch(Wanted::Order("727"), &[], call(&none)).unwrap();
        assert_eq!(request.uri(), address);
        assert_eq!(request.headers()[header], value, "{name}");
        assert!(request.headers()[header].is_sensitive(), "{name}");
        assert!(!format!("{request:?}").contains(value), "{name}");
        for wrong in ["", "7 27", "../users", "727?x=1", "#1045", "đ"] {
            assert!(
                shop.fetch(Wanted::Order(wrong), &[], call(&none)).is_none(),
                "{name}: {wrong}"
            );
        }
    }
}

#[test]
fn sapo_web_may_be_called_with_key_and_secret() {
    let changes = BTreeMap::from([
        ("access_token".to_owned(), Value::Null),
        ("api_key".to_owned(), json!({"$secret": ["key-1"]})),
    ]);
    let none = SecretString::from("");
    let shop = build("sapo_web", &changes);
    let request = shop.fetch(Wanted::Order("727"), &[], call(&none)).unwrap();
    let secret = SecretString::from("sapo-web-secret-for-tests");
    let header = &request.headers()["authorization"];
    assert_eq!(header, basic_auth("key-1", &secret).expose_secret());
}

#[test]
fn shopify_pages_by_its_cursor_alone_and_others_by_number_without_an_upper_bound() {
    let none = SecretString::from("");
    let query = |name: &str, cursor| {
        let shop = connector(name);
        let polling = shop.polling().unwrap();
        parameters(&polling.request("orders", &window(cursor), call(&none)))
    };
    let first = query("shopify", None);
    assert_eq!(
        (&*first["status"], &*first["order"], &*first["limit"]),
        ("any", "updated_at%20asc", "250")
    );
    assert_eq!(first["updated_at_min"], "2026-09-25T02%3A00%3A00Z");
    let next = query("shopify", Some("eyJsYXN0="));
    assert_eq!(
        next.len(),
        2,
        "a page_info takes nothing but a limit: {next:?}"
    );
    assert_eq!(next["page_info"], "eyJsYXN0%3D");
    for (name, since) in [
        ("haravan", "updated_at_min"),
        ("sapo_web", "modified_on_min"),
        ("sapo_omni", "modified_on_min"),
    ] {
        let page = query(name, Some("3"));
        assert_eq!(page[since], "2026-09-25T02%3A00%3A00Z", "{name}");
        assert_eq!(page["page"], "3", "{name}");
        assert!(page.keys().all(|key| !key.ends_with("_max")), "{name}");
    }
}

#[test]
fn a_shop_whose_stock_we_do_not_set_has_none_to_set() {
    for (name, setting) in [
        ("shopify", "stock_location_id"),
        ("haravan", "stock_location_id"),
        ("sapo_web", "set_stock"),
    ] {
        let changes = BTreeMap::from([(setting.to_owned(), Value::Null)]);
        let shop = build(name, &changes);
        assert!(shop.feedback().unwrap().stock().is_none(), "{name}");
        assert!(
            connector(name).feedback().unwrap().stock().is_some(),
            "{name}"
        );
    }
    assert!(connector("website").feedback().is_none(), "no callback_url");
}
