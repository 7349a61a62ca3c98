//! "Changed since" of a WooCommerce shop: the net under webhooks that are never retried.

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{WooCommerce, judge, order};
use crate::channel::{CallContext, PollWindow, Polled, Polling};
use crate::inbound::{PayloadError, VerifiedWebhook};
use crate::url::Query;
use crate::{payload, signature};

/// Orders a page; the vendor's limit.
const PER_PAGE: usize = 100;

const ORDERS: &str = "orders";
/// The list leaves the trash out unless it is asked for by name.
const TRASH: &str = "trash";

#[derive(Deserialize)]
struct Item {
    date_modified_gmt: Option<String>,
}

/// Where the next page begins: changed after `after`, page `page` of that list.
///
/// Pages alone would skip orders: one that changes while we read moves to the end and pulls the
/// rest forward. So each page begins at the last change seen, and the page number counts only
/// among orders changed in the same second.
struct Cursor {
    after: Timestamp,
    page: u32,
}

impl Cursor {
    fn of(window: &PollWindow) -> Self {
        let read = |text: &str| {
            let (after, page) = text.split_once('/')?;
            Some(Self {
                after: Timestamp::from_second(after.parse().ok()?).ok()?,
                page: page.parse().ok()?,
            })
        };
        // `modified_after` leaves its own second out.
        let first = Self {
            after: before(window.from),
            page: 1,
        };
        window.cursor.as_deref().and_then(read).unwrap_or(first)
    }

    fn write(&self) -> String {
        format!("{}/{}", self.after.as_second(), self.page)
    }
}

fn before(at: Timestamp) -> Timestamp {
    at.checked_sub(SignedDuration::from_secs(1)).unwrap_or(at)
}

impl Polling for WooCommerce {
    fn kinds(&self) -> &'static [&'static str] {
        &[ORDERS, TRASH]
    }

    fn every_s(&self, kind: &str) -> i64 {
        if kind == TRASH { 900 } else { 180 }
    }

    fn overlap_s(&self, _: &str) -> i64 {
        900
    }

    fn longest_window_s(&self, _: &str) -> i64 {
        30 * 86_400
    }

    fn request(&self, kind: &str, window: &PollWindow, _: CallContext<'_>) -> Request<Bytes> {
        let cursor = Cursor::of(window);
        let after = cursor.after.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let mut query = Query::default()
            .with("modified_after", after)
            .with("dates_are_gmt", "true")
            .with("orderby", "modified")
            .with("order", "asc")
            .with("per_page", PER_PAGE.to_string())
            .with("page", cursor.page.to_string());
        if kind == TRASH {
            query = query.with("status", TRASH);
        }
        self.call(&query.on("/wp-json/wc/v3/orders"))
            .expect("invariant: the base address is checked and the query is short")
    }

    fn read(
        &self,
        _: &str,
        window: &PollWindow,
        response: &Response<Bytes>,
    ) -> Result<Polled, PayloadError> {
        match judge(response).polled() {
            Some(polled) => Ok(polled),
            None => page(window, response),
        }
    }
}

fn page(window: &PollWindow, response: &Response<Bytes>) -> Result<Polled, PayloadError> {
    // The orders' own bytes are kept: the same version polled and pushed is one message.
    let items: Vec<&RawValue> = serde_json::from_slice(response.body())
        .map_err(|_| PayloadError::new(".: expected a list of orders"))?;
    let messages = items
        .iter()
        .map(|item| {
            let body = Bytes::copy_from_slice(item.get().as_bytes());
            VerifiedWebhook::polled(None, body, signature::own_call())
        })
        .collect();
    let cursor = Cursor::of(window);
    let pages = response
        .headers()
        .get("x-wp-totalpages")
        .and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    let is_last = match pages {
        Some(pages) => cursor.page >= pages,
        None => items.len() < PER_PAGE,
    };
    let next = match items.last() {
        Some(last) if !is_last => {
            let item: Item = payload::read(last.get().as_bytes())?;
            let modified = order::gmt(item.date_modified_gmt.as_deref(), "date_modified_gmt")?;
            Some(cursor.following(before(modified)).write())
        }
        Some(_) | None => None,
    };
    Ok(Polled::Page { messages, next })
}

impl Cursor {
    fn following(&self, after: Timestamp) -> Self {
        if after > self.after {
            Self { after, page: 1 }
        } else {
            Self {
                after: self.after,
                page: self.page.saturating_add(1),
            }
        }
    }
}
