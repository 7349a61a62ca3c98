//! Who is let in, and what a call comes to.

use http::HeaderMap;
use serde_json::json;

use super::*;
use crate::inbound::{ConversationNotice, NoticeBody, Source};

fn channel() -> Box<dyn Channel> {
    let settings = json!({"token": {"$secret": ["omi-token-next", "omi-token"]}});
    build(&settings, &ChannelContext { id: "o".to_owned() }).unwrap()
}

fn post(path: &str, header: Option<&str>) -> RawWebhook {
    let mut headers = HeaderMap::new();
    if let Some(header) = header {
        headers.insert("x-webhook-token", header.parse().unwrap());
    }
    RawWebhook {
        method: Method::POST,
        uri: path.parse().unwrap(),
        headers,
        body: Bytes::from_static(b"{}"),
    }
}

fn call(event: &Value) -> ConversationNotice {
    let body = Bytes::from(event.to_string());
    let message = VerifiedWebhook::from_inbox(Source::Push, None, String::new(), body);
    match channel().parse(&message).unwrap().remove(0).body {
        NoticeBody::Call(call) => *call,
        body => panic!("{body:?}"),
    }
}

fn event(state: &str) -> Value {
    json!({
        "transaction_id": "c-1", "direction": "inbound", "source_number": "0901234567",
        "destination_number": "842871234567", "state": state, "created_date": 1_764_820_800_000_i64,
    })
}

#[test]
fn a_message_is_let_in_by_the_token_in_header_or_address() {
    let channel = channel();
    let judge = |path: &str, header| channel.verify(&post(path, header), Timestamp::UNIX_EPOCH);
    for (path, header) in [
        ("/webhooks/omicall", Some("omi-token")),
        ("/webhooks/omicall", Some("Bearer omi-token-next")),
        ("/webhooks/omicall/omi-token", None),
        ("/kenh/webhooks/omicall/omi-token/", None),
    ] {
        let verdict = judge(path, header);
        assert!(matches!(verdict, Verdict::Message(_)), "{path} {header:?}");
    }
    for (path, header, why) in [
        ("/webhooks/omicall", None, Rejection::MissingSignature),
        ("/webhooks/omicall/", None, Rejection::MissingSignature),
        (
            "/webhooks/omicall",
            Some("omi-toke"),
            Rejection::BadSignature,
        ),
        ("/webhooks/omicall", Some(""), Rejection::BadSignature),
        ("/webhooks/omicall/omi-toke", None, Rejection::BadSignature),
        // A wrong header is not made good by the address.
        (
            "/webhooks/omicall/omi-token",
            Some("x"),
            Rejection::BadSignature,
        ),
    ] {
        let verdict = judge(path, header);
        assert!(
            matches!(verdict, Verdict::Rejected(reason) if reason == why),
            "{path} {header:?}: {verdict:?}"
        );
    }
    assert!(channel.weak());
}

#[test]
fn a_call_that_nobody_answered_asks_to_be_called_back() {
    let mut hangup = event("hangup");
    hangup["disposition"] = json!("no_answer");
    hangup["bill_sec"] = json!(0);
    assert!(call(&hangup).hints.contains(&"call_back".to_owned()));
    hangup["disposition"] = json!("answered");
    assert!(!call(&hangup).hints.contains(&"call_back".to_owned()));
    hangup["direction"] = json!("outbound");
    hangup["disposition"] = json!("busy");
    let out = call(&hangup);
    assert!(out.outgoing && !out.hints.contains(&"missed".to_owned()));
    // Seen from us the roles have changed.
    assert_eq!(out.account, "+84901234567");
}

#[test]
fn states_of_a_call_follow_each_other_though_its_date_stays() {
    let mut answered = event("answered");
    answered["time_start_to_answer"] = json!(1_764_820_812);
    let mut hangup = event("hangup");
    hangup["duration"] = json!(135);
    let times = [
        call(&event("ringing")).at,
        call(&answered).at,
        call(&hangup).at,
    ];
    assert!(times.is_sorted_by(|one, other| one < other), "{times:?}");
    // Even where nothing but the state tells them apart.
    let bare = ["ringing", "answered", "hangup"].map(|state| call(&event(state)).at);
    assert!(bare.is_sorted_by(|one, other| one < other), "{bare:?}");
}

#[test]
fn a_hidden_caller_cannot_be_called_back() {
    let mut hidden = event("hangup");
    hidden["source_number"] = json!("anonymous");
    let hidden = call(&hidden);
    assert_eq!(hidden.person, "hidden:c-1");
    assert!(hidden.hints.contains(&"missed".to_owned()));
    assert!(!hidden.hints.contains(&"call_back".to_owned()));
}
