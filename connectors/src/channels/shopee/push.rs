//! Shopee's push envelope: what a code means, and what makes two pushes the same.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::polling::LISTED;
use crate::inbound::{
    AccountNotice, AccountState, Notice, NoticeBody, OrderDocument, PayloadError, VerifiedWebhook,
};
use crate::literal::Literal;
use crate::payload;

/// `{msg_id?, data, shop_id?, code, timestamp}`. `code` is the push code, not the `push_api_id` of
/// the documentation's addresses. Partner-level pushes (1, 2, 12) lack `shop_id`.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    msg_id: Option<String>,
    #[serde(default)]
    data: Value,
    shop_id: Option<Literal>,
    code: u32,
}

/// One row of `get_order_list`, as [`super::polling`] writes it.
#[derive(Deserialize)]
struct Listed {
    order_sn: String,
    #[serde(default)]
    order_status: String,
    window_to: i64,
}

/// A push about more orders than this is read without the rest; the order poll finds them.
const MOST_ORDERS: usize = 50;

pub(super) fn is_verify_ping(body: &[u8]) -> bool {
    // Only a small body can be one: nothing large is parsed before it is verified.
    body.len() < 4096
        && serde_json::from_slice::<Envelope>(body)
            .is_ok_and(|envelope| envelope.code == 0 && envelope.data.get("verify_info").is_some())
}

impl Envelope {
    /// A text or number of `data` under the first of these names that is there and not empty.
    fn field(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| match self.data.get(name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null
            | Value::Bool(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        })
    }

    /// `ordersn` in 3, 4 and 15, `order_sn` in 29 and 47.
    fn order_sn(&self) -> Option<String> {
        self.field(&["ordersn", "order_sn"])
    }

    /// All orders that `data` names, in itself or in the rows of its lists (30).
    fn orders(&self) -> Vec<String> {
        let mut orders: Vec<String> = self.order_sn().into_iter().collect();
        let fields = self
            .data
            .as_object()
            .into_iter()
            .flat_map(|map| map.values());
        let rows = fields.filter_map(Value::as_array).flatten();
        for row in rows {
            let order = row.get("order_sn").or_else(|| row.get("ordersn"));
            orders.extend(order.and_then(Value::as_str).map(str::to_owned));
        }
        orders.sort_unstable();
        orders.dedup();
        orders.truncate(MOST_ORDERS);
        orders
    }

    /// The vendor says that what it reports did not come about.
    fn failed(&self) -> bool {
        match self.data.get("success") {
            Some(Value::Bool(success)) => !success,
            Some(Value::Number(success)) => success.as_i64() == Some(0),
            Some(Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_)) | None => {
                false
            }
        }
    }

    fn seconds(&self, name: &str) -> Option<Timestamp> {
        let seconds = self.field(&[name])?.parse().ok()?;
        Timestamp::from_second(seconds).ok()
    }

    /// Ids in a list of `data`; lists may hold numbers or objects with an id.
    fn ids(&self, name: &str) -> Vec<String> {
        let items = self.data.get(name).and_then(Value::as_array);
        items
            .into_iter()
            .flatten()
            .filter_map(|item| {
                item.get("shop_id")
                    .unwrap_or(item)
                    .as_number()
                    .map(ToString::to_string)
            })
            .collect()
    }

    /// The shops that the push is about; partner-level pushes name them in `data`.
    fn shops(&self) -> Vec<String> {
        if let Some(shop) = self.shop_id.as_ref().filter(|id| !id.is_zero_or_empty()) {
            return vec![shop.to_string()];
        }
        if let Some(shop) = self.field(&["shop_id", "shopid"]) {
            return vec![shop];
        }
        let mut shops = self.ids("shop_id_list");
        shops.extend(self.ids("shop_expire_soon"));
        shops.sort_unstable();
        shops.dedup();
        shops
    }
}

/// `msg_id` where it is filled: it is the same in all attempts and in the lost-push store. Else
/// the business key; a code that has none gets a hash of the body.
pub(super) fn dedup_key(message: &VerifiedWebhook) -> String {
    if message.topic() == Some(LISTED) {
        return match payload::read::<Listed>(message.body()) {
            Ok(row) => format!(
                "listed:{}:{}:{}",
                row.order_sn, row.order_status, row.window_to
            ),
            Err(_) => format!("unreadable:{}", payload::digest(message.body())),
        };
    }
    let Ok(envelope) = payload::read::<Envelope>(message.body()) else {
        return format!("unreadable:{}", payload::digest(message.body()));
    };
    if let Some(id) = envelope.msg_id.as_deref().filter(|id| !id.is_empty()) {
        return format!("msg:{id}");
    }
    let (Some(order), Some(at)) = (envelope.order_sn(), envelope.field(&["update_time"])) else {
        return format!("body:{}", payload::digest(message.body()));
    };
    let shop = envelope.shop_id.as_ref().map_or("", Literal::as_str);
    let status = envelope
        .field(&["status", "package_number"])
        .unwrap_or_default();
    // A parcel's changes and an order's status may fall into one second: the code tells them apart,
    // and for parcels the body, whose `changed_fields` are the news.
    let detail = if envelope.code == 3 {
        String::new()
    } else {
        payload::digest(message.body())
    };
    format!(
        "push:{shop}:{}:{order}:{status}:{at}:{detail}",
        envelope.code
    )
}

/// The shops that the push is about; several for 1, 2 and 12.
pub(super) fn shops(message: &VerifiedWebhook) -> Vec<String> {
    if message.topic() == Some(LISTED) {
        return Vec::new();
    }
    payload::read::<Envelope>(message.body()).map_or_else(|_| Vec::new(), |push| push.shops())
}

pub(super) fn parse(message: &VerifiedWebhook, shop_id: u64) -> Result<Vec<Notice>, PayloadError> {
    if message.topic() == Some(LISTED) {
        let row: Listed = payload::read(message.body())?;
        return Ok(vec![fetch(&row.order_sn, None)?]);
    }
    let envelope: Envelope = payload::read(message.body())?;
    let shops = envelope.shops();
    if !shops.is_empty() && !shops.contains(&shop_id.to_string()) {
        // The app tells all its shops of the others' authorisations; an order of another shop is a
        // gap in the configuration, and somebody must see it.
        return match envelope.code {
            1 | 2 | 12 => Ok(vec![ignored("an authorisation of another shop")]),
            _ => Err(PayloadError::new("shop_id: this push is for another shop")),
        };
    }
    let notice = match envelope.code {
        1 | 2 if envelope.failed() => ignored("an authorisation that did not come about"),
        1 => account_notice(
            AccountState::Authorized,
            "the shop authorised the app",
            None,
        ),
        2 => account_notice(
            AccountState::Revoked,
            "the shop's authorisation ended",
            None,
        ),
        3 => {
            let order = required_order(&envelope)?;
            // Only this code's time is the order's own `update_time`; the times of the others belong
            // to parcels and returns, and an order may stay older than them for ever.
            fetch(&order, envelope.seconds("update_time"))?
        }
        4 | 15 | 29 | 47 => fetch(&required_order(&envelope)?, None)?,
        // Bookings are packed and sent before there is an order; once they are matched, the order
        // comes by a push of its own, says that its parcel has left, and is not sent again.
        23..=25 if envelope.order_sn().is_none() => {
            let status = envelope.field(&["booking_status"]).unwrap_or_default();
            let status = payload::word(&status);
            ignored(format!("a booking without an order yet {status}").trim_end())
        }
        // The payload of 30 is not documented.
        23..=25 | 30 => {
            let orders = envelope.orders();
            if orders.is_empty() {
                return Ok(vec![ignored("a parcel's change without an order")]);
            }
            return orders.iter().map(|order| fetch(order, None)).collect();
        }
        // The list comes in several pushes; one about merchants or users only is not about a shop.
        12 if shops.is_empty() => ignored("authorisations that are not a shop's"),
        12 => account_notice(
            AccountState::Expiring,
            "the shop's authorisation ends soon",
            envelope.seconds("expire_before"),
        ),
        code => ignored(&format!("push code {code} is not about orders")),
    };
    Ok(vec![notice])
}

fn required_order(envelope: &Envelope) -> Result<String, PayloadError> {
    envelope
        .order_sn()
        .ok_or_else(|| PayloadError::new("data.ordersn: missing"))
}

fn fetch(order_sn: &str, revision: Option<Timestamp>) -> Result<Notice, PayloadError> {
    let external_id = payload::external_id(order_sn, "order_sn")?;
    Ok(Notice {
        key: Some(external_id.clone()),
        body: NoticeBody::Order {
            external_id,
            revision,
            document: OrderDocument::Fetch,
        },
    })
}

fn account_notice(state: AccountState, detail: &str, until: Option<Timestamp>) -> Notice {
    let detail = detail.to_owned();
    Notice {
        key: None,
        body: NoticeBody::Account(AccountNotice {
            state,
            detail,
            until,
        }),
    }
}

fn ignored(reason: &str) -> Notice {
    Notice {
        key: None,
        body: NoticeBody::Ignored {
            reason: reason.to_owned(),
        },
    }
}
