//! Answers: by status first, by the body where the contract says what it holds.

use bytes::Bytes;
use domain::task::{Given, Outcome, TaskBody};
use http::{HeaderMap, Response, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::Value;

use crate::target::LookedUp;
use crate::url::retry_after_s;

/// The answer to a task's call.
pub(super) fn read(body: &TaskBody, response: &Response<Bytes>) -> Outcome {
    let status = response.status();
    if status.is_success() {
        // A 2xx whose body cannot be read is taken at its status: the effect is there, and what
        // the body would have given comes by callback.
        let answer = json(response).unwrap_or(Value::Null);
        let repeated = status == StatusCode::OK && creates(body);
        return made(body, &answer, repeated);
    }
    let after_s = retry_after(response.headers());
    let number = status.as_u16();
    match number {
        404 if takes_back(body) => Outcome::Duplicate {
            given: Given::default(),
        },
        409 => refused(response, "conflict"),
        422 => refused(response, "unprocessable"),
        423 => refused(response, "closed"),
        401 | 403 => Outcome::Account {
            reason: format!("HTTP {number}: the system does not accept our signature"),
        },
        // The client follows no redirects: the address in the settings is not the system's.
        300..=399 => Outcome::Account {
            reason: format!("HTTP {number}: the system has another address"),
        },
        408 | 425 | 429 | 500..=599 => Outcome::Retry {
            after_s,
            reason: format!("HTTP {number}"),
        },
        404 => refused(response, "not_found"),
        410 => refused(response, "gone"),
        400..=499 => refused(response, &format!("http_{number}")),
        _ => Outcome::Retry {
            after_s,
            reason: format!("HTTP {number} is not an answer"),
        },
    }
}

/// The answer to a look-up.
pub(super) fn read_lookup(body: &TaskBody, response: &Response<Bytes>) -> LookedUp {
    let status = response.status();
    let number = status.as_u16();
    if status.is_success() {
        return found(body, &json(response).unwrap_or(Value::Null));
    }
    match number {
        // What was to be taken back is gone: that is what was wanted.
        404 | 410 if takes_back(body) => LookedUp::Found(Outcome::Duplicate {
            given: Given::default(),
        }),
        404 | 410 => LookedUp::Absent,
        // The system has no such look-up; under the contract a repeat with the same key is
        // harmless, so the call may be sent again.
        405 | 501 => LookedUp::Absent,
        _ => LookedUp::Undecided {
            after_s: retry_after(response.headers()),
            reason: format!("the look-up was answered with HTTP {number}"),
        },
    }
}

/// What a stored object says of the task's first try.
fn found(body: &TaskBody, object: &Value) -> LookedUp {
    let Some(state) = text(object, "state") else {
        // It exists: enough for a create, nothing for the others.
        return if creates(body) {
            LookedUp::Found(made(body, object, false))
        } else {
            LookedUp::Undecided {
                after_s: None,
                reason: "the look-up's answer has no state".to_owned(),
            }
        };
    };
    let done = || LookedUp::Found(made(body, object, false));
    let too_late = |code: &str| {
        LookedUp::Found(Outcome::Refused {
            code: code.to_owned(),
            message: format!("it is {}", code_word(&state)),
        })
    };
    match body {
        TaskBody::Reserve { .. }
        | TaskBody::CreateFulfillment { .. }
        | TaskBody::IssueInvoice(_)
        | TaskBody::AdjustInvoice { .. }
        | TaskBody::CreateWorkOrder { .. }
        | TaskBody::ActivateWarranty { .. } => done(),
        TaskBody::ReleaseReservation { .. } => match state.as_str() {
            "released" => done(),
            "consumed" => too_late("consumed"),
            _ => LookedUp::Absent,
        },
        TaskBody::CancelFulfillment { .. } => match state.as_str() {
            "cancelled" => done(),
            "shipped" | "delivered" | "failed" | "returned" => too_late("shipped"),
            _ => LookedUp::Absent,
        },
        TaskBody::ReleaseWorkOrder { .. } => match state.as_str() {
            "waiting" => LookedUp::Absent,
            "cancelled" => too_late("cancelled"),
            _ => done(),
        },
        TaskBody::RescheduleWorkOrder {
            window_start,
            window_end,
            ..
        } => {
            let window = |name: &str| {
                object
                    .get("appointment")
                    .and_then(|appointment| text(appointment, name))
                    .and_then(|moment| moment.parse::<Timestamp>().ok())
            };
            let moved = window("window_start") == Some(*window_start)
                && window("window_end") == Some(*window_end);
            match (moved, state.as_str()) {
                (true, _) => done(),
                (false, "completed" | "cancelled") => too_late(&state),
                // Moving to the same window twice is the same.
                (false, _) => LookedUp::Absent,
            }
        }
        TaskBody::CancelWorkOrder { .. } => match state.as_str() {
            "cancelled" => done(),
            "completed" => too_late("completed"),
            _ => LookedUp::Absent,
        },
        TaskBody::Channel(_)
        | TaskBody::ChannelStock(_)
        | TaskBody::ChannelMessage(_)
        | TaskBody::BuyerNotice(_) => LookedUp::Absent,
    }
}

/// The outcome of an effect that is there, unless its state says that it came to nothing.
fn made(body: &TaskBody, answer: &Value, repeated: bool) -> Outcome {
    let state = text(answer, "state");
    let undone = match (body, state.as_deref()) {
        (TaskBody::Reserve { .. }, Some("released")) => Some("released"),
        (TaskBody::IssueInvoice(_), Some("refused")) => Some("refused"),
        _ => None,
    };
    if let Some(code) = undone {
        return Outcome::Refused {
            code: code.to_owned(),
            message: text(answer, "message")
                .or_else(|| text(answer, "reason"))
                .map_or_else(|| format!("it was {code}"), |m| without_people(&m)),
        };
    }
    let given = Given {
        number: text(answer, "number"),
        series: text(answer, "series"),
        partner_id: text(answer, "partner_id").or_else(|| text(answer, "id")),
        state,
        tracking: None,
    };
    if repeated {
        Outcome::Duplicate { given }
    } else {
        Outcome::Accepted { given }
    }
}

/// Tasks whose call makes a new object: there a plain 200 means "the same again".
fn creates(body: &TaskBody) -> bool {
    match body {
        TaskBody::Reserve { .. }
        | TaskBody::CreateFulfillment { .. }
        | TaskBody::IssueInvoice(_)
        | TaskBody::AdjustInvoice { .. }
        | TaskBody::CreateWorkOrder { .. }
        | TaskBody::ActivateWarranty { .. } => true,
        TaskBody::ReleaseReservation { .. }
        | TaskBody::CancelFulfillment { .. }
        | TaskBody::ReleaseWorkOrder { .. }
        | TaskBody::RescheduleWorkOrder { .. }
        | TaskBody::CancelWorkOrder { .. }
        | TaskBody::Channel(_)
        | TaskBody::ChannelStock(_)
        | TaskBody::ChannelMessage(_)
        | TaskBody::BuyerNotice(_) => false,
    }
}

/// Tasks for which "not there" is what was wanted.
fn takes_back(body: &TaskBody) -> bool {
    match body {
        TaskBody::ReleaseReservation { .. }
        | TaskBody::CancelFulfillment { .. }
        | TaskBody::CancelWorkOrder { .. } => true,
        TaskBody::Reserve { .. }
        | TaskBody::CreateFulfillment { .. }
        | TaskBody::IssueInvoice(_)
        | TaskBody::AdjustInvoice { .. }
        | TaskBody::CreateWorkOrder { .. }
        | TaskBody::ReleaseWorkOrder { .. }
        | TaskBody::RescheduleWorkOrder { .. }
        | TaskBody::ActivateWarranty { .. }
        | TaskBody::Channel(_)
        | TaskBody::ChannelStock(_)
        | TaskBody::ChannelMessage(_)
        | TaskBody::BuyerNotice(_) => false,
    }
}

fn refused(response: &Response<Bytes>, otherwise: &str) -> Outcome {
    let answer = json(response).unwrap_or(Value::Null);
    let code = text(&answer, "code")
        .map(|code| code_word(&code))
        .filter(|code| !code.is_empty())
        .unwrap_or_else(|| otherwise.to_owned());
    let mut message = text(&answer, "message").map_or_else(
        || format!("HTTP {}", response.status().as_u16()),
        |words| without_people(&words),
    );
    // `insufficient` says what is there: worth seeing beside the attempt.
    let lines = answer.get("lines").and_then(Value::as_array);
    let short: Vec<String> = lines
        .into_iter()
        .flatten()
        .filter_map(|line| Some((text(line, "sku")?, text(line, "available")?)))
        .map(|(sku, available)| format!("{} of {}", short(&available, 12), short(&sku, 40)))
        .take(20)
        .collect();
    if !short.is_empty() {
        message = format!("{message} (available: {})", short.join(", "));
    }
    Outcome::Refused { code, message }
}

/// A partner's words for the attempt's row: at most 200 characters, without anything that looks
/// like a phone number or an e-mail address.
fn without_people(words: &str) -> String {
    let words = short(words, 200);
    let mut out = String::with_capacity(words.len());
    let mut digits = String::new();
    // Digits and what people put between them are judged together, so that "0901 234 567" is one
    // number.
    for c in words.chars().chain(std::iter::once('\n')) {
        if c.is_ascii_digit() || (!digits.is_empty() && matches!(c, ' ' | '.' | '-')) {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            let count = digits.chars().filter(char::is_ascii_digit).count();
            if count >= 8 {
                let tail: String = digits
                    .chars()
                    .rev()
                    .take_while(|d| !d.is_ascii_digit())
                    .collect();
                out.push('…');
                out.extend(tail.chars().rev());
            } else {
                out.push_str(&digits);
            }
            digits.clear();
        }
        out.push(c);
    }
    out.split_whitespace()
        .map(|token| if token.contains('@') { "…" } else { token })
        .collect::<Vec<_>>()
        .join(" ")
}

fn short(words: &str, most: usize) -> String {
    words.chars().take(most).collect()
}

/// A code as a label: letters, digits, `_`, `-`, `.`, at most 40.
fn code_word(raw: &str) -> String {
    raw.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        .take(40)
        .collect()
}

/// `Retry-After` in seconds or as an HTTP date. A date is measured from the answer's own `Date`,
/// so that our clock does not matter.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    if let Some(seconds) = retry_after_s(headers) {
        return Some(seconds);
    }
    let date = |name| {
        headers
            .get(name)
            .and_then(|value: &http::HeaderValue| value.to_str().ok())
            .and_then(|value| rfc2822::DateTimeParser::new().parse_timestamp(value).ok())
    };
    let (until, from) = (date(header::RETRY_AFTER)?, date(header::DATE)?);
    Some(u64::try_from(until.as_second() - from.as_second()).unwrap_or(0))
}

fn json(response: &Response<Bytes>) -> Option<Value> {
    serde_json::from_slice(response.body()).ok()
}

fn text(value: &Value, name: &str) -> Option<String> {
    match value.get(name)? {
        Value::String(s) if !s.is_empty() => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}
