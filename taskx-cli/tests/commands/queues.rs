//! `taskx queues`, `taskx workers`, `taskx tasks`, `taskx prune`.

use std::time::Duration;

use serde_json::json;
use taskx_core::{job::NewJob, outcome::Outcome};

use crate::{
    bench::{Bench, job, later},
    on_each_engine,
};

on_each_engine! {
    a_queue_is_paused_and_resumed
    a_purged_queue_keeps_what_runs
    workers_are_listed
    tasks_are_those_that_workers_told_of
    pruning_deletes_what_is_past_its_retention
}

fn a_queue_is_paused_and_resumed(bench: &Bench) {
    bench.insert(&job());
    let paused = bench.json(&["queues", "pause", "mail", "--reason", "it's down"]);
    assert_eq!(paused, json!({ "queue": "mail", "done": "paused" }));
    let text = bench.text(&["queues", "list"]);
    assert!(text.contains("by cli:ada: it's down"), "{text}");
    let queues = bench.json(&["queues", "list"]);
    assert_eq!(queues[0]["name"], "mail");
    assert_eq!(queues[0]["jobs"], json!({ "available": 1 }));
    assert!(queues[0]["paused_at"].is_string() && queues[0]["waiting_for_seconds"].is_number());
    assert_eq!(bench.text(&["queues", "resume", "mail"]), "mail: resumed\n");
    assert_eq!(bench.text(&["queues", "resume", "mail"]), "mail: was not paused\n");
    assert!(bench.text(&["queues", "list"]).contains("active"));
    // A name that nobody has used yet is paused, and asked about.
    let odd = bench.complaint(&["queues", "pause", "mial"], 0);
    assert!(odd.contains("is that its name?"), "{odd}");
    assert_eq!(bench.complaint(&["queues", "pause", "mail"], 0), "");
}

fn a_purged_queue_keeps_what_runs(bench: &Bench) {
    let running = bench.running().id;
    let ids = [bench.insert(&job()), bench.insert(&later())];
    let other = bench.insert(&NewJob { queue: "reports".into(), ..job() });
    assert!(bench.complaint(&["queues", "purge", "mail"], 2).contains("delete 2 jobs?"));
    let done = bench.json(&["queues", "purge", "mail", "--yes"]);
    assert_eq!(done, json!({ "verb": "delete", "matched": 2, "changed": 2 }));
    for id in ids {
        assert_eq!(bench.wait(bench.store.find(id)).unwrap(), None);
    }
    bench.find(running);
    bench.find(other);
}

fn workers_are_listed(bench: &Bench) {
    assert_eq!(bench.text(&["workers"]), "no worker runs\n");
    let id = bench.worker();
    let text = bench.text(&["workers"]);
    assert!(text.contains("web-1:4711") && text.contains("1.2.3"), "{text}");
    let workers = bench.json(&["workers"]);
    assert_eq!(workers[0]["id"], id.to_string());
    assert_eq!(workers[0]["tasks"], json!(["send"]));
}

fn tasks_are_those_that_workers_told_of(bench: &Bench) {
    bench.worker();
    bench.insert(&NewJob { task: "gone".into(), ..job() });
    let text = bench.text(&["tasks"]);
    assert!(text.contains("to: String, copies: u8") && text.contains("nobody"), "{text}");
    let tasks = bench.json(&["tasks"]);
    assert_eq!((&tasks[0]["name"], &tasks[0]["live"]), (&json!("gone"), &json!(1)));
    assert_eq!((&tasks[1]["name"], &tasks[1]["workers"]), (&json!("send"), &json!(1)));
}

fn pruning_deletes_what_is_past_its_retention(bench: &Bench) {
    let done = bench.settled(Outcome::Completed(None));
    let dead = bench.dead();
    assert_eq!(bench.json(&["prune"]), json!({ "pruned": 0 }));
    bench.wait(bench.store.travel(Duration::from_secs(4 * 24 * 3_600))).unwrap();
    let waiting = bench.insert(&job());
    // Both kept the retention of finished jobs, by the bench.
    assert_eq!(bench.json(&["prune"]), json!({ "pruned": 2 }));
    for id in [done, dead] {
        assert_eq!(bench.wait(bench.store.find(id)).unwrap(), None);
    }
    bench.find(waiting);
}
