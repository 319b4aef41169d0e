//! Rules of `promote`: what is due becomes available.

use std::{collections::BTreeSet, time::Duration};

use super::steps::{
    DAY, HOUR, MINUTE, QUEUE, ada, claim, delayed, find, insert, inserted, job, retry, running,
    settled, snooze, state, total, travel, worker,
};
use crate::{
    job::{JobState, NewJob},
    outcome::Outcome,
    store::{Promoted, Store},
};

/// Nothing waits: nothing is promoted, nothing is to come.
pub async fn an_empty_store_has_nothing_due(store: &dyn Store) {
    assert_eq!(store.promote(100).await.unwrap(), Promoted::default());
    inserted(store, 2).await;
    assert_eq!(store.promote(100).await.unwrap(), Promoted::default());
}

/// Scheduled and retryable jobs become available when their time has come, not before.
pub async fn what_is_due_becomes_available(store: &dyn Store) {
    let new = insert(store, &delayed(HOUR)).await;
    let failed = settled(store, retry(HOUR)).await.id;
    let snoozed = settled(store, snooze(HOUR)).await.id;
    assert_eq!(store.promote(100).await.unwrap().count, 0);
    travel(store, HOUR + MINUTE).await;
    let promoted = store.promote(100).await.unwrap();
    assert_eq!((promoted.count, promoted.next_due), (3, None));
    assert_eq!(promoted.queues, [QUEUE]);
    for id in [new, failed, snoozed] {
        assert_eq!(state(store, id).await, JobState::Available);
    }
}

/// A promoted job keeps its due time, its attempts and its reason.
pub async fn a_promoted_job_is_else_as_before(store: &dyn Store) {
    let failed = settled(store, retry(HOUR)).await;
    travel(store, 2 * HOUR).await;
    let before = find(store, failed.id).await;
    store.promote(10).await.unwrap();
    let after = find(store, failed.id).await;
    assert_eq!((after.run_at, after.attempt, after.fence), (before.run_at, 1, 1));
    assert_eq!(after.reason, before.reason);
}

/// `next_due` is how long until the first of those that still wait.
pub async fn it_tells_how_long_until_the_next(store: &dyn Store) {
    store.insert(&[delayed(HOUR), delayed(DAY), delayed(2 * HOUR)]).await.unwrap();
    let next = store.promote(10).await.unwrap().next_due.unwrap();
    assert!(HOUR - MINUTE < next && next <= HOUR, "{next:?}");
    travel(store, HOUR + MINUTE).await;
    let promoted = store.promote(10).await.unwrap();
    let next = promoted.next_due.unwrap();
    assert_eq!(promoted.count, 1);
    assert!(58 * MINUTE <= next && next <= 59 * MINUTE, "{next:?}");
}

/// At most as many as asked for, the longest due first; the next are due at once.
pub async fn the_limit_takes_the_longest_due_first(store: &dyn Store) {
    let jobs: Vec<_> = [30, 10, 50, 20, 40].map(|n| delayed(n * MINUTE)).into();
    store.insert(&jobs).await.unwrap();
    travel(store, HOUR).await;
    let promoted = store.promote(2).await.unwrap();
    assert_eq!((promoted.count, promoted.next_due), (2, Some(Duration::ZERO)));
    for (job, expected) in [
        (&jobs[1], JobState::Available),
        (&jobs[3], JobState::Available),
        (&jobs[0], JobState::Scheduled),
    ] {
        assert_eq!(state(store, job.id).await, expected);
    }
    assert_eq!(store.promote(2).await.unwrap().count, 2);
    let last = store.promote(2).await.unwrap();
    assert_eq!((last.count, last.next_due), (1, None));
}

/// Each queue in which something became available is named once.
pub async fn queues_are_named_once(store: &dyn Store) {
    let jobs: Vec<_> = (0..30)
        .map(|n| NewJob { queue: format!("queue-{}", n % 3).into(), ..delayed(MINUTE) })
        .collect();
    store.insert(&jobs).await.unwrap();
    insert(store, &NewJob { queue: "later".into(), ..delayed(DAY) }).await;
    travel(store, HOUR).await;
    let promoted = store.promote(100).await.unwrap();
    assert_eq!((promoted.queues.len(), promoted.count), (3, 30));
    let names: BTreeSet<_> = promoted.queues.iter().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["queue-0", "queue-1", "queue-2"]));
}

/// Thousands of due jobs are promoted in bounded steps; none is left, none is taken twice.
pub async fn a_backlog_is_promoted_in_steps(store: &dyn Store) {
    let jobs: Vec<_> = (0..2_500).map(|_| delayed(MINUTE)).collect();
    store.insert(&jobs).await.unwrap();
    travel(store, HOUR).await;
    let mut steps = Vec::new();
    while let promoted = store.promote(1_000).await.unwrap()
        && promoted.count > 0
    {
        steps.push(promoted.count);
    }
    assert_eq!(steps, [1_000, 1_000, 500]);
    assert_eq!(total(store, JobState::Available).await, 2_500);
}

/// A paused queue's jobs become available; they are only not claimed.
pub async fn a_paused_queue_is_promoted(store: &dyn Store) {
    let id = insert(store, &delayed(MINUTE)).await;
    store.pause(QUEUE, "", &ada()).await.unwrap();
    travel(store, HOUR).await;
    assert_eq!(store.promote(10).await.unwrap().count, 1);
    assert_eq!(state(store, id).await, JobState::Available);
    let owner = worker(store).await;
    assert_eq!(claim(store, owner, 10).await, []);
}

/// Running, parked and finished jobs are not promoted, however old.
pub async fn what_does_not_wait_for_a_time_is_left(store: &dyn Store) {
    let done = settled(store, Outcome::Completed(None)).await;
    let held = running(store).await;
    let parked = insert(store, &NewJob { task: "gone".into(), ..job() }).await;
    assert_eq!(store.park_unknown(QUEUE, 10).await.unwrap(), 1);
    travel(store, DAY).await;
    assert_eq!(store.promote(10).await.unwrap(), Promoted::default());
    assert_eq!(state(store, held.id).await, JobState::Running);
    assert_eq!(state(store, parked).await, JobState::Parked);
    assert_eq!(state(store, done.id).await, JobState::Completed);
}
