//! Silence: whether a channel says less than it should.
//!
//! What to expect is learned per hour of the week from the weeks before. A channel is silent when
//! nothing came although, by chance alone, that would be very unlikely: with λ messages expected
//! since the last one, nothing comes with probability e^−λ. A quiet night expects little and raises
//! nothing; a quiet Monday noon does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Hours of a week.
pub const WEEK_HOURS: i64 = 168;

/// Weeks that are looked back on.
pub const WEEKS: i64 = 8;

/// Fewer weeks than this teach nothing yet.
pub const LEAST_WEEKS: i64 = 2;

/// Messages that must have been expected before their absence is an alarm: e^−7 is less than one
/// in a thousand.
pub const ALARM_MILLI: i64 = 7_000;

/// An hour, milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// Messages that came in each hour, by hours since 1970; an hour without an entry had none.
pub type Hours = BTreeMap<i64, i64>;

/// How a channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Volume {
    /// Too little is known of it.
    Learning,
    /// As expected, as far as chance lets one say.
    Usual {
        /// Expected since the last message, thousandths of a message.
        expected_milli: i64,
    },
    /// Nothing came, and that is no chance.
    Silent {
        /// Expected since the last message, thousandths of a message.
        expected_milli: i64,
    },
}

impl Volume {
    /// The word used in the API and in labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Learning => "learning",
            Self::Usual { .. } => "usual",
            Self::Silent { .. } => "silent",
        }
    }
}

/// Judges a channel at `now_ms` by the hours before. `last_ms` is when its last message came,
/// `first_hour` the hour of its first one ever.
#[must_use]
pub fn judge(hours: &Hours, first_hour: Option<i64>, last_ms: Option<i64>, now_ms: i64) -> Volume {
    let this_hour = now_ms.div_euclid(HOUR_MS);
    let Some(first_hour) = first_hour else {
        return Volume::Learning;
    };
    let weeks = ((this_hour - first_hour) / WEEK_HOURS).min(WEEKS);
    if weeks < LEAST_WEEKS {
        return Volume::Learning;
    }
    // Nothing is expected of longer ago than a week: by then the alarm is old.
    let since = last_ms
        .unwrap_or(0)
        .max(now_ms.saturating_sub(WEEK_HOURS * HOUR_MS));
    let mut expected_milli = 0_i64;
    let mut hour = since.div_euclid(HOUR_MS);
    while hour <= this_hour {
        let begin = since.max(hour * HOUR_MS);
        let end = now_ms.min((hour + 1) * HOUR_MS);
        let share_ms = (end - begin).max(0);
        expected_milli += hourly_milli(hours, hour, weeks).saturating_mul(share_ms) / HOUR_MS;
        hour += 1;
    }
    if expected_milli >= ALARM_MILLI {
        Volume::Silent { expected_milli }
    } else {
        Volume::Usual { expected_milli }
    }
}

/// What an hour of the week brings, thousandths of a message: the second lowest of the weeks
/// before (the lowest where there are only two or three). A sale must not make an ordinary day
/// look silent, and one outage must not teach that silence is usual.
fn hourly_milli(hours: &Hours, hour: i64, weeks: i64) -> i64 {
    let mut past: Vec<i64> = (1..=weeks)
        .map(|week| hours.get(&(hour - week * WEEK_HOURS)).copied().unwrap_or(0))
        .collect();
    past.sort_unstable();
    let place = usize::from(past.len() > 3);
    past.get(place).copied().unwrap_or(0).saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW_HOUR: i64 = 500_000;

    /// `each` messages in every hour of the last `weeks` weeks.
    fn steady(weeks: i64, each: i64) -> Hours {
        (NOW_HOUR - weeks * WEEK_HOURS..NOW_HOUR)
            .map(|hour| (hour, each))
            .collect()
    }

    fn at(hour: i64, minutes: i64) -> i64 {
        hour * HOUR_MS + minutes * 60_000
    }

    fn judged(hours: &Hours, last_ms: i64, now_ms: i64) -> Volume {
        let first = hours.keys().next().copied();
        judge(hours, first, Some(last_ms), now_ms)
    }

    #[test]
    fn a_channel_is_silent_when_nothing_came_where_seven_were_expected() {
        let hours = steady(8, 14);
        let last = at(NOW_HOUR, 0);
        let Volume::Usual { expected_milli } = judged(&hours, last, at(NOW_HOUR, 29)) else {
            panic!("alarmed too early");
        };
        assert!((6_500..7_000).contains(&expected_milli), "{expected_milli}");
        assert!(matches!(
            judged(&hours, last, at(NOW_HOUR, 31)),
            Volume::Silent { .. }
        ));
    }

    #[test]
    fn a_channel_that_is_quiet_at_this_hour_of_the_week_is_not_silent() {
        let mut hours = steady(8, 100);
        for week in 1..=8 {
            for quiet in 0..6 {
                hours.remove(&(NOW_HOUR + quiet - week * WEEK_HOURS));
            }
        }
        let volume = judged(&hours, at(NOW_HOUR, 0), at(NOW_HOUR + 5, 59));
        assert_eq!(volume, Volume::Usual { expected_milli: 0 });
    }

    #[test]
    fn one_sale_and_one_outage_among_the_weeks_change_nothing() {
        let mut hours = steady(8, 20);
        hours.insert(NOW_HOUR - WEEK_HOURS, 50_000);
        hours.remove(&(NOW_HOUR - 2 * WEEK_HOURS));
        let volume = judged(&hours, at(NOW_HOUR, 0), at(NOW_HOUR, 15));
        assert_eq!(
            volume,
            Volume::Usual {
                expected_milli: 5_000
            }
        );
    }

    #[test]
    fn a_new_channel_is_only_learned() {
        assert_eq!(
            judge(&Hours::new(), None, None, at(NOW_HOUR, 0)),
            Volume::Learning
        );
        let hours = steady(1, 1_000);
        assert_eq!(
            judged(&hours, at(NOW_HOUR - 1, 0), at(NOW_HOUR, 0)),
            Volume::Learning
        );
    }

    proptest! {
        #[test]
        fn a_later_look_never_expects_less(each in 0_i64..1_000, minutes in 0_i64..600, more in 0_i64..600) {
            let hours = steady(8, each);
            let expected = |volume| match volume {
                Volume::Usual { expected_milli } | Volume::Silent { expected_milli } => expected_milli,
                Volume::Learning => -1,
            };
            let last = at(NOW_HOUR - 3, 7);
            let sooner = expected(judged(&hours, last, at(NOW_HOUR - 3, 7 + minutes)));
            let later = expected(judged(&hours, last, at(NOW_HOUR - 3, 7 + minutes + more)));
            // Each hour is cut to whole thousandths.
            prop_assert!(later + 1 >= sooner);
        }
    }
}
