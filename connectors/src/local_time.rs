//! Vendors' local times: Vietnam's GMT+7 without a zone in the text. There is no summer time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::inbound::PayloadError;

const VIETNAM: Offset = Offset::constant(7);

/// `yyyyMMddHHmmss`, as VNPay writes times.
pub const COMPACT: &str = "%Y%m%d%H%M%S";

/// `yyyy-MM-dd`, as transaction lists take days.
pub const DAY: &str = "%Y-%m-%d";

/// `yyMMdd`, which ZaloPay's ids begin with.
pub const SHORT_DAY: &str = "%y%m%d";

/// `yyyyMMddHHmmss` of Vietnam.
///
/// # Errors
/// Names `field`.
pub fn compact(raw: &str, field: &str) -> Result<Timestamp, PayloadError> {
    let wrong = || PayloadError::new(format!("{field}: expected yyyyMMddHHmmss"));
    if raw.len() != 14 || !raw.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let local = DateTime::strptime(COMPACT, raw).map_err(|_| wrong())?;
    VIETNAM.to_timestamp(local).map_err(|_| wrong())
}

/// `yyyy-MM-dd HH:mm:ss` of Vietnam, with a `T` in the middle, or the day alone (its beginning).
///
/// # Errors
/// Names `field`.
pub fn written(raw: &str, field: &str) -> Result<Timestamp, PayloadError> {
    let wrong = || PayloadError::new(format!("{field}: expected yyyy-MM-dd HH:mm:ss"));
    let text = raw.trim();
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(wrong());
    }
    let local: DateTime = text.parse().map_err(|_| wrong())?;
    VIETNAM.to_timestamp(local).map_err(|_| wrong())
}

/// The moment as Vietnam's clocks show it.
#[must_use]
pub fn shown(at: Timestamp, format: &str) -> String {
    VIETNAM.to_datetime(at).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_local_time_is_seven_hours_ahead() {
        assert_eq!(
            compact("20251204110012", "t").unwrap(),
            at("2025-12-04T04:00:12Z")
        );
        for text in [
            "2025-12-04 11:05:37",
            "2025-12-04T11:05:37",
            " 2025-12-04 11:05:37 ",
        ] {
            assert_eq!(
                written(text, "t").unwrap(),
                at("2025-12-04T04:05:37Z"),
                "{text}"
            );
        }
        assert_eq!(
            written("2025-12-04", "t").unwrap(),
            at("2025-12-03T17:00:00Z")
        );
        assert_eq!(shown(at("2025-12-03T17:00:00Z"), COMPACT), "20251204000000");
        assert_eq!(shown(at("2025-12-03T16:59:59Z"), SHORT_DAY), "251203");
    }

    #[test]
    fn what_is_no_time_is_named() {
        for wrong in ["", "20251304110012", "2025120411001", "2025-12-04", "đ"] {
            let error = compact(wrong, "vnp_PayDate").unwrap_err();
            assert_eq!(error.what, "vnp_PayDate: expected yyyyMMddHHmmss");
        }
        for wrong in [
            "",
            "yesterday",
            "2025-13-04 00:00:00",
            "-262143-01-01T00:00:00",
            "9999-12-31 23:59:59x",
        ] {
            assert!(written(wrong, "when").is_err(), "{wrong}");
        }
    }
}
