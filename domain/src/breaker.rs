//! A circuit breaker without a clock: after enough failures in a row within a window, a target is
//! left alone for a while, then tried with one call.
//!
//! A success clears the count. A target that answers some calls is not down; each task's own retry
//! deals with the rest, and an open breaker would only hold back what still works.

use serde::{Deserialize, Serialize};

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// So many failures in a row open it. 0 counts as 1.
    pub failures: u32,
    /// They must all lie within this span, milliseconds.
    pub window_ms: i64,
    /// How long it stays open, and how long a probe may take before another is let through,
    /// milliseconds.
    pub cool_down_ms: i64,
}

impl Default for Settings {
    /// Ten failures within 30 seconds; 30 seconds of rest.
    fn default() -> Self {
        Self {
            failures: 10,
            window_ms: 30_000,
            cool_down_ms: 30_000,
        }
    }
}

/// How a call to the target ended, as far as the target's health goes: a refusal of one order is a
/// success, because the target answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The target answered.
    Success,
    /// It timed out, refused the connection, or said that it is not well.
    Failure,
}

/// What a recorded outcome changed, for the log and the alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that anybody need know.
    None,
    /// The target is now left alone.
    Opened,
    /// The target is well again.
    Closed,
}

/// Where the breaker stands: what the page of targets shows. Times are Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Calls go out.
    Closed {
        /// When the failures since the last success happened, oldest first; fewer than the limit.
        failed_at_ms: Vec<i64>,
    },
    /// No calls go out.
    Open {
        /// Since when.
        since_ms: i64,
    },
    /// One probe is out; its outcome decides.
    HalfOpen {
        /// When it was let through.
        probe_ms: i64,
    },
}

/// One target's breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    settings: Settings,
    state: State,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        let state = State::Closed {
            failed_at_ms: Vec::new(),
        };
        Self { settings, state }
    }

    /// A breaker as it was shown or stored.
    #[must_use]
    pub const fn restore(settings: Settings, state: State) -> Self {
        Self { settings, state }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Whether a call may go out now. Once the cool-down is over this lets one probe through; a
    /// caller who gets `true` must send and [`record`](Self::record). A probe that never reports
    /// (its process died) is replaced after another cool-down.
    pub fn allow(&mut self, now_ms: i64) -> bool {
        let since_ms = match self.state {
            State::Closed { .. } => return true,
            State::Open { since_ms } => since_ms,
            State::HalfOpen { probe_ms } => probe_ms,
        };
        if now_ms < since_ms {
            // The clock was set back. Start the rest anew: waiting for the old time could take days.
            self.move_back(now_ms);
            return false;
        }
        if now_ms.saturating_sub(since_ms) < self.settings.cool_down_ms {
            return false;
        }
        self.state = State::HalfOpen { probe_ms: now_ms };
        true
    }

    /// When the next call may go out, or `None` if that is now for all that is known. Does not let
    /// a probe through.
    #[must_use]
    pub fn opens_at_ms(&self) -> Option<i64> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { since_ms } => Some(since_ms.saturating_add(self.settings.cool_down_ms)),
            State::HalfOpen { probe_ms } => {
                Some(probe_ms.saturating_add(self.settings.cool_down_ms))
            }
        }
    }

    /// Takes note of a call's outcome. While open, the outcomes of calls that were already out
    /// change nothing; while half open, the first outcome decides.
    pub fn record(&mut self, outcome: Outcome, now_ms: i64) -> Change {
        match (&mut self.state, outcome) {
            (State::Closed { failed_at_ms }, Outcome::Success) => {
                failed_at_ms.clear();
                Change::None
            }
            (State::Closed { failed_at_ms }, Outcome::Failure) => {
                let window_ms = self.settings.window_ms;
                // A failure from the future (the clock was set back) is of no use either.
                failed_at_ms
                    .retain(|at_ms| *at_ms <= now_ms && now_ms.saturating_sub(*at_ms) < window_ms);
                failed_at_ms.push(now_ms);
                let limit = usize::try_from(self.settings.failures.max(1)).unwrap_or(usize::MAX);
                if failed_at_ms.len() < limit {
                    return Change::None;
                }
                self.trip(now_ms);
                Change::Opened
            }
            (State::Open { .. }, Outcome::Success | Outcome::Failure) => Change::None,
            (State::HalfOpen { .. }, Outcome::Success) => {
                self.state = State::Closed {
                    failed_at_ms: Vec::new(),
                };
                Change::Closed
            }
            (State::HalfOpen { .. }, Outcome::Failure) => {
                self.trip(now_ms);
                Change::Opened
            }
        }
    }

    /// Opens it at once: the account is locked, the quota is used up, the credentials are refused.
    pub fn trip(&mut self, now_ms: i64) {
        self.state = State::Open { since_ms: now_ms };
    }

    fn move_back(&mut self, now_ms: i64) {
        match &mut self.state {
            State::Closed { .. } => {}
            State::Open { since_ms } => *since_ms = now_ms,
            State::HalfOpen { probe_ms } => *probe_ms = now_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three failures within 1,000 ms; 500 ms of rest.
    fn breaker() -> Breaker {
        Breaker::new(Settings {
            failures: 3,
            window_ms: 1_000,
            cool_down_ms: 500,
        })
    }

    enum Step {
        Ok,
        Fail,
        Allowed,
        Refused,
    }

    #[test]
    fn the_breaker_follows_its_table() {
        use Step::{Allowed, Fail, Ok, Refused};
        let stories: [(&str, &[(i64, Step)]); 7] = [
            (
                "a closed breaker lets all through",
                &[(0, Allowed), (0, Allowed), (0, Ok)],
            ),
            (
                "enough failures open it",
                &[
                    (0, Fail),
                    (1, Fail),
                    (1, Allowed),
                    (2, Fail),
                    (2, Refused),
                    (501, Refused),
                ],
            ),
            (
                "failures spread beyond the window do not count together",
                &[
                    (0, Fail),
                    (900, Fail),
                    (1_000, Fail),
                    (1_000, Allowed),
                    (1_001, Fail),
                    (1_001, Refused),
                ],
            ),
            (
                "a success starts the count again",
                &[
                    (0, Fail),
                    (1, Fail),
                    (2, Ok),
                    (3, Fail),
                    (4, Fail),
                    (4, Allowed),
                ],
            ),
            (
                "after the rest one probe goes out and its success closes",
                &[
                    (0, Fail),
                    (0, Fail),
                    (0, Fail),
                    (500, Allowed),
                    (500, Refused),
                    (600, Ok),
                    (600, Allowed),
                    (600, Allowed),
                    (601, Fail),
                    (602, Allowed),
                ],
            ),
            (
                "a failed probe means another rest",
                &[
                    (0, Fail),
                    (0, Fail),
                    (0, Fail),
                    (500, Allowed),
                    (600, Fail),
                    (1_099, Refused),
                    (1_100, Allowed),
                ],
            ),
            (
                "a probe that never reports is replaced, and late answers of old calls do not close",
                &[
                    (0, Fail),
                    (0, Fail),
                    (0, Fail),
                    (10, Ok),
                    (11, Refused),
                    (500, Allowed),
                    (999, Refused),
                    (1_000, Allowed),
                    (1_000, Refused),
                ],
            ),
        ];
        for (story, steps) in stories {
            let mut breaker = breaker();
            for (at, (now_ms, step)) in steps.iter().enumerate() {
                match step {
                    Ok => {
                        breaker.record(Outcome::Success, *now_ms);
                    }
                    Fail => {
                        breaker.record(Outcome::Failure, *now_ms);
                    }
                    Allowed => assert!(breaker.allow(*now_ms), "{story}: step {at}"),
                    Refused => assert!(!breaker.allow(*now_ms), "{story}: step {at}"),
                }
            }
        }
    }

    #[test]
    fn changes_are_told_once() {
        let mut breaker = breaker();
        let changes: Vec<Change> = (0..4)
            .map(|now_ms| breaker.record(Outcome::Failure, now_ms))
            .collect();
        assert_eq!(
            changes,
            [Change::None, Change::None, Change::Opened, Change::None]
        );
        assert_eq!(breaker.opens_at_ms(), Some(502));
        assert!(breaker.allow(502));
        assert_eq!(breaker.record(Outcome::Success, 503), Change::Closed);
        assert_eq!(breaker.opens_at_ms(), None);
    }

    #[test]
    fn a_locked_account_opens_it_at_once() {
        let mut breaker = breaker();
        breaker.trip(100);
        assert!(!breaker.allow(100));
        assert!(breaker.allow(600));
    }

    #[test]
    fn a_clock_set_back_costs_one_rest_at_most() {
        let mut breaker = breaker();
        breaker.trip(1_000_000);
        assert!(!breaker.allow(10));
        assert!(!breaker.allow(509));
        assert!(breaker.allow(510));
    }

    #[test]
    fn the_state_reads_well_and_is_restored() {
        let mut breaker = breaker();
        breaker.record(Outcome::Failure, 7);
        let json = serde_json::to_string(breaker.state()).unwrap();
        assert_eq!(json, r#"{"state":"closed","failed_at_ms":[7]}"#);
        breaker.trip(9);
        let json = serde_json::to_string(breaker.state()).unwrap();
        assert_eq!(json, r#"{"state":"open","since_ms":9}"#);
        let state = serde_json::from_str(&json).unwrap();
        assert_eq!(Breaker::restore(breaker.settings, state), breaker);
    }
}
