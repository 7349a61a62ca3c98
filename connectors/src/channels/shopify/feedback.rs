//! What Shopify is told: that we take an order (a tag), what is cancelled, which parcels have left.
//!
//! Cancelled lines are a refund without money that carries our key in its note, so that a repeat
//! finds it; the money is given back by whoever took it.

use bytes::Bytes;
use domain::task::{ChannelLine, ChannelTask, Given, News, NewsKind};
use http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::json;

use super::Shopify;
use crate::channel::CallContext;
use crate::channels::storefront::api::{self, judge};
use crate::channels::storefront::deeds::{self, Rest as _, number};
use crate::feedback::{Feedback, Step, Stock, Try};
use crate::payload;
use crate::target::BuildError;

impl Feedback for Shopify {
    fn takes(&self) -> &'static [NewsKind] {
        if self.settings.accepted_tag.is_empty() {
            &[NewsKind::Shipped, NewsKind::Cancelled]
        } else {
            &[NewsKind::Accepted, NewsKind::Shipped, NewsKind::Cancelled]
        }
    }

    fn request(
        &self,
        task: &ChannelTask,
        attempt: Try<'_>,
        _: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        match &task.news {
            News::Shipped { .. } => self.fulfill(task, attempt),
            News::Cancelled {
                whole: false,
                lines,
                text,
                ..
            } => self.cancel_lines(task, lines, text, attempt),
            News::Accepted { .. }
            | News::Arranged { .. }
            | News::Packed { .. }
            | News::Delivered { .. }
            | News::DeliveryFailed { .. }
            | News::Cancelled { .. }
            | News::CancelAnswered { .. }
            | News::Refunded { .. } => deeds::next(self, task, attempt),
        }
    }

    fn read(&self, task: &ChannelTask, attempt: Try<'_>, response: &Response<Bytes>) -> Step {
        match &task.news {
            News::Shipped {
                lines, tracking, ..
            } => self.read_fulfill(lines, tracking.as_ref(), attempt, response),
            News::Cancelled { whole: false, .. } => read_cancel_lines(attempt, response),
            News::Accepted { .. }
            | News::Arranged { .. }
            | News::Packed { .. }
            | News::Delivered { .. }
            | News::DeliveryFailed { .. }
            | News::Cancelled { .. }
            | News::CancelAnswered { .. }
            | News::Refunded { .. } => deeds::read(self, task, attempt, response),
        }
    }

    fn stock(&self) -> Option<&dyn Stock> {
        self.settings.stock_location_id.map(|_| self as &dyn Stock)
    }
}

#[derive(Deserialize)]
struct Refunds {
    refunds: Vec<Refund>,
}

#[derive(Deserialize)]
struct Refund {
    note: Option<String>,
}

impl Shopify {
    fn cancel_lines(
        &self,
        task: &ChannelTask,
        lines: &[ChannelLine],
        text: &str,
        attempt: Try<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let id = number(&task.external_id, "external_id")?;
        let path = format!("/orders/{id}/refunds.json");
        if attempt.got.is_empty() {
            return Ok(self.call(Method::GET, &path, None));
        }
        // Putting units back would need the shop's location; where we set its stock, the next level
        // says it all the same.
        let mut items = Vec::with_capacity(lines.len());
        for line in lines {
            items.push(json!({
                "line_item_id": number(&line.line_id, "line_id")?,
                "quantity": line.quantity, "restock_type": "no_restock",
            }));
        }
        let refund = json!({
            "notify": self.settings.notify_customer,
            "note": format!("{text} [{}]", attempt.key),
            "refund_line_items": items,
            "transactions": [],
        });
        Ok(self.call(Method::POST, &path, Some(&json!({ "refund": refund }))))
    }
}

fn read_cancel_lines(attempt: Try<'_>, response: &Response<Bytes>) -> Step {
    if let Some(step) = judge(response).failed() {
        return step;
    }
    if !attempt.got.is_empty() {
        return api::accepted(Given::default());
    }
    let Ok(known) = payload::read::<Refunds>(response.body()) else {
        return api::unreadable("refunds");
    };
    let ours = format!("[{}]", attempt.key);
    let is_ours = |refund: &Refund| refund.note.as_deref().is_some_and(|n| n.ends_with(&ours));
    if known.refunds.iter().any(is_ours) {
        api::duplicate()
    } else {
        Step::Part(Bytes::from_static(b"{}"))
    }
}
