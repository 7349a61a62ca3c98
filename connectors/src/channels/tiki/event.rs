//! Messages from Tiki: events of the queue, and rows of the order list.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::order::local_time;
use crate::inbound::{Notice, NoticeBody, OrderDocument, PayloadError, VerifiedWebhook};
use crate::literal::Literal;
use crate::payload::{self, word};

/// The topic of messages that are rows of the order list, not events.
pub(super) const LISTED: &str = "orders";

/// `{id, sid, created_at, type, version, payload}`; `created_at` is in milliseconds and is the
/// event's time, not the order's.
#[derive(Deserialize)]
struct Event {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    created_at: Option<Literal>,
    payload: Option<Payload>,
}

/// The live queue writes the code twice, in two spellings.
#[derive(Deserialize)]
struct Payload {
    order_code: Option<Literal>,
    #[serde(rename = "orderCode")]
    order_code_too: Option<Literal>,
    status: Option<String>,
}

/// One row of the order list, as [`super::polling`] writes it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) code: String,
    pub(super) status: String,
    pub(super) updated_at: String,
}

impl Event {
    fn order_code(&self) -> Option<&str> {
        let payload = self.payload.as_ref()?;
        [&payload.order_code, &payload.order_code_too]
            .into_iter()
            .flatten()
            .map(Literal::as_str)
            .find(|code| !code.is_empty())
    }
}

/// The event's id: the same when an unacknowledged batch comes again. Rows have none; there an
/// order's version counts.
pub(super) fn dedup_key(message: &VerifiedWebhook) -> String {
    let unreadable = || format!("unreadable:{}", payload::digest(message.body()));
    if message.topic() == Some(LISTED) {
        return match payload::read::<Row>(message.body()) {
            Ok(row) if row.code.len() <= 64 => format!(
                "listed:{}:{}:{}",
                row.code,
                word(&row.status),
                word(&row.updated_at)
            ),
            Ok(_) | Err(_) => unreadable(),
        };
    }
    let Ok(event) = payload::read::<Event>(message.body()) else {
        return unreadable();
    };
    if let Some(id) = event.id.as_deref().filter(|id| fits(id)) {
        return format!("event:{id}");
    }
    match (event.order_code(), &event.created_at) {
        (Some(code), Some(at)) if fits(code) && fits(at.as_str()) => {
            let status = event.payload.as_ref().and_then(|p| p.status.as_deref());
            format!("order:{code}:{}:{at}", word(status.unwrap_or_default()))
        }
        _ => format!("body:{}", payload::digest(message.body())),
    }
}

fn fits(text: &str) -> bool {
    !text.is_empty() && text.len() <= 100
}

pub(super) fn parse(message: &VerifiedWebhook) -> Result<Vec<Notice>, PayloadError> {
    if message.topic() == Some(LISTED) {
        let row: Row = payload::read(message.body())?;
        let revision = local_time(&row.updated_at, "updated_at").ok();
        return Ok(vec![fetch(&row.code, revision)?]);
    }
    let event: Event = payload::read(message.body())?;
    let kind = event.kind.as_deref().unwrap_or_default();
    let notice = match (kind, event.order_code()) {
        ("ORDER_CREATED_SUCCESSFULLY" | "ORDER_STATUS_UPDATED", None) => {
            return Err(PayloadError::new("payload.order_code: missing"));
        }
        // A new kind of event that names an order is no reason to miss what happened to it.
        (_, Some(code)) => fetch(code, None)?,
        (kind, None) => Notice {
            key: None,
            body: NoticeBody::Ignored {
                reason: format!("event {} is not about orders", word(kind)),
            },
        },
    };
    Ok(vec![notice])
}

fn fetch(code: &str, revision: Option<Timestamp>) -> Result<Notice, PayloadError> {
    let external_id = payload::external_id(code, "order_code")?;
    Ok(Notice {
        key: Some(external_id.clone()),
        body: NoticeBody::Order {
            external_id,
            revision,
            document: OrderDocument::Fetch,
        },
    })
}
