//! Casso's message: one transfer (version 2) or several (the older webhook), and the same rows in
//! the API's answers. The field names differ a little between the three.

use serde::Deserialize;

use super::Casso;
use crate::inbound::{Notice, NoticeBody, NoticeKind, PayloadError, Question};
use crate::literal::Literal;
use crate::local_time::written;
use crate::payload::{self, digest, external_id};
use crate::transfer::{Incoming, Trust, order_of};

/// What the subject of a question about a transfer begins with.
pub(super) const TRANSACTION: &str = "transaction:";

/// A key of more ids than this is the body's hash.
const MOST_IDS: usize = 8;

/// One movement on an account; outgoing ones are negative.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) id: Literal,
    #[serde(default)]
    description: Option<String>,
    amount: Literal,
    #[serde(default)]
    transaction_date_time: Option<String>,
    #[serde(default)]
    when: Option<String>,
    #[serde(default)]
    account_number: Option<Literal>,
    #[serde(default, rename = "bank_sub_acc_id")]
    older_account: Option<Literal>,
    #[serde(default)]
    bank_sub_acc_id: Option<Literal>,
}

#[derive(Debug, Deserialize)]
struct Push {
    #[serde(default)]
    error: Option<Literal>,
    data: Option<serde_json::Value>,
}

/// The older webhook's form.
#[derive(Deserialize)]
struct Several {
    #[serde(rename = "data")]
    _data: Vec<serde::de::IgnoredAny>,
}

/// The rows of a message or of one answer, in their order.
pub(super) fn rows(body: &[u8]) -> Result<Vec<Row>, PayloadError> {
    let push: Push = payload::read(body)?;
    if push.error.is_some_and(|error| !error.is_zero_or_empty()) {
        return Ok(Vec::new());
    }
    let data = push
        .data
        .ok_or_else(|| PayloadError::new("data: missing"))?;
    let text = data.to_string();
    let read = |error: PayloadError| PayloadError::new(format!("data: {}", error.what));
    if data.is_array() {
        return payload::read(text.as_bytes()).map_err(read);
    }
    payload::read(text.as_bytes())
        .map(|row| vec![row])
        .map_err(read)
}

/// The id of the one transfer; of several, their ids joined.
pub(super) fn key(body: &[u8]) -> String {
    let by_hash = || format!("body:{}", digest(body));
    // A row of the list stands alone.
    if let Ok(row) = payload::read::<Row>(body) {
        return external_id(row.id.as_str(), "id").unwrap_or_else(|_| by_hash());
    }
    let Ok(rows) = rows(body) else {
        return by_hash();
    };
    let ids: Vec<String> = rows
        .into_iter()
        .filter_map(|row| external_id(row.id.as_str(), "id").ok())
        .collect();
    let several = payload::read::<Several>(body).is_ok();
    match &ids[..] {
        [] => by_hash(),
        [id] if !several => id.clone(),
        ids if ids.len() <= MOST_IDS => format!("batch:{}", ids.join(",")),
        _ => by_hash(),
    }
}

impl Casso {
    /// Whether the transfer went to an account that counts.
    fn counts(&self, row: &Row) -> bool {
        let theirs = [
            &row.account_number,
            &row.older_account,
            &row.bank_sub_acc_id,
        ];
        match &self.settings.account_number {
            Some(ours) => theirs
                .into_iter()
                .flatten()
                .any(|account| account.as_str() == ours),
            None => true,
        }
    }

    /// The money that came, if any did and it counts.
    pub(super) fn incoming(&self, row: &Row) -> Result<Option<Incoming>, PayloadError> {
        let amount = row.amount.amount("amount", "VND")?;
        if amount.minor_units() <= 0 || !self.counts(row) {
            return Ok(None);
        }
        let when = row.transaction_date_time.as_ref().or(row.when.as_ref());
        let when = when.ok_or_else(|| PayloadError::new("transactionDateTime: missing"))?;
        Ok(Some(Incoming {
            id: external_id(row.id.as_str(), "id")?,
            amount,
            at: written(when, "transactionDateTime")?,
            order: order_of(
                &self.prefix,
                None,
                row.description.as_deref().unwrap_or_default(),
            ),
        }))
    }

    /// What a message says; a message that must be confirmed first (`trust` is `None`) only asks.
    pub(super) fn pushed(
        &self,
        body: &[u8],
        trust: Option<Trust>,
    ) -> Result<Vec<Notice>, PayloadError> {
        let rows = rows(body)?;
        if rows.is_empty() {
            return Ok(vec![ignored("no transfer in it")]);
        }
        let mut notices = Vec::new();
        for row in &rows {
            match (self.incoming(row)?, trust) {
                (None, _) => notices.push(ignored("not an incoming transfer to our account")),
                (Some(incoming), Some(trust)) => notices.extend(incoming.notices(trust)),
                (Some(incoming), None) => notices.push(Notice {
                    key: Some(incoming.id.clone()),
                    body: NoticeBody::Ask(Question {
                        kind: NoticeKind::Payment,
                        subject: format!("{TRANSACTION}{}", incoming.id),
                    }),
                }),
            }
        }
        Ok(notices)
    }
}

/// A notice of nothing to do.
pub(super) fn ignored(reason: &str) -> Notice {
    Notice {
        key: None,
        body: NoticeBody::Ignored {
            reason: reason.to_owned(),
        },
    }
}
