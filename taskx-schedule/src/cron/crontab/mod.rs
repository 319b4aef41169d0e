//! Crontab text of 5, 6 or 7 parts: read by the `cron` crate, searched by our own engine.
//!
//! The crate judges the values, but says little about a mistake and lets parts run together
//! (`***` is three). So the parts are split and their form is checked here first, and when the
//! crate refuses, it is asked item by item which one it is.

mod item;
mod warning;
mod weekday;

use std::str::FromStr;

use cron::{Schedule, TimeUnitSpec};

use self::item::Item;
pub use self::warning::crontab_warning;
use super::field::CronField;
use super::spec::{CronSpec, Days};
use super::years::Years;
use crate::error::{TriggerError, TriggerErrorKind};
use crate::suggest::nearest;

/// The parts of 7-part text in order; 6 parts lack the last, 5 parts the first too.
const PARTS: [CronField; 7] = [
    CronField::Second,
    CronField::Minute,
    CronField::Hour,
    CronField::Day,
    CronField::Month,
    CronField::DayOfWeek,
    CronField::Year,
];

/// Reads crontab text into bit sets.
pub(crate) fn parse(text: &str) -> Result<CronSpec, TriggerError> {
    if text.trim_start().starts_with('@') {
        return word(text);
    }
    let parts = split(text)?;
    let mut items = Vec::new();
    for &(field, part, at) in &parts {
        let mut at = at;
        for item in part.split(',') {
            let item = Item { text, field, short: parts.len() == 5, item, at };
            item.check_form()?;
            items.push(item);
            at += item.item.len() + 1;
        }
    }
    let mut weekdays = 0;
    let mut for_crate = Vec::with_capacity(7);
    if parts.len() == 5 {
        for item in items.iter().filter(|item| item.field == CronField::DayOfWeek) {
            weekdays |= weekday::weekdays_of_five(*item)?;
        }
        for_crate.push("0");
    }
    for &(field, part, _) in &parts {
        for_crate.push(if parts.len() == 5 && field == CronField::DayOfWeek { "*" } else { part });
    }
    let Ok(schedule) = Schedule::from_str(&for_crate.join(" ")) else {
        return Err(item::refused(text, &items));
    };
    let mut spec = lower(&schedule);
    if parts.len() == 5 {
        spec.weekdays = weekdays;
    }
    Ok(spec)
}

/// The fields and their texts, with the place of each.
fn split(text: &str) -> Result<Vec<(CronField, &str, usize)>, TriggerError> {
    let words: Vec<(&str, usize)> = text
        .split_ascii_whitespace()
        .map(|word| (word, word.as_ptr() as usize - text.as_ptr() as usize))
        .collect();
    let skipped = match words.len() {
        5 | 6 => 6 - words.len(),
        7 => 0,
        count => {
            let problem = format!("crontab text has 5, 6 or 7 parts, not {count}");
            return Err(TriggerError::new(TriggerErrorKind::PartCount, problem)
                .at(text, 0..text.len())
                .hinting(
                    "5 are minute, hour, day, month and weekday; 6 have the second before them, \
                     7 the year behind them",
                ));
        }
    };
    let fields = PARTS.into_iter().skip(skipped);
    Ok(fields.zip(words).map(|(field, (word, at))| (field, word, at)).collect())
}

/// `@daily` and its like.
fn word(text: &str) -> Result<CronSpec, TriggerError> {
    const WORDS: [&str; 7] =
        ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
    let trimmed = text.trim();
    let for_crate = match trimmed {
        "@midnight" => "@daily",
        "@annually" => "@yearly",
        other => other,
    };
    if let (true, Ok(schedule)) = (WORDS.contains(&trimmed), Schedule::from_str(for_crate)) {
        return Ok(lower(&schedule));
    }
    let hint = match nearest(trimmed, WORDS) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the words are {}", WORDS.join(", ")),
    };
    let error = TriggerError::new(TriggerErrorKind::UnknownName, format!("no word `{trimmed}`"));
    Err(error.at(text, 0..text.len()).hinting(hint))
}

/// The crate's sets as ours. Weekdays: its 1 is Sunday, our 0 is Monday.
fn lower(schedule: &Schedule) -> CronSpec {
    let days = Days::from_numbers(bits(schedule.days_of_month()) as u32).normal();
    let weekdays = schedule.days_of_week().iter().fold(0, |bits, day| bits | 1 << ((day + 5) % 7));
    let years = schedule.years();
    CronSpec {
        years: if years.is_all() { Years::All } else { Years::from_years(years.iter().collect()) },
        months: bits(schedule.months()) as u16,
        days,
        weeks: CronSpec::ALL.weeks,
        weekdays,
        hours: bits(schedule.hours()) as u32,
        minutes: bits(schedule.minutes()),
        seconds: bits(schedule.seconds()),
    }
}

fn bits(numbers: &impl TimeUnitSpec) -> u64 {
    numbers.iter().fold(0, |bits, number| bits | 1 << number)
}
