//! How many calls may start per second, counted so that one can ask without taking.
//!
//! This is the generic cell rate algorithm (ITU-T I.371): one number, the moment at which the
//! bucket would be full again. A library's limiter only tells what is left by taking a cell, and
//! a worker must know how many tasks to lease *before* it takes any, or an idle poll would eat
//! the partner's quota.

use std::num::NonZeroU32;
use std::time::Duration;

/// So many calls per time, and so many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval: Duration,
    burst: NonZeroU32,
}

impl Rate {
    /// At most `burst` calls at once and `count` per second in the long run.
    #[must_use]
    pub fn per_second(count: NonZeroU32, burst: NonZeroU32) -> Self {
        Self::per(Duration::from_secs(1), count, burst)
    }

    /// At most `burst` calls at once and `count` per `period` in the long run.
    #[must_use]
    pub fn per(period: Duration, count: NonZeroU32, burst: NonZeroU32) -> Self {
        Self {
            // At least a nanosecond, so that there is something to divide by.
            interval: (period / count.get()).max(Duration::from_nanos(1)),
            burst,
        }
    }
}

/// The state of one rate. Times are monotonic.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: Rate,
    full_at_ns: u128,
}

impl Bucket {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            rate,
            full_at_ns: 0,
        }
    }

    /// How many calls may start at `now`.
    pub(super) fn available(&self, now: Duration) -> u32 {
        let room_ns = self.capacity_ns().saturating_sub(self.used_ns(now));
        u32::try_from(room_ns / self.interval_ns()).unwrap_or(u32::MAX)
    }

    /// How long until one call may start: zero if one may start at `now`.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        let wanted_ns = self.used_ns(now) + self.interval_ns();
        let wait_ns = wanted_ns.saturating_sub(self.capacity_ns());
        Duration::from_nanos(u64::try_from(wait_ns).unwrap_or(u64::MAX))
    }

    /// Lets one call start at `now`, if one may.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let wait = self.wait(now);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.full_at_ns = self.full_at_ns.max(now.as_nanos()) + self.interval_ns();
        Ok(())
    }

    fn used_ns(&self, now: Duration) -> u128 {
        self.full_at_ns.saturating_sub(now.as_nanos())
    }

    fn interval_ns(&self) -> u128 {
        self.rate.interval.as_nanos()
    }

    fn capacity_ns(&self) -> u128 {
        self.interval_ns() * u128::from(self.rate.burst.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate::per_second(
            NonZeroU32::new(per_second).unwrap(),
            NonZeroU32::new(burst).unwrap(),
        )
    }

    #[test]
    fn after_a_burst_calls_come_at_the_steady_rate() {
        let mut bucket = Bucket::new(rate(10, 3));
        let at = Duration::from_millis;
        for _ in 0..3 {
            bucket.take(at(0)).unwrap();
        }
        assert_eq!(bucket.take(at(0)), Err(at(100)));
        assert_eq!(bucket.take(at(60)), Err(at(40)));
        bucket.take(at(100)).unwrap();
        assert_eq!(bucket.available(at(100)), 0);
        assert_eq!(bucket.available(at(10_000)), 3);
    }

    #[test]
    fn asking_takes_nothing() {
        let bucket = Bucket::new(rate(1, 5));
        for _ in 0..100 {
            assert_eq!(bucket.available(Duration::ZERO), 5);
        }
    }

    proptest! {
        #[test]
        fn any_window_sees_at_most_a_burst_and_the_steady_rate(
            per_second in 1_u32..500,
            burst in 1_u32..50,
            steps_ms in proptest::collection::vec(0_u64..200, 1..300),
        ) {
            let mut bucket = Bucket::new(rate(per_second, burst));
            let mut now = Duration::ZERO;
            let mut taken: Vec<Duration> = Vec::new();
            for step in steps_ms {
                now += Duration::from_millis(step);
                let available = bucket.available(now);
                prop_assert!(available <= burst);
                let granted = bucket.take(now);
                prop_assert_eq!(granted.is_ok(), available > 0);
                if granted.is_ok() {
                    taken.push(now);
                }
            }
            let interval_ns = (Duration::from_secs(1) / per_second).as_nanos();
            for (index, from) in taken.iter().enumerate() {
                for (count, to) in (1_u128..).zip(&taken[index..]) {
                    let window_ns = (*to - *from).as_nanos();
                    prop_assert!(count <= u128::from(burst) + window_ns / interval_ns);
                }
            }
        }

        #[test]
        fn the_wait_that_is_named_is_long_enough(per_second in 1_u32..500, burst in 1_u32..20) {
            let mut bucket = Bucket::new(rate(per_second, burst));
            while bucket.take(Duration::ZERO).is_ok() {}
            let wait = bucket.wait(Duration::ZERO);
            prop_assert!(bucket.clone().take(wait).is_ok());
            prop_assert!(bucket.take(wait.saturating_sub(Duration::from_nanos(1))).is_err());
        }
    }
}
