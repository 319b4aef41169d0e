//! Instants as whole microseconds since 1970-01-01 00:00:00 UTC: what the triggers count in.

use chrono::{DateTime, Utc};

/// Microseconds of a second.
pub(crate) const SECOND: i64 = 1_000_000;

/// The last instant at which anything fires: the end of the year 9999 in the zone farthest west.
pub(crate) const LAST: i64 = (253_402_300_799 + 86_400) * SECOND;

/// The first whole microsecond that is not before `at`.
pub(crate) fn ceil(at: DateTime<Utc>) -> i64 {
    let floor = floor(at);
    if at.timestamp_subsec_nanos().is_multiple_of(1_000) { floor } else { floor.saturating_add(1) }
}

/// The last whole microsecond that is not after `at`.
pub(crate) fn floor(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// The first whole second that is not before the microsecond `at`.
pub(crate) fn ceil_second(at: i64) -> i64 {
    let floor = at.div_euclid(SECOND);
    if at.rem_euclid(SECOND) == 0 { floor } else { floor + 1 }
}

/// The last whole second that is not after the microsecond `at`.
pub(crate) fn floor_second(at: i64) -> i64 {
    at.div_euclid(SECOND)
}

/// The instant of a microsecond.
pub(crate) fn date_time(at: i64) -> DateTime<Utc> {
    // Nothing outside chrono's 262,000 years is ever counted; the ends are the nearest answer.
    let edge = if at < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    DateTime::from_timestamp_micros(at).unwrap_or(edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_the_right_way_on_both_sides_of_1970() {
        for (nanos, low, high) in
            [(0, 0, 0), (1, 0, 1), (999, 0, 1), (1_000, 1, 1), (-1, -1, 0), (-1_000, -1, -1)]
        {
            let at = DateTime::from_timestamp_nanos(nanos);
            assert_eq!((floor(at), ceil(at)), (low, high), "{nanos}");
        }
        for (micros, low, high) in [(0, 0, 0), (1, 0, 1), (-1, -1, 0), (SECOND, 1, 1)] {
            assert_eq!((floor_second(micros), ceil_second(micros)), (low, high), "{micros}");
        }
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            assert!(ceil(at) >= floor(at));
            assert!((date_time(floor(at)) - at).num_seconds().abs() <= 1);
        }
        assert_eq!(date_time(i64::MAX), DateTime::<Utc>::MAX_UTC);
    }
}
