//! Weekdays in crontab text: names, and the two ways to number them.

use super::item::Item;
use crate::error::TriggerError;

/// Weekdays in the order of crontab numbers, 0 for Sunday.
const FROM_SUNDAY: [(&str, &str); 7] = [
    ("sun", "sunday"),
    ("mon", "monday"),
    ("tue", "tuesday"),
    ("wed", "wednesday"),
    ("thu", "thursday"),
    ("fri", "friday"),
    ("sat", "saturday"),
];

/// The weekdays (bit 0 is Monday) of an item in crontab's own numbers: 0 and 7 are Sunday.
pub(super) fn weekdays_of_five(item: Item<'_>) -> Result<u8, TriggerError> {
    let (range, step) = item.range_and_step();
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
pub(super) fn weekday_number(name: &str) -> Option<u32> {
    let lower = name.to_ascii_lowercase();
    let lower = match lower.as_str() {
        "tues" => "tue",
        "thurs" => "thu",
        other => other,
    };
    let place = FROM_SUNDAY.iter().position(|(short, full)| lower == *short || lower == *full);
    place.map(|place| place as u32)
}

/// `2-6`, numbered from 1 for Sunday, as `Mon-Fri`.
pub(super) fn weekdays_by_name(range: &str) -> Option<String> {
    let name = |number: &str| {
        let place = number.parse::<usize>().ok()?.checked_sub(1)?;
        let (short, _) = FROM_SUNDAY.get(place)?;
        let (initial, rest) = short.split_at(1);
        Some(format!("{}{rest}", initial.to_ascii_uppercase()))
    };
    match range.split_once('-') {
        Some((first, last)) => Some(format!("{}-{}", name(first)?, name(last)?)),
        None => name(range),
    }
}
