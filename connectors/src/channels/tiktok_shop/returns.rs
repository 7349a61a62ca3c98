//! What the returns of an order make of it.
//!
//! The order's own document says nothing of returns. Goods that the buyer keeps (a refund without a
//! return) leave the order delivered; only when every unit has come back is the order returned.

use std::collections::BTreeSet;

use domain::snapshot::ChannelStatus;
use jiff::Timestamp;

use super::document::{Item, Order, Return, moment, money};
use crate::inbound::PayloadError;
use crate::payload::word;

/// What all returns of an order say together.
pub(super) struct Returned {
    /// In place of the order's own status.
    pub(super) status: Option<ChannelStatus>,
    /// Given back so far.
    pub(super) refunded: i64,
    /// When the last of them changed.
    pub(super) at: Option<Timestamp>,
}

/// How far one return has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Somebody must do something.
    Open,
    /// Granted; the goods are back where they had to come back.
    Granted,
    /// Granted and paid out.
    Refunded,
    /// Refused or taken back: the order is as it was.
    Ended,
    Unknown,
}

fn stage(status: &str) -> Stage {
    match status {
        "RETURN_OR_REFUND_REQUEST_PENDING"
        | "AWAITING_BUYER_RESPONSE"
        | "AWAITING_BUYER_SHIP"
        | "BUYER_SHIPPED_ITEM"
        | "REPLACEMENT_REQUEST_PENDING" => Stage::Open,
        "RETURN_OR_REFUND_REQUEST_SUCCESS" | "REPLACEMENT_REQUEST_COMPLETE" => Stage::Granted,
        "RETURN_OR_REFUND_REQUEST_COMPLETE" | "REPLACEMENT_REQUEST_REFUND_SUCCESS" => {
            Stage::Refunded
        }
        "REFUND_OR_RETURN_REQUEST_REJECT"
        | "REJECT_RECEIVE_PACKAGE"
        | "RETURN_OR_REFUND_REQUEST_CANCEL"
        | "REPLACEMENT_REQUEST_REJECT"
        | "REPLACEMENT_REQUEST_CANCEL" => Stage::Ended,
        _ => Stage::Unknown,
    }
}

impl Return {
    /// Goods come back to us.
    fn brings_goods(&self) -> bool {
        self.return_type.as_deref() != Some("REFUND") && self.can_buyer_keep_item != Some(true)
    }

    /// The units that it is about.
    fn units(&self) -> impl Iterator<Item = &str> {
        self.return_line_items
            .iter()
            .flatten()
            .filter_map(|item| item.order_line_item_id.as_ref())
            .map(crate::literal::Literal::as_str)
    }
}

pub(super) fn read(
    order: &Order,
    returns: &[Return],
    currency: &str,
    tags: &mut Vec<String>,
) -> Result<Returned, PayloadError> {
    let mut all = Returned {
        status: None,
        refunded: 0,
        at: None,
    };
    let (mut open, mut back) = (false, BTreeSet::new());
    let own = returns
        .iter()
        .filter(|one| one.order_id.as_ref().is_none_or(|id| *id == order.id));
    for one in own {
        let status = one.return_status.as_deref().unwrap_or_default();
        let stage = stage(status);
        let kind = if stage == Stage::Unknown {
            "unknown_return"
        } else {
            "return"
        };
        tags.push(format!("{kind}:{}", word(&status.to_ascii_lowercase())));
        all.at = all.at.max(moment(
            one.update_time.as_ref(),
            "return_orders.update_time",
        )?);
        open |= stage == Stage::Open && one.brings_goods();
        if matches!(stage, Stage::Granted | Stage::Refunded) && one.brings_goods() {
            back.extend(one.units());
        }
        if stage == Stage::Refunded {
            let total = one
                .refund_amount
                .as_ref()
                .and_then(|refund| refund.refund_total.as_ref());
            all.refunded += money(total, "return_orders.refund_amount", currency)?.0;
        }
    }
    let units: Vec<&Item> = order.line_items.iter().flatten().collect();
    let is_back = |item: &&Item| item.is_cancelled() || back.contains(item.id.as_str());
    if open {
        all.status = Some(ChannelStatus::ReturnRequested);
    } else if !back.is_empty() && units.iter().all(is_back) {
        all.status = Some(ChannelStatus::Returned);
    } else if !back.is_empty() {
        tags.push("part_returned".to_owned());
    }
    Ok(all)
}
