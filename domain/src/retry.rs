//! When to try again: a pure function of the attempt number, because the schedule is stored as a
//! time in the outbox and must be the same after a restart.
//!
//! Full jitter with a floor: somewhere between half the first delay and a ceiling that grows by the
//! factor each time. The jitter spreads a crowd of tasks that failed together; the floor keeps one
//! unlucky draw from hammering. The caller brings the randomness.

use serde::{Deserialize, Serialize};

/// A partner's `Retry-After` is honoured up to one hour: a longer one would park a task for a day
/// on one bad header. It never shortens a delay.
pub const RETRY_AFTER_CAP_MS: u64 = 3_600_000;

/// How a target's failed calls are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// The ceiling of the first delay, milliseconds.
    pub first_ms: u64,
    /// Growth of the ceiling per attempt, in thousandths: 2000 doubles. Below 1000 counts as 1000.
    pub factor_milli: u32,
    /// The ceiling grows no further than this, milliseconds.
    pub max_ms: u64,
    /// Seconds after the first attempt from which no further one is made.
    pub give_up_after_s: u64,
}

impl Default for RetryPolicy {
    /// Two seconds, doubling up to ten minutes, for a day.
    fn default() -> Self {
        Self {
            first_ms: 2_000,
            factor_milli: 2_000,
            max_ms: 600_000,
            give_up_after_s: 86_400,
        }
    }
}

impl RetryPolicy {
    /// Milliseconds to wait after the `attempt`-th attempt (from 1) failed, or `None` to give up.
    ///
    /// `elapsed_ms` counts from the first attempt, `retry_after_ms` is what the partner asked for,
    /// `random` is any number. The last delay is drawn in so that it ends at the give-up time, not
    /// long after it. A wait for a rate limit or an open breaker is no attempt and does not come
    /// here.
    #[must_use]
    pub fn delay(
        &self,
        attempt: u32,
        elapsed_ms: u64,
        retry_after_ms: Option<u64>,
        random: u64,
    ) -> Option<u64> {
        let give_up_ms = self.give_up_after_s.saturating_mul(1_000);
        let left_ms = give_up_ms
            .checked_sub(elapsed_ms)
            .filter(|left| *left > 0)?;

        let ceiling = self.ceiling_ms(attempt);
        let floor = (self.first_ms / 2).min(ceiling);
        let jittered = match (ceiling - floor).checked_add(1) {
            Some(width) => floor + random % width,
            None => random,
        };
        let asked_for = retry_after_ms.unwrap_or(0).min(RETRY_AFTER_CAP_MS);
        Some(jittered.min(left_ms.max(floor)).max(asked_for))
    }

    /// The longest delay after this attempt, milliseconds, `Retry-After` aside.
    #[must_use]
    pub fn ceiling_ms(&self, attempt: u32) -> u64 {
        let factor = u128::from(self.factor_milli.max(1_000));
        let most = u128::from(self.max_ms) * 1_000;
        // In thousandths of a millisecond, so that a small factor still grows a small delay.
        let mut ceiling = u128::from(self.first_ms) * 1_000;
        for _ in 1..attempt {
            let grown = ceiling * factor / 1_000;
            if grown == ceiling || ceiling >= most {
                break;
            }
            ceiling = grown;
        }
        u64::try_from(ceiling.min(most) / 1_000).unwrap_or(self.max_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_maximum() {
        let policy = RetryPolicy::default();
        let ceilings: Vec<u64> = (1..=11).map(|attempt| policy.ceiling_ms(attempt)).collect();
        assert_eq!(
            ceilings,
            [
                2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 600_000,
                600_000
            ]
        );
        let gentle = RetryPolicy {
            first_ms: 1,
            factor_milli: 1_500,
            ..policy
        };
        assert_eq!(
            [1, 2, 3, 4, 5].map(|attempt| gentle.ceiling_ms(attempt)),
            [1, 1, 2, 3, 5]
        );
    }

    #[test]
    fn a_delay_lies_between_the_floor_and_the_ceiling() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.delay(1, 0, None, 0), Some(1_000));
        assert_eq!(policy.delay(1, 0, None, 1_000), Some(2_000));
        assert_eq!(policy.delay(1, 0, None, 1_001), Some(1_000));
    }

    #[test]
    fn retry_after_is_a_lower_bound_with_a_cap() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.delay(1, 0, Some(30_000), 0), Some(30_000));
        assert_eq!(
            policy.delay(1, 0, Some(1), 0),
            Some(1_000),
            "never shortens"
        );
        assert_eq!(
            policy.delay(1, 0, Some(u64::MAX), 0),
            Some(RETRY_AFTER_CAP_MS)
        );
    }

    #[test]
    fn giving_up_is_by_age_and_the_last_try_is_drawn_in() {
        let policy = RetryPolicy::default();
        let give_up_ms = 86_400_000;
        assert_eq!(policy.delay(1, give_up_ms, None, 0), None);
        assert_eq!(policy.delay(1, u64::MAX, Some(1), 0), None);
        assert_eq!(
            policy.delay(20, give_up_ms - 5_000, None, 599_000),
            Some(5_000)
        );
        assert_eq!(
            policy.delay(20, give_up_ms - 1, None, 599_000),
            Some(1_000),
            "not at once"
        );
        let never = RetryPolicy {
            give_up_after_s: 0,
            ..policy
        };
        assert_eq!(never.delay(1, 0, None, 0), None);
    }

    proptest! {
        #[test]
        fn any_policy_and_attempt_stay_in_bounds(
            first_ms: u64, factor_milli: u32, max_ms: u64, give_up_after_s: u64,
            attempt: u32, elapsed_ms: u64, retry_after_ms: Option<u64>, random: u64
        ) {
            let policy = RetryPolicy { first_ms, factor_milli, max_ms, give_up_after_s };
            let ceiling = policy.ceiling_ms(attempt);
            prop_assert!(ceiling <= max_ms);
            prop_assert!(ceiling >= first_ms.min(max_ms));
            let gone = elapsed_ms >= give_up_after_s.saturating_mul(1_000);
            match policy.delay(attempt, elapsed_ms, retry_after_ms, random) {
                None => prop_assert!(gone),
                Some(delay) => {
                    let asked_for = retry_after_ms.unwrap_or(0).min(RETRY_AFTER_CAP_MS);
                    prop_assert!(!gone);
                    prop_assert!(delay >= (first_ms / 2).min(ceiling).max(asked_for));
                    prop_assert!(delay <= ceiling.max(asked_for));
                }
            }
        }

        #[test]
        fn the_ceiling_never_shrinks(factor_milli in 0_u32..5_000, first_ms in 0_u64..10_000, attempt in 1_u32..200) {
            let policy = RetryPolicy { factor_milli, first_ms, ..RetryPolicy::default() };
            prop_assert!(policy.ceiling_ms(attempt + 1) >= policy.ceiling_ms(attempt));
        }
    }
}
