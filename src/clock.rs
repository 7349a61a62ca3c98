//! Time and fresh ids, as values that can be replaced: the only place in the program that reads
//! the machine's clock or makes an id.
//!
//! It knows two kinds of time. *Wall* time is for records, deadlines and signatures and may jump
//! when the machine's clock is corrected; *monotonic* time only ever grows and is what rate
//! limits and breakers count in, so that a corrected clock cannot freeze a target for an hour.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A source of time.
pub trait Clock: Debug + Send + Sync {
    /// Wall time now, UTC.
    fn now(&self) -> Timestamp;

    /// Wall time now in milliseconds since 1970-01-01 UTC, the form that the tables store.
    fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }

    /// Time since an arbitrary start of this clock. It never goes back.
    fn monotonic(&self) -> Duration;
}

/// A clock that many parts of the program hold at once.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// The machine's clock, ready to be handed around.
    #[must_use]
    pub fn shared() -> SharedClock {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that moves only when it is told to. Clones show the same time, so a test keeps one
/// and gives the other away.
#[derive(Debug, Clone)]
pub struct FakeClock {
    time: Arc<Mutex<FakeTime>>,
}

#[derive(Debug, Clone, Copy)]
struct FakeTime {
    wall: Timestamp,
    monotonic: Duration,
}

impl FakeClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self {
            time: Arc::new(Mutex::new(FakeTime {
                wall: now,
                monotonic: Duration::ZERO,
            })),
        }
    }

    /// A clock that stands at `now_ms`, milliseconds since 1970-01-01 UTC.
    ///
    /// # Panics
    /// If the year is not between -9999 and 9999.
    #[must_use]
    pub fn at_ms(now_ms: i64) -> Self {
        Self::at(Timestamp::from_millisecond(now_ms).expect("a year with at most four digits"))
    }

    /// Sets wall time, forwards or back, as a correction of the machine's clock would: monotonic
    /// time stays.
    pub fn set(&self, now: Timestamp) {
        self.time().wall = now;
    }

    /// Lets `by` pass, on both kinds of time.
    ///
    /// # Panics
    /// If wall time leaves the year 9999.
    pub fn advance(&self, by: Duration) {
        let mut time = self.time();
        let step = SignedDuration::try_from(by).expect("a step shorter than all of time");
        time.wall = time
            .wall
            .checked_add(step)
            .expect("a year with at most four digits");
        time.monotonic += by;
    }

    /// This clock as others want it; it goes on showing the same time as `self`.
    #[must_use]
    pub fn shared(&self) -> SharedClock {
        Arc::new(self.clone())
    }

    fn time(&self) -> MutexGuard<'_, FakeTime> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.time().wall
    }

    fn monotonic(&self) -> Duration {
        self.time().monotonic
    }
}

/// A source of fresh ids.
pub trait Ids: Debug + Send + Sync {
    /// A new UUID version 7 (RFC 9562 §5.7) for the wall time `now_ms`. Within one source every
    /// id is greater than the one before, even when the clock stands still or goes back.
    fn next(&self, now_ms: i64) -> u128;
}

/// An id source that many parts of the program hold at once.
pub type SharedIds = Arc<dyn Ids>;

/// Ids for real use: 74 random bits each from the system's secure generator.
#[derive(Debug, Default)]
pub struct SystemIds {
    last: Mutex<Last>,
}

impl SystemIds {
    /// A source for one process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A source for one process, ready to be handed around.
    #[must_use]
    pub fn shared() -> SharedIds {
        Arc::new(Self::new())
    }
}

impl Ids for SystemIds {
    fn next(&self, now_ms: i64) -> u128 {
        let mut bytes = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system's random generator answers");
        locked(&self.last).id(now_ms, u128::from_be_bytes(bytes))
    }
}

/// Ids that repeat from run to run: the same seed and times give the same ids.
#[derive(Debug)]
pub struct SeededIds {
    state: Mutex<(Last, fastrand::Rng)>,
}

impl SeededIds {
    /// A source that depends on nothing but `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: Mutex::new((Last::default(), fastrand::Rng::with_seed(seed))),
        }
    }
}

impl Ids for SeededIds {
    fn next(&self, now_ms: i64) -> u128 {
        let mut state = locked(&self.state);
        let random = state.1.u128(..);
        state.0.id(now_ms, random)
    }
}

const RANDOM_BITS: u32 = 74;
const RANDOM_MASK: u128 = (1 << RANDOM_BITS) - 1;
const MS_MASK: u64 = (1 << 48) - 1;

/// What the last id held, so that the next one is greater.
#[derive(Debug, Default)]
struct Last {
    ms: u64,
    random: u128,
}

impl Last {
    fn id(&mut self, now_ms: i64, random: u128) -> u128 {
        // Times before 1970 have no place in a version 7 id; they can only come from a broken
        // clock and must still give distinct ids.
        let ms = u64::try_from(now_ms).unwrap_or(0) & MS_MASK;
        // The top bit starts at 0, so that there is always room to count up in one millisecond.
        let fresh = random & (RANDOM_MASK >> 1);
        if ms > self.ms {
            self.ms = ms;
            self.random = fresh;
        } else {
            // A random step keeps ids hard to guess from one another.
            let step = 1 + (fresh >> 41);
            self.random += step;
            if self.random > RANDOM_MASK {
                self.ms += 1;
                self.random = fresh;
            }
        }
        let high = (self.random >> 62) & 0xfff;
        let low = self.random & ((1 << 62) - 1);
        (u128::from(self.ms) << 80) | (7 << 76) | (high << 64) | (0b10 << 62) | low
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fake_clock_moves_only_when_told_and_all_its_clones_with_it() {
        let clock = FakeClock::at_ms(1_763_900_000_000);
        let other = clock.shared();
        assert_eq!(other.now_ms(), 1_763_900_000_000);
        clock.advance(Duration::from_millis(1500));
        assert_eq!(other.now_ms(), 1_763_900_001_500);
        assert_eq!(other.monotonic(), Duration::from_millis(1500));
    }

    #[test]
    fn a_corrected_clock_leaves_monotonic_time_alone() {
        let clock = FakeClock::at_ms(1_763_900_000_000);
        clock.advance(Duration::from_secs(5));
        clock.set(Timestamp::from_millisecond(1_000).unwrap());
        assert_eq!(clock.now_ms(), 1_000);
        assert_eq!(clock.monotonic(), Duration::from_secs(5));
    }

    #[test]
    fn the_machine_clock_goes_forward() {
        let clock = SystemClock::new();
        let before = clock.monotonic();
        assert!(clock.monotonic() >= before);
        assert!(clock.now_ms() > 1_700_000_000_000);
    }

    #[test]
    fn an_id_is_a_version_7_uuid_of_its_time() {
        let id = uuid::Uuid::from_u128(SystemIds::new().next(1_763_900_000_123));
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(id.as_u128() >> 80, 1_763_900_000_123);
    }

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let (one, two) = (SeededIds::new(7), SeededIds::new(7));
        let first: Vec<u128> = (0..5).map(|step| one.next(1_000 + step / 2)).collect();
        let second: Vec<u128> = (0..5).map(|step| two.next(1_000 + step / 2)).collect();
        assert_eq!(first, second);
        assert_ne!(SeededIds::new(8).next(1_000), first[0]);
    }

    proptest! {
        #[test]
        fn ids_grow_whatever_the_clock_does(seed: u64, times in proptest::collection::vec(-5_i64..5, 1..200)) {
            let ids = SeededIds::new(seed);
            let mut last = 0;
            for time in times {
                let id = ids.next(1_763_900_000_000 + time);
                prop_assert!(id > last);
                prop_assert_eq!(uuid::Uuid::from_u128(id).get_version_num(), 7);
                last = id;
            }
        }
    }
}
