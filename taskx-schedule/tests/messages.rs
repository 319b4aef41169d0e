//! The words of every mistake: field, item, allowed numbers and what to write instead.

#![expect(clippy::unwrap_used, reason = "a test")]

use taskx_schedule::{
    CronField, CronTrigger, DateTrigger, IntervalTrigger, Misfire, Trigger, TriggerError,
    TriggerErrorKind as Kind, crontab_warning,
};

fn field(field: &str, text: &str) -> TriggerError {
    let field: CronField = field.parse().unwrap();
    CronTrigger::builder().field(field, text).build().unwrap_err()
}

#[test]
fn a_field_names_its_item_and_what_to_write() {
    for (name, text, kind, item, hint) in [
        ("hour", "0-24", Kind::OutOfRange, "0-24", "write `0-23`, or `*` for every hour"),
        ("hour", "24", Kind::OutOfRange, "24", "midnight is `0`"),
        ("hour", "20-30/2", Kind::OutOfRange, "20-30/2", "write `20-23/2`"),
        ("minute", "5,60 ,7", Kind::OutOfRange, "60", "the full hour is `0`"),
        ("second", "60", Kind::OutOfRange, "60", "the full minute is `0`"),
        ("year", "24", Kind::OutOfRange, "24", "write the year in full: `2024`"),
        ("day_of_week", "7", Kind::OutOfRange, "7", "Monday is 0 and Sunday is 6: write `sun`"),
        ("day_of_week", "0-7", Kind::OutOfRange, "0-7", "write `*`"),
        ("day_of_week", "fri-mon", Kind::ReversedRange, "fri-mon", "write `fri-sun,mon`"),
        ("month", "dec-jan", Kind::ReversedRange, "dec-jan", "write `dec,jan`"),
        ("hour", "22-3", Kind::ReversedRange, "22-3", "write `22-23,0-3`"),
        ("minute", "*/0", Kind::Step, "*/0", "write `*` for every one, or a step of at least 1"),
        ("minute", "*/60", Kind::Step, "*/60", "it would select 0 only: write `0`"),
        ("day", "4-6/3", Kind::Step, "4-6/3", "it would select 4 only: write `4`"),
        ("month", "january", Kind::UnknownName, "january", "write `jan`"),
        ("month", "jan,last", Kind::UnknownName, "last", "`last` belongs to `day`"),
        ("day_of_week", "thurs-fri", Kind::UnknownName, "thurs-fri", "write `thu-fri`"),
        ("day", "1, 3rd friday", Kind::UnknownName, "3rd friday", "write `3rd fri`"),
        ("day", "3 fri", Kind::Syntax, "3 fri", "write `3rd fri`"),
        ("day", "lastfri", Kind::Syntax, "lastfri", "write `last fri`"),
        ("day", "L", Kind::Syntax, "L", "write `last`"),
        ("day_of_week", "5#3", Kind::Syntax, "5#3", "the third Friday is `day = \"3rd fri\"`"),
        ("day_of_week", "mon-fri/2", Kind::Syntax, "mon-fri/2", "write `mon,wed,fri`"),
        ("month", "1-mar", Kind::Syntax, "1-mar", "write `jan-mar`"),
        ("minute", "1 - 5", Kind::Syntax, "1 - 5", "write `1-5` without blanks"),
        ("minute", "1,,2", Kind::Syntax, "", "there is a comma too many"),
        ("minute", " ", Kind::Syntax, "", "write `*` for all, or leave the field out"),
        ("minute", "?", Kind::Syntax, "?", "write `*`, or leave the field out"),
        ("hour", "9am", Kind::Syntax, "9am", "`hour` takes numbers only"),
    ] {
        let error = field(name, text);
        assert_eq!(error.field(), Some(name), "{error}");
        assert_eq!((error.kind(), error.item(), error.hint()), (kind, item, Some(hint)), "{error}");
        assert_eq!(error.input(), text);
    }
}

#[test]
fn a_hint_can_be_taken_at_its_word() {
    for (name, text) in [
        ("hour", "0-24"),
        ("hour", "20-30/2"),
        ("day_of_week", "fri-mon"),
        ("day_of_week", "sun-mon"),
        ("month", "nov-feb"),
        ("hour", "22-3"),
        ("day", "0-3"),
        ("minute", "*/60"),
        ("month", "december"),
        ("day", "2nd tuesday"),
        ("day", "3rdfri"),
        ("day", "last-2,5"),
        ("day_of_week", "mon-fri/2"),
        ("day_of_week", "mon-5"),
        ("month", "jan - mar"),
        ("month", "jan/2"),
        ("minute", "*/ 5"),
    ] {
        let error = field(name, text);
        let Some(hint) = error.hint() else {
            assert_eq!(text, "last-2,5", "{error}");
            continue;
        };
        let (_, advice) = hint.rsplit_once("write `").unwrap();
        let (advice, _) = advice.split_once('`').unwrap();
        let field: CronField = name.parse().unwrap();
        let built = CronTrigger::builder().field(field, advice).build();
        assert!(built.is_ok(), "{text}: {hint}: {built:?}");
    }
}

#[test]
fn the_whole_line_says_it_all() {
    for (text, line) in [
        (
            "cron(hour = \"24\")",
            "hour in \"cron(hour = \\\"24\\\")\": 24 is too high, `hour` takes 0..=23; midnight is \
             `0`",
        ),
        (
            "0 24 * * *",
            "hour in \"0 24 * * *\": 24 is too high, `hour` takes 0..=23; midnight is `0`",
        ),
        (
            "cron(weekday = \"mon\")",
            "\"cron(weekday = \\\"mon\\\")\": `cron` takes no `weekday`; did you mean \
             `day_of_week`?",
        ),
    ] {
        assert_eq!(text.parse::<Trigger>().unwrap_err().to_string(), line);
    }
    let error = CronTrigger::builder().minute("1,2,99").build().unwrap_err();
    let line = "minute = \"1,2,99\": 99 is too high, `minute` takes 0..=59";
    assert_eq!(error.to_string(), line);
}

#[test]
fn text_marks_the_place_in_the_whole() {
    for (text, kind, item) in [
        ("cron(hour = \"9\", minute = \"5,77\")", Kind::OutOfRange, "77"),
        ("cron(hour = 9, timezone = \"Europe/Pariss\")", Kind::Zone, "Europe/Pariss"),
        ("cron(hour = 9, start_date = \"2024-13-01\")", Kind::Date, "13"),
        ("cron(hour = 9, dst = \"ideal\")", Kind::Syntax, "ideal"),
        ("cron(hour = 9, jitter = 3)", Kind::UnknownField, "jitter"),
        ("cron(hour = 9, hour = 10)", Kind::Conflict, "hour"),
        ("cron(\"* * * * *\", \"* * * * *\")", Kind::Conflict, "* * * * *"),
        ("cron(\"* 24 * * *\", timezone = \"Asia/Tokyo\")", Kind::OutOfRange, "24"),
        ("cron(hour = 9", Kind::Syntax, ""),
        ("cron(hour 9)", Kind::Syntax, "9"),
        ("cron(hour = 9) x", Kind::Syntax, "x"),
        ("cron(hour = \"9)", Kind::Syntax, ""),
        ("crom(hour = 9)", Kind::Syntax, "crom"),
        ("date(run_date = \"2009-02-30\")", Kind::Date, "02-30"),
        ("date(rundate = \"2009-02-03\")", Kind::UnknownField, "rundate"),
        ("date(\"2009-02-03\")", Kind::Syntax, "2009-02-03"),
        ("interval(minute = 5)", Kind::UnknownField, "minute"),
        ("interval(minutes = 99999999999)", Kind::OutOfRange, "99999999999"),
        ("0 0 * * Mon-Fri,Foo", Kind::UnknownName, "Foo"),
        ("0 0 0 * * 1-8", Kind::OutOfRange, "1-8"),
        ("0 0 * Nov-Feb *", Kind::ReversedRange, "Nov-Feb"),
        ("0 0 * * 5-3", Kind::ReversedRange, "5-3"),
        ("0 */99 * * *", Kind::Step, "*/99"),
        ("0 0 L * *", Kind::Syntax, "L"),
        ("0 0 15W * *", Kind::Syntax, "15W"),
        ("*** * * * *", Kind::Syntax, "***"),
    ] {
        let error = text.parse::<Trigger>().unwrap_err();
        assert_eq!((error.kind(), error.item()), (kind, item), "{error}");
        assert_eq!(error.input(), text, "{error}");
    }
}

#[test]
fn what_is_missing_is_told() {
    let nothing = CronTrigger::builder().timezone("UTC");
    assert_eq!(nothing.check_given().unwrap_err().kind(), Kind::NoField);
    assert!(CronTrigger::builder().second("*").check_given().is_ok());
    assert_eq!(IntervalTrigger::builder().check_given().unwrap_err().kind(), Kind::NoField);
    assert!(IntervalTrigger::builder().seconds(1).check_given().is_ok());
    for text in ["cron()", "cron(timezone = \"UTC\")", "interval()"] {
        assert_eq!(text.parse::<Trigger>().unwrap_err().kind(), Kind::NoField, "{text}");
    }
    let four = CronTrigger::from_crontab("* * * *").unwrap_err();
    assert_eq!(four.kind(), Kind::PartCount);
    assert!(four.to_string().contains("5, 6 or 7 parts, not 4"), "{four}");
    let both = CronTrigger::builder().crontab("* * * * *").hour(5).build().unwrap_err();
    assert_eq!(both.kind(), Kind::Conflict);
}

#[test]
fn a_wrong_keyword_has_its_right_one() {
    for (wrong, right) in [
        ("weekday", "did you mean `day_of_week`?"),
        ("dow", "did you mean `day_of_week`?"),
        ("Month", "did you mean `month`?"),
        ("minutes", "did you mean `minute`?"),
        ("dom", "did you mean `day`?"),
    ] {
        assert_eq!(wrong.parse::<CronField>().unwrap_err().hint(), Some(right));
    }
    let error = "interval(minuts = 5)".parse::<IntervalTrigger>().unwrap_err();
    assert_eq!(error.hint(), Some("did you mean `minutes`?"));
    let error = "date(run_dat = \"2009-11-06\")".parse::<DateTrigger>().unwrap_err();
    assert_eq!(error.hint(), Some("did you mean `run_date`?"));
    assert_eq!("@dayly".parse::<Trigger>().unwrap_err().hint(), Some("did you mean `@daily`?"));
    assert_eq!("once".parse::<Misfire>().unwrap_err().field(), Some("misfire"));
}

#[test]
fn what_never_fires_says_why() {
    for (text, field, problem) in [
        ("cron(month = 2, day = 30)", "day", "no day has month = \"2\" and day = \"30\""),
        (
            "cron(month = 6, week = 53, hour = 5)",
            "week",
            "no day has month = \"6\" and week = \"53\"",
        ),
        (
            "cron(year = 2023, month = 2, day = 29)",
            "day",
            "no day has year = \"2023\" and month = \"2\" and day = \"29\"",
        ),
        (
            "cron(month = 1, day = \"1st mon\", day_of_week = \"fri\")",
            "day_of_week",
            "no day has day = \"1st mon\" and day_of_week = \"fri\"",
        ),
        (
            "cron(hour = 2, start_date = \"2025-01-01\", end_date = \"2024-01-01\")",
            "end_date",
            "start_date is after end_date",
        ),
        (
            "cron(year = 2020, start_date = \"2025-01-01\")",
            "start_date",
            "there is no fire time from start_date on",
        ),
        (
            "cron(year = 2020, end_date = \"2019-01-01\")",
            "end_date",
            "there is no fire time up to end_date",
        ),
        (
            "cron(year = 2024, month = 3, day = 31, hour = 2, timezone = \"Europe/Paris\", \
             dst = \"wall_clock\")",
            "dst",
            "the clock of Europe/Paris skips this time",
        ),
        (
            "interval(hours = 2, start_date = \"2025-01-01\", end_date = \"2024-01-01\")",
            "end_date",
            "start_date is after end_date",
        ),
    ] {
        let error = text.parse::<Trigger>().unwrap().check_fires().unwrap_err();
        assert_eq!(error.kind(), Kind::NeverFires);
        assert_eq!((error.field(), error.problem()), (Some(field), problem), "{text}");
    }
    for text in ["cron(month = 2, day = 29)", "cron(year = 2026, week = 53)", "interval(days = 1)"]
    {
        assert_eq!(text.parse::<Trigger>().unwrap().check_fires(), Ok(()), "{text}");
    }
}

#[test]
fn doubtful_crontab_text_is_warned_of() {
    for (text, item, hint) in [
        ("0 0 0 * * 2-6", "2-6", "write `Mon-Fri`"),
        ("0 0 0 * * Mon,7", "7", "write `Sat`"),
        ("0 0 0 * * 2-6/2 2030", "2-6/2", "write the days of `Mon-Fri/2` by name"),
        (
            "0 0 13 * 5",
            "5",
            "if both are to match, write the fields `day = \"13\", day_of_week = \"fri\"`; if \
             either, two schedules",
        ),
    ] {
        let warning = crontab_warning(text).unwrap();
        assert_eq!((warning.item(), warning.hint()), (item, Some(hint)), "{warning}");
        assert_eq!(warning.kind(), Kind::Doubtful);
        assert!(CronTrigger::from_crontab(text).is_ok(), "{text} is legal");
    }
    for text in ["0 0 13 * *", "0 0 * * 1-5", "0 0 0 * * Mon-Fri", "0 0 0 * * */2", "@daily", "x"] {
        assert_eq!(crontab_warning(text), None, "{text}");
    }
}
