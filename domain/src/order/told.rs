//! What the plan must know of the channel's side to tell channel and buyer the news, and when it
//! happened.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fulfillment::{EventKind, Tracking};
use crate::money::Amount;
use crate::payment::PaymentState;
use crate::snapshot::ChannelStatus;
use crate::task::ChannelLine;

use super::channel::value;
use super::effects::EffectState;
use super::fact::Action;
use super::hold::{self, Hold};
use super::part::Part;
use super::{Lifecycle, Order};

/// A parcel as its channel knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelParcel {
    /// The vendor's id, where it gave one.
    pub id: Option<String>,
    /// The number at the vendor's carrier, where it is known.
    pub tracking: Option<String>,
}

/// The mark of an order whose carrier must be arranged once more: the first one did not come.
const REARRANGE: &str = "rearrange_shipment";

/// How often the channel has asked for what it may ask for again. Each time is a question of its
/// own and wants an answer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// The buyer's wish to cancel stands open.
    wishing: bool,
    /// Wishes to cancel so far.
    wishes: u32,
    /// The channel wants the carrier arranged once more.
    rearranging: bool,
    /// How often it has wanted that.
    rearranged: u32,
}

impl Order {
    /// Counts what the channel asks for now and did not ask for before; says whether it did. What
    /// staff have said of an earlier wish to cancel is no answer to this one.
    pub(super) fn count_questions(&mut self) -> bool {
        let before = self.asked;
        let wishing = self.cancel_requested();
        let rearranging = self.judged.tags.iter().any(|tag| tag == REARRANGE);
        if wishing && !before.wishing {
            self.asked.wishes += 1;
            let cause = Hold::new(hold::CANCEL_REQUESTED, None).cause();
            self.accepted.remove(&cause);
        }
        if rearranging && !before.rearranging {
            self.asked.rearranged += 1;
        }
        self.asked.wishing = wishing;
        self.asked.rearranging = rearranging;
        self.asked != before
    }

    /// Which answer to a wish to cancel is due: one per wish.
    pub(crate) fn wish(&self) -> u32 {
        self.asked.wishes.max(1)
    }

    /// Which arrangement of a parcel is due: the first, and one more whenever the channel asks.
    pub(crate) fn arrangement(&self) -> u32 {
        self.asked.rearranged + 1
    }

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
        // The last arrangement that was made: the parcel keeps its name until the next one is.
        let given = (1..=self.arrangement()).rev().find_map(|generation| {
            let key = self.news_key("arranged", &part.id, generation);
            match self.effects.get(&key) {
                Some(EffectState::Done { given, .. }) => Some(given),
                _ => None,
            }
        });
        Some(
            given.map_or_else(ChannelParcel::default, |given| ChannelParcel {
                id: given.partner_id.clone(),
                tracking: given.tracking.clone(),
            }),
        )
    }

    /// The key of the task that tells the channel a step, for the so manieth time.
    pub(crate) fn news_key(&self, step: &str, subject: &str, generation: u32) -> String {
        let key = format!("{}.channel.{subject}.{step}", self.code.as_str());
        match generation {
            0 | 1 => key,
            again => format!("{key}-{again}"),
        }
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

    /// It is, or was, more than a draft: what staff never confirmed was no order.
    pub(crate) fn was_ordered(&self) -> bool {
        let said = self.said.status();
        said.is_some_and(|status| status != ChannelStatus::Draft) || self.staff.fold().confirmed
    }

    /// When the last location confirmed that it holds its share; `None` while one has not.
    pub(crate) fn held_in_full_at(&self) -> Option<Timestamp> {
        if !self.is_held_in_full() {
            return None;
        }
        let standing = self.parts.iter().filter(|part| part.counts());
        let held = standing.map(|part| self.done_at(&part.reserve_key(self.code.as_str())));
        held.max().flatten()
    }

    fn done_at(&self, key: &str) -> Option<Timestamp> {
        match self.effects.get(key)? {
            EffectState::Done { at, .. } => Some(*at),
            EffectState::Pending
            | EffectState::Withdrawing
            | EffectState::Refused { .. }
            | EffectState::Dead { .. }
            | EffectState::Withdrawn { .. }
            | EffectState::Abandoned { .. } => None,
        }
    }

    /// When a cancelled order was called off, by whoever did.
    pub(crate) fn cancelled_at(&self) -> Option<Timestamp> {
        let staff = self.staff.fold();
        let stage = value(&self.said.stage);
        let by_channel = stage.filter(|stage| stage.status == ChannelStatus::Cancelled);
        if let Some(called) = staff.cancelled {
            return Some(called.at);
        }
        if let Some(stage) = by_channel {
            return Some(stage.at);
        }
        if self.routing.cancelled.is_some() {
            return self.decision.as_ref().map(|decision| decision.at);
        }
        let commands = self.staff.in_order();
        let last = commands
            .iter()
            .rfind(|command| matches!(command.action, Action::CancelLine { .. }));
        last.map(|command| command.at)
    }

    /// What payment providers have given back, by their own word or by their answer to us, and when
    /// they last did; `None` where nothing was given back.
    pub(crate) fn given_back(&self) -> Option<(Amount, Timestamp)> {
        let reported = self
            .payments
            .values()
            .filter(|payment| payment.state == PaymentState::Refunded);
        let reported_sum = reported.clone().fold(Amount::ZERO, |sum, payment| {
            sum.saturating_add(payment.amount)
        });
        let asked = self.refunds_asked();
        let done = asked
            .iter()
            .filter_map(|refund| self.done_at(&self.news_key("refund", &refund.command, 1)));
        let sum = reported_sum.max(self.refunded_by_us());
        let at = reported.map(|payment| payment.at).chain(done).max()?;
        (sum > Amount::ZERO).then_some((sum, at))
    }

    /// The last number that the location named for a parcel.
    pub(crate) fn tracking_of(&self, part: &Part) -> Option<&Tracking> {
        let log = self.fulfillment_logs.get(&part.id)?;
        let mut named = log.values().filter_map(|(_, kind)| match kind {
            EventKind::Shipped { tracking, .. } => tracking.as_ref(),
            EventKind::Accepted
            | EventKind::Rejected { .. }
            | EventKind::Packed { .. }
            | EventKind::Delivered { .. }
            | EventKind::Failed { .. }
            | EventKind::Returned => None,
        });
        named.next_back()
    }
}
