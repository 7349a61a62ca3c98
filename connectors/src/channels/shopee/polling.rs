//! Shopee's two nets: orders by update time, and the pushes that nobody took.

use bytes::Bytes;
use http::{Request, Response};
use serde::Deserialize;
use serde_json::json;

use super::Shopee;
use super::api::{Answer, judge, part};
use crate::channel::{CallContext, Confirmed, PollWindow, Polled, Polling};
use crate::inbound::{PayloadError, VerifiedWebhook};
use crate::literal::Literal;
use crate::{signature, url};

const ORDERS: &str = "orders";
const LOST_PUSH: &str = "lost_push";

/// The topic of messages that are rows of the order list, not envelopes.
pub(super) const LISTED: &str = "get_order_list";

const ORDER_LIST: &str = "/api/v2/order/get_order_list";
const LOST: &str = "/api/v2/push/get_lost_push_message";
const CONFIRM: &str = "/api/v2/push/confirm_consumed_lost_push_message";

/// The vendor's limit.
const LONGEST_S: i64 = 15 * 86_400;

#[derive(Deserialize)]
struct OrderList {
    #[serde(default)]
    more: bool,
    #[serde(default)]
    next_cursor: String,
    #[serde(default)]
    order_list: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    order_sn: String,
    #[serde(default)]
    order_status: Option<String>,
}

#[derive(Deserialize)]
struct LostPushes {
    #[serde(default)]
    push_message_list: Vec<LostPush>,
    #[serde(default)]
    has_next_page: bool,
    last_message_id: Option<Literal>,
}

/// `data` is the whole envelope as a text.
#[derive(Deserialize)]
struct LostPush {
    data: String,
}

impl Polling for Shopee {
    fn kinds(&self) -> &'static [&'static str] {
        &[ORDERS, LOST_PUSH]
    }

    fn every_s(&self, kind: &str) -> i64 {
        if kind == LOST_PUSH { 600 } else { 300 }
    }

    fn overlap_s(&self, kind: &str) -> i64 {
        if kind == LOST_PUSH { 0 } else { 900 }
    }

    fn longest_window_s(&self, _: &str) -> i64 {
        LONGEST_S
    }

    /// There is one store of lost pushes per app, and confirming empties it for all its shops.
    fn is_app_wide(&self, kind: &str) -> bool {
        kind == LOST_PUSH
    }

    fn request(&self, kind: &str, window: &PollWindow, call: CallContext<'_>) -> Request<Bytes> {
        let path_and_query = if kind == LOST_PUSH {
            // Always the earliest hundred of the last three days: there is nothing to choose.
            self.public_call(LOST, call.now.as_second()).on(LOST)
        } else {
            self.shop_call(ORDER_LIST, call)
                .with("time_range_field", "update_time")
                .with("time_from", window.from.as_second().to_string())
                .with("time_to", window.to.as_second().to_string())
                .with("page_size", "100")
                .with("cursor", window.cursor.as_deref().unwrap_or(""))
                .with("response_optional_fields", "order_status")
                .with("request_order_status_pending", "true")
                .on(ORDER_LIST)
        };
        let uri = self.0.base_url.join(&path_and_query);
        url::get(uri.expect("invariant: the base address is checked and the query is short"))
    }

    fn read(
        &self,
        kind: &str,
        window: &PollWindow,
        response: &Response<Bytes>,
    ) -> Result<Polled, PayloadError> {
        let document = match judge(response) {
            Answer::Good(document) => document,
            Answer::TokenExpired => return Ok(Polled::TokenExpired),
            Answer::Retry { after_s, reason } => return Ok(Polled::Retry { after_s, reason }),
            Answer::NotFound => {
                return Ok(Polled::Account {
                    reason: "no such call there".to_owned(),
                });
            }
            Answer::Reauthorize { reason } | Answer::Account { reason } => {
                return Ok(Polled::Account { reason });
            }
            Answer::Refused { reason } => return Ok(Polled::Refused { reason }),
        };
        if kind == LOST_PUSH {
            return lost_pushes(&part(&document, "/response")?);
        }
        Ok(listed(part(&document, "/response")?, window))
    }

    /// The last message id is a watermark for the whole batch; without this call the same hundred
    /// come back.
    fn confirm(
        &self,
        kind: &str,
        response: &Response<Bytes>,
        call: CallContext<'_>,
    ) -> Option<Request<Bytes>> {
        if kind != LOST_PUSH {
            return None;
        }
        let Answer::Good(document) = judge(response) else {
            return None;
        };
        let answered: LostPushes = part(&document, "/response").ok()?;
        if answered.push_message_list.is_empty() {
            return None;
        }
        let last = answered.last_message_id?.whole("last_message_id").ok()?;
        let query = self.public_call(CONFIRM, call.now.as_second());
        let uri = self.0.base_url.join(&query.on(CONFIRM))?;
        Some(url::post_json(uri, &json!({ "last_message_id": last })))
    }

    /// Like all calls: success is an empty `error`, whatever the status says.
    fn read_confirm(&self, _: &str, response: &Response<Bytes>) -> Confirmed {
        match judge(response) {
            Answer::Good(_) => Confirmed::Done,
            Answer::Retry { after_s, reason } => Confirmed::Retry { after_s, reason },
            Answer::NotFound => Confirmed::Refused {
                reason: "no such call there".to_owned(),
            },
            // The call carries no token, so a fresh one would not help.
            Answer::TokenExpired => Confirmed::Refused {
                reason: "the vendor wants a token for it".to_owned(),
            },
            Answer::Reauthorize { reason }
            | Answer::Account { reason }
            | Answer::Refused { reason } => Confirmed::Refused { reason },
        }
    }
}

/// Rows carry no time of change, so the window's end makes their key: an order in the overlap of
/// two windows is fetched twice rather than a second change in it missed.
fn listed(list: OrderList, window: &PollWindow) -> Polled {
    let messages = list
        .order_list
        .into_iter()
        .map(|row| {
            let body = json!({
                "order_sn": row.order_sn,
                "order_status": row.order_status.unwrap_or_default(),
                "window_to": window.to.as_second(),
            });
            let body = Bytes::from(body.to_string());
            VerifiedWebhook::polled(Some(LISTED.to_owned()), body, signature::own_call())
        })
        .collect();
    let next = (list.more && !list.next_cursor.is_empty()).then_some(list.next_cursor);
    Polled::Page { messages, next }
}

fn lost_pushes(lost: &LostPushes) -> Result<Polled, PayloadError> {
    let messages = lost
        .push_message_list
        .iter()
        .map(|push| {
            let body = Bytes::copy_from_slice(push.data.as_bytes());
            VerifiedWebhook::polled(None, body, signature::own_call())
        })
        .collect();
    let last = lost.last_message_id.as_ref().map(Literal::to_string);
    if lost.has_next_page && last.is_none() {
        return Err(PayloadError::new("/response/last_message_id: missing"));
    }
    Ok(Polled::Page {
        messages,
        next: last.filter(|_| lost.has_next_page),
    })
}
