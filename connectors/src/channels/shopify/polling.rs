//! Changed orders by `updated_at_min`, page by page, and the subscriptions that Shopify deletes.

use bytes::Bytes;
use http::{Method, Request, Response};

use super::Shopify;
use crate::channel::{CallContext, PollWindow, Polled, Polling};
use crate::channels::storefront::api::judge;
use crate::channels::storefront::deeds::Rest as _;
use crate::channels::storefront::{polling, subscriptions};
use crate::feedback::{Subscribed, Subscriptions};
use crate::inbound::PayloadError;
use crate::target::BuildError;
use crate::url::Query;

/// The vendor's limit of a page.
const PER_PAGE: &str = "250";

/// What we need to hear. Parcels are heard of through the order itself.
const TOPICS: &[&str] = &[
    "orders/create",
    "orders/updated",
    "orders/cancelled",
    "orders/delete",
    "refunds/create",
    "app/uninstalled",
];

impl Polling for Shopify {
    fn kinds(&self) -> &'static [&'static str] {
        &["orders"]
    }

    fn every_s(&self, _: &str) -> i64 {
        300
    }

    fn overlap_s(&self, _: &str) -> i64 {
        900
    }

    fn longest_window_s(&self, _: &str) -> i64 {
        30 * 86_400
    }

    /// A page after the first takes its cursor and nothing else.
    fn request(&self, _: &str, window: &PollWindow, _: CallContext<'_>) -> Request<Bytes> {
        let query = Query::default().with("limit", PER_PAGE);
        let query = match &window.cursor {
            Some(cursor) => query.with("page_info", cursor),
            None => query
                .with("status", "any")
                .with("updated_at_min", window.from.to_string())
                .with("updated_at_max", window.to.to_string())
                .with("order", "updated_at asc"),
        };
        self.call(Method::GET, &query.on("/orders.json"), None)
    }

    fn read(
        &self,
        _: &str,
        _: &PollWindow,
        response: &Response<Bytes>,
    ) -> Result<Polled, PayloadError> {
        if let Some(polled) = judge(response).polled() {
            return Ok(polled);
        }
        Ok(Polled::Page {
            messages: polling::orders(response.body())?,
            next: polling::next_link(response),
        })
    }
}

impl Subscriptions for Shopify {
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
