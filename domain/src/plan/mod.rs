//! The pure plan: what must now happen outside, derived from what the order needs and what has
//! been done.
//!
//! Nothing is remembered as a to-do. Every effect ever asked for stands in the order's ledger with
//! what became of it; the plan adds what is missing, takes back what is no longer wanted, and is
//! silent when called again. So a cancel, an edit, a rejection or a crash needs no path of its own.

mod feedback;
mod installation;
mod invoicing;
mod notices;
mod parts;
mod warranty;

#[cfg(test)]
mod feedback_tests;
#[cfg(test)]
mod notices_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub(crate) use parts::movements;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::order::effects::{EffectState, TakenBack, undo_key};
use crate::order::{Context, Order, OrderEvent};
use crate::task::{Contact, Leg, Task, TaskAddress, TaskBody};

/// What a change of the order asks for. All of it belongs into the transaction that stores the
/// order.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Plan {
    /// New tasks for the outbox, in the order in which they should leave.
    pub tasks: Vec<Task>,
    /// Stock movements for the ledger. None of them can fail: only reserving is conditional, and
    /// that comes from taking a decision.
    pub movements: Vec<Movement>,
    /// Keys of tasks that are no longer wanted: pending ones, waiting for their next try, or dead.
    /// For each that the shell stops for good it reports [`crate::order::Fact::Withdrawn`]; one in
    /// flight reports its outcome as ever, and is stopped instead of being tried again.
    pub withdraw: Vec<String>,
    /// The order must be routed now: call `routing_order`.
    pub route: bool,
    /// What changed, for the timeline.
    pub events: Vec<OrderEvent>,
}

impl Plan {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.movements.is_empty() && self.withdraw.is_empty()
    }
}

/// What a stock movement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// reserved += quantity, only if that much is available.
    Reserve,
    /// reserved −= quantity.
    Release,
    /// reserved −= quantity, on hand −= quantity.
    Ship,
    /// The goods are back at the location; sellable or not is decided on inspection.
    Return,
}

impl MovementKind {
    /// The word used in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Ship => "ship",
            Self::Return => "return",
        }
    }
}

/// One movement for the stock ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Movement {
    /// Unique per movement: the ledger may refuse a second row with the same reference.
    pub reference: String,
    /// What it does.
    pub kind: MovementKind,
    /// Location.
    pub location: String,
    /// SKU; a component's for a kit.
    pub sku: String,
    /// Units, at least 1.
    pub quantity: i64,
    /// The reservation that it belongs to.
    pub reservation_id: String,
    /// The order line.
    pub line_id: String,
    /// When it happened at the location. A count taken later already contains it.
    pub at: Timestamp,
}

/// A plan in the making.
pub(crate) struct Draft<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) plan: Plan,
    /// Something was noted in the order during this pass.
    pub(crate) moved: bool,
    /// The earliest moment at which time alone changes the plan.
    pub(crate) wake: Option<Timestamp>,
}

impl Draft<'_> {
    fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |known| known.min(at)));
    }
}

/// One call, before it has its place in ledger and plan.
pub(crate) struct Call<'a> {
    pub(crate) key: &'a str,
    pub(crate) target: Option<&'a str>,
    pub(crate) leg: Leg,
    pub(crate) subject: &'a str,
    pub(crate) generation: u32,
    pub(crate) serial: Option<&'a str>,
    pub(crate) body: TaskBody,
}

/// Passes until nothing moves any more. Each pass closes at least one thing, and an order has few.
const MAX_PASSES: u32 = 16;

impl Order {
    /// What must now happen outside. Notes every task in the order's ledger, so that a second call
    /// returns nothing new.
    ///
    /// Compensations are emitted in the order work order, fulfillment order, reservation, invoice.
    /// They do not wait for each other's answers across targets, or an outage of the service
    /// center would let a Hub ship a cancelled order.
    pub fn plan(&mut self, context: &Context<'_>) -> Plan {
        let before = self.summary();
        let mut draft = Draft {
            context,
            plan: Plan::default(),
            moved: true,
            wake: None,
        };
        let mut moved = false;
        let mut passes = 0;
        while draft.moved && passes < MAX_PASSES {
            draft.moved = false;
            draft.wake = None;
            self.plan_installation(&mut draft);
            self.plan_parts(&mut draft);
            self.plan_invoice(&mut draft);
            self.plan_warranty(&mut draft);
            self.plan_feedback(&mut draft);
            self.plan_notices(&mut draft);
            moved |= draft.moved;
            self.refresh(context);
            passes += 1;
        }
        if let Some(until) = self.routing.hold.as_ref().and_then(|hold| hold.until) {
            draft.wake_at(until);
        }
        moved |= self.set_next_wake(draft.wake);
        let mut plan = draft.plan;
        plan.route = self.routing_order(context).is_some();
        let mut events = Vec::new();
        for task in &plan.tasks {
            let detail = Some(task.key.as_str());
            let op = Some(task.body.op());
            events.push(crate::order::timeline(
                "task",
                Some(&task.subject),
                None,
                op,
                detail,
            ));
        }
        self.finish(moved, before, &mut events, context.now);
        plan.events = events;
        plan
    }

    /// Writes a call into ledger and plan. Where nobody is to be called, it counts as done.
    pub(crate) fn emit(&mut self, draft: &mut Draft<'_>, call: Call<'_>) {
        draft.moved = true;
        let Some(target) = call.target else {
            self.effects
                .note_local(call.key, call.leg, &call.body, draft.context.now);
            return;
        };
        let task = Task {
            key: call.key.to_owned(),
            target: target.to_owned(),
            leg: call.leg,
            subject: call.subject.to_owned(),
            generation: call.generation,
            serial: call.serial.map(str::to_owned),
            not_before: None,
            body: call.body,
        };
        self.effects.note(&task, draft.context.now);
        draft.plan.tasks.push(task);
    }

    /// Stops a task that is not wanted any more, if it is still open.
    pub(crate) fn stop(&mut self, draft: &mut Draft<'_>, key: &str) {
        if self.effects.stop(key) {
            draft.moved = true;
            draft.plan.withdraw.push(key.to_owned());
        }
    }

    /// Takes the effect behind `key` back: stops its task, and once its fate is known and it may
    /// have happened, emits the compensation that `undo` makes.
    pub(crate) fn take_back<'a>(
        &mut self,
        draft: &mut Draft<'_>,
        key: &str,
        undo: impl FnOnce() -> Call<'a>,
    ) -> TakenBack {
        match self.effects.get(key) {
            None | Some(EffectState::Withdrawn { .. } | EffectState::Refused { .. }) => {
                TakenBack::Nothing
            }
            Some(EffectState::Pending | EffectState::Dead { .. }) => {
                self.stop(draft, key);
                TakenBack::Waiting
            }
            Some(EffectState::Withdrawing) => TakenBack::Waiting,
            Some(EffectState::Done { .. } | EffectState::Abandoned { .. }) => {
                let undo_key = undo_key(key);
                match self.effects.get(&undo_key) {
                    None => {
                        self.emit(
                            draft,
                            Call {
                                key: &undo_key,
                                ..undo()
                            },
                        );
                        // Where nobody is called, it is done at once.
                        if self.effects.is_done(&undo_key) {
                            TakenBack::Undone
                        } else {
                            TakenBack::Waiting
                        }
                    }
                    Some(EffectState::Done { .. }) => TakenBack::Undone,
                    Some(EffectState::Refused { code, .. }) => TakenBack::Kept(code.clone()),
                    // A dead compensation waits for a person: nobody knows what stands.
                    Some(
                        EffectState::Pending
                        | EffectState::Withdrawing
                        | EffectState::Dead { .. }
                        | EffectState::Withdrawn { .. }
                        | EffectState::Abandoned { .. },
                    ) => TakenBack::Waiting,
                }
            }
        }
    }

    /// Sets a tag of the order's own.
    pub(crate) fn tag(&mut self, draft: &mut Draft<'_>, tag: &str) {
        if self.own_tags.insert(tag.to_owned()) {
            draft.moved = true;
        }
    }

    /// Whom to call about the order: the recipient, else the buyer.
    pub(crate) fn contact(&self) -> Contact {
        let judged = &self.judged;
        let ship_to = &judged.ship_to;
        Contact {
            name: ship_to.name.clone().or_else(|| judged.buyer.name.clone()),
            phone: ship_to
                .phone
                .clone()
                .or_else(|| crate::order::dialable(judged.buyer.phone.as_deref())),
        }
    }

    /// Where the order goes, as targets need it.
    pub(crate) fn task_address(&self) -> TaskAddress {
        let address = &self.judged.ship_to;
        let contact = self.contact();
        TaskAddress {
            name: contact.name,
            phone: contact.phone,
            text: address.text.clone().unwrap_or_default(),
            ward: address.ward.clone(),
            district: address.district.clone(),
            province: address.province.clone(),
            province_code: address.province_code.clone(),
            code_system: address.code_system.map(|system| system.as_str().to_owned()),
        }
    }
}

/// The legal day of a moment: the date in Asia/Ho_Chi_Minh, UTC+7 all year.
pub(crate) fn legal_day(at: Timestamp) -> jiff::civil::Date {
    jiff::tz::Offset::constant(7).to_datetime(at).date()
}
