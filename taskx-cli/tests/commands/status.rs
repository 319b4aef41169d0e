//! `taskx status` and `taskx doctor`.

use std::time::Duration;

use serde_json::json;
use taskx_core::{job::NewJob, outcome::Outcome};

use crate::{
    bench::{Bench, job, later},
    on_each_engine,
};

on_each_engine! {
    an_empty_database_is_healthy
    everything_is_on_one_screen
    each_problem_has_its_mend
}

fn an_empty_database_is_healthy(bench: &Bench) {
    let text = bench.text(&["doctor"]);
    assert!(text.ends_with("nothing is wrong\n"), "{text}");
    assert!(text.contains("taskx_jobs"), "{text}");
    let findings = bench.json(&["doctor"]);
    assert_eq!(findings["problems"], json!([]));
    let version = findings["database"]["version"].as_str().unwrap();
    assert!(
        ["SQLite 3", "PostgreSQL 1", "MariaDB 1", "MySQL 8"]
            .iter()
            .any(|is| version.starts_with(is)),
        "{version}"
    );
    assert_eq!(bench.json(&["status"])["problems"], json!([]));
    let status = bench.text(&["status"]);
    assert!(status.contains("no queue has jobs\n\nno worker runs\n"), "{status}");
}

fn everything_is_on_one_screen(bench: &Bench) {
    bench.dead();
    bench.settled(Outcome::Completed(None));
    bench.running();
    bench.insert(&job());
    bench.insert(&later());
    bench.text(&["schedules", "add", "nightly", "report", "0 3 * * *"]);
    let text = bench.text(&["status"]);
    let mut queue: Vec<_> =
        text.lines().find(|line| line.starts_with("mail")).unwrap().split_whitespace().collect();
    let oldest = queue.remove(2);
    assert!(oldest.ends_with('s'), "{text}");
    // queue, waiting, running, later, retrying, parked, done, dead, state
    assert_eq!(queue, ["mail", "1", "1", "1", "0", "0", "1", "1", "active"], "{text}");
    assert!(text.contains("web-1:4711") && text.contains("nightly"), "{text}");
    let status = bench.json(&["status"]);
    assert_eq!(status["workers"].as_array().unwrap().len(), 3);
    assert_eq!(status["schedules"][0]["name"], "nightly");
    assert_eq!(status["queues"][0]["jobs"]["discarded"], 1);
}

fn each_problem_has_its_mend(bench: &Bench) {
    bench.insert(&job());
    let output = bench.taskx(&["doctor"]).assert().code(1).get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("1 job waits and no worker runs"), "{text}");
    bench.worker();
    bench.insert(&NewJob { task: "gone".into(), queue: "reports".into(), ..job() });
    bench.text(&["queues", "pause", "mail"]);
    bench.wait(bench.store.travel(Duration::from_secs(7_200))).unwrap();
    let output = bench.taskx(&["doctor", "--json"]).assert().code(1).get_output().clone();
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems: Vec<_> = findings["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| (problem["what"].as_str().unwrap(), problem["mend"].as_str().unwrap()))
        .collect();
    let has = |what: &str, mend: &str| {
        assert!(
            problems.iter().any(|p| p.0.contains(what) && p.1.contains(mend)),
            "{what}: {problems:?}"
        );
    };
    has("1 job waits of task `gone`, which no worker knows", "taskx jobs discard --task gone");
    has("queue `mail` was paused 2h", "taskx queues resume mail");
    has("worker web-1:4711 was last heard of 2h", "start one");
}
