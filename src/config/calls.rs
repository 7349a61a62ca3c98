//! How we call somebody else: rate, time-out, retries and breaker. Shared by channels and targets.

use std::borrow::Cow;

use domain::breaker;
use domain::retry::RetryPolicy;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A rate with its burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Sustained calls per second.
    #[schemars(range(min = 1, max = 100_000))]
    pub per_second: u32,
    /// Calls that may come at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: u32,
}

/// When to try again and when to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Delay before the second try, milliseconds.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub first_ms: u64,
    /// What the delay is multiplied by from try to try.
    pub factor: Factor,
    /// The longest delay, milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub max_ms: u64,
    /// A task older than this is dead, seconds.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub give_up_after_s: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first_ms: 2_000,
            factor: Factor { milli: 2_000 },
            max_ms: 600_000,
            give_up_after_s: 86_400,
        }
    }
}

impl Retry {
    /// As the domain plans with it.
    #[must_use]
    pub fn policy(&self) -> RetryPolicy {
        RetryPolicy {
            first_ms: self.first_ms,
            factor_milli: self.factor.milli,
            max_ms: self.max_ms,
            give_up_after_s: self.give_up_after_s,
        }
    }
}

/// A factor between 1 and 100, kept in thousandths: no floating point in schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Factor {
    /// Thousandths: 2.0 is 2000.
    pub milli: u32,
}

impl Factor {
    /// Reads `2`, `2.0` or `1.25`; at most three decimals.
    fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let whole: u32 = whole.parse().ok()?;
        let thousandths: u32 = format!("{decimals:0<3}").parse().ok()?;
        let milli = whole.checked_mul(1_000)?.checked_add(thousandths)?;
        (1_000..=100_000).contains(&milli).then_some(Self { milli })
    }
}

impl Factor {
    /// As it would be written in the file.
    pub(super) fn as_number(self) -> serde_json::Number {
        let text = format!("{}.{:03}", self.milli / 1_000, self.milli % 1_000);
        text.parse()
            .expect("invariant: digits with one point are a number")
    }
}

impl<'de> Deserialize<'de> for Factor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Numbers keep their text (`arbitrary_precision`), so nothing is rounded on the way.
        let number = serde_json::Number::deserialize(deserializer)?;
        Self::parse(&number.to_string()).ok_or_else(|| {
            de::Error::custom("expected a number from 1 to 100 with at most three decimals")
        })
    }
}

impl JsonSchema for Factor {
    fn schema_name() -> Cow<'static, str> {
        "Factor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number",
            "description": "From 1 to 100, at most three decimals.",
            "minimum": 1,
            "maximum": 100,
        })
    }
}

/// When to stop calling for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Failures within the window that open it.
    #[schemars(range(min = 1, max = 10_000))]
    pub failures: u32,
    /// The window, seconds.
    #[schemars(range(min = 1, max = 86_400))]
    pub window_s: u64,
    /// How long it stays open before one call may try, seconds.
    #[schemars(range(min = 1, max = 86_400))]
    pub cool_down_s: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failures: 10,
            window_s: 30,
            cool_down_s: 30,
        }
    }
}

impl Breaker {
    /// As the domain decides with it.
    #[must_use]
    pub fn settings(&self) -> breaker::Settings {
        let milliseconds =
            |seconds: u64| i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        breaker::Settings {
            failures: self.failures,
            window_ms: milliseconds(self.window_s),
            cool_down_ms: milliseconds(self.cool_down_s),
        }
    }
}

/// How one partner is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// The partner is inside our network: private addresses are allowed.
    pub internal: bool,
    /// How often.
    pub rate: Rate,
    /// Calls under way at once.
    pub concurrency: usize,
    /// How long one call may take, milliseconds.
    pub timeout_ms: u64,
    /// When to stop for a while.
    pub breaker: Breaker,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_exact_thousandths() {
        for (text, milli) in [
            ("2", 2_000),
            ("2.0", 2_000),
            ("1.25", 1_250),
            ("1.001", 1_001),
        ] {
            assert_eq!(Factor::parse(text), Some(Factor { milli }), "{text}");
        }
        for bad in ["0.5", "-2", "101", "1.0001", "1e3", "", "two", "1.-2"] {
            assert_eq!(Factor::parse(bad), None, "{bad}");
        }
    }
}
