//! The commands that an application's own binary answers: `single taskx ..`.

use std::{path::Path, process::Output};

use assert_cmd::Command;
use serde_json::{Value, json};

use crate::apps::{environment, single, target_dir, taskx};

/// The application's executable, built by the launcher.
fn app(database: &Path, line: &[&str]) -> Output {
    taskx(&single(), database)
        .args(["app", "--", "cron", "explain", "* * * * *"])
        .assert()
        .success();
    let mut command = Command::new(target_dir().join("debug/single"));
    for (name, value) in environment(database) {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.arg("taskx").args(line).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn tasks_and_triggers_need_no_database_and_no_setup() {
    let nowhere = Path::new("/nowhere/at/all");
    let tasks = app(nowhere, &["tasks"]);
    assert_eq!(code(&tasks), 0, "{}", told(&tasks));
    let text = said(&tasks);
    assert!(!text.contains("setup runs"), "{text}");
    for part in ["greet", "name: String, times?: u8", "Greets somebody.", "nightly"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let tasks: Value = serde_json::from_str(&said(&app(nowhere, &["tasks", "--json"]))).unwrap();
    let names: Vec<_> =
        tasks.as_array().unwrap().iter().map(|task| task["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["greet", "nightly", "slow"]);
    assert_eq!(tasks[0]["max_attempts"], 2);
    let next = app(nowhere, &["cron", "next", "0 3 * * *", "--after", "2030-01-01", "-n", "1"]);
    assert_eq!(said(&next), "2030-01-01T03:00:00Z\n");
    let shaken = app(nowhere, &["--protocol"]);
    assert!(said(&shaken).starts_with(r#"{"taskx":{"protocol":1,"#), "{}", said(&shaken));
}

#[test]
fn arguments_are_checked_whole() {
    let database = tempfile::tempdir().unwrap();
    let enqueue = |args: &str| app(database.path(), &["enqueue", "greet", "--args", args]);
    let wrong = enqueue(r#"{"name": 3}"#);
    assert_eq!(code(&wrong), 2);
    let text = told(&wrong);
    assert!(text.contains("at `name`") && text.contains("expected a string"), "{text}");
    assert!(text.contains("it takes {name: String, times: u8}"), "{text}");
    assert!(told(&enqueue("{}")).contains("missing field `name`"));
    assert!(told(&enqueue(r#"{"name": "Ada", "tmies": 3}"#)).contains("no argument `tmies`"));
    assert!(told(&enqueue(r#"{"name": "Ada", "times": 300}"#)).contains("at `times`"));
    let unknown = app(database.path(), &["enqueue", "gret"]);
    assert!(code(&unknown) == 2 && told(&unknown).contains("the tasks are: greet, nightly, slow"));
    let good = enqueue(r#"{"name": "Ada"}"#);
    assert_eq!(code(&good), 0, "{}", told(&good));
    assert!(said(&good).trim_end().ends_with("in queue mail"), "{}", said(&good));
}

#[test]
fn the_operators_commands_are_answered() {
    let database = tempfile::tempdir().unwrap();
    let missing = app(database.path(), &["status"]);
    assert_eq!(code(&missing), 2, "{}", said(&missing));
    let migrated = app(database.path(), &["migrate"]);
    assert!(said(&migrated).contains("applied 0001_"), "{}{}", said(&migrated), told(&migrated));
    let line = ["schedules", "add", "hourly", "greet", "0 * * * *", "--args", r#"{"name": "Ada"}"#];
    assert_eq!(code(&app(database.path(), &line)), 0);
    let wrong = ["schedules", "add", "odd", "greet", "0 * * * *", "--args", r#"{"name": 1}"#];
    assert_eq!(code(&app(database.path(), &wrong)), 2);
    let listed = app(database.path(), &["schedules", "list"]);
    assert!(said(&listed).contains("hourly"), "{}", said(&listed));
    let run = app(database.path(), &["schedules", "run-now", "hourly"]);
    assert_eq!(code(&run), 0, "{}", told(&run));
    let ended = app(database.path(), &["run", "--exit-when-idle"]);
    assert!(told(&ended).contains("stopped: 1 completed"), "{}", told(&ended));
    let status = app(database.path(), &["status", "--json"]);
    let text = said(&status);
    let status: Value = serde_json::from_str(&text[text.find('{').unwrap()..]).unwrap();
    assert_eq!(status["queues"][0]["jobs"], json!({ "completed": 1 }));
    // The worker that ran declared what the code says.
    let names: Vec<_> = status["schedules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["hourly", "nightly"]);
    assert_eq!(code(&app(database.path(), &["doctor"])), 0);
}

#[test]
fn help_and_slips_name_the_application() {
    let database = Path::new("/nowhere/at/all");
    let help = app(database, &["--help"]);
    assert!(code(&help) == 0 && said(&help).contains("Usage: single taskx"), "{}", said(&help));
    let slip = app(database, &["runn"]);
    assert!(code(&slip) == 2 && told(&slip).contains("'run'"), "{}", told(&slip));
}
