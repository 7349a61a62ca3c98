//! The rules that hold for every connector of the registry.

use std::collections::BTreeSet;

use bytes::Bytes;
use connectors::channel::{CallContext, Fetched, Polled, Refreshed, Wanted};
use connectors::channels::staff::Entered;
use connectors::channels::{self, ChannelContext};
use connectors::inbound::{
    Acknowledgement, Notice, NoticeBody, OrderDocument, RawWebhook, Received, Rejection, Verdict,
    VerifiedWebhook,
};
use domain::snapshot::Snapshot;
use http::HeaderValue;
use serde_json::{Value, json};

use crate::fixtures::{Case, Expect, Kind, Signed, all, build, cases, files, settings};

#[test]
fn names_are_unique_and_each_connector_answers_to_its_own() {
    let mut names = BTreeSet::new();
    for entry in channels::CHANNELS {
        assert!(names.insert(entry.name), "{} stands twice", entry.name);
        assert!(!entry.summary.is_empty());
        assert_eq!(channels::find(entry.name).unwrap().name, entry.name);
        let channel = build(entry.name, &std::collections::BTreeMap::new());
        assert_eq!(channel.connector(), entry.name);
    }
    assert!(channels::find("nobody").is_none());
}

#[test]
fn every_connector_has_fixtures_with_their_source() {
    for entry in channels::CHANNELS {
        let cases = cases(entry.name);
        assert!(!cases.is_empty(), "{} has no fixtures", entry.name);
        for case in cases {
            assert!(!case.meta.source.is_empty(), "{}", case.label());
        }
    }
}

#[test]
fn every_file_of_the_fixtures_is_used_by_a_case() {
    for entry in channels::CHANNELS {
        let used: BTreeSet<String> = cases(entry.name).iter().flat_map(Case::files).collect();
        for file in files(entry.name) {
            assert!(
                used.contains(&file) || file == "settings.json",
                "{}/{file} is no case's",
                entry.name
            );
        }
    }
}

#[test]
fn settings_with_an_unknown_key_are_refused_and_name_it() {
    for entry in channels::CHANNELS {
        let context = ChannelContext { id: "x".to_owned() };
        let error = (entry.build)(&json!({"no_such_setting": 1}), &context).unwrap_err();
        assert!(
            error.message.contains("no_such_setting"),
            "{}: {error}",
            entry.name
        );
    }
}

#[test]
fn a_schema_shows_secrets_as_people_write_them() {
    for entry in channels::CHANNELS {
        let schema = (entry.schema)().to_value();
        assert_eq!(
            schema["additionalProperties"],
            json!(false),
            "{}",
            entry.name
        );
        let text = schema.to_string();
        assert!(!text.contains("$secret"), "{}", entry.name);
        insta_text(&format!("schema__{}", entry.name), &pretty(&schema));
    }
    let document = channels::website::order_document_schema().to_value();
    insta_text("schema__order_document", &pretty(&document));
}

#[test]
fn debug_output_of_a_channel_holds_no_secret() {
    for entry in channels::CHANNELS {
        let mut secrets = Vec::new();
        secrets_in(&settings(entry.name), &mut secrets);
        let channel = build(entry.name, &std::collections::BTreeMap::new());
        let shown = format!("{channel:?} {channel:#?}");
        for secret in &secrets {
            assert!(!shown.contains(secret), "{} shows a secret", entry.name);
        }
        assert_eq!(secrets.is_empty(), entry.name == "staff", "{}", entry.name);
    }
}

fn secrets_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let values = map.get("$secret").and_then(Value::as_array);
            found.extend(
                values
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned),
            );
            map.values().for_each(|item| secrets_in(item, found));
        }
        Value::Array(items) => items.iter().for_each(|item| secrets_in(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_recorded_message_is_judged_as_it_must_be() {
    for case in webhooks() {
        let verdict = case.channel.verify(&case.request(), case.meta.now);
        let judged = match &verdict {
            Verdict::Message(_) => Expect::Message,
            Verdict::Ping(_) => Expect::Ping,
            Verdict::Rejected(_) => Expect::Rejected,
        };
        assert_eq!(judged, case.meta.expect, "{}: {verdict:?}", case.label());
    }
}

#[test]
fn one_flipped_byte_anywhere_is_refused() {
    let mut flips = 0;
    for case in webhooks().filter(|case| case.meta.expect == Expect::Message) {
        for raw in flipped(&case) {
            let verdict = case.channel.verify(&raw, case.meta.now);
            assert!(
                !matches!(verdict, Verdict::Message(_)),
                "{}: {raw:?}",
                case.label()
            );
            flips += 1;
        }
    }
    assert!(flips > 1000, "only {flips} flips were tried");
}

#[test]
fn every_recorded_message_comes_to_its_snapshot_twice_the_same() {
    for case in all() {
        let first = outcome(&case);
        assert_eq!(
            first,
            outcome(&case),
            "{} differs from itself",
            case.label()
        );
        insta_text(
            &format!("{}__{}", case.connector, case.name),
            &pretty(&first),
        );
    }
}

#[test]
fn stated_totals_add_up() {
    for case in all().iter().filter(|case| !case.meta.totals_differ) {
        for snapshot in snapshots(case) {
            let (Some(lines), Some(totals)) = (&snapshot.lines, &snapshot.totals) else {
                continue;
            };
            let Some(stated) = totals.grand_total else {
                continue;
            };
            let items: i64 = lines
                .iter()
                .map(|line| line.unit_price.0 * i64::from(line.quantity) - line.discount.0)
                .sum();
            let sum = items - totals.seller_discount.0 - totals.channel_discount.0
                + totals.shipping.0
                + totals.fees.0;
            let exact = snapshot.tags.iter().all(|tag| tag != "amounts_rounded");
            let allowed = if exact {
                0
            } else {
                i64::try_from(lines.len()).unwrap()
            };
            assert!(
                (sum - stated.0).abs() <= allowed,
                "{}: {sum} is not {stated:?}",
                case.label()
            );
        }
    }
}

#[test]
fn line_ids_are_unique_within_an_order() {
    for case in all() {
        for snapshot in snapshots(&case) {
            let lines = snapshot.lines.unwrap_or_default();
            let ids: BTreeSet<&str> = lines.iter().map(|line| line.id.as_str()).collect();
            assert_eq!(ids.len(), lines.len(), "{}", case.label());
        }
    }
}

#[test]
fn a_repeat_has_the_same_key_and_another_message_another() {
    for entry in channels::CHANNELS {
        let mut keys = std::collections::BTreeMap::new();
        for case in cases(entry.name).iter().filter(|case| is_message(case)) {
            let message = verified(case);
            let key = case.channel.dedup_key(&message);
            assert!(
                !key.is_empty() && key.len() <= 300,
                "{}: {key}",
                case.label()
            );
            assert_eq!(
                key,
                case.channel.dedup_key(&from_inbox(&message)),
                "{}",
                case.label()
            );
            let (body, query) = (case.body.clone(), message.query().to_owned());
            let known = keys.entry(key).or_insert((body.clone(), query.clone()));
            assert_eq!(
                *known,
                (body, query),
                "{}: a key with two bodies",
                case.label()
            );
        }
    }
}

fn webhooks() -> impl Iterator<Item = Case> {
    all()
        .into_iter()
        .filter(|case| case.meta.kind == Kind::Webhook)
}

fn is_message(case: &Case) -> bool {
    case.meta.kind == Kind::Webhook && case.meta.expect == Expect::Message
}

fn verified(case: &Case) -> VerifiedWebhook {
    match case.channel.verify(&case.request(), case.meta.now) {
        Verdict::Message(message) => message,
        other => panic!("{}: {other:?}", case.label()),
    }
}

/// As the store gives it back.
fn from_inbox(message: &VerifiedWebhook) -> VerifiedWebhook {
    VerifiedWebhook::from_inbox(
        message.source(),
        message.topic().map(str::to_owned),
        message.query().to_owned(),
        message.body().clone(),
    )
}

/// Bytes of one body that are flipped, at most about so many.
const MOST_FLIPS: usize = 120;

/// The request with one byte changed, for every signed byte and every byte of the signature.
fn flipped(case: &Case) -> Vec<RawWebhook> {
    let raw = case.request();
    let mut all = Vec::new();
    if case.meta.signed == Signed::Body {
        // Long bodies are sampled, first and last byte included: a signature covers all or nothing.
        let stride = (raw.body.len() / MOST_FLIPS).max(1);
        let last = raw.body.len().saturating_sub(1);
        for position in (0..raw.body.len()).step_by(stride).chain([last]) {
            if raw.body.is_empty() {
                break;
            }
            let mut body = raw.body.to_vec();
            body[position] ^= 1;
            all.push(RawWebhook {
                body: Bytes::from(body),
                ..raw.clone()
            });
        }
    } else {
        all.extend(flipped_query(&raw, &case.meta.unsigned_params));
    }
    let signature = case
        .meta
        .signature_header
        .iter()
        .filter(|_| case.meta.signature_flips);
    for header in signature.chain(&case.meta.signed_headers) {
        let value = raw
            .headers
            .get(header.as_str())
            .expect("a signed header is there");
        for position in 0..value.len() {
            let mut bytes = value.as_bytes().to_vec();
            bytes[position] ^= 1;
            let Ok(value) = HeaderValue::from_bytes(&bytes) else {
                continue;
            };
            let mut raw = raw.clone();
            raw.headers
                .insert(header.parse::<http::HeaderName>().unwrap(), value);
            all.push(raw);
        }
        let mut raw = raw.clone();
        raw.headers.remove(header.as_str());
        all.push(raw);
    }
    all
}

fn flipped_query(raw: &RawWebhook, unsigned: &[String]) -> Vec<RawWebhook> {
    let pairs: Vec<&str> = raw.query().split('&').collect();
    let mut all = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        let Some((key, value)) = pair.split_once('=') else {
            continue;
        };
        if unsigned.iter().any(|name| name == key) || value.is_empty() {
            continue;
        }
        let mut value = value.as_bytes().to_vec();
        value[0] ^= 1;
        let changed = format!("{key}={}", String::from_utf8_lossy(&value));
        let mut pairs: Vec<&str> = pairs.clone();
        pairs[index] = &changed;
        let uri = format!("{}?{}", raw.uri.path(), pairs.join("&"));
        if let Ok(uri) = uri.parse() {
            all.push(RawWebhook { uri, ..raw.clone() });
        }
    }
    all
}

/// What an outsider sees of a case.
fn outcome(case: &Case) -> Value {
    let channel = &case.channel;
    match case.meta.kind {
        Kind::Webhook => match channel.verify(&case.request(), case.meta.now) {
            Verdict::Message(message) => message_outcome(case, &message),
            Verdict::Ping(answer) => json!({"ping": answer_shown(&answer)}),
            Verdict::Rejected(why) => json!({
                "rejected": why.as_str(),
                "answer": answer_shown(&channel.acknowledge(&Received::Rejected(why))),
            }),
        },
        Kind::Handshake => json!({
            "handshake": channel.handshake(&case.request()).map(|answer| answer_shown(&answer)),
        }),
        Kind::Document => match channel.normalize(&case.body) {
            Ok(snapshot) => json!({"snapshot": snapshot}),
            Err(error) => json!({"unreadable": error.what}),
        },
        Kind::Fetch => fetch_outcome(case),
        Kind::Poll => poll_outcome(case),
        Kind::Refresh => refresh_outcome(case),
        Kind::Entered => entered_outcome(case),
        Kind::Feedback
        | Kind::Stock
        | Kind::Message
        | Kind::Query
        | Kind::Label
        | Kind::Subscription => crate::outgoing::outcome(case),
    }
}

fn message_outcome(case: &Case, message: &VerifiedWebhook) -> Value {
    let channel = &case.channel;
    let parsed = channel.parse(message);
    assert_eq!(
        parsed,
        channel.parse(&from_inbox(message)),
        "{}",
        case.label()
    );
    assert_eq!(
        parsed.is_err(),
        case.meta.unreadable,
        "{}: {parsed:?}",
        case.label()
    );
    json!({
        "topic": message.topic(),
        "dedup_key": channel.dedup_key(message),
        "account": channel.account(message),
        "preflight": channel.preflight(message).map(|question| format!("{question:?}")),
        "weak": channel.weak(),
        "notices": match &parsed {
            Ok(notices) => notices.iter().map(notice_shown).collect(),
            Err(error) => json!({"unreadable": error.what}),
        },
        "answers": {
            "stored": answer_shown(&channel.acknowledge(&Received::Stored(None))),
            "duplicate": answer_shown(&channel.acknowledge(&Received::Duplicate(None))),
            "rejected": answer_shown(&channel.acknowledge(&Received::Rejected(Rejection::BadSignature))),
            "unavailable": answer_shown(&channel.acknowledge(&Received::Unavailable)),
        },
    })
}

fn fetch_outcome(case: &Case) -> Value {
    let wanted = wanted(case);
    match case
        .channel
        .read_fetch(wanted, &case.got(), &case.response())
    {
        Fetched::Document(document) => match wanted {
            Wanted::Order(_) => match case.channel.normalize(&document) {
                Ok(snapshot) => json!({"document": snapshot}),
                Err(error) => json!({"document": {"unreadable": error.what}}),
            },
            Wanted::Subject(subject) => match case.channel.answered(subject, &document) {
                Ok(body) => json!({"answered": notice_shown(&Notice { key: None, body })}),
                Err(error) => json!({"answered": {"unreadable": error.what}}),
            },
        },
        Fetched::Part(part) => {
            let mut got = case.got();
            got.push(part);
            let next = case
                .channel
                .fetch(wanted, &got, crate::outgoing::call(case));
            json!({"next_request": next.as_ref().map(crate::outgoing::request_shown)})
        }
        other => json!({"fetched": format!("{other:?}")}),
    }
}

fn wanted(case: &Case) -> Wanted<'_> {
    case.meta
        .subject
        .as_deref()
        .map_or(Wanted::Order("1"), Wanted::Subject)
}

fn poll_outcome(case: &Case) -> Value {
    let polling = case
        .channel
        .polling()
        .expect("a connector with poll fixtures polls");
    let kind = case.meta.poll.as_deref().expect("a poll has a kind");
    assert!(polling.kinds().contains(&kind), "{}", case.label());
    assert!(polling.every_s(kind) > 0 && polling.longest_window_s(kind) > polling.overlap_s(kind));
    let call = CallContext {
        now: case.meta.now,
        access_token: None,
    };
    let confirm = polling
        .confirm(kind, &case.response(), call)
        .map(|request| json!({"method": request.method().as_str(), "path": request.uri().path(), "body": text(request.body())}));
    match polling.read(kind, &case.window(), &case.response()) {
        Ok(Polled::Page { messages, next }) => {
            let messages: Vec<Value> = messages
                .iter()
                .map(|message| {
                    json!({
                        "topic": message.topic(),
                        "dedup_key": case.channel.dedup_key(message),
                        "notices": case.channel.parse(message).map(|notices| {
                            notices.iter().map(notice_shown).collect::<Vec<_>>()
                        }).unwrap_or_else(|error| vec![json!({"unreadable": error.what})]),
                    })
                })
                .collect();
            json!({"page": messages, "next": next, "confirm": confirm})
        }
        other => json!({"polled": format!("{other:?}")}),
    }
}

fn refresh_outcome(case: &Case) -> Value {
    let tokens = case
        .channel
        .tokens()
        .expect("a connector with refresh fixtures has tokens");
    match tokens.read_refresh(&case.response(), case.meta.now) {
        Refreshed::Pair(pair) => json!({
            "access_expires_at": pair.access_expires_at,
            "refresh_expires_at": pair.refresh_expires_at,
            "has_refresh": pair.refresh.is_some(),
        }),
        other => json!({"refreshed": format!("{other:?}")}),
    }
}

fn entered_outcome(case: &Case) -> Value {
    let key = case
        .meta
        .idempotency_key
        .as_deref()
        .expect("an entered order has a key");
    match Entered::read(&case.body, key, case.meta.now) {
        Ok(entered) => {
            let message = entered.message(key);
            json!({
                "channel": entered.channel,
                "dedup_key": case.channel.dedup_key(&message),
                "notices": case.channel.parse(&message).unwrap().iter().map(notice_shown).collect::<Vec<_>>(),
            })
        }
        Err(error) => json!({"refused": {"path": error.path, "message": error.message}}),
    }
}

fn snapshots(case: &Case) -> Vec<Snapshot> {
    let of = |notices: Vec<Notice>| {
        notices.into_iter().filter_map(|notice| match notice.body {
            NoticeBody::Order {
                document: OrderDocument::Here(snapshot),
                ..
            } => Some(*snapshot),
            _ => None,
        })
    };
    match case.meta.kind {
        Kind::Webhook if is_message(case) => {
            of(case.channel.parse(&verified(case)).unwrap_or_default()).collect()
        }
        Kind::Document => case.channel.normalize(&case.body).into_iter().collect(),
        Kind::Fetch => match case
            .channel
            .read_fetch(wanted(case), &case.got(), &case.response())
        {
            Fetched::Document(document) => case.channel.normalize(&document).into_iter().collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

pub fn notice_shown(notice: &Notice) -> Value {
    let body = match &notice.body {
        NoticeBody::Order {
            external_id,
            revision,
            document,
        } => json!({
            "external_id": external_id,
            "revision": revision,
            "document": match document {
                OrderDocument::Here(snapshot) => json!(snapshot),
                OrderDocument::Fetch => json!("fetch"),
            },
        }),
        NoticeBody::Payment(body) => json!(body),
        NoticeBody::Conversation(body) | NoticeBody::Call(body) => json!(body),
        NoticeBody::Ask(body) => json!({"ask": body}),
        NoticeBody::Fulfillment(body) => json!(body),
        NoticeBody::Invoice(body) => json!(body),
        NoticeBody::Service(body) => json!(body),
        NoticeBody::Stock(body) => json!(body),
        NoticeBody::Rating(body) => json!(body),
        NoticeBody::Account(body) => json!(body),
        NoticeBody::Ignored { reason } => json!({"reason": reason}),
    };
    json!({"key": notice.key, "kind": notice.body.kind().as_str(), "body": body})
}

fn answer_shown(answer: &Acknowledgement) -> Value {
    json!(format!("{} {}", answer.status.as_u16(), text(&answer.body)).trim_end())
}

pub fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn insta_text(name: &str, content: &str) {
    insta::with_settings!({
        snapshot_path => "snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name.to_owned(), content);
    });
}
