//! Stringee's events: the states of a call.

use serde_json::Value;

use crate::channels::calls::{
    Call, Direction, hint, ignored, is_number, milliseconds, text, whole,
};
use crate::inbound::{Notice, NoticeBody, PayloadError};
use crate::payload::{digest, word};

/// `(call, status)`. Each agent whose phone rang ends once, so there the agent belongs to it.
pub(super) fn dedup_key(body: &[u8]) -> String {
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    match (text(&event, "/call_id"), text(&event, "/call_status")) {
        (Some(call), Some(status)) => {
            let agent = agent(&event).filter(|_| status == "agentEnded");
            let key = format!("{call}|{status}|{}", agent.unwrap_or_default());
            let key = key.trim_end_matches('|');
            // Ids are short; what is not gets a key of bounded length all the same.
            if key.len() > 200 {
                format!("call:{}", digest(key.as_bytes()))
            } else {
                key.to_owned()
            }
        }
        _ => format!("body:{}", digest(body)),
    }
}

pub(super) fn notice(body: &[u8]) -> Result<Notice, PayloadError> {
    let event: Value =
        serde_json::from_slice(body).map_err(|_| PayloadError::new("the body is not JSON"))?;
    let Some(status) = text(&event, "/call_status") else {
        let kind = text(&event, "/type").unwrap_or_else(|| "unknown".to_owned());
        return Ok(ignored(format!(
            "event of type {} is no state of a call",
            word(&kind)
        )));
    };
    let id = text(&event, "/call_id").ok_or_else(|| PayloadError::new("call_id: missing"))?;
    let at = milliseconds(&event, "/timestamp_ms")
        .ok_or_else(|| PayloadError::new("timestamp_ms: expected milliseconds"))?;
    let internal =
        |side: &str| text(&event, &format!("/{side}/type")).as_deref() == Some("internal");
    // A call from outside comes from an external number, whoever it is connected to in the end.
    let direction = match (internal("from"), internal("to")) {
        (true, true) => return Ok(ignored("a call between our own agents")),
        (true, false) => Direction::Outbound,
        (false, _) => Direction::Inbound,
    };
    let (person, ours) = match direction {
        Direction::Inbound => (text(&event, "/from/number"), our_number(&event, "to")),
        Direction::Outbound => (text(&event, "/to/number"), our_number(&event, "from")),
    };
    let talked = whole(&event, "/answerDuration");
    let duration = whole(&event, "/duration");
    let mut hints = Vec::new();
    hint(&mut hints, "duration_s", duration.map(|s| s.to_string()));
    hint(&mut hints, "talked_s", talked.map(|s| s.to_string()));
    hint(&mut hints, "agent", agent(&event));
    hint(
        &mut hints,
        "end_cause",
        text(&event, "/endCallCause").map(|cause| word(&cause.replace(' ', "_"))),
    );
    hint(
        &mut hints,
        "ended_by",
        text(&event, "/endedBy").map(|side| word(&side)),
    );
    hint(&mut hints, "data", text(&event, "/clientCustomData"));
    let ended = status == "ended";
    let call = Call {
        id: id.clone(),
        direction,
        person,
        ours,
        rank: rank(&status),
        at,
        // Where Stringee does not say how long they talked, a call of no length was not answered.
        missed: ended && talked.or(duration).unwrap_or(0) == 0,
        hints,
        status,
    };
    let leg = (call.status == "agentEnded").then(|| {
        let agent = agent(&event).unwrap_or_else(|| at.as_millisecond().to_string());
        format!("{id}:agent:{agent}")
    });
    let mut notice = call.notice();
    // One agent of several stopped ringing or hung up: it must not take the place of the call,
    // which goes on or has its own end.
    if let (Some(leg), NoticeBody::Call(about)) = (leg, &mut notice.body) {
        "status".clone_into(&mut about.kind);
        about.message_id = leg;
        about.hints.push(format!("about:{id}"));
    }
    Ok(notice)
}

/// The states in the order in which a call goes through them. A word that is new is in the middle:
/// it never hides the end.
fn rank(status: &str) -> i64 {
    match status {
        "created" => 0,
        "started" => 1,
        "answered" => 4,
        "ended" => 5,
        "ringing" => 2,
        _ => 3,
    }
}

/// Our side is an agent's name where an application makes or takes the call; the number that the
/// outside sees is its alias then.
fn our_number(event: &Value, side: &str) -> Option<String> {
    let number = text(event, &format!("/{side}/number"));
    let alias = text(event, &format!("/{side}/alias"));
    match (number, alias) {
        (Some(number), _) if is_number(&number) => Some(number),
        (_, Some(alias)) if is_number(&alias) => Some(alias),
        (number, alias) => number.or(alias),
    }
}

/// The agent: who asked for the call, or whose application takes it.
fn agent(event: &Value) -> Option<String> {
    text(event, "/request_from_user_id").or_else(|| {
        ["to", "from"].iter().find_map(|side| {
            let internal = text(event, &format!("/{side}/type")).as_deref() == Some("internal");
            text(event, &format!("/{side}/number")).filter(|name| internal && is_agent(name))
        })
    })
}

/// An agent is a name or a short extension; a hotline such as 1900 1234 is in no national plan and
/// still no agent.
fn is_agent(name: &str) -> bool {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    let short = name.len() <= 5;
    !is_number(name) && (short || !digits)
}
