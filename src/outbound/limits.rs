//! What holds calls back: how many per second, how many at once, and none while the target is
//! down. One [`Gate`] per target, or per account at a target, so that one dead target takes
//! nobody else's room.
//!
//! A worker asks [`Gate::free_slots`] how many tasks it may lease, leases no more, and takes a
//! [`Permit`] for each. Being held back is not an attempt: a task that gets no permit goes back as
//! it was.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::breaker::{self, Breaker, Change};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::rate::{Bucket, Rate};
use super::{NotSent, SendError};
use crate::clock::SharedClock;
use crate::telemetry::BreakerLevel;

/// The longest that a partner's `Retry-After` is obeyed without looking again.
pub const MAX_PAUSE: Duration = Duration::from_secs(3600);

/// What a target allows, as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls per second; `None` for no limit.
    pub rate: Option<Rate>,
    /// Most calls at once.
    pub concurrency: NonZeroU32,
    /// When the breaker opens; `None` for never.
    pub breaker: Option<breaker::Settings>,
}

/// What one call showed about the target's health. It is not the task's outcome: a target that
/// refuses an order is in good health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The target answered.
    Good,
    /// The target did not answer, or said that it is broken (5xx).
    Bad,
    /// The target asks for a pause (429, 503 with `Retry-After`): it is alive, so the breaker does
    /// not count it, but nothing is sent until then ([`MAX_PAUSE`] at most).
    Throttled {
        /// The pause it asked for.
        retry_after: Duration,
    },
    /// The account does not work (credentials, quota, contract): every further call would fail as
    /// well. Nothing is sent for `pause`, or until [`Gate::resume`].
    Account {
        /// How long to leave the target alone.
        pause: Duration,
    },
}

impl Outcome {
    /// What a call without an answer shows, if anything: a request that could not be built, or
    /// that we held back ourselves, says nothing about the target.
    #[must_use]
    pub fn of_failure(error: &SendError) -> Option<Self> {
        match error {
            SendError::NotSent(
                NotSent::Invalid | NotSent::AddressRefused { .. } | NotSent::Held(_),
            ) => None,
            SendError::NotSent(
                NotSent::Dns { .. }
                | NotSent::Connect { .. }
                | NotSent::Tls { .. }
                | NotSent::ConnectTimeout { .. },
            )
            | SendError::Unknown(_) => Some(Self::Bad),
        }
    }
}

/// Why a call may not start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The cause.
    pub cause: Cause,
    /// How long until it is worth asking again; `None` if that depends on calls under way.
    pub retry_in: Option<Duration>,
}

/// What holds a call back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// As many calls are under way as there may be.
    Concurrency,
    /// The rate is used up.
    Rate,
    /// The breaker is open, or another call is trying whether the target is back.
    Breaker,
    /// The target asked for a pause.
    Throttled,
    /// The account does not work.
    Account,
}

impl Cause {
    /// A short fixed name for the API and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::Rate => "rate",
            Self::Breaker => "breaker",
            Self::Throttled => "throttled",
            Self::Account => "account",
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "held back by {}", self.cause.as_str())?;
        match self.retry_in {
            Some(wait) => write!(f, " for {} ms", wait.as_millis()),
            None => Ok(()),
        }
    }
}

/// How a gate's breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go out.
    Closed,
    /// The rest is over: one call tries whether the target is back.
    HalfOpen,
    /// No calls go out.
    Open {
        /// How long until one call may try.
        retry_in: Duration,
    },
}

impl From<BreakerState> for BreakerLevel {
    fn from(state: BreakerState) -> Self {
        match state {
            BreakerState::Closed => Self::Closed,
            BreakerState::HalfOpen => Self::HalfOpen,
            BreakerState::Open { .. } => Self::Open,
        }
    }
}

/// How a gate stands, for `/api/v1/targets` and the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateState {
    /// The breaker; closed if there is none.
    pub breaker: BreakerState,
    /// What would hold a call back now.
    pub held: Option<Wait>,
    /// Calls under way.
    pub in_flight: usize,
    /// Calls that may start now.
    pub free_slots: usize,
}

/// The limits of one target (or account) and where it stands with them.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    clock: SharedClock,
    slots: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bucket: Option<Bucket>,
    breaker: Option<Breaker>,
    pause: Option<Pause>,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    cause: Cause,
    until: Duration,
}

impl Gate {
    /// A gate that lets everything through that `limits` allow. Times are the clock's monotonic
    /// ones.
    #[must_use]
    pub fn new(limits: Limits, clock: SharedClock) -> Arc<Self> {
        let slots = usize::try_from(limits.concurrency.get())
            .unwrap_or(Semaphore::MAX_PERMITS)
            .min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            limits,
            clock,
            slots: Arc::new(Semaphore::new(slots)),
            state: Mutex::new(State {
                bucket: limits.rate.map(Bucket::new),
                breaker: limits.breaker.map(Breaker::new),
                pause: None,
            }),
        })
    }

    /// How many calls may start now: lease no more tasks than this. Asking takes nothing.
    #[must_use]
    pub fn free_slots(&self) -> usize {
        self.free_slots_of(&self.lock(), self.clock.monotonic())
    }

    /// The right to make one call now. It counts against the rate even if it is never used.
    ///
    /// # Errors
    /// [`Wait`] says what holds the call back. That is not an attempt.
    pub fn permit(self: &Arc<Self>) -> Result<Permit, Wait> {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        if let Some(wait) = self.held(&state, now) {
            return Err(wait);
        }
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return Err(Wait {
                cause: Cause::Concurrency,
                retry_in: None,
            });
        };
        if let Some(bucket) = &mut state.bucket {
            bucket.take(now).map_err(|wait| Wait {
                cause: Cause::Rate,
                retry_in: Some(wait),
            })?;
        }
        let is_probe = match &mut state.breaker {
            // `held` found that a call may go out, and nothing has changed since.
            Some(breaker) => {
                breaker.allow(ms(now));
                matches!(breaker.state(), breaker::State::HalfOpen { .. })
            }
            None => false,
        };
        drop(state);
        Ok(Permit {
            gate: Arc::clone(self),
            is_open_probe: is_probe,
            _slot: slot,
        })
    }

    /// Takes note of what a call showed, and says what that did to the breaker, for the log.
    /// [`Permit::report`] does this and gives the permit back.
    pub fn report(&self, outcome: Outcome) -> Change {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        let health = match outcome {
            Outcome::Bad => breaker::Outcome::Failure,
            Outcome::Good | Outcome::Throttled { .. } | Outcome::Account { .. } => {
                breaker::Outcome::Success
            }
        };
        match outcome {
            Outcome::Good | Outcome::Bad => {}
            Outcome::Throttled { retry_after } => {
                state.pause_until(Cause::Throttled, now + retry_after.min(MAX_PAUSE));
            }
            Outcome::Account { pause } => {
                state.pause_until(Cause::Account, now.saturating_add(pause));
            }
        }
        match &mut state.breaker {
            Some(breaker) => breaker.record(health, ms(now)),
            None => Change::None,
        }
    }

    /// Ends a pause early, because somebody mended the account.
    pub fn resume(&self) {
        self.lock().pause = None;
    }

    /// How the gate stands.
    #[must_use]
    pub fn state(&self) -> GateState {
        let now = self.clock.monotonic();
        let state = self.lock();
        GateState {
            breaker: state.breaker(now),
            held: self.held(&state, now),
            in_flight: self.in_flight(),
            free_slots: self.free_slots_of(&state, now),
        }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    fn free_slots_of(&self, state: &State, now: Duration) -> usize {
        if self.held(state, now).is_some() {
            return 0;
        }
        let by_breaker = match state.breaker(now) {
            BreakerState::Closed => usize::MAX,
            BreakerState::HalfOpen => 1,
            BreakerState::Open { .. } => 0,
        };
        let by_rate = state.bucket.as_ref().map_or(usize::MAX, |bucket| {
            usize::try_from(bucket.available(now)).unwrap_or(usize::MAX)
        });
        self.slots.available_permits().min(by_rate).min(by_breaker)
    }

    /// What would hold a call back, the longest-lasting cause first.
    fn held(&self, state: &State, now: Duration) -> Option<Wait> {
        if let Some(pause) = state.pause.filter(|pause| pause.until > now) {
            return Some(Wait {
                cause: pause.cause,
                retry_in: Some(pause.until - now),
            });
        }
        let rest = state.rest(now);
        if !rest.is_zero() {
            return Some(Wait {
                cause: Cause::Breaker,
                retry_in: Some(rest),
            });
        }
        if self.slots.available_permits() == 0 {
            return Some(Wait {
                cause: Cause::Concurrency,
                retry_in: None,
            });
        }
        let wait = state.bucket.as_ref()?.wait(now);
        (!wait.is_zero()).then_some(Wait {
            cause: Cause::Rate,
            retry_in: Some(wait),
        })
    }

    fn in_flight(&self) -> usize {
        let all = usize::try_from(self.limits.concurrency.get()).unwrap_or(usize::MAX);
        all.saturating_sub(self.slots.available_permits())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How long the breaker lets nothing through: zero if a call may go out.
    fn rest(&self, now: Duration) -> Duration {
        let opens_at_ms = self.breaker.as_ref().and_then(Breaker::opens_at_ms);
        let rest_ms = opens_at_ms.map_or(0, |at_ms| at_ms.saturating_sub(ms(now)));
        Duration::from_millis(u64::try_from(rest_ms).unwrap_or(0))
    }

    fn breaker(&self, now: Duration) -> BreakerState {
        match self.breaker.as_ref().map(Breaker::state) {
            None | Some(breaker::State::Closed { .. }) => BreakerState::Closed,
            Some(breaker::State::HalfOpen { .. }) => BreakerState::HalfOpen,
            Some(breaker::State::Open { .. }) => match self.rest(now) {
                Duration::ZERO => BreakerState::HalfOpen,
                retry_in => BreakerState::Open { retry_in },
            },
        }
    }

    /// Undoes letting a probe through: the rest is over, as it was before.
    fn give_probe_back(&mut self, settings: breaker::Settings, now: Duration) {
        let since_ms = ms(now).saturating_sub(settings.cool_down_ms);
        self.breaker = Some(Breaker::restore(
            settings,
            breaker::State::Open { since_ms },
        ));
    }

    /// Two calls under way may ask for different pauses: the longer one holds.
    fn pause_until(&mut self, cause: Cause, until: Duration) {
        if self.pause.is_none_or(|pause| pause.until < until) {
            self.pause = Some(Pause { cause, until });
        }
    }
}

/// The right to make one call. Dropped without a report (the worker was stopped), it leaves the
/// gate as it was.
#[derive(Debug)]
#[must_use = "the slot is free again once the permit is dropped"]
pub struct Permit {
    gate: Arc<Gate>,
    /// The breaker waits for this call's outcome.
    is_open_probe: bool,
    _slot: OwnedSemaphorePermit,
}

impl Permit {
    /// Takes note of what the call showed and frees the slot. Says what that did to the breaker.
    pub fn report(mut self, outcome: Outcome) -> Change {
        self.is_open_probe = false;
        self.gate.report(outcome)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_open_probe {
            return;
        }
        let now = self.gate.clock.monotonic();
        if let Some(settings) = self.gate.limits.breaker {
            self.gate.lock().give_probe_back(settings, now);
        }
    }
}

/// The breaker counts in whole milliseconds of the same monotonic time.
fn ms(now: Duration) -> i64 {
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
