//! Tiki's calls: the queue and its acknowledgements, local times, credentials.

use std::collections::BTreeMap;

use connectors::channel::{CallContext, Channel, PollWindow, Polled, Wanted};
use connectors::signature::basic_auth;
use domain::snapshot::{ChannelPayment, ChannelStatus};
use http::{Method, Request, Response};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::fixtures::build;

fn tiki() -> Box<dyn Channel> {
    build("tiki", &BTreeMap::new())
}

fn now() -> Timestamp {
    "2026-09-25T03:00:00Z".parse().unwrap()
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

fn body<B: AsRef<[u8]>>(request: &Request<B>) -> Value {
    serde_json::from_slice(request.body().as_ref()).unwrap()
}

#[test]
fn a_batch_is_acknowledged_by_the_pull_that_follows_it_until_one_is_empty() {
    let tiki = tiki();
    let polling = tiki.polling().unwrap();
    let token = SecretString::from("t");
    let mut asked = Vec::new();
    let mut window = window(None);
    for batch in [
        json!({"events": [{"id": "e1", "type": "ORDER_STATUS_UPDATED", "payload": {"order_code": "1"}}], "ack_id": "a1"}),
        json!({"events": [{"id": "e2", "type": "ORDER_STATUS_UPDATED", "payload": {"order_code": "1"}}], "ack_id": "a2"}),
        json!({"events": [], "ack_id": "a3"}),
    ] {
        let request = polling.request("events", &window, call(&token));
        assert_eq!(request.method(), Method::POST);
        assert_eq!(
            request.uri().path(),
            "/integration/v1/queues/2b4f1c6e-queue-0001/events/pull"
        );
        asked.push(body(&request)["ack_id"].clone());
        let answer = Response::new(batch.to_string().into());
        let Polled::Page { next, .. } = polling.read("events", &window, &answer).unwrap() else {
            panic!("a page");
        };
        window.cursor = next;
    }
    assert_eq!(asked, [Value::Null, json!("a1"), json!("a2")]);
    assert_eq!(window.cursor, None);
}

#[test]
fn a_batch_that_comes_again_is_the_same_messages() {
    let tiki = tiki();
    let polling = tiki.polling().unwrap();
    let answer = Response::new(
        json!({"events": [{"id": "e1", "payload": {"order_code": "1"}}], "ack_id": "a1"})
            .to_string()
            .into(),
    );
    let keys = || match polling.read("events", &window(None), &answer).unwrap() {
        Polled::Page { messages, .. } => tiki.dedup_key(&messages[0]),
        other => panic!("{other:?}"),
    };
    assert_eq!(keys(), keys());
    assert_eq!(keys(), "event:e1");
}

#[test]
fn orders_are_listed_by_vietnamese_time_oldest_change_first() {
    let tiki = tiki();
    let token = SecretString::from("t");
    let request = tiki
        .polling()
        .unwrap()
        .request("orders", &window(None), call(&token));
    assert_eq!(request.method(), Method::GET);
    assert_eq!(
        request.uri().path_and_query().unwrap().as_str(),
        "/integration/v2/orders?page=1&limit=50&updated_from_date=2026-09-25%2009%3A00%3A00\
         &updated_to_date=2026-09-25%2010%3A00%3A00&order_by=updated_at%7Casc"
    );
}

#[test]
fn the_access_token_goes_with_every_call_and_is_hidden() {
    let tiki = tiki();
    let token = SecretString::from("madeUpTikiToken");
    let request = tiki
        .fetch(Wanted::Order("512345678"), &[], call(&token))
        .unwrap();
    let header = &request.headers()["authorization"];
    assert_eq!(header, "Bearer madeUpTikiToken");
    assert!(header.is_sensitive());
    for wrong in ["", "1 2", "đ"] {
        let request = tiki.fetch(Wanted::Order(wrong), &[], call(&token));
        assert!(request.is_none(), "{wrong}");
    }
    let slash = tiki
        .fetch(Wanted::Order("../x"), &[], call(&token))
        .unwrap();
    assert_eq!(slash.uri().path(), "/integration/v2/orders/..%2Fx");
}

#[test]
fn an_in_house_app_needs_no_refresh_token() {
    let tiki = tiki();
    let tokens = tiki.tokens().unwrap();
    let request = tokens.refresh(&SecretString::from(""), now());
    assert_eq!(request.uri(), "https://api.tiki.vn/sc/oauth2/token");
    assert_eq!(
        request.body().as_ref(),
        b"grant_type=client_credentials&client_id=6249716820922226&scope="
    );
    let secret = SecretString::from("test_tiki_client_secret_0001");
    let header = &request.headers()["authorization"];
    assert_eq!(
        header,
        basic_auth("6249716820922226", &secret).expose_secret()
    );
    assert!(header.is_sensitive());
    // Whatever stands in its place is not sent.
    let other = tokens.refresh(&SecretString::from("anything"), now());
    assert_eq!(other.body(), request.body());
}

#[test]
fn a_public_app_trades_its_refresh_token_once() {
    let changes = BTreeMap::from([("grant".to_owned(), json!("refresh_token"))]);
    let tiki = build("tiki", &changes);
    let tokens = tiki.tokens().unwrap();
    let request = tokens.refresh(&SecretString::from("r/1"), now());
    assert_eq!(
        request.body().as_ref(),
        b"grant_type=refresh_token&client_id=6249716820922226&refresh_token=r%2F1"
    );
}

#[test]
fn each_status_of_tiki_has_its_place() {
    use ChannelStatus::{
        Cancelled, Completed, Confirmed, Delivered, Packed, Pending, Returned, Shipped,
    };
    let tiki = tiki();
    let document = include_str!("../../fixtures/tiki/order_ordinary.json");
    let mut order: Value = serde_json::from_str(document).unwrap();
    for (word, status, payment) in [
        ("waiting_payment", Pending, ChannelPayment::Unpaid),
        ("payment_review", Pending, ChannelPayment::Unpaid),
        ("paid", Pending, ChannelPayment::Paid),
        ("processing", Pending, ChannelPayment::Paid),
        ("holded", Pending, ChannelPayment::Paid),
        ("queueing", Confirmed, ChannelPayment::Paid),
        ("picking", Confirmed, ChannelPayment::Paid),
        ("packaging", Confirmed, ChannelPayment::Paid),
        ("finished_packing", Packed, ChannelPayment::Paid),
        ("ready_to_ship", Packed, ChannelPayment::Paid),
        ("handover_to_partner", Shipped, ChannelPayment::Paid),
        ("shipping", Shipped, ChannelPayment::Paid),
        ("delivered", Delivered, ChannelPayment::Paid),
        ("successful_delivery", Delivered, ChannelPayment::Paid),
        ("complete", Completed, ChannelPayment::Paid),
        ("canceled", Cancelled, ChannelPayment::Refunded),
        ("closed", Cancelled, ChannelPayment::Refunded),
        ("returned", Returned, ChannelPayment::Paid),
        ("sent_to_the_moon", Pending, ChannelPayment::Paid),
    ] {
        order["status"] = json!(word);
        let snapshot = tiki.normalize(order.to_string().as_bytes()).unwrap();
        assert_eq!(
            (snapshot.status, snapshot.payment),
            (status, Some(payment)),
            "{word}"
        );
        assert_eq!(snapshot.channel_status, word);
        let unknown = format!("unknown_status:{word}");
        assert_eq!(
            snapshot.tags.contains(&unknown),
            word == "sent_to_the_moon",
            "{word}"
        );
    }
}
