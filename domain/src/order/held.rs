//! What an order holds outside: stock, effects at targets, and what it lacks. For whoever checks
//! the books.
//!
//! It reads the stored document as it is and judges nothing again, so that a defect of the plan is
//! not repeated by the one who looks for it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::fulfillment::State;
use crate::routing::Moment;
use crate::task::Leg;
use crate::{invoice, service};

use super::effects::{EffectState, undo_key};
use super::part::Part;
use super::{Fulfillment, InvoiceRecord, Lifecycle, Order, Settings};

/// What became of an effect, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EffectStatus {
    /// In the outbox, or on its way.
    Pending,
    /// No longer wanted; whether it can be stopped is not known yet.
    Withdrawing,
    /// The target did it.
    Done,
    /// The target refused it.
    Refused,
    /// The outbox gave up.
    Dead,
    /// Stopped before the first try.
    Withdrawn,
    /// Stopped after a try without an answer.
    Abandoned,
}

impl EffectStatus {
    /// The word shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Withdrawing => "withdrawing",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Dead => "dead",
            Self::Withdrawn => "withdrawn",
            Self::Abandoned => "abandoned",
        }
    }

    /// No answer has settled it, or a person may still try it again.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            Self::Pending | Self::Withdrawing | Self::Dead => true,
            Self::Done | Self::Refused | Self::Withdrawn | Self::Abandoned => false,
        }
    }
}

/// An effect as the order remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectView<'a> {
    /// Idempotency key of its task.
    pub key: &'a str,
    /// Leg.
    pub leg: Leg,
    /// The task's word.
    pub op: &'a str,
    /// Our id of the thing.
    pub subject: &'a str,
    /// Target; empty where nobody was to be called, and then there is no task.
    pub target: &'a str,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// What became of it.
    pub status: EffectStatus,
    /// The refusal's code, or why the outbox gave up.
    pub reason: Option<&'a str>,
}

/// Something that an order in its state must have and has not, or has and must not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// A short code: `invoice-missing`, `visit-missing`, `stock-kept`, `reservation-live`,
    /// `visit-live`, `invoice-live`.
    pub code: &'static str,
    /// Our id of the thing, where there is one.
    pub subject: Option<String>,
    /// The order says itself, by a tag or a missing target, that a person must act.
    pub known: bool,
}

impl Order {
    /// Units that the order keeps reserved, per (location, SKU); components for a kit. The same
    /// units must stand in the stock's counters.
    #[must_use]
    pub fn held_units(&self) -> BTreeMap<(String, String), i64> {
        let mut held: BTreeMap<(String, String), i64> = BTreeMap::new();
        for part in &self.parts {
            for line in &part.lines {
                let open = open_units(line);
                if open == 0 {
                    continue;
                }
                for (sku, each) in &line.demand {
                    let place = (part.location.clone(), sku.clone());
                    *held.entry(place).or_default() += each.saturating_mul(open);
                }
            }
        }
        held
    }

    /// Everything that was ever asked of a target, and what became of it.
    pub fn effect_views(&self) -> impl Iterator<Item = EffectView<'_>> {
        self.effects.iter().map(|(key, effect)| EffectView {
            key,
            leg: effect.leg,
            op: &effect.op,
            subject: &effect.subject,
            target: &effect.target,
            planned_at: effect.planned_at,
            status: status(&effect.state),
            reason: match &effect.state {
                EffectState::Refused { code, .. } => Some(code),
                EffectState::Dead { reason, .. } => Some(reason),
                EffectState::Pending
                | EffectState::Withdrawing
                | EffectState::Done { .. }
                | EffectState::Withdrawn { .. }
                | EffectState::Abandoned { .. } => None,
            },
        })
    }

    /// What does not fit the order's state: a delivered order has its invoice and its visit, a
    /// cancelled one keeps nothing, a finished parcel holds no stock. An effect on its way, or a
    /// dead one that waits for a person, counts as there.
    #[must_use]
    pub fn gaps(&self, settings: &Settings) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for part in &self.parts {
            let over = part.closed.is_some()
                || matches!(part.state, State::Delivered { .. } | State::Returned { .. });
            if over && part.lines.iter().any(|line| open_units(line) > 0) {
                gaps.push(gap("stock-kept", Some(&part.id)));
            }
        }
        if self.judged.lifecycle == Lifecycle::Cancelled {
            self.cancelled_gaps(&mut gaps);
        } else if self.judged.fulfillment == Fulfillment::Delivered {
            self.delivered_gaps(settings, &mut gaps);
        }
        gaps
    }

    fn delivered_gaps(&self, settings: &Settings, gaps: &mut Vec<Gap>) {
        let Some(decision) = &self.decision else {
            return;
        };
        if let Some(leg) = &decision.legs.invoice
            && self.invoices.is_empty()
        {
            let due = match leg.when {
                Moment::OnAllocation
                | Moment::OnPacking
                | Moment::OnShipment
                | Moment::OnDelivery => true,
                // These may come after the delivery; the aggregate knows whether they have.
                Moment::OnPayment | Moment::OnInstallation => self.invoice_due().is_some(),
            };
            let target = leg.target.is_some() || settings.invoice_target.is_some();
            let tagged = ["no-invoice-series", "no-tax-rate"]
                .iter()
                .any(|tag| self.own_tags.contains(*tag));
            if due {
                gaps.push(Gap {
                    known: !target || tagged,
                    ..gap("invoice-missing", None)
                });
            }
        }
        // Goods that left without us were never ours to install.
        if let Some(leg) = &decision.legs.installation
            && self.work_orders.is_empty()
            && self.wants_visit()
        {
            let target = leg.target.is_some() || settings.installation_target.is_some();
            gaps.push(Gap {
                known: !target,
                ..gap("visit-missing", None)
            });
        }
    }

    fn cancelled_gaps(&self, gaps: &mut Vec<Gap>) {
        for part in &self.parts {
            let holds = part.lines.iter().any(|line| open_units(line) > 0);
            let returning = part.revoked.is_some() && self.is_being_taken_back(part);
            if part.counts() && part.state.is_inside() && holds && !part.kept && !returning {
                gaps.push(gap("reservation-live", Some(&part.id)));
            }
        }
        for work in &self.work_orders {
            let over = work.closed
                || work.kept
                || matches!(
                    work.state,
                    service::State::Completed { .. }
                        | service::State::Cancelled
                        | service::State::Refused { .. }
                );
            if !over && !self.is_open(&work.key) && !self.is_open(&undo_key(&work.key)) {
                gaps.push(gap("visit-live", Some(&work.id)));
            }
        }
        for record in &self.invoices {
            let happened = matches!(
                self.effects.get(&record.key),
                Some(EffectState::Done { .. } | EffectState::Abandoned { .. })
            );
            let stands = match record.state {
                invoice::State::SentUnknown
                | invoice::State::Issued { .. }
                | invoice::State::Coded { .. } => true,
                invoice::State::NotDue
                | invoice::State::Due
                | invoice::State::Refused { .. }
                | invoice::State::Adjusted { .. }
                | invoice::State::Replaced => false,
            };
            if happened && stands && uncorrected(record) {
                gaps.push(gap("invoice-live", Some(&record.id)));
            }
        }
    }

    fn is_being_taken_back(&self, part: &Part) -> bool {
        let (reserve, create) = (
            part.reserve_key(self.code.as_str()),
            part.create_key(self.code.as_str()),
        );
        [
            undo_key(&reserve),
            undo_key(&create),
            reserve.clone(),
            create,
        ]
        .iter()
        .any(|key| self.is_open(key))
    }

    fn is_open(&self, key: &str) -> bool {
        self.effects
            .get(key)
            .is_some_and(|state| status(state).is_open())
    }
}

fn gap(code: &'static str, subject: Option<&str>) -> Gap {
    Gap {
        code,
        subject: subject.map(str::to_owned),
        known: false,
    }
}

/// Units that are reserved and neither shipped nor released.
fn open_units(line: &super::part::PartLine) -> i64 {
    i64::from(line.quantity) - i64::from(line.shipped) - i64::from(line.released)
}

/// Units of the invoice that no correction takes off.
fn uncorrected(record: &InvoiceRecord) -> bool {
    record.body.lines.iter().any(|line| {
        let off: u32 = record
            .adjustments
            .iter()
            .filter_map(|one| one.units.get(&line.line_id))
            .sum();
        off < line.quantity
    })
}

fn status(state: &EffectState) -> EffectStatus {
    match state {
        EffectState::Pending => EffectStatus::Pending,
        EffectState::Withdrawing => EffectStatus::Withdrawing,
        EffectState::Done { .. } => EffectStatus::Done,
        EffectState::Refused { .. } => EffectStatus::Refused,
        EffectState::Dead { .. } => EffectStatus::Dead,
        EffectState::Withdrawn { .. } => EffectStatus::Withdrawn,
        EffectState::Abandoned { .. } => EffectStatus::Abandoned,
    }
}

#[cfg(test)]
mod tests {
    use crate::fulfillment::EventKind;
    use crate::order::testing::{Story, said, status as channel_says};
    use crate::snapshot::ChannelStatus;

    fn held(story: &Story) -> i64 {
        story.order.held_units().values().sum()
    }

    fn codes(story: &Story) -> Vec<&'static str> {
        let gaps = story.order.gaps(&story.world.settings);
        gaps.into_iter().map(|gap| gap.code).collect()
    }

    fn packing() -> Story {
        let mut story = Story::confirmed();
        story.accept("reserve");
        story.accept("create_fulfillment");
        story
    }

    fn delivered() -> Story {
        let mut story = packing();
        story.report(
            1,
            10,
            EventKind::Shipped {
                lines: vec![],
                tracking: None,
            },
        );
        story.report(
            2,
            20,
            EventKind::Delivered {
                cod_collected: None,
            },
        );
        story
    }

    #[test]
    fn an_order_holds_what_the_stock_ledger_says_at_every_step() {
        let mut story = Story::confirmed();
        assert_eq!((held(&story), story.reserved()), (3, 3));
        story.accept("reserve");
        story.accept("create_fulfillment");
        assert_eq!((held(&story), story.reserved()), (3, 3));
        let story = delivered();
        assert_eq!((held(&story), story.reserved()), (0, 0));
    }

    #[test]
    fn a_delivered_order_lacks_nothing_until_its_invoice_is_lost() {
        let mut story = delivered();
        assert_eq!(codes(&story), [""; 0]);
        story.order.invoices.clear();
        assert_eq!(codes(&story), ["invoice-missing"]);
        story.world.settings.invoice_target = None;
        let gaps = story.order.gaps(&story.world.settings);
        assert!(gaps[0].known, "without a target a person must act");
    }

    #[test]
    fn a_cancelled_order_keeps_nothing_that_is_not_being_taken_back() {
        let mut story = packing();
        story.apply(said(channel_says(ChannelStatus::Cancelled, 30)));
        assert_eq!(codes(&story), [""; 0], "the undo is on its way");
        story.order.parts[0].revoked = None;
        assert_eq!(codes(&story), ["reservation-live"]);
    }

    #[test]
    fn a_finished_parcel_that_holds_stock_is_told() {
        let mut story = delivered();
        story.order.parts[0].lines[0].shipped = 0;
        assert_eq!(codes(&story), ["stock-kept"]);
        assert_eq!(held(&story), 1);
    }
}
