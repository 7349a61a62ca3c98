//! Fixtures with the vendor's field names; signatures made by other software.

use http::HeaderMap;
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::inbound::{PaymentAnswer, Source};
use crate::signature::hmac_sha256_hex_of;

const SECRET: &str = "meta-app-secret-for-tests-0123456789";
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/facebook");

fn channel() -> Box<dyn Channel> {
    build(
        &json!({
            "app_secret": { "$secret": ["next-secret", SECRET] },
            "verify_token": { "$secret": ["gw-verify-token"] },
            "page_tokens": { "104512345678901": { "$secret": ["page-token"] } },
        }),
        &ChannelContext {
            id: "facebook-vn".to_owned(),
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
        headers.insert("x-hub-signature-256", signature.parse().unwrap());
    }
    RawWebhook {
        method: Method::POST,
        uri: "/webhooks/facebook-vn".parse().unwrap(),
        headers,
        body: Bytes::copy_from_slice(body),
    }
}

fn get(uri: &str) -> RawWebhook {
    RawWebhook {
        method: Method::GET,
        uri: uri.parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
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

fn call() -> CallContext<'static> {
    CallContext {
        now: Timestamp::UNIX_EPOCH,
        access_token: None,
    }
}

#[test]
fn signatures_of_other_software_hold_and_fail_with_any_byte_changed() {
    let vectors = [
        (
            "messenger_text",
            "9772f189f3b60200f84f67658f573fa57a3e10911eff27cf62e28428b388adf2",
        ),
        (
            "messenger_send_cart",
            "e753badc1673ec09b3a864979c25a8e830393056f887c29d37b72147b818cb13",
        ),
        (
            "feed_comment_add_live",
            "cbb1ab5e6aeba34694b89e4c202308f82713f2a1437dfa75888f4724b0621f4b",
        ),
        (
            "feed_comment_remove",
            "a1ce4897df8b1101ccfab0c975fed8bedaa8a8a9787371dde1474f3964c37d34",
        ),
        (
            "leadgen_webhook",
            "e14d341a4c322f6e464077e4b784196ab5eef54d8174165e593cc2c2b382094b",
        ),
        (
            "instagram_dm",
            "6b4a687993136d72b316f8199d9fd287a45d27d52ba533ada65b45a2ee3280aa",
        ),
        (
            "messenger_echo",
            "9b7462d6f86978a5687ae92b098612de04dda0dd185691830a3b8f788f3a9c08",
        ),
        (
            "feed_comment_by_page_itself",
            "abee17ffbf5f5048cef4e26d10bcf3103d2446a60a836e6deebaac4105977ef3",
        ),
        (
            "feed_comment_add_no_from",
            "279280a7991ec5655c77fe3f254a5f766fe47b479562a94a32cb36088e9e2faf",
        ),
    ];
    let channel = channel();
    for (name, hex) in vectors {
        let body = fixture(name);
        let header = format!("sha256={hex}");
        let verdict = channel.verify(&post(&body, Some(&header)), Timestamp::UNIX_EPOCH);
        assert!(
            matches!(verdict, Verdict::Message(_)),
            "{name}: {verdict:?}"
        );
        for at in [0, body.len() / 2, body.len() - 1] {
            let mut changed = body.clone();
            changed[at] ^= 1;
            let verdict = channel.verify(&post(&changed, Some(&header)), Timestamp::UNIX_EPOCH);
            assert!(
                matches!(verdict, Verdict::Rejected(Rejection::BadSignature)),
                "{name}"
            );
        }
    }
}

#[test]
fn what_is_not_signed_in_metas_form_is_rejected() {
    let channel = channel();
    let body = fixture("messenger_text");
    let reject = |raw: &RawWebhook| match channel.verify(raw, Timestamp::UNIX_EPOCH) {
        Verdict::Rejected(rejection) => rejection,
        verdict => panic!("{verdict:?}"),
    };
    assert_eq!(reject(&post(&body, None)), Rejection::MissingSignature);
    assert_eq!(
        reject(&post(&body, Some("sha1=00"))),
        Rejection::MalformedSignature
    );
    assert_eq!(reject(&get("/webhooks/facebook-vn")), Rejection::Malformed);
}

#[test]
fn the_handshake_gives_the_challenge_back_to_who_knows_the_token() {
    let channel = channel();
    let right =
        "/webhooks/f?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=gw-verify-token";
    let answer = channel.handshake(&get(right)).unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.content_type, Some("text/plain"));
    assert_eq!(&answer.body[..], b"1158201444");
    for wrong in [
        "/webhooks/f?hub.mode=subscribe&hub.challenge=1&hub.verify_token=gw-verify-toke",
        "/webhooks/f?hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
        "/webhooks/f?hub.mode=subscribe&hub.challenge=1",
        "/webhooks/f?hub.mode=subscribe&hub.verify_token=gw-verify-token",
        "/webhooks/f?hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=gw-verify-token",
    ] {
        let answer = channel.handshake(&get(wrong)).unwrap();
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{wrong}");
        assert!(answer.body.is_empty());
    }
    assert_eq!(channel.handshake(&get("/webhooks/f")), None);
    assert_eq!(channel.handshake(&post(b"", None)), None);
}

#[test]
fn one_bad_update_leaves_the_others_standing() {
    let notices = channel()
        .parse(&message(&fixture("batch_with_bad_items")))
        .unwrap();
    let read: Vec<&str> = notices
        .iter()
        .map(|notice| match &notice.body {
            NoticeBody::Conversation(c) => c.message_id.as_str(),
            NoticeBody::Ignored { reason } => reason.as_str(),
            body => panic!("{body:?}"),
        })
        .collect();
    assert_eq!(
        read,
        [
            "m_b_0001",
            "message.mid: missing",
            "messaging item: expected an object",
            "order.products[1].unit_price: expected whole đồng",
            "messaging item of kind optin is not handled",
            "1_2",
            "change.value: expected an object",
            "change.field: missing",
            "an entry has no id",
            "an entry holds no update",
        ]
    );
}

#[test]
fn the_key_depends_on_what_is_reported_not_on_how_it_is_bundled() {
    let channel = channel();
    let key = |body: &Value| channel.dedup_key(&message(body.to_string().as_bytes()));
    let chat = |mid: &str| json!({"sender": {"id": "7"}, "recipient": {"id": "1"}, "timestamp": 1_764_821_599_900_i64, "message": {"mid": mid, "text": "a"}});
    let envelope = |time: i64, items: &[Value]| json!({"object": "page", "entry": [{"id": "1", "time": time, "messaging": items}]});
    let (a, b) = (chat("a"), chat("b"));
    // Repeats come with another entry time, and in another order.
    assert_eq!(
        key(&envelope(1, &[a.clone(), b.clone()])),
        key(&envelope(2, &[b.clone(), a.clone()]))
    );
    assert_ne!(
        key(&envelope(1, std::slice::from_ref(&a))),
        key(&envelope(1, std::slice::from_ref(&b)))
    );
    // An edit has the comment's id and another text.
    let keys: std::collections::BTreeSet<String> = [
        "feed_comment_add_live",
        "feed_comment_edited",
        "feed_comment_remove",
    ]
    .iter()
    .map(|name| channel.dedup_key(&message(&fixture(name))))
    .collect();
    assert_eq!(keys.len(), 3);
    // Even what cannot be read has a key of its own.
    assert_ne!(
        channel.dedup_key(&message(b"x")),
        channel.dedup_key(&message(b"y"))
    );
}

#[test]
fn the_account_is_told_only_when_all_entries_are_of_one_page() {
    let channel = channel();
    assert_eq!(
        channel
            .account(&message(&fixture("messenger_text")))
            .as_deref(),
        Some("104512345678901")
    );
    assert_eq!(
        channel.account(&message(&fixture("batch_with_bad_items"))),
        None
    );
}

#[test]
fn acknowledgements_have_no_body() {
    let channel = channel();
    for (received, status) in [
        (Received::Stored(None), 200),
        (Received::Duplicate(None), 200),
        (Received::Stored(Some(PaymentAnswer::Due)), 200),
        (Received::Rejected(Rejection::BadSignature), 401),
        (Received::Rejected(Rejection::MissingSignature), 401),
        (Received::Unavailable, 503),
    ] {
        let answer = channel.acknowledge(&received);
        assert_eq!(answer.status.as_u16(), status, "{received:?}");
        assert!(answer.body.is_empty());
    }
}

#[test]
fn a_lead_is_fetched_with_the_pages_token_and_its_proof() {
    let channel = channel();
    let request = channel
        .fetch(
            Wanted::Subject("lead:104512345678901:1900000000026801"),
            &[],
            call(),
        )
        .unwrap();
    let proof = hmac_sha256_hex_of(&SecretString::from("next-secret"), &[b"page-token"]);
    assert_eq!(
        request.uri().to_string(),
        format!(
            "https://graph.facebook.com/v26.0/1900000000026801?fields=id%2Ccreated_time%2Cad_id%2Cform_id%2Cfield_data&appsecret_proof={proof}"
        )
    );
    assert_eq!(request.headers()["authorization"], "Bearer page-token");
    let can = |wanted| channel.fetch(wanted, &[], call()).is_some();
    assert!(can(Wanted::Subject("lead:1900000000026801")));
    assert!(!can(Wanted::Subject("lead:2:1900000000026801")));
    assert!(!can(Wanted::Subject("lead:")));
    assert!(!can(Wanted::Subject("1900000000026801")));
    assert!(!can(Wanted::Order("1900000000026801")));

    let subject = "lead:104512345678901:1900000000026801";
    let answered = channel.answered(subject, &fixture("leadgen_graph_response"));
    let NoticeBody::Conversation(lead) = answered.unwrap() else {
        panic!("a lead is a conversation");
    };
    assert_eq!(lead.account, "104512345678901");
    assert_eq!(lead.person, "lead:1900000000026801");
    assert_eq!(lead.kind, "form");
    assert_eq!(lead.at.to_string(), "2025-12-04T04:20:00Z");
    let buyer = lead.buyer.unwrap();
    assert_eq!(buyer.name.as_deref(), Some("Trần Thị Mẫu"));
    assert_eq!(buyer.phone.as_deref(), Some("+84901234567"));
    assert!(
        lead.hints
            .contains(&"san_pham_quan_tam:Tivi 55 inch".to_owned())
    );
}

#[test]
fn graph_errors_are_sorted_by_their_code() {
    let channel = channel();
    let read = |status: u16, body: &[u8]| {
        let response = Response::builder()
            .status(status)
            .header("retry-after", "30")
            .body(Bytes::copy_from_slice(body))
            .unwrap();
        channel.read_fetch(Wanted::Subject("lead:1:2"), &[], &response)
    };
    let error = |code: i64, subcode: i64| {
        json!({"error": {"message": "someone", "code": code, "error_subcode": subcode}}).to_string()
    };
    assert!(matches!(
        read(400, &fixture("error_token_expired")),
        Fetched::Account { reason } if reason == "Meta error 190/463"
    ));
    assert!(matches!(
        read(400, &fixture("error_rate_limit")),
        Fetched::Retry {
            after_s: Some(30),
            ..
        }
    ));
    assert!(matches!(
        read(400, &fixture("error_outside_window")),
        Fetched::Refused { .. }
    ));
    for (code, subcode, expected) in [
        (10, 1_893_063, "account"),
        (200, 0, "account"),
        (551, 0, "refused"),
        (368, 0, "refused"),
        (100, 0, "refused"),
        (100, 33, "not_found"),
        (4, 0, "retry"),
        (80_001, 0, "retry"),
        (2, 0, "retry"),
        (987_654, 0, "refused"),
    ] {
        let seen = match read(400, error(code, subcode).as_bytes()) {
            Fetched::Account { .. } => "account",
            Fetched::Refused { .. } => "refused",
            Fetched::NotFound => "not_found",
            Fetched::Retry { .. } => "retry",
            other => panic!("{other:?}"),
        };
        assert_eq!(seen, expected, "{code}/{subcode}");
    }
    assert!(matches!(read(200, b"{\"id\":\"1\"}"), Fetched::Document(_)));
    assert!(matches!(read(200, b"<html>"), Fetched::Retry { .. }));
    assert!(matches!(read(502, b"<html>"), Fetched::Retry { .. }));
    assert!(matches!(read(404, b""), Fetched::NotFound));
    assert!(matches!(read(400, b""), Fetched::Refused { .. }));
}

#[test]
fn settings_must_be_whole_and_known() {
    let context = ChannelContext { id: "f".to_owned() };
    assert!(build(&json!({}), &context).is_err());
    let error = build(
        &json!({"app_secret": {"$secret": ["a"]}, "verify_token": {"$secret": ["b"]}, "token": 1}),
        &context,
    )
    .unwrap_err();
    assert!(error.message.contains("token"), "{error}");
}

proptest! {
    /// Whatever a byte of a real message is changed to, reading ends with a value or an error.
    #[test]
    fn a_changed_message_never_panics(
        name in prop::sample::select(vec!["batch_with_bad_items", "messenger_send_cart", "feed_comment_add_live", "leadgen_webhook", "leadgen_graph_response"]),
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
        let _lead = channel.answered("lead:1:2", &body);
    }
}

#[test]
fn a_batch_of_several_pages_is_split_and_keeps_its_order() {
    let channel = channel();
    let one = message(&fixture("messenger_text"));
    let parts = channel.by_account(&one);
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].message.body(), one.body());
    let entry = |page: &str, n: u32| {
        serde_json::json!({"id": page, "time": n, "messaging": [{
            "sender": {"id": "1"}, "recipient": {"id": page}, "timestamp": n,
            "message": {"mid": format!("m{n}"), "text": "x"},
        }]})
    };
    let body = serde_json::json!({
        "object": "page",
        "entry": [entry("10", 1), entry("20", 2), entry("10", 3), {"time": 4}],
    });
    let parts = channel.by_account(&message(body.to_string().as_bytes()));
    let read: Vec<(Option<&str>, usize)> = parts
        .iter()
        .map(|part| {
            let notices = channel.parse(&part.message).unwrap();
            (part.account.as_deref(), notices.len())
        })
        .collect();
    assert_eq!(read, [(Some("10"), 2), (Some("20"), 1), (None, 1)]);
}
