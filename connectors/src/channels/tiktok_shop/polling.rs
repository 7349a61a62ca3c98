//! TikTok Shop's only net: orders by update time, whole documents page by page. There is no list of
//! lost messages, and a message that we answered with 401 is never sent again.

use bytes::Bytes;
use http::{Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::TikTokShop;
use super::api::{Answer, judge};
use crate::channel::{CallContext, PollWindow, Polled, Polling};
use crate::inbound::{PayloadError, VerifiedWebhook};
use crate::signature;

const ORDERS: &str = "orders";

/// The topic of messages that are whole orders of the order search, not envelopes.
pub(super) const LISTED: &str = "orders/search";

const SEARCH: &str = "/order/202309/orders/search";

/// The vendor documents no limit; a window of a week keeps the pages few.
const LONGEST_S: i64 = 7 * 86_400;

/// A longer page token would not fit into an address.
const LONGEST_TOKEN: usize = 4096;

/// Fields that differ from answer to answer although nothing has happened (addresses of pictures
/// are signed and end): with them the same order would seem to be another every time.
const RESTLESS: [&str; 2] = ["sku_image", "buyer_avatar"];

#[derive(Deserialize)]
struct Found {
    next_page_token: Option<String>,
    orders: Option<Vec<Value>>,
}

impl Polling for TikTokShop {
    fn kinds(&self) -> &'static [&'static str] {
        &[ORDERS]
    }

    fn every_s(&self, _: &str) -> i64 {
        300
    }

    fn overlap_s(&self, _: &str) -> i64 {
        900
    }

    fn longest_window_s(&self, _: &str) -> i64 {
        LONGEST_S
    }

    fn request(&self, _: &str, window: &PollWindow, call: CallContext<'_>) -> Request<Bytes> {
        let mut parameters = vec![
            ("page_size", "50"),
            ("sort_field", "update_time"),
            ("sort_order", "ASC"),
        ];
        if let Some(token) = &window.cursor {
            parameters.push(("page_token", token));
        }
        // Half open, as our windows are.
        let body = json!({
            "update_time_ge": window.from.as_second(),
            "update_time_lt": window.to.as_second(),
        });
        self.post(SEARCH, &parameters, &body, call)
            .expect("invariant: the base address is checked and page tokens are short")
    }

    fn read(
        &self,
        _: &str,
        _: &PollWindow,
        response: &Response<Bytes>,
    ) -> Result<Polled, PayloadError> {
        let document = match judge(response) {
            Answer::Good(document) => document,
            Answer::TokenExpired => return Ok(Polled::TokenExpired),
            Answer::Retry { after_s, reason } => return Ok(Polled::Retry { after_s, reason }),
            Answer::Account { reason } => return Ok(Polled::Account { reason }),
            Answer::Refused { reason, .. } => return Ok(Polled::Refused { reason }),
        };
        let data = document.get("data").unwrap_or(&Value::Null);
        let found = Found::deserialize(data)
            .map_err(|_| PayloadError::new("data: expected orders and next_page_token"))?;
        let messages = found
            .orders
            .into_iter()
            .flatten()
            .map(|mut order| {
                settle(&mut order);
                let body = Bytes::from(order.to_string());
                VerifiedWebhook::polled(Some(LISTED.to_owned()), body, signature::own_call())
            })
            .collect();
        let next = found.next_page_token.filter(|token| !token.is_empty());
        if next
            .as_ref()
            .is_some_and(|token| token.len() > LONGEST_TOKEN)
        {
            return Err(PayloadError::new("data.next_page_token: too long"));
        }
        Ok(Polled::Page { messages, next })
    }
}

/// Takes the restless fields out.
fn settle(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for name in RESTLESS {
                map.remove(name);
            }
            map.values_mut().for_each(settle);
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
