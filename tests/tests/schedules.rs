//! What the schedule attributes make of what is written.

use std::time::Duration;

use taskx::{
    prelude::*,
    schedule::{Misfire, Trigger},
};
use taskx_core::task::{Overlap, ScheduleDef, Task};

#[cron_task(month = "6-8,11-12", day = "3rd fri", hour = "0-3", timezone = "Europe/Paris")]
async fn newsletter() {}

#[cron_task("*/5 * * * *", dst = "wall_clock", start_date = "2030-01-01", name = "sweeping")]
fn sweep() {}

#[date_task(run_date = "2009-11-06", timezone = "Asia/Tokyo", args("ada@example.com"))]
async fn greet(email: String) {
    drop(email);
}

#[date_task]
fn once_ever() {}

#[interval_task(hours = 1, minutes = 30, end_date = "2031-01-01", misfire_grace = 90)]
fn heartbeat() {}

#[cron_task(
    hour = 6,
    schedule = "weekdays",
    jitter = 30,
    misfire = "all(50)",
    misfire_grace = "2h",
    args("news", 3)
)]
#[cron_task(hour = 9, schedule = "weekend", overlap = "allow", misfire = "skip", args("sports"))]
#[interval_task(days = 30, schedule = "monthly", queue = "digest", args("review", 9, Some(7)))]
fn digest(topic: &str, #[arg(default = 1)] pages: u8, issue: Option<u32>) {
    let _ = (topic, pages, issue);
}

fn schedules<T: Task>() -> &'static [ScheduleDef] {
    T::DEF.schedules
}

#[expect(clippy::indexing_slicing, reason = "each task that is asked has a schedule")]
fn trigger<T: Task>() -> Trigger {
    (schedules::<T>()[0].trigger)()
}

#[test]
fn triggers_are_those_that_the_run_time_parser_reads() {
    for (declared, text) in [
        (
            trigger::<Newsletter>(),
            r#"cron(month = "6-8,11-12", day = "3rd fri", hour = "0-3", timezone = "Europe/Paris")"#,
        ),
        (
            trigger::<Sweep>(),
            r#"cron(minute = "*/5", start_date = "2030-01-01", dst = "wall_clock")"#,
        ),
        (trigger::<Greet>(), r#"date(run_date = "2009-11-06", timezone = "Asia/Tokyo")"#),
        (trigger::<OnceEver>(), "date()"),
        (trigger::<Heartbeat>(), r#"interval(hours = 1, minutes = 30, end_date = "2031-01-01")"#),
    ] {
        assert_eq!(declared, text.parse().unwrap());
    }
}

#[test]
fn what_names_no_zone_counts_by_that_of_the_app() {
    let in_rome = |schedule: &ScheduleDef| schedule.trigger_in("Europe/Rome").unwrap().to_string();
    let [newsletter] = schedules::<Newsletter>() else { panic!() };
    assert!(in_rome(newsletter).contains("Europe/Paris"));
    for (schedule, text) in [
        (
            &schedules::<Sweep>()[0],
            r#"cron(minute = "*/5", timezone = "Europe/Rome", start_date = "2030-01-01", dst = "wall_clock")"#,
        ),
        (&schedules::<OnceEver>()[0], r#"date(timezone = "Europe/Rome")"#),
        (
            &schedules::<Heartbeat>()[0],
            r#"interval(hours = 1, minutes = 30, timezone = "Europe/Rome", end_date = "2031-01-01")"#,
        ),
    ] {
        assert_eq!(in_rome(schedule), text);
        assert_eq!(schedule.trigger_in("UTC").unwrap(), (schedule.trigger)());
    }
    assert!(schedules::<Sweep>()[0].trigger_in("Rome").is_err());
}

#[test]
fn schedules_have_the_settings_given_and_the_defaults() {
    let hour = Duration::from_secs(3600);
    let [weekdays, weekend, monthly] = schedules::<Digest>() else { panic!() };
    assert_eq!([weekdays.name, weekend.name, monthly.name], ["weekdays", "weekend", "monthly"]);
    assert_eq!(weekdays.misfire, Misfire::All { max: 50 });
    assert_eq!((weekdays.misfire_grace, weekdays.jitter), (2 * hour, Duration::from_secs(30)));
    assert_eq!((weekend.misfire, weekend.overlap), (Misfire::Skip, Overlap::Allow));
    assert_eq!((monthly.misfire, monthly.overlap), (Misfire::Latest, Overlap::Skip));
    assert_eq!((monthly.misfire_grace, monthly.jitter), (hour, Duration::ZERO));
    assert_eq!(Digest::DEF.options.queue, "digest");

    let [sweep] = schedules::<Sweep>() else { panic!() };
    assert_eq!(sweep.name, "sweeping");
    assert_eq!(schedules::<Greet>()[0].misfire_grace, 24 * hour);
    assert_eq!(schedules::<Heartbeat>()[0].misfire_grace, Duration::from_secs(90));
}

#[test]
fn schedules_know_where_they_stand() {
    let source = include_str!("schedules.rs");
    let line = |start: &str| {
        source.lines().position(|line| line.trim_start().starts_with(start)).unwrap() as u32 + 1
    };
    let [weekdays, weekend, monthly] = schedules::<Digest>() else { panic!() };
    let several = source.lines().position(|line| line == "#[cron_task(").unwrap();
    assert_eq!(weekdays.line as usize, several + 1);
    assert_eq!(weekend.line, line("#[cron_task(hour = 9"));
    assert_eq!(monthly.line, line("#[interval_task(days = 30"));
    assert!(weekend.file.ends_with("schedules.rs"));
    assert_eq!(Digest::DEF.line, line("fn digest("));
}

#[test]
fn arguments_are_the_payload_of_the_jobs() {
    let args = |schedule: &ScheduleDef| (schedule.args)().unwrap();
    assert_eq!(args(&schedules::<Greet>()[0]), r#"{"email":"ada@example.com"}"#);
    assert_eq!(args(&schedules::<Sweep>()[0]), "{}");
    let digests: Vec<_> = schedules::<Digest>().iter().map(args).collect();
    assert_eq!(
        digests,
        [
            r#"{"topic":"news","pages":3,"issue":null}"#,
            r#"{"topic":"sports","pages":1,"issue":null}"#,
            r#"{"topic":"review","pages":9,"issue":7}"#,
        ]
    );
}

#[test]
fn a_scheduled_task_is_a_task() {
    let mut names: Vec<_> = taskx_core::task::registered().map(|def| def.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["digest", "greet", "heartbeat", "newsletter", "once_ever", "sweeping"]);
    drop(Greet::apply("ada"));
}
