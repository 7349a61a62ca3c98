//! Lazada's push envelope: what a message type means, and what makes two messages the same.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::document::{Loose, epoch};
use super::polling::LISTED;
use crate::inbound::{
    AccountNotice, AccountState, Notice, NoticeBody, OrderDocument, PayloadError, VerifiedWebhook,
};
use crate::payload::{self, word};

const TRADE_ORDER: i64 = 0;
const TOKEN_ALERT: i64 = 8;
const REVERSE_ORDER: i64 = 10;
const FULFILLMENT: i64 = 14;

/// `{seller_id, message_type, data, timestamp, site}`. The site is spelled in at least three ways
/// (`lazada_vn`, `LAZADA_SG`, `lazada-sg`) and says nothing that the seller does not.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    seller_id: Loose,
    message_type: Loose,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    timestamp: Loose,
}

/// One row of `/orders/get`, as [`super::polling`] writes it.
#[derive(Deserialize)]
struct Listed {
    order_id: String,
    updated_at: Option<Timestamp>,
    window_to: Option<Timestamp>,
}

impl Envelope {
    /// The type; -1 for what is not one.
    fn kind(&self) -> i64 {
        self.message_type
            .text()
            .and_then(|text| text.parse().ok())
            .unwrap_or(-1)
    }

    /// A text or number of `data`: type 0 writes ids as texts, type 10 as numbers.
    fn field(&self, name: &str) -> Option<String> {
        Loose::deserialize(self.data.get(name)?).ok()?.owned()
    }

    /// Token alerts have the text `null` on the envelope and name the shop in `data`.
    fn seller(&self) -> Option<String> {
        self.seller_id.owned().or_else(|| self.field("seller_id"))
    }

    fn order(&self) -> Option<String> {
        self.field("trade_order_id").filter(|id| id != "0")
    }

    fn changed_at(&self) -> Option<Timestamp> {
        epoch(&self.field("status_update_time")?)
    }
}

/// There is no event id. A line's (or parcel's) status and its time make the key: several identical
/// messages come at the same instant, and a retry may have another outer timestamp.
pub(super) fn dedup_key(message: &VerifiedWebhook) -> String {
    if message.topic() == Some(LISTED) {
        return match payload::read::<Listed>(message.body()) {
            Ok(row) => {
                let version = row.updated_at.or(row.window_to).unwrap_or_default();
                format!("listed:{}:{version}", word(&row.order_id))
            }
            Err(_) => format!("unreadable:{}", payload::digest(message.body())),
        };
    }
    let Ok(envelope) = payload::read::<Envelope>(message.body()) else {
        return format!("unreadable:{}", payload::digest(message.body()));
    };
    let kind = envelope.kind();
    let named: &[&str] = match kind {
        TRADE_ORDER => &["trade_order_id", "trade_order_line_id", "order_status"],
        REVERSE_ORDER => &[
            "trade_order_id",
            "reverse_order_line_id",
            "trade_order_line_id",
            "reverse_status",
        ],
        FULFILLMENT => &["trade_order_id", "fulfillment_package_id", "status"],
        TOKEN_ALERT => &[],
        _ => return format!("push:{kind}:{}", payload::digest(message.body())),
    };
    let at = if kind == TOKEN_ALERT {
        // The same alert comes every day.
        let expiry = envelope.field("auth_expiry_time").unwrap_or_default();
        let sent = envelope.timestamp.text().unwrap_or_default();
        format!("{}:{}", word(&expiry), word(sent))
    } else {
        match (envelope.order(), envelope.field("status_update_time")) {
            (Some(_), Some(at)) => word(&at),
            (None, _) | (_, None) => payload::digest(message.body()),
        }
    };
    let seller = envelope.seller().unwrap_or_default();
    let parts: Vec<String> = named
        .iter()
        .map(|name| word(&envelope.field(name).unwrap_or_default()))
        .collect();
    format!("push:{kind}:{}:{}:{at}", word(&seller), parts.join(":"))
}

pub(super) fn account(message: &VerifiedWebhook) -> Option<String> {
    if message.topic() == Some(LISTED) {
        return None;
    }
    payload::read::<Envelope>(message.body()).ok()?.seller()
}

pub(super) fn parse(
    message: &VerifiedWebhook,
    seller_id: u64,
) -> Result<Vec<Notice>, PayloadError> {
    if message.topic() == Some(LISTED) {
        let row: Listed = payload::read(message.body())?;
        return Ok(vec![fetch(&row.order_id, row.updated_at)?]);
    }
    let envelope: Envelope = payload::read(message.body())?;
    let kind = envelope.kind();
    let is_ours = envelope
        .seller()
        .is_none_or(|seller| seller == seller_id.to_string());
    let notice = match kind {
        TRADE_ORDER | REVERSE_ORDER | FULFILLMENT if !is_ours => {
            // The same order id may stand for another order there; somebody must see the gap in the
            // configuration.
            return Err(PayloadError::new(
                "seller_id: this push is for another shop",
            ));
        }
        TRADE_ORDER => {
            // A return's time belongs to the return: the order may stay older than it for ever.
            let is_return = envelope.field("reverse_order_id").is_some();
            let revision = envelope.changed_at().filter(|_| !is_return);
            fetch(&required_order(&envelope)?, revision)?
        }
        REVERSE_ORDER | FULFILLMENT => fetch(&required_order(&envelope)?, None)?,
        TOKEN_ALERT if !is_ours => ignored("an authorisation of another shop"),
        TOKEN_ALERT => Notice {
            key: None,
            body: NoticeBody::Account(AccountNotice {
                state: AccountState::Expiring,
                detail: "the shop's authorisation ends soon".to_owned(),
                until: envelope
                    .field("auth_expiry_time")
                    .and_then(|text| epoch(&text)),
            }),
        },
        other => ignored(&format!("message type {other} is not about orders")),
    };
    Ok(vec![notice])
}

fn required_order(envelope: &Envelope) -> Result<String, PayloadError> {
    envelope
        .order()
        .ok_or_else(|| PayloadError::new("data.trade_order_id: missing"))
}

fn fetch(order_id: &str, revision: Option<Timestamp>) -> Result<Notice, PayloadError> {
    let external_id = payload::external_id(order_id, "trade_order_id")?;
    Ok(Notice {
        key: Some(external_id.clone()),
        body: NoticeBody::Order {
            external_id,
            revision,
            document: OrderDocument::Fetch,
        },
    })
}

fn ignored(reason: &str) -> Notice {
    Notice {
        key: None,
        body: NoticeBody::Ignored {
            reason: reason.to_owned(),
        },
    }
}
