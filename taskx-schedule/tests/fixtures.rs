//! Cases that other implementations answered, all of them: APScheduler 3.11 for the fields, dates
//! and intervals, the `cron` crate 0.17 for text of 6 and 7 parts, `croner` 4 for 5 parts.
//!
//! `dst.jsonl` holds what APScheduler does around changes of the clock and, beside it, what our
//! two rules do: `ideal` is `Dst::Rfc`, `strict` is `Dst::WallClock`.

#![expect(clippy::indexing_slicing, clippy::print_stdout, clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::{DateTime, FixedOffset, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use taskx_schedule::{
    CronField, CronTrigger, CronTriggerBuilder, DateTrigger, Dst, IntervalTrigger, TriggerError,
};

/// The fixtures ask for this many fire times; fewer mean that there are no more.
const ASKED: usize = 8;

type Time = DateTime<FixedOffset>;

fn lines<T: DeserializeOwned>(name: &str, count: usize) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let text = fs::read_to_string(path).unwrap();
    let cases: Vec<T> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), count, "{name} has lost or gained cases");
    cases
}

/// Runs every case and tells all that fail, not only the first.
fn check_all<T: std::fmt::Debug>(
    name: &str,
    cases: &[T],
    check: impl Fn(&T) -> Result<(), String>,
) {
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case).err().map(|why| format!("{case:?}\n  {why}")))
        .collect();
    println!("{name}: {} of {} pass", cases.len() - failures.len(), cases.len());
    let shown = failures.len().min(20);
    assert!(
        failures.is_empty(),
        "{name}: {} of {} fail\n{}",
        failures.len(),
        cases.len(),
        failures[..shown].join("\n")
    );
}

fn same(found: &[Time], expected: &[Time]) -> Result<(), String> {
    // The same instants, and shown with the same offset.
    let shown = |times: &[Time]| times.iter().map(Time::to_rfc3339).collect::<Vec<_>>();
    if shown(found) == shown(expected) {
        Ok(())
    } else {
        Err(format!("found    {:?}\n  expected {:?}", shown(found), shown(expected)))
    }
}

fn refused<T: std::fmt::Debug>(built: Result<T, TriggerError>) -> Result<(), String> {
    match built {
        Err(error) if error.to_string().is_empty() => Err("an empty message".to_owned()),
        Err(error) if error.input().get(error.span()).is_none() => Err("a bad span".to_owned()),
        Err(_) => Ok(()),
        Ok(trigger) => Err(format!("accepted as {trigger:?}")),
    }
}

#[derive(Debug, Deserialize)]
struct Fields {
    fields: BTreeMap<String, String>,
    timezone: String,
    start: Option<Time>,
    start_date: Option<String>,
    end_date: Option<String>,
    #[serde(default)]
    expect: Vec<Time>,
    #[serde(default)]
    strict: Vec<Time>,
    #[serde(default)]
    ideal: Vec<Time>,
}

impl Fields {
    fn build(&self, dst: Dst) -> Result<CronTrigger, TriggerError> {
        let mut builder: CronTriggerBuilder =
            CronTrigger::builder().timezone(&self.timezone).dst(dst);
        for (field, text) in &self.fields {
            builder = builder.field(field.parse::<CronField>()?, text);
        }
        if let Some(start) = &self.start_date {
            builder = builder.start_date(start);
        }
        if let Some(end) = &self.end_date {
            builder = builder.end_date(end);
        }
        builder.build()
    }

    fn check(&self, dst: Dst, expected: &[Time]) -> Result<(), String> {
        let trigger = self.build(dst).map_err(|error| error.to_string())?;
        // All ways to write a trigger down read back as the same.
        let text = trigger.to_string();
        if text.parse() != Ok(trigger.clone()) {
            return Err(format!("{text} reads back as {:?}", text.parse::<CronTrigger>()));
        }
        let from = self.start.unwrap().to_utc();
        let found: Vec<Time> =
            trigger.upcoming(from).take(ASKED).map(|time| time.fixed_offset()).collect();
        same(&found, expected)?;
        // The same backward, and one by one.
        if let (Some(first), Some(last)) = (found.first(), found.last()) {
            let before = first.to_utc() - chrono::TimeDelta::microseconds(1);
            let mut back: Vec<Time> = trigger
                .between(before, last.to_utc())
                .rev()
                .map(|time| time.with_timezone(&trigger.timezone()).fixed_offset())
                .collect();
            back.reverse();
            same(&back, expected).map_err(|why| format!("backward: {why}"))?;
            for pair in found.windows(2) {
                let next = trigger.next_after(pair[0].to_utc());
                if next != Some(pair[1].to_utc()) {
                    return Err(format!("after {} comes {next:?}", pair[0]));
                }
            }
        }
        Ok(())
    }
}

#[test]
fn fields_fire_as_in_apscheduler() {
    for dst in [Dst::Rfc, Dst::WallClock] {
        check_all("public", &lines::<Fields>("public.jsonl", 1558), |case| {
            case.check(dst, &case.expect)
        });
    }
}

#[test]
fn around_changes_of_the_clock_each_rule_holds() {
    let cases = lines::<Fields>("dst.jsonl", 124);
    check_all("dst, rfc", &cases, |case| case.check(Dst::Rfc, &case.ideal));
    check_all("dst, wall clock", &cases, |case| case.check(Dst::WallClock, &case.strict));
}

#[test]
fn what_apscheduler_refuses_is_refused() {
    check_all("invalid", &lines::<Fields>("public_invalid.jsonl", 150), |case| {
        refused(case.build(Dst::Rfc))
    });
}

#[derive(Debug, Deserialize)]
struct Quirk {
    field: String,
    text: String,
}

#[test]
fn what_apscheduler_reads_by_halves_is_refused() {
    check_all("quirks", &lines::<Quirk>("quirks_lenient.jsonl", 28), |case| {
        let field: CronField = case.field.parse().unwrap();
        refused(CronTrigger::builder().field(field, &case.text).build())
    });
}

#[derive(Debug, Deserialize)]
struct Date {
    run_date: String,
    timezone: String,
    #[serde(default)]
    error: bool,
    expect_utc: Option<DateTime<Utc>>,
}

#[test]
fn dates_are_read_as_in_apscheduler() {
    check_all("date", &lines::<Date>("public_date.jsonl", 126), |case| {
        let built = DateTrigger::parse(&case.run_date, &case.timezone);
        if case.error {
            return refused(built);
        }
        let trigger = built.map_err(|error| error.to_string())?;
        if trigger.to_string().parse() != Ok(trigger) {
            return Err(format!("{trigger} does not read back"));
        }
        let found: Vec<_> =
            trigger.upcoming(DateTime::<Utc>::MIN_UTC).map(|t| t.to_utc()).collect();
        if found == Vec::from_iter(case.expect_utc) { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

#[derive(Debug, Deserialize)]
struct Interval {
    interval: BTreeMap<String, u32>,
    start_date: String,
    end_date: Option<String>,
    timezone: String,
    start: Time,
    expect: Vec<Time>,
}

#[test]
fn intervals_fire_as_in_apscheduler() {
    check_all("interval", &lines::<Interval>("public_interval.jsonl", 100), |case| {
        let unit = |name: &str| case.interval.get(name).copied().unwrap_or(0);
        let mut builder = IntervalTrigger::builder()
            .weeks(unit("weeks"))
            .days(unit("days"))
            .hours(unit("hours"))
            .minutes(unit("minutes"))
            .seconds(unit("seconds"))
            .timezone(&case.timezone)
            .start_date(&case.start_date);
        if let Some(end) = &case.end_date {
            builder = builder.end_date(end);
        }
        let trigger = builder.build().map_err(|error| error.to_string())?;
        if trigger.to_string().parse() != Ok(trigger) {
            return Err(format!("{trigger} does not read back"));
        }
        let upcoming = trigger.upcoming(case.start.to_utc()).take(ASKED);
        same(&upcoming.map(|time| time.fixed_offset()).collect::<Vec<_>>(), &case.expect)
    });
}

#[derive(Debug, Deserialize)]
struct Crontab {
    #[serde(alias = "cron")]
    crontab: String,
    #[serde(default)]
    error: bool,
    timezone: Option<String>,
    start: Option<Time>,
    #[serde(default)]
    expect: Vec<Time>,
}

impl Crontab {
    fn check(&self) -> Result<(), String> {
        let built = CronTrigger::from_crontab(&self.crontab);
        if self.error {
            return refused(built);
        }
        let trigger = built.map_err(|error| error.to_string())?;
        let trigger = trigger.with_timezone(self.timezone.as_deref().unwrap()).unwrap();
        if trigger.to_string().parse() != Ok(trigger.clone()) {
            return Err(format!("{trigger} does not read back"));
        }
        let upcoming = trigger.upcoming(self.start.unwrap().to_utc()).take(ASKED);
        same(&upcoming.map(|time| time.fixed_offset()).collect::<Vec<_>>(), &self.expect)
    }
}

#[test]
fn six_and_seven_parts_fire_as_in_the_cron_crate() {
    check_all("cron6", &lines("public_cron6.jsonl", 276), Crontab::check);
}

#[test]
fn five_parts_fire_as_in_croner() {
    check_all("crontab5", &lines("public_crontab5.jsonl", 150), Crontab::check);
}
