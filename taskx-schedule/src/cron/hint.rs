//! What to write instead: a hint for each mistake in a cron field that people make.

use super::field::{CronField, WEEKDAYS};
use super::parse::Item;

/// `*/0`, `1-9/0`.
pub(crate) fn for_zero_step(item: Item<'_>) -> Option<String> {
    let (range, _) = item.item.split_once('/')?;
    Some(format!("write `{range}` for every one, or a step of at least 1"))
}

/// A word that is no name: mostly a name in full.
pub(crate) fn for_name(field: CronField, item: Item<'_>, name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    if field == CronField::Month && lower == "last" {
        return "`last` belongs to `day`".to_owned();
    }
    let meant = field.names().iter().find(|known| lower.starts_with(**known));
    match meant {
        Some(meant) => format!("write `{}`", item.item.replace(name, meant)),
        None => format!("the names are {}", field.names().join(", ")),
    }
}

/// A number outside the field's range.
pub(crate) fn for_range(item: Item<'_>) -> Option<String> {
    let (min, max) = (item.field.min(), item.field.max());
    let unit = item.field.name();
    let hint = match (item.field, item.item) {
        (CronField::Hour, "24") => "midnight is `0`".to_owned(),
        (CronField::Minute | CronField::Second, "60") => format!("the full {unit} before is `0`"),
        (CronField::DayOfWeek, "7") => "Monday is 0 and Sunday is 6: write `sun`".to_owned(),
        (CronField::DayOfWeek, "0-7" | "1-7") => "write `*`".to_owned(),
        (CronField::Year, year) if year.len() == 2 => {
            format!("write the year in full: `20{year}`")
        }
        (_, text) => {
            let (range, step) = match text.split_once('/') {
                Some((range, step)) => (range, format!("/{step}")),
                None => (text, String::new()),
            };
            let (first, last) = range.split_once('-')?;
            let first = first.parse().unwrap_or(max).max(min);
            let last = last.parse().unwrap_or(max).min(max);
            match (first, last) {
                _ if first >= last => return None,
                _ if (first, last) == (min, max) && step.is_empty() => {
                    format!("write `{min}-{max}`, or `*` for every {unit}")
                }
                _ => format!("write `{first}-{last}{step}`"),
            }
        }
    };
    Some(hint)
}

/// A range that would have to run over the end of its field.
pub(crate) fn for_reversed(item: Item<'_>, first: u32, last: u32) -> Option<String> {
    let (field, min, max) = (item.field, item.field.min(), item.field.max());
    if item.item.contains('/') || first > max || last < min || field == CronField::Year {
        return None;
    }
    let by_name = item.item.starts_with(|c: char| c.is_ascii_alphabetic());
    let written = |number: u32| match field.names().get((number - min) as usize) {
        Some(name) if by_name => (*name).to_owned(),
        _ => number.to_string(),
    };
    let range = |from: u32, to: u32| {
        if from == to { written(from) } else { format!("{}-{}", written(from), written(to)) }
    };
    Some(format!("write `{},{}`", range(first, max), range(min, last)))
}

/// A step that selects nothing but the first number.
pub(crate) fn for_large_step(item: Item<'_>) -> Option<String> {
    let (range, _) = item.item.split_once('/')?;
    let first = match range.split_once('-') {
        Some((first, _)) => first.to_owned(),
        None if range == "*" => item.field.min().to_string(),
        None => range.to_owned(),
    };
    Some(format!("it would select {first} only: write `{first}`"))
}

/// An item that follows no rule: the dialect of another cron, or a slip.
pub(crate) fn for_syntax(item: Item<'_>) -> Option<String> {
    let Item { field, item: text, .. } = item;
    let lower = text.to_ascii_lowercase();
    if text.is_empty() {
        return Some(if item.text.trim().is_empty() {
            "write `*` for all, or leave the field out".to_owned()
        } else {
            "there is a comma too many".to_owned()
        });
    }
    let hint = match lower.as_str() {
        "?" => "write `*`, or leave the field out".to_owned(),
        "l" if field == CronField::Day => "write `last`".to_owned(),
        "lw" | "wl" => "working days are not known here; `last fri` is".to_owned(),
        _ if lower.starts_with('@') => "`@` words stand alone, as crontab text".to_owned(),
        _ if text.contains([' ', '\t']) && without_blanks_is_numeric(text) => {
            format!("write `{}` without blanks", text.replace([' ', '\t'], ""))
        }
        _ if text.starts_with('-') && is_number(text.trim_start_matches('-')) => {
            "numbers are not negative here".to_owned()
        }
        _ if field == CronField::Day => return for_day(&lower),
        _ if !field.names().is_empty() => return for_named_field(field, &lower),
        _ if lower.contains(|c: char| c.is_ascii_alphabetic()) => {
            format!("`{field}` takes numbers only")
        }
        _ => return None,
    };
    Some(hint)
}

fn for_day(lower: &str) -> Option<String> {
    let known = |word: &str| WEEKDAYS.into_iter().find(|name| word.starts_with(name));
    let ordinals = ["1st", "2nd", "3rd", "4th", "5th"];
    if let Some(rest) = lower.strip_prefix("last") {
        let weekday = known(rest.trim())?;
        return Some(format!("write `last {weekday}`"));
    }
    if let Some(ordinal) = ordinals.into_iter().find(|ordinal| lower.starts_with(ordinal)) {
        let rest = lower.trim_start_matches(ordinal).trim();
        let number = ordinal.chars().next()?;
        return Some(match known(rest) {
            Some(weekday) => format!("write `{ordinal} {weekday}`"),
            None => format!("write `{number}` for the day, or a weekday as in `{ordinal} mon`"),
        });
    }
    let (number, rest) = lower.split_at(lower.find(|c: char| !c.is_ascii_digit())?);
    match (number.parse::<usize>().ok()?, known(rest.trim_start_matches(['s', 't', 'h', ' ']))) {
        (nth @ 1..=5, Some(weekday)) => {
            let ordinal = ordinals.get(nth - 1)?;
            Some(format!("write `{ordinal} {weekday}`"))
        }
        (6.., Some(_)) => Some("a month has at most five of a weekday, or write `last`".to_owned()),
        _ => None,
    }
}

fn for_named_field(field: CronField, lower: &str) -> Option<String> {
    if lower.contains('#') {
        return Some("the third Friday is `day = \"3rd fri\"`".to_owned());
    }
    if ["1st", "2nd", "3rd", "4th", "5th", "last"].iter().any(|word| lower.starts_with(word)) {
        return Some(format!("it belongs to `day`: `day = {lower:?}`"));
    }
    let place = |name: &str| field.names().iter().position(|known| *known == name);
    // `mon-fri/2`: names take no step.
    if let Some((range, step)) = lower.split_once('/') {
        let step: usize = step.parse().ok().filter(|step| *step > 0)?;
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (place(first)?, place(last)?),
            None => (place(range)?, field.names().len() - 1),
        };
        let names = field.names().get(first..=last)?.iter().step_by(step).copied();
        return Some(format!("write `{}`", names.collect::<Vec<_>>().join(",")));
    }
    // `1-mar`, `mon-5`: one side a number, the other a name.
    let (first, last) = lower.split_once('-')?;
    let side = |text: &str| {
        let number = text.parse::<u32>().ok().filter(|n| field.range().contains(n));
        let by_number =
            number.and_then(|number| field.names().get((number - field.min()) as usize).copied());
        by_number.or_else(|| field.names().get(place(text)?).copied())
    };
    match (side(first.trim()), side(last.trim())) {
        (Some(first), Some(last)) => Some(format!("write `{first}-{last}`")),
        (Some(name), None) | (None, Some(name)) if first.is_empty() || last.is_empty() => {
            Some(format!("write `{name}`"))
        }
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn without_blanks_is_numeric(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '\t' | '-' | '/' | '*'))
}
