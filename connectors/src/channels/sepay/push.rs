//! SePay's message: one movement on a bank account.

use serde::Deserialize;

use super::Sepay;
use crate::inbound::{Notice, NoticeBody, NoticeKind, PayloadError, Question};
use crate::literal::Literal;
use crate::local_time::written;
use crate::payload::{self, external_id, word};
use crate::transfer::{Incoming, Trust, order_of};

/// What the subject of a question about a transfer begins with.
pub(super) const TRANSACTION: &str = "transaction:";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Push {
    id: Literal,
    transaction_date: String,
    #[serde(default)]
    account_number: Option<Literal>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    content: Option<String>,
    transfer_type: String,
    transfer_amount: Literal,
}

/// Only the id, for the key.
#[derive(Deserialize)]
struct Head {
    id: Literal,
}

/// SePay's other products announce themselves by this field.
#[derive(Deserialize)]
struct OtherProduct {
    notification_type: String,
}

/// The transaction's id, if it is one.
pub(super) fn id(body: &[u8]) -> Option<String> {
    let head: Head = payload::read(body).ok()?;
    external_id(head.id.as_str(), "id").ok()
}

/// A notice of nothing to do.
pub(super) fn ignored(reason: impl Into<String>) -> Notice {
    Notice {
        key: None,
        body: NoticeBody::Ignored {
            reason: reason.into(),
        },
    }
}

impl Sepay {
    /// Whether the transfer went to an account that counts.
    pub(super) fn counts(&self, account: Option<&Literal>) -> bool {
        match (&self.settings.account_number, account) {
            (Some(ours), Some(theirs)) => ours == theirs.as_str(),
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// What a message says; a message that must be confirmed first (`trust` is `None`) only asks.
    pub(super) fn pushed(
        &self,
        body: &[u8],
        trust: Option<Trust>,
    ) -> Result<Vec<Notice>, PayloadError> {
        if let Ok(other) = payload::read::<OtherProduct>(body) {
            let kind = word(&other.notification_type);
            return Ok(vec![ignored(format!("another product of SePay: {kind}"))]);
        }
        let push: Push = payload::read(body)?;
        let id = external_id(push.id.as_str(), "id")?;
        if !push.transfer_type.eq_ignore_ascii_case("in") {
            let kind = word(&push.transfer_type);
            return Ok(vec![ignored(format!("not an incoming transfer: {kind}"))]);
        }
        if !self.counts(push.account_number.as_ref()) {
            return Ok(vec![ignored("a transfer to another account")]);
        }
        let Some(trust) = trust else {
            return Ok(vec![Notice {
                key: Some(id.clone()),
                body: NoticeBody::Ask(Question {
                    kind: NoticeKind::Payment,
                    subject: format!("{TRANSACTION}{id}"),
                }),
            }]);
        };
        let amount = push.transfer_amount.amount("transferAmount", "VND")?;
        if amount.minor_units() <= 0 {
            return Ok(vec![ignored("no money came")]);
        }
        let incoming = Incoming {
            id,
            amount,
            at: written(&push.transaction_date, "transactionDate")?,
            order: order_of(
                &self.prefix,
                push.code.as_deref(),
                push.content.as_deref().unwrap_or_default(),
            ),
        };
        Ok(incoming.notices(trust))
    }
}
