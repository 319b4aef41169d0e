//! Properties of random triggers in random zones, near changes of the clock more often than not:
//! fire times increase, match by a naive second opinion, and leave nothing out.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

mod naive;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use naive::{Item, Pattern};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use taskx_schedule::{CronField, CronTrigger, DateTrigger, Dst, IntervalTrigger, Trigger};

/// Zones, each with an instant at which its clock changes: whole hours, half hours, at midnight,
/// by a day, by seven hours, and none.
const CHANGES: [(Tz, &str); 16] = [
    (Tz::UTC, "2024-02-29T00:00:00Z"),
    (Tz::Europe__Berlin, "2024-03-31T01:00:00Z"),
    (Tz::Europe__Berlin, "2024-10-27T01:00:00Z"),
    (Tz::America__New_York, "2021-11-07T06:00:00Z"),
    (Tz::America__Sao_Paulo, "2018-11-04T03:00:00Z"),
    (Tz::America__St_Johns, "2006-10-29T02:31:00Z"),
    (Tz::Australia__Lord_Howe, "2024-10-05T15:30:00Z"),
    (Tz::Australia__Lord_Howe, "2024-04-06T15:00:00Z"),
    (Tz::Pacific__Chatham, "2024-04-06T14:00:00Z"),
    (Tz::Pacific__Apia, "2011-12-30T10:00:00Z"),
    (Tz::Pacific__Kwajalein, "1993-08-21T12:00:00Z"),
    (Tz::Antarctica__Vostok, "1994-01-31T17:00:00Z"),
    (Tz::America__Caracas, "2016-05-01T07:00:00Z"),
    (Tz::Asia__Pyongyang, "2018-05-04T15:00:00Z"),
    (Tz::Africa__Casablanca, "2019-05-05T02:00:00Z"),
    (Tz::America__Havana, "2024-03-10T05:00:00Z"),
];

fn item(field: CronField) -> BoxedStrategy<Item> {
    let (min, max) = field.range().into_inner();
    // Years near the instants that are searched, or most patterns would be over.
    let (low, high) = if field == CronField::Year { (1990, 2040) } else { (min, max) };
    let numeric = prop_oneof![
        2 => Just(Item::All { step: None }),
        2 => (1..=(max - min).min(30)).prop_map(|step| Item::All { step: Some(step) }),
        4 => (low..=high).prop_map(Item::One),
        2 => (low..high).prop_flat_map(move |first| {
            (Just(first), 1..=(max - first).min(30))
        }).prop_map(|(first, step)| Item::From { first, step }),
        4 => (low..high).prop_flat_map(move |first| (Just(first), first + 1..=high))
            .prop_flat_map(|(first, last)| {
                (Just(first), Just(last), proptest::option::of(1..=last - first))
            })
            .prop_map(|(first, last, step)| Item::Range { first, last, step }),
    ];
    if field == CronField::Day {
        prop_oneof![
            3 => numeric,
            1 => (1_u32..=5, 0_u32..7).prop_map(|(nth, weekday)| Item::Nth { nth, weekday }),
            1 => (0_u32..7).prop_map(|weekday| Item::LastOf { weekday }),
            1 => Just(Item::LastDay),
        ]
        .boxed()
    } else {
        numeric.boxed()
    }
}

prop_compose! {
    fn pattern()(
        fields in subsequence(CronField::ALL.to_vec(), 1..=4),
    )(
        items in fields.iter().map(|field| vec(item(*field), 1..=3)).collect::<Vec<_>>(),
        fields in Just(fields),
        place in select(CHANGES.to_vec()),
        wall_clock in any::<bool>(),
        seconds in prop_oneof![2 => -9_000_i64..3_600, 1 => -100_000_i64..100_000],
        nanos in prop_oneof![Just(0_i64), 0_i64..1_000_000_000],
    ) -> (Pattern, DateTime<Utc>) {
        let (zone, change) = place;
        let dst = if wall_clock { Dst::WallClock } else { Dst::Rfc };
        let change: DateTime<Utc> = change.parse().unwrap();
        let from = change + TimeDelta::seconds(seconds) + TimeDelta::nanoseconds(nanos);
        (Pattern { fields: fields.into_iter().zip(items).collect(), zone, dst }, from)
    }
}

fn build(pattern: &Pattern) -> CronTrigger {
    pattern.builder().build().unwrap()
}

proptest! {
    #[test]
    fn every_second_of_a_window_is_as_the_naive_says((pattern, from) in pattern()) {
        let trigger = build(&pattern);
        let until = from + TimeDelta::hours(2);
        let found: Vec<_> = trigger.between(from, until).collect();
        let offsets = pattern.offsets(from, until);
        let first = from.timestamp() + 1;
        let mut expected = Vec::new();
        for second in first..=until.timestamp() {
            let at = DateTime::from_timestamp(second, 0).unwrap();
            if pattern.fires_by(&offsets, at) {
                expected.push(at);
            }
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn fire_times_increase_and_match((pattern, from) in pattern()) {
        let trigger = build(&pattern);
        let mut last = None;
        for at in trigger.upcoming(from).take(40) {
            prop_assert!(at >= from);
            prop_assert!(last.is_none_or(|last| at > last), "{:?} then {:?}", last, at);
            prop_assert!(pattern.fires(at.to_utc()), "{:?}", at);
            prop_assert_eq!(at, at.to_utc().with_timezone(&pattern.zone));
            last = Some(at);
        }
    }

    #[test]
    fn no_matching_day_is_left_out((pattern, from) in pattern()) {
        let trigger = build(&pattern);
        let times: Vec<_> = trigger.upcoming(from).take(12).collect();
        for pair in times.windows(2) {
            let (first, second) = (pair[0].naive_local().date(), pair[1].naive_local().date());
            // The days next to a change are those of the other properties.
            let mut day = first.succ_opt().unwrap().succ_opt().unwrap();
            let end = second.pred_opt().unwrap().pred_opt().unwrap();
            for _ in 0..4_000 {
                if day >= end {
                    break;
                }
                let matches = pattern.date_matches(day.and_hms_opt(0, 0, 0).unwrap());
                // By the wall clock a gap may take the only times of a day.
                let lost = pattern.dst == Dst::WallClock && pattern.zone != Tz::UTC;
                prop_assert!(!matches || lost, "{day} between {:?}", pair);
                day = day.succ_opt().unwrap();
            }
        }
    }

    #[test]
    fn backward_is_forward_reversed((pattern, from) in pattern(), hours in 1_i64..100_000) {
        let trigger = build(&pattern);
        let forward: Vec<_> = trigger.upcoming(from).take(30).map(|at| at.to_utc()).collect();
        if let Some(last) = forward.last() {
            let just_before = from - TimeDelta::microseconds(1);
            let mut backward: Vec<_> = trigger.between(just_before, *last).rev().collect();
            backward.reverse();
            prop_assert_eq!(&backward, &forward);
        }
        // The latest of a long time is a fire time, and none follows it within that time.
        let until = from + TimeDelta::hours(hours);
        match trigger.latest_between(from, until) {
            Some(latest) => {
                prop_assert!(pattern.fires(latest) && latest > from && latest <= until);
                prop_assert!(trigger.next_after(latest).is_none_or(|next| next > until));
            }
            None => prop_assert!(trigger.next_after(from).is_none_or(|next| next > until)),
        }
    }

    #[test]
    fn text_json_and_numbers_give_the_trigger_back(
        (pattern, from) in pattern(),
        start in proptest::option::of(-1_000_000_000_000_i64..1_000_000_000_000),
        end in proptest::option::of(-1_000_000_000_000_i64..1_000_000_000_000),
    ) {
        let mut builder = pattern.builder();
        if let Some(start) = start {
            builder = builder.start_at(from + TimeDelta::microseconds(start));
        }
        if let Some(end) = end {
            builder = builder.end_at(from + TimeDelta::microseconds(end));
        }
        let trigger = builder.build().unwrap();
        let text = trigger.to_string();
        prop_assert_eq!(text.parse::<CronTrigger>(), Ok(trigger.clone()), "{}", text);
        let json = serde_json::to_string(&trigger).unwrap();
        prop_assert_eq!(serde_json::from_str::<CronTrigger>(&json).unwrap(), trigger.clone());
        prop_assert!(!trigger.describe().is_empty());
        let trigger = Trigger::from(trigger);
        prop_assert_eq!(trigger.parts().trigger(), Ok(trigger));
    }

    #[test]
    fn dates_and_intervals_give_themselves_back(
        micros in -62_100_000_000_000_000_i64..253_300_000_000_000_000,
        seconds in 0_u32..10_000_000,
        place in select(CHANGES.to_vec()),
    ) {
        let at = DateTime::from_timestamp_micros(micros).unwrap();
        let zone = place.0.name();
        let date = DateTrigger::parse(&at.format("%Y-%m-%d %H:%M:%S%.6fZ").to_string(), zone).unwrap();
        prop_assert_eq!(date.run_date(), Some(at));
        prop_assert_eq!(date.to_string().parse::<DateTrigger>(), Ok(date), "{}", date);
        let builder = IntervalTrigger::builder().seconds(seconds).timezone(zone).start_at(at);
        let interval = builder.build().unwrap();
        let text = interval.to_string();
        prop_assert_eq!(text.parse::<IntervalTrigger>(), Ok(interval), "{}", text);
    }

    #[test]
    fn an_interval_is_a_ladder(
        start in 0_i64..2_000_000_000,
        length in 1_u32..1_000_000,
        from in 0_i64..2_000_000_000,
        span in 0_i64..5_000_000,
    ) {
        let second = |second| DateTime::from_timestamp(second, 0).unwrap();
        let interval =
            IntervalTrigger::builder().seconds(length).start_at(second(start)).build().unwrap();
        let (length, until) = (i64::from(length), from + span);
        let rungs: Vec<_> = (0..)
            .map(|rung| start + ((from - start).max(0) / length + rung) * length)
            .skip_while(|at| *at <= from)
            .take_while(|at| *at <= until)
            .take(50)
            .map(second)
            .collect();
        let found: Vec<_> = interval.between(second(from), second(until)).take(50).collect();
        prop_assert_eq!(found, rungs);
    }

    #[test]
    fn no_text_at_all_makes_a_parser_fall(text in "\\PC{0,40}", near in "[a-z0-9*/, =\"()\\-@#?:]{0,40}") {
        for text in [text, format!("cron({near})"), near] {
            if let Ok(trigger) = text.parse::<Trigger>() {
                prop_assert_eq!(trigger.to_string().parse(), Ok(trigger));
            }
            for field in CronField::ALL {
                if let Err(error) = CronTrigger::builder().field(field, &text).build() {
                    prop_assert!(error.input().get(error.span()).is_some());
                }
            }
            if let Err(error) = DateTrigger::parse(&text, "UTC") {
                prop_assert!(error.input().get(error.span()).is_some());
            }
        }
    }
}
