//! What we tell and ask vendors: the requests that are built, and what their answers mean.
//!
//! A case gives the intention (`about`), the answers so far (`got`) and one more answer (its
//! body). The snapshot shows the request that this answer belongs to, and what it came to.

use bytes::Bytes;
use connectors::channel::CallContext;
use connectors::feedback::{LabelOf, Labelled, PaymentQuestion, Queried, Step, Try};
use domain::task::{ChannelMessage, ChannelTask, StockLevel};
use http::{Request, Response};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::conformance::{notice_shown, text};
use crate::fixtures::{Case, Kind};

/// The access token of all cases, for vendors that have one.
static TOKEN: std::sync::LazyLock<SecretString> =
    std::sync::LazyLock::new(|| SecretString::from("access-of-the-fixtures"));

/// The idempotency key of all cases.
const KEY: &str = "KE000001230.channel.ord_1.1";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    reference: String,
    transaction: Option<String>,
    begun_at: Timestamp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parcel {
    external_id: String,
    parcel: Option<String>,
    tracking: Option<String>,
}

pub fn call(case: &Case) -> CallContext<'static> {
    CallContext {
        now: case.meta.now,
        access_token: Some(&TOKEN),
    }
}

pub fn request_shown(request: &Request<Bytes>) -> Value {
    let headers: Vec<String> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    json!({
        "method": request.method().as_str(),
        "uri": request.uri().to_string(),
        "headers": headers,
        "body": text(request.body()),
    })
}

fn about<T: serde::de::DeserializeOwned>(case: &Case) -> T {
    let about = case.meta.about.clone().expect("the case says about what");
    serde_json::from_value(about).unwrap_or_else(|error| panic!("{}: {error}", case.label()))
}

fn step_shown(step: &Step) -> Value {
    match step {
        Step::Part(part) => json!({"part": text(part)}),
        Step::Done(outcome) => json!({"done": outcome}),
        Step::TokenExpired => json!("token_expired"),
    }
}

fn asked<E: std::fmt::Display>(built: Result<Request<Bytes>, E>) -> Value {
    match built {
        Ok(request) => request_shown(&request),
        Err(error) => json!({"unbuildable": error.to_string()}),
    }
}

fn attempt<'a>(case: &Case, got: &'a [Bytes]) -> Try<'a> {
    Try {
        key: KEY,
        got,
        unknown: case.meta.unknown,
    }
}

/// What an outsider sees of a case.
pub fn outcome(case: &Case) -> Value {
    let got = case.got();
    let (attempt, call, response) = (attempt(case, &got), call(case), case.response());
    let able = "a connector with such a fixture is able to do it";
    match case.meta.kind {
        Kind::Feedback => {
            let (feedback, task) = (case.channel.feedback().expect(able), about(case));
            let task: ChannelTask = task;
            assert!(
                feedback.takes().contains(&task.news.kind()),
                "{}",
                case.label()
            );
            json!({
                "request": asked(feedback.request(&task, attempt, call)),
                "read": step_shown(&feedback.read(&task, attempt, &response)),
            })
        }
        Kind::Stock => {
            let stock = case.channel.feedback().and_then(|f| f.stock()).expect(able);
            let level: StockLevel = about(case);
            json!({
                "request": asked(stock.request(&level, attempt, call)),
                "read": step_shown(&stock.read(&level, attempt, &response)),
            })
        }
        Kind::Message => {
            let (messages, message) = (case.channel.messages().expect(able), about(case));
            let message: ChannelMessage = message;
            json!({
                "window": format!("{:?}", messages.window(&message, case.meta.now)),
                "request": asked(messages.request(&message, attempt, call)),
                "read": step_shown(&messages.read(&message, attempt, &response)),
            })
        }
        Kind::Query => {
            let payments = case.channel.payments().expect(able);
            let question: Question = about(case);
            let question = question.asked();
            let queried = match payments.read_query(question, &response) {
                Ok(Queried::Message(message)) => json!({
                    "dedup_key": case.channel.dedup_key(&message),
                    "notices": case.channel.parse(&message).map(|notices| {
                        notices.iter().map(notice_shown).collect::<Vec<_>>()
                    }).unwrap_or_else(|error| vec![json!({"unreadable": error.what})]),
                }),
                Ok(other) => json!(format!("{other:?}")),
                Err(error) => json!({"unreadable": error.what}),
            };
            json!({"request": request_shown(&payments.query(question, call)), "read": queried})
        }
        Kind::Label => {
            let (labels, parcel) = (case.channel.labels().expect(able), about(case));
            let parcel: Parcel = parcel;
            let label = parcel.label();
            let read = match labels.read(label, &got, &response) {
                Labelled::Label { content_type, body } => {
                    json!({"label": content_type, "bytes": body.len()})
                }
                Labelled::Part(part) => json!({"part": text(&part)}),
                other => json!(format!("{other:?}")),
            };
            json!({"request": asked(labels.request(label, &got, call)), "read": read})
        }
        Kind::Subscription => {
            let subscriptions = case.channel.subscriptions().expect(able);
            let door = Some("https://kenh.example.vn/webhooks/the-channel");
            json!({
                "request": asked(subscriptions.request(door, &got, call)),
                "read": format!("{:?}", subscriptions.read(door, &got, &response)),
            })
        }
        Kind::Webhook
        | Kind::Handshake
        | Kind::Document
        | Kind::Fetch
        | Kind::Poll
        | Kind::Refresh
        | Kind::Entered => unreachable!("not something that goes out"),
    }
}

impl Question {
    fn asked(&self) -> PaymentQuestion<'_> {
        PaymentQuestion {
            reference: &self.reference,
            transaction: self.transaction.as_deref(),
            begun_at: self.begun_at,
            nonce: "0123456789abcdef0123456789abcdef",
        }
    }
}

impl Parcel {
    fn label(&self) -> LabelOf<'_> {
        LabelOf {
            external_id: &self.external_id,
            parcel: self.parcel.as_deref(),
            tracking: self.tracking.as_deref(),
        }
    }
}

/// Everything that reads an answer to what goes out, on any answer; and the requests that follow
/// from it.
pub fn read_all(case: &Case, response: &Response<Bytes>) {
    let answer = std::slice::from_ref(response.body());
    let call = call(case);
    for got in [&[][..], answer] {
        let attempt = attempt(case, got);
        match (case.meta.kind, &case.meta.about) {
            (Kind::Feedback, Some(_)) => {
                let task: ChannelTask = about(case);
                let feedback = case.channel.feedback().expect("checked by its snapshot");
                let _request = feedback.request(&task, attempt, call);
                let _step = feedback.read(&task, attempt, response);
            }
            (Kind::Stock, Some(_)) => {
                let level: StockLevel = about(case);
                let stock = case.channel.feedback().and_then(|f| f.stock());
                let stock = stock.expect("checked by its snapshot");
                let _request = stock.request(&level, attempt, call);
                let _step = stock.read(&level, attempt, response);
            }
            (Kind::Message, Some(_)) => {
                let message: ChannelMessage = about(case);
                let messages = case.channel.messages().expect("checked by its snapshot");
                let _request = messages.request(&message, attempt, call);
                let _step = messages.read(&message, attempt, response);
            }
            (Kind::Query, Some(_)) => {
                let question: Question = about(case);
                let payments = case.channel.payments().expect("checked by its snapshot");
                let _queried = payments.read_query(question.asked(), response);
            }
            (Kind::Label, Some(_)) => {
                let parcel: Parcel = about(case);
                let labels = case.channel.labels().expect("checked by its snapshot");
                let _request = labels.request(parcel.label(), got, call);
                let _label = labels.read(parcel.label(), got, response);
            }
            (Kind::Subscription, _) => {
                let subscriptions = case
                    .channel
                    .subscriptions()
                    .expect("checked by its snapshot");
                let _request = subscriptions.request(None, got, call);
                let _subscribed = subscriptions.read(None, got, response);
            }
            _ => {}
        }
    }
}
