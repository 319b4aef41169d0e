//! The grammar of one field: `*/5`, `1-10/2`, `mon-fri`, `3rd fri`, `last`, and lists of them.

use std::ops::Range;

use super::field::CronField;
use super::hint;
use super::spec::{CronSpec, Days};
use super::years::Years;
use crate::error::{TriggerError, TriggerErrorKind};

/// What one field holds.
#[derive(Debug, Default)]
struct Selected {
    /// By number, for all fields but year.
    bits: u64,
    years: Vec<u32>,
    /// By place in the month; `numbers` is filled from `bits` in the end.
    days: Days,
}

/// An item's place in its field's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'t> {
    pub(crate) field: CronField,
    /// The field's whole text.
    pub(crate) text: &'t str,
    /// The item alone, without the blanks around it.
    pub(crate) item: &'t str,
    /// Where the item begins in the text.
    pub(crate) at: usize,
}

impl Item<'_> {
    fn span(&self) -> Range<usize> {
        self.at..self.at + self.item.len()
    }

    pub(crate) fn error(&self, kind: TriggerErrorKind, problem: impl Into<String>) -> TriggerError {
        TriggerError::new(kind, problem).of(self.field.name()).at(self.text, self.span())
    }
}

/// Reads the text of one field into the trigger's bit sets.
pub(crate) fn parse_field(
    spec: &mut CronSpec,
    field: CronField,
    text: &str,
) -> Result<(), TriggerError> {
    let mut selected = Selected::default();
    let trimmed = text.trim();
    let mut at = text.len() - text.trim_start().len();
    for part in trimmed.split(',') {
        let item = part.trim_matches(' ');
        let blanks = part.len() - part.trim_start_matches(' ').len();
        let item = Item { field, text, item, at: at + blanks };
        parse_item(&mut selected, item)?;
        at += part.len() + 1;
    }
    store(spec, field, selected);
    Ok(())
}

fn store(spec: &mut CronSpec, field: CronField, selected: Selected) {
    // The casts keep all set bits: no item selects a number above its field's maximum.
    match field {
        CronField::Year => spec.years = Years::from_years(selected.years),
        CronField::Month => spec.months = selected.bits as u16,
        CronField::Day => {
            spec.days = Days { numbers: selected.bits as u32, ..selected.days }.normal();
        }
        CronField::Week => spec.weeks = selected.bits,
        CronField::DayOfWeek => spec.weekdays = selected.bits as u8,
        CronField::Hour => spec.hours = selected.bits as u32,
        CronField::Minute => spec.minutes = selected.bits,
        CronField::Second => spec.seconds = selected.bits,
    }
}

fn parse_item(selected: &mut Selected, item: Item<'_>) -> Result<(), TriggerError> {
    let field = item.field;
    if field == CronField::Day && parse_day_of_month_word(selected, item)? {
        return Ok(());
    }
    if let Some(numeric) = Numeric::scan(item.item) {
        numeric.check(item)?;
        numeric.select(field, selected);
        return Ok(());
    }
    if !field.names().is_empty() && item.item.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let (first, last) = match item.item.split_once('-') {
            Some((first, last)) => (named(item, field, first)?, named(item, field, last)?),
            None => {
                let number = named(item, field, item.item)?;
                (number, number)
            }
        };
        if first > last {
            return Err(reversed(item, first, last));
        }
        selected.bits |= range_bits(first, last, 1);
        return Ok(());
    }
    Err(unreadable(item))
}

/// `*`, `5`, `5-9`, each also with `/step`.
#[derive(Clone, Copy, Debug)]
struct Numeric {
    /// `None` is the star.
    first: Option<u32>,
    last: Option<u32>,
    step: Option<u32>,
}

impl Numeric {
    fn scan(text: &str) -> Option<Self> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (text, None),
        };
        if range == "*" {
            return Some(Self { first: None, last: None, step });
        }
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (number(first)?, Some(number(last)?)),
            None => (number(range)?, None),
        };
        Some(Self { first: Some(first), last, step })
    }

    /// The first rule that the item breaks, in the order of APScheduler.
    fn check(self, item: Item<'_>) -> Result<(), TriggerError> {
        let field = item.field;
        let (min, max) = (field.min(), field.max());
        if self.step == Some(0) {
            return Err(item
                .error(TriggerErrorKind::Step, "a step of 0 selects nothing")
                .maybe_hinting(hint::for_zero_step(item)));
        }
        if let (Some(first), Some(last)) = (self.first, self.last)
            && first > last
        {
            return Err(reversed(item, first, last));
        }
        if let Some(step) = self.step
            && step > max - min
        {
            return Err(step_too_large(item, step, max - min));
        }
        if let Some(first) = self.first
            && first < min
        {
            return Err(out_of_range(item, first, "low"));
        }
        // A lone number is its own end, as long as no step makes it the start of a series.
        let end = self.last.or(if self.step.is_none() { self.first } else { None });
        for bound in [end, self.first].into_iter().flatten() {
            if bound > max {
                return Err(out_of_range(item, bound, "high"));
            }
        }
        if let Some(step) = self.step {
            let range = end.unwrap_or(max) - self.first.unwrap_or(min);
            if step > range {
                return Err(step_too_large(item, step, range));
            }
        }
        Ok(())
    }

    fn select(self, field: CronField, selected: &mut Selected) {
        let first = self.first.unwrap_or(field.min());
        let alone = if self.step.is_none() { self.first } else { None };
        let last = self.last.or(alone).unwrap_or(field.max());
        let step = self.step.unwrap_or(1);
        if field == CronField::Year {
            selected.years.extend((first..=last).step_by(step as usize));
        } else {
            selected.bits |= range_bits(first, last, step);
        }
    }
}

fn range_bits(first: u32, last: u32, step: u32) -> u64 {
    (first..=last).step_by(step as usize).fold(0, |bits, number| bits | 1 << number)
}

/// ASCII digits as a number; one that is far too large stays far too large.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| {
        text.bytes().fold(0_u32, |value, digit| {
            value.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
        })
    })
}

/// The number of a name of `field`, which need not be the item's own.
fn named(item: Item<'_>, field: CronField, name: &str) -> Result<u32, TriggerError> {
    let place = field.names().iter().position(|known| known.eq_ignore_ascii_case(name));
    if let Some(place) = place {
        return Ok(field.min() + place as u32);
    }
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(unreadable(item));
    }
    let what = if field == CronField::Month { "month" } else { "weekday" };
    Err(item
        .error(TriggerErrorKind::UnknownName, format!("no {what} `{name}`"))
        .hinting(hint::for_name(field, item, name)))
}

/// `last`, `last fri`, `3rd fri`; false if the item does not begin like one of them.
fn parse_day_of_month_word(selected: &mut Selected, item: Item<'_>) -> Result<bool, TriggerError> {
    let (ordinal, weekday) = match item.item.split_once(' ') {
        Some((ordinal, weekday)) => (ordinal, Some(weekday.trim_start_matches(' '))),
        None => (item.item, None),
    };
    let ordinal = ordinal.to_ascii_lowercase();
    let place = ["1st", "2nd", "3rd", "4th", "5th"].iter().position(|known| *known == ordinal);
    let Some(weekday) = weekday else {
        if ordinal == "last" {
            selected.days.last = true;
            return Ok(true);
        }
        return Ok(false);
    };
    let nth = place.and_then(|place| selected.days.nth.get_mut(place));
    let weekdays = match nth {
        Some(weekdays) => weekdays,
        None if ordinal == "last" => &mut selected.days.last_of,
        None => return Ok(false),
    };
    *weekdays |= 1 << named(item, CronField::DayOfWeek, weekday)?;
    Ok(true)
}

fn unreadable(item: Item<'_>) -> TriggerError {
    let problem = if item.item.is_empty() {
        if item.text.trim().is_empty() { "nothing is given" } else { "an item is empty" }.to_owned()
    } else {
        format!("cannot read `{}`", item.item)
    };
    item.error(TriggerErrorKind::Syntax, problem).maybe_hinting(hint::for_syntax(item))
}

fn out_of_range(item: Item<'_>, number: u32, how: &str) -> TriggerError {
    let (field, min, max) = (item.field, item.field.min(), item.field.max());
    // A number that does not fit was cut off when it was read.
    let number = if number == u32::MAX { "the number".to_owned() } else { number.to_string() };
    let problem = format!("{number} is too {how}, `{field}` takes {min}..={max}");
    item.error(TriggerErrorKind::OutOfRange, problem)
        .allow(min, max)
        .maybe_hinting(hint::for_range(item))
}

fn reversed(item: Item<'_>, first: u32, last: u32) -> TriggerError {
    item.error(TriggerErrorKind::ReversedRange, "the range runs backwards")
        .allow(item.field.min(), item.field.max())
        .maybe_hinting(hint::for_reversed(item, first, last))
}

fn step_too_large(item: Item<'_>, step: u32, range: u32) -> TriggerError {
    let problem = format!("the step {step} goes beyond the range, which spans {range}");
    item.error(TriggerErrorKind::Step, problem)
        .allow(item.field.min(), item.field.max())
        .maybe_hinting(hint::for_large_step(item))
}
