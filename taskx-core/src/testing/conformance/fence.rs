//! Rules of the fence: every claim of a job has a number of its own, for ever.

use std::time::Duration;

use super::steps::{
    HOUR, ada, cancelled, claim_one, die, discard, find, insert, job, quarantine, retry, running,
    settle, snooze, travel, worker,
};
use crate::{
    job::ClaimedJob,
    outcome::Outcome,
    store::{Settled, Store},
};

/// Claims the job again under a fresh worker and sees that its fence rose by one.
async fn next(store: &dyn Store, last: &ClaimedJob) -> ClaimedJob {
    let owner = worker(store).await;
    let held = claim_one(store, owner).await;
    assert_eq!(held.id, last.id);
    assert_eq!(held.fence, last.fence + 1, "the fence rises by one a claim");
    assert_eq!(find(store, held.id).await.fence, held.fence);
    held
}

/// The first claim's fence is one.
pub async fn the_first_fence_is_one(store: &dyn Store) {
    assert_eq!(running(store).await.fence, 1);
}

/// The fence rises over a retry, a snooze and a release, though the last two use no attempt.
pub async fn it_rises_over_every_return(store: &dyn Store) {
    let mut held = running(store).await;
    for outcome in [retry(Duration::ZERO), snooze(Duration::ZERO), Outcome::Released] {
        assert_eq!(settle(store, &held, outcome).await, Settled::Done);
        held = next(store, &held).await;
    }
}

/// The fence rises over a wait and its promotion.
pub async fn it_rises_over_a_promotion(store: &dyn Store) {
    let held = running(store).await;
    settle(store, &held, retry(HOUR)).await;
    travel(store, 2 * HOUR).await;
    store.promote(10).await.unwrap();
    next(store, &held).await;
}

/// The fence rises over a rescue.
pub async fn it_rises_over_a_rescue(store: &dyn Store) {
    let held = running(store).await;
    die(store, held.owner, &[held.id]).await;
    next(store, &held).await;
}

/// The fence rises over a worker's orderly end.
pub async fn it_rises_over_a_retirement(store: &dyn Store) {
    let held = running(store).await;
    store.retire(held.owner).await.unwrap();
    next(store, &held).await;
}

/// The fence goes on where it stood when a dead letter comes back, from any end.
pub async fn it_rises_over_a_redrive(store: &dyn Store) {
    let mut held = running(store).await;
    for outcome in [discard(), quarantine(), cancelled()] {
        assert_eq!(settle(store, &held, outcome).await, Settled::Done);
        assert_eq!(store.retry(&[held.id], &ada()).await.unwrap(), 1);
        held = next(store, &held).await;
    }
}

/// The fence goes on where it stood when a waiting job was discarded by hand and comes back.
pub async fn it_rises_over_a_discard_by_hand(store: &dyn Store) {
    let held = running(store).await;
    settle(store, &held, retry(HOUR)).await;
    assert_eq!(store.discard(&[held.id], "not now", &ada()).await.unwrap(), 1);
    assert_eq!(store.retry(&[held.id], &ada()).await.unwrap(), 1);
    next(store, &held).await;
}

/// No (owner, fence) recurs over a long life of one job.
pub async fn no_fence_recurs_over_a_long_life(store: &dyn Store) {
    insert(store, &job()).await;
    let owner = worker(store).await;
    let mut seen = Vec::new();
    for turn in 0..60 {
        let held = claim_one(store, owner).await;
        seen.push(held.fence);
        let outcome = match turn % 4 {
            0 => retry(Duration::ZERO),
            1 => snooze(Duration::ZERO),
            2 => Outcome::Released,
            _ => discard(),
        };
        assert_eq!(settle(store, &held, outcome).await, Settled::Done);
        store.retry(&[held.id], &ada()).await.unwrap();
    }
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
}
