//! Tiki's two polls: the event queue, and orders by update time as the net under it.

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Tiki;
use super::api::{Answer, judge};
use super::event::{LISTED, Row};
use super::order::local_time;
use crate::channel::{CallContext, PollWindow, Polled, Polling};
use crate::inbound::{PayloadError, VerifiedWebhook};
use crate::literal::Literal;
use crate::url::Query;
use crate::{payload, signature, url};

/// The queue; a page's cursor is the `ack_id` that acknowledges it.
const EVENTS: &str = "events";
const ORDERS: &str = "orders";

/// Documented up to 100; clients of live shops use 50.
const LIMIT: &str = "50";

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow, default)]
    events: Vec<&'a RawValue>,
    #[serde(default)]
    ack_id: Option<String>,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    data: Vec<Listed>,
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct Listed {
    code: Literal,
    status: Option<String>,
    updated_at: Option<String>,
}

#[derive(Deserialize)]
struct Paging {
    last_page: Option<Literal>,
}

/// Where the next page begins: changed at or after `from`, page `page` of that list.
///
/// Pages alone would skip orders: one that changes while we read leaves the window and pulls the
/// rest forward. So each page begins at the last change seen, and the page number counts only
/// among orders changed in the same second.
struct Cursor {
    from: Timestamp,
    page: u32,
}

impl Cursor {
    fn of(window: &PollWindow) -> Self {
        let read = |text: &str| {
            let (from, page) = text.split_once('/')?;
            Some(Self {
                from: Timestamp::from_second(from.parse().ok()?).ok()?,
                page: page.parse().ok()?,
            })
        };
        let first = Self {
            from: window.from,
            page: 1,
        };
        window.cursor.as_deref().and_then(read).unwrap_or(first)
    }

    fn after(&self, last: Option<Timestamp>) -> String {
        let (from, page) = match last {
            Some(last) if last.as_second() > self.from.as_second() => (last, 1),
            Some(_) | None => (self.from, self.page.saturating_add(1)),
        };
        format!("{}/{page}", from.as_second())
    }
}

impl Polling for Tiki {
    fn kinds(&self) -> &'static [&'static str] {
        &[EVENTS, ORDERS]
    }

    fn every_s(&self, kind: &str) -> i64 {
        if kind == EVENTS { 5 } else { 600 }
    }

    fn overlap_s(&self, kind: &str) -> i64 {
        if kind == EVENTS { 0 } else { 900 }
    }

    fn longest_window_s(&self, _: &str) -> i64 {
        7 * 86_400
    }

    fn request(&self, kind: &str, window: &PollWindow, call: CallContext<'_>) -> Request<Bytes> {
        let request = if kind == EVENTS {
            // Without an id the batch that was not acknowledged comes again.
            let body = json!({ "ack_id": window.cursor });
            let queue = url::encode(&self.settings.queue);
            let path = format!("/integration/v1/queues/{queue}/events/pull");
            self.call(Method::POST, &path, Some(&body), call)
        } else {
            let cursor = Cursor::of(window);
            let query = Query::default()
                .with("page", cursor.page.to_string())
                .with("limit", LIMIT)
                .with("updated_from_date", local_text(cursor.from))
                .with("updated_to_date", local_text(window.to))
                .with("order_by", "updated_at|asc");
            self.call(Method::GET, &query.on("/integration/v2/orders"), None, call)
        };
        request.expect("invariant: the base address is checked and the rest is short")
    }

    fn read(
        &self,
        kind: &str,
        window: &PollWindow,
        response: &Response<Bytes>,
    ) -> Result<Polled, PayloadError> {
        match judge(response) {
            Answer::Good(_) if kind == EVENTS => batch(response.body()),
            Answer::Good(document) => listed(&document, window),
            Answer::TokenExpired => Ok(Polled::TokenExpired),
            Answer::Retry { after_s, reason } => Ok(Polled::Retry { after_s, reason }),
            Answer::NotFound if kind == EVENTS => Ok(Polled::Account {
                reason: "Tiki does not know the queue of the setting `queue`".to_owned(),
            }),
            Answer::NotFound => Ok(Polled::Account {
                reason: "no such call there".to_owned(),
            }),
            Answer::Account { reason } => Ok(Polled::Account { reason }),
            Answer::Refused { reason } => Ok(Polled::Refused { reason }),
        }
    }
}

/// A batch is asked for its successor until one is empty: the question acknowledges it, and it is
/// asked only once the batch is stored.
fn batch(body: &[u8]) -> Result<Polled, PayloadError> {
    // The events' own bytes are kept: a batch that comes again is the same messages.
    let batch: Batch<'_> = serde_json::from_slice(body)
        .map_err(|_| PayloadError::new(".: expected events and their ack_id"))?;
    let messages: Vec<VerifiedWebhook> = batch
        .events
        .iter()
        .map(|event| {
            let body = Bytes::copy_from_slice(event.get().as_bytes());
            VerifiedWebhook::polled(None, body, signature::own_call())
        })
        .collect();
    if messages.is_empty() {
        return Ok(Polled::Page {
            messages,
            next: None,
        });
    }
    match payload::filled(batch.ack_id) {
        Some(ack_id) => Ok(Polled::Page {
            messages,
            next: Some(ack_id),
        }),
        None => Err(PayloadError::new("ack_id: missing beside events")),
    }
}

fn listed(document: &Value, window: &PollWindow) -> Result<Polled, PayloadError> {
    let list: List = payload::read(document.to_string().as_bytes())?;
    let cursor = Cursor::of(window);
    let last_page = list
        .paging
        .and_then(|paging| paging.last_page)
        .map(|page| page.whole("paging.last_page"))
        .transpose()?;
    let last = list
        .data
        .last()
        .and_then(|row| local_time(row.updated_at.as_deref()?, "updated_at").ok());
    // An empty list says that its last page is 0.
    let more = last_page.is_some_and(|last| last > i64::from(cursor.page)) && !list.data.is_empty();
    let messages = list
        .data
        .into_iter()
        .map(|row| message(row, window))
        .collect();
    Ok(Polled::Page {
        messages,
        next: more.then(|| cursor.after(last)),
    })
}

/// A row without its time of change is known by its window: it is fetched twice rather than missed.
fn message(row: Listed, window: &PollWindow) -> VerifiedWebhook {
    let row = Row {
        code: row.code.to_string(),
        status: row.status.unwrap_or_default(),
        updated_at: row.updated_at.unwrap_or_else(|| local_text(window.to)),
    };
    let body = serde_json::to_vec(&row).expect("invariant: a row of texts");
    VerifiedWebhook::polled(Some(LISTED.to_owned()), body.into(), signature::own_call())
}

/// Tiki's times are Vietnam's, without saying so.
fn local_text(at: Timestamp) -> String {
    Offset::constant(7)
        .to_datetime(at)
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}
