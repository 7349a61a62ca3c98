//! Fixtures with the vendor's field names; signatures made with PHP and coreutils.

use http::HeaderMap;
use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::*;
use crate::channel::{Refreshed, Wanted};
use crate::inbound::{NoticeBody, Source};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/zalo");

fn channel() -> Box<dyn Channel> {
    build(
        &json!({
            "app_id": "4000000000000000967",
            "oa_secret": { "$secret": ["zalo-oa-secret-key-for-tests"] },
            "app_secret": { "$secret": ["zalo-app-secret"] },
            "oa_id": "4000000000000000045",
        }),
        &ChannelContext {
            id: "zalo-vn".to_owned(),
        },
    )
    .unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FIXTURES}/{name}.json")).unwrap()
}

fn post(body: &[u8], signature: Option<&str>) -> RawWebhook {
    let mut headers = HeaderMap::new();
    if let Some(signature) = signature {
        headers.insert("x-zevent-signature", signature.parse().unwrap());
    }
    RawWebhook {
        method: Method::POST,
        uri: "/webhooks/zalo-vn".parse().unwrap(),
        headers,
        body: Bytes::copy_from_slice(body),
    }
}

fn message(body: &[u8]) -> VerifiedWebhook {
    VerifiedWebhook::from_inbox(
        Source::Push,
        None,
        String::new(),
        Bytes::copy_from_slice(body),
    )
}

#[test]
fn signatures_of_other_software_hold_with_and_without_prefix_and_fail_with_any_byte_changed() {
    let vectors = [
        (
            "user_send_text",
            "286e295562aee0b88b1dcc7e7d139dbf94e8255c939f3f1587163c151b1897a9",
        ),
        (
            "follow",
            "6bd396c227d8dc598f299138e064f2e0244e298e2a1f1e1f15102a7ae1d90620",
        ),
        (
            "unfollow",
            "6306f5e77c670ee76902692e0aa7655df4d9d1c07e0203a1e698a8b58a42be54",
        ),
        (
            "user_received_message_zns",
            "046826c32a8e301c30f754db35405ec1c366c558557f27b443cdca2ff371eaa0",
        ),
        (
            "user_send_image",
            "63bb33e40391a7497ec3ca13c94936c50420d1fa2191704c910f57dccc2b1815",
        ),
        (
            "user_asking_product",
            "38e85e87e7b0c1462ec5adaa9d2d9f94d32b7548ef09d2026b9e57b75912cb80",
        ),
    ];
    let channel = channel();
    for (name, hex) in vectors {
        let body = fixture(name);
        for header in [format!("mac={hex}"), hex.to_owned()] {
            let verdict = channel.verify(&post(&body, Some(&header)), Timestamp::UNIX_EPOCH);
            assert!(
                matches!(verdict, Verdict::Message(_)),
                "{name}: {verdict:?}"
            );
        }
        let header = format!("mac={hex}");
        for at in 0..body.len() {
            let mut changed = body.clone();
            changed[at] ^= 1;
            let verdict = channel.verify(&post(&changed, Some(&header)), Timestamp::UNIX_EPOCH);
            assert!(matches!(verdict, Verdict::Rejected(_)), "{name} at {at}");
        }
    }
}

#[test]
fn what_cannot_be_verified_is_rejected() {
    let channel = channel();
    let reject = |raw: &RawWebhook| match channel.verify(raw, Timestamp::UNIX_EPOCH) {
        Verdict::Rejected(rejection) => rejection,
        verdict => panic!("{verdict:?}"),
    };
    let body = fixture("user_send_text");
    assert_eq!(reject(&post(&body, None)), Rejection::MissingSignature);
    assert_eq!(
        reject(&post(&body, Some("mac=zz"))),
        Rejection::MalformedSignature
    );
    // No timestamp in the body: nothing to verify with.
    assert_eq!(reject(&post(b"{}", Some("mac=00"))), Rejection::Malformed);
    assert_eq!(reject(&post(b"x", Some("mac=00"))), Rejection::Malformed);
    let mut get = post(&body, None);
    get.method = Method::GET;
    assert_eq!(reject(&get), Rejection::Malformed);
}

#[test]
fn a_form_is_read_from_the_object_and_from_the_text_alike() {
    let channel = channel();
    let form = |name: &str| {
        let notices = channel.parse(&message(&fixture(name))).unwrap();
        match notices.into_iter().next().unwrap().body {
            NoticeBody::Conversation(c) => *c,
            body => panic!("{body:?}"),
        }
    };
    let (one, other) = (form("user_submit_info"), form("user_submit_info_in_text"));
    assert_eq!(one.kind, "form");
    assert_eq!(one.buyer, other.buyer);
    assert_eq!(
        one.address.as_deref(),
        Some("12 Nguyễn Trãi, Bến Thành, Quận 1, Hồ Chí Minh")
    );
    assert_eq!(one.address, other.address);
    assert_eq!(other.text, None);
}

#[test]
fn a_redelivery_has_the_same_key_and_another_event_of_the_same_message_has_not() {
    let channel = channel();
    let key = |name: &str| channel.dedup_key(&message(&fixture(name)));
    assert_eq!(key("user_send_text"), "user_send_text:mau00000000000000001");
    assert_eq!(
        key("user_received_message_zns"),
        "user_received_message:mau00000000000000018"
    );
    assert_eq!(key("user_feedback"), "user_feedback:mau00000000000000018");
    assert_eq!(key("follow"), "follow:7000000000000000022:1764820830456");
}

#[test]
fn acknowledgements_have_no_body() {
    let channel = channel();
    for (received, status) in [
        (Received::Stored(None), 200),
        (Received::Duplicate(None), 200),
        (Received::Rejected(Rejection::BadSignature), 401),
        (Received::Unavailable, 503),
    ] {
        let answer = channel.acknowledge(&received);
        assert_eq!(answer.status.as_u16(), status, "{received:?}");
        assert!(answer.body.is_empty());
    }
}

#[test]
fn a_refresh_is_a_form_with_the_secret_in_a_header() {
    let channel = channel();
    let tokens = channel.tokens().unwrap();
    let request = tokens.refresh(&SecretString::from("r/+ 1"), Timestamp::UNIX_EPOCH);
    assert_eq!(request.method(), Method::POST);
    assert_eq!(
        request.uri().to_string(),
        "https://oauth.zaloapp.com/v4/oa/access_token"
    );
    assert_eq!(request.headers()["secret_key"], "zalo-app-secret");
    assert_eq!(
        request.headers()["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert_eq!(
        &request.body()[..],
        b"refresh_token=r%2F%2B+1&app_id=4000000000000000967&grant_type=refresh_token"
    );
}

#[test]
fn the_answer_to_a_refresh_is_a_pair_or_says_who_must_act() {
    let channel = channel();
    let tokens = channel.tokens().unwrap();
    let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    let read = |status: u16, body: &[u8]| {
        let response = Response::builder()
            .status(status)
            .body(Bytes::copy_from_slice(body))
            .unwrap();
        tokens.read_refresh(&response, now)
    };
    let Refreshed::Pair(pair) = read(200, &fixture("oauth_refresh_response")) else {
        panic!("expected a pair");
    };
    assert_eq!(pair.access.expose_secret(), "NEW_ACCESS_TOKEN");
    assert_eq!(pair.refresh.unwrap().expose_secret(), "NEW_REFRESH_TOKEN");
    assert_eq!(pair.access_expires_at.to_string(), "2026-11-25T01:00:00Z");
    assert_eq!(
        pair.refresh_expires_at.unwrap().to_string(),
        "2027-02-21T00:00:00Z"
    );
    let spent = br#"{"error":-14014,"error_name":"Invalid refresh token"}"#;
    assert!(matches!(read(200, spent), Refreshed::Reauthorize { .. }));
    assert!(matches!(
        read(200, b"<html>"),
        Refreshed::Reauthorize { .. }
    ));
    assert!(matches!(read(200, b"{}"), Refreshed::Reauthorize { .. }));
    let odd = br#"{"access_token":"a","refresh_token":"b","expires_in":"soon"}"#;
    assert!(matches!(read(200, odd), Refreshed::Reauthorize { .. }));
    assert!(matches!(read(503, b""), Refreshed::Retry { .. }));
    assert!(matches!(
        read(200, br#"{"error":-100}"#),
        Refreshed::Retry { .. }
    ));
}

#[test]
fn errors_are_read_inside_http_200() {
    let channel = channel();
    let read = |status: u16, body: &[u8]| {
        let response = Response::builder()
            .status(status)
            .body(Bytes::copy_from_slice(body))
            .unwrap();
        channel.read_fetch(Wanted::Subject("user"), &[], &response)
    };
    assert!(matches!(
        read(200, &fixture("error_token")),
        Fetched::TokenExpired
    ));
    assert!(matches!(read(200, br#"{"error":0}"#), Fetched::Document(_)));
    assert!(matches!(
        read(200, br#"{"error":-32}"#),
        Fetched::Retry { .. }
    ));
    assert!(matches!(
        read(200, br#"{"error":-115}"#),
        Fetched::Account { .. }
    ));
    assert!(matches!(
        read(200, br#"{"error":-114,"message":"someone"}"#),
        Fetched::Refused { reason } if reason == "Zalo error -114"
    ));
    assert!(matches!(read(200, b"<html>"), Fetched::Retry { .. }));
    assert!(matches!(read(500, b""), Fetched::Retry { .. }));
    assert!(matches!(read(400, b""), Fetched::Refused { .. }));
}

#[test]
fn an_event_without_its_base_fields_is_an_error_that_names_the_field() {
    let channel = channel();
    let what = |body: Value| {
        channel
            .parse(&message(body.to_string().as_bytes()))
            .unwrap_err()
            .what
    };
    assert_eq!(what(json!({})), "event_name: missing");
    assert_eq!(
        what(json!({"event_name": "follow", "timestamp": "soon"})),
        "timestamp: expected milliseconds"
    );
    assert_eq!(
        what(json!({"event_name": "user_send_text", "timestamp": "1", "message": {}})),
        "message.msg_id: missing"
    );
}

proptest! {
    /// Whatever a byte of a real message is changed to, reading ends with a value or an error.
    #[test]
    fn a_changed_message_never_panics(
        name in prop::sample::select(vec!["user_send_text", "user_submit_info_in_text", "user_feedback", "user_seen_message", "follow"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut body = fixture(name);
        for (index, byte) in changes {
            let at = index.index(body.len());
            body[at] = byte;
        }
        let channel = channel();
        let message = message(&body);
        let first = channel.parse(&message);
        prop_assert_eq!(first, channel.parse(&message));
        prop_assert!(!channel.dedup_key(&message).is_empty());
        channel.account(&message);
        channel.verify(&post(&body, Some("mac=00")), Timestamp::UNIX_EPOCH);
    }
}
