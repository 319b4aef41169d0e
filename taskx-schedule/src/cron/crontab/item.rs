//! One item of a part of crontab text, and what is wrong with it.

use std::str::FromStr;

use cron::Schedule;

use super::PARTS;
use super::weekday::weekday_number;
use crate::cron::field::CronField;
use crate::error::{TriggerError, TriggerErrorKind};

/// What crontab text cannot say.
const AS_FIELD: &str = "write it as a field: `day = \"last\"`, `day = \"3rd fri\"`";

/// One item of one part, with its place in the text.
#[derive(Clone, Copy)]
pub(super) struct Item<'t> {
    pub(super) text: &'t str,
    pub(super) field: CronField,
    /// Five parts: weekdays are numbered from 0.
    pub(super) short: bool,
    pub(super) item: &'t str,
    pub(super) at: usize,
}

/// Which item the crate refuses; each is tried alone.
pub(super) fn refused(text: &str, items: &[Item<'_>]) -> TriggerError {
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

impl<'t> Item<'t> {
    /// What stands before the slash, and the step behind it.
    pub(super) fn range_and_step(&self) -> (&'t str, Option<&'t str>) {
        match self.item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (self.item, None),
        }
    }

    /// The form of one item: `*`, `?`, `5`, `5-9`, `mon`, `mon-fri`, each perhaps with `/step`.
    pub(super) fn check_form(&self) -> Result<(), TriggerError> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let letters =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic());
        let (range, step) = self.range_and_step();
        let is_day = matches!(self.field, CronField::Day | CronField::DayOfWeek);
        let range_reads = match range.split_once('-') {
            Some((first, last)) => {
                (digits(first) && digits(last)) || (letters(first) && letters(last))
            }
            None => range == "*" || (range == "?" && is_day) || digits(range) || letters(range),
        };
        if range_reads && step.is_none_or(digits) {
            return Ok(());
        }
        let lower = self.item.to_ascii_lowercase();
        let of_quartz =
            lower.contains('#') || lower.starts_with('l') || lower.ends_with(['l', 'w']);
        let hint = if self.item.is_empty() {
            Some("there is a comma too many")
        } else if range == "?" {
            Some("write `*`")
        } else {
            (is_day && of_quartz).then_some(AS_FIELD)
        };
        Err(self
            .error(TriggerErrorKind::Syntax, "this cannot be read")
            .maybe_hinting(hint.map(str::to_owned)))
    }

    fn error(&self, kind: TriggerErrorKind, problem: impl Into<String>) -> TriggerError {
        let span = self.at..self.at + self.item.len();
        TriggerError::new(kind, problem).of(self.field.name()).embedded(self.text, span)
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
    pub(super) fn refused(&self) -> TriggerError {
        let (_, max) = self.range();
        let (range, step) = self.range_and_step();
        let step = step.map(|step| step.parse().unwrap_or(u32::MAX));
        if let Some(step) = step
            && (step == 0 || step > max)
        {
            let problem = format!("the step must be within 1..={max}");
            return self.error(TriggerErrorKind::Step, problem).allow(1, max);
        }
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if first.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.refused_names(first, last)
        } else {
            self.refused_numbers(first, last)
        }
    }

    fn refused_names(&self, first: &str, last: &str) -> TriggerError {
        let names = self.field.names();
        if names.is_empty() {
            let (min, max) = self.range();
            let is_last = self.field == CronField::Day && first.eq_ignore_ascii_case("l");
            let problem = format!("no names here, `{}` takes {min}..={max}", self.field);
            return self
                .error(TriggerErrorKind::Syntax, problem)
                .allow(min, max)
                .maybe_hinting(is_last.then(|| AS_FIELD.to_owned()));
        }
        if let Some(name) = [first, last].into_iter().find(|name| !self.knows(name)) {
            return self
                .error(TriggerErrorKind::UnknownName, format!("no name `{name}`"))
                .hinting(format!("the names are {}", names.join(", ")));
        }
        let (first_name, last_name) = match self.field {
            CronField::DayOfWeek if self.short => ("mon", "sun"),
            CronField::DayOfWeek => ("sun", "sat"),
            _ => ("jan", "dec"),
        };
        if !self.item.contains('-') {
            return self
                .error(TriggerErrorKind::Syntax, "a name alone takes no step")
                .hinting(format!("write the range, `{first}-{last_name}`"));
        }
        let end = if last.to_ascii_lowercase().starts_with(first_name) {
            last.to_owned()
        } else {
            format!("{first_name}-{last}")
        };
        self.error(TriggerErrorKind::ReversedRange, "the range runs backwards")
            .hinting(format!("write `{first}-{last_name},{end}`"))
    }

    fn refused_numbers(&self, first: &str, last: &str) -> TriggerError {
        let (min, max) = self.range();
        let numbers = [first, last].map(|number| number.parse().unwrap_or(u32::MAX));
        if let Some(number) = numbers.into_iter().find(|number| !(min..=max).contains(number)) {
            let how = if number < min { "low" } else { "high" };
            let told = if number == u32::MAX { "it".to_owned() } else { number.to_string() };
            let problem = format!("{told} is too {how}, `{}` takes {min}..={max}", self.field);
            let hint = match (self.field, number) {
                (CronField::DayOfWeek, 0) => {
                    Some("with 6 or 7 parts 1 is Sunday: write weekdays by name")
                }
                (CronField::Hour, 24) => Some("midnight is `0`"),
                _ => None,
            };
            return self
                .error(TriggerErrorKind::OutOfRange, problem)
                .allow(min, max)
                .maybe_hinting(hint.map(str::to_owned));
        }
        let hint = (first != last).then(|| format!("write `{first}-{max},{min}-{last}`"));
        self.error(TriggerErrorKind::ReversedRange, "the range runs backwards").maybe_hinting(hint)
    }

    /// Is it the name of a month or weekday, short or full?
    fn knows(&self, name: &str) -> bool {
        match self.field {
            CronField::DayOfWeek => weekday_number(name).is_some(),
            _ => {
                let alone = format!("0 0 0 * {name} *");
                Schedule::from_str(&alone).is_ok()
            }
        }
    }
}
