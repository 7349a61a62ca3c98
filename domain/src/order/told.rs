//! What the plan must know of the channel's side to tell it the news.

use crate::snapshot::ChannelStatus;
use crate::task::ChannelLine;

use super::channel::value;
use super::effects::EffectState;
use super::hold::{self, Hold};
use super::{Lifecycle, Order};

/// A parcel as its channel knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelParcel {
    /// The vendor's id, where it gave one.
    pub id: Option<String>,
    /// The number at the vendor's carrier, where it is known.
    pub tracking: Option<String>,
}

impl Order {
    /// The channel's last word.
    #[must_use]
    pub fn channel_status(&self) -> Option<ChannelStatus> {
        self.said.status()
    }

    /// The channel's id of the person who buys, where it has one.
    #[must_use]
    pub fn channel_person(&self) -> Option<&str> {
        value(&self.said.buyer_external_id).map(String::as_str)
    }

    /// The buyer wants to cancel and waits for an answer.
    pub(crate) fn cancel_requested(&self) -> bool {
        value(&self.said.stage).is_some_and(|stage| stage.cancel_requested)
    }

    /// Staff have seen the buyer's wish and let the order go on.
    pub(crate) fn goes_on_all_the_same(&self) -> bool {
        let cause = Hold::new(hold::CANCEL_REQUESTED, None).cause();
        self.accepted.contains(&cause) && self.judged.lifecycle != Lifecycle::Cancelled
    }

    /// What the channel calls one of the order's fulfillment orders, as far as it has been arranged
    /// there; `None` where the order has no such fulfillment order.
    #[must_use]
    pub fn channel_parcel(&self, fulfillment_order: &str) -> Option<ChannelParcel> {
        let part = self
            .parts
            .iter()
            .find(|part| part.id == fulfillment_order)?;
        let key = self.news_key("arranged", &part.id);
        let Some(EffectState::Done { given, .. }) = self.effects.get(&key) else {
            return Some(ChannelParcel::default());
        };
        Some(ChannelParcel {
            id: given.partner_id.clone(),
            tracking: given.tracking.clone(),
        })
    }

    /// The key of the task that tells the channel a step.
    pub(crate) fn news_key(&self, step: &str, subject: &str) -> String {
        format!("{}.channel.{subject}.{step}", self.code.as_str())
    }

    /// Lines that the channel still wants and staff have left out.
    pub(crate) fn lines_left_out(&self) -> Vec<ChannelLine> {
        let out = self.staff.fold().cancelled_lines;
        let said = value(&self.said.lines).into_iter().flatten();
        said.filter(|line| line.quantity > 0 && out.contains(&line.id))
            .map(|line| ChannelLine {
                line_id: line.id.clone(),
                channel_sku: line.channel_sku.clone(),
                sku: line.sku.clone(),
                quantity: line.quantity,
            })
            .collect()
    }
}
