//! Rules of `claim`.

use std::sync::Arc;

use super::steps::{
    HOUR, QUEUE, TASK, ada, claim, claim_one, delayed, die, find, ids, insert, inserted, job, jobs,
    near, request, retry, running, settle, settled, travel, worker, worker_of,
};
use crate::{
    job::{JobState, NewJob, WorkerId},
    outcome::Outcome,
    store::{Claim, Settled, Store},
};

/// Lower priority first, then lower id, in whatever order the jobs were inserted.
pub async fn jobs_come_by_priority_then_id(store: &dyn Store) {
    let mut batch = jobs(60);
    for (at, job) in batch.iter_mut().enumerate() {
        job.priority = [5, -3, 0, i16::MAX, i16::MIN][at % 5];
    }
    let mut expected: Vec<_> = batch.iter().map(|job| (job.priority, job.id)).collect();
    expected.sort_unstable();
    batch.reverse();
    store.insert(&batch).await.unwrap();
    let owner = worker(store).await;
    let mut order = Vec::new();
    while let claimed = claim(store, owner, 7).await
        && !claimed.is_empty()
    {
        order.extend(claimed.iter().map(|job| (job.priority, job.id)));
    }
    assert_eq!(order, expected);
}

/// A claimed job's attempt and fence are one higher; all else is as stored.
pub async fn a_claimed_job_is_as_stored(store: &dyn Store) {
    let new =
        NewJob { priority: 3, max_attempts: 4, payload: r#"{"to":"ada"}"#.to_owned(), ..job() };
    insert(store, &new).await;
    let stored = find(store, new.id).await;
    let owner = worker(store).await;
    let held = claim_one(store, owner).await;
    assert_eq!((held.id, held.owner), (new.id, owner));
    assert_eq!((held.fence, held.attempt, held.max_attempts), (1, 1, 4));
    assert_eq!((&*held.queue, held.task.as_str(), held.priority), (QUEUE, TASK, 3));
    assert_eq!((held.payload.as_str(), held.payload_format), (r#"{"to":"ada"}"#, 0));
    assert_eq!((held.inserted_at, held.run_at), (stored.inserted_at, stored.run_at));
    assert_eq!((held.crash_count, held.snooze_count), (0, 0));
    assert!(!held.solo && !held.cancel_requested);
}

/// A claimed job is running, with its owner and the time of the claim.
pub async fn a_claimed_job_is_running(store: &dyn Store) {
    let held = running(store).await;
    let now = store.now().await.unwrap();
    let found = find(store, held.id).await;
    assert_eq!(found.state, JobState::Running);
    assert_eq!((found.owner, found.fence, found.attempt), (Some(held.owner), 1, 1));
    assert!(found.claimed_at.is_some_and(|at| near(at, now)));
    assert_eq!(found.run_at, held.run_at);
}

/// At most as many as asked for; the rest stays available.
pub async fn the_limit_holds(store: &dyn Store) {
    let all = inserted(store, 10).await;
    let owner = worker(store).await;
    assert_eq!(ids(&claim(store, owner, 3).await), all[..3]);
    assert_eq!(find(store, all[3]).await.state, JobState::Available);
    assert_eq!(ids(&claim(store, owner, 100).await), all[3..]);
}

/// A claim may take a thousand jobs.
pub async fn a_claim_takes_a_thousand(store: &dyn Store) {
    let all = inserted(store, 1_200).await;
    let owner = worker(store).await;
    assert_eq!(ids(&claim(store, owner, 1_000).await), all[..1_000]);
    assert_eq!(ids(&claim(store, owner, 1_000).await), all[1_000..]);
    assert_eq!(claim(store, owner, 1_000).await, []);
}

/// What one claim took no other claim gets, of this worker or another.
pub async fn a_claimed_job_is_not_claimed_again(store: &dyn Store) {
    inserted(store, 4).await;
    let (first, second) = (worker(store).await, worker(store).await);
    let mut taken = ids(&claim(store, first, 2).await);
    taken.extend(ids(&claim(store, second, 2).await));
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), 4);
    assert_eq!(claim(store, first, 2).await, []);
    assert_eq!(claim(store, second, 2).await, []);
}

/// Only jobs of the tasks that are named, aliases included; others are left alone.
pub async fn only_known_tasks_are_claimed(store: &dyn Store) {
    let batch =
        ["send", "resize", "send_v1", "SEND"].map(|task| NewJob { task: task.into(), ..job() });
    store.insert(&batch).await.unwrap();
    let owner = worker_of(store, &["send", "send_v1"]).await;
    let tasks: Arc<[String]> = Arc::new(["send".to_owned(), "send_v1".to_owned()]);
    let claimed = store.claim(&Claim { tasks, ..request(owner, 10) }).await.unwrap();
    assert_eq!(ids(&claimed), [batch[0].id, batch[2].id]);
    for unknown in [&batch[1], &batch[3]] {
        let found = find(store, unknown.id).await;
        assert_eq!((found.state, found.fence), (JobState::Available, 0));
    }
}

/// A worker that knows no task gets nothing.
pub async fn no_tasks_no_jobs(store: &dyn Store) {
    inserted(store, 2).await;
    let owner = worker(store).await;
    let claim = Claim { tasks: Arc::new([]), ..request(owner, 10) };
    assert_eq!(store.claim(&claim).await.unwrap(), []);
}

/// A worker may know hundreds of tasks.
pub async fn a_worker_may_know_hundreds_of_tasks(store: &dyn Store) {
    let names: Vec<_> = (0..300).map(|n| format!("task-{n}")).collect();
    let batch: Vec<_> =
        names.iter().map(|name| NewJob { task: name.clone().into(), ..job() }).collect();
    store.insert(&batch).await.unwrap();
    let owner = worker_of(store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let known: Arc<[String]> = names[100..].to_vec().into();
    let claimed = store.claim(&Claim { tasks: known, ..request(owner, 1_000) }).await.unwrap();
    assert_eq!(claimed.len(), 200);
    assert!(claimed.iter().all(|job| names[100..].contains(&job.task)));
}

/// Jobs of unknown tasks in front hide nothing that stands behind them.
pub async fn unknown_tasks_in_front_hide_nothing(store: &dyn Store) {
    let mut batch: Vec<_> = (0..1_500).map(|_| NewJob { task: "gone".into(), ..job() }).collect();
    batch.extend(jobs(2));
    store.insert(&batch).await.unwrap();
    let owner = worker(store).await;
    assert_eq!(ids(&claim(store, owner, 10).await), [batch[1_500].id, batch[1_501].id]);
}

/// A claim is for one queue.
pub async fn other_queues_are_left_alone(store: &dyn Store) {
    let other = NewJob { queue: "reports".into(), ..job() };
    store.insert(&[other.clone(), job()]).await.unwrap();
    let owner = worker(store).await;
    let claimed = claim(store, owner, 10).await;
    assert!(claimed.len() == 1 && claimed[0].id != other.id);
    assert_eq!(find(store, other.id).await.state, JobState::Available);
}

/// A queue that nobody ever used gives nothing.
pub async fn an_unknown_queue_gives_nothing(store: &dyn Store) {
    inserted(store, 1).await;
    let owner = worker(store).await;
    let claim = Claim { queue: "nowhere".into(), ..request(owner, 10) };
    assert_eq!(store.claim(&claim).await.unwrap(), []);
}

/// A paused queue gives nothing; the others go on.
pub async fn a_paused_queue_gives_nothing(store: &dyn Store) {
    let other = NewJob { queue: "reports".into(), ..job() };
    store.insert(&[other.clone(), job()]).await.unwrap();
    store.pause(QUEUE, "mail server down", &ada()).await.unwrap();
    let owner = worker(store).await;
    assert_eq!(claim(store, owner, 10).await, []);
    let claim = Claim { queue: "reports".into(), ..request(owner, 10) };
    assert_eq!(ids(&store.claim(&claim).await.unwrap()), [other.id]);
}

/// A resumed queue gives what waited in it.
pub async fn a_resumed_queue_gives_again(store: &dyn Store) {
    let all = inserted(store, 2).await;
    let owner = worker(store).await;
    store.pause(QUEUE, "", &ada()).await.unwrap();
    assert_eq!(claim(store, owner, 10).await, []);
    store.resume(QUEUE, &ada()).await.unwrap();
    assert_eq!(ids(&claim(store, owner, 10).await), all);
}

/// A worker without a row gets nothing: nobody could rescue its jobs.
pub async fn a_worker_without_a_row_gets_nothing(store: &dyn Store) {
    let all = inserted(store, 1).await;
    assert_eq!(claim(store, WorkerId::new(), 10).await, []);
    assert_eq!(find(store, all[0]).await.state, JobState::Available);
}

/// A worker whose row was retired gets nothing.
pub async fn a_retired_worker_gets_nothing(store: &dyn Store) {
    inserted(store, 1).await;
    let owner = worker(store).await;
    store.retire(owner).await.unwrap();
    assert_eq!(claim(store, owner, 10).await, []);
}

/// A worker whose row was ended by a rescuer gets nothing, whatever it believes.
pub async fn a_rescued_worker_gets_nothing(store: &dyn Store) {
    let owner = worker(store).await;
    die(store, owner, &[]).await;
    inserted(store, 1).await;
    assert_eq!(claim(store, owner, 10).await, []);
}

/// The watermark leaves out what does not come after it, by (priority, id).
pub async fn the_watermark_leaves_out_what_lies_before_it(store: &dyn Store) {
    let mut batch = jobs(6);
    batch[3].priority = 1;
    batch[4].priority = 1;
    batch[5].priority = -1;
    store.insert(&batch).await.unwrap();
    let owner = worker(store).await;
    let after = Some((0, batch[1].id));
    let claimed = store.claim(&Claim { after, ..request(owner, 10) }).await.unwrap();
    assert_eq!(ids(&claimed), [batch[2].id, batch[3].id, batch[4].id]);
    assert_eq!(ids(&claim(store, owner, 10).await), [batch[5].id, batch[0].id, batch[1].id]);
}

/// A watermark at the end finds nothing, and costs nothing of what lies before it.
pub async fn a_watermark_at_the_end_finds_nothing(store: &dyn Store) {
    let all = inserted(store, 3).await;
    let owner = worker(store).await;
    let end = Claim { after: Some((0, all[2])), ..request(owner, 10) };
    assert_eq!(store.claim(&end).await.unwrap(), []);
    let last = Claim { after: Some((i16::MAX, all[0])), ..request(owner, 10) };
    assert_eq!(store.claim(&last).await.unwrap(), []);
    assert_eq!(ids(&claim(store, owner, 10).await), all);
}

/// Following the watermark from full batch to full batch finds every job once.
pub async fn following_the_watermark_finds_every_job(store: &dyn Store) {
    let mut batch = jobs(95);
    for (at, job) in batch.iter_mut().enumerate() {
        job.priority = i16::try_from(at % 3).unwrap();
    }
    store.insert(&batch).await.unwrap();
    let owner = worker(store).await;
    let (mut after, mut found) = (None, 0);
    loop {
        let claimed = store.claim(&Claim { after, ..request(owner, 10) }).await.unwrap();
        found += claimed.len();
        let Some(last) = claimed.last() else { break };
        assert!(after.is_none_or(|after| (claimed[0].priority, claimed[0].id) > after));
        after = Some((last.priority, last.id));
    }
    assert_eq!(found, 95);
}

/// Only available jobs are claimed.
pub async fn what_waits_or_has_ended_is_not_claimed(store: &dyn Store) {
    insert(store, &delayed(HOUR)).await;
    for outcome in [retry(HOUR), Outcome::Completed(None), Outcome::Cancelled(String::new())] {
        let owner = worker(store).await;
        insert(store, &job()).await;
        let held = claim_one(store, owner).await;
        assert_eq!(settle(store, &held, outcome).await, Settled::Done);
    }
    insert(store, &NewJob { queue: QUEUE.into(), task: "gone".into(), ..job() }).await;
    store.park_unknown(QUEUE, 10).await.unwrap();
    let owner = worker(store).await;
    let tasks: Arc<[String]> = Arc::new([TASK.to_owned(), "gone".to_owned()]);
    assert_eq!(store.claim(&Claim { tasks, ..request(owner, 10) }).await.unwrap(), []);
}

/// A due job is claimed once it was promoted, not before: the ready index holds no later jobs.
pub async fn a_due_job_is_claimed_after_promote(store: &dyn Store) {
    let id = insert(store, &delayed(HOUR)).await;
    travel(store, 2 * HOUR).await;
    let owner = worker(store).await;
    assert_eq!(claim(store, owner, 10).await, []);
    store.promote(10).await.unwrap();
    assert_eq!(ids(&claim(store, owner, 10).await), [id]);
}

/// A job that failed and is due again is claimed as the next attempt, with what is known of it.
pub async fn the_next_attempt_is_counted(store: &dyn Store) {
    let first = settled(store, retry(HOUR)).await;
    travel(store, 2 * HOUR).await;
    store.promote(10).await.unwrap();
    let owner = worker(store).await;
    let second = claim_one(store, owner).await;
    assert_eq!((second.id, second.attempt, second.fence), (first.id, 2, 2));
    assert_eq!(second.owner, owner);
}
