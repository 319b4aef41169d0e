//! The proleptic Gregorian calendar as whole numbers: days since 1970-01-01 and back.
//!
//! A weekday is `0..=6` with Monday 0, an epoch day may be negative, a month is `1..=12`.

/// Seconds of a day without a zone change.
pub(crate) const DAY: i64 = 86_400;

/// Is `year` a leap year?
pub(crate) const fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a month, 28 to 31.
pub(crate) const fn month_length(year: i32, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The epoch day of a date. `day` may lie outside the month: it only counts on from day 1.
///
/// Years run from March here, so that the leap day is the last of its year.
pub(crate) const fn epoch_day(year: i32, month: u8, day: i64) -> i64 {
    let shifted = year as i64 - (month <= 2) as i64;
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = (month as i64 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The year, month and day of month of an epoch day.
pub(crate) const fn date_of(epoch_day: i64) -> (i32, u8, u8) {
    let shifted = epoch_day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    (year as i32, month as u8, day as u8)
}

/// The weekday of an epoch day: Monday 0 to Sunday 6 (1970-01-01 was a Thursday).
pub(crate) const fn weekday(epoch_day: i64) -> u8 {
    (epoch_day + 3).rem_euclid(7) as u8
}

/// The ISO 8601 week number (`1..=53`) of the week whose Thursday is this epoch day.
///
/// A week belongs to the year of its Thursday, so this needs no special case at a year's ends.
pub(crate) const fn iso_week_of_thursday(thursday: i64) -> u8 {
    let (year, _, _) = date_of(thursday);
    ((thursday - epoch_day(year, 1, 1)) / 7 + 1) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, NaiveDate};

    #[test]
    fn agrees_with_chrono_over_the_whole_range() {
        let unix = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap().num_days_from_ce();
        // 1969-12-25 to past 9999-12-31, in steps coprime to weeks, months and eras.
        for day in (-7..2_932_897).step_by(13) {
            let date = NaiveDate::from_num_days_from_ce_opt(day + unix).unwrap();
            let day = i64::from(day);
            let (y, m, d) = date_of(day);
            assert_eq!((y, u32::from(m), u32::from(d)), (date.year(), date.month(), date.day()));
            assert_eq!(epoch_day(y, m, i64::from(d)), day);
            assert_eq!(u32::from(weekday(day)), date.weekday().num_days_from_monday());
            let thursday = day - i64::from(weekday(day)) + 3;
            assert_eq!(u32::from(iso_week_of_thursday(thursday)), date.iso_week().week());
        }
    }

    #[test]
    fn month_lengths_follow_the_leap_rule() {
        for (year, expected) in [(1900, 28), (2000, 29), (2023, 28), (2024, 29), (2100, 28)] {
            assert_eq!(month_length(year, 2), expected, "{year}");
        }
        assert_eq!((1..=12).map(|m| u32::from(month_length(2023, m))).sum::<u32>(), 365);
    }
}
