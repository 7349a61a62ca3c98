//! ZaloPay's callback: an envelope around a signed text that is JSON itself.

use serde::Deserialize;

use crate::channels::provider::{self, at_ms, plain, positive};
use crate::inbound::{Notice, NoticeBody, PayloadError, PaymentNotice, PaymentState};
use crate::literal::Literal;
use crate::payload::{self, digest, external_id, word};

/// What is posted. `type` is not signed: what the message is follows from the signed text.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    /// Signed as it is.
    pub(super) data: String,
    pub(super) mac: Option<String>,
    #[serde(rename = "type")]
    kind: Literal,
}

/// Types that ZaloPay documents: orders and agreements.
const TYPES: [&str; 2] = ["1", "2"];

impl Envelope {
    /// Whether it is of a documented type and for this app.
    pub(super) fn is_for(&self, app_id: u64) -> bool {
        let data = payload::read::<Data>(self.data.as_bytes());
        let app = data.ok().and_then(|data| data.app_id);
        let ours = app.is_some_and(|app| app.as_str() == app_id.to_string());
        ours && TYPES.contains(&self.kind.as_str())
    }
}

/// The signed text.
#[derive(Debug, Deserialize)]
struct Data {
    app_id: Option<Literal>,
    app_trans_id: Option<String>,
    amount: Option<Literal>,
    zp_trans_id: Option<Literal>,
    server_time: Option<Literal>,
}

fn data(body: &[u8]) -> Result<Data, PayloadError> {
    let envelope: Envelope = payload::read(body)?;
    payload::read(envelope.data.as_bytes())
        .map_err(|error| PayloadError::new(format!("data: {}", error.what)))
}

/// Our reference behind the day: `251204_KH000005724-1`.
pub(super) fn reference(app_trans_id: &str) -> Result<String, PayloadError> {
    let reference = match app_trans_id.split_once('_') {
        Some((day, rest)) if day.len() == 6 && day.bytes().all(|b| b.is_ascii_digit()) => rest,
        Some(_) | None => app_trans_id,
    };
    external_id(reference, "app_trans_id")
}

pub(super) fn key(body: &[u8]) -> String {
    data(body)
        .ok()
        .and_then(|data| data.zp_trans_id)
        .map(|transaction| word(&plain(&transaction)))
        .filter(|transaction| !transaction.is_empty())
        .unwrap_or_else(|| format!("body:{}", digest(body)))
}

pub(super) fn parse(body: &[u8]) -> Result<Notice, PayloadError> {
    let data = data(body)?;
    let Some(app_trans_id) = data.app_trans_id else {
        return Ok(Notice {
            key: None,
            body: NoticeBody::Ignored {
                reason: "an agreement, not an order".to_owned(),
            },
        });
    };
    let missing = |field: &str| PayloadError::new(format!("data.{field}: missing"));
    let amount = data.amount.ok_or_else(|| missing("amount"))?;
    let transaction = data.zp_trans_id.ok_or_else(|| missing("zp_trans_id"))?;
    let at = data.server_time.ok_or_else(|| missing("server_time"))?;
    Ok(provider::notice(PaymentNotice {
        reference: reference(&app_trans_id)?,
        transaction: word(&plain(&transaction)),
        amount: positive(&amount, "data.amount")?,
        // Nothing but success is called back.
        state: PaymentState::Paid,
        at: at_ms(&at, "data.server_time")?,
        provider_code: "1".to_owned(),
    }))
}
