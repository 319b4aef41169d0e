//! `taskx cron`: when a trigger fires, and what it means; it needs no database.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{
    Subcommand,
    builder::{PossibleValue, PossibleValuesParser},
};
use serde::Serialize;
use taskx_core::clock::{Clock, SystemClock};
use taskx_schedule::{CronField, CronTrigger, DateTrigger, Dst, Trigger, crontab_warning};

use crate::{failure::Failure, output::Output};

/// What to say of a trigger.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    about: About,
}

#[derive(Debug, Subcommand)]
enum About {
    /// Show the next fire times
    #[command(after_help = "\
Examples:
  taskx cron next --day '3rd fri' --hour 0-3 --timezone Europe/Paris
  taskx cron next '*/5 9-17 * * mon-fri' --count 3
  taskx cron next 'interval(hours = 6)' --after 2030-01-01
  taskx cron next --month 6-8,11-12 --day '3rd fri' --hour 0-3 --after 2009-01-01T00:00:00Z --json")]
    Next(Next),
    /// Say in English what a trigger means, and what is doubtful about it
    #[command(after_help = "\
Examples:
  taskx cron explain '0 9 * * mon-fri'
  taskx cron explain --day 'last fri' --hour 17")]
    Explain(Written),
}

#[derive(Debug, clap::Args)]
struct Next {
    #[command(flatten)]
    trigger: Written,
    /// Fire times after this one: a date, or a date and a time. Default: now
    #[arg(long, value_name = "TIME")]
    after: Option<String>,
    /// How many
    #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    count: u16,
}

/// A trigger as it is written on the command line.
#[derive(Debug, clap::Args)]
struct Written {
    /// Crontab text, or `cron(..)`, `date(..)`, `interval(..)` as taskx shows them
    trigger: Option<String>,
    /// Years
    #[arg(long)]
    year: Option<String>,
    /// Months: 6-8, jun
    #[arg(long)]
    month: Option<String>,
    /// Days of the month: 1, '3rd fri', 'last fri', last
    #[arg(long)]
    day: Option<String>,
    /// ISO weeks
    #[arg(long)]
    week: Option<String>,
    /// Weekdays: mon-fri, or 0 (Monday) to 6
    #[arg(long)]
    day_of_week: Option<String>,
    /// Hours
    #[arg(long)]
    hour: Option<String>,
    /// Minutes
    #[arg(long)]
    minute: Option<String>,
    /// Seconds
    #[arg(long)]
    second: Option<String>,
    /// The zone whose wall clock counts. Default: UTC
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// No fire time before this
    #[arg(long, value_name = "TIME")]
    start_date: Option<String>,
    /// No fire time after this
    #[arg(long, value_name = "TIME")]
    end_date: Option<String>,
    /// When the clock jumps: rfc (each fires once), or wall-clock
    #[arg(long, value_name = "RULE", value_parser = rules())]
    dst: Option<String>,
}

/// The words for the rules, the attribute's spelling among them.
fn rules() -> PossibleValuesParser {
    let wall_clock = PossibleValue::new("wall-clock").alias("wall_clock");
    PossibleValuesParser::new([PossibleValue::new("rfc"), wall_clock])
}

impl Written {
    fn fields(&self) -> [(CronField, Option<&String>); 8] {
        [
            (CronField::Year, self.year.as_ref()),
            (CronField::Month, self.month.as_ref()),
            (CronField::Day, self.day.as_ref()),
            (CronField::Week, self.week.as_ref()),
            (CronField::DayOfWeek, self.day_of_week.as_ref()),
            (CronField::Hour, self.hour.as_ref()),
            (CronField::Minute, self.minute.as_ref()),
            (CronField::Second, self.second.as_ref()),
        ]
    }

    /// The text if it is a whole trigger and no crontab text.
    fn whole(&self) -> Option<&str> {
        self.trigger.as_deref().filter(|text| text.contains('('))
    }

    fn read(&self) -> Result<Trigger, Failure> {
        if let Some(text) = self.whole() {
            let beside = self.timezone.is_some() || self.start_date.is_some();
            let beside = beside || self.end_date.is_some() || self.dst.is_some();
            if beside || self.fields().iter().any(|(_, value)| value.is_some()) {
                return Err(Failure::usage(
                    "a whole trigger takes no options beside it; write them into its text",
                ));
            }
            return Ok(text.parse()?);
        }
        let mut builder = CronTrigger::builder();
        for (field, value) in self.fields() {
            if let Some(value) = value {
                builder = builder.field(field, value);
            }
        }
        if let Some(text) = &self.trigger {
            builder = builder.crontab(text);
        }
        if let Some(zone) = &self.timezone {
            builder = builder.timezone(zone);
        }
        if let Some(date) = &self.start_date {
            builder = builder.start_date(date);
        }
        if let Some(date) = &self.end_date {
            builder = builder.end_date(date);
        }
        if self.dst.as_deref().is_some_and(|rule| rule != "rfc") {
            builder = builder.dst(Dst::WallClock);
        }
        builder.check_given()?;
        Ok(builder.build()?.into())
    }
}

/// A trigger as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    trigger: String,
    description: String,
    /// What is legal and probably not meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
    /// In the trigger's zone, RFC 3339.
    next: Vec<String>,
}

impl Shown {
    fn of(written: &Written, after: DateTime<Utc>, count: usize) -> Result<Self, Failure> {
        let trigger = written.read()?.anchored_at(after);
        trigger.check_fires()?;
        let upcoming = trigger.upcoming(after).take(count);
        let crontab = written.trigger.as_deref().filter(|_| written.whole().is_none());
        Ok(Self {
            trigger: trigger.to_string(),
            description: trigger.describe(),
            warning: crontab.and_then(crontab_warning).map(|warning| warning.to_string()),
            next: upcoming.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true)).collect(),
        })
    }
}

/// Does `cron next` or `cron explain`.
///
/// # Errors
/// A trigger that cannot be read or never fires.
pub fn cron(args: &Args, out: &mut Output) -> Result<(), Failure> {
    match &args.about {
        About::Next(next) => {
            let shown = Shown::of(&next.trigger, after(next)?, next.count.into())?;
            if out.is_json() {
                return out.json(&shown);
            }
            if let Some(warning) = &shown.warning {
                crate::output::say(format_args!("doubtful: {warning}"));
            }
            if shown.next.is_empty() {
                crate::output::say("it does not fire any more");
            }
            shown.next.iter().try_for_each(|time| out.line(time))
        }
        About::Explain(written) => {
            let shown = Shown::of(written, SystemClock.now(), 3)?;
            if out.is_json() {
                return out.json(&shown);
            }
            out.line(&shown.description)?;
            out.line(format_args!("  written  {}", shown.trigger))?;
            if let Some(warning) = &shown.warning {
                out.line(format_args!("  doubtful {warning}"))?;
            }
            shown.next.iter().try_for_each(|time| out.line(format_args!("  fires    {time}")))
        }
    }
}

fn after(next: &Next) -> Result<DateTime<Utc>, Failure> {
    let Some(text) = &next.after else { return Ok(SystemClock.now()) };
    let zone = next.trigger.timezone.as_deref().unwrap_or("UTC");
    let date =
        DateTrigger::parse(text, zone).map_err(|error| Failure::from(error).context("--after"))?;
    Ok(date.run_date().unwrap_or_else(|| SystemClock.now()))
}
