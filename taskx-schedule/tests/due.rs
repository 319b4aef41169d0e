//! What runs of what was missed.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use chrono::{DateTime, Utc};
use taskx_schedule::{DueRule, Misfire, Trigger};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn trigger(text: &str) -> Trigger {
    text.parse().unwrap()
}

fn rule(misfire: Misfire) -> DueRule {
    DueRule { misfire, ..DueRule::default() }
}

#[test]
fn nothing_is_due_before_its_time() {
    let due = trigger("0 9 * * *").due(
        at("2024-01-01T09:00:00Z"),
        at("2024-01-02T08:59:59.999999Z"),
        &DueRule::default(),
    );
    assert!(due.run.is_empty());
    assert_eq!((due.missed, due.position), (None, None));
    assert_eq!(due.next, Some(at("2024-01-02T09:00:00Z")));
}

#[test]
fn the_latest_runs_and_the_others_are_left_out() {
    let due = trigger("*/10 * * * *").due(
        at("2024-01-01T09:00:00Z"),
        at("2024-01-01T09:35:00Z"),
        &rule(Misfire::Latest),
    );
    assert_eq!(due.run, [at("2024-01-01T09:30:00Z")]);
    assert_eq!(due.missed, Some(at("2024-01-01T09:20:00Z")));
    assert_eq!(due.position, Some(at("2024-01-01T09:30:00Z")));
    assert_eq!(due.next, Some(at("2024-01-01T09:40:00Z")));
}

#[test]
fn all_run_oldest_first_within_grace_and_number() {
    let every_ten = trigger("*/10 * * * *");
    let (after, now) = (at("2024-01-01T09:00:00Z"), at("2024-01-01T09:35:00Z"));
    let all = every_ten.due(after, now, &rule(Misfire::All { max: 9 }));
    assert_eq!(
        all.run,
        [at("2024-01-01T09:10:00Z"), at("2024-01-01T09:20:00Z"), at("2024-01-01T09:30:00Z")]
    );
    assert_eq!(all.missed, None);
    let two = every_ten.due(after, now, &rule(Misfire::All { max: 2 }));
    assert_eq!(two.run, [at("2024-01-01T09:20:00Z"), at("2024-01-01T09:30:00Z")]);
    assert_eq!(two.missed, Some(at("2024-01-01T09:10:00Z")));
    // Exactly as late as the grace allows is not too late.
    let grace = Duration::from_secs(15 * 60);
    let graced = DueRule { grace, ..rule(Misfire::All { max: 9 }) };
    assert_eq!(every_ten.due(after, now, &graced).run.first(), Some(&at("2024-01-01T09:20:00Z")));
}

#[test]
fn what_is_too_late_is_missed_and_passed_by() {
    for misfire in [Misfire::Skip, Misfire::Latest, Misfire::All { max: 5 }] {
        let due = trigger("0 9 * * *").due(
            at("2024-01-01T09:00:00Z"),
            at("2024-01-05T12:00:00Z"),
            &rule(misfire),
        );
        assert!(due.run.is_empty(), "{misfire}");
        assert_eq!(due.missed, Some(at("2024-01-05T09:00:00Z")), "{misfire}");
        assert_eq!(due.position, due.missed, "{misfire}");
        assert_eq!(due.next, Some(at("2024-01-06T09:00:00Z")), "{misfire}");
    }
}

#[test]
fn skip_runs_what_is_on_time_only() {
    let hourly = trigger("0 * * * *");
    let after = at("2024-01-01T08:00:00Z");
    let on_time = hourly.due(after, at("2024-01-01T09:00:10Z"), &rule(Misfire::Skip));
    assert_eq!(on_time.run, [at("2024-01-01T09:00:00Z")]);
    let late = hourly.due(after, at("2024-01-01T09:00:10.000001Z"), &rule(Misfire::Skip));
    assert!(late.run.is_empty());
    assert_eq!(late.missed, Some(at("2024-01-01T09:00:00Z")));
}

#[test]
fn a_past_date_runs_within_its_grace_or_is_missed() {
    let date = trigger("date(run_date = \"2024-01-01\")");
    let first_seen = at("2024-01-01T12:00:00Z");
    let day = DueRule { grace: Duration::from_secs(86_400), ..DueRule::default() };
    let position = date.first_position(first_seen);
    let due = date.due(position, first_seen, &day);
    assert_eq!(due.run, [at("2024-01-01T00:00:00Z")]);
    assert_eq!(due.next, None);
    let again = date.due(due.position.unwrap(), first_seen, &day);
    assert_eq!((again.run.len(), again.missed), (0, None));
    let late = date.due(position, at("2024-02-01T00:00:00Z"), &day);
    assert!(late.run.is_empty());
    assert_eq!(late.missed, Some(at("2024-01-01T00:00:00Z")));
}

#[test]
fn a_schedule_begins_where_it_is_first_seen() {
    let seen = at("2024-01-01T09:00:00Z");
    let hourly = trigger("0 * * * *");
    let due = hourly.due(hourly.first_position(seen), seen, &DueRule::default());
    assert_eq!(due.run, [seen], "now itself counts");
    let interval = trigger("interval(hours = 1)").anchored_at(seen);
    let due = interval.due(interval.first_position(seen), seen, &DueRule::default());
    assert!(due.run.is_empty());
    assert_eq!(due.next, Some(at("2024-01-01T10:00:00Z")));
}

#[test]
fn an_interval_without_a_beginning_counts_from_its_position() {
    let interval = trigger("interval(minutes = 10)");
    let position = at("2024-01-01T09:00:03Z");
    let due = interval.due(position, at("2024-01-01T09:35:00Z"), &DueRule::default());
    assert_eq!(due.run, [at("2024-01-01T09:30:03Z")]);
    assert_eq!(due.next, Some(at("2024-01-01T09:40:03Z")));
    let none = interval.due(position, at("2024-01-01T09:05:00Z"), &DueRule::default());
    assert_eq!((none.run.len(), none.next), (0, Some(at("2024-01-01T09:10:03Z"))));
}

#[test]
fn a_clock_set_back_runs_nothing_twice() {
    let due = trigger("* * * * *").due(
        at("2024-01-01T10:00:00Z"),
        at("2024-01-01T09:00:00Z"),
        &DueRule::default(),
    );
    assert!(due.run.is_empty());
    assert_eq!(due.position, None);
    assert_eq!(due.next, Some(at("2024-01-01T10:01:00Z")));
}
