//! A second, slow implementation to judge the first by: it looks at one second at a time, knows no
//! bit set, and reads nothing of the crate but its public types.

use chrono::{DateTime, Datelike, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use taskx_schedule::{CronField, CronTrigger, CronTriggerBuilder, Dst};

/// One item of a field.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    All {
        step: Option<u32>,
    },
    From {
        first: u32,
        step: u32,
    },
    Range {
        first: u32,
        last: u32,
        step: Option<u32>,
    },
    One(u32),
    /// The nth (1 to 5) of a weekday (Monday 0) in the month.
    Nth {
        nth: u32,
        weekday: u32,
    },
    LastOf {
        weekday: u32,
    },
    LastDay,
}

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Item {
    fn text(&self) -> String {
        let name = |weekday: &u32| WEEKDAYS[*weekday as usize];
        match self {
            Self::All { step: None } => "*".to_owned(),
            Self::All { step: Some(step) } => format!("*/{step}"),
            Self::From { first, step } => format!("{first}/{step}"),
            Self::Range { first, last, step: None } => format!("{first}-{last}"),
            Self::Range { first, last, step: Some(step) } => format!("{first}-{last}/{step}"),
            Self::One(number) => number.to_string(),
            Self::Nth { nth, weekday } => {
                let ordinal = ["1st", "2nd", "3rd", "4th", "5th"][*nth as usize - 1];
                format!("{ordinal} {}", name(weekday))
            }
            Self::LastOf { weekday } => format!("last {}", name(weekday)),
            Self::LastDay => "last".to_owned(),
        }
    }

    fn holds(&self, field: CronField, number: u32, at: NaiveDateTime) -> bool {
        let min = *field.range().start();
        let month_ends = |days: i64| (at.date() + TimeDelta::days(days)).month() != at.month();
        match *self {
            Self::All { step } => (number - min) % step.unwrap_or(1) == 0,
            Self::From { first, step } => number >= first && (number - first) % step == 0,
            Self::Range { first, last, step } => {
                (first..=last).contains(&number) && (number - first) % step.unwrap_or(1) == 0
            }
            Self::One(one) => number == one,
            Self::Nth { nth, weekday } => {
                at.weekday().num_days_from_monday() == weekday && (at.day() - 1) / 7 + 1 == nth
            }
            Self::LastOf { weekday } => {
                at.weekday().num_days_from_monday() == weekday && month_ends(7)
            }
            Self::LastDay => month_ends(1),
        }
    }
}

/// A cron trigger by its items, one list a field that is given.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) fields: Vec<(CronField, Vec<Item>)>,
    pub(crate) zone: Tz,
    pub(crate) dst: Dst,
}

impl Pattern {
    pub(crate) fn builder(&self) -> CronTriggerBuilder {
        let builder = CronTrigger::builder().timezone(self.zone.name()).dst(self.dst);
        self.fields.iter().fold(builder, |builder, (field, items)| {
            let texts: Vec<String> = items.iter().map(Item::text).collect();
            builder.field(*field, texts.join(","))
        })
    }

    fn field_holds(&self, field: CronField, at: NaiveDateTime) -> bool {
        let number = match field {
            CronField::Year => at.year() as u32,
            CronField::Month => at.month(),
            CronField::Day => at.day(),
            CronField::Week => at.iso_week().week(),
            CronField::DayOfWeek => at.weekday().num_days_from_monday(),
            CronField::Hour => at.hour(),
            CronField::Minute => at.minute(),
            CronField::Second => at.second(),
        };
        if let Some((_, items)) = self.fields.iter().find(|(given, _)| *given == field) {
            return items.iter().any(|item| item.holds(field, number, at));
        }
        let least = self.fields.iter().map(|(given, _)| *given).max();
        let free = matches!(field, CronField::Week | CronField::DayOfWeek);
        free || least.is_none_or(|least| field < least) || number == *field.range().start()
    }

    /// Does the date match, whatever the time?
    pub(crate) fn date_matches(&self, at: NaiveDateTime) -> bool {
        CronField::ALL[..5].iter().all(|field| self.field_holds(*field, at))
    }

    /// Does the wall-clock time match in all fields?
    pub(crate) fn matches(&self, at: NaiveDateTime) -> bool {
        // Cheap fields first.
        (1970..=9999).contains(&at.year())
            && CronField::ALL.iter().rev().all(|field| self.field_holds(*field, at))
    }

    fn all_hours(&self) -> bool {
        let day = chrono::NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
        (0..24).all(|hour| self.field_holds(CronField::Hour, day.and_hms_opt(hour, 0, 0).unwrap()))
    }

    /// Does the trigger fire at this very second?
    pub(crate) fn fires(&self, at: DateTime<Utc>) -> bool {
        self.fires_by(&self.offsets(at, at), at)
    }

    /// Does the trigger fire at this very second? The offsets are those of [`Self::offsets`].
    pub(crate) fn fires_by(&self, offsets: &[TimeDelta], at: DateTime<Utc>) -> bool {
        if self.dst == Dst::WallClock || self.all_hours() {
            return self.matches(at.with_timezone(&self.zone).naive_local());
        }
        let mut readings = offsets.iter().map(|offset| at.naive_utc() + *offset);
        readings.any(|wall| self.matches(wall) && self.instant(wall) == at)
    }

    /// The offsets of the zone from a day and a half before `from` up to `until`: what a wall-clock
    /// time that means one of these instants may be read with.
    pub(crate) fn offsets(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<TimeDelta> {
        let mut offsets = Vec::new();
        let mut at = until;
        while at > from - TimeDelta::hours(36) {
            offsets.push(at.with_timezone(&self.zone).naive_local() - at.naive_utc());
            at -= TimeDelta::minutes(30);
        }
        offsets.sort_unstable();
        offsets.dedup();
        offsets
    }

    /// When a wall-clock time happens, if each happens once: in a repeat the first time, in a gap
    /// by the offset before it.
    fn instant(&self, wall: NaiveDateTime) -> DateTime<Utc> {
        let mut earlier = wall;
        loop {
            match self.zone.from_local_datetime(&earlier) {
                LocalResult::Single(found) | LocalResult::Ambiguous(found, _) => {
                    return found.to_utc() + (wall - earlier);
                }
                LocalResult::None => earlier -= TimeDelta::minutes(15),
            }
        }
    }
}
