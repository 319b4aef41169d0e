//! What needs no database: triggers, completions, manual pages, help; and a database that is not
//! there.

use std::fs;

use serde_json::Value;

use crate::bench::taskx;

/// What a command prints when it succeeds, in an empty folder.
fn text(line: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = taskx(folder.path()).args(line).assert().success().get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

/// What a command complains of.
fn complaint(line: &[&str], code: i32) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = taskx(folder.path()).args(line).assert().code(code).get_output().clone();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn fire_times_are_shown() {
    let line = [
        "cron",
        "next",
        "--month",
        "6-8,11-12",
        "--day",
        "3rd fri",
        "--hour",
        "0-3",
        "--timezone",
        "UTC",
        "--after",
        "2009-01-01T00:00:00Z",
        "--count",
        "4",
        "--json",
    ];
    let shown: Value = serde_json::from_str(&text(&line)).unwrap();
    insta::assert_json_snapshot!(shown, @r#"
    {
      "description": "at 00:00, 01:00, 02:00 and 03:00 on the third Friday of June to August, November and December, UTC",
      "next": [
        "2009-06-19T00:00:00Z",
        "2009-06-19T01:00:00Z",
        "2009-06-19T02:00:00Z",
        "2009-06-19T03:00:00Z"
      ],
      "trigger": "cron(month = \"6-8,11,12\", day = \"3rd fri\", hour = \"0-3\")"
    }
    "#);
    let local = [
        "cron",
        "next",
        "0 2 * * *",
        "--timezone",
        "Europe/Paris",
        "--after",
        "2026-03-28",
        "-n",
        "3",
    ];
    insta::assert_snapshot!(text(&local), @r"
    2026-03-28T02:00:00+01:00
    2026-03-29T03:00:00+02:00
    2026-03-30T02:00:00+02:00
    ");
    let skipping = ["cron", "next", "0 2 * * *", "--dst", "wall_clock", "-n", "1"];
    assert_eq!(text(&skipping).lines().count(), 1);
    let over = ["cron", "next", "date(run_date = \"2020-01-01\")"];
    assert!(text(&over).is_empty() && complaint(&over, 0).contains("does not fire any more"));
    let interval = ["cron", "next", "interval(hours = 6)", "--after", "2030-01-01", "-n", "2"];
    insta::assert_snapshot!(text(&interval), @r"
    2030-01-01T06:00:00Z
    2030-01-01T12:00:00Z
    ");
}

#[test]
fn a_trigger_is_explained() {
    let explained = text(&["cron", "explain", "0 9 * * mon-fri"]);
    let mut lines = explained.lines();
    insta::assert_snapshot!(lines.next().unwrap(), @"at 09:00 on Monday to Friday, UTC");
    insta::assert_snapshot!(lines.next().unwrap(), @r#"  written  cron(day_of_week = "mon-fri", hour = "9")"#);
    assert_eq!(lines.filter(|line| line.contains("fires")).count(), 3, "{explained}");
    let doubtful = text(&["cron", "explain", "0 9 13 * fri"]);
    assert!(doubtful.contains("doubtful"), "{doubtful}");
}

#[test]
fn a_wrong_trigger_is_told_with_its_mend() {
    for (line, part) in [
        (&["cron", "next", "--hour", "24"][..], "24 is too high"),
        (&["cron", "next"], "no field is given"),
        (&["cron", "next", "--month", "2", "--day", "30"], "no day has"),
        (&["cron", "next", "* * * * *", "--hour", "3"], "exclude"),
        (&["cron", "next", "interval(hours = 6)", "--hour", "3"], "no options beside it"),
        (&["cron", "next", "* * * * *", "--after", "tomorrow"], "--after"),
        (&["cron", "next", "* * * * *", "--timezone", "Paris"], "did you mean `Europe/Paris`?"),
        (&["cron", "next", "* * * * *", "--count", "0"], "--count"),
    ] {
        let told = complaint(line, 2);
        assert!(told.contains(part), "{line:?}: {told}");
    }
}

#[test]
fn a_database_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let output = taskx(folder.path()).args(["status"]).assert().code(2).get_output().clone();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("taskx.db") && told.contains("--database-url"), "{told}");
    let named = ["status", "--database-url", "other.db"];
    let output = taskx(folder.path()).args(named).assert().code(2).get_output().clone();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("other.db") && told.contains("help: "), "{told}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // Only migrating makes it.
    taskx(folder.path()).args(["migrate", "up", "--dry-run"]).assert().code(2);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    taskx(folder.path()).args(["migrate"]).assert().success();
    taskx(folder.path()).args(["status"]).assert().success();
}

#[test]
fn the_database_is_named_by_env_file_and_settings() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), "DATABASE_URL=sqlite://from_env.db\n").unwrap();
    taskx(folder.path()).args(["migrate"]).assert().success();
    assert!(folder.path().join("from_env.db").is_file());
    fs::write(folder.path().join("taskx.toml"), "database_url = 'from_toml.db'\n").unwrap();
    taskx(folder.path()).args(["migrate"]).assert().success();
    assert!(folder.path().join("from_toml.db").is_file());
    taskx(folder.path()).env("TASKX_DATABASE_URL", "ours.db").args(["migrate"]).assert().success();
    assert!(folder.path().join("ours.db").is_file());
    fs::write(folder.path().join("taskx.toml"), "lease = '1s'\n").unwrap();
    let output = taskx(folder.path()).args(["status"]).assert().code(2).get_output().clone();
    assert!(String::from_utf8(output.stderr).unwrap().contains("lease"));
}

#[test]
fn shells_complete_and_manuals_are_written() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = text(&["completions", shell]);
        assert!(script.contains("redrive"), "{shell}");
    }
    assert!(text(&["man"]).starts_with(".ie"), "{}", &text(&["man"])[..60]);
    let folder = tempfile::tempdir().unwrap();
    taskx(folder.path()).args(["man", "--out", "pages"]).assert().success();
    let json = taskx(folder.path()).args(["man", "--out", "pages", "--json"]).assert().success();
    let answer: Value = serde_json::from_slice(&json.get_output().stdout).unwrap();
    assert_eq!(answer["folder"], "pages");
    let pages = fs::read_dir(folder.path().join("pages")).unwrap().count();
    assert!(pages > 30, "{pages} pages");
    assert!(folder.path().join("pages/taskx-jobs-retry.1").is_file());
}

#[test]
fn help_is_as_it_was() {
    insta::assert_snapshot!("help", text(&["--help"]));
    insta::assert_snapshot!("help_run", text(&["run", "--help"]));
    insta::assert_snapshot!("help_jobs", text(&["jobs", "--help"]));
    insta::assert_snapshot!("help_jobs_list", text(&["jobs", "list", "--help"]));
}

#[test]
fn a_slip_is_corrected() {
    assert!(complaint(&["jbos"], 2).contains("jobs"));
    assert!(complaint(&[], 2).contains("Usage: taskx"));
    assert!(complaint(&["top"], 2).contains("needs a terminal"));
}
