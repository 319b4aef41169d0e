//! Rules of `cancel`.

use super::steps::{
    HOUR, QUEUE, ada, claim, claim_one, delayed, endings, find, insert, inserted, job, near, retry,
    running, settle, settled, snooze, state, travel, worker,
};
use crate::{
    inspect::{Actor, Cancelled},
    job::{JobId, JobState, NewJob},
    outcome::Outcome,
    store::Store,
};

/// A waiting job of any kind is cancelled at once, and says by whom.
pub async fn a_waiting_job_is_cancelled_at_once(store: &dyn Store) {
    let parked = insert(store, &NewJob { task: "gone".into(), ..job() }).await;
    store.park_unknown(QUEUE, 10).await.unwrap();
    let failed = settled(store, retry(HOUR)).await.id;
    let snoozed = settled(store, snooze(HOUR)).await.id;
    let (new, later) = (insert(store, &job()).await, insert(store, &delayed(HOUR)).await);
    for id in [parked, failed, snoozed, new, later] {
        assert_eq!(store.cancel(id, &ada()).await.unwrap(), Cancelled::Cancelled);
        let now = store.now().await.unwrap();
        let found = find(store, id).await;
        assert_eq!(found.state, JobState::Cancelled);
        assert_eq!(found.reason.as_deref(), Some("cancelled by cli:ada"));
        assert!(found.finished_at.is_some_and(|at| near(at, now)));
        assert_eq!(found.owner, None);
    }
}

/// A cancelled job is neither claimed nor promoted.
pub async fn a_cancelled_job_does_not_run(store: &dyn Store) {
    let (new, later) = (insert(store, &job()).await, insert(store, &delayed(HOUR)).await);
    for id in [new, later] {
        store.cancel(id, &Actor::app()).await.unwrap();
    }
    travel(store, 2 * HOUR).await;
    assert_eq!(store.promote(10).await.unwrap().count, 0);
    let owner = worker(store).await;
    assert_eq!(claim(store, owner, 10).await, []);
}

/// A running job is asked to stop: it goes on until its worker settles it.
pub async fn a_running_job_is_asked_to_stop(store: &dyn Store) {
    let held = running(store).await;
    assert_eq!(store.cancel(held.id, &ada()).await.unwrap(), Cancelled::Requested);
    let now = store.now().await.unwrap();
    let found = find(store, held.id).await;
    assert_eq!((found.state, found.owner), (JobState::Running, Some(held.owner)));
    assert!(found.cancel_requested_at.is_some_and(|at| near(at, now)));
    assert_eq!(store.cancel(held.id, &ada()).await.unwrap(), Cancelled::Requested);
}

/// What has ended is left as it is.
pub async fn a_finished_job_is_left(store: &dyn Store) {
    for (outcome, _) in endings() {
        let held = settled(store, outcome).await;
        let before = find(store, held.id).await;
        assert_eq!(store.cancel(held.id, &ada()).await.unwrap(), Cancelled::AlreadyFinished);
        assert_eq!(find(store, held.id).await, before);
    }
}

/// A job that nobody knows is not found.
pub async fn an_unknown_job_is_not_found(store: &dyn Store) {
    assert_eq!(store.cancel(JobId::new(), &ada()).await.unwrap(), Cancelled::NotFound);
}

/// One job is cancelled, its neighbours are not.
pub async fn neighbours_are_left(store: &dyn Store) {
    let all = inserted(store, 3).await;
    store.cancel(all[1], &ada()).await.unwrap();
    assert_eq!(state(store, all[0]).await, JobState::Available);
    assert_eq!(state(store, all[2]).await, JobState::Available);
}

/// The name of who cancelled may be odd.
pub async fn the_actors_name_may_be_odd(store: &dyn Store) {
    let id = insert(store, &job()).await;
    store.cancel(id, &Actor("dashboard:o'neil \"🦀\" %_\\".to_owned())).await.unwrap();
    let reason = find(store, id).await.reason;
    assert_eq!(reason.as_deref(), Some("cancelled by dashboard:o'neil \"🦀\" %_\\"));
}

/// A cancelled job that is retried runs as if nobody had asked it to stop.
pub async fn a_retried_job_is_not_asked_to_stop(store: &dyn Store) {
    let held = running(store).await;
    store.cancel(held.id, &ada()).await.unwrap();
    settle(store, &held, Outcome::Released).await;
    assert_eq!(store.retry(&[held.id], &ada()).await.unwrap(), 1);
    let again = claim_one(store, held.owner).await;
    assert!(again.id == held.id && !again.cancel_requested);
    assert_eq!(find(store, held.id).await.cancel_requested_at, None);
    settle(store, &again, retry(HOUR)).await;
    assert_eq!(state(store, held.id).await, JobState::Retryable);
}
