//! Calls that belong together: a look and what follows it, page after page, and what was polled
//! against what was pushed.

use serde_json::json;

use super::*;
use crate::channel::{PollWindow, Polled};
use crate::feedback::Subscribed;
use crate::inbound::Source;

const PAGE: &str = "104512345678901";
const OTHER: &str = "204512345678902";

fn channel() -> Box<dyn Channel> {
    let settings = json!({
        "app_secret": {"$secret": ["meta-app-secret-for-tests-0123456789"]},
        "verify_token": {"$secret": ["v"]},
        "page_tokens": {PAGE: {"$secret": ["page-token"]}, OTHER: {"$secret": ["other-token"]}},
        "instagram_pages": {"17841400000000001": OTHER},
    });
    build(&settings, &ChannelContext { id: "f".to_owned() }).unwrap()
}

fn call() -> CallContext<'static> {
    CallContext {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        access_token: None,
    }
}

fn window(cursor: Option<String>) -> PollWindow {
    PollWindow {
        from: "2025-12-04T00:00:00Z".parse().unwrap(),
        to: "2026-01-01T00:00:00Z".parse().unwrap(),
        cursor,
    }
}

fn answer(body: &Value) -> Response<Bytes> {
    Response::new(Bytes::from(body.to_string()))
}

#[test]
fn a_page_that_lacks_something_is_repaired_before_the_next_is_looked_at() {
    let channel = channel();
    let subscriptions = channel.subscriptions().unwrap();
    let whole = json!({"data": [{"id": "1", "subscribed_fields": default_fields()}]});
    let answers = [
        ("GET", PAGE, json!({"data": []})),
        ("POST", PAGE, json!({"success": true})),
        ("GET", OTHER, whole),
    ];
    let mut got = Vec::new();
    for (at, (method, page, body)) in answers.iter().enumerate() {
        let request = subscriptions.request(None, &got, call()).unwrap();
        assert_eq!(request.method().as_str(), *method);
        assert!(
            request.uri().path().contains(page),
            "{at}: {}",
            request.uri()
        );
        match subscriptions.read(None, &got, &answer(body)) {
            Subscribed::Part(part) => got.push(part),
            last => {
                assert_eq!((at, last), (2, Subscribed::Repaired));
                return;
            }
        }
    }
    panic!("the look never ended");
}

#[test]
fn conversations_of_every_page_and_instagram_account_are_asked_for_in_turn() {
    let channel = channel();
    let polling = channel.polling().unwrap();
    let mut cursor = None;
    let mut asked = Vec::new();
    loop {
        let window = window(cursor.clone());
        let request = polling.request("conversations", &window, call());
        let platform = request.uri().query().unwrap().contains("=instagram");
        asked.push((request.uri().path().to_owned(), platform));
        match polling.read("conversations", &window, &answer(&json!({"data": []}))) {
            Ok(Polled::Page {
                next: Some(next), ..
            }) => cursor = Some(next),
            Ok(Polled::Page { next: None, .. }) => break,
            other => panic!("{other:?}"),
        }
    }
    let path = |page: &str| format!("/v26.0/{page}/conversations");
    assert_eq!(
        asked,
        [
            (path(PAGE), false),
            (path(OTHER), false),
            (path(OTHER), true)
        ]
    );
}

#[test]
fn a_comment_that_is_polled_has_the_key_of_the_push_that_told_it() {
    let channel = channel();
    let body = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/facebook/feed_comment_add_live.json"
    ))
    .unwrap();
    let pushed = VerifiedWebhook::from_inbox(Source::Push, None, String::new(), body.into());
    let page = json!({"data": [{
        "id": "998877665544332_1122334455667788", "message": "chốt A12 x2 0901234567",
        "from": {"id": "8123456789012345", "name": "Nguyễn Thử Nghiệm"},
        "created_time": "2025-12-04T04:00:50+0000",
    }]});
    let window = window(Some("0|1230001:998877665544332|".to_owned()));
    let read = channel.polling().unwrap();
    let Ok(Polled::Page { messages, next }) = read.read("live_comments", &window, &answer(&page))
    else {
        panic!("expected a page");
    };
    assert_eq!(next.as_deref(), Some("1||"));
    assert_eq!(channel.dedup_key(&messages[0]), channel.dedup_key(&pushed));
    let said = |message: &VerifiedWebhook| match channel.parse(message).unwrap().remove(0).body {
        NoticeBody::Conversation(said) => *said,
        body => panic!("{body:?}"),
    };
    let (polled, pushed) = (said(&messages[0]), said(&pushed));
    assert_eq!(polled.message_id, pushed.message_id);
    assert_eq!(
        (&polled.person, &polled.text),
        (&pushed.person, &pushed.text)
    );
    assert_eq!((polled.at, polled.hints[0].as_str()), (pushed.at, "live"));
}

#[test]
fn a_poll_goes_on_with_a_cursor_of_an_account_that_is_gone() {
    let channel = channel();
    let polling = channel.polling().unwrap();
    let window = window(Some("7||x".to_owned()));
    let request = polling.request("conversations", &window, call());
    assert_eq!(request.uri().path(), "/v26.0/");
    assert!(!request.headers().contains_key("authorization"));
}

#[test]
fn an_instagram_account_needs_a_page_with_a_token() {
    let settings = json!({
        "app_secret": {"$secret": ["a"]}, "verify_token": {"$secret": ["v"]},
        "instagram_pages": {"17841400000000001": PAGE},
    });
    let error = build(&settings, &ChannelContext { id: "f".to_owned() }).unwrap_err();
    assert_eq!(error.path, "instagram_pages.17841400000000001");
}

#[test]
fn without_tokens_nothing_is_polled_or_looked_after() {
    let settings = json!({"app_secret": {"$secret": ["a"]}, "verify_token": {"$secret": ["v"]}});
    let channel = build(&settings, &ChannelContext { id: "f".to_owned() }).unwrap();
    assert!(channel.polling().is_none() && channel.subscriptions().is_none());
}

#[test]
fn what_the_webhooks_are_about_to_tell_is_left_to_them() {
    let channel = channel();
    let window = PollWindow {
        from: "2026-01-01T00:00:00Z".parse().unwrap(),
        to: "2026-01-01T00:10:00Z".parse().unwrap(),
        cursor: None,
    };
    let said = |id: &str, at: &str| {
        json!({"id": id, "message": "a", "from": {"id": "7"}, "to": {"data": [{"id": PAGE}]},
            "created_time": at})
    };
    let thread = json!({"data": [{"updated_time": "2026-01-01T00:09:00+0000", "messages": {"data": [
        said("young", "2026-01-01T00:08:00+0000"),
        said("old enough", "2026-01-01T00:07:59+0000"),
        said("before", "2025-12-31T23:59:59+0000"),
    ]}}]});
    let polling = channel.polling().unwrap();
    let Ok(Polled::Page { messages, .. }) =
        polling.read("conversations", &window, &answer(&thread))
    else {
        panic!("expected a page");
    };
    let ids: Vec<String> = messages
        .iter()
        .map(
            |message| match channel.parse(message).unwrap().remove(0).body {
                NoticeBody::Conversation(said) => said.message_id,
                body => panic!("{body:?}"),
            },
        )
        .collect();
    assert_eq!(ids, ["old enough"]);
    // The next window reaches back far enough to meet it.
    for (kind, grace) in [("conversations", 120), ("live_comments", 30)] {
        assert!(polling.overlap_s(kind) > grace);
    }
}
