//! Rules of `settle`: how a job comes back for another attempt.

use std::time::Duration;

use super::steps::{
    HOUR, MINUTE, ada, claim, claim_one, failure, find, ids, inserted, near, retry, running,
    settle, settled, settlement, snooze, state, travel, worker,
};
use crate::{
    clock::later,
    job::JobState,
    outcome::Outcome,
    store::{Settled, Store},
};

/// A failed job waits for its next attempt, which counts from the settlement by the database's clock.
pub async fn a_failed_job_waits_for_its_next_attempt(store: &dyn Store) {
    let held = settled(store, retry(HOUR)).await;
    let now = store.now().await.unwrap();
    let found = find(store, held.id).await;
    assert_eq!((found.state, found.owner), (JobState::Retryable, None));
    assert_eq!((found.attempt, found.fence), (1, 1));
    assert!(near(found.run_at, later(now, HOUR)), "{found:?}");
    assert_eq!(found.reason.as_deref(), Some("no route"));
    assert_eq!(found.finished_at, None);
}

/// A delay of nothing makes the next attempt available at once.
pub async fn a_failed_job_may_come_back_at_once(store: &dyn Store) {
    let held = settled(store, retry(Duration::ZERO)).await;
    assert_eq!(state(store, held.id).await, JobState::Available);
    let owner = worker(store).await;
    let again = claim_one(store, owner).await;
    assert_eq!((again.id, again.attempt), (held.id, 2));
}

/// Delays of one batch are each job's own, and may have fractions of a second.
pub async fn delays_are_each_jobs_own(store: &dyn Store) {
    inserted(store, 3).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 3).await;
    let delays = [HOUR, Duration::from_micros(90_500_001), 3 * HOUR];
    let batch: Vec<_> =
        held.iter().zip(delays).map(|(job, after)| settlement(job, retry(after))).collect();
    store.settle(&batch).await.unwrap();
    let now = store.now().await.unwrap();
    for (job, after) in held.iter().zip(delays) {
        assert!(near(find(store, job.id).await.run_at, later(now, after)), "{after:?}");
    }
}

/// A snoozed job waits, its attempt is not counted, its snooze is.
pub async fn a_snoozed_job_uses_no_attempt(store: &dyn Store) {
    let held = settled(store, snooze(HOUR)).await;
    let now = store.now().await.unwrap();
    let found = find(store, held.id).await;
    assert_eq!((found.state, found.owner), (JobState::Scheduled, None));
    assert_eq!((found.attempt, found.snooze_count, found.fence), (0, 1, 1));
    assert!(near(found.run_at, later(now, HOUR)), "{found:?}");
}

/// Snoozes add up, and the worker is told of them.
pub async fn snoozes_add_up(store: &dyn Store) {
    let held = settled(store, snooze(Duration::ZERO)).await;
    let owner = worker(store).await;
    for count in 1..=3 {
        let again = claim_one(store, owner).await;
        assert_eq!((again.id, again.attempt, again.snooze_count), (held.id, 1, count));
        assert_eq!(settle(store, &again, snooze(Duration::ZERO)).await, Settled::Done);
    }
    assert_eq!(find(store, held.id).await.snooze_count, 4);
}

/// A job that came back from the dead letters has not snoozed yet: its new life has all its tries.
pub async fn a_redriven_jobs_snoozes_are_counted_anew(store: &dyn Store) {
    let held = settled(store, snooze(Duration::ZERO)).await;
    let again = claim_one(store, held.owner).await;
    let gave_up = Outcome::Discarded { reason: "gave up".to_owned(), failure: None };
    assert_eq!(settle(store, &again, gave_up).await, Settled::Done);
    assert_eq!(find(store, held.id).await.snooze_count, 1);
    assert_eq!(store.retry(&[held.id], &ada()).await.unwrap(), 1);
    let found = find(store, held.id).await;
    assert_eq!((found.snooze_count, found.claimed_at), (0, None));
    assert_eq!(claim_one(store, held.owner).await.snooze_count, 0);
}

/// A snooze with a failure keeps the failure, and still uses no attempt.
pub async fn a_snooze_may_tell_of_a_failure(store: &dyn Store) {
    let outcome = Outcome::Snoozed { after: MINUTE, failure: Some(failure("does not decode")) };
    let held = settled(store, outcome).await;
    let found = find(store, held.id).await;
    assert_eq!((found.state, found.attempt), (JobState::Scheduled, 0));
    assert_eq!(found.reason.as_deref(), Some("does not decode"));
    assert_eq!(store.attempts(held.id).await.unwrap().len(), 1);
}

/// A released job is available at once, as if it had not been claimed, but for its fence.
pub async fn a_released_job_is_as_before(store: &dyn Store) {
    let held = settled(store, Outcome::Released).await;
    let found = find(store, held.id).await;
    assert_eq!((found.state, found.owner), (JobState::Available, None));
    assert_eq!((found.attempt, found.fence, found.snooze_count, found.crash_count), (0, 1, 0, 0));
    assert_eq!(found.run_at, held.run_at);
    assert_eq!(store.attempts(held.id).await.unwrap(), []);
}

/// A released job keeps its place in the order.
pub async fn a_released_job_keeps_its_place(store: &dyn Store) {
    let all = inserted(store, 4).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 2).await;
    for job in held.iter().rev() {
        assert_eq!(settle(store, job, Outcome::Released).await, Settled::Done);
    }
    assert_eq!(ids(&claim(store, owner, 10).await), all);
}

/// A failed job keeps its place in the order once it is due: its id did not change.
pub async fn a_failed_job_keeps_its_place(store: &dyn Store) {
    let all = inserted(store, 3).await;
    let owner = worker(store).await;
    let held = claim_one(store, owner).await;
    settle(store, &held, retry(HOUR)).await;
    travel(store, 2 * HOUR).await;
    store.promote(10).await.unwrap();
    assert_eq!(ids(&claim(store, owner, 10).await), all);
}

/// Coming back again and again leaves one row and counts every failed attempt, and only those.
pub async fn only_failed_attempts_are_counted(store: &dyn Store) {
    let held = running(store).await;
    let mut held = held;
    let owner = held.owner;
    let now = Duration::ZERO;
    let path =
        [retry(now), snooze(now), Outcome::Released, retry(now), Outcome::Released, snooze(now)];
    for outcome in path {
        assert_eq!(settle(store, &held, outcome).await, Settled::Done);
        held = claim_one(store, owner).await;
    }
    assert_eq!((held.attempt, held.fence, held.snooze_count), (3, 7, 2));
    assert_eq!(store.count().await.unwrap().len(), 1);
}
