//! Giving money back: which payments there are, what has gone back of them, and what staff asked
//! for. Only through the provider that took the money, and never more than it took.

use jiff::Timestamp;

use crate::money::Amount;
use crate::payment::{PaymentFact, PaymentState};
use crate::task::{EarlierRefund, NewsKind};

use super::effects::EffectState;
use super::fact::{Action, Command};
use super::{Order, Settings};

/// A refund that staff asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefundAsked {
    /// The command's id: one refund per command.
    pub(crate) command: String,
    /// The payment channel that took the money.
    pub(crate) provider: String,
    pub(crate) reference: String,
    pub(crate) transaction: String,
    pub(crate) amount: Amount,
    pub(crate) paid: Amount,
    pub(crate) paid_at: Timestamp,
    /// When staff asked for it.
    pub(crate) asked_at: Timestamp,
    pub(crate) text: String,
    pub(crate) actor: String,
}

impl Order {
    /// Money that came in, by provider.
    pub(super) fn incoming(&self) -> impl Iterator<Item = &PaymentFact> {
        self.payments
            .values()
            .filter(|payment| matches!(payment.state, PaymentState::Paid | PaymentState::Suspect))
    }

    /// All refunds that staff asked for and whose payment is known, in the order of their times.
    pub(crate) fn refunds_asked(&self) -> Vec<RefundAsked> {
        self.staff
            .in_order()
            .into_iter()
            .filter_map(|command| self.refund_of(command))
            .collect()
    }

    fn refund_of(&self, command: &Command) -> Option<RefundAsked> {
        let Action::Refund {
            reference,
            transaction,
            amount,
        } = &command.action
        else {
            return None;
        };
        let payment = self.payment(reference, transaction)?;
        Some(RefundAsked {
            command: command.id.clone(),
            provider: payment.provider.clone(),
            reference: reference.clone(),
            transaction: transaction.clone(),
            amount: *amount,
            paid: payment.amount,
            paid_at: payment.at,
            asked_at: command.at,
            text: command.reason.clone(),
            actor: command.actor.clone(),
        })
    }

    /// What went back of the same payment before, or may have; `None` while an earlier refund is
    /// not settled, a dead one too: it may be tried again. Providers show a payment's newest refund and do not say whose wish it was,
    /// so a later one must know the earlier ones.
    pub(crate) fn refunds_before(&self, refund: &RefundAsked) -> Option<Vec<EarlierRefund>> {
        let mut before = Vec::new();
        for other in self.refunds_asked() {
            if other.command == refund.command {
                break;
            }
            if other.reference != refund.reference || other.transaction != refund.transaction {
                continue;
            }
            let number = match self
                .effects
                .get(&self.news_key("refund", &other.command, 1))
            {
                Some(
                    EffectState::Pending | EffectState::Withdrawing | EffectState::Dead { .. },
                ) => return None,
                None | Some(EffectState::Refused { .. } | EffectState::Withdrawn { .. }) => {
                    continue;
                }
                Some(EffectState::Done { given, .. }) => given.partner_id.clone(),
                Some(EffectState::Abandoned { .. }) => None,
            };
            before.push(EarlierRefund {
                amount: other.amount,
                number,
            });
        }
        Some(before)
    }

    fn payment(&self, reference: &str, transaction: &str) -> Option<&PaymentFact> {
        self.incoming()
            .find(|payment| payment.reference == reference && payment.transaction == transaction)
    }

    /// What refunds through providers have given back so far.
    pub(super) fn refunded_by_us(&self) -> Amount {
        self.refunds_asked()
            .iter()
            .filter(|refund| {
                let key = self.news_key("refund", &refund.command, 1);
                matches!(self.effects.get(&key), Some(EffectState::Done { .. }))
            })
            .fold(Amount::ZERO, |sum, refund| {
                sum.saturating_add(refund.amount)
            })
    }

    /// Whether so much of the payment may still go back; else why not, for staff.
    pub(super) fn may_refund(
        &self,
        reference: &str,
        transaction: &str,
        amount: Amount,
        settings: &Settings,
    ) -> Result<(), String> {
        let Some(payment) = self.payment(reference, transaction) else {
            return Err("it has no such payment; see `payment.received`".to_owned());
        };
        if payment.provider.is_empty() {
            return Err(
                "the payment came in before providers were noted; refund it at the \
                        provider and let it report"
                    .to_owned(),
            );
        }
        let takes = settings.feedback.get(&payment.provider);
        if !takes.is_some_and(|takes| takes.contains(&NewsKind::Refunded)) {
            return Err(format!(
                "{} takes no refunds from us, or is not open; give the money back there and let \
                 it report",
                payment.provider
            ));
        }
        if amount <= Amount::ZERO {
            return Err("a refund must be more than 0".to_owned());
        }
        let of_payment = |refund: &&RefundAsked| {
            refund.reference == reference && refund.transaction == transaction
        };
        let is_dead = |refund: RefundAsked| {
            let state = self
                .effects
                .get(&self.news_key("refund", &refund.command, 1));
            matches!(state, Some(EffectState::Dead { .. }))
        };
        let asked = self.refunds_asked();
        if asked.iter().filter(of_payment).cloned().any(is_dead) {
            return Err(
                "an earlier refund of this payment gave up and may have been done; settle it                  first (`kenh redrive`)"
                    .to_owned(),
            );
        }
        let refused = |command: &str| {
            matches!(
                self.effects.get(&self.news_key("refund", command, 1)),
                Some(EffectState::Refused { .. } | EffectState::Withdrawn { .. })
            )
        };
        let asked = asked
            .iter()
            .filter(|refund| of_payment(refund) && !refused(&refund.command))
            .fold(Amount::ZERO, |sum, refund| {
                sum.saturating_add(refund.amount)
            });
        let left = payment.amount.saturating_sub(asked);
        if amount > left {
            return Err(format!("only {left} of this payment is left to refund"));
        }
        Ok(())
    }
}
