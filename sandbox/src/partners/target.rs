//! The front of every target of the open contract: signature, idempotency, faults; what the
//! call means is left to the module of the target's kind.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Call, Reply, around, inventory, invoicing, service_center};
use crate::{
    books::{Kind, Ledger, Line, Remembered},
    signing,
    world::{World, held, seconds},
};

/// Seconds that a request's timestamp may be off.
const TOLERANCE_S: i64 = 300;

/// What must run after an effect: a life that reports back by callbacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Then {
    Nothing,
    Fulfill { id: String, life: u32 },
    Invoice { id: String, issued: bool },
    Serve { id: String, life: u32 },
    CancelWork { id: String },
}

/// An effect's answer and what follows from it.
pub(crate) struct Effect {
    pub(crate) reply: Reply,
    pub(crate) then: Then,
}

impl Effect {
    pub(crate) fn of(reply: Reply) -> Self {
        Self {
            reply,
            then: Then::Nothing,
        }
    }
}

/// What a kind's module works with.
pub(crate) struct Ask<'a> {
    pub(crate) world: &'a World,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) target: &'a str,
    pub(crate) key: &'a str,
    pub(crate) body: Value,
}

impl Ask<'_> {
    pub(crate) fn text(&self, field: &str) -> String {
        as_text(&self.body[field])
    }

    pub(crate) fn lines(&self, field: &str) -> Vec<Line> {
        lines(&self.body[field])
    }

    pub(crate) fn violation(&mut self, text: &str) {
        let Self { target, key, .. } = self;
        let sentence = format!("{target}: {text} (key {key})");
        self.ledger.violation(sentence);
    }
}

pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// `[{line_id, sku, quantity}]`, whatever else each item holds.
pub(crate) fn lines(value: &Value) -> Vec<Line> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|line| Line {
            line_id: as_text(&line["line_id"]),
            sku: as_text(&line["sku"]),
            quantity: line["quantity"].as_i64().unwrap_or(0),
        })
        .collect()
}

pub(crate) async fn answer(world: &Arc<World>, target: &str, call: Call) -> Reply {
    held(&world.ledger).target(target).requests += 1;
    if let Err(reason) = verify(world, target, &call) {
        held(&world.ledger).violation(format!("{target}: {} {}: {reason}", call.method, call.path));
        return Reply::json(401, json!({"code": "signature", "message": reason}));
    }
    if call.method == http::Method::GET {
        let fault = world.faults.draw(&format!("{target}:GET:{}", call.path));
        return around(fault, &call.wire, || look_up(world, target, &call)).await;
    }
    let key = call.header("idempotency-key").to_owned();
    let name = format!("{} {}", call.method, call.path);
    let fault = world.faults.draw(&format!("{target}:{key}:{name}"));
    around(fault, &call.wire, || {
        let effect = once(world, target, &key, &name, &call);
        start(world, target, &effect.then);
        effect.reply
    })
    .await
}

/// Standard Webhooks over the body, and the headers that the contract promises.
fn verify(world: &World, target: &str, call: &Call) -> Result<(), &'static str> {
    let id = call.header("webhook-id");
    let at: i64 = call
        .header("webhook-timestamp")
        .parse()
        .map_err(|_| "webhook-timestamp is missing or no number")?;
    if (seconds() - at).abs() > TOLERANCE_S {
        return Err("webhook-timestamp is outside the tolerance");
    }
    let header = call.header("webhook-signature");
    let secret = world.secrets.target(target);
    if id.is_empty() || !signing::standard_matches(&secret, id, at, &call.body, header) {
        return Err("webhook-signature does not match");
    }
    Ok(())
}

/// Answers a known key from memory, does anything else exactly once.
fn once(world: &World, target: &str, key: &str, name: &str, call: &Call) -> Effect {
    let mut ledger = held(&world.ledger);
    let body = call.json();
    if key.is_empty() {
        ledger.violation(format!("{target}: {name}: no Idempotency-Key"));
        return Effect::of(Reply::json(
            400,
            json!({"code": "idempotency_key", "message": "Idempotency-Key is required"}),
        ));
    }
    let essence = essence(&body);
    if let Some(first) = ledger.target(target).answers.get(key).cloned() {
        *ledger
            .target(target)
            .repeats
            .entry(key.to_owned())
            .or_insert(0) += 1;
        if first.call != name {
            ledger.violation(format!(
                "{target}: key {key} was used for {} and then for {name}",
                first.call
            ));
        } else if first.essence != essence {
            ledger.violation(format!(
                "{target}: key {key} came again with another content"
            ));
        }
        let status = if first.status == 201 {
            200
        } else {
            first.status
        };
        return Effect::of(Reply {
            status,
            body: first.body,
            ..Reply::empty(status)
        });
    }
    check_headers(&mut ledger, target, key, name, call, &body);
    let kind = ledger.target(target).kind;
    let mut ask = Ask {
        world,
        ledger: &mut ledger,
        target,
        key,
        body,
    };
    let effect = match kind {
        Kind::Inventory => inventory::apply(&mut ask, call),
        Kind::Invoicing => invoicing::apply(&mut ask, call),
        Kind::ServiceCenter => service_center::apply(&mut ask, call),
    };
    let remembered = Remembered {
        call: name.to_owned(),
        essence,
        status: effect.reply.status,
        body: effect.reply.body.clone(),
    };
    ledger
        .target(target)
        .answers
        .insert(key.to_owned(), remembered);
    effect
}

/// `{order code}.{leg}.{subject id}.{generation}`, equal to `webhook-id`, with a trace.
fn check_headers(
    ledger: &mut Ledger,
    target: &str,
    key: &str,
    name: &str,
    call: &Call,
    body: &Value,
) {
    if call.header("webhook-id") != key {
        ledger.violation(format!(
            "{target}: {name}: webhook-id differs from Idempotency-Key"
        ));
    }
    if call.header("traceparent").is_empty() {
        ledger.violation(format!("{target}: requests carry no traceparent"));
    }
    let parts: Vec<&str> = key.split('.').collect();
    let order_ref = as_text(&body["order_ref"]);
    let wrong_order = !order_ref.is_empty() && parts.first() != Some(&order_ref.as_str());
    if parts.len() != 4 || wrong_order {
        ledger.violation(format!("{target}: {name}: malformed idempotency key {key}"));
    }
}

/// The content that must not change between two tries of one effect.
fn essence(body: &Value) -> Value {
    let mut essence = body.clone();
    if let Some(fields) = essence.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "expires_at" | "deadline" | "note"));
    }
    essence
}

fn look_up(world: &World, target: &str, call: &Call) -> Reply {
    let mut ledger = held(&world.ledger);
    let books = ledger.target(target);
    let found = match books.kind {
        Kind::Inventory => inventory::look_up(books, call),
        Kind::Invoicing => invoicing::look_up(books, call),
        Kind::ServiceCenter => service_center::look_up(books, call),
    };
    match found {
        Some(body) => Reply::json(200, body),
        None => not_found(),
    }
}

pub(crate) fn not_found() -> Reply {
    Reply::json(
        404,
        json!({"code": "not_found", "message": "no such object"}),
    )
}

/// The answer to a path or method that the contract does not have.
pub(crate) fn no_such_call(ask: &mut Ask<'_>, call: &Call) -> Effect {
    ask.violation(&format!(
        "{} {} is not in the contract",
        call.method, call.path
    ));
    Effect::of(not_found())
}

fn start(world: &Arc<World>, target: &str, then: &Then) {
    let (shared, target) = (Arc::clone(world), target.to_owned());
    match then.clone() {
        Then::Nothing => {}
        Then::Fulfill { id, life } => {
            world.job(async move { inventory::live(&shared, &target, &id, life).await });
        }
        Then::Invoice { id, issued } => {
            world.job(async move { invoicing::live(&shared, &target, &id, issued).await });
        }
        Then::Serve { id, life } => {
            world.job(async move { service_center::live(&shared, &target, &id, life).await });
        }
        Then::CancelWork { id } => {
            world.job(async move { service_center::cancelled(&shared, &target, &id).await });
        }
    }
}
