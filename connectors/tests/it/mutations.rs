//! Nothing that a vendor may send makes a connector panic: every fixture, changed at random.

use bytes::Bytes;
use connectors::channel::Wanted;
use connectors::inbound::{Source, VerifiedWebhook};
use http::Response;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use crate::fixtures::{Case, Kind, all};
use crate::outgoing;

/// Values that break careless readers.
const REPLACEMENTS: &[&str] = &[
    "null",
    "true",
    "-1",
    "0",
    "0.5",
    "1e400",
    "-1e-400",
    "99999999999999999999999",
    "1e18",
    "9223372036854775807",
    "-9223372036854775808",
    "\"\"",
    "\"đ\"",
    "\" \"",
    "\"-0.0\"",
    "\"1e9999999999\"",
    "\"2026-11-24T01:02:03Z\"",
    "\"-262143-01-01T00:00:00\"",
    "[]",
    "{}",
    "[null]",
    "[[[[]]]]",
    "{\"id\":1}",
    "\"order.paid\"",
    "\"CANCELLED\"",
    "1790305265",
];

#[derive(Debug, Clone)]
enum Change {
    Replace(Index, usize),
    Remove(Index),
    Double(Index),
    Cut(Index),
    Flip(Index, u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<Index>(), 0..REPLACEMENTS.len()).prop_map(|(at, with)| Change::Replace(at, with)),
        2 => any::<Index>().prop_map(Change::Remove),
        1 => any::<Index>().prop_map(Change::Double),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, bits)| Change::Flip(at, bits)),
    ]
}

/// Pointers to every value of a document.
fn pointers(value: &Value, path: String, all: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, item) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(item, format!("{path}/{key}"), all);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, format!("{path}/{index}"), all);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    all.push(path);
}

fn changed(body: &[u8], change: &Change) -> Vec<u8> {
    let mut bytes = body.to_vec();
    match change {
        Change::Cut(at) if !bytes.is_empty() => bytes.truncate(at.index(bytes.len())),
        Change::Flip(at, bits) if !bytes.is_empty() => {
            let position = at.index(bytes.len());
            bytes[position] ^= *bits;
        }
        Change::Cut(_) | Change::Flip(..) => {}
        Change::Replace(at, _) | Change::Remove(at) | Change::Double(at) => {
            let Ok(mut document) = serde_json::from_slice::<Value>(body) else {
                return bytes;
            };
            let mut all = Vec::new();
            pointers(&document, String::new(), &mut all);
            let pointer = at.get(&all).clone();
            match change {
                Change::Replace(_, with) => replace(&mut document, &pointer, *with),
                Change::Double(_) => take_out(&mut document, &pointer, 3),
                Change::Remove(_) | Change::Cut(_) | Change::Flip(..) => {
                    take_out(&mut document, &pointer, 0);
                }
            }
            bytes = document.to_string().into_bytes();
        }
    }
    bytes
}

/// Replacements that one run tries, over all documents.
const MOST_REPLACED: usize = 6_000;

fn replace(document: &mut Value, pointer: &str, with: usize) {
    *document.pointer_mut(pointer).unwrap() = serde_json::from_str(REPLACEMENTS[with]).unwrap();
}

/// Takes a member out; an array's item comes back `copies` times.
fn take_out(document: &mut Value, pointer: &str, copies: usize) {
    let Some((parent, key)) = pointer.rsplit_once('/') else {
        return;
    };
    let key = key.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent).unwrap() {
        Value::Object(map) => {
            map.remove(&key);
        }
        Value::Array(items) => {
            let item = items.remove(key.parse().unwrap());
            items.extend(std::iter::repeat_n(item, copies));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Everything that reads bytes of a vendor, on these.
fn read_all(case: &Case, body: Vec<u8>) {
    let body = Bytes::from(body);
    let channel = &case.channel;
    for topic in [
        None,
        Some("get_order_list".to_owned()),
        Some("order.deleted 1".to_owned()),
    ] {
        let query = String::from_utf8_lossy(&body).into_owned();
        let message = VerifiedWebhook::from_inbox(Source::Push, topic, query, body.clone());
        let _key = channel.dedup_key(&message);
        let _account = channel.account(&message);
        let _preflight = channel.preflight(&message);
        // Same input, same answer, whatever it is.
        assert_eq!(channel.parse(&message), channel.parse(&message));
    }
    let _verdict = channel.verify(&raw(case, body.clone()), case.meta.now);
    let _snapshot = channel.normalize(&body);
    for status in [200_u16, 404, 500] {
        let mut response = Response::new(body.clone());
        *response.status_mut() = status.try_into().unwrap();
        let wanted = Wanted::Order("1");
        let _fetched = channel.read_fetch(wanted, &[], &response);
        let _later = channel.read_fetch(wanted, std::slice::from_ref(&body), &response);
        let _next = channel.fetch(wanted, std::slice::from_ref(&body), outgoing::call(case));
        let _answered = channel.answered("x:1:2", &body);
        outgoing::read_all(case, &response);
        if let Some(tokens) = channel.tokens() {
            let _refreshed = tokens.read_refresh(&response, case.meta.now);
        }
        if let (Some(polling), Kind::Poll) = (channel.polling(), case.meta.kind) {
            for kind in polling.kinds() {
                let _page = polling.read(kind, &case.window(), &response);
            }
        }
    }
}

fn raw(case: &Case, body: Bytes) -> connectors::inbound::RawWebhook {
    connectors::inbound::RawWebhook {
        body,
        ..case.request()
    }
}

#[test]
fn a_changed_message_never_makes_a_connector_panic() {
    let cases = all();
    let strategy = (any::<Index>(), proptest::collection::vec(change(), 1..4));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&strategy, |(which, changes)| {
            let case = which.get(&cases);
            let body = changes
                .iter()
                .fold(case.body.to_vec(), |body, change| changed(&body, change));
            read_all(case, body);
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_value_of_every_document_may_be_of_another_form() {
    // A different slice of the replacements at each place, the thinner the more places there are,
    // keeps this within seconds however many fixtures are added.
    let documents: Vec<(Case, Value, Vec<String>)> = all()
        .into_iter()
        .filter_map(|case| {
            let document: Value = serde_json::from_slice(&case.body).ok()?;
            let mut places = Vec::new();
            pointers(&document, String::new(), &mut places);
            Some((case, document, places))
        })
        .collect();
    let places: usize = documents.iter().map(|(_, _, places)| places.len()).sum();
    let stride = (places * REPLACEMENTS.len() / MOST_REPLACED).max(13);
    let mut number = 0;
    for (case, document, places) in &documents {
        for pointer in places {
            for with in 0..REPLACEMENTS.len() {
                number += 1;
                if number % stride != 0 {
                    continue;
                }
                let mut document = document.clone();
                replace(&mut document, pointer, with);
                read_all(case, document.to_string().into_bytes());
            }
        }
    }
}
