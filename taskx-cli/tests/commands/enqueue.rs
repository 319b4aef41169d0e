//! `taskx enqueue`, without the application.

use serde_json::json;
use taskx_core::job::JobState;

use crate::{
    bench::{Bench, job},
    on_each_engine,
};

on_each_engine! {
    a_job_is_enqueued_by_name
    arguments_are_checked_by_what_a_worker_told
    names_are_neither_empty_nor_too_long
    the_same_id_is_enqueued_once
    a_wait_tells_of_a_job_that_does_not_end
}

fn a_job_is_enqueued_by_name(bench: &Bench) {
    bench.worker();
    let answer = bench.json(&[
        "enqueue",
        "send",
        "--args",
        r#"{"to": "ada"}"#,
        "--queue",
        "mail",
        "--priority",
        "-3",
        "--max-attempts",
        "4",
        "--delay",
        "1h",
        "--tag",
        "a",
        "--tag",
        "b",
    ]);
    let job = bench.find(answer["id"].as_str().unwrap().parse().unwrap());
    assert_eq!((job.task.as_str(), job.queue.as_str()), ("send", "mail"));
    assert_eq!(job.payload, r#"{"to": "ada"}"#);
    assert_eq!((job.state, job.priority, job.max_attempts), (JobState::Scheduled, -3, 4));
    assert_eq!(job.extras.tags, ["a", "b"]);
}

fn arguments_are_checked_by_what_a_worker_told(bench: &Bench) {
    let refused = |line: &[&str]| bench.complaint(&[&["enqueue"], line].concat(), 2);
    assert!(refused(&["send"]).contains("no worker has ever told of a task `send`"));
    bench.worker();
    assert!(refused(&["sned"]).contains("the tasks are: send"));
    assert!(refused(&["send"]).contains("lack to"));
    let odd = refused(&["send", "--args", r#"{"to":"ada","sbject":"x"}"#]);
    assert!(odd.contains("no argument `sbject`") && odd.contains("it takes to, copies"), "{odd}");
    assert!(refused(&["send", "--args", "ada"]).contains("no JSON object"));
    assert!(refused(&["send", "--delay", "soon"]).contains("--delay"));
    assert_eq!(bench.json(&["jobs", "list"]), json!([]));
    bench.text(&["enqueue", "sned", "--force"]);
    assert!(refused(&["send", "--args", r#"{"to":"ada"}"#]).contains("in which queue it belongs"));
    // The queue is that of the task's newest job.
    bench.insert(&job());
    let text = bench.text(&["enqueue", "send", "--args", r#"{"to":"ada"}"#]);
    assert!(text.trim_end().ends_with("in queue mail"), "{text}");
}

fn names_are_neither_empty_nor_too_long(bench: &Bench) {
    let long = "q".repeat(191);
    for name in ["", &long] {
        for line in [
            &["enqueue", name, "--force"][..],
            &["enqueue", "send", "--force", "--queue", name],
            &["enqueue", "send", "--force", "--tag", name],
            &["queues", "pause", name],
            &["schedules", "add", name, "send", "0 3 * * *"],
            &["schedules", "add", "s", name, "0 3 * * *"],
            &["schedules", "add", "s", "send", "0 3 * * *", "--queue", name],
        ] {
            let told = bench.complaint(line, 2);
            assert!(told.contains("must have 1 to 190 characters"), "{line:?}: {told}");
        }
    }
    assert_eq!(bench.json(&["jobs", "list"]), json!([]));
    assert_eq!(bench.json(&["schedules", "list"]), json!([]));
    let most = "é".repeat(190);
    bench.text(&["enqueue", &most, "--force", "--queue", &most, "--tag", &most]);
}

fn the_same_id_is_enqueued_once(bench: &Bench) {
    bench.worker();
    let id = taskx_core::job::JobId::new().to_string();
    for to in ["ada", "bob"] {
        let args = json!({ "to": to }).to_string();
        bench.text(&["enqueue", "send", "--queue", "mail", "--args", &args, "--id", &id]);
    }
    assert_eq!(bench.find(id.parse().unwrap()).payload, r#"{"to":"ada"}"#);
    assert_eq!(bench.json(&["jobs", "list"]).as_array().unwrap().len(), 1);
}

fn a_wait_tells_of_a_job_that_does_not_end(bench: &Bench) {
    bench.worker();
    let line =
        ["enqueue", "send", "--queue", "mail", "--args", r#"{"to":"ada"}"#, "--wait", "100ms"];
    assert!(bench.complaint(&line, 1).contains("available after 100ms"));
}
