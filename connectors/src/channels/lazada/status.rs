//! Statuses stand on each unit. The order is as far as the least advanced unit that is still
//! wanted; cancelled units are left out, unless all are.

use domain::snapshot::ChannelStatus;

use super::document::{Item, Order};
use crate::payload::word;

/// How far one unit has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Cancelled before it was delivered; nothing is to be done for it any more.
    Cancelled,
    /// As far as this.
    At(ChannelStatus),
    /// A word that we do not know.
    Unknown,
}

/// What the units say together.
pub(super) struct Judged {
    pub(super) status: ChannelStatus,
    pub(super) cancel_requested: bool,
    /// The vendor's words, each once.
    pub(super) words: String,
    pub(super) tags: Vec<String>,
}

pub(super) fn judge(order: &Order, items: &[Item]) -> Judged {
    let mut tags = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut stages = Vec::with_capacity(items.len());
    let mut is_requested = order.need_cancel_confirm.is_true() || order.is_cancel_pending.is_true();
    for item in items {
        let said = word(item.status.text().unwrap_or("none"));
        let stage = stage(item);
        if stage == Stage::Unknown {
            push_once(&mut tags, format!("unknown_status:{said}"));
        }
        if let Some(unknown) = item
            .return_status
            .text()
            .filter(|text| reverse(text).is_none())
        {
            push_once(
                &mut tags,
                format!("unknown_return_status:{}", word(unknown)),
            );
        }
        push_once(&mut words, said);
        is_requested |= stage != Stage::Cancelled
            && (item.cancel_requested() || of_item(item) == Some(Reverse::CancelAsked));
        stages.push(stage);
    }
    let known = stages.iter().filter_map(|stage| match stage {
        Stage::At(status) => Some(*status),
        Stage::Cancelled | Stage::Unknown => None,
    });
    let status = known.min_by_key(|status| status.rank());
    let is_unknown = stages.contains(&Stage::Unknown);
    let status = match status {
        Some(status) => status,
        None if is_unknown => ChannelStatus::Pending,
        None => ChannelStatus::Cancelled,
    };
    if stages.iter().any(|stage| Some(stage) != stages.first()) {
        tags.push("partial".to_owned());
    }
    let is_over = matches!(
        status,
        ChannelStatus::Cancelled | ChannelStatus::DeliveryFailed
    );
    Judged {
        status,
        cancel_requested: is_requested && !is_over,
        words: words.join("/"),
        tags,
    }
}

/// One unit's stage: its status, moved on by a return that is under way.
pub(super) fn stage(item: &Item) -> Stage {
    let said = item.status.text().unwrap_or_default().to_ascii_lowercase();
    let status = match said.as_str() {
        "unpaid" => ChannelStatus::Pending,
        "pending" | "topack" | "repacked" => ChannelStatus::Confirmed,
        "packed" | "ready_to_ship_pending" | "ready_to_ship" | "toship" => ChannelStatus::Packed,
        "shipped" | "shipping" => ChannelStatus::Shipped,
        "delivered" => ChannelStatus::Delivered,
        "confirmed" => ChannelStatus::Completed,
        "canceled" | "cancelled" if is_failed_delivery(item) => ChannelStatus::DeliveryFailed,
        "canceled" | "cancelled" => return Stage::Cancelled,
        "failed" | "failed_delivery" | "lost" | "lost_by_3pl" | "damaged_by_3pl"
        | "package_scrapped" => ChannelStatus::DeliveryFailed,
        "returned" => ChannelStatus::Returned,
        back if back.starts_with("shipped_back") => ChannelStatus::Returned,
        _ => return Stage::Unknown,
    };
    let is_with_buyer = matches!(
        status,
        ChannelStatus::Shipped | ChannelStatus::Delivered | ChannelStatus::Completed
    );
    Stage::At(match of_item(item) {
        Some(Reverse::ReturnOpen) if is_with_buyer => ChannelStatus::ReturnRequested,
        Some(Reverse::Received) if is_with_buyer => ChannelStatus::Returned,
        Some(
            Reverse::ReturnOpen
            | Reverse::Received
            | Reverse::CancelAsked
            | Reverse::MoneyBack
            | Reverse::Closed,
        )
        | None => status,
    })
}

/// `cancellation-failed Delivery`: the goods had left.
fn is_failed_delivery(item: &Item) -> bool {
    item.cancel_return_initiator
        .text()
        .is_some_and(|text| text.to_ascii_lowercase().contains("failed delivery"))
}

/// What a reverse status means for the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reverse {
    CancelAsked,
    ReturnOpen,
    Received,
    MoneyBack,
    /// Withdrawn, refused, or told by the status itself.
    Closed,
}

pub(super) fn of_item(item: &Item) -> Option<Reverse> {
    reverse(item.return_status.text()?)
}

fn reverse(text: &str) -> Option<Reverse> {
    Some(match text.to_ascii_uppercase().as_str() {
        "CANCEL_INIT" => Reverse::CancelAsked,
        "RTM_INIT" | "RTM_SHIPPING_BACK" | "RTW_INIT" | "RTW_SHIPPING_BACK"
        | "RTW_REFUND_PENDING" | "REFUND_INIT" | "REFUND_PENDING" => Reverse::ReturnOpen,
        "RTM_RECEIVE_ITEM" => Reverse::Received,
        "REFUND_SUCCESS" | "CANCEL_REFUND_ISSUED" => Reverse::MoneyBack,
        "CANCEL_SUCCESS" | "RTM_CANCELED" | "RTW_CANCELED" | "RTW_REJECT" | "REFUND_REJECTED" => {
            Reverse::Closed
        }
        _ => return None,
    })
}

fn push_once(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}
