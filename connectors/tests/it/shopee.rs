//! Shopee's traps: late pushes, bookings, and one order asked for in several calls.

use std::collections::BTreeMap;

use bytes::Bytes;
use connectors::channel::{CallContext, Channel, Fetched, Wanted};
use connectors::feedback::{Step, Try};
use connectors::inbound::{NoticeBody, OrderDocument, Source, VerifiedWebhook};
use domain::snapshot::{ChannelStatus, FulfilledBy, Snapshot};
use domain::stamp::Stamp;
use domain::task::{ChannelLine, ChannelTask, News, Outcome};
use http::Response;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::fixtures::build;

const ORDINARY: &str = include_str!("../../fixtures/shopee/order_detail_ordinary.json");

fn shopee() -> Box<dyn Channel> {
    build("shopee", &BTreeMap::new())
}

fn call(token: &SecretString) -> CallContext<'_> {
    CallContext {
        now: Timestamp::from_second(1_790_305_266).unwrap(),
        access_token: Some(token),
    }
}

/// The ordinary order with some fields changed.
fn detail(changes: &[(&str, Value)]) -> Value {
    let mut document: Value = serde_json::from_str(ORDINARY).unwrap();
    for (field, value) in changes {
        document["response"]["order_list"][0][*field] = value.clone();
    }
    document
}

fn normalized(document: &Value) -> Snapshot {
    shopee().normalize(document.to_string().as_bytes()).unwrap()
}

fn stamp(snapshot: &Snapshot) -> Stamp {
    let content = serde_json::to_vec(snapshot).unwrap();
    let revision = snapshot.revised_at.as_millisecond();
    Stamp::new(revision, snapshot.status.rank(), &content)
}

fn answer(document: &Value) -> Response<Bytes> {
    Response::new(document.to_string().into())
}

#[test]
fn a_late_unpaid_never_wins_over_a_cancellation() {
    let at = |status: &str, second: i64| {
        normalized(&detail(&[
            ("order_status", json!(status)),
            ("update_time", json!(second)),
        ]))
    };
    let cancelled = at("CANCELLED", 1_790_309_000);
    assert_eq!(cancelled.status, ChannelStatus::Cancelled);
    // Older, and of the very second of the cancellation.
    for second in [1_790_305_200, 1_790_309_000] {
        let unpaid = at("UNPAID", second);
        assert_eq!(unpaid.status, ChannelStatus::Pending);
        assert!(stamp(&cancelled) > stamp(&unpaid), "{second}");
    }
}

#[test]
fn a_late_unpaid_push_moves_nothing_but_asks() {
    let body = include_bytes!("../../fixtures/shopee/push_03_unpaid_after_cancelled.json");
    let message =
        VerifiedWebhook::from_inbox(Source::Push, None, String::new(), Bytes::from_static(body));
    let notices = shopee().parse(&message).unwrap();
    let NoticeBody::Order {
        revision, document, ..
    } = &notices[0].body
    else {
        panic!("{notices:?}");
    };
    assert_eq!(*document, OrderDocument::Fetch);
    // What is fetched is newer than this and is therefore not asked for again.
    assert!(revision.unwrap() < Timestamp::from_second(1_790_309_000).unwrap());
}

#[test]
fn a_parcel_that_left_under_a_booking_is_not_sent_again() {
    let booked = normalized(&detail(&[
        ("advance_package", json!(true)),
        ("booking_sn", json!("B2609250001")),
    ]));
    assert_eq!(booked.fulfilled_by, FulfilledBy::Marketplace);
    assert!(booked.tags.contains(&"advance_package".to_owned()));
    assert!(booked.tags.contains(&"booking:B2609250001".to_owned()));
    let other = normalized(&detail(&[("booking_sn", json!(""))]));
    assert_eq!(other.fulfilled_by, FulfilledBy::Us);
}

#[test]
fn an_order_waits_for_a_late_escrow_and_goes_without_one_that_is_not_ours() {
    let shopee = shopee();
    let wanted = Wanted::Order("2609250K7QX3MB");
    let Fetched::Part(part) = shopee.read_fetch(wanted, &[], &answer(&detail(&[]))) else {
        panic!("the escrow is asked for");
    };
    let got = [part];
    let token = SecretString::from("t");
    let next = shopee.fetch(wanted, &got, call(&token)).unwrap();
    assert_eq!(next.uri().path(), "/api/v2/payment/get_escrow_detail");
    // A document without what comes a moment later would be of the same revision.
    let late = [
        (500, "<html>".to_owned()),
        (
            200,
            json!({"error": "error_server", "message": "x"}).to_string(),
        ),
        (429, String::new()),
    ];
    for (status, body) in late {
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status.try_into().unwrap();
        let fetched = shopee.read_fetch(wanted, &got, &response);
        assert!(matches!(fetched, Fetched::Retry { .. }), "{fetched:?}");
    }
    let failures = [
        (
            403,
            json!({"error": "error_permission", "message": "x"}).to_string(),
        ),
        (404, String::new()),
    ];
    for (status, body) in failures {
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status.try_into().unwrap();
        let Fetched::Document(document) = shopee.read_fetch(wanted, &got, &response) else {
            panic!("{status}: the order is lost");
        };
        let snapshot = shopee.normalize(&document).unwrap();
        assert_eq!(snapshot.external_id, "2609250K7QX3MB");
        assert_eq!(snapshot.totals.unwrap().grand_total.unwrap().0, 1_306_500);
    }
}

#[test]
fn orders_of_one_batch_are_what_each_alone_would_have_been() {
    let shopee = shopee();
    let batches = shopee.batches().unwrap();
    let token = SecretString::from("t");
    let request = batches.request(&["A1", "B2"], call(&token)).unwrap();
    let query = request.uri().query().unwrap();
    assert!(query.contains("&order_sn_list=A1%2CB2&"), "{query}");
    assert!(batches.request(&["A1", "B,2"], call(&token)).is_none());

    let named = |order_sn: &str, status: &str| {
        detail(&[
            ("order_sn", json!(order_sn)),
            ("order_status", json!(status)),
        ])
    };
    let all = [named("A1", "UNPAID"), named("B2", "COMPLETED")];
    let mut batch = all[0].clone();
    batch["response"]["order_list"] = all
        .iter()
        .map(|answer| answer["response"]["order_list"][0].clone())
        .collect();
    let given = batches.read(&answer(&batch));
    assert_eq!(given.len(), 2);
    let (id, Fetched::Document(unpaid)) = &given[0] else {
        panic!("an unpaid order is whole: {given:?}");
    };
    assert_eq!(id, "A1");
    let Fetched::Document(alone) = shopee.read_fetch(Wanted::Order("A1"), &[], &answer(&all[0]))
    else {
        panic!("an unpaid order is whole");
    };
    assert_eq!(
        shopee.normalize(unpaid).unwrap(),
        shopee.normalize(&alone).unwrap()
    );
    let (id, Fetched::Part(part)) = &given[1] else {
        panic!("a completed one has an escrow: {given:?}");
    };
    assert_eq!(id, "B2");
    let next = shopee.fetch(
        Wanted::Order("B2"),
        std::slice::from_ref(part),
        call(&token),
    );
    assert_eq!(
        next.unwrap().uri().path(),
        "/api/v2/payment/get_escrow_detail"
    );
    let failed = json!({"error": "error_server", "message": "x"});
    assert_eq!(batches.read(&answer(&failed)), []);
}

#[test]
fn a_shipment_is_arranged_in_four_calls_and_a_repeat_only_looks() {
    let shopee = shopee();
    let feedback = shopee.feedback().unwrap();
    let token = SecretString::from("t");
    let line = ChannelLine {
        line_id: "24567890123.257890123456".to_owned(),
        channel_sku: Some("24567890123.257890123456".to_owned()),
        sku: Some("ACME-BUDS2-BLK".to_owned()),
        quantity: 1,
    };
    let task = ChannelTask {
        order_ref: "KE000001230".to_owned(),
        external_id: "2609250K7QX3MB".to_owned(),
        news: News::Arranged {
            parcel: "ful_1".to_owned(),
            lines: vec![line],
        },
    };
    let good = |response: Value| json!({"error": "", "message": "", "response": response});
    let parameters = good(json!({"info_needed": {"dropoff": []}}));
    let number = good(json!({"tracking_number": "SPXVN1"}));
    let arranged = detail(&[("order_status", json!("PROCESSED"))]);
    let tell = |answers: &[Value], unknown: bool| {
        let (mut got, mut paths) = (Vec::new(), Vec::new());
        for document in answers {
            let attempt = Try {
                key: "k",
                got: &got,
                unknown,
            };
            let request = feedback.request(&task, attempt, call(&token)).unwrap();
            paths.push(request.uri().path().rsplit('/').next().unwrap().to_owned());
            match feedback.read(&task, attempt, &answer(document)) {
                Step::Part(part) => got.push(part),
                Step::Done(outcome) => return (paths, outcome),
                Step::TokenExpired => panic!("no token is expired"),
            }
        }
        panic!("{paths:?} come to no end");
    };
    let first = [detail(&[]), parameters, good(Value::Null), number.clone()];
    let (paths, outcome) = tell(&first, false);
    assert_eq!(
        paths,
        [
            "get_order_detail",
            "get_shipping_parameter",
            "ship_order",
            "get_tracking_number"
        ]
    );
    let Outcome::Accepted { given } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(given.tracking.as_deref(), Some("SPXVN1"));
    let (paths, outcome) = tell(&[arranged, number], true);
    assert_eq!(paths, ["get_order_detail", "get_tracking_number"]);
    assert!(matches!(outcome, Outcome::Duplicate { .. }), "{outcome:?}");
}
