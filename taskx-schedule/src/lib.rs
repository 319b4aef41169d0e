//! When tasks fire: cron, date and interval triggers, their texts and their fire times.
//!
//! This crate is pure. It reads triggers, checks them and finds fire times; it knows no clock, no
//! file and no thread. taskx uses it twice: when a program is compiled, to check the triggers in
//! attributes, and when it runs, to find what is due.
//!
//! | trigger | fires |
//! |---|---|
//! | [`CronTrigger`] | when the wall clock of a zone matches up to eight fields, or crontab text |
//! | [`DateTrigger`] | once |
//! | [`IntervalTrigger`] | every so many seconds of real time |
//! | [`Trigger`] | as any of the three |
//!
//! The fields, their grammar and their defaults are those of APScheduler 3; where its fire times
//! go wrong around daylight saving, [`Dst`] says what happens here.
//!
//! ```
//! use chrono::{DateTime, Utc};
//! use taskx_schedule::CronTrigger;
//!
//! let trigger = CronTrigger::builder().day_of_week("mon-fri").hour(9).minute(30).build()?;
//! let from: DateTime<Utc> = "2026-01-02T10:00:00Z".parse()?;
//! let next: Vec<String> = trigger.upcoming(from).take(2).map(|at| at.to_rfc3339()).collect();
//! assert_eq!(next, ["2026-01-05T09:30:00+00:00", "2026-01-06T09:30:00+00:00"]);
//!
//! // The canonical text is read back as the same trigger; serde writes and reads it too.
//! let text = trigger.to_string();
//! assert_eq!(text, r#"cron(day_of_week = "mon-fri", hour = "9", minute = "30")"#);
//! assert_eq!(text.parse::<CronTrigger>()?, trigger);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layout
//!
//! `cron/` holds the cron trigger: `parse` and `crontab` read text into the bit sets of `spec`,
//! `local` searches them on the wall clock, `next` adds the zone, `canonical` and `describe` write
//! them as text and English. `date`, `interval` and `trigger` are the other types, `timetable` what
//! all have in common, `due` the choice among missed fire times. `moment` is the text of a date,
//! `text` that of a whole trigger, `zone` and `calendar` the ground below, `parts` what the
//! attribute macros emit.

mod calendar;
mod cron;
mod date;
mod due;
mod error;
mod instant;
mod interval;
mod moment;
mod parts;
mod suggest;
mod text;
mod text_serde;
mod timetable;
mod trigger;
mod window;
mod words;
mod zone;

pub use chrono_tz::Tz;
pub use cron::{CronField, CronTrigger, CronTriggerBuilder, Dst, crontab_warning};
pub use date::DateTrigger;
pub use due::{Due, DueRule, Misfire};
pub use error::{TriggerError, TriggerErrorKind};
pub use interval::{IntervalTrigger, IntervalTriggerBuilder};
pub use timetable::Slots;
pub use trigger::Trigger;

/// For `taskx-macros` and the code that it emits; not part of the public surface.
#[doc(hidden)]
pub mod __private {
    pub use crate::parts::{CronParts, DateParts, IntervalParts, TriggerParts};
}
