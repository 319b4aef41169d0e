//! The search on the wall clock: the nearest matching second, by bit sets and whole months.
//!
//! A local second is a wall-clock reading written as seconds since 1970-01-01 00:00:00 of the same
//! clock. No zone is known here; `next.rs` adds it.

use super::spec::{ALL_DAYS, ALL_WEEKDAYS, ALL_WEEKS, CronSpec};
use super::years::{FIRST_YEAR, LAST_YEAR};
use crate::calendar::{DAY, date_of, epoch_day, iso_week_of_thursday, month_length, weekday};

/// Weekdays and ISO weeks repeat after this many years: what has not come by then never comes.
const CYCLE: i32 = 400;

/// The month that was looked at last, with its matching days.
///
/// Chained searches mostly stay in one month, so it is worked out once and kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Month {
    year: i32,
    month: u8,
    length: u8,
    /// Epoch day of its first day.
    first: i64,
    /// The days that match, bits 1 to 31.
    days: u32,
}

impl Month {
    /// A month that holds no day, so that the first search replaces it.
    pub(crate) const NONE: Self = Self { year: 0, month: 1, length: 0, first: i64::MIN, days: 0 };

    fn of(spec: &CronSpec, year: i32, month: u8, first: i64) -> Self {
        let length = month_length(year, month);
        let listed = spec.years.contains(year) && spec.months >> month & 1 == 1;
        let days = if listed { matching_days(spec, first, length) } else { 0 };
        Self { year, month, length, first, days }
    }

    fn holds(&self, day: i64) -> bool {
        // `first` may be i64::MIN, hence no subtraction.
        day >= self.first && day < self.first.wrapping_add(i64::from(self.length))
    }

    /// The month of an epoch day, whether it is listed or not.
    fn containing(spec: &CronSpec, day: i64) -> Self {
        let (year, month, day_of_month) = date_of(day);
        Self::of(spec, year, month, day - i64::from(day_of_month) + 1)
    }

    /// The next month in which a day matches.
    fn following(&self, spec: &CronSpec) -> Option<Self> {
        let (mut year, mut month) = (self.year, self.month);
        loop {
            let later = u32::from(spec.months) & !((2 << month) - 1);
            if later != 0 && spec.years.contains(year) {
                month = later.trailing_zeros() as u8;
            } else {
                year = spec.years.at_or_after(year + 1)?;
                month = spec.months.trailing_zeros() as u8;
            }
            // A step of one month, the usual one, needs no calendar.
            let first = if (year, month) == (self.year, self.month + 1) {
                self.first + i64::from(self.length)
            } else {
                epoch_day(year, month, 1)
            };
            let found = Self::of(spec, year, month, first);
            if found.days != 0 {
                return Some(found);
            }
            if spec.years.is_all() && year - self.year > CYCLE {
                return None;
            }
        }
    }

    /// The nearest month before this one in which a day matches.
    fn preceding(&self, spec: &CronSpec) -> Option<Self> {
        let (mut year, mut month) = (self.year, self.month);
        loop {
            let earlier = spec.months & ((1 << month) - 1);
            if earlier != 0 && spec.years.contains(year) {
                month = highest(u64::from(earlier));
            } else {
                year = spec.years.at_or_before(year - 1)?;
                month = highest(u64::from(spec.months));
            }
            let found = Self::of(spec, year, month, epoch_day(year, month, 1));
            if found.days != 0 {
                return Some(found);
            }
            if spec.years.is_all() && self.year - year > CYCLE {
                return None;
            }
        }
    }
}

/// The first matching local second that is not before `second`.
pub(crate) fn at_or_after(spec: &CronSpec, month: &mut Month, second: i64) -> Option<i64> {
    // A second outside the years that exist is moved to their edge, so that no date overflows.
    let second = second.clamp(0, END);
    if second == END {
        return None;
    }
    let day = second.div_euclid(DAY);
    if !month.holds(day) {
        *month = Month::containing(spec, day);
    }
    let day_of_month = (day - month.first + 1) as u32;
    if month.days >> day_of_month & 1 == 1
        && let Some(time) = time_at_or_after(spec, second.rem_euclid(DAY))
    {
        return Some(day * DAY + time);
    }
    // Two shifts: bit 31 needs a shift by 32 in all.
    let later = month.days >> day_of_month >> 1 << 1 << day_of_month;
    let days = if later == 0 {
        *month = month.following(spec)?;
        month.days
    } else {
        later
    };
    Some((month.first + i64::from(days.trailing_zeros()) - 1) * DAY + first_time(spec))
}

/// The last matching local second that is not after `second`.
pub(crate) fn at_or_before(spec: &CronSpec, month: &mut Month, second: i64) -> Option<i64> {
    let second = second.min(END - 1);
    if second < 0 {
        return None;
    }
    let day = second.div_euclid(DAY);
    if !month.holds(day) {
        *month = Month::containing(spec, day);
    }
    let day_of_month = (day - month.first + 1) as u32;
    if month.days >> day_of_month & 1 == 1
        && let Some(time) = time_at_or_before(spec, second.rem_euclid(DAY))
    {
        return Some(day * DAY + time);
    }
    let earlier = month.days & ((1 << day_of_month) - 1);
    let days = if earlier == 0 {
        *month = month.preceding(spec)?;
        month.days
    } else {
        earlier
    };
    Some((month.first + i64::from(highest(u64::from(days))) - 1) * DAY + last_time(spec))
}

/// The first local second of the year after the last.
const END: i64 = epoch_day(LAST_YEAR + 1, 1, 1) * DAY;
const _: () = assert!(epoch_day(FIRST_YEAR, 1, 1) == 0);

/// Does any day of any year match? Bounded: 400 years, or the years that are listed.
pub(crate) fn any_day(spec: &CronSpec) -> bool {
    let mut month = Month::NONE;
    at_or_after(spec, &mut month, 0).is_some()
}

/// The matching days of the month whose first day is the epoch day `first`, as bits 1 to 31.
fn matching_days(spec: &CronSpec, first: i64, length: u8) -> u32 {
    let existing = ALL_DAYS >> (31 - length) & ALL_DAYS;
    let mut days = spec.days.numbers & existing;
    if spec.weekdays == ALL_WEEKDAYS && spec.weeks == ALL_WEEKS && spec.days.is_plain() {
        return days;
    }
    let weekday_of_first = weekday(first);
    if spec.days.last {
        days |= 1 << length;
    }
    for (week, &weekdays) in spec.days.nth.iter().enumerate() {
        let in_seven = u64::from(turned(weekdays, weekday_of_first));
        days |= (in_seven << (7 * week + 1)) as u32 & existing;
    }
    let seventh_last = length - 6;
    let weekday_of_seventh_last = (weekday_of_first + seventh_last - 1) % 7;
    days |= u32::from(turned(spec.days.last_of, weekday_of_seventh_last)) << seventh_last;

    if spec.weekdays != ALL_WEEKDAYS {
        let seven = u64::from(turned(spec.weekdays, weekday_of_first));
        let month = seven | seven << 7 | seven << 14 | seven << 21 | seven << 28;
        days &= (month << 1) as u32;
    }
    if spec.weeks != ALL_WEEKS && days != 0 {
        days &= days_in_weeks(spec.weeks, first, weekday_of_first);
    }
    days
}

/// Weekdays as the days of a week that begins with `first` instead of Monday.
fn turned(weekdays: u8, first: u8) -> u8 {
    (weekdays >> first | weekdays << (7 - first)) & ALL_WEEKDAYS
}

/// The days of a month (bits 1 to 31 and beyond its length) that lie in one of the ISO weeks.
fn days_in_weeks(weeks: u64, first: i64, weekday_of_first: u8) -> u32 {
    let monday = first - i64::from(weekday_of_first);
    let mut days = 0_u64;
    for week in 0..6_i64 {
        let number = iso_week_of_thursday(monday + 7 * week + 3);
        if weeks >> number & 1 == 1 {
            // Bit 0 here is the Monday on or before the first day of the month.
            days |= 0x7f << (7 * week);
        }
    }
    (days >> weekday_of_first << 1) as u32
}

/// The first matching second of the day that is not before `second`.
fn time_at_or_after(spec: &CronSpec, second: i64) -> Option<i64> {
    let (hour, minute, second) = clock(second);
    let mut hours = spec.hours >> hour << hour;
    if hours >> hour & 1 == 1 {
        let mut minutes = spec.minutes >> minute << minute;
        if minutes >> minute & 1 == 1 {
            let seconds = spec.seconds >> second << second;
            if seconds != 0 {
                return Some(time(hour, minute, seconds.trailing_zeros()));
            }
            minutes &= minutes - 1;
        }
        if minutes != 0 {
            return Some(time(hour, minutes.trailing_zeros(), spec.seconds.trailing_zeros()));
        }
        hours &= hours - 1;
    }
    (hours != 0).then(|| {
        time(hours.trailing_zeros(), spec.minutes.trailing_zeros(), spec.seconds.trailing_zeros())
    })
}

/// The last matching second of the day that is not after `second`.
fn time_at_or_before(spec: &CronSpec, second: i64) -> Option<i64> {
    let (hour, minute, second) = clock(second);
    let upto = |bits: u64, place: u32| bits & ((2 << place) - 1);
    let before = |bits: u64, place: u32| bits & ((1 << place) - 1);
    let all_hours = u64::from(spec.hours);
    if all_hours >> hour & 1 == 1 {
        if spec.minutes >> minute & 1 == 1 {
            let seconds = upto(spec.seconds, second);
            if seconds != 0 {
                return Some(time(hour, minute, u32::from(highest(seconds))));
            }
        }
        let minutes = before(spec.minutes, minute);
        if minutes != 0 {
            let second = highest(spec.seconds);
            return Some(time(hour, u32::from(highest(minutes)), u32::from(second)));
        }
    }
    let hours = before(all_hours, hour);
    (hours != 0).then(|| {
        let (minute, second) = (highest(spec.minutes), highest(spec.seconds));
        time(u32::from(highest(hours)), u32::from(minute), u32::from(second))
    })
}

fn first_time(spec: &CronSpec) -> i64 {
    time(spec.hours.trailing_zeros(), spec.minutes.trailing_zeros(), spec.seconds.trailing_zeros())
}

fn last_time(spec: &CronSpec) -> i64 {
    let place = |bits: u64| u32::from(highest(bits));
    time(place(u64::from(spec.hours)), place(spec.minutes), place(spec.seconds))
}

/// Hour, minute and second of a second of the day.
fn clock(second: i64) -> (u32, u32, u32) {
    let second = second as u32;
    (second / 3_600, second / 60 % 60, second % 60)
}

fn time(hour: u32, minute: u32, second: u32) -> i64 {
    i64::from(hour * 3_600 + minute * 60 + second)
}

/// The place of the highest bit; 0 for an empty set.
fn highest(bits: u64) -> u8 {
    (63 - (bits | 1).leading_zeros()) as u8
}
