//! Crontab text of 5, 6 or 7 parts: read by the `cron` crate, searched by our own engine.
//!
//! The crate judges the values, but says little about a mistake and lets parts run together
//! (`***` is three). So the parts are split and their form is checked here first, and when the
//! crate refuses, it is asked item by item which one it is.

use std::str::FromStr;

use cron::{Schedule, TimeUnitSpec};

use super::canonical::field_text;
use super::field::CronField;
use super::spec::{ALL_WEEKDAYS, CronSpec, Days};
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

/// Weekdays in the order of crontab numbers, 0 for Sunday.
const FROM_SUNDAY: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FULL_FROM_SUNDAY: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// One item of one part, with its place in the text.
#[derive(Clone, Copy)]
struct Item<'t> {
    text: &'t str,
    field: CronField,
    /// Five parts: weekdays are numbered from 0.
    short: bool,
    item: &'t str,
    at: usize,
}

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
            check_form(item)?;
            items.push(item);
            at += item.item.len() + 1;
        }
    }
    let mut weekdays = 0;
    let mut for_crate = Vec::with_capacity(7);
    if parts.len() == 5 {
        for item in items.iter().filter(|item| item.field == CronField::DayOfWeek) {
            weekdays |= crontab_weekdays(*item)?;
        }
        for_crate.push("0");
    }
    for &(field, part, _) in &parts {
        for_crate.push(if parts.len() == 5 && field == CronField::DayOfWeek { "*" } else { part });
    }
    let Ok(schedule) = Schedule::from_str(&for_crate.join(" ")) else {
        return Err(refused(text, &items));
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
        years: if years.is_all() { Years::ALL } else { Years::from_years(years.iter().collect()) },
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

/// The form of one item: `*`, `?`, `5`, `5-9`, `mon`, `mon-fri`, each perhaps with `/step`.
fn check_form(item: Item<'_>) -> Result<(), TriggerError> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let letters = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic());
    let (range, step) = match item.item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item.item, None),
    };
    let is_day = matches!(item.field, CronField::Day | CronField::DayOfWeek);
    let range_reads = match range.split_once('-') {
        Some((first, last)) => (digits(first) && digits(last)) || (letters(first) && letters(last)),
        None => range == "*" || (range == "?" && is_day) || digits(range) || letters(range),
    };
    if range_reads && step.is_none_or(digits) {
        return Ok(());
    }
    let lower = item.item.to_ascii_lowercase();
    let hint = if item.item.is_empty() {
        Some("there is a comma too many".to_owned())
    } else if range == "?" {
        Some("write `*`".to_owned())
    } else if is_day
        && (lower.contains('#') || lower.starts_with('l') || lower.ends_with(['l', 'w']))
    {
        Some("write it as a field: `day = \"last\"`, `day = \"3rd fri\"`".to_owned())
    } else {
        None
    };
    Err(item.error(TriggerErrorKind::Syntax, "this cannot be read").maybe_hinting(hint))
}

/// The weekdays (bit 0 is Monday) of an item in crontab's own numbers: 0 and 7 are Sunday.
fn crontab_weekdays(item: Item<'_>) -> Result<u8, TriggerError> {
    let (range, step) = match item.item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item.item, None),
    };
    let step: usize = step.map_or(Ok(1), str::parse).unwrap_or(usize::MAX);
    if !(1..=7).contains(&step) {
        return Err(item.refused());
    }
    let number = |text: &str| {
        let known = weekday_number(text).or_else(|| text.parse().ok());
        known.filter(|number| *number <= 7).ok_or_else(|| item.refused())
    };
    let (first, last) = match range.split_once('-') {
        // A week that ends with Sunday, `fri-sun`, is meant as it is written.
        Some((first, last)) => match (number(first)?, number(last)?) {
            (first, 0) if first > 0 && weekday_number(last).is_some() => (first, 7),
            bounds => bounds,
        },
        None if range == "*" || range == "?" => (0, 6),
        None => match (number(range)?, item.item.contains('/')) {
            (first, true) => (first, 6),
            (first, false) => (first, first),
        },
    };
    if first > last {
        return Err(item.refused());
    }
    let each = (first..=last).step_by(step);
    Ok(each.fold(0, |bits, number| bits | 1 << ((number + 6) % 7)))
}

/// The crontab number of a weekday's name, short or full as the `cron` crate knows them.
fn weekday_number(name: &str) -> Option<u32> {
    let lower = name.to_ascii_lowercase();
    let lower = match lower.as_str() {
        "tues" => "tue",
        "thurs" => "thu",
        other => other,
    };
    let mut names = FROM_SUNDAY.iter().zip(FULL_FROM_SUNDAY);
    names.position(|(short, full)| lower == *short || lower == full).map(|place| place as u32)
}

/// Which item the crate refuses; each is tried alone.
fn refused(text: &str, items: &[Item<'_>]) -> TriggerError {
    let is_refused = |item: &&Item<'_>| {
        let part = |field: CronField| match field {
            _ if field == item.field => item.item,
            CronField::Second | CronField::Minute | CronField::Hour => "0",
            _ => "*",
        };
        let alone = PARTS.map(part).join(" ");
        !(item.short && item.field == CronField::DayOfWeek) && Schedule::from_str(&alone).is_err()
    };
    match items.iter().find(is_refused) {
        Some(item) => item.refused(),
        None => TriggerError::new(TriggerErrorKind::Syntax, "this cannot be read")
            .at(text, 0..text.len()),
    }
}

impl Item<'_> {
    fn error(&self, kind: TriggerErrorKind, problem: impl Into<String>) -> TriggerError {
        let span = self.at..self.at + self.item.len();
        TriggerError::new(kind, problem).of(self.field.name()).at(self.text, span)
    }

    /// The numbers that this part takes in this dialect.
    fn range(&self) -> (u32, u32) {
        match self.field {
            CronField::DayOfWeek if self.short => (0, 7),
            CronField::DayOfWeek => (1, 7),
            CronField::Year => (1970, 2100),
            field => (field.min(), field.max()),
        }
    }

    /// An item of the right form with a value that is not possible.
    fn refused(&self) -> TriggerError {
        let (min, max) = self.range();
        let (range, step) = match self.item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (self.item, None),
        };
        let of_range = format!("`{}` takes {min}..={max}", self.field);
        if let Some(step) = step {
            let step: u32 = step.parse().unwrap_or(u32::MAX);
            if step == 0 || step > max {
                let problem = format!("the step must be within 1..={max}");
                return self.error(TriggerErrorKind::Step, problem).allow(min, max);
            }
        }
        let bounds: Vec<&str> = range.split('-').collect();
        let by_name =
            bounds.iter().find(|bound| bound.starts_with(|c: char| c.is_ascii_alphabetic()));
        if let Some(name) = by_name {
            let unknown = bounds.iter().find(|bound| self.by_name(bound).is_none());
            return match (unknown, self.field.names().is_empty(), self.item.contains('/')) {
                (_, true, _) => self
                    .error(TriggerErrorKind::Syntax, format!("no names here, {of_range}"))
                    .allow(min, max),
                (Some(name), false, _) => self
                    .error(TriggerErrorKind::UnknownName, format!("no name `{name}`"))
                    .hinting(format!("the names are {}", self.field.names().join(", "))),
                (None, false, true) if bounds.len() == 1 => self
                    .error(TriggerErrorKind::Syntax, "a name alone takes no step")
                    .maybe_hinting(
                        self.field
                            .names()
                            .last()
                            .map(|last| format!("write the range, `{name}-{last}`")),
                    ),
                (None, false, _) => self
                    .error(TriggerErrorKind::ReversedRange, "the range runs backwards")
                    .hinting("write two ranges with a comma between them"),
            };
        }
        let numbers: Vec<u32> = bounds.iter().map(|b| b.parse().unwrap_or(u32::MAX)).collect();
        if let Some(number) = numbers.iter().find(|number| !(min..=max).contains(*number)) {
            let how = if *number < min { "low" } else { "high" };
            let number = if *number == u32::MAX { "it".to_owned() } else { number.to_string() };
            let problem = format!("{number} is too {how}, {of_range}");
            let error = self.error(TriggerErrorKind::OutOfRange, problem).allow(min, max);
            return match (self.field, number.as_str()) {
                (CronField::DayOfWeek, "0") => {
                    error.hinting("with 6 or 7 parts 1 is Sunday: write weekdays by name")
                }
                (CronField::Hour, "24") => error.hinting("midnight is `0`"),
                _ => error,
            };
        }
        let error = self.error(TriggerErrorKind::ReversedRange, "the range runs backwards");
        match numbers.as_slice() {
            [first, last] if first > last => {
                error.hinting(format!("write `{first}-{max},{min}-{last}`"))
            }
            _ => error,
        }
    }

    fn by_name(&self, name: &str) -> Option<u32> {
        match self.field {
            CronField::DayOfWeek => weekday_number(name),
            field => {
                let lower = name.to_ascii_lowercase();
                let place = field.names().iter().position(|known| lower.starts_with(known))?;
                Some(place as u32)
            }
        }
    }
}

/// What is legal in a crontab text and probably not meant, if there is something.
///
/// Two traps: digits for weekdays in 6 or 7 parts (1 is Sunday there, Monday in a crontab), and 5
/// parts that restrict both the day of the month and the weekday (a crontab fires on either, this
/// crate when both match). `None` also for text that cannot be read at all.
///
/// ```
/// use taskx_schedule::crontab_warning;
///
/// let warning = crontab_warning("0 30 9 * * 2-6").unwrap();
/// assert_eq!((warning.item(), warning.hint()), ("2-6", Some("write `Mon-Fri`")));
/// assert!(crontab_warning("30 9 13 * Fri").is_some());
/// assert!(crontab_warning("30 9 * * Mon-Fri").is_none());
/// ```
#[must_use]
pub fn crontab_warning(text: &str) -> Option<TriggerError> {
    let spec = parse(text).ok()?;
    let parts = split(text).ok()?;
    let (_, weekdays, at) = *parts.iter().find(|part| part.0 == CronField::DayOfWeek)?;
    let doubtful = |problem: &str| TriggerError::new(TriggerErrorKind::Doubtful, problem);
    if parts.len() > 5 {
        let mut at = at;
        for item in weekdays.split(',') {
            let (range, step) = item.split_once('/').unwrap_or((item, ""));
            if range.contains(|c: char| c.is_ascii_digit()) {
                let problem = "1 is Sunday with 6 or 7 parts and Monday in a crontab";
                let hint = match (weekdays_by_name(range), step) {
                    (Some(names), "") => format!("write `{names}`"),
                    (Some(names), step) => format!("write the days of `{names}/{step}` by name"),
                    (None, _) => "write weekdays by name".to_owned(),
                };
                return Some(
                    doubtful(problem).of("day_of_week").at(text, at..at + item.len()).hinting(hint),
                );
            }
            at += item.len() + 1;
        }
        return None;
    }
    if spec.days.is_all() || spec.weekdays == ALL_WEEKDAYS {
        return None;
    }
    let hint = format!(
        "if both are to match, write the fields `day = {:?}, day_of_week = {:?}`; if either, two \
         schedules",
        field_text(&spec, CronField::Day),
        field_text(&spec, CronField::DayOfWeek),
    );
    Some(
        doubtful("a crontab fires when the day or the weekday matches, this when both do")
            .of("day_of_week")
            .at(text, at..at + weekdays.len())
            .hinting(hint),
    )
}

/// `2-6`, numbered from 1 for Sunday, as `Mon-Fri`.
fn weekdays_by_name(range: &str) -> Option<String> {
    let name = |number: &str| {
        let place = number.parse::<usize>().ok()?.checked_sub(1)?;
        let full = FULL_FROM_SUNDAY.get(place)?;
        let (initial, rest) = full.get(..3)?.split_at(1);
        Some(format!("{}{rest}", initial.to_ascii_uppercase()))
    };
    match range.split_once('-') {
        Some((first, last)) => Some(format!("{}-{}", name(first)?, name(last)?)),
        None => name(range),
    }
}
