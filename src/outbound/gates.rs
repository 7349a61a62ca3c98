//! The gates of everything that is configured, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::limits::{Gate, Limits};
use crate::clock::SharedClock;

/// Whose limits: a target, a channel, or one account at it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GateKey {
    /// Id of the target or channel.
    pub owner: String,
    /// The account, where each has its own quota.
    pub account: Option<String>,
}

impl GateKey {
    /// The limits of a whole target or channel.
    #[must_use]
    pub fn owner(owner: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            account: None,
        }
    }

    /// The limits of one account.
    #[must_use]
    pub fn account(owner: impl Into<String>, account: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            account: Some(account.into()),
        }
    }
}

impl fmt::Display for GateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.account {
            Some(account) => write!(f, "{}/{account}", self.owner),
            None => f.write_str(&self.owner),
        }
    }
}

/// The gates of the configuration in force. Only what is configured has one, so nothing that
/// partners send can make them grow.
#[derive(Debug)]
pub struct Gates {
    clock: SharedClock,
    gates: ArcSwap<BTreeMap<GateKey, Arc<Gate>>>,
}

impl Gates {
    /// No gates yet.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            gates: ArcSwap::default(),
        }
    }

    /// Takes the limits of a new configuration. A gate whose limits are the same stays with all
    /// that it knows; one whose limits changed starts afresh, and calls that are under way finish
    /// under the old one.
    pub fn configure(&self, limits: impl IntoIterator<Item = (GateKey, Limits)>) {
        let before = self.gates.load();
        let gates = limits
            .into_iter()
            .map(|(key, limits)| {
                let gate = match before.get(&key) {
                    Some(gate) if *gate.limits() == limits => Arc::clone(gate),
                    _ => Gate::new(limits, Arc::clone(&self.clock)),
                };
                (key, gate)
            })
            .collect();
        self.gates.store(Arc::new(gates));
    }

    /// The gate of `key`, if it is configured.
    #[must_use]
    pub fn get(&self, key: &GateKey) -> Option<Arc<Gate>> {
        self.gates.load().get(key).cloned()
    }

    /// All gates, by key.
    #[must_use]
    pub fn all(&self) -> Arc<BTreeMap<GateKey, Arc<Gate>>> {
        self.gates.load_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    use domain::breaker;

    use crate::clock::FakeClock;
    use crate::outbound::limits::{Outcome, Permit};

    fn limits(concurrency: u32) -> Limits {
        Limits {
            rate: None,
            concurrency: NonZeroU32::new(concurrency).unwrap(),
            breaker: Some(breaker::Settings {
                failures: 3,
                ..breaker::Settings::default()
            }),
        }
    }

    fn fail(gate: &Gate) {
        for _ in 0..3 {
            gate.report(Outcome::Bad);
        }
    }

    #[test]
    fn one_dead_target_takes_nobody_elses_room() {
        let clock = FakeClock::at_ms(0);
        let gates = Gates::new(clock.shared());
        let (dead, alive) = (GateKey::owner("dead"), GateKey::owner("alive"));
        gates.configure([(dead.clone(), limits(4)), (alive.clone(), limits(4))]);
        let dead = gates.get(&dead).unwrap();
        let _stalled: Vec<Permit> = (0..4).map(|_| dead.permit().unwrap()).collect();
        fail(&dead);
        assert_eq!(dead.free_slots(), 0);
        assert_eq!(gates.get(&alive).unwrap().free_slots(), 4);
    }

    #[test]
    fn a_reload_keeps_what_gates_know_unless_their_limits_changed() {
        let clock = FakeClock::at_ms(0);
        let gates = Gates::new(clock.shared());
        let (same, changed) = (GateKey::owner("a"), GateKey::account("b", "shop-1"));
        let gone = GateKey::owner("c");
        gates.configure([
            (same.clone(), limits(4)),
            (changed.clone(), limits(4)),
            (gone.clone(), limits(4)),
        ]);
        fail(&gates.get(&same).unwrap());
        fail(&gates.get(&changed).unwrap());
        gates.configure([(same.clone(), limits(4)), (changed.clone(), limits(8))]);
        assert_eq!(gates.get(&same).unwrap().free_slots(), 0);
        assert_eq!(gates.get(&changed).unwrap().free_slots(), 8);
        assert!(gates.get(&gone).is_none());
        assert_eq!(changed.to_string(), "b/shop-1");
    }
}
