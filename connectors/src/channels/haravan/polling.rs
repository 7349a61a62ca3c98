//! Changed orders by `updated_at_min`, and the app's subscription to the shop's events.

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::Value;

use super::Haravan;
use crate::channel::{CallContext, PollWindow, Polled, Polling};
use crate::channels::storefront::api::judge;
use crate::channels::storefront::deeds::{self, Rest as _};
use crate::channels::storefront::{polling, subscriptions};
use crate::feedback::{Subscribed, Subscriptions};
use crate::inbound::PayloadError;
use crate::target::BuildError;
use crate::url::Query;

/// The vendor's limit of a page.
const PER_PAGE: usize = 50;

impl Polling for Haravan {
    fn kinds(&self) -> &'static [&'static str] {
        &["orders"]
    }

    fn every_s(&self, _: &str) -> i64 {
        180
    }

    fn overlap_s(&self, _: &str) -> i64 {
        900
    }

    fn longest_window_s(&self, _: &str) -> i64 {
        30 * 86_400
    }

    fn request(&self, _: &str, window: &PollWindow, _: CallContext<'_>) -> Request<Bytes> {
        let query = Query::default()
            .with("status", "any")
            .with("updated_at_min", window.from.to_string())
            .with("order", "created_at asc")
            .with("limit", PER_PAGE.to_string())
            .with("page", polling::page_number(window).to_string());
        self.call(Method::GET, &query.on("/orders.json"), None)
    }

    fn read(
        &self,
        _: &str,
        window: &PollWindow,
        response: &Response<Bytes>,
    ) -> Result<Polled, PayloadError> {
        if let Some(polled) = judge(response).polled() {
            return Ok(polled);
        }
        let messages = polling::orders(response.body())?;
        let next = polling::next_number(window, messages.len(), PER_PAGE);
        Ok(Polled::Page { messages, next })
    }
}

/// The callback address belongs to the app and is typed into the partner console; what can be lost
/// is this shop's subscription to it. The form of the list is not documented, so only an empty one
/// counts as missing.
impl Subscriptions for Haravan {
    fn every_s(&self) -> i64 {
        3600
    }

    fn request(
        &self,
        _: Option<&str>,
        got: &[Bytes],
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let uri = self.settings.webhook_url.join("/api/subscribe");
        let uri = uri.expect("invariant: the base address is checked and the path is short");
        Ok(self.authorized(if got.is_empty() {
            deeds::request(Method::GET, uri, None)
        } else {
            deeds::request(Method::POST, uri, Some(&serde_json::json!({})))
        }))
    }

    fn read(&self, door: Option<&str>, got: &[Bytes], response: &Response<Bytes>) -> Subscribed {
        if let Some(failed) = subscriptions::failed(judge(response)) {
            return failed;
        }
        if !got.is_empty() {
            return Subscribed::Repaired;
        }
        let Ok(answer) = serde_json::from_slice::<Value>(response.body()) else {
            return Subscribed::Part(Bytes::from_static(b"{}"));
        };
        match (subscribed(&answer), elsewhere(&answer, door)) {
            (false, _) => Subscribed::Part(Bytes::from_static(b"{}")),
            (true, true) => Subscribed::Broken {
                reason: "the app's callback address is not our door: change it in the console"
                    .to_owned(),
            },
            (true, false) => Subscribed::Good,
        }
    }
}

/// Whether the answer lists anything.
fn subscribed(answer: &Value) -> bool {
    let listed = |value: &Value| match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    match answer.get("data").or(answer.get("webhooks")) {
        Some(inner) => listed(inner),
        None => listed(answer),
    }
}

/// Whether the answer names a callback address that is not ours.
fn elsewhere(answer: &Value, door: Option<&str>) -> bool {
    let Some(door) = door else {
        return false;
    };
    let items = answer
        .get("data")
        .or(answer.get("webhooks"))
        .unwrap_or(answer);
    let one = std::slice::from_ref(items);
    let items = items.as_array().map_or(one, Vec::as_slice);
    let addresses: Vec<&str> = items
        .iter()
        .filter_map(|item| {
            ["callback_url", "webhook_url", "address", "url"]
                .iter()
                .find_map(|key| item.get(key)?.as_str())
        })
        .collect();
    !addresses.is_empty() && !addresses.contains(&door)
}
