//! Triggers as text, as English and as JSON.

use chrono::{DateTime, Utc};
use taskx_schedule::{CronTrigger, DateTrigger, Dst, IntervalTrigger, Misfire, Trigger};

#[test]
fn canonical_text_is_short_and_read_back() {
    for (written, canonical) in [
        ("* * * * *", "cron(minute = \"*\")"),
        ("@yearly", "cron(year = \"*\")"),
        ("@weekly", "cron(day_of_week = \"sun\")"),
        ("0 9 * * 1-5", "cron(day_of_week = \"mon-fri\", hour = \"9\")"),
        ("0 9 * * Fri-Sun", "cron(day_of_week = \"fri-sun\", hour = \"9\")"),
        ("0 0 0 * * 2-6", "cron(day_of_week = \"mon-fri\")"),
        ("cron(hour=\"*\")", "cron(hour = \"*\")"),
        (" cron ( minute = 05 , ) ", "cron(minute = \"5\")"),
        ("cron(minute = \"0,15,30,45\", second = 0)", "cron(minute = \"*/15\")"),
        ("cron(minute = \"0-59\", second = 0)", "cron(minute = \"*\")"),
        (
            "cron(minute = \"7/20\", hour = \"1,2,3,9\")",
            "cron(hour = \"1-3,9\", minute = \"7/20\")",
        ),
        ("cron(second = \"*\")", "cron(second = \"*\")"),
        ("cron(day = \"LAST, 1ST  mon,31,*\")", "cron(day = \"*\")"),
        ("cron(day = \"last fri,2,last,1st MON\")", "cron(day = \"2,1st mon,last fri,last\")"),
        ("cron(day_of_week = \"0,2,4\")", "cron(day_of_week = \"mon,wed,fri\")"),
        ("cron(month = \"jun-aug,11-12\")", "cron(month = \"6-8,11,12\")"),
        ("cron(year = \"2024/4\", hour = 0)", "cron(year = \"2024/4\", day = \"*\")"),
        ("cron(week = 3, day_of_week = \"*\")", "cron(week = \"3\")"),
        (
            "cron(\"0 9 * * *\", timezone = \"Asia/Tokyo\", dst = \"wall_clock\")",
            "cron(hour = \"9\", timezone = \"Asia/Tokyo\", dst = \"wall_clock\")",
        ),
        (
            "cron(hour = 9, start_date = \"2024-01-01 00:00:00Z\", timezone = \"Asia/Tokyo\")",
            "cron(hour = \"9\", timezone = \"Asia/Tokyo\", start_date = \"2024-01-01 09:00:00\")",
        ),
        ("date(run_date = \"2009-11-6\")", "date(run_date = \"2009-11-06\")"),
        ("date()", "date()"),
        (
            "interval(minutes = 10080, seconds = 61)",
            "interval(weeks = 1, minutes = 1, seconds = 1)",
        ),
        (
            "interval(hours = 24, start_date = \"2024-01-01\")",
            "interval(days = 1, start_date = \"2024-01-01\")",
        ),
    ] {
        let trigger: Trigger = written.parse().unwrap();
        assert_eq!(trigger.to_string(), canonical, "{written}");
        assert_eq!(canonical.parse::<Trigger>(), Ok(trigger), "{written}");
    }
}

#[test]
fn each_kind_reads_its_own_text_only() {
    assert!("interval(hours = 1)".parse::<CronTrigger>().is_err());
    assert!("cron(hour = 1)".parse::<DateTrigger>().is_err());
    assert!("date()".parse::<IntervalTrigger>().is_err());
    assert_eq!("2009-11-06".parse::<DateTrigger>(), DateTrigger::parse("2009-11-06", "UTC"));
}

#[test]
fn json_is_the_text() {
    let trigger: Trigger = "cron(day = \"3rd fri\", timezone = \"Europe/Paris\")".parse().unwrap();
    let json = serde_json::to_string(&trigger).unwrap();
    assert_eq!(json, r#""cron(day = \"3rd fri\", timezone = \"Europe/Paris\")""#);
    assert_eq!(serde_json::from_str::<Trigger>(&json).unwrap(), trigger);
    // From a value too, whose strings cannot be borrowed.
    let value = serde_json::to_value(&trigger).unwrap();
    assert_eq!(serde_json::from_value::<CronTrigger>(value).unwrap(), {
        let Trigger::Cron(cron) = trigger else { unreachable!() };
        cron
    });
    let wrong = serde_json::from_str::<IntervalTrigger>("\"interval(hours = 0)\"").unwrap_err();
    assert!(wrong.to_string().contains("the interval has no length"), "{wrong}");
    assert_eq!(serde_json::to_string(&Misfire::All { max: 5 }).unwrap(), "\"all(5)\"");
}

#[test]
fn misfire_policies_have_words() {
    for (text, misfire) in [
        ("skip", Misfire::Skip),
        ("latest", Misfire::Latest),
        ("all", Misfire::All { max: Misfire::DEFAULT_MAX }),
        ("all(50)", Misfire::All { max: 50 }),
    ] {
        assert_eq!(text.parse(), Ok(misfire));
        assert_eq!(misfire.to_string(), text);
    }
    for wrong in ["", "All", "all()", "all(0)", "all(-1)", "coalesce"] {
        assert!(wrong.parse::<Misfire>().is_err(), "{wrong}");
    }
}

#[test]
fn descriptions_are_english() {
    for (text, english) in [
        ("* * * * *", "every minute, UTC"),
        ("*/5 * * * *", "every 5 minutes, UTC"),
        ("20 * * * *", "at minute 20 past every hour, UTC"),
        ("*/7 * * * *", "at minutes 0 to 56 in steps of 7 past every hour, UTC"),
        ("0 * * * *", "every hour, UTC"),
        ("0 */2 * * *", "every 2 hours, UTC"),
        ("0 9-17 * * *", "every hour from 09:00 to 17:00, UTC"),
        ("0 0-16/2 * * *", "every 2 hours from 00:00 to 16:00, UTC"),
        ("0 1-5,9-11 * * *", "on the hour, hours 1 to 5 and 9 to 11, UTC"),
        ("30 9 * * *", "at 09:30 every day, UTC"),
        ("30 9 * * Mon-Fri", "at 09:30 on Monday to Friday, UTC"),
        ("*/15 9-17 * * *", "every 15 minutes of the hours 9 to 17, UTC"),
        ("3,33 9-17 * * *", "at minutes 3 and 33 past the hours 9 to 17, UTC"),
        ("*/10 * * * * *", "every 10 seconds, UTC"),
        ("* * * * * *", "every second, UTC"),
        ("30 * * * * *", "at second 30 of every minute, UTC"),
        ("30 * 9-17 * * *", "at second 30 of every minute of the hours 9 to 17, UTC"),
        ("5,10 20 * * * *", "at seconds 5 and 10 of minute 20 past every hour, UTC"),
        ("0 0 1,15 * *", "at 00:00 on the 1st and the 15th of every month, UTC"),
        ("0 0 13 6 Fri", "at 00:00 on the 13th of June if that is a Friday, UTC"),
        ("@yearly", "at 00:00 on the 1st of January, UTC"),
        (
            "cron(month = \"1-3\", day_of_week = \"sat,sun\")",
            "at 00:00 on Saturday and Sunday in January to March, UTC",
        ),
        ("cron(week = \"1,53\", year = 2026)", "at 00:00 in ISO weeks 1 and 53 in 2026, UTC"),
        (
            "cron(day = \"1st mon,last fri,last\", hour = 18, timezone = \"America/New_York\")",
            "at 18:00 on the first Monday, the last Friday and the last day of every month, New \
             York time",
        ),
        (
            "cron(hour = 2, timezone = \"Europe/Paris\", start_date = \"2024-01-01\", \
             end_date = \"2024-12-31 12:00:00\", dst = \"wall_clock\")",
            "at 02:00 every day, from 2024-01-01, until 2024-12-31 12:00:00, Paris time, strictly \
             by the wall clock",
        ),
        ("cron(hour = 2, timezone = \"Etc/GMT+7\")", "at 02:00 every day, GMT+7"),
        ("date(run_date = \"2009-11-06\")", "once, at 2009-11-06, UTC"),
        ("date()", "once, when it is first seen"),
        ("interval(hours = 1)", "every hour"),
        ("interval(days = 2, minutes = 1)", "every 2 days and 1 minute"),
        (
            "interval(seconds = 10, end_date = \"2024-01-01\")",
            "every 10 seconds, until 2024-01-01, UTC",
        ),
    ] {
        assert_eq!(text.parse::<Trigger>().unwrap().describe(), english, "{text}");
    }
}

#[test]
fn builders_take_numbers_text_and_instants() {
    let start: DateTime<Utc> = "2024-01-01T00:00:00.5Z".parse().unwrap();
    let end: DateTime<Utc> = "2024-01-02T00:00:00.0000001Z".parse().unwrap();
    let by_number = CronTrigger::builder().hour(5_u8).minute(30).start_at(start).end_at(end);
    let by_text = CronTrigger::builder()
        .hour("5")
        .minute(String::from("30"))
        .start_date("2024-01-01 00:00:00.5")
        .end_date("2024-01-02");
    assert_eq!(by_number.clone().build(), by_text.build());
    let trigger = by_number.build().unwrap();
    assert_eq!(trigger.start_date(), Some(start));
    assert_eq!(trigger.end_date(), "2024-01-02T00:00:00Z".parse().ok());
    assert_eq!(trigger.with_dst(Dst::WallClock).dst(), Dst::WallClock);
}
