//! Fire times where it is easy to go wrong: both passes of a repeated hour, times shifted out of a
//! gap, windows, the ends of the calendar, and searches backward.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use taskx_schedule::{CronTrigger, DateTrigger, IntervalTrigger, Trigger};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn cron(text: &str) -> CronTrigger {
    text.parse().unwrap()
}

/// The fire times in a window, as local text, after checking that all ways to them agree.
fn times(trigger: &CronTrigger, after: &str, until: &str) -> Vec<String> {
    let (after, until) = (at(after), at(until));
    let slots: Vec<_> = trigger.between(after, until).collect();
    let mut backward: Vec<_> = trigger.between(after, until).rev().collect();
    backward.reverse();
    assert_eq!(slots, backward, "backward");
    let mut chained = Vec::new();
    let mut last = after;
    while let Some(next) = trigger.next_after(last).filter(|next| *next <= until) {
        chained.push(next);
        last = next;
    }
    assert_eq!(slots, chained, "one by one");
    assert_eq!(trigger.latest_between(after, until), slots.last().copied(), "the latest");
    slots.iter().map(|t| t.with_timezone(&trigger.timezone()).to_rfc3339()).collect()
}

#[test]
fn a_time_in_a_gap_fires_later_once() {
    let trigger = cron("cron(hour = \"2,3\", minute = \"0,30\", timezone = \"Europe/Berlin\")");
    // 02:00 and 02:30 do not exist; shifted, they meet 03:00 and 03:30 and fire with them.
    let found = times(&trigger, "2024-03-30T23:00:00Z", "2024-03-31T23:00:00Z");
    assert_eq!(found, ["2024-03-31T03:00:00+02:00", "2024-03-31T03:30:00+02:00"]);
}

#[test]
fn a_shifted_time_is_still_pending_after_a_regular_one() {
    let trigger = cron("cron(hour = \"2,3\", minute = \"0,15\", timezone = \"Europe/Berlin\")");
    let shifted = cron("cron(hour = 2, minute = 15, timezone = \"Europe/Berlin\")");
    assert_eq!(
        times(&trigger, "2024-03-31T01:00:00Z", "2024-03-31T02:00:00Z"),
        ["2024-03-31T03:15:00+02:00"]
    );
    // 03:00 has run; 02:15, now 03:15, must still come.
    assert_eq!(
        times(&shifted, "2024-03-31T01:00:00Z", "2024-03-31T02:00:00Z"),
        ["2024-03-31T03:15:00+02:00"]
    );
    assert_eq!(shifted.next_after(at("2024-03-31T01:15:00Z")), Some(at("2024-04-01T00:15:00Z")));
}

#[test]
fn by_the_wall_clock_a_gap_loses_and_a_repeat_repeats() {
    let trigger =
        cron("cron(hour = 2, minute = 30, timezone = \"Europe/Berlin\", dst = \"wall_clock\")");
    let spring = times(&trigger, "2024-03-30T12:00:00Z", "2024-04-01T12:00:00Z");
    assert_eq!(spring, ["2024-04-01T02:30:00+02:00"]);
    let autumn = times(&trigger, "2024-10-26T12:00:00Z", "2024-10-28T12:00:00Z");
    assert_eq!(
        autumn,
        ["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00", "2024-10-28T02:30:00+01:00"]
    );
}

#[test]
fn from_inside_either_pass_the_next_is_right() {
    let once = cron("cron(hour = \"1,2\", minute = \"0,40\", timezone = \"Europe/Berlin\")");
    for (after, next) in [
        ("2024-10-27T00:00:00Z", "2024-10-27T00:40:00Z"), // first 02:00, first 02:40
        ("2024-10-27T00:50:00Z", "2024-10-28T00:00:00Z"), // first 02:50
        ("2024-10-27T01:20:00Z", "2024-10-28T00:00:00Z"), // second 02:20
        ("2024-10-27T02:20:00Z", "2024-10-28T00:00:00Z"), // 03:20
    ] {
        assert_eq!(once.next_after(at(after)), Some(at(next)), "{after}");
    }
    let hourly = cron("cron(minute = 20, timezone = \"America/Denver\")");
    let found = times(&hourly, "2024-11-03T07:00:00Z", "2024-11-03T09:30:00Z");
    assert_eq!(
        found,
        ["2024-11-03T01:20:00-06:00", "2024-11-03T01:20:00-07:00", "2024-11-03T02:20:00-07:00"]
    );
}

#[test]
fn a_rare_schedule_finds_its_second_pass() {
    // The next match by the first pass's offset is years away; the second pass is an hour away.
    let trigger = cron(
        "cron(month = 10, day = 27, day_of_week = \"sun\", hour = 2, timezone = \"Europe/Berlin\", \
         dst = \"wall_clock\")",
    );
    assert_eq!(
        times(&trigger, "2024-10-27T00:00:00Z", "2030-12-31T00:00:00Z"),
        ["2024-10-27T02:00:00+01:00", "2030-10-27T02:00:00+02:00", "2030-10-27T02:00:00+01:00",]
    );
    let only = cron(
        "cron(year = 2024, month = 10, day = 27, hour = 2, timezone = \"Europe/Berlin\", \
         dst = \"wall_clock\")",
    );
    assert_eq!(only.next_after(at("2024-10-27T00:00:00Z")), Some(at("2024-10-27T01:00:00Z")));
    assert_eq!(only.next_after(at("2024-10-27T01:00:00Z")), None);
}

#[test]
fn a_day_that_a_zone_leaves_out_is_made_up_for() {
    // Samoa had no 30 December 2011.
    let daily = cron("cron(hour = 12, timezone = \"Pacific/Apia\")");
    assert_eq!(
        times(&daily, "2011-12-29T12:00:00Z", "2012-01-01T12:00:00Z"),
        ["2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00", "2012-01-01T12:00:00+14:00"]
    );
    let on_the_30th = cron("cron(day = 30, hour = 12, timezone = \"Pacific/Apia\")");
    assert_eq!(
        times(&on_the_30th, "2011-12-01T00:00:00Z", "2012-01-20T00:00:00Z"),
        ["2011-12-31T12:00:00+14:00"]
    );
}

#[test]
fn the_first_time_may_be_the_start_itself() {
    let trigger = cron("cron(hour = 9)");
    let nine = at("2024-01-01T09:00:00Z");
    assert_eq!(trigger.first_at_or_after(nine), Some(nine));
    assert_eq!(trigger.next_after(nine), Some(at("2024-01-02T09:00:00Z")));
    // Sub-seconds round up for "at or after", and do not hide the second itself from "after".
    let nanosecond = TimeDelta::nanoseconds(1);
    let tomorrow = Some(at("2024-01-02T09:00:00Z"));
    assert_eq!(trigger.first_at_or_after(nine + nanosecond), tomorrow);
    assert_eq!(trigger.next_after(nine - nanosecond), Some(nine));
    assert_eq!(trigger.next_after(nine + nanosecond), tomorrow);
}

#[test]
fn both_ends_of_the_window_count() {
    let trigger = cron(
        "cron(hour = 9, start_date = \"2024-01-02 09:00:00\", end_date = \"2024-01-04 09:00:00\")",
    );
    let found = times(&trigger, "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z");
    let expected =
        ["2024-01-02T09:00:00+00:00", "2024-01-03T09:00:00+00:00", "2024-01-04T09:00:00+00:00"];
    assert_eq!(found, expected);
    let tight = cron(
        "cron(hour = 9, start_date = \"2024-01-02 09:00:00.000001\", end_date = \"2024-01-04 08:59:59.999999\")",
    );
    let found = times(&tight, "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z");
    assert_eq!(found, ["2024-01-03T09:00:00+00:00"]);
}

#[test]
fn the_calendar_ends_with_9999() {
    for zone in ["UTC", "Pacific/Auckland", "America/Los_Angeles"] {
        let trigger = cron("cron(hour = 12)").with_timezone(zone).unwrap();
        let last = trigger.upcoming(at("9999-12-29T00:00:00Z")).last().unwrap();
        assert_eq!(last.naive_local().to_string(), "9999-12-31 12:00:00", "{zone}");
        let first = trigger.upcoming(DateTime::<Utc>::MIN_UTC).next().unwrap();
        assert_eq!(first.naive_local().to_string(), "1970-01-01 12:00:00", "{zone}");
        let all = trigger.between(DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        assert_eq!(all.clone().next(), Some(first.to_utc()));
        assert_eq!(all.clone().next_back(), Some(last.to_utc()));
        assert_eq!(trigger.next_after(DateTime::<Utc>::MAX_UTC), None);
        assert_eq!(trigger.first_at_or_after(DateTime::<Utc>::MAX_UTC), None);
    }
}

#[test]
fn both_ends_of_an_iterator_meet() {
    let trigger = cron("cron(minute = \"*/10\", timezone = \"Europe/Berlin\")");
    let mut slots = trigger.between(at("2024-10-27T00:00:00Z"), at("2024-10-27T01:00:00Z"));
    let mut seen = Vec::new();
    while let Some(front) = slots.next() {
        seen.push(front);
        seen.extend(slots.next_back());
    }
    assert_eq!((slots.next(), slots.next_back()), (None, None));
    seen.sort_unstable();
    let expected: Vec<_> =
        (1..=6).map(|n| at("2024-10-27T00:00:00Z") + TimeDelta::minutes(10 * n)).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_million_missed_seconds_cost_one_search() {
    let every_second: Trigger = "cron(second = \"*\")".parse().unwrap();
    let (after, now) = (at("1990-01-01T00:00:00Z"), at("2024-01-01T00:00:00Z"));
    let began = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(every_second.latest_between(after, now), Some(now));
        assert_eq!(every_second.between(after, now).rev().take(10).count(), 10);
    }
    // A billion seconds missed, a thousand times; far from any machine's noise.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn what_never_fires_is_found_out_soon() {
    let began = Instant::now();
    for fields in [
        "cron(month = 2, day = 30)",
        "cron(month = 6, week = 53)",
        "cron(month = 2, day = 30, timezone = \"Europe/Berlin\", dst = \"wall_clock\")",
        "cron(year = \"*/2\", month = 2, day = 30)",
        "cron(year = \"1971/2\", week = 53, month = 6)",
        "cron(month = \"4,6,9,11\", day = 31)",
        "cron(day = \"5th mon\", month = 2, week = 20)",
    ] {
        let trigger = cron(fields);
        assert_eq!(trigger.next_after(at("2024-01-01T00:00:00Z")), None, "{fields}");
        let all = trigger.between(DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        assert_eq!(all.clone().next_back(), None, "{fields}");
        assert!(trigger.check_fires().is_err(), "{fields}");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_date_fires_once() {
    let trigger = DateTrigger::parse("2009-11-06 16:30:05.5", "UTC").unwrap();
    let run = at("2009-11-06T16:30:05.5Z");
    assert_eq!(trigger.upcoming(at("2000-01-01T00:00:00Z")).count(), 1);
    assert_eq!(trigger.first_at_or_after(run), Some(run));
    assert_eq!(trigger.next_after(run), None);
    assert_eq!(trigger.latest_between(DateTime::<Utc>::MIN_UTC, run), Some(run));
    assert_eq!(trigger.latest_between(run, at("2030-01-01T00:00:00Z")), None);
}

#[test]
fn a_date_that_is_first_seen_fires_then() {
    let seen = at("2024-01-01T10:20:30.123456Z");
    let trigger = DateTrigger::when_first_seen();
    assert_eq!(trigger.first_at_or_after(seen), Some(seen));
    assert_eq!(trigger.next_after(seen - TimeDelta::days(1)), None);
    assert_eq!(trigger.anchored_at(seen).run_date(), Some(seen));
    let dated = DateTrigger::parse("2009-11-06", "UTC").unwrap();
    assert_eq!(dated.anchored_at(seen), dated);
}

#[test]
fn an_interval_counts_from_where_it_begins() {
    let free = IntervalTrigger::builder().minutes(10).build().unwrap();
    let seen = at("2024-01-01T10:00:00.25Z");
    let first = at("2024-01-01T10:10:01Z");
    assert_eq!(free.first_at_or_after(seen), Some(first));
    assert_eq!(free.next_after(first), Some(at("2024-01-01T10:20:01Z")));
    let anchored = free.anchored_at(seen);
    assert_eq!(anchored.start_date(), Some(first));
    assert_eq!(anchored.anchored_at(at("2030-01-01T00:00:00Z")), anchored);
    assert_eq!(anchored.first_at_or_after(at("2000-01-01T00:00:00Z")), Some(first));
    assert_eq!(
        anchored.latest_between(seen, at("2024-01-01T11:00:00Z")),
        Some(at("2024-01-01T10:50:01Z"))
    );
    assert_eq!(anchored.next_after(DateTime::<Utc>::MAX_UTC), None);
    assert_eq!(anchored.latest_between(DateTime::<Utc>::MIN_UTC, seen), None);
}

#[test]
fn an_interval_too_long_for_the_calendar_is_refused() {
    assert!(IntervalTrigger::builder().weeks(u32::MAX).build().is_err());
    let longest = IntervalTrigger::builder().weeks(520_000).build().unwrap();
    assert_eq!(longest.first_at_or_after(at("2024-01-01T00:00:00Z")), None);
}
