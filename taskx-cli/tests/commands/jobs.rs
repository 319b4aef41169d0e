//! `taskx jobs` and `taskx dead`.

use std::time::Duration;

use serde_json::json;
use taskx_core::{
    job::{JobId, JobState, NewJob},
    outcome::{Failure, FailureKind, Outcome},
};

use crate::{
    bench::{Bench, job, later},
    on_each_engine,
};

on_each_engine! {
    each_filter_narrows
    a_listing_goes_on_where_it_ended
    a_job_is_shown_with_its_failures
    a_job_that_is_not_there_is_told
    a_dead_job_is_retried
    what_runs_is_asked_to_stop_and_what_waits_is_cancelled
    many_are_changed_only_with_consent
    a_filter_that_was_forgotten_changes_nothing
    a_job_for_later_runs_now
    a_job_that_is_named_twice_is_one
    arguments_over_the_limit_are_refused
    a_waiting_job_is_discarded_for_a_reason
    a_deleted_job_is_gone
    other_arguments_are_stored
    the_dead_are_listed_and_brought_back
}

/// The ids that a listing prints.
fn ids(bench: &Bench, line: &[&str]) -> Vec<String> {
    let jobs = bench.json(&[&["jobs", "list"], line].concat());
    let mut ids: Vec<_> =
        jobs.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids
}

fn each_filter_narrows(bench: &Bench) {
    let old = bench.insert(&job());
    bench.wait(bench.store.travel(Duration::from_secs(3_600))).unwrap();
    let mut tagged = NewJob::new("reports", "sum", r#"{"n":3,"to":"3"}"#.to_owned());
    tagged.extras_mut().tags = vec!["import-7".to_owned()];
    let tagged = bench.insert(&tagged);
    let dead = bench.dead();
    let is = |line: &[&str], expected: &[JobId]| {
        let mut expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
        expected.sort_unstable();
        assert_eq!(ids(bench, line), expected, "{line:?}");
    };
    // `dead` claimed the oldest job, and left its own waiting.
    let waiting = ids(bench, &["--state", "available", "--queue", "mail"]);
    assert_eq!(waiting.len(), 1);
    let waiting: JobId = waiting[0].parse().unwrap();
    assert_eq!(dead, old);
    is(&[], &[dead, tagged, waiting]);
    is(&[&old.to_string()], &[old]);
    is(&["--state", "discarded,quarantined"], &[dead]);
    is(&["--queue", "reports"], &[tagged]);
    is(&["--task", "sum,gone"], &[tagged]);
    is(&["--tag", "import-7"], &[tagged]);
    is(&["--older-than", "30m"], &[old]);
    is(&["--attempts", "1"], &[dead]);
    is(&["--arg", "n=3"], &[tagged]);
    is(&["--arg", "to=ada"], &[dead, waiting]);
    is(&["--arg", "to=\"3\""], &[tagged]);
    is(&["--tag", "none"], &[]);
    assert_eq!(bench.text(&["jobs", "list", "--tag", "none"]), "no job fits\n");
    assert!(bench.complaint(&["jobs", "list", "--state", "gone"], 2).contains("no job state"));
}

fn a_listing_goes_on_where_it_ended(bench: &Bench) {
    let mut all: Vec<_> = (0..5).map(|_| bench.insert(&job()).to_string()).collect();
    all.reverse();
    let page = bench.text(&["jobs", "list", "-n", "3"]);
    assert!(page.starts_with("ID "), "{page}");
    let last = page.lines().last().unwrap().strip_prefix("more: --before ").unwrap();
    assert_eq!(last, all[2]);
    let rest = bench.text(&["jobs", "list", "-n", "3", "--before", last]);
    assert!(rest.contains(&all[3]) && rest.contains(&all[4]) && !rest.contains(&all[2]), "{rest}");
    assert!(!rest.contains("more:"), "{rest}");
}

fn a_job_is_shown_with_its_failures(bench: &Bench) {
    let failure = Failure {
        kind: FailureKind::Panic,
        error: "no route\nto host".to_owned(),
        backtrace: Some("0: send".to_owned()),
    };
    let after = Duration::from_secs(40 * 24 * 3_600);
    let id = bench.settled(Outcome::Retry { after, failure }).to_string();
    let text = bench.text(&["jobs", "show", &id]);
    for part in
        ["retryable", "1 of 25", r#"{"to":"ada"}"#, "(panic): no route", "0: send", "in 39d"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let shown = bench.json(&["jobs", "show", &id]);
    assert_eq!(shown["state"], "retryable");
    assert_eq!(shown["args"], json!({ "to": "ada" }));
    assert_eq!(shown["payload"], r#"{"to":"ada"}"#);
    assert_eq!(shown["failures"][0]["outcome"], "panic");
    assert_eq!(shown["failures"][0]["attempt"], 1);
}

fn a_job_that_is_not_there_is_told(bench: &Bench) {
    let id = JobId::new().to_string();
    assert!(bench.complaint(&["jobs", "show", &id], 1).contains(&format!("there is no job {id}")));
    assert!(bench.complaint(&["jobs", "retry", &id], 1).contains("is not there"));
    assert!(bench.complaint(&["jobs", "edit", &id, "--args", "{}"], 1).contains("no job"));
    assert!(bench.complaint(&["jobs", "show", "17"], 2).contains("no job id"));
}

fn a_dead_job_is_retried(bench: &Bench) {
    let id = bench.dead();
    let done = bench.json(&["jobs", "retry", &id.to_string()]);
    assert_eq!(done, json!({ "verb": "retry", "matched": 1, "changed": 1 }));
    let job = bench.find(id);
    assert_eq!((job.state, job.attempt), (JobState::Available, 0));
    assert!(bench.complaint(&["jobs", "retry", &id.to_string()], 1).contains("left as it is"));
}

fn what_runs_is_asked_to_stop_and_what_waits_is_cancelled(bench: &Bench) {
    let running = bench.running().id;
    let waiting = bench.insert(&job());
    let text = bench.text(&["jobs", "cancel", &running.to_string(), &waiting.to_string()]);
    assert_eq!(text, "cancel: 2 of 2 jobs changed\n");
    assert!(bench.find(running).cancel_requested_at.is_some());
    let cancelled = bench.find(waiting);
    assert_eq!(cancelled.state, JobState::Cancelled);
    assert_eq!(cancelled.reason.as_deref(), Some("cancelled by cli:ada"));
}

fn many_are_changed_only_with_consent(bench: &Bench) {
    let ids: Vec<_> = (0..3).map(|_| bench.insert(&job())).collect();
    let other = bench.insert(&NewJob { task: "sum".into(), ..job() });
    let line = ["jobs", "cancel", "--task", "send"];
    let asked = bench.complaint(&line, 2);
    assert!(asked.contains("cancel 3 jobs?") && asked.contains("--yes"), "{asked}");
    assert!(ids.iter().all(|id| bench.find(*id).state == JobState::Available));
    let done = bench.json(&[&line[..], &["--yes"]].concat());
    assert_eq!(done, json!({ "verb": "cancel", "matched": 3, "changed": 3 }));
    assert!(ids.iter().all(|id| bench.find(*id).state == JobState::Cancelled));
    assert_eq!(bench.find(other).state, JobState::Available);
}

fn a_filter_that_was_forgotten_changes_nothing(bench: &Bench) {
    let id = bench.insert(&job());
    assert!(bench.complaint(&["jobs", "delete", "--yes"], 2).contains("which jobs?"));
    bench.find(id);
    assert_eq!(bench.text(&["jobs", "delete", "--all", "--yes"]), "delete: 1 of 1 job changed\n");
    assert_eq!(bench.wait(bench.store.find(id)).unwrap(), None);
}

fn a_job_for_later_runs_now(bench: &Bench) {
    let (later, running) = (bench.insert(&later()), bench.running().id);
    assert_eq!(bench.find(later).state, JobState::Scheduled);
    let text = bench.text(&["jobs", "run-now", "--queue", "mail", "--yes"]);
    assert_eq!(text, "run-now: 1 of 1 job changed\n");
    assert_eq!(bench.find(later).state, JobState::Available);
    assert_eq!(bench.find(running).state, JobState::Running);
    // One that is dead waits for nothing, and running it again is another wish.
    let dead = bench.dead();
    let left = bench.complaint(&["jobs", "run-now", &dead.to_string()], 1);
    assert!(left.contains("taskx jobs retry"), "{left}");
    assert_eq!(bench.find(dead).state, JobState::Discarded);
}

fn a_job_that_is_named_twice_is_one(bench: &Bench) {
    let id = bench.dead().to_string();
    let done = bench.json(&["jobs", "retry", &id, &id]);
    assert_eq!(done, json!({ "verb": "retry", "matched": 1, "changed": 1 }));
}

fn arguments_over_the_limit_are_refused(bench: &Bench) {
    let id = bench.insert(&job());
    let folder = bench.folder.path();
    std::fs::write(folder.join("big.json"), format!(r#"{{"to":"{}"}}"#, "a".repeat(1 << 20)))
        .unwrap();
    let mut edit = bench.taskx(&["jobs", "edit", &id.to_string()]);
    let output = edit.env("VISUAL", "cp big.json").assert().code(2).get_output().clone();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("the limit is 1048576"), "{told}");
    assert_eq!(bench.find(id).payload, job().payload);
    let add = ["schedules", "add", "s", "send", "0 3 * * *", "--args", "@big.json"];
    assert!(bench.complaint(&add, 2).contains("the limit is 1048576"));
    let enqueue = ["enqueue", "send", "--force", "--args", "@big.json"];
    assert!(bench.complaint(&enqueue, 2).contains("the limit is 1048576"));
}

fn a_waiting_job_is_discarded_for_a_reason(bench: &Bench) {
    let id = bench.insert(&job());
    let line = ["jobs", "discard", &id.to_string(), "--reason", "it's no longer needed"];
    // Named one by one, and asked about all the same: it cannot be taken back by itself.
    assert!(bench.complaint(&line, 2).contains("discard 1 job?"));
    bench.text(&[&line[..], &["--yes"]].concat());
    let job = bench.find(id);
    assert_eq!(job.state, JobState::Discarded);
    assert_eq!(job.reason.as_deref(), Some("it's no longer needed"));
}

fn a_deleted_job_is_gone(bench: &Bench) {
    let (waiting, running) = (bench.insert(&later()), bench.running().id);
    let line = ["jobs", "delete", &waiting.to_string(), &running.to_string(), "--yes"];
    assert!(bench.complaint(&line, 1).contains("it is running"));
    assert_eq!(bench.wait(bench.store.find(waiting)).unwrap(), None);
    assert_eq!(bench.find(running).state, JobState::Running);
}

fn other_arguments_are_stored(bench: &Bench) {
    let id = bench.dead();
    let line =
        ["jobs", "edit", &id.to_string(), "--args", r#"{"to": "bob", "n": 18446744073709551616}"#];
    assert!(bench.text(&line).contains("has new arguments"));
    assert_eq!(bench.find(id).payload, r#"{"to": "bob", "n": 18446744073709551616}"#);
    assert!(
        bench.complaint(&["jobs", "edit", &id.to_string(), "--args", "[1]"], 2).contains("object")
    );
    let running = bench.running().id.to_string();
    let refused = bench.complaint(&["jobs", "edit", &running, "--args", "{}"], 1);
    assert!(refused.contains("running"), "{refused}");
    // Without --args in an editor; this one puts a word in.
    let mut command = bench.taskx(&["jobs", "edit", &id.to_string()]);
    command.env("VISUAL", "sed -i s/bob/eve/").assert().success();
    assert!(bench.find(id).payload.contains("eve"), "{}", bench.find(id).payload);
    let mut command = bench.taskx(&["jobs", "edit", &id.to_string()]);
    command.env("VISUAL", "true").assert().success().stdout("nothing was changed\n");
    let mut command = bench.taskx(&["jobs", "edit", &id.to_string()]);
    command.env_remove("VISUAL").env_remove("EDITOR").assert().code(2);
}

fn the_dead_are_listed_and_brought_back(bench: &Bench) {
    let dead = [bench.dead(), bench.dead()];
    let waiting = bench.insert(&job());
    let listed = bench.text(&["dead", "list"]);
    assert!(dead.iter().all(|id| listed.contains(&id.to_string())), "{listed}");
    assert!(listed.contains("mailbox full") && !listed.contains(&waiting.to_string()), "{listed}");
    assert!(bench.complaint(&["dead", "redrive"], 2).contains("which jobs?"));
    assert!(bench.complaint(&["dead", "redrive", "--all"], 2).contains("retry 2 jobs?"));
    // By id too only the dead.
    let waits = bench.insert(&later());
    bench.complaint(&["dead", "redrive", &waits.to_string()], 1);
    assert_eq!(bench.find(waits).state, JobState::Scheduled);
    let done = bench.json(&["dead", "redrive", "--task", "send", "--yes"]);
    assert_eq!(done, json!({ "verb": "retry", "matched": 2, "changed": 2 }));
    assert!(dead.iter().all(|id| bench.find(*id).state == JobState::Available));
}
