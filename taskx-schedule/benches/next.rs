//! Finding the next fire time, side by side with the crates `cron` 0.17 and `croner` 4.
//!
//! `cargo bench -p taskx-schedule`. One iteration is one fire time of a chain that begins on
//! 2024-01-01 and begins again after a thousand: `upcoming` keeps the iterator, `next_after` asks
//! anew each time, as the crates' `after(..).next()` and `find_next_occurrence` do.

#![expect(clippy::expect_used, reason = "a bench")]

use std::hint::black_box;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use criterion::{Criterion, criterion_group, criterion_main};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use taskx_schedule::CronTrigger;

/// Name, the fields of ours, the text of the `cron` crate, that of `croner`.
type Schedule = (&'static str, &'static str, Option<&'static str>, &'static str);

const SCHEDULES: [Schedule; 7] = [
    ("every 5 minutes", "cron(minute = \"*/5\")", Some("0 */5 * * * *"), "0 */5 * * * *"),
    ("daily 02:30", "cron(hour = 2, minute = 30)", Some("0 30 2 * * *"), "0 30 2 * * *"),
    (
        "mon-fri 09:30",
        "cron(day_of_week = \"mon-fri\", hour = 9, minute = 30)",
        Some("0 30 9 * * Mon-Fri"),
        "0 30 9 * * 1-5",
    ),
    (
        "third Friday",
        "cron(month = \"6-8,11-12\", day = \"3rd fri\", hour = \"0-3\")",
        Some("0 0 0-3 15-21 6-8,11-12 Fri"),
        "0 0 0-3 * 6-8,11-12 FRI#3",
    ),
    ("29 February", "cron(month = 2, day = 29)", Some("0 0 0 29 2 *"), "0 0 0 29 2 *"),
    ("every second", "cron(second = \"*\")", Some("* * * * * *"), "* * * * * *"),
    ("last day 18:00", "cron(day = \"last\", hour = 18)", None, "0 0 18 L * *"),
];

const ZONES: [Tz; 2] = [Tz::UTC, Tz::Europe__Berlin];

fn begin(zone: Tz) -> DateTime<Tz> {
    DateTime::from_timestamp(1_704_067_200, 0).expect("2024-01-01").with_timezone(&zone)
}

/// Walks a chain of times, from the beginning again after a thousand.
struct Chain {
    begin: DateTime<Tz>,
    at: DateTime<Tz>,
    left: u32,
}

impl Chain {
    fn new(zone: Tz) -> Self {
        Self { begin: begin(zone), at: begin(zone), left: 1_000 }
    }

    fn step(&mut self, next: impl FnOnce(&DateTime<Tz>) -> Option<DateTime<Tz>>) {
        let found = if self.left == 0 { None } else { next(&self.at) };
        self.left = self.left.saturating_sub(1);
        match found {
            Some(found) => self.at = found,
            None => (self.at, self.left) = (self.begin, 1_000),
        }
    }
}

fn next(criterion: &mut Criterion) {
    for (name, fields, crate_text, croner_text) in SCHEDULES {
        let ours: CronTrigger = fields.parse().expect("a trigger");
        for zone in ZONES {
            let ours = ours.clone().with_timezone(zone.name()).expect("a zone");
            let mut group = criterion.benchmark_group(format!("next/{name}/{}", zone.name()));
            group.bench_function("taskx upcoming", |bencher| {
                let from = begin(zone).to_utc();
                let mut upcoming = ours.upcoming(from);
                let mut left = 1_000;
                bencher.iter(|| {
                    left -= 1;
                    if left == 0 {
                        (upcoming, left) = (ours.upcoming(from), 1_000);
                    }
                    black_box(upcoming.next())
                });
            });
            group.bench_function("taskx next_after", |bencher| {
                let from = begin(zone).to_utc();
                let (mut at, mut left) = (from, 1_000);
                bencher.iter(|| {
                    left -= 1;
                    if left == 0 {
                        (at, left) = (from, 1_000);
                    }
                    at = ours.next_after(black_box(at)).unwrap_or(from);
                });
            });
            if let Some(text) = crate_text {
                let theirs: cron::Schedule = text.parse().expect("a schedule");
                group.bench_function("cron after", |bencher| {
                    let mut chain = Chain::new(zone);
                    bencher.iter(|| chain.step(|at| theirs.after(at).next()));
                });
                group.bench_function("cron upcoming", |bencher| {
                    let mut upcoming = theirs.after(&begin(zone));
                    let mut left = 1_000;
                    bencher.iter(|| {
                        left -= 1;
                        let found = upcoming.next();
                        if left == 0 || found.is_none() {
                            (upcoming, left) = (theirs.after(&begin(zone)), 1_000);
                        }
                        black_box(found)
                    });
                });
            }
            let theirs = croner(croner_text);
            group.bench_function("croner", |bencher| {
                let mut chain = Chain::new(zone);
                bencher.iter(|| chain.step(|at| theirs.find_next_occurrence(at, false).ok()));
            });
            group.finish();
        }
    }
}

fn croner(text: &str) -> Cron {
    CronParser::builder()
        .seconds(Seconds::Optional)
        .dom_and_dow(true)
        .build()
        .parse(text)
        .expect("a pattern")
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse/mon-fri 09:30");
    group.bench_function("taskx fields", |bencher| {
        bencher.iter(|| {
            let builder = CronTrigger::builder().day_of_week("mon-fri").hour(9).minute(30);
            black_box(builder.build())
        });
    });
    group.bench_function("taskx text", |bencher| {
        let text = "cron(day_of_week = \"mon-fri\", hour = \"9\", minute = \"30\")";
        bencher.iter(|| black_box(text).parse::<CronTrigger>());
    });
    group.bench_function("taskx crontab", |bencher| {
        bencher.iter(|| CronTrigger::from_crontab(black_box("0 30 9 * * Mon-Fri")));
    });
    group.bench_function("cron", |bencher| {
        bencher.iter(|| black_box("0 30 9 * * Mon-Fri").parse::<cron::Schedule>());
    });
    group.bench_function("croner", |bencher| {
        bencher.iter(|| croner(black_box("0 30 9 * * 1-5")));
    });
    group.finish();
}

fn never(criterion: &mut Criterion) {
    let from: DateTime<Utc> = begin(Tz::UTC).to_utc();
    let mut group = criterion.benchmark_group("never");
    for (name, fields) in [
        ("30 February", "cron(month = 2, day = 30)"),
        ("week 53 in June", "cron(month = 6, week = 53)"),
    ] {
        let ours: CronTrigger = fields.parse().expect("a trigger");
        group.bench_function(format!("taskx {name}"), |bencher| {
            bencher.iter(|| black_box(&ours).next_after(from));
        });
    }
    let theirs: cron::Schedule = "0 0 0 30 2 *".parse().expect("a schedule");
    group.bench_function("cron 30 February", |bencher| {
        bencher.iter(|| theirs.after(&begin(Tz::UTC)).next());
    });
    group.finish();
}

/// The latest of a year of missed seconds, which the schedule loop asks for after a stop.
fn missed(criterion: &mut Criterion) {
    let ours: CronTrigger = "cron(second = \"*\")".parse().expect("a trigger");
    let (after, now) = (begin(Tz::UTC).to_utc(), begin(Tz::UTC).to_utc());
    let now = now + chrono::TimeDelta::days(365);
    let mut group = criterion.benchmark_group("missed");
    group.bench_function("latest of 31 million", |bencher| {
        bencher.iter(|| ours.latest_between(black_box(after), black_box(now)));
    });
    group.finish();
}

criterion_group!(benches, next, parse, never, missed);
criterion_main!(benches);
