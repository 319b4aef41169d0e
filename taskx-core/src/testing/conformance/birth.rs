//! Rules of `insert_claimed`: jobs that a worker holds from their birth on.

use super::steps::{
    QUEUE, ada, claim, claim_one, die, find, job, jobs, near, settle_as, state, worker,
};
use crate::{
    job::{JobId, JobState, WorkerId},
    outcome::{FINISHED_RETENTION, Outcome, Settlement},
    store::{Born, Engine, Settled, Store},
};

/// Gives birth to a job under a worker; whether it is held, as it must be where the engine can.
async fn born(store: &dyn Store, owner: WorkerId) -> (JobId, bool) {
    let job = job();
    let born = store.insert_claimed(std::slice::from_ref(&job), QUEUE, owner).await.unwrap();
    let held = matches!(born, Born::Claimed(_));
    assert_eq!(held, store.engine() != Engine::Mysql, "{born:?}");
    (job.id, held)
}

/// A job that is born claimed is as if it had been inserted and claimed.
pub async fn a_job_born_claimed_is_held(store: &dyn Store) {
    let owner = worker(store).await;
    let (id, held) = born(store, owner).await;
    if !held {
        assert_eq!(claim_one(store, owner).await.id, id);
    }
    let found = find(store, id).await;
    assert_eq!((found.state, found.owner), (JobState::Running, Some(owner)));
    assert_eq!((found.fence, found.attempt, found.max_attempts), (1, 1, job().max_attempts));
    assert_eq!((found.queue, found.task, found.payload), {
        let job = job();
        (job.queue.into_owned(), job.task.into_owned(), job.payload)
    });
    assert!(near(found.inserted_at, store.now().await.unwrap()), "{:?}", found.inserted_at);
    assert_eq!(found.run_at, found.inserted_at);
    assert!(found.claimed_at.is_some());
    assert!(claim(store, owner, 10).await.is_empty());
}

/// It is settled as any other, under fence 1.
pub async fn a_job_born_claimed_is_settled(store: &dyn Store) {
    let owner = worker(store).await;
    let (id, held) = born(store, owner).await;
    if !held {
        claim_one(store, owner).await;
    }
    let settlement = Settlement {
        id,
        owner,
        fence: 1,
        attempt: 1,
        outcome: Outcome::Completed(None),
        retention: Some(FINISHED_RETENTION),
    };
    assert_eq!(settle_as(store, settlement).await, Settled::Done);
    assert_eq!(state(store, id).await, JobState::Completed);
}

/// A batch is born as a whole.
pub async fn a_batch_is_born_as_a_whole(store: &dyn Store) {
    let owner = worker(store).await;
    let jobs = jobs(40);
    let born = store.insert_claimed(&jobs, QUEUE, owner).await.unwrap();
    let expected = if born == Born::Available { JobState::Available } else { JobState::Running };
    for job in &jobs {
        assert_eq!(state(store, job.id).await, expected);
    }
}

/// A worker whose row was ended gets nothing by birth either: the job waits for others.
pub async fn a_dead_worker_gets_no_birth(store: &dyn Store) {
    let owner = worker(store).await;
    die(store, owner, &[]).await;
    let job = job();
    let born = store.insert_claimed(std::slice::from_ref(&job), QUEUE, owner).await.unwrap();
    assert_eq!(born, Born::Available);
    assert_eq!(claim_one(store, worker(store).await).await.id, job.id);
}

/// In a paused queue jobs wait.
pub async fn a_paused_queue_gives_no_birth(store: &dyn Store) {
    let owner = worker(store).await;
    store.pause(QUEUE, "repairs", &ada()).await.unwrap();
    let job = job();
    let born = store.insert_claimed(std::slice::from_ref(&job), QUEUE, owner).await.unwrap();
    assert_eq!(born, Born::Available);
    assert_eq!(state(store, job.id).await, JobState::Available);
}

/// When its worker goes, what was born claimed is given back: attempt not counted, fence kept.
pub async fn a_retired_worker_gives_births_back(store: &dyn Store) {
    let owner = worker(store).await;
    let (id, held) = born(store, owner).await;
    assert_eq!(store.retire(owner).await.unwrap(), usize::from(held));
    let next = claim_one(store, worker(store).await).await;
    assert_eq!((next.id, next.attempt, next.fence), (id, 1, if held { 2 } else { 1 }));
}

/// When its worker dies, what was born claimed is rescued.
pub async fn a_dead_workers_births_are_rescued(store: &dyn Store) {
    let owner = worker(store).await;
    let (id, held) = born(store, owner).await;
    let rescued = die(store, owner, &[id]).await;
    assert_eq!(rescued.len(), usize::from(held));
    assert_eq!(state(store, id).await, JobState::Available);
}
