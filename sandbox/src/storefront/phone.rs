//! The hotline: people call, an agent answers or nobody does, agents call out. Calls are no orders;
//! what is sold by telephone is typed by staff.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Run, people,
    sender::{Message, Sign},
};
use crate::{
    faults::hash,
    secrets::channel,
    signing,
    world::{Outgoing, backoff},
};

pub(crate) const STRINGEE: &str = "stringee";
pub(crate) const OMICALL: &str = "omicall";

/// Our number as the networks write it.
const HOTLINE: &str = "842871234567";
/// Stringee asks for the answer while the caller hears silence.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

fn milliseconds() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The caller: mostly a mobile in one of its spellings, sometimes a landline or hidden.
fn caller(rng: &mut Rng) -> String {
    let national = people::person(rng).national;
    match rng.u8(0..10) {
        0 => "anonymous".to_owned(),
        1 => "02438123456".to_owned(),
        2..=5 => national,
        _ => format!("84{}", &national[1..]),
    }
}

fn stringee(run: &Run, label: String, event: &Value, secret: &str) -> Message {
    let body = event.to_string().into_bytes();
    let signature = signing::stringee(secret, &body);
    Message {
        timeout: Duration::from_secs(5),
        ..Message::post(
            STRINGEE,
            channel::STRINGEE,
            format!("{STRINGEE}:{}:{label}", run.scenario.seed),
            body,
            Sign::Fixed(vec![("x-stringee-signature", signature)]),
        )
    }
}

pub(super) fn state(call: &str, status: &str, person: &str, outgoing: bool) -> Value {
    let theirs = json!({"number": person, "alias": person, "is_online": false, "type": "external"});
    let ours = json!({"number": HOTLINE, "alias": HOTLINE, "is_online": false, "type": "internal"});
    let (from, to) = if outgoing {
        (ours, theirs)
    } else {
        (theirs, ours)
    };
    json!({
        "call_status": status, "project_id": 25,
        "request_from_user_id": if outgoing { "agent_1" } else { "" },
        "account_sid": "AC00000000000000000000000sandbox", "timestamp_ms": milliseconds(),
        "from": from, "to": to, "clientCustomData": "", "type": "stringee_call", "call_id": call,
    })
}

/// A call over Stringee, from the request for its answer to its end; now and then a forger.
pub(crate) async fn hotline(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let secret = run.world.secrets.stringee_signing_secret.clone();
    let tag = hash(run.scenario.seed, &format!("stringee {number}"));
    let call = format!("call-vn-1-{tag:016X}-{number}");
    let person = caller(rng);
    let outgoing = rng.u8(0..5) == 0;
    let answered = rng.u8(0..3) > 0;
    if !outgoing {
        ask(run, &call, &person).await;
    }
    let mut steps = vec!["created", "ringing"];
    if answered {
        steps.push("answered");
    }
    steps.push("ended");
    for status in steps {
        let mut event = state(&call, status, &person, outgoing);
        if status == "ended" {
            let talked = if answered { 95 } else { 0 };
            event["duration"] = json!(talked + 12);
            event["answerDuration"] = json!(talked);
            event["endCallCause"] = json!("USER_END_CALL");
            event["endedBy"] = json!("EXTERNAL");
        }
        run.send(stringee(run, format!("{call}.{status}"), &event, &secret))
            .await;
        run.pause(rng, 30).await;
    }
    if number % 100 == 5 {
        let event = state(&format!("{call}-forged"), "created", &person, false);
        let forged = stringee(run, format!("{call}.forged"), &event, "another-project");
        run.forge_message(forged).await;
    }
}

/// Asks what to do with the call. An answer that Stringee could not act on is written down; that
/// there is none is for the operator to decide.
async fn ask(run: &Arc<Run>, call: &str, person: &str) {
    let target = format!(
        "/webhooks/{}/answer?from={}&to={HOTLINE}&uuid={call}&fromInternal=false",
        channel::STRINGEE,
        signing::form_encode(person)
    );
    let secret = &run.world.secrets.stringee_signing_secret;
    let signature = signing::stringee(secret, target.as_bytes());
    for attempt in 0..60 {
        let asked = Outgoing {
            method: Method::GET,
            path: target.clone(),
            headers: vec![("x-stringee-signature", signature.clone())],
            body: Vec::new(),
            timeout: ANSWER_PATIENCE,
        };
        match run.world.send(asked).await {
            Some(answer) if answer.status == 404 => return,
            Some(answer) if answer.success() => {
                let actions = answer.json();
                let first = &actions[0]["action"];
                if !first.is_string() {
                    run.unexpected(format!("{STRINGEE}: an answer without an action"));
                }
                return;
            }
            Some(answer) if answer.status < 500 && answer.status != 429 => {
                run.unexpected(format!("{STRINGEE}: answer request: {}", answer.status));
                return;
            }
            Some(_) | None => tokio::time::sleep(backoff(attempt)).await,
        }
    }
}

fn omicall(run: &Run, label: String, event: &Value, token: &str) -> Message {
    Message::post(
        OMICALL,
        channel::OMICALL,
        format!("{OMICALL}:{}:{label}", run.scenario.seed),
        event.to_string().into_bytes(),
        Sign::Fixed(vec![("x-webhook-token", token.to_owned())]),
    )
}

pub(super) fn event(call: &str, state: &str, person: &str, answered: bool) -> Value {
    let over = state == "hangup";
    let talked = if over && answered { 118 } else { 0 };
    let recording = if talked > 0 {
        "https://example.invalid/rec.mp3"
    } else {
        ""
    };
    json!({
        "transaction_id": call, "tenant_id": "0000000000000000sandbox", "direction": "inbound",
        "source_number": person, "destination_number": HOTLINE,
        "disposition": match (over, answered) {
            (true, true) => "answered",
            (true, false) => "no_answer",
            (false, _) => "",
        },
        "bill_sec": talked, "record_seconds": talked, "time_start_to_answer": 0,
        "recording_file": "", "recording_file_url": recording,
        "sip_user": if answered { "101" } else { "" }, "created_date": milliseconds(),
        "last_updated_date": milliseconds(), "is_auto_call": false, "provider": "viettel",
        "duration": if over { talked + 17 } else { 0 }, "hotline": HOTLINE, "phone_number": person,
        "state": state, "note": null, "tag": [],
    })
}

/// A call over OmiCall; now and then somebody guesses the token.
pub(crate) async fn counter(run: &Arc<Run>, rng: &mut Rng, number: u32) {
    let token = run.world.secrets.omicall_token.clone();
    let tag = hash(run.scenario.seed, &format!("omicall {number}"));
    let call = format!("{tag:016x}-{number:06}");
    let person = caller(rng);
    let answered = rng.bool();
    let mut steps = vec!["ringing"];
    if answered {
        steps.push("answered");
    }
    steps.push("hangup");
    for state in steps {
        let event = event(&call, state, &person, answered);
        run.send(omicall(run, format!("{call}.{state}"), &event, &token))
            .await;
        run.pause(rng, 30).await;
    }
    if number % 100 == 11 {
        let event = event(&format!("{call}-forged"), "ringing", &person, false);
        let forged = omicall(run, format!("{call}.forged"), &event, "guessed");
        run.forge_message(forged).await;
    }
}
