//! TikTok Shop's webhook envelope: what a type means, and what makes two messages the same.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::fetch::may_have_returns;
use super::order;
use super::polling::LISTED;
use super::totals::UNEXPLAINED;
use crate::inbound::{
    AccountNotice, AccountState, Notice, NoticeBody, OrderDocument, PayloadError, VerifiedWebhook,
};
use crate::literal::Literal;
use crate::payload::{self, word};

/// `{type, tts_notification_id, shop_id, timestamp, data}`.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: Literal,
    tts_notification_id: Option<Literal>,
    shop_id: Option<Literal>,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct Package {
    order_id_list: Option<Vec<Literal>>,
}

/// What makes an order of the order search the same as another.
#[derive(Deserialize)]
struct Listed {
    id: Literal,
    status: Option<String>,
    update_time: Option<Literal>,
}

impl Envelope {
    fn field(&self, name: &str) -> Option<String> {
        let literal = Literal::deserialize(self.data.get(name)?).ok()?;
        Some(literal.to_string()).filter(|text| !text.is_empty())
    }

    fn seconds(&self, name: &str) -> Option<Timestamp> {
        let seconds = self.field(name)?.parse().ok()?;
        Timestamp::from_second(seconds).ok()
    }

    fn shop(&self) -> Option<&str> {
        let shop = self.shop_id.as_ref()?;
        (!shop.is_zero_or_empty()).then(|| shop.as_str())
    }

    /// The orders of a package update, each once.
    fn orders_of_packages(&self) -> BTreeSet<String> {
        let packages = self.data.get("package_list").and_then(Value::as_array);
        packages
            .into_iter()
            .flatten()
            .filter_map(|package| Package::deserialize(package).ok()?.order_id_list)
            .flatten()
            .map(|id| id.to_string())
            .filter(|id| !id.is_empty())
            .collect()
    }
}

/// `tts_notification_id`, which is the same in all tries. Where it is missing, the business key;
/// where there is no order, a hash of the body.
pub(super) fn dedup_key(message: &VerifiedWebhook) -> String {
    let body = message.body();
    if message.topic() == Some(LISTED) {
        return match payload::read::<Listed>(body) {
            Ok(order) => format!(
                "listed:{}:{}:{}",
                word(order.id.as_str()),
                word(&order.status.unwrap_or_default()),
                word(order.update_time.as_ref().map_or("", Literal::as_str)),
            ),
            Err(_) => format!("unreadable:{}", payload::digest(body)),
        };
    }
    let Ok(envelope) = payload::read::<Envelope>(body) else {
        return format!("unreadable:{}", payload::digest(body));
    };
    let id = envelope.tts_notification_id.as_ref();
    if let Some(id) = id.filter(|id| !id.is_zero_or_empty() && id.as_str().len() <= 64) {
        return format!("ntf:{id}");
    }
    let (order, at) = (envelope.field("order_id"), envelope.field("update_time"));
    let (Some(order), Some(at)) = (order, at) else {
        return format!("body:{}", payload::digest(body));
    };
    let status = envelope.field("order_status").unwrap_or_default();
    format!(
        "push:{}:{}:{}:{}:{}",
        word(envelope.shop().unwrap_or_default()),
        word(envelope.kind.as_str()),
        word(&order),
        word(&status),
        word(&at)
    )
}

pub(super) fn account(message: &VerifiedWebhook) -> Option<String> {
    if message.topic() == Some(LISTED) {
        return None;
    }
    let envelope: Envelope = payload::read(message.body()).ok()?;
    envelope.shop().map(str::to_owned)
}

pub(super) fn parse(message: &VerifiedWebhook, shop_id: &str) -> Result<Vec<Notice>, PayloadError> {
    if message.topic() == Some(LISTED) {
        return Ok(vec![listed(message)?]);
    }
    let envelope: Envelope = payload::read(message.body())?;
    let kind = envelope.kind.whole("type")?;
    if envelope.shop().is_some_and(|shop| shop != shop_id) {
        // An app hears of all its shops' authorisations; an order of another shop is a gap in the
        // configuration, and somebody must see it.
        return match kind {
            6 | 7 => Ok(vec![ignored("an authorisation of another shop")]),
            _ => Err(PayloadError::new(
                "shop_id: this message is for another shop",
            )),
        };
    }
    let notice = match kind {
        // The order's own `update_time`; the times of the others belong to other things, and an
        // order may stay older than them for ever.
        1 => fetch(&required_order(&envelope)?, envelope.seconds("update_time"))?,
        3 | 11 | 12 => fetch(&required_order(&envelope)?, None)?,
        4 => {
            let orders = envelope.orders_of_packages();
            if orders.is_empty() {
                return Ok(vec![ignored("a package update without orders")]);
            }
            return orders.iter().map(|order| fetch(order, None)).collect();
        }
        6 => account_notice(
            AccountState::Revoked,
            "the seller took the app's authorisation back",
            None,
        ),
        7 => account_notice(
            AccountState::Expiring,
            "the shop's authorisation ends soon",
            envelope.seconds("expiration_time"),
        ),
        kind => ignored(&format!("message type {kind} is not about orders")),
    };
    Ok(vec![notice])
}

/// A document of the order search counts as it is, unless there is more to ask: returns after the
/// delivery, or the price detail for amounts that do not add up.
fn listed(message: &VerifiedWebhook) -> Result<Notice, PayloadError> {
    let snapshot = order::normalize(message.body())?;
    let more = may_have_returns(&snapshot.channel_status)
        || snapshot.tags.iter().any(|tag| tag == UNEXPLAINED);
    Ok(Notice {
        key: Some(snapshot.external_id.clone()),
        body: NoticeBody::Order {
            external_id: snapshot.external_id.clone(),
            revision: Some(snapshot.revised_at),
            document: if more {
                OrderDocument::Fetch
            } else {
                OrderDocument::Here(Box::new(snapshot))
            },
        },
    })
}

fn required_order(envelope: &Envelope) -> Result<String, PayloadError> {
    envelope
        .field("order_id")
        .ok_or_else(|| PayloadError::new("data.order_id: missing"))
}

fn fetch(order_id: &str, revision: Option<Timestamp>) -> Result<Notice, PayloadError> {
    let external_id = payload::external_id(order_id, "order_id")?;
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
    Notice {
        key: None,
        body: NoticeBody::Account(AccountNotice {
            state,
            detail: detail.to_owned(),
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
