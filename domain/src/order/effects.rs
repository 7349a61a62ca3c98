//! The ledger of effects: every task that was ever asked for, and what became of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::task::{Given, Leg, Outcome, Task, TaskBody};

use super::fact::Tried;

/// One effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Effect {
    pub(crate) leg: Leg,
    /// The task's word, `reserve`.
    pub(crate) op: String,
    pub(crate) subject: String,
    pub(crate) target: String,
    pub(crate) planned_at: Timestamp,
    pub(crate) state: EffectState,
}

/// What became of an effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EffectState {
    /// In the outbox, or on its way.
    Pending,
    /// No longer wanted; whether it can be stopped is not known yet.
    Withdrawing,
    /// The target did it.
    Done { at: Timestamp, given: Given },
    /// The target refused it: it had no effect.
    Refused {
        at: Timestamp,
        code: String,
        message: String,
    },
    /// The outbox gave up: it may have had its effect, and may be tried again by a person.
    Dead { at: Timestamp, reason: String },
    /// Stopped before the first try: it had no effect.
    Withdrawn { at: Timestamp },
    /// Stopped after a try without an answer: it may have had its effect.
    Abandoned { at: Timestamp },
}

/// What taking an effect back has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TakenBack {
    /// There is no effect to take back.
    Nothing,
    /// Not known yet.
    Waiting,
    /// Taken back.
    Undone,
    /// The target refuses to take it back; its code.
    Kept(String),
}

/// All effects by task key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Effects(BTreeMap<String, Effect>);

/// The key of the task that takes another one back.
pub(crate) fn undo_key(key: &str) -> String {
    format!("{key}-undo")
}

impl Effects {
    pub(crate) fn get(&self, key: &str) -> Option<&EffectState> {
        self.0.get(key).map(|effect| &effect.state)
    }

    pub(crate) fn leg(&self, key: &str) -> Option<Leg> {
        self.0.get(key).map(|effect| effect.leg)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Effect)> {
        self.0.iter()
    }

    /// Whether the effect is known to have happened.
    pub(crate) fn is_done(&self, key: &str) -> bool {
        matches!(self.get(key), Some(EffectState::Done { .. }))
    }

    /// Whether a channel or provider has refused something that it was told or asked for.
    pub(crate) fn is_news_refused(&self) -> bool {
        self.0.values().any(|effect| {
            effect.leg == Leg::Channel && matches!(effect.state, EffectState::Refused { .. })
        })
    }

    /// It is being taken back, or has been: it cannot be relied on any more.
    pub(crate) fn is_leaving(&self, key: &str) -> bool {
        match self.get(key) {
            None => false,
            Some(
                EffectState::Withdrawing
                | EffectState::Withdrawn { .. }
                | EffectState::Abandoned { .. },
            ) => true,
            Some(
                EffectState::Pending
                | EffectState::Done { .. }
                | EffectState::Refused { .. }
                | EffectState::Dead { .. },
            ) => self.0.contains_key(&undo_key(key)),
        }
    }

    /// Notes a task that is about to be written to the outbox.
    pub(crate) fn note(&mut self, task: &Task, now: Timestamp) {
        let effect = Effect {
            leg: task.leg,
            op: task.body.op().to_owned(),
            subject: task.subject.clone(),
            target: task.target.clone(),
            planned_at: now,
            state: EffectState::Pending,
        };
        self.0.insert(task.key.clone(), effect);
    }

    /// Notes an effect that needs no call, because nobody is to be called.
    pub(crate) fn note_local(&mut self, key: &str, leg: Leg, body: &TaskBody, now: Timestamp) {
        let effect = Effect {
            leg,
            op: body.op().to_owned(),
            subject: String::new(),
            target: String::new(),
            planned_at: now,
            state: EffectState::Done {
                at: now,
                given: Given::default(),
            },
        };
        self.0.insert(key.to_owned(), effect);
    }

    /// A target answered. Says whether that changed anything: answers that are not final, repeats
    /// and answers to unknown tasks do not. A success is never forgotten for a later refusal.
    pub(crate) fn answered(&mut self, key: &str, outcome: &Outcome, at: Timestamp) -> bool {
        let Some(effect) = self.0.get_mut(key) else {
            return false;
        };
        let next = match outcome {
            Outcome::Accepted { given } | Outcome::Duplicate { given } => EffectState::Done {
                at,
                given: given.clone(),
            },
            Outcome::Refused { code, message } => EffectState::Refused {
                at,
                code: code.clone(),
                message: message.clone(),
            },
            Outcome::Retry { .. } | Outcome::Account { .. } => return false,
        };
        let open = match &effect.state {
            EffectState::Pending
            | EffectState::Withdrawing
            | EffectState::Dead { .. }
            | EffectState::Withdrawn { .. }
            | EffectState::Abandoned { .. } => true,
            // Redriven after a refusal, with better luck.
            EffectState::Refused { .. } => matches!(next, EffectState::Done { .. }),
            EffectState::Done { .. } => false,
        };
        if open {
            effect.state = next;
        }
        open
    }

    /// The outbox gave up.
    pub(crate) fn died(&mut self, key: &str, reason: &str, at: Timestamp) -> bool {
        let Some(effect) = self.0.get_mut(key) else {
            return false;
        };
        let pending = effect.state == EffectState::Pending;
        if pending {
            effect.state = EffectState::Dead {
                at,
                reason: reason.to_owned(),
            };
        }
        // One that is being withdrawn stays so: only the outbox's word that nobody can redrive it
        // makes it safe to compensate.
        pending
    }

    /// The outbox will not send it (again).
    pub(crate) fn withdrawn(&mut self, key: &str, tried: Tried, at: Timestamp) -> bool {
        let Some(effect) = self.0.get_mut(key) else {
            return false;
        };
        match effect.state {
            EffectState::Pending | EffectState::Withdrawing | EffectState::Dead { .. } => {}
            EffectState::Done { .. }
            | EffectState::Refused { .. }
            | EffectState::Withdrawn { .. }
            | EffectState::Abandoned { .. } => return false,
        }
        effect.state = match tried {
            Tried::Never => EffectState::Withdrawn { at },
            Tried::Maybe => EffectState::Abandoned { at },
        };
        true
    }

    /// Asks the outbox to stop a task, if it is still open. Says whether to ask now.
    pub(crate) fn stop(&mut self, key: &str) -> bool {
        let Some(effect) = self.0.get_mut(key) else {
            return false;
        };
        let open = matches!(
            effect.state,
            EffectState::Pending | EffectState::Dead { .. }
        );
        if open {
            effect.state = EffectState::Withdrawing;
        }
        open
    }
}
