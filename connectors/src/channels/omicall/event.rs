//! OmiCall's events: a call rings, is answered, has ended.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::channels::calls::{Call, Direction, hint, ignored, milliseconds, text, whole};
use crate::inbound::{Notice, PayloadError};
use crate::payload::{digest, word};

/// `(call, state)`. The recording is ready later than the call's end, and comes with the same
/// state once more.
pub(super) fn dedup_key(body: &[u8]) -> String {
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    let key = text(&event, "/transaction_id").map(|call| {
        let state = text(&event, "/state").unwrap_or_else(|| "record".to_owned());
        let recorded = if recording(&event).is_some() {
            "|recorded"
        } else {
            ""
        };
        format!("{call}|{state}{recorded}")
    });
    match key {
        Some(key) if key.len() <= 200 => key,
        Some(key) => format!("call:{}", digest(key.as_bytes())),
        None => format!("body:{}", digest(body)),
    }
}

pub(super) fn notice(body: &[u8]) -> Result<Notice, PayloadError> {
    let event: Value =
        serde_json::from_slice(body).map_err(|_| PayloadError::new("the body is not JSON"))?;
    if !event.is_object() {
        return Err(PayloadError::new("the body is not an object"));
    }
    // The same address may be registered for contacts too.
    let Some(id) = text(&event, "/transaction_id") else {
        return Ok(ignored("an event that is not about a call"));
    };
    let written = text(&event, "/direction").unwrap_or_default();
    let direction = match written.as_str() {
        "inbound" | "in" => Direction::Inbound,
        "outbound" | "out" => Direction::Outbound,
        "local" | "internal" => return Ok(ignored("a call between our own agents")),
        other => {
            return Ok(ignored(format!(
                "a call of direction {} is not handled",
                word(other)
            )));
        }
    };
    let (source, destination) = (
        text(&event, "/source_number"),
        text(&event, "/destination_number"),
    );
    let (theirs, ours) = match direction {
        Direction::Inbound => (source, destination),
        Direction::Outbound => (destination, source),
    };
    // `phone_number` and `hotline` say the same without regard to direction; some events have only
    // them. While an extension is rung, `destination_number` is the extension.
    let person = text(&event, "/phone_number").or(theirs);
    let ours = text(&event, "/hotline").or(ours);
    let disposition = text(&event, "/disposition");
    let state = text(&event, "/state")
        .or_else(|| disposition.clone())
        .ok_or_else(|| PayloadError::new("state: missing"))?;
    let talked = whole(&event, "/bill_sec");
    let over = rank(&state) == END;
    let at = moment(&event, &state)
        .ok_or_else(|| PayloadError::new("created_date: expected milliseconds"))?;

    let mut hints = Vec::new();
    hint(&mut hints, "disposition", disposition.as_deref().map(word));
    hint(
        &mut hints,
        "duration_s",
        whole(&event, "/duration").map(|s| s.to_string()),
    );
    hint(&mut hints, "talked_s", talked.map(|s| s.to_string()));
    hint(&mut hints, "agent", text(&event, "/sip_user"));
    hint(&mut hints, "recording", recording(&event));
    if event.get("is_auto_call").and_then(Value::as_bool) == Some(true) {
        hints.push("auto_call".to_owned());
    }
    hint(&mut hints, "note", text(&event, "/note"));
    let answered = disposition
        .as_deref()
        .is_some_and(|word| word.eq_ignore_ascii_case("answered"))
        || talked.is_some_and(|seconds| seconds > 0);
    Ok(Call {
        id,
        direction,
        person,
        ours,
        rank: rank(&state),
        at,
        missed: over && !answered,
        hints,
        status: state,
    }
    .notice())
}

const END: i64 = 3;

/// The states in the order of a call; a word that is new never hides the end.
fn rank(state: &str) -> i64 {
    match state {
        "ringing" => 0,
        "answered" => 2,
        "hangup" | "cdr" | "no_answer" | "busy" | "cancelled" | "missed" | "failed" => END,
        _ => 1,
    }
}

fn recording(event: &Value) -> Option<String> {
    text(event, "/recording_file_url").or_else(|| text(event, "/recording_file"))
}

/// `created_date` stays that of the call's beginning. The later of what else the event says tells
/// when it came to this state.
fn moment(event: &Value, state: &str) -> Option<Timestamp> {
    let created = milliseconds(event, "/created_date");
    let answered = whole(event, "/time_start_to_answer")
        .filter(|second| *second > 0)
        .and_then(|second| Timestamp::from_second(second).ok());
    let later = match state {
        "ringing" => None,
        "answered" => answered,
        _ => created.and_then(|created| {
            let lasted = whole(event, "/duration").unwrap_or(0).max(0);
            created.checked_add(SignedDuration::from_secs(lasted)).ok()
        }),
    };
    milliseconds(event, "/last_updated_date")
        .or(later)
        .or(created)
}
