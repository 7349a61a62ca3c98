//! Clock times, opening hours and weekdays in Vietnam.
//!
//! Vietnam has kept UTC+7 without summer time since 1975, so local time is an addition: no
//! time-zone look-up in the path of a decision.

use std::fmt;

use jiff::{Timestamp, civil, tz::Offset};
use serde::{Deserialize, Serialize};

const VIETNAM: Offset = Offset::constant(7);

/// The civil date and time in Vietnam.
pub(super) fn local(at: Timestamp) -> civil::DateTime {
    VIETNAM.to_datetime(at)
}

/// The instant of a civil date and time in Vietnam.
pub(super) fn instant(at: civil::DateTime) -> Option<Timestamp> {
    VIETNAM.to_timestamp(at).ok()
}

/// A time of day in minutes after midnight, 0 to 1440 (24:00).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Clock(u16);

impl Clock {
    /// Reads `08:00`; `24:00` is the end of the day. `None` if it is not a time.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.trim().split_once(':')?;
        let two_digits =
            |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !two_digits(hours) || !two_digits(minutes) {
            return None;
        }
        let (hours, minutes) = (hours.parse::<u16>().ok()?, minutes.parse::<u16>().ok()?);
        (minutes < 60 && hours * 60 + minutes <= 1440).then_some(Self(hours * 60 + minutes))
    }

    /// Minutes after midnight.
    #[must_use]
    pub const fn minutes(self) -> u16 {
        self.0
    }

    /// The time of day of a civil date and time, seconds dropped.
    pub(super) fn of(at: civil::DateTime) -> Self {
        let minutes = i32::from(at.hour()) * 60 + i32::from(at.minute());
        Self(u16::try_from(minutes).expect("invariant: a day has 1440 minutes"))
    }

    /// This time on the day of `date`.
    pub(super) fn on(self, date: civil::Date) -> Option<Timestamp> {
        let midnight = instant(date.at(0, 0, 0, 0))?;
        midnight
            .checked_add(jiff::SignedDuration::from_mins(i64::from(self.0)))
            .ok()
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// Opening hours of one day: from the first time on, up to but not at the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// The first minute of work.
    pub opens: Clock,
    /// The first minute after it.
    pub closes: Clock,
}

impl Hours {
    /// Reads `08:00-21:00`. `None` if it is not two times, or if it closes before it opens.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (opens, closes) = text.split_once('-')?;
        let hours = Self {
            opens: Clock::parse(opens)?,
            closes: Clock::parse(closes)?,
        };
        (hours.opens < hours.closes).then_some(hours)
    }

    /// Whether `time` is within these hours.
    #[must_use]
    pub fn contains(self, time: Clock) -> bool {
        self.opens <= time && time < self.closes
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.opens, self.closes)
    }
}

/// A day of the week.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// The words used in rules, from Monday.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("monday", Self::Monday),
        ("tuesday", Self::Tuesday),
        ("wednesday", Self::Wednesday),
        ("thursday", Self::Thursday),
        ("friday", Self::Friday),
        ("saturday", Self::Saturday),
        ("sunday", Self::Sunday),
    ];

    /// The weekday of a date.
    pub(super) fn of(date: civil::Date) -> Self {
        match date.weekday() {
            civil::Weekday::Monday => Self::Monday,
            civil::Weekday::Tuesday => Self::Tuesday,
            civil::Weekday::Wednesday => Self::Wednesday,
            civil::Weekday::Thursday => Self::Thursday,
            civil::Weekday::Friday => Self::Friday,
            civil::Weekday::Saturday => Self::Saturday,
            civil::Weekday::Sunday => Self::Sunday,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_strictly_and_end_before_the_closing_minute() {
        let hours = Hours::parse("08:00-21:00").unwrap();
        assert!(hours.contains(Clock::parse("08:00").unwrap()));
        assert!(!hours.contains(Clock::parse("21:00").unwrap()));
        assert!(Hours::parse("00:00-24:00").is_some());
        for bad in [
            "8-21",
            "21:00-08:00",
            "08:00",
            "08:60-09:00",
            "08:00-25:00",
            "+8:00-09:00",
        ] {
            assert_eq!(Hours::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn midnight_in_vietnam_is_five_in_the_afternoon_in_utc() {
        let at: Timestamp = "2026-11-24T17:00:00Z".parse().unwrap();
        assert_eq!(local(at).date(), civil::date(2026, 11, 25));
        assert_eq!(Weekday::of(local(at).date()), Weekday::Wednesday);
        assert_eq!(Clock::of(local(at)).minutes(), 0);
    }
}
