//! How much may come in: per channel at the doors, per token at the API.

use std::num::NonZeroU32;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock::SharedClock;
use crate::config::Rate;

/// The gateway's own clock, as the limiter wants it.
#[derive(Debug, Clone)]
pub struct Monotonic(pub SharedClock);

impl governor::clock::Clock for Monotonic {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.monotonic().into()
    }
}

/// The limit of one door.
pub type Intake = RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Nanos>>;

/// A configured rate as the limiter wants it; zero counts as one.
#[must_use]
pub fn quota(rate: Rate) -> Quota {
    let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(number(rate.per_second)).allow_burst(number(rate.burst))
}

/// A limit for one door.
#[must_use]
pub fn intake(rate: Rate, clock: &SharedClock) -> Intake {
    RateLimiter::direct_with_clock(quota(rate), Monotonic(SharedClock::clone(clock)))
}
