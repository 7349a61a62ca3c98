//! Calls as Stringee tells them; signatures made by other software.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use serde_json::json;

use super::*;
use crate::inbound::{ConversationNotice, NoticeBody, Source};

const SECRET: &str = "stringee-signing-secret-for-tests";
const ASKED: &str = "/webhooks/stringee/answer?from=84901234567&to=842871234567&uuid=00000000-0000-4000-8000-00000000c7d9&fromInternal=false";

fn channel(answer: Option<&str>) -> Box<dyn Channel> {
    let mut settings = json!({"signing_secret": {"$secret": [SECRET]}});
    if let Some(answer) = answer {
        settings["answer"] = json!(answer);
    }
    build(&settings, &ChannelContext { id: "s".to_owned() }).unwrap()
}

fn sign(text: &str) -> String {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn get(target: &str, signature: &str) -> RawWebhook {
    let mut headers = HeaderMap::new();
    headers.insert("x-stringee-signature", signature.parse().unwrap());
    RawWebhook {
        method: Method::GET,
        uri: target.parse().unwrap(),
        headers,
        body: Bytes::new(),
    }
}

fn asked(channel: &dyn Channel, target: &str) -> Acknowledgement {
    match channel.verify(&get(target, &sign(target)), Timestamp::UNIX_EPOCH) {
        Verdict::Ping(answer) => answer,
        verdict => panic!("{verdict:?}"),
    }
}

fn told(event: &Value) -> Result<Vec<Notice>, PayloadError> {
    let body = Bytes::from(event.to_string());
    let message = VerifiedWebhook::from_inbox(Source::Push, None, String::new(), body);
    channel(None).parse(&message)
}

fn call(event: &Value) -> ConversationNotice {
    match told(event).unwrap().remove(0).body {
        NoticeBody::Call(call) => *call,
        body => panic!("{body:?}"),
    }
}

fn event(status: &str, at: i64) -> Value {
    json!({
        "call_status": status, "timestamp_ms": at, "call_id": "call-1", "type": "stringee_call",
        "from": {"number": "84901234567", "alias": "84901234567", "type": "external"},
        "to": {"number": "842871234567", "alias": "842871234567", "type": "internal"},
    })
}

#[test]
fn an_answer_request_is_signed_over_path_and_query() {
    let channel = channel(Some("agent_1"));
    // PHP and openssl made this one.
    let raw = get(ASKED, "AMGIaY5rQBIRD+0bFMwG3yckB3k=");
    assert!(matches!(
        channel.verify(&raw, Timestamp::UNIX_EPOCH),
        Verdict::Ping(_)
    ));
    for changed in [
        ASKED.replace("84901234567", "84901234568"),
        ASKED.replace("/answer", "/answers"),
        ASKED.replace("false", "true"),
        format!("{ASKED}&x=1"),
    ] {
        let raw = get(&changed, "AMGIaY5rQBIRD+0bFMwG3yckB3k=");
        let verdict = channel.verify(&raw, Timestamp::UNIX_EPOCH);
        assert!(
            matches!(verdict, Verdict::Rejected(Rejection::BadSignature)),
            "{changed}"
        );
    }
}

#[test]
fn a_caller_is_connected_to_the_agent_or_the_number_that_is_configured() {
    let document = |answer: &str| -> Value {
        let answer = asked(&*channel(Some(answer)), ASKED);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.content_type, Some("application/json"));
        serde_json::from_slice(&answer.body).unwrap()
    };
    let agent = document("agent_1");
    assert_eq!(agent[0]["action"], "connect");
    assert_eq!(agent[0]["from"]["number"], "84901234567");
    assert_eq!(
        agent[0]["to"],
        json!({"type": "internal", "number": "agent_1", "alias": "842871234567"})
    );
    assert_eq!(agent[0]["timeout"], 45);
    // A phone outside sees our number, because only ours may be sent.
    let phone = document("0909 888 777");
    assert_eq!(phone[0]["from"]["number"], "842871234567");
    assert_eq!(phone[0]["to"]["type"], "external");
    assert_eq!(phone[0]["to"]["number"], "84909888777");
    let own = document(
        r#"[{"action":"talk","text":"Xin chào {from}"},{"action":"connect","to":{"number":"a"}}]"#,
    );
    assert_eq!(own[0]["text"], "Xin chào 84901234567");
    assert_eq!(own[1]["to"]["number"], "a");
}

#[test]
fn what_a_caller_is_called_never_becomes_an_action() {
    let target = "/webhooks/s/answer?from=%22%7D%2C%7B%22action%22&to=1&fromInternal=false";
    let channel = channel(Some(r#"[{"action":"talk","text":"{from}"}]"#));
    let document: Value = serde_json::from_slice(&asked(&*channel, target).body).unwrap();
    assert_eq!(
        document,
        json!([{"action": "talk", "text": "\"},{\"action\""}])
    );
}

#[test]
fn an_agent_who_dials_out_is_connected_to_what_was_dialled() {
    for answer in ["agent_1", r#"[{"action":"talk","text":"x"}]"#] {
        for (dialled, kind) in [("84901234567", "external"), ("agent_2", "internal")] {
            let target = format!("/webhooks/s/answer?from=agent_1&to={dialled}&fromInternal=true");
            let answer = asked(&*channel(Some(answer)), &target);
            let document: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(document[0]["to"]["type"], kind);
            assert_eq!(document[0]["to"]["number"], dialled);
            assert_eq!(document[0]["from"]["type"], "internal");
        }
    }
}

#[test]
fn without_an_answer_there_is_none() {
    let answer = asked(&*channel(None), ASKED);
    assert_eq!(answer, Acknowledgement::empty(http::StatusCode::NOT_FOUND));
}

#[test]
fn an_answer_that_stringee_could_not_read_is_refused_when_it_is_configured() {
    for wrong in [
        "[",
        "{\"action\":\"talk\"}",
        "[]",
        "[{\"text\":\"x\"}]",
        "a b",
        "",
        "đ",
    ] {
        let settings = json!({"signing_secret": {"$secret": [SECRET]}, "answer": wrong});
        let error = build(&settings, &ChannelContext { id: "s".to_owned() }).unwrap_err();
        assert_eq!(error.path, "answer", "{wrong}");
    }
}

#[test]
fn only_a_call_from_outside_that_nobody_answered_asks_to_be_called_back() {
    let mut ended = event("ended", 1_764_820_800_000);
    ended["duration"] = json!(20);
    ended["answerDuration"] = json!(0);
    assert!(call(&ended).hints.contains(&"call_back".to_owned()));
    ended["answerDuration"] = json!(9);
    assert!(!call(&ended).hints.contains(&"call_back".to_owned()));
    assert!(
        !call(&event("answered", 1))
            .hints
            .contains(&"call_back".to_owned())
    );

    let mut out = event("ended", 1_764_820_800_000);
    out["from"] = json!({"type": "internal", "number": "agent_1", "alias": "842871234567"});
    out["to"] = json!({"type": "external", "number": "0901234567"});
    out["answerDuration"] = json!(0);
    let out = call(&out);
    assert!(out.outgoing);
    assert_eq!(
        (&*out.person, &*out.account),
        ("+84901234567", "+842871234567")
    );
    assert!(out.hints.contains(&"agent:agent_1".to_owned()));
    assert!(!out.hints.contains(&"call_back".to_owned()));
}

#[test]
fn states_of_one_moment_keep_the_order_of_a_call() {
    let times: Vec<Timestamp> = [
        "created",
        "started",
        "ringing",
        "a new word",
        "answered",
        "ended",
    ]
    .iter()
    .map(|status| call(&event(status, 1_764_820_800_000)).at)
    .collect();
    assert!(times.is_sorted_by(|one, other| one < other), "{times:?}");
}

#[test]
fn calls_of_one_person_meet_in_one_conversation_and_hidden_ones_do_not() {
    let mut national = event("created", 1);
    national["from"]["number"] = json!("0901234567");
    assert_eq!(call(&national).person, call(&event("created", 1)).person);
    let mut hidden = event("created", 1);
    hidden["from"]["number"] = json!("anonymous");
    let first = call(&hidden);
    hidden["call_id"] = json!("call-2");
    assert_ne!(first.person, call(&hidden).person);
    assert_eq!(first.buyer, None);
}

#[test]
fn agents_among_themselves_are_no_conversation() {
    let mut inside = event("created", 1);
    inside["from"] = json!({"type": "internal", "number": "agent_1"});
    let notices = told(&inside).unwrap();
    assert!(matches!(&notices[0].body, NoticeBody::Ignored { .. }));
}

#[test]
fn an_event_without_its_base_fields_is_an_error_that_names_the_field() {
    for (field, what) in [
        ("call_id", "call_id: missing"),
        ("timestamp_ms", "timestamp_ms: expected milliseconds"),
    ] {
        let mut event = event("created", 1);
        event.as_object_mut().unwrap().remove(field);
        assert_eq!(told(&event).unwrap_err().what, what);
    }
}
