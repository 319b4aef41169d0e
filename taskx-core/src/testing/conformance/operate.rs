//! Rules of what an operator does to jobs: `retry`, `discard`, `delete`, `edit_payload`.

use super::steps::{
    HOUR, QUEUE, ada, cancelled, claim, claim_one, delayed, discard, endings, find, ids, insert,
    inserted, job, near, quarantine, retry, running, settled, snooze, state, total, worker,
};
use crate::{
    inspect::{Actor, Cancelled, JobFilter, Page},
    job::{JobId, JobState, NewJob},
    outcome::{Outcome, TEXT_LIMIT},
    store::Store,
};

/// A job that is set aside because nobody knows its task.
async fn parked(store: &dyn Store) -> JobId {
    let id = insert(store, &NewJob { task: "gone".into(), ..job() }).await;
    store.park_unknown(QUEUE, 1_000).await.unwrap();
    assert_eq!(state(store, id).await, JobState::Parked);
    id
}

/// Dead letters come back: available at once, counted anew, with nothing left of their end.
pub async fn a_dead_letter_comes_back(store: &dyn Store) {
    for outcome in [discard(), quarantine(), cancelled()] {
        let held = settled(store, outcome).await;
        let before = find(store, held.id).await;
        assert_eq!(store.retry(&[held.id], &ada()).await.unwrap(), 1);
        let now = store.now().await.unwrap();
        let found = find(store, held.id).await;
        assert_eq!((found.state, found.owner, found.attempt), (JobState::Available, None, 0));
        assert_eq!((found.fence, found.crash_count), (before.fence, 0));
        assert_eq!(
            (found.finished_at, &found.result, found.cancel_requested_at),
            (None, &None, None)
        );
        assert_eq!(found.inserted_at, before.inserted_at);
        assert!(near(found.run_at, now), "{found:?}");
        let again = claim_one(store, held.owner).await;
        assert_eq!((again.id, again.attempt), (held.id, 1));
    }
}

/// A job that came back is stored once: it is not in the history any more.
pub async fn a_dead_letter_comes_back_once(store: &dyn Store) {
    let held = settled(store, discard()).await;
    assert_eq!(store.retry(&[held.id, held.id], &ada()).await.unwrap(), 1);
    assert_eq!(store.retry(&[held.id], &ada()).await.unwrap(), 0);
    let counts = store.count().await.unwrap();
    assert_eq!(counts.iter().map(|entry| entry.count).sum::<i64>(), 1);
}

/// Jobs that wait for a time, or for somebody who knows them, are made available at once.
pub async fn waiting_jobs_are_made_available(store: &dyn Store) {
    let parked = parked(store).await;
    let failed = settled(store, retry(HOUR)).await.id;
    let snoozed = settled(store, snooze(HOUR)).await.id;
    let later = insert(store, &delayed(HOUR)).await;
    let all = [failed, snoozed, later, parked];
    assert_eq!(store.retry(&all, &ada()).await.unwrap(), 4);
    let now = store.now().await.unwrap();
    for id in all {
        let found = find(store, id).await;
        assert_eq!(found.state, JobState::Available);
        assert!(found.run_at <= now);
    }
    assert_eq!(find(store, failed).await.attempt, 1, "its attempts still count");
}

/// Running, completed and available jobs, and those that nobody knows, are left as they are.
pub async fn retry_leaves_what_runs_or_is_done(store: &dyn Store) {
    let done = settled(store, Outcome::Completed(None)).await;
    let held = running(store).await;
    let waiting = insert(store, &job()).await;
    let ids = [done.id, held.id, waiting, JobId::new()];
    assert_eq!(store.retry(&ids, &ada()).await.unwrap(), 0);
    assert_eq!(state(store, done.id).await, JobState::Completed);
    assert_eq!(find(store, held.id).await.owner, Some(held.owner));
    assert_eq!(state(store, waiting).await, JobState::Available);
}

/// Ends waiting jobs so that there are many to redrive.
async fn dead(store: &dyn Store, count: usize) -> Vec<JobId> {
    let all = inserted(store, count).await;
    assert_eq!(store.discard(&all, "no", &ada()).await.unwrap(), count);
    all
}

/// Thousands come back in one call.
pub async fn thousands_come_back_in_one_call(store: &dyn Store) {
    let all = dead(store, 2_500).await;
    assert_eq!(store.retry(&all, &ada()).await.unwrap(), 2_500);
    assert_eq!(total(store, JobState::Available).await, 2_500);
    assert_eq!(total(store, JobState::Discarded).await, 0);
}

/// No ids, no change.
pub async fn without_ids_nothing_changes(store: &dyn Store) {
    dead(store, 1).await;
    inserted(store, 1).await;
    assert_eq!(store.retry(&[], &ada()).await.unwrap(), 0);
    assert_eq!(store.discard(&[], "no", &ada()).await.unwrap(), 0);
    assert_eq!(store.delete(&[], &ada()).await.unwrap(), 0);
    assert_eq!(total(store, JobState::Available).await, 1);
    assert_eq!(total(store, JobState::Discarded).await, 1);
}

/// Any number of ids may be named in one call, also more than a statement has room for parameters.
pub async fn any_number_of_ids_may_be_named(store: &dyn Store) {
    let mut ids: Vec<_> = (0..70_000).map(|_| JobId::new()).collect();
    ids.insert(40_000, insert(store, &job()).await);
    assert_eq!(store.discard(&ids, "no", &ada()).await.unwrap(), 1);
    assert_eq!(store.retry(&ids, &ada()).await.unwrap(), 1);
    let filter = JobFilter { ids: ids.clone(), ..JobFilter::default() };
    assert_eq!(store.list(&filter, Page::default()).await.unwrap().len(), 1);
    assert_eq!(store.delete(&ids, &ada()).await.unwrap(), 1);
}

/// NUL in the words of an operator, which PostgreSQL cannot hold, is no reason not to end a job; a
/// pause with it is refused for good where it cannot be kept.
pub async fn nul_in_an_operators_words_is_harmless(store: &dyn Store) {
    let all = inserted(store, 2).await;
    let odd = Actor("cli:a\0da".to_owned());
    assert_eq!(store.discard(&all[..1], "no\0t", &odd).await.unwrap(), 1);
    let reason = find(store, all[0]).await.reason.unwrap();
    assert!(reason.replace('\0', "").contains("not"), "{reason:?}");
    assert_eq!(store.cancel(all[1], &odd).await.unwrap(), Cancelled::Cancelled);
    match store.pause(QUEUE, "no\0t", &odd).await {
        Ok(()) => assert!(store.queues().await.unwrap()[0].paused_at.is_some()),
        Err(error) => assert!(!error.is_transient(), "{error:?}"),
    }
}

/// Waiting jobs of every kind are discarded with the reason given.
pub async fn waiting_jobs_are_discarded(store: &dyn Store) {
    let parked = parked(store).await;
    let failed = settled(store, retry(HOUR)).await.id;
    let (new, later) = (insert(store, &job()).await, insert(store, &delayed(HOUR)).await);
    let all = [parked, failed, new, later];
    assert_eq!(store.discard(&all, "it's no longer needed", &ada()).await.unwrap(), 4);
    for id in all {
        let found = find(store, id).await;
        assert_eq!(found.state, JobState::Discarded);
        assert!(found.reason.is_some_and(|text| text.contains("it's no longer needed")));
        assert!(found.finished_at.is_some());
    }
    let owner = worker(store).await;
    assert_eq!(claim(store, owner, 10).await, []);
}

/// Running and finished jobs are not discarded.
pub async fn discard_leaves_what_runs_or_has_ended(store: &dyn Store) {
    let held = running(store).await;
    let mut all = vec![held.id, JobId::new()];
    for (outcome, _) in endings() {
        all.push(settled(store, outcome).await.id);
    }
    assert_eq!(store.discard(&all, "no", &ada()).await.unwrap(), 0);
    assert_eq!(find(store, held.id).await.owner, Some(held.owner));
    for (id, (_, ended)) in all[2..].iter().zip(endings()) {
        assert_eq!(state(store, *id).await, ended);
    }
}

/// A very long reason is cut, not refused.
pub async fn a_long_reason_is_cut(store: &dyn Store) {
    let id = insert(store, &job()).await;
    let reason = "because ".repeat(10_000);
    assert_eq!(store.discard(&[id], &reason, &ada()).await.unwrap(), 1);
    let kept = find(store, id).await.reason.unwrap();
    assert!(kept.len() <= TEXT_LIMIT + 100 && kept.contains("because because"), "{}", kept.len());
}

/// Waiting and finished jobs are deleted for good.
pub async fn what_does_not_run_is_deleted(store: &dyn Store) {
    let mut all = vec![parked(store).await, settled(store, retry(HOUR)).await.id];
    all.extend([insert(store, &job()).await, insert(store, &delayed(HOUR)).await]);
    store.delete(&all[2..3], &ada()).await.unwrap();
    for (outcome, _) in endings() {
        all.push(settled(store, outcome).await.id);
    }
    assert_eq!(store.delete(&all, &ada()).await.unwrap(), all.len() - 1);
    for id in all {
        assert_eq!(store.find(id).await.unwrap(), None);
    }
    assert_eq!(store.count().await.unwrap(), []);
}

/// A running job is not deleted: its worker would settle nothing.
pub async fn a_running_job_is_not_deleted(store: &dyn Store) {
    let held = running(store).await;
    let waiting = insert(store, &job()).await;
    assert_eq!(store.delete(&[held.id, waiting, JobId::new()], &ada()).await.unwrap(), 1);
    assert_eq!(state(store, held.id).await, JobState::Running);
}

/// The payload of a waiting job, or of a dead letter, is replaced byte for byte.
pub async fn a_payload_is_replaced(store: &dyn Store) {
    let payload = r#"{ "to":"o'neil", "n":18446744073709551615, "n":1 }"#;
    let mut all = vec![parked(store).await, settled(store, retry(HOUR)).await.id];
    for outcome in [discard(), quarantine(), cancelled()] {
        all.push(settled(store, outcome).await.id);
    }
    all.extend([insert(store, &job()).await, insert(store, &delayed(HOUR)).await]);
    for id in &all {
        let before = find(store, *id).await;
        assert!(store.edit_payload(*id, payload, &ada()).await.unwrap(), "{before:?}");
        let after = find(store, *id).await;
        assert_eq!(after, crate::job::Job { payload: payload.to_owned(), ..before });
    }
}

/// The next claim gets the new payload.
pub async fn a_replaced_payload_reaches_the_worker(store: &dyn Store) {
    let held = settled(store, quarantine()).await;
    assert!(store.edit_payload(held.id, r#"{"fixed":true}"#, &ada()).await.unwrap());
    store.retry(&[held.id], &ada()).await.unwrap();
    assert_eq!(claim_one(store, held.owner).await.payload, r#"{"fixed":true}"#);
}

/// The payload of a running or completed job, and of one that nobody knows, is not replaced.
pub async fn a_payload_in_use_is_not_replaced(store: &dyn Store) {
    let done = settled(store, Outcome::Completed(None)).await;
    let held = running(store).await;
    for id in [done.id, held.id, JobId::new()] {
        assert!(!store.edit_payload(id, "[]", &ada()).await.unwrap());
    }
    assert_eq!(find(store, done.id).await.payload, "{}");
    assert_eq!(find(store, held.id).await.payload, "{}");
}

/// Only the job that was named is changed.
pub async fn neighbours_keep_their_payload(store: &dyn Store) {
    let all = inserted(store, 3).await;
    store.edit_payload(all[1], "[]", &ada()).await.unwrap();
    let owner = worker(store).await;
    let claimed = claim(store, owner, 3).await;
    assert_eq!(ids(&claimed), all);
    let payloads: Vec<_> = claimed.iter().map(|job| job.payload.as_str()).collect();
    assert_eq!(payloads, ["{}", "[]", "{}"]);
}
