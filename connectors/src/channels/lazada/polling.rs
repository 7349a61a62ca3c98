//! Lazada's net: orders by update time.

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Deserialize;
use serde_json::json;

use super::Lazada;
use super::api::{Answer, judge, read_data};
use super::document::{Loose, time};
use crate::channel::{CallContext, PollWindow, Polled, Polling};
use crate::inbound::{PayloadError, VerifiedWebhook};
use crate::literal::Literal;
use crate::{payload, signature};

const ORDERS: &str = "orders";

/// The topic of messages that are rows of the order list, not envelopes.
pub(super) const LISTED: &str = "orders_get";

const LIST: &str = "/orders/get";
/// The vendor's limit.
const PER_PAGE: usize = 100;
/// The vendor pages no further than this.
const MOST: u64 = 5000;
/// A window of this length is not made shorter.
const SHORTEST_S: i64 = 60;

#[derive(Deserialize)]
struct Page {
    #[serde(default, rename = "countTotal")]
    count_total: Loose,
    #[serde(default)]
    orders: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    order_id: Literal,
    #[serde(default)]
    updated_at: Loose,
}

/// Where the next page begins: changed at or after `after`, without the first `offset` of those.
///
/// Offsets alone would skip orders: one that changes while we read leaves the window and pulls the
/// rest forward. So each page begins at the last change seen, and the offset counts only among
/// orders changed in the same second.
struct Cursor {
    after: Timestamp,
    offset: usize,
}

impl Cursor {
    fn of(window: &PollWindow) -> Self {
        let read = |text: &str| {
            let (after, offset) = text.split_once('/')?;
            Some(Self {
                after: Timestamp::from_second(after.parse().ok()?).ok()?,
                offset: offset.parse().ok()?,
            })
        };
        let first = Self {
            after: window.from,
            offset: 0,
        };
        window.cursor.as_deref().and_then(read).unwrap_or(first)
    }

    fn following(&self, last: Timestamp, rows: usize) -> String {
        let (after, offset) = if last.as_second() > self.after.as_second() {
            (last, 0)
        } else {
            (self.after, self.offset.saturating_add(rows))
        };
        format!("{}/{offset}", after.as_second())
    }
}

/// ISO 8601 with the shop's offset, as the vendor wants it.
fn written(at: Timestamp) -> String {
    let local = Offset::constant(7).to_datetime(at);
    format!("{}+07:00", local.strftime("%Y-%m-%dT%H:%M:%S"))
}

impl Polling for Lazada {
    fn kinds(&self) -> &'static [&'static str] {
        &[ORDERS]
    }

    fn every_s(&self, _: &str) -> i64 {
        300
    }

    fn overlap_s(&self, _: &str) -> i64 {
        900
    }

    /// The vendor documents none; a week of one shop is mostly below its page limit.
    fn longest_window_s(&self, _: &str) -> i64 {
        7 * 86_400
    }

    fn request(&self, _: &str, window: &PollWindow, call: CallContext<'_>) -> Request<Bytes> {
        let cursor = Cursor::of(window);
        let (after, before) = (written(cursor.after), written(window.to));
        let (offset, limit) = (cursor.offset.to_string(), PER_PAGE.to_string());
        let parameters = [
            ("update_after", after.as_str()),
            ("update_before", before.as_str()),
            ("sort_by", "updated_at"),
            ("sort_direction", "ASC"),
            ("limit", limit.as_str()),
            ("offset", offset.as_str()),
        ];
        self.get(LIST, &parameters, call)
            .expect("invariant: the base address is checked and the query is short")
    }

    fn read(
        &self,
        _: &str,
        window: &PollWindow,
        response: &Response<Bytes>,
    ) -> Result<Polled, PayloadError> {
        Ok(match judge(response) {
            Answer::Good => page(window, &read_data(response.body())?)?,
            Answer::TokenExpired => Polled::TokenExpired,
            Answer::Retry { after_s, reason } => Polled::Retry { after_s, reason },
            Answer::NotFound => Polled::Refused {
                reason: "not known there".to_owned(),
            },
            Answer::Reauthorize { reason } | Answer::Account { reason } => {
                Polled::Account { reason }
            }
            Answer::Refused { reason, .. } => Polled::Refused { reason },
        })
    }
}

fn page(window: &PollWindow, page: &Page) -> Result<Polled, PayloadError> {
    let total: Option<u64> = page.count_total.text().and_then(|text| text.parse().ok());
    let length = window.to.as_second() - window.from.as_second();
    if window.cursor.is_none() && length > SHORTEST_S && total.is_some_and(|total| total > MOST) {
        return Ok(Polled::Narrow);
    }
    let cursor = Cursor::of(window);
    let mut messages = Vec::with_capacity(page.orders.len());
    let mut last = cursor.after;
    for row in &page.orders {
        let order_id = payload::external_id(row.order_id.as_str(), "data.orders[].order_id")?;
        let changed = row.updated_at.text().and_then(time);
        last = last.max(changed.unwrap_or(last));
        let body = match changed {
            Some(at) => json!({ "order_id": order_id, "updated_at": at.to_string() }),
            // Only the window tells such a row from its next version.
            None => json!({ "order_id": order_id, "window_to": window.to.to_string() }),
        };
        messages.push(VerifiedWebhook::polled(
            Some(LISTED.to_owned()),
            Bytes::from(body.to_string()),
            signature::own_call(),
        ));
    }
    let seen = u64::try_from(cursor.offset.saturating_add(page.orders.len())).unwrap_or(u64::MAX);
    let is_last = match total {
        Some(total) => seen >= total,
        None => page.orders.len() < PER_PAGE,
    };
    let next =
        (!is_last && !page.orders.is_empty()).then(|| cursor.following(last, page.orders.len()));
    Ok(Polled::Page { messages, next })
}
