//! The text of a point in time, as in `run_date`, `start_date` and `end_date`.
//!
//! `2009-11-06`, `2009-11-06 16:30:05`, also with a `T` between, a fraction of one to six digits
//! and an offset (`Z`, `+02:00`). Without an offset it is a wall-clock time of the trigger's zone:
//! one in a gap is read with the offset before the gap, one that comes twice is the first.

use std::ops::Range;

use chrono::{DateTime, LocalResult, Offset, TimeZone, Timelike};
use chrono_tz::{GapInfo, Tz};

use crate::calendar::{DAY, epoch_day, month_length};
use crate::error::{TriggerError, TriggerErrorKind};
use crate::instant::{SECOND, date_time};
use crate::zone::offset_at;

/// Reads a point in time to the microsecond; `field` names the keyword in errors.
pub(crate) fn parse(field: &'static str, text: &str, zone: Tz) -> Result<i64, TriggerError> {
    let reader = Reader { field, text, at: 0, hinting: true };
    let wall = reader.read()?;
    let offset = match wall.offset {
        Some(offset) => offset,
        None => offset_of_wall(wall.second, zone),
    };
    Ok((wall.second - offset) * SECOND + wall.micros)
}

/// The text that [`parse`] reads back as the same instant, as short as can be.
pub(crate) fn write(at: i64, zone: Tz) -> String {
    let utc = date_time(at);
    let local = utc.with_timezone(&zone);
    let offset = i64::from(local.offset().fix().local_minus_utc());
    let second = utc.timestamp() + offset;
    let mut tries = Vec::with_capacity(6);
    if second.rem_euclid(DAY) == 0 && utc.nanosecond() == 0 {
        tries.push(local.format("%Y-%m-%d").to_string());
    }
    let fraction = fraction(at);
    tries.push(format!("{}{fraction}", local.format("%Y-%m-%d %H:%M:%S")));
    if offset % 60 == 0 {
        let offset = local.format("%:z");
        tries.push(format!("{}{fraction}{offset}", local.format("%Y-%m-%d %H:%M:%S")));
    }
    tries.push(format!("{}{fraction}Z", utc.format("%Y-%m-%d %H:%M:%S")));
    // At the ends of the calendar only a far offset keeps the year at four digits above 0.
    for (offset, minutes) in [("+23:59", 1_439), ("-23:59", -1_439)] {
        let shifted = utc + chrono::TimeDelta::minutes(minutes);
        tries.push(format!("{}{fraction}{offset}", shifted.format("%Y-%m-%d %H:%M:%S")));
    }
    let last = tries.last().cloned().unwrap_or_default();
    tries.into_iter().find(|text| parse("", text, zone) == Ok(at)).unwrap_or(last)
}

/// `.5` for half a second, nothing for a whole one.
fn fraction(at: i64) -> String {
    match at.rem_euclid(SECOND) {
        0 => String::new(),
        micros => format!(".{micros:06}").trim_end_matches('0').to_owned(),
    }
}

/// The seconds by which a zone's wall clock is ahead of UTC at a wall-clock second.
fn offset_of_wall(second: i64, zone: Tz) -> i64 {
    let wall = DateTime::from_timestamp(second, 0).unwrap_or_default().naive_utc();
    let offset = match zone.offset_from_local_datetime(&wall) {
        LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => offset,
        LocalResult::None => GapInfo::new(&wall, &zone)
            .and_then(|gap| gap.begin)
            .map_or_else(|| offset_at(zone, second), |(_, offset)| offset),
    };
    i64::from(offset.fix().local_minus_utc())
}

/// What the text says, with the offset if it has one.
struct Wall {
    second: i64,
    micros: i64,
    offset: Option<i64>,
}

struct Reader<'t> {
    field: &'static str,
    text: &'t str,
    at: usize,
    /// Whether a mistake is worth a hint: not when the text is one that a hint tries out.
    hinting: bool,
}

impl Reader<'_> {
    fn read(mut self) -> Result<Wall, TriggerError> {
        let year = self.number(4, 4)?;
        self.expect("-")?;
        let (month, month_at) = self.ranged(1, 2, 1, 12, "month")?;
        self.expect("-")?;
        let day_at = self.at;
        let day = self.number(1, 2)?;
        if year == 0 {
            return Err(self.error("there is no year 0", 0..4));
        }
        // The casts are exact: four and two digits.
        let length = u32::from(month_length(year as i32, month as u8));
        if !(1..=length).contains(&day) {
            let problem = format!("month {month} of {year} has days 1..={length}");
            return Err(self.error(problem, month_at.start..self.at.max(day_at)));
        }
        let mut second = epoch_day(year as i32, month as u8, i64::from(day)) * DAY;
        let (mut micros, mut offset) = (0, None);
        if !self.rest().is_empty() {
            if !(self.eat(" ") || self.eat("T")) {
                return Err(self.syntax());
            }
            let (hours, _) = self.ranged(1, 2, 0, 23, "hour")?;
            self.expect(":")?;
            let (minutes, _) = self.ranged(1, 2, 0, 59, "minute")?;
            self.expect(":")?;
            let (seconds, _) = self.ranged(1, 2, 0, 59, "second")?;
            second += i64::from(hours) * 3_600 + i64::from(minutes) * 60 + i64::from(seconds);
            if self.eat(".") {
                micros = self.fraction()?;
            }
            offset = self.offset()?;
        }
        if self.rest().is_empty() {
            Ok(Wall { second, micros, offset })
        } else {
            Err(self.syntax())
        }
    }

    fn offset(&mut self) -> Result<Option<i64>, TriggerError> {
        if self.eat("Z") {
            return Ok(Some(0));
        }
        let sign = match self.rest().bytes().next() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Ok(None),
        };
        self.at += 1;
        let (hours, _) = self.ranged(2, 2, 0, 23, "offset's hour")?;
        self.expect(":")?;
        let (minutes, _) = self.ranged(2, 2, 0, 59, "offset's minute")?;
        Ok(Some(sign * i64::from(hours * 3_600 + minutes * 60)))
    }

    /// Up to six digits behind the point, as microseconds.
    fn fraction(&mut self) -> Result<i64, TriggerError> {
        let begin = self.at;
        let digits = self.number(1, 6)?;
        let missing = 6 - (self.at - begin) as u32;
        Ok(i64::from(digits) * 10_i64.pow(missing))
    }

    fn ranged(
        &mut self,
        least: usize,
        most: usize,
        min: u32,
        max: u32,
        what: &str,
    ) -> Result<(u32, Range<usize>), TriggerError> {
        let begin = self.at;
        let number = self.number(least, most)?;
        let span = begin..self.at;
        if (min..=max).contains(&number) {
            Ok((number, span))
        } else {
            let problem = format!("the {what} {number} is not within {min}..={max}");
            Err(self.error(problem, span).allow(min, max))
        }
    }

    /// `least` to `most` ASCII digits, with no digit behind them.
    fn number(&mut self, least: usize, most: usize) -> Result<u32, TriggerError> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if digits < least || digits > most {
            return Err(self.syntax());
        }
        let value = self.rest().get(..digits).and_then(|digits| digits.parse().ok());
        self.at += digits;
        value.ok_or_else(|| self.syntax())
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn eat(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    fn expect(&mut self, expected: &str) -> Result<(), TriggerError> {
        if self.eat(expected) { Ok(()) } else { Err(self.syntax()) }
    }

    fn error(&self, problem: impl Into<String>, span: Range<usize>) -> TriggerError {
        TriggerError::new(TriggerErrorKind::Date, problem).of(self.field).at(self.text, span)
    }

    fn syntax(&self) -> TriggerError {
        let text = self.text;
        let error = self.error("not a date", 0..text.len());
        if !self.hinting {
            return error;
        }
        let trimmed = text.trim();
        let year_last = || {
            let mut parts = trimmed.split(['-', '/', '.']);
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            let numbers = [day, month, year]
                .iter()
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
            (numbers && day.len() <= 2 && year.len() == 4 && parts.next().is_none())
                .then(|| format!("{year}-{month}-{day}"))
        };
        let slashed = trimmed.replace('/', "-");
        let reads = |text: &str| Reader { field: "", text, at: 0, hinting: false }.read().is_ok();
        let with_seconds = format!("{trimmed}:00");
        let upper = trimmed.to_ascii_uppercase();
        let hint = if let Some(turned) = year_last() {
            format!("write the year first: `{turned}`")
        } else if trimmed != text && reads(trimmed) {
            format!("write `{trimmed}` without blanks around it")
        } else if reads(&slashed) {
            format!("write `{slashed}`")
        } else if reads(&with_seconds) && trimmed.contains(':') {
            format!("seconds are needed: `{with_seconds}`")
        } else if reads(&upper) {
            format!("write `{upper}`")
        } else {
            "write `2009-11-06` or `2009-11-06 16:30:00`, with an offset if wanted".to_owned()
        };
        error.hinting(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str, zone: Tz) -> String {
        date_time(parse("run_date", text, zone).unwrap()).to_rfc3339()
    }

    #[test]
    fn a_fraction_is_a_fraction() {
        assert_eq!(utc("2009-11-06 16:30:05.5", Tz::UTC), "2009-11-06T16:30:05.500+00:00");
        assert_eq!(utc("2009-11-06 16:30:05.050", Tz::UTC), "2009-11-06T16:30:05.050+00:00");
    }

    #[test]
    fn a_gap_is_read_with_the_offset_before_and_a_repeat_is_the_first() {
        let gap = "2024-03-31 02:30:00";
        assert_eq!(utc(gap, Tz::Europe__Paris), "2024-03-31T01:30:00+00:00");
        let repeat = "2024-10-27 02:30:00";
        assert_eq!(utc(repeat, Tz::Europe__Paris), "2024-10-27T00:30:00+00:00");
    }

    #[test]
    fn the_text_written_is_short_and_exact() {
        for (text, canonical) in [
            ("2009-11-6", "2009-11-06"),
            ("2009-11-06T00:00:00.000001", "2009-11-06 00:00:00.000001"),
            ("2009-11-06 01:00:00Z", "2009-11-06 02:00:00"),
            ("2024-10-27 02:30:00+02:00", "2024-10-27 02:30:00"),
            ("2024-10-27 02:30:00+01:00", "2024-10-27 02:30:00+01:00"),
            ("2024-03-31 02:30:00", "2024-03-31 03:30:00"),
            ("0001-01-01 00:00:00+23:59", "0001-01-01 00:00:00+23:59"),
            ("9999-12-31 23:59:59-23:59", "9999-12-31 23:59:59-23:59"),
        ] {
            let at = parse("run_date", text, Tz::Europe__Berlin).unwrap();
            assert_eq!(write(at, Tz::Europe__Berlin), canonical, "{text}");
            assert_eq!(parse("run_date", canonical, Tz::Europe__Berlin), Ok(at), "{text}");
        }
    }

    #[test]
    fn each_usual_slip_has_its_hint() {
        for (text, hint) in [
            ("06-11-2009", "write the year first: `2009-11-06`"),
            ("2009/11/06", "write `2009-11-06`"),
            (" 2009-11-06", "write `2009-11-06` without blanks around it"),
            ("2009-11-06 16:30", "seconds are needed: `2009-11-06 16:30:00`"),
            ("2009-11-06t16:30:00z", "write `2009-11-06T16:30:00Z`"),
            ("tomorrow", "write `2009-11-06` or `2009-11-06 16:30:00`, with an offset if wanted"),
        ] {
            let error = parse("run_date", text, Tz::UTC).unwrap_err();
            assert_eq!(error.hint(), Some(hint), "{text}");
        }
    }

    #[test]
    fn the_number_at_fault_is_marked() {
        for (text, item, problem) in [
            ("2009-13-01", "13", "the month 13 is not within 1..=12"),
            ("2009-02-29", "02-29", "month 2 of 2009 has days 1..=28"),
            ("0000-01-01", "0000", "there is no year 0"),
            ("2009-11-06 24:00:00", "24", "the hour 24 is not within 0..=23"),
            ("2009-11-06 00:00:00+24:00", "24", "the offset's hour 24 is not within 0..=23"),
        ] {
            let error = parse("run_date", text, Tz::UTC).unwrap_err();
            assert_eq!((error.item(), error.problem()), (item, problem), "{text}");
        }
    }
}
