//! Crontab text that is legal and probably not what was meant.

use super::weekday::weekdays_by_name;
use super::{parse, split};
use crate::cron::canonical::field_text;
use crate::cron::field::CronField;
use crate::cron::spec::ALL_WEEKDAYS;
use crate::error::{TriggerError, TriggerErrorKind};

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
                    doubtful(problem)
                        .of("day_of_week")
                        .embedded(text, at..at + item.len())
                        .hinting(hint),
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
            .embedded(text, at..at + weekdays.len())
            .hinting(hint),
    )
}
