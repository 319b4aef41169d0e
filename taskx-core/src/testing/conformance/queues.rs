//! Rules of queues: `queues`, `pause`, `resume`, `oldest_wait`.

use super::steps::{
    HOUR, MINUTE, QUEUE, SECOND, ada, claim, delayed, find, insert, inserted, job, near, retry,
    running, settle, settled, travel, worker,
};
use crate::{
    inspect::{Actor, QueueInfo},
    job::NewJob,
    outcome::Outcome,
    store::Store,
};

/// The queue of this name among the queues.
async fn queue(store: &dyn Store, name: &str) -> Option<QueueInfo> {
    store.queues().await.unwrap().into_iter().find(|queue| queue.name == name)
}

/// Queues with live jobs are listed by name, each once.
pub async fn queues_with_jobs_are_listed_by_name(store: &dyn Store) {
    assert_eq!(store.queues().await.unwrap(), []);
    for name in ["web", "mail", "reports", "mail"] {
        insert(store, &NewJob { queue: name.into(), ..job() }).await;
    }
    insert(store, &NewJob { queue: "later".into(), ..delayed(HOUR) }).await;
    let queues = store.queues().await.unwrap();
    let names: Vec<_> = queues.iter().map(|queue| queue.name.as_str()).collect();
    assert_eq!(names, ["later", "mail", "reports", "web"]);
    assert!(queues.iter().all(|queue| queue.paused_at.is_none() && queue.paused_by.is_none()));
}

/// A queue tells since when its oldest available job has been due.
pub async fn a_queue_tells_its_oldest_job(store: &dyn Store) {
    let oldest = insert(store, &job()).await;
    travel(store, HOUR).await;
    inserted(store, 2).await;
    insert(store, &NewJob { queue: "later".into(), ..delayed(HOUR) }).await;
    let due = find(store, oldest).await.run_at;
    assert_eq!(queue(store, QUEUE).await.unwrap().oldest_available, Some(due));
    assert_eq!(queue(store, "later").await.unwrap().oldest_available, None);
}

/// A paused queue is listed, with who, when and why, also if it has no job.
pub async fn a_paused_queue_tells_why(store: &dyn Store) {
    store.pause("it's 🦀", "mail server \"down\"", &ada()).await.unwrap();
    let now = store.now().await.unwrap();
    let paused = queue(store, "it's 🦀").await.unwrap();
    assert!(paused.paused_at.is_some_and(|at| near(at, now)));
    assert_eq!(paused.paused_by.as_deref(), Some("cli:ada"));
    assert_eq!(paused.reason.as_deref(), Some("mail server \"down\""));
}

/// Pausing a paused queue keeps it paused.
pub async fn pausing_twice_is_pausing(store: &dyn Store) {
    inserted(store, 1).await;
    store.pause(QUEUE, "first", &ada()).await.unwrap();
    store.pause(QUEUE, "second", &Actor::app()).await.unwrap();
    assert!(queue(store, QUEUE).await.unwrap().paused_at.is_some());
    assert!(store.resume(QUEUE, &ada()).await.unwrap());
    let owner = worker(store).await;
    assert_eq!(claim(store, owner, 10).await.len(), 1);
}

/// Resuming tells whether the queue was paused, and takes the pause away.
pub async fn resuming_tells_whether_it_was_paused(store: &dyn Store) {
    assert!(!store.resume(QUEUE, &ada()).await.unwrap());
    inserted(store, 1).await;
    store.pause(QUEUE, "", &ada()).await.unwrap();
    assert!(store.resume(QUEUE, &ada()).await.unwrap());
    assert!(!store.resume(QUEUE, &ada()).await.unwrap());
    let resumed = queue(store, QUEUE).await.unwrap();
    assert_eq!((resumed.paused_at, resumed.paused_by, resumed.reason), (None, None, None));
}

/// A queue may be paused again after it was resumed.
pub async fn a_queue_may_be_paused_again(store: &dyn Store) {
    inserted(store, 1).await;
    let owner = worker(store).await;
    for _ in 0..3 {
        store.pause(QUEUE, "", &ada()).await.unwrap();
        assert_eq!(claim(store, owner, 10).await, []);
        store.resume(QUEUE, &ada()).await.unwrap();
    }
    assert_eq!(claim(store, owner, 10).await.len(), 1);
}

/// What runs in a paused queue goes on, and may be settled.
pub async fn running_jobs_of_a_paused_queue_go_on(store: &dyn Store) {
    let held = running(store).await;
    store.pause(QUEUE, "", &ada()).await.unwrap();
    settle(store, &held, Outcome::Released).await;
    assert_eq!(find(store, held.id).await.owner, None);
    assert_eq!(claim(store, held.owner, 10).await, []);
}

/// How long the oldest available job has been due, by the database's clock.
pub async fn it_tells_how_long_the_oldest_waits(store: &dyn Store) {
    assert_eq!(store.oldest_wait(QUEUE).await.unwrap(), None);
    inserted(store, 1).await;
    travel(store, HOUR).await;
    inserted(store, 1).await;
    insert(store, &NewJob { queue: "web".into(), ..job() }).await;
    let wait = store.oldest_wait(QUEUE).await.unwrap().unwrap();
    assert!(HOUR <= wait && wait < HOUR + MINUTE, "{wait:?}");
    assert!(store.oldest_wait("web").await.unwrap().unwrap() < MINUTE);
}

/// A job waits from when it was due, not from when it was inserted.
pub async fn a_wait_counts_from_the_due_time(store: &dyn Store) {
    insert(store, &delayed(HOUR)).await;
    assert_eq!(store.oldest_wait(QUEUE).await.unwrap(), None);
    travel(store, HOUR + 5 * MINUTE).await;
    store.promote(10).await.unwrap();
    let wait = store.oldest_wait(QUEUE).await.unwrap().unwrap();
    assert!(5 * MINUTE - SECOND <= wait && wait < 6 * MINUTE, "{wait:?}");
}

/// Running, retryable and finished jobs do not wait for a worker.
pub async fn only_available_jobs_wait(store: &dyn Store) {
    settled(store, Outcome::Completed(None)).await;
    settled(store, retry(HOUR)).await;
    running(store).await;
    travel(store, MINUTE).await;
    assert_eq!(store.oldest_wait(QUEUE).await.unwrap(), None);
}
