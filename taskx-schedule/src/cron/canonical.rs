//! Bit sets back as text: the shortest that the parser reads as the same sets.

use super::field::CronField;
use super::progression::{Progression, progressions};
use super::spec::{CronSpec, Days, numbers_of};

/// The fields that must be written so that the rule for omitted fields fills in the rest.
pub(crate) fn fields(spec: &CronSpec) -> Vec<(CronField, String)> {
    let least = CronField::ALL.into_iter().rfind(|field| !spec.is_least(*field));
    let least = least.unwrap_or(CronField::Year);
    CronField::ALL
        .into_iter()
        .filter(|field| *field == least || (*field < least && !spec.is_all(*field)))
        .map(|field| (field, field_text(spec, field)))
        .collect()
}

/// The text of one field.
pub(crate) fn field_text(spec: &CronSpec, field: CronField) -> String {
    if spec.is_all(field) {
        return "*".to_owned();
    }
    match field {
        CronField::Year => numeric(field, spec.years.ranges()),
        CronField::Day => day(spec.days),
        CronField::DayOfWeek => by_name(&spec.numbers(field)),
        _ => numeric(field, &progressions(&spec.numbers(field))),
    }
}

fn numeric(field: CronField, parts: &[Progression]) -> String {
    let written =
        parts.iter().map(|&Progression { first, last, step }| match (first, last, step) {
            _ if first == last => first.to_string(),
            (_, _, 1) if last - first == 1 => format!("{first},{last}"),
            (_, _, 1) => format!("{first}-{last}"),
            _ if first == field.min() && last + step > field.max() => format!("*/{step}"),
            _ => format!("{first}-{last}/{step}"),
        });
    written.collect::<Vec<_>>().join(",")
}

/// Weekdays by name, since numbers mean different days in different crons. Names take no step.
fn by_name(numbers: &[u32]) -> String {
    let name = |number: u32| {
        CronField::DayOfWeek.names().get(number as usize).copied().unwrap_or_default()
    };
    let mut parts = Vec::new();
    for part in progressions(numbers) {
        if part.step == 1 && part.last - part.first > 1 {
            parts.push(format!("{}-{}", name(part.first), name(part.last)));
        } else {
            let each = (part.first..=part.last).step_by(part.step as usize);
            parts.extend(each.map(|number| name(number).to_owned()));
        }
    }
    parts.join(",")
}

fn day(days: Days) -> String {
    let numbers = numbers_of(u64::from(days.numbers));
    let mut parts = Vec::new();
    if !numbers.is_empty() {
        parts.push(numeric(CronField::Day, &progressions(&numbers)));
    }
    let ordinals = ["1st", "2nd", "3rd", "4th", "5th", "last"];
    let weekdays = days.nth.into_iter().chain([days.last_of]);
    for (ordinal, weekdays) in ordinals.into_iter().zip(weekdays) {
        for number in numbers_of(u64::from(weekdays)) {
            parts.push(format!("{ordinal} {}", by_name(&[number])));
        }
    }
    if days.last {
        parts.push("last".to_owned());
    }
    parts.join(",")
}
