//! A cron trigger in plain English.

use chrono_tz::Tz;

use super::field::CronField;
use super::progression::{Progression, progressions};
use super::spec::CronSpec;
use super::{CronTrigger, Dst};
use crate::moment;
use crate::words::{and, ordinal};
use crate::zone::spoken;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// At most this many times of the day are told one by one.
const FEW_TIMES: usize = 6;

pub(crate) fn describe(trigger: &CronTrigger) -> String {
    let mut text = times(&trigger.spec);
    text.push_str(&days(&trigger.spec));
    for (word, at) in [("from", trigger.start), ("until", trigger.end)] {
        if let Some(at) = at {
            text.push_str(&format!(", {word} {}", moment::write(at, trigger.zone)));
        }
    }
    text.push_str(", ");
    text.push_str(&spoken(trigger.zone));
    if trigger.dst == Dst::WallClock && trigger.zone != Tz::UTC {
        text.push_str(", strictly by the wall clock");
    }
    text
}

/// `at 09:30`, `every 5 minutes`, `every 10 seconds of minute 20 past the hours 9 to 17`.
fn times(spec: &CronSpec) -> String {
    let numbers = |field| spec.numbers(field);
    let hours = numbers(CronField::Hour);
    let minutes = numbers(CronField::Minute);
    let seconds = numbers(CronField::Second);
    if hours.len() * minutes.len() * seconds.len() <= FEW_TIMES {
        return format!("at {}", and(&clock_times(&hours, &minutes, &seconds)));
    }
    let on_the_minute = seconds == [0];
    let all_minutes = spec.is_all(CronField::Minute);
    let all_hours = spec.is_all(CronField::Hour);
    if on_the_minute && minutes == [0] {
        return hourly(&hours);
    }
    let mut text = String::new();
    if !on_the_minute {
        text = every(&seconds, 60, "second")
            .unwrap_or_else(|| format!("at {}", counted("second", &seconds)));
        match (all_minutes, all_hours) {
            (true, true) if text.starts_with("every") => return text,
            (true, _) => text.push_str(" of every minute"),
            (false, _) => text.push_str(&format!(" of {}", counted("minute", &minutes))),
        }
    } else if let Some(every) = every(&minutes, 60, "minute") {
        text.push_str(&every);
        if all_hours {
            return text;
        }
        return format!("{text} of {}", counted("hour", &hours));
    } else {
        text.push_str(&format!("at {}", counted("minute", &minutes)));
    }
    match (all_minutes, all_hours) {
        (true, true) => {}
        (_, true) => text.push_str(" past every hour"),
        (true, false) => text.push_str(&format!(" of {}", counted("hour", &hours))),
        (false, false) => text.push_str(&format!(" past {}", counted("hour", &hours))),
    }
    text
}

/// On the hour, more often than we tell one by one.
fn hourly(hours: &[u32]) -> String {
    if let Some(every) = every(hours, 24, "hour") {
        return every;
    }
    match progressions(hours).as_slice() {
        [Progression { first, last, step: 1 }] => {
            format!("every hour from {first:02}:00 to {last:02}:00")
        }
        [Progression { first, last, step }] => {
            format!("every {step} hours from {first:02}:00 to {last:02}:00")
        }
        _ => format!("on the hour, {}", counted("hour", hours).trim_start_matches("the ")),
    }
}

/// `every 5 minutes`, if the numbers divide the whole `cycle` evenly from 0.
fn every(numbers: &[u32], cycle: u32, unit: &str) -> Option<String> {
    match progressions(numbers).as_slice() {
        [Progression { first: 0, last, step }] if last + step == cycle => Some(match step {
            1 => format!("every {unit}"),
            _ => format!("every {step} {unit}s"),
        }),
        _ => None,
    }
}

fn clock_times(hours: &[u32], minutes: &[u32], seconds: &[u32]) -> Vec<String> {
    let mut times = Vec::new();
    for hour in hours {
        for minute in minutes {
            for second in seconds {
                times.push(match seconds {
                    [0] => format!("{hour:02}:{minute:02}"),
                    _ => format!("{hour:02}:{minute:02}:{second:02}"),
                });
            }
        }
    }
    times
}

/// `minute 20`, `minutes 0 and 30`, `the hours 9 to 17`.
fn counted(unit: &str, numbers: &[u32]) -> String {
    let article = if unit == "hour" { "the " } else { "" };
    match numbers {
        [only] => format!("{article}{unit} {only}"),
        _ => format!("{article}{unit}s {}", and(&ranges(numbers, |number| number.to_string()))),
    }
}

/// Numbers by name, three and more neighbours as a range, long even series as such.
fn ranges(numbers: &[u32], name: impl Fn(u32) -> String) -> Vec<String> {
    let mut parts = Vec::new();
    for Progression { first, last, step } in progressions(numbers) {
        let count = (last - first) / step + 1;
        if step == 1 && count > 2 {
            parts.push(format!("{} to {}", name(first), name(last)));
        } else if count > FEW_TIMES as u32 {
            parts.push(format!("{} to {} in steps of {step}", name(first), name(last)));
        } else {
            parts.extend((first..=last).step_by(step as usize).map(&name));
        }
    }
    parts
}

/// The days, with a blank before them: ` on the third Friday of June`, or nothing for all days.
fn days(spec: &CronSpec) -> String {
    let month_name = |number: u32| named(&MONTHS, number.wrapping_sub(1));
    let all_months = spec.is_all(CronField::Month);
    let months = and(&ranges(&spec.numbers(CronField::Month), month_name));
    let weekday_name = |number: u32| named(&WEEKDAYS, number);
    let weekdays = spec.numbers(CronField::DayOfWeek);
    let all_weekdays = spec.is_all(CronField::DayOfWeek);

    let mut text = String::new();
    if spec.is_all(CronField::Day) {
        if !all_weekdays {
            text.push_str(&format!(" on {}", and(&ranges(&weekdays, weekday_name))));
        }
        if !all_months {
            text.push_str(&format!(" in {months}"));
        }
    } else {
        text.push_str(&format!(" on {}", days_of_month(spec)));
        text.push_str(" of ");
        text.push_str(if all_months { "every month" } else { &months });
        if !all_weekdays {
            let mut names: Vec<String> = weekdays.iter().map(|day| weekday_name(*day)).collect();
            let last = names.pop().unwrap_or_default();
            let names =
                if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) };
            text.push_str(&format!(" if that is a {names}"));
        }
    }
    if !spec.is_all(CronField::Week) {
        let weeks = spec.numbers(CronField::Week);
        let plural = if weeks.len() == 1 { "" } else { "s" };
        let weeks = and(&ranges(&weeks, |number| number.to_string()));
        text.push_str(&format!(" in ISO week{plural} {weeks}"));
    }
    if !spec.is_all(CronField::Year) {
        text.push_str(&format!(" in {}", and(&years(spec))));
    }
    // "at 09:30" alone leaves open whether that is once.
    if text.is_empty() && times(spec).starts_with("at ") && !times(spec).contains("every") {
        text.push_str(" every day");
    }
    text
}

/// `the 1st, the 15th, the third Friday and the last day`.
fn days_of_month(spec: &CronSpec) -> String {
    let numbers = spec.numbers(CronField::Day);
    let mut parts: Vec<String> = ranges(&numbers, ordinal);
    for part in &mut parts {
        part.insert_str(0, "the ");
    }
    let places = ["first", "second", "third", "fourth", "fifth", "last"];
    let weekdays = spec.days.nth.into_iter().chain([spec.days.last_of]);
    for (place, weekdays) in places.into_iter().zip(weekdays) {
        let names = WEEKDAYS.iter().enumerate().filter(|(number, _)| weekdays >> number & 1 == 1);
        parts.extend(names.map(|(_, name)| format!("the {place} {name}")));
    }
    if spec.days.last {
        parts.push("the last day".to_owned());
    }
    and(&parts)
}

fn years(spec: &CronSpec) -> Vec<String> {
    let mut parts = Vec::new();
    for &Progression { first, last, step } in spec.years.ranges() {
        match (first, last, step) {
            _ if first == last => parts.push(first.to_string()),
            (_, _, 1) if last - first == 1 => parts.extend([first.to_string(), last.to_string()]),
            (_, _, 1) => parts.push(format!("{first} to {last}")),
            _ => parts.push(format!("every {} year from {first} to {last}", ordinal(step))),
        }
    }
    parts
}

fn named(names: &[&str], place: u32) -> String {
    names.get(place as usize).copied().unwrap_or_default().to_owned()
}
