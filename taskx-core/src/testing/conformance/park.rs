//! Rules of `park_unknown`: what no live worker knows is set aside, not lost.

use super::steps::{
    HOUR, LEASE, MINUTE, QUEUE, TASK, ada, delayed, die, find, insert, inserted, job, jobs,
    new_worker, retry, settled, state, total, travel, worker, worker_of,
};
use crate::{
    job::{JobId, JobState, NewJob},
    store::Store,
};

/// Inserts a job of a task.
async fn job_of(store: &dyn Store, task: &'static str) -> JobId {
    insert(store, &NewJob { task: task.into(), ..job() }).await
}

/// A job whose task no worker names is parked, and says why.
pub async fn an_unknown_task_is_parked(store: &dyn Store) {
    worker(store).await;
    let (known, unknown) = (job_of(store, TASK).await, job_of(store, "it's gone").await);
    assert_eq!(store.park_unknown(QUEUE, 100).await.unwrap(), 1);
    assert_eq!(state(store, known).await, JobState::Available);
    let found = find(store, unknown).await;
    assert_eq!((found.state, found.attempt, found.fence), (JobState::Parked, 0, 0));
    assert_eq!(found.reason.as_deref(), Some("no live worker knows task `it's gone`"));
}

/// A parked job that a person makes available says no more why it was parked.
pub async fn what_is_run_now_tells_of_no_parking(store: &dyn Store) {
    let id = job_of(store, "gone").await;
    assert_eq!(store.park_unknown(QUEUE, 100).await.unwrap(), 1);
    assert_eq!(store.retry(&[id], &ada()).await.unwrap(), 1);
    let found = find(store, id).await;
    assert_eq!((found.state, found.reason), (JobState::Available, None));
}

/// Parking again finds nothing more.
pub async fn parking_twice_parks_once(store: &dyn Store) {
    job_of(store, "gone").await;
    assert_eq!(store.park_unknown(QUEUE, 100).await.unwrap(), 1);
    assert_eq!(store.park_unknown(QUEUE, 100).await.unwrap(), 0);
}

/// A task that any live worker names is left, whoever asks.
pub async fn a_task_of_another_worker_is_left(store: &dyn Store) {
    worker(store).await;
    worker_of(store, &["resize", "convert"]).await;
    job_of(store, "convert").await;
    assert_eq!(store.park_unknown(QUEUE, 100).await.unwrap(), 0);
}

/// A worker counts as one that knows until somebody ends its row, also past its lease: after an outage
/// or a step of the clock it may renew, and then it would not bring back what was parked meanwhile.
pub async fn a_worker_past_its_lease_still_knows(store: &dyn Store) {
    let late = worker_of(store, &["resize"]).await;
    let id = job_of(store, "resize").await;
    travel(store, LEASE + MINUTE).await;
    assert_eq!(store.park_unknown(QUEUE, 100).await.unwrap(), 0);
    die(store, late, &[]).await;
    assert_eq!(store.park_unknown(QUEUE, 100).await.unwrap(), 1);
    assert_eq!(state(store, id).await, JobState::Parked);
}

/// A worker that was retired or rescued does not count either.
pub async fn an_ended_workers_knowledge_does_not_count(store: &dyn Store) {
    let (first, second) =
        (worker_of(store, &["resize"]).await, worker_of(store, &["convert"]).await);
    store.retire(first).await.unwrap();
    die(store, second, &[]).await;
    worker(store).await;
    job_of(store, "resize").await;
    job_of(store, "convert").await;
    assert_eq!(store.park_unknown(QUEUE, 100).await.unwrap(), 2);
}

/// Only among the first available jobs of the queue.
pub async fn only_the_first_jobs_are_looked_at(store: &dyn Store) {
    worker(store).await;
    let mut batch = jobs(2);
    batch.extend((0..4).map(|_| NewJob { task: "gone".into(), ..job() }));
    store.insert(&batch).await.unwrap();
    assert_eq!(store.park_unknown(QUEUE, 4).await.unwrap(), 2);
    assert_eq!(state(store, batch[2].id).await, JobState::Parked);
    assert_eq!(state(store, batch[5].id).await, JobState::Available);
}

/// Only in the queue that was named.
pub async fn other_queues_are_left(store: &dyn Store) {
    let id = insert(store, &NewJob::new("reports", "gone", "{}".to_owned())).await;
    assert_eq!(store.park_unknown(QUEUE, 100).await.unwrap(), 0);
    assert_eq!(state(store, id).await, JobState::Available);
}

/// Only available jobs are parked.
pub async fn what_waits_is_left(store: &dyn Store) {
    let failed = settled(store, retry(HOUR)).await;
    let later = insert(store, &delayed(HOUR)).await;
    store.retire(failed.owner).await.unwrap();
    assert_eq!(store.park_unknown(QUEUE, 100).await.unwrap(), 0);
    assert_eq!(state(store, failed.id).await, JobState::Retryable);
    assert_eq!(state(store, later).await, JobState::Scheduled);
}

/// A worker that knows the task brings the jobs back when it registers; others do not.
pub async fn a_worker_that_knows_brings_them_back(store: &dyn Store) {
    let (resize, convert) = (job_of(store, "resize").await, job_of(store, "convert").await);
    let elsewhere = insert(store, &NewJob::new("reports", "resize", "{}".to_owned())).await;
    store.park_unknown(QUEUE, 100).await.unwrap();
    store.park_unknown("reports", 100).await.unwrap();
    worker(store).await;
    assert_eq!(state(store, resize).await, JobState::Parked);
    worker_of(store, &["resize"]).await;
    for (id, expected) in [
        (resize, JobState::Available),
        (elsewhere, JobState::Available),
        (convert, JobState::Parked),
    ] {
        assert_eq!(state(store, id).await, expected);
    }
}

/// A job that came back is parked again when its worker is gone, any number of times.
pub async fn parking_may_be_repeated(store: &dyn Store) {
    let id = job_of(store, "resize").await;
    for _ in 0..3 {
        assert_eq!(store.park_unknown(QUEUE, 100).await.unwrap(), 1);
        let worker = new_worker(&["resize"]);
        store.register(&worker).await.unwrap();
        assert_eq!(state(store, id).await, JobState::Available);
        store.retire(worker.id).await.unwrap();
    }
}

/// A thousand parked jobs come back together.
pub async fn a_thousand_come_back_together(store: &dyn Store) {
    let batch: Vec<_> = (0..1_500).map(|_| NewJob { task: "resize".into(), ..job() }).collect();
    store.insert(&batch).await.unwrap();
    inserted(store, 1).await;
    worker(store).await;
    assert_eq!(store.park_unknown(QUEUE, 1_000).await.unwrap(), 1_000);
    assert_eq!(store.park_unknown(QUEUE, 1_000).await.unwrap(), 500);
    worker_of(store, &["resize"]).await;
    assert_eq!(total(store, JobState::Parked).await, 0);
    assert_eq!(total(store, JobState::Available).await, 1_501);
}
