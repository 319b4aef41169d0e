//! The steps that rules are made of: jobs of one queue and one task, a worker that knows it.

use std::{slice, sync::Arc, time::Duration};

use crate::{
    inspect::Actor,
    job::{ClaimedJob, Job, JobId, JobState, NewJob, RunAt, WorkerId},
    outcome::{FINISHED_RETENTION, Failure, FailureKind, Outcome, Settlement},
    store::{Claim, NewWorker, Renewal, Rescued, Settled, Store, Suspect, TaskRow},
};

/// The queue of rules that need only one.
pub(super) const QUEUE: &str = "mail";

/// The task of rules that need only one.
pub(super) const TASK: &str = "send";

/// How long leases run in rules.
pub(super) const LEASE: Duration = Duration::from_secs(30);

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A job of `QUEUE` and `TASK`.
pub(super) fn job() -> NewJob {
    NewJob::new(QUEUE, TASK, "{}".to_owned())
}

/// So many jobs, by rising id.
pub(super) fn jobs(count: usize) -> Vec<NewJob> {
    (0..count).map(|_| job()).collect()
}

/// A job due after a delay.
pub(super) fn delayed(by: Duration) -> NewJob {
    NewJob { run_at: RunAt::In(by), ..job() }
}

pub(super) async fn insert(store: &dyn Store, job: &NewJob) -> JobId {
    store.insert(slice::from_ref(job)).await.unwrap();
    job.id
}

/// Inserts so many jobs and answers their ids, rising.
pub(super) async fn inserted(store: &dyn Store, count: usize) -> Vec<JobId> {
    let jobs = jobs(count);
    store.insert(&jobs).await.unwrap();
    jobs.iter().map(|job| job.id).collect()
}

/// What a worker of these tasks says of itself.
pub(super) fn new_worker(tasks: &[&str]) -> NewWorker {
    let task = |name: &&str| TaskRow {
        name: (*name).to_owned(),
        owner: "shop".to_owned(),
        arguments: "[]".to_owned(),
        version: 1,
    };
    NewWorker {
        id: WorkerId::new(),
        service: "shop".to_owned(),
        host: "web-1".to_owned(),
        pid: 4_711,
        version: "1.2.3".to_owned(),
        lease: LEASE,
        tasks: tasks.iter().map(task).collect(),
    }
}

/// A registered worker that knows these tasks.
pub(super) async fn worker_of(store: &dyn Store, tasks: &[&str]) -> WorkerId {
    let worker = new_worker(tasks);
    store.register(&worker).await.unwrap();
    worker.id
}

/// A registered worker that knows `TASK`.
pub(super) async fn worker(store: &dyn Store) -> WorkerId {
    worker_of(store, &[TASK]).await
}

/// A request for jobs of `QUEUE` and `TASK`.
pub(super) fn request(owner: WorkerId, limit: u32) -> Claim {
    Claim { owner, queue: QUEUE.into(), tasks: Arc::new([TASK.to_owned()]), limit, after: None }
}

pub(super) async fn claim(store: &dyn Store, owner: WorkerId, limit: u32) -> Vec<ClaimedJob> {
    store.claim(&request(owner, limit)).await.unwrap()
}

/// Claims the one job that must be there.
pub(super) async fn claim_one(store: &dyn Store, owner: WorkerId) -> ClaimedJob {
    let mut claimed = claim(store, owner, 1).await;
    assert_eq!(claimed.len(), 1, "there must be one job to claim");
    claimed.remove(0)
}

/// Inserts a job and claims it under a worker of its own.
pub(super) async fn running(store: &dyn Store) -> ClaimedJob {
    insert(store, &job()).await;
    let owner = worker(store).await;
    claim_one(store, owner).await
}

pub(super) fn settlement(job: &ClaimedJob, outcome: Outcome) -> Settlement {
    Settlement {
        id: job.id,
        owner: job.owner,
        fence: job.fence,
        attempt: job.attempt,
        outcome,
        retention: Some(FINISHED_RETENTION),
    }
}

pub(super) async fn settle(store: &dyn Store, job: &ClaimedJob, outcome: Outcome) -> Settled {
    settle_as(store, settlement(job, outcome)).await
}

pub(super) async fn settle_as(store: &dyn Store, settlement: Settlement) -> Settled {
    let answers = store.settle(slice::from_ref(&settlement)).await.unwrap();
    assert_eq!(answers.len(), 1, "one answer a settlement");
    answers[0]
}

/// Inserts a job, claims it and ends it so.
pub(super) async fn settled(store: &dyn Store, outcome: Outcome) -> ClaimedJob {
    let job = running(store).await;
    assert_eq!(settle(store, &job, outcome).await, Settled::Done);
    job
}

pub(super) fn failure(error: &str) -> Failure {
    Failure { kind: FailureKind::Error, error: error.to_owned(), backtrace: None }
}

pub(super) fn retry(after: Duration) -> Outcome {
    Outcome::Retry { after, failure: failure("no route") }
}

pub(super) fn snooze(after: Duration) -> Outcome {
    Outcome::Snoozed { after, failure: None }
}

pub(super) fn discard() -> Outcome {
    Outcome::Discarded { reason: "out of attempts".to_owned(), failure: None }
}

pub(super) fn quarantine() -> Outcome {
    Outcome::Quarantined { reason: "does not decode".to_owned(), failure: None }
}

pub(super) fn cancelled() -> Outcome {
    Outcome::Cancelled("not needed".to_owned())
}

/// One of every way to end a job for good, with the state that it leads to.
pub(super) fn endings() -> Vec<(Outcome, JobState)> {
    vec![
        (Outcome::Completed(None), JobState::Completed),
        (cancelled(), JobState::Cancelled),
        (discard(), JobState::Discarded),
        (quarantine(), JobState::Quarantined),
    ]
}

pub(super) async fn find(store: &dyn Store, id: JobId) -> Job {
    store.find(id).await.unwrap().expect("the job must be there")
}

pub(super) async fn state(store: &dyn Store, id: JobId) -> JobState {
    find(store, id).await.state
}

/// Jobs by state, as `count` tells it.
pub(super) async fn total(store: &dyn Store, state: JobState) -> i64 {
    let counts = store.count().await.unwrap();
    counts.iter().filter(|entry| entry.state == state).map(|entry| entry.count).sum()
}

pub(super) async fn travel(store: &dyn Store, by: Duration) {
    store.travel(by).await.unwrap();
}

pub(super) fn ada() -> Actor {
    Actor("cli:ada".to_owned())
}

pub(super) fn ids(jobs: &[ClaimedJob]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

/// A renewal of one worker that executes these jobs.
pub(super) fn renewal(worker: WorkerId, running: &[JobId]) -> Renewal {
    Renewal { workers: vec![worker], lease: LEASE, running: running.to_vec(), progress: Vec::new() }
}

/// Lets a worker's lease end and reads its row as a suspect.
pub(super) async fn suspect(store: &dyn Store, worker: WorkerId) -> Suspect {
    travel(store, LEASE + SECOND).await;
    let suspects = store.suspects(&[]).await.unwrap().found;
    *suspects.iter().find(|suspect| suspect.id == worker).expect("the worker must be suspected")
}

/// A worker dies, having executed these jobs at its last renewal, and its jobs are taken back.
pub(super) async fn die(store: &dyn Store, worker: WorkerId, executing: &[JobId]) -> Vec<Rescued> {
    let renewed = store.renew(&renewal(worker, executing)).await.unwrap();
    assert_eq!(renewed.alive, [worker]);
    let suspect = suspect(store, worker).await;
    store.rescue(&suspect, 3).await.unwrap()
}

/// Whether two times are at most a second apart: as near as two readings of one clock in one call.
pub(super) fn near(
    left: chrono::DateTime<chrono::Utc>,
    right: chrono::DateTime<chrono::Utc>,
) -> bool {
    (left - right).abs() <= chrono::TimeDelta::seconds(1)
}
