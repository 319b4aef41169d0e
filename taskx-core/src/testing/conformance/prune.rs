//! Rules of `prune`: what is finished is forgotten when its retention has passed; nothing else is.

use super::steps::{
    DAY, HOUR, QUEUE, ada, cancelled, claim, delayed, discard, endings, failure, insert, inserted,
    job, quarantine, retry, running, settle_as, settled, settlement, state, total, travel, worker,
};
use crate::{
    inspect::Cancelled,
    job::{JobId, JobState, NewJob},
    outcome::{Outcome, Settlement},
    store::{Pruned, Settled, Store},
};

/// Nothing is finished: nothing is pruned.
pub async fn an_empty_store_has_nothing_to_prune(store: &dyn Store) {
    assert_eq!(store.prune(100).await.unwrap(), Pruned { jobs: 0, more: false });
}

/// Ends a job so, to be kept for so long.
async fn kept(store: &dyn Store, outcome: Outcome, retention: std::time::Duration) -> JobId {
    let held = running(store).await;
    let settlement = Settlement { retention: Some(retention), ..settlement(&held, outcome) };
    assert_eq!(settle_as(store, settlement).await, Settled::Done);
    held.id
}

/// A finished job is kept as long as its own retention says, whatever its state.
pub async fn retention_is_each_jobs_own(store: &dyn Store) {
    for (outcome, _) in endings() {
        let (short, long) =
            (kept(store, outcome.clone(), HOUR).await, kept(store, outcome, DAY).await);
        assert_eq!(store.prune(100).await.unwrap().jobs, 0);
        travel(store, 2 * HOUR).await;
        assert_eq!(store.prune(100).await.unwrap().jobs, 1);
        assert_eq!(store.find(short).await.unwrap(), None);
        assert!(store.find(long).await.unwrap().is_some());
        store.delete(&[long], &ada()).await.unwrap();
    }
}

/// Dead letters without a retention of their own are kept for 90 days.
pub async fn dead_letters_are_kept_for_ninety_days(store: &dyn Store) {
    let mut dead = Vec::new();
    for outcome in [discard(), quarantine()] {
        let held = running(store).await;
        let settlement = Settlement { retention: None, ..settlement(&held, outcome) };
        assert_eq!(settle_as(store, settlement).await, Settled::Done);
        dead.push(held.id);
    }
    travel(store, 89 * DAY).await;
    assert_eq!(store.prune(100).await.unwrap().jobs, 0);
    travel(store, 2 * DAY).await;
    assert_eq!(store.prune(100).await.unwrap().jobs, 2);
    for id in dead {
        assert_eq!(store.find(id).await.unwrap(), None);
    }
}

/// What an operator ended is kept as by default: cancelled 3 days, discarded 90.
pub async fn what_an_operator_ended_is_kept_as_by_default(store: &dyn Store) {
    let all = inserted(store, 2).await;
    assert_eq!(store.cancel(all[0], &ada()).await.unwrap(), Cancelled::Cancelled);
    assert_eq!(store.discard(&all[1..], "no", &ada()).await.unwrap(), 1);
    travel(store, 2 * DAY).await;
    assert_eq!(store.prune(100).await.unwrap().jobs, 0);
    travel(store, 2 * DAY).await;
    assert_eq!(store.prune(100).await.unwrap().jobs, 1);
    assert_eq!(store.find(all[0]).await.unwrap(), None);
    travel(store, 85 * DAY).await;
    assert_eq!(store.prune(100).await.unwrap().jobs, 0);
    travel(store, 3 * DAY).await;
    assert_eq!(store.prune(100).await.unwrap().jobs, 1);
}

/// Live jobs are never pruned, however old, in whatever state.
pub async fn live_jobs_are_never_pruned(store: &dyn Store) {
    let failed = settled(store, retry(HOUR)).await.id;
    let held = running(store).await.id;
    let (waiting, later) = (insert(store, &job()).await, insert(store, &delayed(HOUR)).await);
    let parked = insert(store, &NewJob { task: "gone".into(), ..job() }).await;
    store.park_unknown(QUEUE, 100).await.unwrap();
    travel(store, 10_000 * DAY).await;
    assert_eq!(store.prune(1_000).await.unwrap(), Pruned::default());
    for (id, expected) in [
        (failed, JobState::Retryable),
        (held, JobState::Running),
        (waiting, JobState::Available),
        (later, JobState::Scheduled),
        (parked, JobState::Parked),
    ] {
        assert_eq!(state(store, id).await, expected);
    }
}

/// A redriven job is live again: its old retention does not count.
pub async fn a_redriven_job_is_not_pruned(store: &dyn Store) {
    let id = kept(store, discard(), HOUR).await;
    store.retry(&[id], &ada()).await.unwrap();
    travel(store, 365 * DAY).await;
    assert_eq!(store.prune(100).await.unwrap().jobs, 0);
    assert_eq!(state(store, id).await, JobState::Available);
}

/// The limit holds, and says that there is more.
pub async fn the_limit_holds(store: &dyn Store) {
    inserted(store, 250).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 250).await;
    let batch: Vec<_> = held.iter().map(|job| settlement(job, cancelled())).collect();
    store.settle(&batch).await.unwrap();
    travel(store, 4 * DAY).await;
    for left in [150, 50] {
        assert_eq!(store.prune(100).await.unwrap(), Pruned { jobs: 100, more: true });
        assert_eq!(total(store, JobState::Cancelled).await, left);
    }
    assert_eq!(store.prune(100).await.unwrap(), Pruned { jobs: 50, more: false });
    assert_eq!(store.prune(100).await.unwrap(), Pruned { jobs: 0, more: false });
}

/// A pruned job's attempts go with it; those of others stay.
pub async fn attempts_go_with_their_job(store: &dyn Store) {
    let failed = settled(store, retry(100 * DAY)).await.id;
    let outcome = Outcome::Discarded { reason: "no".to_owned(), failure: Some(failure("no")) };
    let dead = kept(store, outcome, HOUR).await;
    travel(store, DAY).await;
    assert_eq!(store.prune(100).await.unwrap().jobs, 1);
    assert_eq!(store.attempts(dead).await.unwrap(), []);
    assert_eq!(store.attempts(failed).await.unwrap().len(), 1);
}
