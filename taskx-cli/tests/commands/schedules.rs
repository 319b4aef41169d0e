//! `taskx schedules`.

use serde_json::json;
use taskx_core::job::JobState;

use crate::{
    bench::{Bench, job},
    on_each_engine,
};

on_each_engine! {
    a_schedule_is_added_run_paused_and_removed
    a_schedule_that_makes_no_sense_is_refused
    a_schedule_is_checked_by_what_a_worker_told
}

fn a_schedule_is_added_run_paused_and_removed(bench: &Bench) {
    let line = [
        "schedules",
        "add",
        "nightly",
        "report",
        "0 3 * * *",
        "--args",
        r#"{"days": 1}"#,
        "--queue",
        "reports",
        "--misfire",
        "skip",
    ];
    assert_eq!(bench.json(&line), json!({ "schedule": "nightly", "done": "added" }));
    let listed = bench.text(&["schedules", "list"]);
    assert!(listed.contains("nightly") && listed.contains("active"), "{listed}");
    let schedules = bench.json(&["schedules", "list"]);
    assert_eq!(schedules[0]["trigger"], "cron(hour = \"3\")");
    assert_eq!(schedules[0]["args"], r#"{"days": 1}"#);
    assert_eq!(schedules[0]["owner"], "cli:ada");
    let next = bench.json(&["schedules", "next", "nightly", "-n", "2"]);
    let next: Vec<_> = next.as_array().unwrap().iter().map(|at| at.as_str().unwrap()).collect();
    assert!(next.len() == 2 && next.iter().all(|at| at.ends_with("T03:00:00Z")), "{next:?}");

    let id = bench.json(&["schedules", "run-now", "nightly"])["id"].as_str().unwrap().to_owned();
    let job = bench.find(id.parse().unwrap());
    assert_eq!((job.task.as_str(), job.queue.as_str()), ("report", "reports"));
    assert_eq!((job.payload.as_str(), job.state), (r#"{"days": 1}"#, JobState::Available));

    assert_eq!(bench.text(&["schedules", "pause", "nightly"]), "nightly: paused\n");
    assert!(bench.text(&["schedules", "list"]).contains("paused"));
    assert_eq!(bench.text(&["schedules", "resume", "nightly"]), "nightly: resumed\n");
    assert_eq!(bench.text(&["schedules", "remove", "nightly"]), "nightly: removed\n");
    for verb in ["next", "pause", "resume", "run-now", "remove"] {
        let told = bench.complaint(&["schedules", verb, "nightly"], 1);
        assert!(told.contains("there is no schedule `nightly`"), "{verb}: {told}");
    }
}

fn a_schedule_that_makes_no_sense_is_refused(bench: &Bench) {
    let add = |trigger: &str, args: &str| {
        bench.complaint(&["schedules", "add", "odd", "report", trigger, "--args", args], 2)
    };
    assert!(add("0 25 * * *", "{}").contains("25 is too high"));
    assert!(add("0 0 31 2 *", "{}").contains("no day has"));
    assert!(add("0 3 * * *", "[1]").contains("no JSON object"));
    assert_eq!(bench.json(&["schedules", "list"]), json!([]));
}

fn a_schedule_is_checked_by_what_a_worker_told(bench: &Bench) {
    // It may be added before its task is deployed, which is said.
    let line = ["schedules", "add", "early", "sned", "0 3 * * *"];
    let told = bench.complaint(&line, 0);
    assert!(told.contains("no worker has ever told of a task `sned`"), "{told}");
    assert!(told.contains("the queue `default`"), "{told}");
    bench.worker();
    bench.insert(&job());
    fn add(args: &str) -> [&str; 7] {
        ["schedules", "add", "nightly", "send", "0 3 * * *", "--args", args]
    }
    assert!(bench.complaint(&add("{}"), 2).contains("lack to"));
    assert!(bench.complaint(&add(r#"{"to": "ada", "cpy": 1}"#), 2).contains("no argument `cpy`"));
    assert_eq!(bench.complaint(&add(r#"{"to": "ada"}"#), 0), "");
    // Its jobs go where the newest job of the task went.
    let id = bench.json(&["schedules", "run-now", "nightly"])["id"].as_str().unwrap().to_owned();
    assert_eq!(bench.find(id.parse().unwrap()).queue, "mail");
}
