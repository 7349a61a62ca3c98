//! Changed orders by `modified_on_min`.

use bytes::Bytes;
use http::{Method, Request, Response};

use super::SapoOmni;
use crate::channel::{CallContext, PollWindow, Polled, Polling};
use crate::channels::storefront::api::judge;
use crate::channels::storefront::polling;
use crate::inbound::PayloadError;
use crate::url::Query;

/// The vendor's limit of a page.
const PER_PAGE: usize = 250;

impl Polling for SapoOmni {
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
