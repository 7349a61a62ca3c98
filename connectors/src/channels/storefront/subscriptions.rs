//! `webhooks.json` of Shopify and Sapo Web: the list, and one call for each subscription that is
//! missing. A subscription counts only if it leads to our door; those of others are left alone.

use bytes::Bytes;
use http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::json;

use super::api::{Answer, judge};
use super::deeds::Rest;
use crate::feedback::Subscribed;
use crate::payload;
use crate::target::BuildError;

#[derive(Deserialize)]
struct List {
    webhooks: Vec<Webhook>,
}

#[derive(Deserialize)]
struct Webhook {
    topic: Option<String>,
    address: Option<String>,
}

/// Looking after subscriptions makes no sense without knowing where they should lead.
pub(in crate::channels) fn no_door() -> BuildError {
    BuildError {
        what: "the public address of our door is not configured".to_owned(),
    }
}

/// The list, then one subscription after the other.
///
/// # Errors
/// Without the address of our door.
pub(in crate::channels) fn next(
    shop: &dyn Rest,
    door: Option<&str>,
    got: &[Bytes],
) -> Result<Request<Bytes>, BuildError> {
    let door = door.ok_or_else(no_door)?;
    let Some(missing) = got.first() else {
        return Ok(shop.call(Method::GET, "/webhooks.json?limit=250", None));
    };
    let missing: Vec<String> = serde_json::from_slice(missing).unwrap_or_default();
    let topic = missing.get(got.len() - 1).ok_or_else(|| BuildError {
        what: "no subscription is missing any more".to_owned(),
    })?;
    let body = json!({ "webhook": { "topic": topic, "address": door, "format": "json" } });
    Ok(shop.call(Method::POST, "/webhooks.json", Some(&body)))
}

/// Sorts the answer.
pub(in crate::channels) fn read(
    wanted: &[&str],
    door: Option<&str>,
    got: &[Bytes],
    response: &Response<Bytes>,
) -> Subscribed {
    let answer = judge(response);
    // 422 on a subscription: it has been made meanwhile.
    let made = matches!(answer, Answer::Refused { status: 422, .. }) && !got.is_empty();
    if !made && let Some(failed) = failed(answer) {
        return failed;
    }
    let Some(missing) = got.first() else {
        let Ok(list) = payload::read::<List>(response.body()) else {
            return Subscribed::Retry {
                reason: "the answer has no webhooks".to_owned(),
            };
        };
        let leads = |topic: &str| {
            list.webhooks.iter().any(|known| {
                known.topic.as_deref() == Some(topic) && known.address.as_deref() == door
            })
        };
        let missing: Vec<&str> = wanted
            .iter()
            .copied()
            .filter(|topic| !leads(topic))
            .collect();
        if missing.is_empty() {
            return Subscribed::Good;
        }
        return Subscribed::Part(Bytes::from(json!(missing).to_string()));
    };
    let missing: Vec<String> = serde_json::from_slice(missing).unwrap_or_default();
    if got.len() < missing.len() {
        Subscribed::Part(Bytes::from_static(b"{}"))
    } else {
        Subscribed::Repaired
    }
}

/// What an answer that is not good means; `None` where it is.
pub(in crate::channels) fn failed(answer: Answer) -> Option<Subscribed> {
    match answer {
        Answer::Good => None,
        Answer::Retry { reason, .. } => Some(Subscribed::Retry { reason }),
        Answer::NotFound => Some(Subscribed::Broken {
            reason: "404: the shop has no such call".to_owned(),
        }),
        Answer::Account { reason } | Answer::Refused { reason, .. } => {
            Some(Subscribed::Broken { reason })
        }
    }
}
