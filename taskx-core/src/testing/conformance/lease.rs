//! Rules of worker rows: `register`, `renew`, `suspects`, `workers`.

use std::collections::BTreeSet;

use super::steps::{
    HOUR, LEASE, MINUTE, SECOND, ada, claim, claim_one, die, find, inserted, near, new_worker,
    renewal, retry, running, settle, state, suspect, travel, worker, worker_of,
};
use crate::{
    clock::later,
    inspect::WorkerInfo,
    job::{ClaimedJob, JobId, JobState, WorkerId},
    store::{Progress, Renewal, Renewed, Store, Suspects},
};

/// The one worker that is registered.
async fn only_worker(store: &dyn Store) -> WorkerInfo {
    let mut workers = store.workers().await.unwrap();
    assert_eq!(workers.len(), 1);
    workers.remove(0)
}

/// A registered worker is seen as it said.
pub async fn a_worker_is_seen_as_it_said(store: &dyn Store) {
    let worker = new_worker(&["send", "it's 🦀", "send_v1"]);
    let before = store.now().await.unwrap();
    store.register(&worker).await.unwrap();
    let info = only_worker(store).await;
    assert_eq!((info.id, info.pid), (worker.id, 4_711));
    assert_eq!((info.service.as_str(), info.host.as_str()), ("shop", "web-1"));
    assert_eq!(info.version, "1.2.3");
    assert!(near(info.started_at, before) && near(info.renewed_at, before), "{info:?}");
    assert!(near(info.lease_until, later(before, LEASE)), "{info:?}");
    assert_eq!(info.running, []);
    let tasks: BTreeSet<_> = info.tasks.iter().map(String::as_str).collect();
    assert_eq!(tasks, BTreeSet::from(["send", "it's 🦀", "send_v1"]));
}

/// Registering the same row again changes nothing: neither its start nor its tasks.
pub async fn registering_twice_is_registering_once(store: &dyn Store) {
    let worker = new_worker(&["send", "resize"]);
    store.register(&worker).await.unwrap();
    let first = only_worker(store).await;
    store.register(&worker).await.unwrap();
    let second = only_worker(store).await;
    assert_eq!((first.started_at, first.tasks.len()), (second.started_at, second.tasks.len()));
}

/// A worker may know no task, or hundreds; two may know the same.
pub async fn workers_may_know_any_tasks(store: &dyn Store) {
    let names: Vec<_> = (0..400).map(|n| format!("task-{n}")).collect();
    let all: Vec<_> = names.iter().map(String::as_str).collect();
    for (tasks, count) in [(&all[..], 400), (&all[..], 400), (&[][..], 0)] {
        let id = worker_of(store, tasks).await;
        let workers = store.workers().await.unwrap();
        assert_eq!(workers.iter().find(|info| info.id == id).unwrap().tasks.len(), count);
    }
}

/// A later registration of a task says the newer word of it, and harms nobody.
pub async fn a_task_may_be_told_anew(store: &dyn Store) {
    worker(store).await;
    let mut newer = new_worker(&["send"]);
    newer.tasks[0].version = 2;
    newer.tasks[0].arguments = r#"[{"name":"to","type":"String"}]"#.to_owned();
    store.register(&newer).await.unwrap();
    assert_eq!(store.workers().await.unwrap().len(), 2);
}

/// Workers are listed oldest first.
pub async fn workers_are_listed_oldest_first(store: &dyn Store) {
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.push(worker(store).await);
        travel(store, SECOND).await;
    }
    let workers = store.workers().await.unwrap();
    assert_eq!(workers.iter().map(|info| info.id).collect::<Vec<_>>(), expected);
}

/// A renewal moves the lease and says what is executing.
pub async fn a_renewal_moves_the_lease(store: &dyn Store) {
    let held = running(store).await;
    travel(store, MINUTE / 3).await;
    let lease = 2 * LEASE;
    let renewal = Renewal { lease, ..renewal(held.owner, &[held.id]) };
    let renewed = store.renew(&renewal).await.unwrap();
    assert_eq!(renewed, Renewed { alive: vec![held.owner], cancelled: vec![] });
    let now = store.now().await.unwrap();
    let info = only_worker(store).await;
    assert!(near(info.renewed_at, now) && near(info.lease_until, later(now, lease)), "{info:?}");
    assert!(near(info.started_at, crate::clock::earlier(now, MINUTE / 3)));
    assert_eq!(info.running, [held.id]);
    store.renew(&super::steps::renewal(held.owner, &[])).await.unwrap();
    assert_eq!(only_worker(store).await.running, []);
}

/// All rows of a process are renewed at once; those that were ended are missing in the answer.
pub async fn ended_rows_are_not_renewed(store: &dyn Store) {
    let (alive, retired) = (worker(store).await, worker(store).await);
    let dead = worker(store).await;
    die(store, dead, &[]).await;
    store.retire(retired).await.unwrap();
    let workers = vec![dead, alive, retired, WorkerId::new()];
    let renewed = store.renew(&Renewal { workers, ..renewal(alive, &[]) }).await.unwrap();
    assert_eq!(renewed.alive, [alive]);
    assert_eq!(only_worker(store).await.id, alive);
}

/// A row whose lease has ended, but which nobody ended, is alive again when it is renewed.
pub async fn a_late_renewal_is_a_renewal(store: &dyn Store) {
    let owner = worker(store).await;
    suspect(store, owner).await;
    assert_eq!(store.renew(&renewal(owner, &[])).await.unwrap().alive, [owner]);
    assert_eq!(store.suspects(&[]).await.unwrap().found, []);
}

/// A renewal of nothing is nothing.
pub async fn an_empty_renewal_is_nothing(store: &dyn Store) {
    worker(store).await;
    let nothing = Renewal { workers: vec![], lease: LEASE, running: vec![], progress: vec![] };
    assert_eq!(store.renew(&nothing).await.unwrap(), Renewed::default());
}

fn progress(job: &ClaimedJob, percent: u8) -> Progress {
    let text = format!(r#"{{"percent":{percent},"message":"it's 🦀"}}"#);
    Progress { id: job.id, owner: job.owner, fence: job.fence, text }
}

/// Progress is written with the renewal, the last word counting.
pub async fn progress_is_written(store: &dyn Store) {
    inserted(store, 2).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 2).await;
    for percent in [10, 20] {
        let progress = held.iter().map(|job| progress(job, percent)).collect();
        let renewal = Renewal { progress, ..renewal(owner, &[held[0].id, held[1].id]) };
        store.renew(&renewal).await.unwrap();
    }
    for job in &held {
        assert_eq!(find(store, job.id).await.progress, Some(progress(job, 20).text));
    }
}

/// Progress under a wrong owner or fence, or of a job that does not run, is not written; the rest is.
pub async fn a_strangers_progress_is_not_written(store: &dyn Store) {
    inserted(store, 3).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 3).await;
    settle(store, &held[2], retry(HOUR)).await;
    let strangers = vec![
        Progress { owner: WorkerId::new(), ..progress(&held[0], 1) },
        Progress { fence: held[0].fence + 1, ..progress(&held[0], 2) },
        progress(&held[2], 3),
        Progress { id: JobId::new(), ..progress(&held[0], 4) },
        progress(&held[1], 5),
    ];
    store.renew(&Renewal { progress: strangers, ..renewal(owner, &[]) }).await.unwrap();
    assert_eq!(find(store, held[0].id).await.progress, None);
    assert_eq!(find(store, held[1].id).await.progress, Some(progress(&held[1], 5).text));
    assert_eq!(find(store, held[2].id).await.progress, None);
}

/// A renewal tells which of the executing jobs were asked to stop.
pub async fn a_renewal_tells_what_to_stop(store: &dyn Store) {
    inserted(store, 3).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 3).await;
    for job in &held[..2] {
        store.cancel(job.id, &ada()).await.unwrap();
    }
    let renewed = store.renew(&renewal(owner, &[held[1].id, held[2].id])).await.unwrap();
    assert_eq!(renewed.cancelled, [held[1].id]);
    let again = store.renew(&renewal(owner, &[held[1].id])).await.unwrap();
    assert_eq!(again.cancelled, [held[1].id], "until it stops");
}

/// What another worker holds is not for this one to stop.
pub async fn a_renewal_tells_nothing_of_others(store: &dyn Store) {
    let held = running(store).await;
    let other = worker(store).await;
    store.cancel(held.id, &ada()).await.unwrap();
    assert_eq!(store.renew(&renewal(other, &[held.id])).await.unwrap().cancelled, []);
}

/// A worker is no suspect while its lease runs.
pub async fn a_living_worker_is_no_suspect(store: &dyn Store) {
    worker(store).await;
    travel(store, LEASE - SECOND * 5).await;
    assert_eq!(store.suspects(&[]).await.unwrap().found, []);
}

/// A worker is a suspect when its lease has ended by the database's clock.
pub async fn an_ended_lease_makes_a_suspect(store: &dyn Store) {
    let owner = worker(store).await;
    travel(store, LEASE + SECOND).await;
    let suspects = store.suspects(&[]).await.unwrap().found;
    assert_eq!(suspects.len(), 1);
    assert_eq!((suspects[0].id, suspects[0].is_expired()), (owner, true));
    assert_eq!(suspects[0].renewed_at, only_worker(store).await.renewed_at);
}

/// Leases are each worker's own.
pub async fn leases_are_each_workers_own(store: &dyn Store) {
    let (short, long) = (new_worker(&[]), new_worker(&[]));
    store.register(&short).await.unwrap();
    store.register(&crate::store::NewWorker { lease: HOUR, ..long }).await.unwrap();
    travel(store, MINUTE).await;
    let suspects = store.suspects(&[]).await.unwrap().found;
    assert_eq!(suspects.iter().map(|suspect| suspect.id).collect::<Vec<_>>(), [short.id]);
}

/// A process does not suspect its own rows.
pub async fn own_rows_are_no_suspects(store: &dyn Store) {
    let (own, more, other) = (worker(store).await, worker(store).await, worker(store).await);
    travel(store, LEASE + SECOND).await;
    let suspects = store.suspects(&[own, more]).await.unwrap().found;
    assert_eq!(suspects.iter().map(|suspect| suspect.id).collect::<Vec<_>>(), [other]);
}

/// A process learns whether it is alone, though nobody looks dead.
pub async fn others_are_seen_though_they_live(store: &dyn Store) {
    let (own, other) = (worker(store).await, worker(store).await);
    let alone = store.suspects(&[own, other]).await.unwrap();
    assert_eq!(alone, Suspects { found: vec![], has_others: false });
    let watched = store.suspects(&[own]).await.unwrap();
    assert_eq!(watched, Suspects { found: vec![], has_others: true });
    store.retire(other).await.unwrap();
    assert!(!store.suspects(&[own]).await.unwrap().has_others);
}

/// A worker that never held a presence lock is not suspected for the lack of it.
pub async fn no_presence_is_no_crime(store: &dyn Store) {
    let held = running(store).await;
    assert_eq!(store.suspects(&[]).await.unwrap().found, []);
    assert_eq!(state(store, held.id).await, JobState::Running);
}

/// Holding presence may be repeated.
pub async fn presence_may_be_held_twice(store: &dyn Store) {
    let owner = worker(store).await;
    let first = store.hold_presence(owner).await.unwrap();
    assert_eq!(store.hold_presence(owner).await.unwrap(), first);
    assert_eq!(store.suspects(&[]).await.unwrap().found, []);
    assert_eq!(store.suspects(&[owner]).await.unwrap().found, []);
}

/// What a worker claimed stays its own while its lease runs, whoever looks.
pub async fn a_living_workers_jobs_are_its_own(store: &dyn Store) {
    inserted(store, 1).await;
    let owner = worker(store).await;
    let held = claim_one(store, owner).await;
    let other = worker(store).await;
    assert_eq!(claim(store, other, 10).await, []);
    assert_eq!(find(store, held.id).await.owner, Some(owner));
}
