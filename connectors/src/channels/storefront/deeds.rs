//! What Shopify, Haravan and Sapo Web are told in the same way: that we take an order, that it is
//! cancelled, that a parcel has left. Each begins with a look at the order, so that a deed that was
//! done before, by us or by hand, is not done twice; the look is harmless and answers an unknown
//! outcome too.

use bytes::Bytes;
use domain::task::{CancelReason, ChannelLine, ChannelTask, Given, News, Tracking};
use http::{HeaderValue, Method, Request, Response, header};
use serde_json::{Value, json};

use super::api::{self, judge};
use super::digits;
use super::document::{self, Order};
use crate::feedback::{Step, Try};
use crate::literal::Literal;
use crate::payload::word;
use crate::target::BuildError;

/// How a shop hears that we take an order.
pub(in crate::channels) enum Accept<'a> {
    /// A tag on the order, for the people at the shop.
    Tag(&'a str),
    /// The vendor's own confirmation.
    Confirm,
}

/// The REST API of one shop.
pub(in crate::channels) trait Rest {
    /// A call with the shop's credentials; `path` from the API's root.
    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Request<Bytes>;

    /// How it hears that we take an order.
    fn accept(&self) -> Accept<'_>;

    /// Whether the shop writes to the buyer about what we tell it.
    fn notify(&self) -> bool;

    /// Whether the shop counts cancelled units as on sale again; not where we set its stock.
    fn restocks(&self) -> bool;
}

/// A request with a JSON body, or none.
pub(in crate::channels) fn request(
    method: Method,
    uri: http::Uri,
    body: Option<&Value>,
) -> Request<Bytes> {
    let mut request = Request::new(
        body.map(|body| Bytes::from(body.to_string()))
            .unwrap_or_default(),
    );
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    if body.is_some() {
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    request
}

/// A number as the shop's JSON has it.
///
/// # Errors
/// Names `field` when it is not one.
pub(in crate::channels) fn number(text: &str, field: &str) -> Result<u64, BuildError> {
    digits(text)
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| BuildError {
            what: format!("{field}: not a number of this shop"),
        })
}

/// The next call: the look, then the deed.
///
/// # Errors
/// When an id is not one of this shop's, or the shop cannot be told this.
pub(in crate::channels) fn next(
    shop: &dyn Rest,
    task: &ChannelTask,
    attempt: Try<'_>,
) -> Result<Request<Bytes>, BuildError> {
    let id = number(&task.external_id, "external_id")?;
    let order = format!("/orders/{id}");
    let Some(found) = attempt.got.first() else {
        return Ok(shop.call(Method::GET, &format!("{order}.json"), None));
    };
    match &task.news {
        News::Accepted { .. } => Ok(match shop.accept() {
            Accept::Confirm => {
                let body = json!({ "confirmed_status": "confirmed" });
                shop.call(Method::POST, &format!("{order}/confirm.json"), Some(&body))
            }
            Accept::Tag(tag) => {
                let tags = String::from_utf8_lossy(found);
                let tags = if tags.is_empty() {
                    tag.to_owned()
                } else {
                    format!("{tags}, {tag}")
                };
                let body = json!({ "order": { "id": id, "tags": tags } });
                shop.call(Method::PUT, &format!("{order}.json"), Some(&body))
            }
        }),
        News::Cancelled { reason, .. } => {
            let body = json!({
                "reason": reason_word(*reason), "email": shop.notify(), "restock": shop.restocks(),
            });
            Ok(shop.call(Method::POST, &format!("{order}/cancel.json"), Some(&body)))
        }
        News::Shipped {
            lines, tracking, ..
        } => {
            let body = shipment(lines, tracking.as_ref(), shop.notify())?;
            let path = format!("{order}/fulfillments.json");
            Ok(shop.call(Method::POST, &path, Some(&body)))
        }
        News::Arranged { .. }
        | News::Packed { .. }
        | News::Delivered { .. }
        | News::DeliveryFailed { .. }
        | News::CancelAnswered { .. }
        | News::Refunded { .. } => Err(BuildError {
            what: "the shop is not told this".to_owned(),
        }),
    }
}

/// Sorts the answer to [`next`].
pub(in crate::channels) fn read(
    shop: &dyn Rest,
    task: &ChannelTask,
    attempt: Try<'_>,
    response: &Response<Bytes>,
) -> Step {
    if let Some(step) = judge(response).failed() {
        return step;
    }
    if attempt.got.is_empty() {
        return match document::read(response.body()) {
            Ok(order) => look(shop, task, &order),
            Err(_) => api::unreadable("order"),
        };
    }
    api::accepted(given(response.body()))
}

/// What a look at the order says of the deed.
fn look(shop: &dyn Rest, task: &ChannelTask, order: &Order) -> Step {
    let act = || Step::Part(Bytes::from_static(b"{}"));
    let cancelled = || api::refused("cancelled", "the order is cancelled at the shop");
    match &task.news {
        News::Accepted { .. } if order.is_cancelled() => cancelled(),
        News::Accepted { .. } => match shop.accept() {
            Accept::Confirm if order.is_confirmed() => api::duplicate(),
            Accept::Confirm => act(),
            Accept::Tag(tag) => {
                let tags = order.tags();
                if tags.iter().any(|known| known.eq_ignore_ascii_case(tag)) {
                    api::duplicate()
                } else {
                    Step::Part(Bytes::from(tags.join(", ")))
                }
            }
        },
        News::Cancelled { .. } if order.is_cancelled() => api::duplicate(),
        News::Cancelled { whole: false, .. } => api::refused(
            "not_whole",
            "the shop takes the cancellation of whole orders only",
        ),
        News::Cancelled { .. } => act(),
        News::Shipped { .. } if order.is_cancelled() => cancelled(),
        News::Shipped {
            lines, tracking, ..
        } => match order.parcel_of(lines, tracking.as_ref()) {
            Some(given) => Step::Done(domain::task::Outcome::Duplicate { given }),
            None => act(),
        },
        News::Arranged { .. }
        | News::Packed { .. }
        | News::Delivered { .. }
        | News::DeliveryFailed { .. }
        | News::CancelAnswered { .. }
        | News::Refunded { .. } => api::refused("not_told", "the shop is not told this"),
    }
}

impl Order {
    /// Its tags: one text with commas, or a list.
    fn tags(&self) -> Vec<String> {
        let split = |text: &str| -> Vec<String> {
            let parts = text.split(',').map(str::trim);
            parts
                .filter(|tag| !tag.is_empty())
                .map(str::to_owned)
                .collect()
        };
        match &self.tags {
            Some(Value::String(text)) => split(text),
            Some(Value::Array(items)) => items
                .iter()
                .filter_map(Value::as_str)
                .flat_map(split)
                .collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                Vec::new()
            }
        }
    }

    /// The shop's own record of this parcel, if it has one: by its tracking number, or, where
    /// neither side has a number, by the very same lines; and where nothing of the lines is left to
    /// send, somebody has done it by hand.
    fn parcel_of(&self, lines: &[ChannelLine], tracking: Option<&Tracking>) -> Option<Given> {
        let number = tracking.map(|tracking| tracking.number.as_str());
        let parcels = self.fulfillments.as_deref().unwrap_or_default();
        let known = parcels
            .iter()
            .filter(|parcel| !parcel.is_cancelled())
            .find(|parcel| {
                let theirs = parcel
                    .tracking_number
                    .as_ref()
                    .map(Literal::as_str)
                    .unwrap_or_default();
                match number {
                    Some(number) => theirs == number,
                    None => theirs.is_empty() && parcel.holds(lines),
                }
            });
        if let Some(parcel) = known {
            return Some(Given {
                partner_id: parcel.id.as_ref().map(|id| word(id.as_str())),
                ..Given::default()
            });
        }
        let items = self.line_items.as_deref().unwrap_or_default();
        let sent = |line: &ChannelLine| {
            items.iter().any(|item| {
                item.id.as_str() == line.line_id
                    && (item.fulfillable_quantity.as_ref()).is_some_and(Literal::is_zero_or_empty)
            })
        };
        (!lines.is_empty() && lines.iter().all(sent)).then(Given::default)
    }
}

impl super::document::Fulfillment {
    fn holds(&self, lines: &[ChannelLine]) -> bool {
        let theirs = self.line_items.as_deref().unwrap_or_default();
        theirs.len() == lines.len()
            && lines.iter().all(|line| {
                theirs.iter().any(|sent| {
                    sent.id.as_str() == line.line_id
                        && sent.quantity.whole("quantity") == Ok(i64::from(line.quantity))
                })
            })
    }
}

/// The shops' few words for why an order is cancelled.
fn reason_word(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::OutOfStock => "inventory",
        CancelReason::BuyerAsked => "customer",
        CancelReason::Unpaid => "declined",
        CancelReason::Other => "other",
    }
}

/// Haravan's and Sapo Web's fulfillment: the order's lines themselves.
fn shipment(
    lines: &[ChannelLine],
    tracking: Option<&Tracking>,
    notify: bool,
) -> Result<Value, BuildError> {
    let mut items = Vec::with_capacity(lines.len());
    for line in lines {
        let id = number(&line.line_id, "line_id")?;
        items.push(json!({ "id": id, "quantity": line.quantity }));
    }
    let mut fulfillment = json!({ "line_items": items, "notify_customer": notify });
    if let Some(tracking) = tracking {
        fulfillment["tracking_number"] = json!(tracking.number);
        if let Some(carrier) = &tracking.carrier {
            fulfillment["tracking_company"] = json!(carrier);
        }
    }
    Ok(json!({ "fulfillment": fulfillment }))
}

/// What an answer gives back: the shop's id of the parcel and its number.
pub(in crate::channels) fn given(body: &[u8]) -> Given {
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        return Given::default();
    };
    let text = |field: &str| match document.pointer(&format!("/fulfillment/{field}"))? {
        Value::String(text) if !text.is_empty() => Some(word(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Given {
        partner_id: text("id"),
        tracking: text("tracking_number"),
        state: text("status"),
        ..Given::default()
    }
}
