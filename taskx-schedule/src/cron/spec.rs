//! A cron trigger's fields as bit sets: what the parser makes and the search reads.

use super::field::CronField;
use super::years::Years;

/// All hours: bits 0 to 23.
pub(crate) const ALL_HOURS: u32 = (1 << 24) - 1;
/// All minutes or seconds: bits 0 to 59.
pub(crate) const ALL_SIXTY: u64 = (1 << 60) - 1;
/// All months: bits 1 to 12.
pub(crate) const ALL_MONTHS: u16 = 0x1ffe;
/// All days of a month: bits 1 to 31.
pub(crate) const ALL_DAYS: u32 = 0xffff_fffe;
/// All ISO weeks: bits 1 to 53.
pub(crate) const ALL_WEEKS: u64 = (1 << 54) - 2;
/// All weekdays: bits 0 (Monday) to 6.
pub(crate) const ALL_WEEKDAYS: u8 = 0x7f;

/// The eight fields; a wall-clock second matches when **every** field holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CronSpec {
    pub(crate) years: Years,
    /// Bits 1 to 12.
    pub(crate) months: u16,
    pub(crate) days: Days,
    /// Bits 1 to 53.
    pub(crate) weeks: u64,
    /// Bits 0 (Monday) to 6.
    pub(crate) weekdays: u8,
    /// Bits 0 to 23.
    pub(crate) hours: u32,
    /// Bits 0 to 59.
    pub(crate) minutes: u64,
    /// Bits 0 to 59.
    pub(crate) seconds: u64,
}

/// The `day` field: the union of its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Days {
    /// Bits 1 to 31.
    pub(crate) numbers: u32,
    /// For the first to the fifth of its weekday in the month: bits 0 (Monday) to 6.
    pub(crate) nth: [u8; 5],
    /// For the last of its weekday in the month: bits 0 (Monday) to 6.
    pub(crate) last_of: u8,
    /// The last day of the month.
    pub(crate) last: bool,
}

impl Days {
    pub(crate) const ALL: Self = Self { numbers: ALL_DAYS, nth: [0; 5], last_of: 0, last: false };

    pub(crate) const fn from_numbers(numbers: u32) -> Self {
        Self { numbers, nth: [0; 5], last_of: 0, last: false }
    }

    pub(crate) fn is_all(&self) -> bool {
        *self == Self::ALL
    }

    /// Drops what other parts already hold, so that equal sets are equal values.
    pub(crate) fn normal(self) -> Self {
        if self.numbers == ALL_DAYS { Self::ALL } else { self }
    }

    /// Days only by their number.
    pub(crate) fn is_plain(&self) -> bool {
        self.nth == [0; 5] && self.last_of == 0 && !self.last
    }
}

impl CronSpec {
    /// Every second of all time.
    pub(crate) const ALL: Self = Self {
        years: Years::ALL,
        months: ALL_MONTHS,
        days: Days::ALL,
        weeks: ALL_WEEKS,
        weekdays: ALL_WEEKDAYS,
        hours: ALL_HOURS,
        minutes: ALL_SIXTY,
        seconds: ALL_SIXTY,
    };

    /// Does the field hold all of its range?
    pub(crate) fn is_all(&self, field: CronField) -> bool {
        match field {
            CronField::Year => self.years.is_all(),
            CronField::Month => self.months == ALL_MONTHS,
            CronField::Day => self.days.is_all(),
            CronField::Week => self.weeks == ALL_WEEKS,
            CronField::DayOfWeek => self.weekdays == ALL_WEEKDAYS,
            CronField::Hour => self.hours == ALL_HOURS,
            CronField::Minute => self.minutes == ALL_SIXTY,
            CronField::Second => self.seconds == ALL_SIXTY,
        }
    }

    /// Does the field hold what it holds when a less significant place than all given is left out?
    pub(crate) fn is_least(&self, field: CronField) -> bool {
        match field {
            CronField::Year => false,
            CronField::Month => self.months == 1 << 1,
            CronField::Day => self.days == Days::from_numbers(1 << 1),
            CronField::Week | CronField::DayOfWeek => self.is_all(field),
            CronField::Hour => self.hours == 1,
            CronField::Minute => self.minutes == 1,
            CronField::Second => self.seconds == 1,
        }
    }

    /// Gives the field the value of [`is_least`](Self::is_least).
    pub(crate) fn set_least(&mut self, field: CronField) {
        match field {
            CronField::Month => self.months = 1 << 1,
            CronField::Day => self.days = Days::from_numbers(1 << 1),
            CronField::Year | CronField::Week | CronField::DayOfWeek => {}
            CronField::Hour => self.hours = 1,
            CronField::Minute => self.minutes = 1,
            CronField::Second => self.seconds = 1,
        }
    }

    /// Takes one field over from another trigger.
    pub(crate) fn copy(&mut self, field: CronField, from: &Self) {
        match field {
            CronField::Year => self.years = from.years.clone(),
            CronField::Month => self.months = from.months,
            CronField::Day => self.days = from.days,
            CronField::Week => self.weeks = from.weeks,
            CronField::DayOfWeek => self.weekdays = from.weekdays,
            CronField::Hour => self.hours = from.hours,
            CronField::Minute => self.minutes = from.minutes,
            CronField::Second => self.seconds = from.seconds,
        }
    }

    /// The numbers of a field other than year, in order; for `day` only those given as numbers.
    pub(crate) fn numbers(&self, field: CronField) -> Vec<u32> {
        let bits = match field {
            CronField::Year => return Vec::new(),
            CronField::Month => u64::from(self.months),
            CronField::Day => u64::from(self.days.numbers),
            CronField::Week => self.weeks,
            CronField::DayOfWeek => u64::from(self.weekdays),
            CronField::Hour => u64::from(self.hours),
            CronField::Minute => self.minutes,
            CronField::Second => self.seconds,
        };
        numbers_of(bits)
    }
}

/// The places of the set bits, in order.
pub(crate) fn numbers_of(bits: u64) -> Vec<u32> {
    (0..64).filter(|place| bits >> place & 1 == 1).collect()
}
