//! Changed orders by `modified_on_min`, and the shop's webhooks.

use bytes::Bytes;
use http::{Method, Request, Response};

use super::SapoWeb;
use crate::channel::{CallContext, PollWindow, Polled, Polling};
use crate::channels::storefront::api::judge;
use crate::channels::storefront::deeds::Rest as _;
use crate::channels::storefront::{polling, subscriptions};
use crate::feedback::{Subscribed, Subscriptions};
use crate::inbound::PayloadError;
use crate::target::BuildError;
use crate::url::Query;

/// The vendor's limit of a page.
const PER_PAGE: usize = 250;

const TOPICS: &[&str] = &[
    "orders/create",
    "orders/updated",
    "orders/paid",
    "orders/cancelled",
    "orders/fulfilled",
    "orders/delete",
];

impl Polling for SapoWeb {
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
            .with("modified_on_min", window.from.to_string())
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

impl Subscriptions for SapoWeb {
    fn every_s(&self) -> i64 {
        3600
    }

    fn request(
        &self,
        door: Option<&str>,
        got: &[Bytes],
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        subscriptions::next(self, door, got)
    }

    fn read(&self, door: Option<&str>, got: &[Bytes], response: &Response<Bytes>) -> Subscribed {
        subscriptions::read(TOPICS, door, got, response)
    }
}
