//! Taking facts in, and telling what they changed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::payment::{PaymentFact, PaymentState};
use crate::task::{Leg, Outcome};

use super::fact::{Action, Applied, Command, Fact, OrderEvent};
use super::{Context, Order, Remittance};

impl Order {
    /// Applies one fact. Idempotent; any permutation with repeats of the same channel, payment and
    /// target facts gives the same order.
    pub fn apply(&mut self, fact: &Fact, context: &Context<'_>) -> Applied {
        let before = self.summary();
        let mut events = Vec::new();
        let mut changed = match fact {
            Fact::Snapshot(snapshot) => self.said.apply((**snapshot).clone()),
            Fact::Payment(payment) => self.pay(payment),
            Fact::Remitted {
                reference,
                amount,
                at,
            } => {
                let row = Remittance {
                    at: *at,
                    amount: *amount,
                };
                keep_greatest(&mut self.remitted, reference.clone(), row)
            }
            Fact::Rated(rating) => keep_greatest(&mut self.ratings, rating.key(), rating.clone()),
            Fact::Fulfillment {
                id,
                sequence,
                at,
                kind,
            } => {
                let log = self.fulfillment_logs.entry(id.clone()).or_default();
                report(log, *sequence, *at, kind)
            }
            Fact::Invoice {
                id,
                sequence,
                at,
                kind,
            } => {
                let log = self.invoice_logs.entry(id.clone()).or_default();
                report(log, *sequence, *at, kind)
            }
            Fact::Service {
                id,
                sequence,
                at,
                kind,
            } => {
                let log = self.service_logs.entry(id.clone()).or_default();
                report(log, *sequence, *at, kind)
            }
            Fact::Task { key, outcome, at } => {
                let answered = self.effects.answered(key, outcome, *at);
                // What buyer and channel were not told shows nowhere else.
                if let Outcome::Refused { code, .. } = outcome
                    && answered
                    && self.effects.leg(key) == Some(Leg::Channel)
                {
                    events.push(event("task", Some(key), None, Some("refused"), Some(code)));
                }
                answered
            }
            Fact::TaskDead { key, reason, at } => {
                let died = self.effects.died(key, reason, *at);
                if died {
                    events.push(event("task", Some(key), None, Some("dead"), Some(reason)));
                }
                died
            }
            Fact::Withdrawn { key, tried, at } => self.effects.withdrawn(key, *tried, *at),
            Fact::Staff(command) => {
                let new = self.command(command);
                if new {
                    let action = command.action.as_str();
                    events.push(event(
                        "staff",
                        Some(&command.actor),
                        None,
                        Some(action),
                        None,
                    ));
                }
                new
            }
            Fact::CatalogChanged => {
                self.judged.resolved = false;
                false
            }
            Fact::Wake => self.wake(context.now),
        };
        changed |= self.refresh(context);
        if self.count_questions() {
            changed = true;
            self.refresh(context);
        }
        self.finish(changed, before, &mut events, context.now);
        Applied { changed, events }
    }

    /// Counts the change and adds what came out differently to `events`.
    pub(crate) fn finish(
        &mut self,
        changed: bool,
        before: Summary,
        events: &mut Vec<OrderEvent>,
        now: Timestamp,
    ) {
        if changed {
            self.version += 1;
            self.updated_at = now;
        }
        events.extend(before.differences(&self.summary()));
    }

    fn pay(&mut self, payment: &PaymentFact) -> bool {
        // A refund often carries the transaction of the payment that it gives back: two facts.
        let direction = match payment.state {
            PaymentState::Refunded => "out",
            PaymentState::Pending
            | PaymentState::Authorized
            | PaymentState::Failed
            | PaymentState::Paid
            | PaymentState::Suspect => "in",
        };
        let key = format!("{}|{}|{direction}", payment.reference, payment.transaction);
        match self.payments.get_mut(&key) {
            Some(known) => known.merge(payment),
            None => {
                self.payments.insert(key, payment.clone());
                true
            }
        }
    }

    fn command(&mut self, command: &Command) -> bool {
        if !self.staff.add(command.clone()) {
            return false;
        }
        match &command.action {
            Action::Release => {
                let causes = self
                    .judged
                    .holds
                    .iter()
                    .filter(|hold| hold.can_be_accepted())
                    .map(super::Hold::cause);
                self.accepted.extend(causes);
                let edit = self.staff.fold().edit;
                self.rebase_edits(Self::edited_fields(&edit));
                if self.routing.hold.take().is_some() {
                    self.routing.round = 0;
                    self.routing.excluded.clear();
                }
            }
            Action::Edit(edit) => self.rebase_edits(Self::edited_fields(edit)),
            Action::Reroute | Action::Transfer { .. } => self.start_over(command),
            Action::Confirm
            | Action::Hold
            | Action::Cancel
            | Action::Reject
            | Action::Refund { .. }
            | Action::CancelLine { .. } => {}
        }
        true
    }

    /// Routes from the beginning: what is still inside comes back, and a plain re-route looks
    /// anywhere but where it was.
    fn start_over(&mut self, command: &Command) {
        self.routing.round = 0;
        self.routing.hold = None;
        self.routing.excluded.clear();
        for part in &mut self.parts {
            if part.stands() && part.state.is_inside() && !part.kept {
                part.revoked = Some(command.action.as_str().to_owned());
                if command.action == Action::Reroute {
                    self.routing.excluded.insert(part.location.clone());
                }
            }
        }
    }

    fn wake(&mut self, now: Timestamp) -> bool {
        let due = self
            .routing
            .hold
            .as_ref()
            .and_then(|hold| hold.until)
            .is_some_and(|until| until <= now);
        if due {
            self.routing.hold = None;
        }
        due
    }

    /// What the timeline compares.
    pub(crate) fn summary(&self) -> Summary {
        let judged = &self.judged;
        let mut states = BTreeMap::new();
        let mut put = |kind: &'static str, subject: &str, state: String| {
            states.insert((kind, subject.to_owned()), state);
        };
        put("status", "", judged.status.as_str().to_owned());
        put("lifecycle", "", judged.lifecycle.as_str().to_owned());
        put("payment", "", judged.payment.as_str().to_owned());
        put("fulfillment", "", judged.fulfillment.as_str().to_owned());
        for part in &self.parts {
            put(
                "fulfillment_order",
                &part.id,
                part.state.as_str().to_owned(),
            );
        }
        for invoice in &self.invoices {
            put("invoice", &invoice.id, invoice.state.as_str().to_owned());
        }
        for work in &self.work_orders {
            put("service_order", &work.id, work.state.as_str().to_owned());
        }
        for rating in self.ratings.values() {
            put("rating", &rating.id, rating.stars.number().to_string());
        }
        let mut present = BTreeSet::new();
        for hold in &judged.holds {
            present.insert(("hold", hold.cause()));
        }
        for tag in &judged.tags {
            present.insert(("tag", tag.clone()));
        }
        for part in &self.parts {
            for error in &part.invalid {
                present.insert(("invalid_transition", format!("{}: {error}", part.id)));
            }
        }
        Summary { states, present }
    }
}

/// What an order looks like from the timeline.
pub(crate) struct Summary {
    states: BTreeMap<(&'static str, String), String>,
    present: BTreeSet<(&'static str, String)>,
}

impl Summary {
    fn differences(&self, after: &Self) -> Vec<OrderEvent> {
        let mut events = Vec::new();
        for (key, state) in &after.states {
            let before = self.states.get(key);
            if before != Some(state) {
                let subject = Some(key.1.as_str()).filter(|subject| !subject.is_empty());
                events.push(event(
                    key.0,
                    subject,
                    before.map(String::as_str),
                    Some(state),
                    None,
                ));
            }
        }
        for (kind, what) in after.present.difference(&self.present) {
            events.push(event(kind, Some(what), None, Some("set"), None));
        }
        for (kind, what) in self.present.difference(&after.present) {
            events.push(event(kind, Some(what), Some("set"), None, None));
        }
        events
    }
}

pub(crate) fn event(
    kind: &str,
    subject: Option<&str>,
    from: Option<&str>,
    to: Option<&str>,
    detail: Option<&str>,
) -> OrderEvent {
    OrderEvent {
        kind: kind.to_owned(),
        subject: subject.map(str::to_owned),
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
        detail: detail.map(str::to_owned),
    }
}

/// Files a report under its sequence. Two different reports with one sequence are a target's
/// mistake; the greater content counts, so that their order of arrival does not.
fn report<K: Clone + PartialEq + std::fmt::Debug>(
    log: &mut BTreeMap<i64, (Timestamp, K)>,
    sequence: i64,
    at: Timestamp,
    kind: &K,
) -> bool {
    let incoming = (at, kind.clone());
    match log.get_mut(&sequence) {
        None => {
            log.insert(sequence, incoming);
            true
        }
        Some(known) if *known == incoming => false,
        Some(known) => {
            let weight = |report: &(Timestamp, K)| (report.0, format!("{:?}", report.1));
            let greater = weight(&incoming) > weight(known);
            if greater {
                *known = incoming;
            }
            greater
        }
    }
}

fn keep_greatest<T: Ord>(rows: &mut BTreeMap<String, T>, key: String, row: T) -> bool {
    match rows.get_mut(&key) {
        None => {
            rows.insert(key, row);
            true
        }
        Some(known) if row > *known => {
            *known = row;
            true
        }
        Some(_) => false,
    }
}
