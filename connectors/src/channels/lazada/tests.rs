use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::channel::{CallContext, Channel, PollWindow, Polled, Wanted};
use crate::channels::ChannelContext;
use crate::form;
use crate::inbound::{NoticeBody, RawWebhook, Verdict};

fn lazada(secret: &str) -> Box<dyn Channel> {
    let settings = json!({
        "app_key": "123456",
        "app_secret": { "$secret": [secret] },
        "seller_id": 200_187_654_321_u64,
    });
    let context = ChannelContext {
        id: "lazada-vn".to_owned(),
    };
    (super::ENTRY.build)(&settings, &context).unwrap()
}

fn at_ms(ms: i64, token: &SecretString) -> CallContext<'_> {
    CallContext {
        now: Timestamp::from_millisecond(ms).unwrap(),
        access_token: Some(token),
    }
}

fn parameters(request: &Request<Bytes>) -> BTreeMap<String, String> {
    form::pairs(request.uri().query().unwrap())
        .into_iter()
        .collect()
}

#[test]
fn a_call_is_signed_as_the_vendors_guide_shows() {
    let token = SecretString::from("test");
    let call = at_ms(1_517_820_392_000, &token);
    let request = lazada("helloworld").fetch(Wanted::Order("1234"), &[], call);
    let request = request.unwrap();
    assert_eq!(request.method(), Method::GET);
    assert_eq!(request.uri().host(), Some("api.lazada.vn"));
    assert_eq!(request.uri().path(), "/rest/order/get");
    // The guide's published example.
    assert_eq!(
        parameters(&request)["sign"],
        "4190D32361CFB9581350222F345CB77F3B19F0E31D162316848A2C1FFD5FAB4A"
    );
}

#[test]
fn an_order_is_asked_for_in_two_calls_and_no_more() {
    let lazada = lazada("s");
    let token = SecretString::from("t");
    let call = at_ms(1_790_305_266_000, &token);
    let part = Bytes::from_static(b"{}");
    let ask = |got: &[Bytes], id: &str| lazada.fetch(Wanted::Order(id), got, call);
    let second = ask(std::slice::from_ref(&part), "501234567890123").unwrap();
    assert_eq!(second.uri().path(), "/rest/order/items/get");
    assert!(ask(&[part.clone(), part], "501234567890123").is_none());
    for wrong in ["", "50 12", "đ"] {
        assert!(ask(&[], wrong).is_none(), "{wrong}");
    }
    assert!(lazada.fetch(Wanted::Subject("x"), &[], call).is_none());
}

#[test]
fn a_refresh_goes_to_the_token_host_and_keeps_the_token_out_of_the_address() {
    let lazada = lazada("s");
    let now = Timestamp::from_second(1_790_305_266).unwrap();
    let refresh = SecretString::from("refresh-1");
    let tokens = lazada.tokens().unwrap();
    let request = tokens.refresh(&refresh, now);
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri().host(), Some("auth.lazada.com"));
    assert_eq!(request.uri().path(), "/rest/auth/token/refresh");
    assert_eq!(request.body(), "refresh_token=refresh-1");
    let query = parameters(&request);
    assert!(!query.contains_key("access_token") && !query.contains_key("refresh_token"));
    let secret = SecretString::from("s");
    let signed = [
        ("app_key", "123456"),
        ("timestamp", "1790305266000"),
        ("sign_method", "sha256"),
        ("refresh_token", "refresh-1"),
    ];
    let expected = crate::signature::lazada_api_sign(&secret, "/auth/token/refresh", &signed);
    assert_eq!(query["sign"], expected);
}

#[test]
fn the_list_is_asked_for_by_update_time_oldest_first() {
    let lazada = lazada("s");
    let token = SecretString::from("t");
    let polling = lazada.polling().unwrap();
    let call = at_ms(1_790_305_266_000, &token);
    let query = parameters(&polling.request("orders", &window(Some("1790305260/7")), call));
    assert_eq!(query["update_after"], "2026-09-25T10:01:00+07:00");
    assert_eq!(query["update_before"], "2026-09-25T11:00:00+07:00");
    assert_eq!(
        (&*query["sort_by"], &*query["sort_direction"]),
        ("updated_at", "ASC")
    );
    assert_eq!((&*query["limit"], &*query["offset"]), ("100", "7"));
}

fn window(cursor: Option<&str>) -> PollWindow {
    PollWindow {
        from: "2026-09-25T03:00:00Z".parse().unwrap(),
        to: "2026-09-25T04:00:00Z".parse().unwrap(),
        cursor: cursor.map(str::to_owned),
    }
}

/// The vendor's list over (second after the window's start, order id).
fn listed(orders: &[(i64, u32)], query: &BTreeMap<String, String>) -> Response<Bytes> {
    let after: Timestamp = query["update_after"].parse().unwrap();
    let offset: usize = query["offset"].parse().unwrap();
    let start = window(None).from.as_second();
    let found: Vec<&(i64, u32)> = orders
        .iter()
        .filter(|(second, _)| start + second >= after.as_second())
        .collect();
    let rows: Vec<Value> = found
        .iter()
        .skip(offset)
        .take(100)
        .map(|(second, id)| {
            let at = Timestamp::from_second(start + second).unwrap();
            json!({ "order_id": id, "updated_at": at.to_string() })
        })
        .collect();
    let data = json!({ "countTotal": found.len(), "count": rows.len(), "orders": rows });
    Response::new(Bytes::from(
        json!({ "code": "0", "data": data }).to_string(),
    ))
}

#[test]
fn an_order_that_changes_while_pages_are_read_hides_no_other() {
    let lazada = lazada("s");
    let polling = lazada.polling().unwrap();
    let token = SecretString::from("t");
    let call = at_ms(1_790_305_266_000, &token);
    // 150 orders of one second, so that offsets are needed too, between others.
    let mut orders: Vec<(i64, u32)> = (0..400_u32)
        .map(|id| {
            (
                if (100..250).contains(&id) {
                    500
                } else {
                    i64::from(id) * 3
                },
                id,
            )
        })
        .collect();
    orders.sort_unstable();
    let mut seen = std::collections::BTreeSet::new();
    let mut window = window(None);
    for page in 0.. {
        assert!(page < 12, "the list never ends");
        let query = parameters(&polling.request("orders", &window, call));
        let polled = polling.read("orders", &window, &listed(&orders, &query));
        let Ok(Polled::Page { messages, next }) = polled else {
            panic!("{polled:?}");
        };
        for message in &messages {
            let notice = lazada.parse(message).unwrap().remove(0);
            let NoticeBody::Order { external_id, .. } = notice.body else {
                panic!("{notice:?}");
            };
            seen.insert(external_id);
        }
        // One of the orders read already leaves the window.
        orders.remove(0);
        match next {
            Some(next) => window.cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen.len(), 400);
}

#[test]
fn a_push_of_the_vector_file_is_believed_and_nothing_else_is() {
    let body = include_bytes!("../../../fixtures/lazada/push_00_pending.json");
    let mut raw = RawWebhook {
        method: Method::POST,
        uri: "/webhooks/lazada-vn".parse().unwrap(),
        headers: http::HeaderMap::new(),
        body: Bytes::from_static(body),
    };
    // The value of the vector `lazada-push-1`.
    let tag = "7bc40be1d7605cdfd850a010309412fdc4e3f3051c5fb2ea0ca5de821effadbd";
    let lazada = lazada("lzsecretMadeUp0001");
    let now = Timestamp::from_second(1_790_305_266).unwrap();
    for (given, is_believed) in [
        (tag.to_owned(), true),
        (tag.to_uppercase(), true),
        (format!("sha256={tag}"), false),
        (tag.replace('7', "8"), false),
    ] {
        raw.headers.insert("authorization", given.parse().unwrap());
        let verdict = lazada.verify(&raw, now);
        assert_eq!(
            matches!(verdict, Verdict::Message(_)),
            is_believed,
            "{given}"
        );
    }
    raw.headers.insert("authorization", tag.parse().unwrap());
    raw.body = Bytes::from([body.as_slice(), b"\n"].concat());
    assert!(matches!(lazada.verify(&raw, now), Verdict::Rejected(_)));
}

#[test]
fn lines_keep_their_ids_in_any_order_of_rows_and_when_units_are_cancelled() {
    let head = include_str!("../../../fixtures/lazada/head_multi.json");
    let lines = |change: &dyn Fn(&mut Vec<Value>)| {
        let answer = include_str!("../../../fixtures/lazada/order_items_multi_units.json");
        let answer: Value = serde_json::from_str(answer).unwrap();
        let mut items = answer["data"].as_array().unwrap().clone();
        change(&mut items);
        let document = format!(r#"{{"order":{head},"items":{}}}"#, Value::from(items));
        let snapshot = super::order::normalize(document.as_bytes()).unwrap();
        let lines = snapshot.lines.unwrap();
        let mut lines: Vec<(String, u32)> = lines.into_iter().map(|l| (l.id, l.quantity)).collect();
        lines.sort();
        lines
    };
    let charger = "501234568290123".to_owned();
    let cable = ("501234568690123".to_owned(), 1);
    let whole = vec![(charger.clone(), 3), cable.clone()];
    assert_eq!(lines(&|_| {}), whole);
    assert_eq!(lines(&|items| items.reverse()), whole);
    for cancelled in 0..3 {
        let left = lines(&|items| items[cancelled]["status"] = json!("canceled"));
        assert_eq!(left, [(charger.clone(), 2), cable.clone()]);
    }
}

#[test]
fn settings_that_would_break_a_call_are_refused_by_name() {
    for (field, wrong) in [
        ("app_key", json!("12 34")),
        ("warehouse_code", json!("<x>")),
        ("shipping_allocate_type", json!("")),
        ("other_reason_id", json!("1&2")),
    ] {
        let mut settings = json!({
            "app_key": "123456", "app_secret": { "$secret": ["s"] }, "seller_id": 1,
        });
        settings[field] = wrong;
        let context = ChannelContext { id: "x".to_owned() };
        let error = (super::ENTRY.build)(&settings, &context).unwrap_err();
        assert_eq!(error.path, field);
    }
}
