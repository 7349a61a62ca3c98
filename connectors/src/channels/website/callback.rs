//! What the website is told: our own events, signed by Standard Webhooks, to the address that it
//! gives us. `webhook-id` is the same for every try, so the website passes a repeat over by it.

use bytes::Bytes;
use domain::task::{ChannelLine, ChannelTask, Given, News, NewsKind, Outcome, StockLevel};
use http::{HeaderValue, Request, Response, Uri};
use serde_json::{Value, json};

use crate::channel::CallContext;
use crate::feedback::{Feedback, Step, Stock, Try};
use crate::signature::standard_webhooks::{self, Keys};
use crate::target::BuildError;
use crate::url;

/// Where events go, and the keys that sign them.
#[derive(Debug)]
pub(super) struct Callback {
    pub(super) uri: Uri,
    pub(super) keys: Keys,
}

impl Callback {
    fn event(
        &self,
        kind: &str,
        data: &Value,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let event = json!({ "type": kind, "timestamp": call.now.to_string(), "data": data });
        let mut request = url::post_json(self.uri.clone(), &event);
        let at = call.now.as_second();
        let signature = self.keys.sign(attempt.key, at, request.body());
        let headers = [
            (standard_webhooks::ID, attempt.key.to_owned()),
            (standard_webhooks::TIMESTAMP, at.to_string()),
            (standard_webhooks::SIGNATURE, signature),
        ];
        for (name, value) in headers {
            let value = HeaderValue::from_str(&value).map_err(|_| BuildError {
                what: format!("{name}: not a header's value"),
            })?;
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }
}

/// 2xx is success and 410 means stop; 429 and 5xx pass, as do time-outs and too early. A wrong
/// address or secret needs a person; what the website does not understand it never will.
fn judge(response: &Response<Bytes>) -> Step {
    let status = response.status().as_u16();
    let reason = format!("the website answered {status}");
    Step::Done(match status {
        200..=299 => Outcome::Accepted {
            given: Given::default(),
        },
        408 | 425 | 429 | 500..=599 => Outcome::Retry {
            after_s: url::retry_after_s(response.headers()),
            reason,
        },
        // The event was taken before: the website says so instead of passing it over.
        409 => Outcome::Duplicate {
            given: Given::default(),
        },
        410 => Outcome::Account {
            reason: "410: the website wants no more events".to_owned(),
        },
        300..=399 | 401 | 403 | 404 => Outcome::Account { reason },
        _ => Outcome::Refused {
            code: status.to_string(),
            message: reason,
        },
    })
}

impl Feedback for Callback {
    fn takes(&self) -> &'static [NewsKind] {
        &[
            NewsKind::Accepted,
            NewsKind::Packed,
            NewsKind::Shipped,
            NewsKind::Delivered,
            NewsKind::DeliveryFailed,
            NewsKind::Cancelled,
        ]
    }

    fn request(
        &self,
        task: &ChannelTask,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let (kind, mut data) = event(&task.news).ok_or_else(|| BuildError {
            what: "the website is not told this".to_owned(),
        })?;
        data["external_id"] = json!(task.external_id);
        data["order_ref"] = json!(task.order_ref);
        self.event(kind, &data, attempt, call)
    }

    fn read(&self, _: &ChannelTask, _: Try<'_>, response: &Response<Bytes>) -> Step {
        judge(response)
    }

    fn stock(&self) -> Option<&dyn Stock> {
        Some(self)
    }
}

impl Stock for Callback {
    fn request(
        &self,
        level: &StockLevel,
        attempt: Try<'_>,
        call: CallContext<'_>,
    ) -> Result<Request<Bytes>, BuildError> {
        let data = json!({
            "sku": level.sku, "channel_sku": level.channel_sku, "available": level.available,
        });
        self.event("stock.changed", &data, attempt, call)
    }

    fn read(&self, _: &StockLevel, _: Try<'_>, response: &Response<Bytes>) -> Step {
        judge(response)
    }
}

/// The event's type and what it says beside the order.
fn event(news: &News) -> Option<(&'static str, Value)> {
    Some(match news {
        News::Accepted { lines, location } => (
            "order.accepted",
            json!({ "lines": shown(lines), "location": location }),
        ),
        News::Packed { parcel, lines, .. } => (
            "order.packed",
            json!({ "parcel": parcel, "lines": shown(lines) }),
        ),
        News::Shipped {
            parcel,
            lines,
            tracking,
            at,
        } => (
            "order.shipped",
            json!({
                "parcel": parcel, "lines": shown(lines), "tracking": tracking,
                "at": at.to_string(),
            }),
        ),
        News::Delivered { parcel, at } => (
            "order.delivered",
            json!({ "parcel": parcel, "at": at.to_string() }),
        ),
        News::DeliveryFailed { parcel, reason, at } => (
            "order.delivery_failed",
            json!({ "parcel": parcel, "reason": reason, "at": at.to_string() }),
        ),
        News::Cancelled {
            reason,
            text,
            lines,
            whole,
        } => (
            "order.cancelled",
            json!({ "reason": reason, "text": text, "lines": shown(lines), "whole": whole }),
        ),
        News::Arranged { .. } | News::CancelAnswered { .. } | News::Refunded { .. } => return None,
    })
}

fn shown(lines: &[ChannelLine]) -> Vec<Value> {
    lines
        .iter()
        .map(|line| {
            json!({
                "id": line.line_id, "sku": line.sku, "channel_sku": line.channel_sku,
                "quantity": line.quantity,
            })
        })
        .collect()
}
