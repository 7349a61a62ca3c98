//! Which request fails, how, and how often: a pure function of the seed, the request's key and
//! the number of the try, so that a run can be replayed and every key gets through in the end.

use std::{collections::HashMap, sync::Mutex, time::Duration};

/// The most tries of one key that are made to fail.
pub const MOST_PER_KEY: u32 = 3;

/// Of a hundred keys, how many fail at least once.
const CURSED_PERCENT: u64 = 22;

/// How one try goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 500, 502 or 503 before anything was done.
    ServerError(u16),
    /// 429 with `Retry-After: 1` before anything was done.
    TooMany,
    /// Everything is done, the answer comes late.
    Stall(Duration),
    /// Everything is done, the answer never comes: the connection is held, then cut.
    Hang(Duration),
    /// Everything is done, the connection breaks before the answer.
    AnswerLost,
    /// Everything is done, the connection breaks inside the answer.
    HalfWritten,
}

/// Hands out faults and counts the tries per key.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    on: bool,
    tries: Mutex<HashMap<String, u32>>,
}

impl Faults {
    /// With `on = false` nothing ever fails.
    pub fn new(seed: u64, on: bool) -> Self {
        Self {
            seed,
            on,
            tries: Mutex::new(HashMap::new()),
        }
    }

    /// Whether faults are injected at all.
    pub fn on(&self) -> bool {
        self.on
    }

    /// The fate of the next try of `key`; counts the try.
    pub fn draw(&self, key: &str) -> Option<Fault> {
        if !self.on {
            return None;
        }
        let mut tries = crate::world::held(&self.tries);
        let count = tries.entry(key.to_owned()).or_insert(0);
        let attempt = *count;
        *count = count.saturating_add(1);
        fate(self.seed, key, attempt)
    }

    /// As [`Self::draw`], without the faults that lose an answer after the effect: for calls
    /// that no client could repeat, such as a single-use token refresh.
    pub fn draw_before(&self, key: &str) -> Option<Fault> {
        self.draw(key)
            .filter(|fault| matches!(fault, Fault::ServerError(_) | Fault::TooMany))
    }

    /// A seeded yes or no about `key`, true in `percent` of all keys; only while faults are on.
    pub fn chance(&self, key: &str, percent: u64) -> bool {
        self.on && chance(self.seed, key, percent)
    }
}

/// A seeded yes or no about `key`, true in `percent` of all keys.
pub fn chance(seed: u64, key: &str, percent: u64) -> bool {
    hash(seed, key) % 100 < percent
}

/// What happens to try number `attempt` (from 0) of `key`.
fn fate(seed: u64, key: &str, attempt: u32) -> Option<Fault> {
    let drawn = hash(seed, key);
    if drawn % 100 >= CURSED_PERCENT {
        return None;
    }
    let failures = 1 + (drawn >> 32) % u64::from(MOST_PER_KEY);
    if u64::from(attempt) >= failures {
        return None;
    }
    let kind = hash(seed ^ (u64::from(attempt) + 1), key) >> 16;
    Some(match kind % 24 {
        0..6 => Fault::ServerError([500, 502, 503][usize::try_from(kind / 24 % 3).unwrap_or(0)]),
        6..11 => Fault::TooMany,
        11..14 => Fault::Stall(Duration::from_millis(1000 + kind / 24 % 2000)),
        14 => Fault::Hang(Duration::from_secs(8)),
        15..20 => Fault::AnswerLost,
        _ => Fault::HalfWritten,
    })
}

/// FNV-1a over the key, mixed with the seed; small, stable, and good enough to spread choices.
pub fn hash(seed: u64, key: &str) -> u64 {
    let mut value = 0xcbf2_9ce4_8422_2325_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in key.bytes() {
        value = (value ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    value ^= value >> 30;
    value = value.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value ^= value >> 27;
    value = value.wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_gets_through_after_at_most_three_failures() {
        let faults = Faults::new(7, true);
        let mut failed = 0;
        for number in 0..500 {
            let key = format!("key-{number}");
            let failures = (0..10).filter(|_| faults.draw(&key).is_some()).count();
            assert!(failures <= 3, "{key} failed {failures} times");
            failed += usize::from(failures > 0);
        }
        assert!(
            (60..170).contains(&failed),
            "{failed} of 500 keys failed at least once"
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_faults_whatever_the_order() {
        let forward = Faults::new(3, true);
        let backward = Faults::new(3, true);
        let keys: Vec<String> = (0..200).map(|number| format!("k{number}")).collect();
        let one: Vec<_> = keys.iter().map(|key| forward.draw(key)).collect();
        let mut other: Vec<_> = keys.iter().rev().map(|key| backward.draw(key)).collect();
        other.reverse();
        assert_eq!(one, other);
    }

    #[test]
    fn nothing_fails_while_faults_are_off() {
        let faults = Faults::new(7, false);
        assert!((0..500).all(|number| faults.draw(&format!("key-{number}")).is_none()));
    }
}
