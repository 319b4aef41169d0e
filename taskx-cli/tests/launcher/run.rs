//! Running applications: as a whole and alone, until they are idle, until a signal comes.

use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    apps::{cargo_taskx, example, several, single, taskx},
    process::Process,
};

/// Enqueues a job by the application's own command; answers its id.
fn enqueue(database: &Path, task: &str, args: &str) -> String {
    let line = ["app", "--", "enqueue", task, "--args", args, "--json"];
    let output = taskx(&single(), database).args(line).assert().success().get_output().clone();
    // The application's own setup may say something before it.
    let said = String::from_utf8(output.stdout).unwrap();
    let answer: Value = serde_json::from_str(
        said.split_once('{').map(|(_, json)| format!("{{{json}")).as_deref().unwrap(),
    )
    .unwrap();
    answer["id"].as_str().unwrap().to_owned()
}

/// A job as the database has it.
fn job(database: &Path, id: &str) -> Value {
    let output = taskx(database, database)
        .args(["jobs", "show", id, "--json"])
        .assert()
        .success()
        .get_output()
        .clone();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn database() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn an_application_in_the_background_runs_whole_and_finishes_its_job() {
    let database = database();
    let id = enqueue(database.path(), "slow", r#"{"millis": 700}"#);
    let mut app = Process::taskx(&single(), database.path(), &["run"], &[]);
    app.wait_for("main runs with [\"taskx\", \"run\"]");
    app.wait_for("slow began");
    app.signal(Signal::INT);
    let (code, said) = app.end();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("slow ended") && said.contains("main ends"), "{said}");
    assert_eq!(job(database.path(), &id)["state"], "completed");
}

#[test]
fn a_blocking_application_runs_its_worker_alone_and_gives_back_what_takes_too_long() {
    let database = database();
    let id = enqueue(database.path(), "slow", r#"{"millis": 600000}"#);
    let says = [("SAY_BLOCKING", "1"), ("TASKX_GRACE", "100ms")];
    let mut app = Process::taskx(&single(), database.path(), &["run"], &says);
    app.wait_for("3 tasks, queues default, mail");
    app.wait_for("slow began");
    app.signal(Signal::TERM);
    let (code, said) = app.end();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("setup runs") && !said.contains("main runs"), "{said}");
    assert!(said.contains("stopped: 1 given back"), "{said}");
    let job = job(database.path(), &id);
    assert_eq!((&job["state"], &job["attempt"]), (&"available".into(), &0.into()));
}

#[test]
fn a_second_signal_stops_at_once() {
    for says in [&[("SAY_BLOCKING", "1")][..], &[]] {
        let database = database();
        let id = enqueue(database.path(), "slow", r#"{"millis": 600000}"#);
        let mut app = Process::taskx(&single(), database.path(), &["run"], says);
        app.wait_for("slow began");
        app.signal(Signal::INT);
        app.signal(Signal::TERM);
        let (code, said) = app.end();
        assert_eq!(code, 0, "{says:?}: {said}");
        assert_eq!(job(database.path(), &id)["state"], "available", "{says:?}: {said}");
    }
}

#[test]
fn the_worker_alone_ends_when_nothing_is_left() {
    let database = database();
    let ids = [
        enqueue(database.path(), "greet", r#"{"name": "Ada"}"#),
        enqueue(database.path(), "greet", r#"{"name": ""}"#),
        enqueue(database.path(), "slow", r#"{"millis": 1}"#),
    ];
    // A queue that is paused is not waited for, and one that is not served is left.
    taskx(database.path(), database.path()).args(["queues", "pause", "default"]).assert().success();
    let line = ["taskx", "run", "--exit-when-idle"];
    let output = cargo_taskx(&single(), database.path())
        .args(&line[1..])
        .assert()
        .success()
        .get_output()
        .clone();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("stopped: 1 completed, 1 to be retried"), "{said}");
    let states: Vec<_> = ids.iter().map(|id| job(database.path(), id)["state"].clone()).collect();
    assert_eq!(states, ["completed", "retryable", "available"]);
    assert_eq!(job(database.path(), &ids[0])["result"], "\"Hello, Ada!\"");

    // A failing task, looked at and retried from the command line.
    let failed = job(database.path(), &ids[1]);
    assert!(failed["reason"].as_str().unwrap().contains("nobody to greet"), "{failed}");
    let fix = ["jobs", "edit", &ids[1], "--args", r#"{"name": "Bob"}"#];
    taskx(database.path(), database.path()).args(fix).assert().success();
    taskx(database.path(), database.path()).args(["jobs", "retry", &ids[1]]).assert().success();
    taskx(database.path(), database.path())
        .args(["queues", "resume", "default"])
        .assert()
        .success();
    let only = ["run", "--once", "--only", "greet,slow", "--queues", "mail=3,default=1"];
    taskx(&single(), database.path()).args(only).assert().success();
    let states: Vec<_> = ids.iter().map(|id| job(database.path(), id)["state"].clone()).collect();
    assert_eq!(states, ["completed", "completed", "completed"]);
}

#[test]
fn an_application_without_a_worker_or_with_an_error_is_told() {
    let database = database();
    let run = |name: &str| {
        let mut command = taskx(&single(), database.path());
        let output = command.arg("run").env(name, "1").output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = run("SAY_LAZY");
    assert!(code == 2 && told.contains("started no worker"), "{code}: {told}");
    let (code, told) = run("SAY_ERROR");
    assert!(code == 1 && told.contains("the application failed"), "{code}: {told}");
    let output = taskx(&single(), database.path())
        .args(["run", "--worker-only", "--only", "gret"])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("no task is named `gret`") && told.contains("greet"), "{told}");
}

#[test]
fn a_library_that_is_not_mentioned_is_told() {
    let database = database();
    let output = taskx(&several(), database.path())
        .args(["run", "--app", "forgetful", "--worker-only"])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("use my_tasks as _;"), "{told}");
}

#[test]
fn an_application_is_chosen_by_name_and_answers_without_the_attribute() {
    let database = database();
    for (app, variable) in [(Some("web:web"), None), (Some("web"), None), (None, Some("web:web"))] {
        let mut command = taskx(&several(), database.path());
        command.args(["run", "--exit-when-idle"]);
        if let Some(app) = app {
            command.args(["--app", app]);
        }
        if let Some(variable) = variable {
            command.env("TASKX_APP", variable);
        }
        let output = command.assert().success().get_output().clone();
        assert!(!String::from_utf8(output.stdout).unwrap().contains("web server"));
    }
    // The working directory decides too.
    taskx(&several().join("web"), database.path())
        .args(["run", "--exit-when-idle"])
        .assert()
        .success();
}

#[test]
fn an_example_may_be_the_application() {
    let database = database();
    // By name, and by `[package.metadata.taskx]`, since an example is not looked for by its mark.
    for line in [&["run", "--app", "demo", "--exit-when-idle"][..], &["run", "--exit-when-idle"]] {
        let output =
            taskx(&example(), database.path()).args(line).assert().success().get_output().clone();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("1 task, queue default,"), "{said}");
    }
    // A queue to which no task belongs may be misspelt.
    let line = ["run", "--exit-when-idle", "--queues", "defualt"];
    let output =
        taskx(&example(), database.path()).args(line).assert().success().get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no task here belongs to the queue `defualt`"), "{said}");
}

#[test]
fn what_does_not_compile_is_told_by_cargo() {
    let broken = crate::apps::sketch(&[
        ("Cargo.toml", "[package]\nname = 'broken'\nedition = '2024'\n[dependencies]\nTASKX\n"),
        ("src/main.rs", "#[taskx::main]\nasync fn main(app: taskx::App) { let x: u8 = \"no\"; }"),
    ]);
    let database = database();
    let output =
        taskx(broken.path(), database.path()).arg("run").assert().code(1).get_output().clone();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("mismatched types") && told.contains("src/main.rs"), "{told}");
}

#[test]
fn a_watched_application_is_started_anew_when_its_sources_change() {
    let database = database();
    let folder = crate::apps::watched();
    let main = folder.join("src/main.rs");
    let text = std::fs::read_to_string(&main).unwrap();
    let mut app = Process::taskx(&folder, database.path(), &["run", "--watch"], &[]);
    app.wait_for("edition one runs: true");
    // What does not compile leaves the old one running.
    std::fs::write(&main, text.replace("async fn main", "async fn main(")).unwrap();
    app.wait_for("could not compile `watched`");
    std::fs::write(&main, text.replace("edition one", "edition two")).unwrap();
    app.wait_for("starting anew");
    app.wait_for("edition one ends");
    app.wait_for("edition two runs: true");
    app.signal(Signal::TERM);
    let (code, said) = app.end();
    assert!(code == 0 && said.contains("edition two ends"), "{code}: {said}");
}
