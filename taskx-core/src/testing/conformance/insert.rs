//! Rules of `insert`.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::steps::{
    DAY, HOUR, MINUTE, QUEUE, TASK, ada, claim, delayed, endings, find, insert, inserted, job,
    jobs, near, running, settled, state, total, worker,
};
use crate::{
    clock::{earlier, later},
    error::ErrorKind,
    job::{JobId, JobState, NewJob, RunAt},
    store::{Inserted, Store},
};

/// One answer a job, in the order of the batch.
pub async fn answers_come_in_the_order_of_the_jobs(store: &dyn Store) {
    let there = insert(store, &job()).await;
    let again = NewJob { id: there, check_id: true, ..job() };
    let batch = [job(), again.clone(), job(), again];
    let answers = store.insert(&batch).await.unwrap();
    let expected = [Inserted::New, Inserted::Existing, Inserted::New, Inserted::Existing];
    assert_eq!(answers, expected);
}

/// A new job is available, unclaimed, and as its caller said.
pub async fn a_new_job_is_as_its_caller_said(store: &dyn Store) {
    let new = NewJob { priority: -7, max_attempts: 3, ..job() };
    insert(store, &new).await;
    let found = find(store, new.id).await;
    assert_eq!(found.id, new.id);
    assert_eq!(found.state, JobState::Available);
    assert_eq!((found.queue.as_str(), found.task.as_str()), (QUEUE, TASK));
    assert_eq!((found.priority, found.max_attempts), (-7, 3));
    assert_eq!((found.attempt, found.fence, found.crash_count, found.snooze_count), (0, 0, 0, 0));
    assert_eq!((found.payload.as_str(), found.payload_format), ("{}", 0));
    assert_eq!(found.owner, None);
    assert_eq!(
        (found.claimed_at, found.finished_at, found.cancel_requested_at),
        (None, None, None)
    );
    assert_eq!((found.progress, found.result, found.reason), (None, None, None));
}

/// A batch without jobs is answered without a word and changes nothing.
pub async fn an_empty_batch_is_nothing(store: &dyn Store) {
    assert_eq!(store.insert(&[]).await.unwrap(), []);
    assert_eq!(store.count().await.unwrap(), []);
}

/// A batch may have any number of jobs; all of it is stored.
pub async fn a_batch_of_five_thousand_is_one_call(store: &dyn Store) {
    let answers = store.insert(&jobs(5_000)).await.unwrap();
    assert!(answers.len() == 5_000 && answers.iter().all(|answer| *answer == Inserted::New));
    assert_eq!(total(store, JobState::Available).await, 5_000);
}

/// A large batch that checks its ids finds those that are there, and only those.
pub async fn a_batch_of_two_thousand_checks_its_ids(store: &dyn Store) {
    let mut batch = jobs(2_000);
    batch.iter_mut().for_each(|job| job.check_id = true);
    store.insert(&batch[500..1_500]).await.unwrap();
    let answers = store.insert(&batch).await.unwrap();
    for (at, answer) in answers.iter().enumerate() {
        let there = (500..1_500).contains(&at);
        assert_eq!(*answer, if there { Inserted::Existing } else { Inserted::New }, "job {at}");
    }
    assert_eq!(total(store, JobState::Available).await, 2_000);
}

/// Jobs of one batch may go to many queues and tasks.
pub async fn a_batch_may_mix_queues_and_tasks(store: &dyn Store) {
    let batch: Vec<_> = (0..20)
        .map(|n| {
            NewJob::new(format!("queue-{}", n % 5), format!("task-{}", n % 3), "{}".to_owned())
        })
        .collect();
    store.insert(&batch).await.unwrap();
    for new in &batch {
        let found = find(store, new.id).await;
        assert_eq!((found.queue.as_str(), found.task.as_str()), (&*new.queue, &*new.task));
    }
}

/// An id that is there already is a conflict unless the caller said to check it; what was there
/// stays as it was.
pub async fn a_repeated_id_is_a_conflict(store: &dyn Store) {
    let new = job();
    insert(store, &new).await;
    let again = NewJob { payload: r#"{"other":1}"#.to_owned(), ..new.clone() };
    let error = store.insert(&[again]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(find(store, new.id).await.payload, new.payload);
}

/// A batch is stored whole or not at all.
pub async fn a_conflict_leaves_the_whole_batch_out(store: &dyn Store) {
    let there = insert(store, &job()).await;
    let batch = [job(), NewJob { id: there, ..job() }, job()];
    assert!(store.insert(&batch).await.is_err());
    for id in [batch[0].id, batch[2].id] {
        assert!(store.find(id).await.unwrap().is_none(), "a job of a failed batch was stored");
    }
    assert_eq!(total(store, JobState::Available).await, 1);
}

/// An id that stands twice in one batch, unchecked, is a conflict.
pub async fn the_same_id_twice_in_a_batch_is_a_conflict(store: &dyn Store) {
    let new = job();
    let error = store.insert(&[new.clone(), new.clone()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(store.find(new.id).await.unwrap().is_none());
}

/// The store goes on after a conflict: the same jobs under fresh ids are stored.
pub async fn a_conflict_spoils_nothing_for_the_next_call(store: &dyn Store) {
    let new = job();
    insert(store, &new).await;
    for _ in 0..20 {
        assert!(store.insert(std::slice::from_ref(&new)).await.is_err());
    }
    inserted(store, 3).await;
    assert_eq!(total(store, JobState::Available).await, 4);
}

/// A checked id is compared with waiting jobs; the job that is there is left as it is.
pub async fn a_checked_id_finds_a_live_job(store: &dyn Store) {
    let new = NewJob { check_id: true, ..job() };
    assert_eq!(store.insert(std::slice::from_ref(&new)).await.unwrap(), [Inserted::New]);
    let again = NewJob { payload: r#"{"other":1}"#.to_owned(), priority: 9, ..new.clone() };
    assert_eq!(store.insert(&[again]).await.unwrap(), [Inserted::Existing]);
    let found = find(store, new.id).await;
    assert_eq!((found.payload.as_str(), found.priority), ("{}", 0));
    assert_eq!(total(store, JobState::Available).await, 1);
}

/// A checked id is compared with running jobs; the claim is not disturbed.
pub async fn a_checked_id_finds_a_running_job(store: &dyn Store) {
    let held = running(store).await;
    let again = NewJob { id: held.id, check_id: true, ..job() };
    assert_eq!(store.insert(&[again]).await.unwrap(), [Inserted::Existing]);
    let found = find(store, held.id).await;
    assert_eq!((found.state, found.owner), (JobState::Running, Some(held.owner)));
}

/// A checked id is compared with finished jobs of every state: a repeated insert never runs twice.
pub async fn a_checked_id_finds_a_finished_job(store: &dyn Store) {
    for (outcome, ended) in endings() {
        let done = settled(store, outcome).await;
        let again = NewJob { id: done.id, check_id: true, ..job() };
        assert_eq!(store.insert(&[again]).await.unwrap(), [Inserted::Existing], "{ended}");
        assert_eq!(state(store, done.id).await, ended);
    }
    assert_eq!(total(store, JobState::Available).await, 0);
}

/// The second of two jobs with one checked id in a batch is Existing, and the first one is stored.
pub async fn a_checked_id_twice_in_a_batch_is_stored_once(store: &dyn Store) {
    let first = NewJob { check_id: true, payload: r#"{"n":1}"#.to_owned(), ..job() };
    let second = NewJob { payload: r#"{"n":2}"#.to_owned(), ..first.clone() };
    let answers = store.insert(&[first.clone(), second]).await.unwrap();
    assert_eq!(answers, [Inserted::New, Inserted::Existing]);
    assert_eq!(find(store, first.id).await.payload, r#"{"n":1}"#);
}

/// A job that an operator deleted is forgotten: its id may be inserted again.
pub async fn a_checked_id_does_not_find_a_deleted_job(store: &dyn Store) {
    let new = NewJob { check_id: true, ..job() };
    insert(store, &new).await;
    assert_eq!(store.delete(&[new.id], &ada()).await.unwrap(), 1);
    assert_eq!(store.insert(&[new]).await.unwrap(), [Inserted::New]);
}

/// A delay counts from the insert, by the database's clock.
pub async fn a_delay_counts_by_the_databases_clock(store: &dyn Store) {
    let new = delayed(90 * MINUTE);
    insert(store, &new).await;
    let found = find(store, new.id).await;
    assert_eq!(found.state, JobState::Scheduled);
    assert!(near(found.run_at, later(found.inserted_at, 90 * MINUTE)), "{found:?}");
}

/// A delay keeps its microseconds.
pub async fn a_delay_may_be_shorter_than_a_second(store: &dyn Store) {
    let new = delayed(Duration::from_micros(86_400_000_000_123));
    let plain = delayed(DAY * 1_000);
    store.insert(&[new.clone(), plain.clone()]).await.unwrap();
    let (new, plain) = (find(store, new.id).await, find(store, plain.id).await);
    let difference = (new.run_at - new.inserted_at) - (plain.run_at - plain.inserted_at);
    assert_eq!(difference.num_microseconds().unwrap().rem_euclid(1_000), 123, "{difference}");
}

/// A delay may be as long as a century.
pub async fn a_delay_may_be_very_long(store: &dyn Store) {
    let new = delayed(DAY * 36_525);
    insert(store, &new).await;
    let found = find(store, new.id).await;
    assert_eq!(found.state, JobState::Scheduled);
    assert!(near(found.run_at, later(found.inserted_at, DAY * 36_525)), "{found:?}");
}

/// No delay is no wait.
pub async fn a_delay_of_nothing_means_at_once(store: &dyn Store) {
    let id = insert(store, &delayed(Duration::ZERO)).await;
    assert_eq!(state(store, id).await, JobState::Available);
}

/// A delayed job is not claimed before its time.
pub async fn a_delayed_job_is_not_claimed(store: &dyn Store) {
    insert(store, &delayed(HOUR)).await;
    let at = later(store.now().await.unwrap(), HOUR);
    insert(store, &NewJob { run_at: RunAt::At(at), ..job() }).await;
    let owner = worker(store).await;
    assert_eq!(claim(store, owner, 10).await, []);
}

/// A job for a time in the past runs at once.
pub async fn a_past_time_means_at_once(store: &dyn Store) {
    let now = store.now().await.unwrap();
    for at in [earlier(now, DAY), DateTime::<Utc>::from_timestamp_micros(86_400_000_000).unwrap()] {
        let id = insert(store, &NewJob { run_at: RunAt::At(at), ..job() }).await;
        let found = find(store, id).await;
        assert_eq!(found.state, JobState::Available);
        assert!(found.run_at <= store.now().await.unwrap());
    }
    let owner = worker(store).await;
    assert_eq!(claim(store, owner, 10).await.len(), 2);
}

/// A job for a time in the future keeps that time to the microsecond.
pub async fn a_future_time_is_kept_to_the_microsecond(store: &dyn Store) {
    let at = DateTime::<Utc>::from_timestamp_micros(4_102_444_799_123_456).unwrap();
    let id = insert(store, &NewJob { run_at: RunAt::At(at), ..job() }).await;
    let found = find(store, id).await;
    assert_eq!((found.state, found.run_at), (JobState::Scheduled, at));
}

/// `inserted_at` and a job's due time are read from the database's clock.
pub async fn inserted_at_is_the_databases_clock(store: &dyn Store) {
    let before = store.now().await.unwrap();
    let id = insert(store, &job()).await;
    let after = store.now().await.unwrap();
    let found = find(store, id).await;
    assert!(
        before <= found.inserted_at && found.inserted_at <= after,
        "{before} {found:?} {after}"
    );
    assert!(near(found.run_at, found.inserted_at));
}

/// The edges of priority and of attempts are stored as they are.
pub async fn edges_of_numbers_are_kept(store: &dyn Store) {
    for (priority, max_attempts) in [(i16::MIN, 1), (i16::MAX, i32::MAX)] {
        let new = NewJob { priority, max_attempts, ..job() };
        insert(store, &new).await;
        let found = find(store, new.id).await;
        assert_eq!((found.priority, found.max_attempts), (priority, max_attempts));
    }
}

/// Any UUID may be an id, also one that is not of version 7.
pub async fn any_uuid_may_be_an_id(store: &dyn Store) {
    let odd = [uuid::Uuid::nil(), uuid::Uuid::max(), uuid::Uuid::new_v4()];
    for id in odd.map(JobId::from) {
        insert(store, &NewJob { id, ..job() }).await;
        assert_eq!(find(store, id).await.id, id);
    }
    let owner = worker(store).await;
    let claimed = claim(store, owner, 10).await;
    assert_eq!(claimed.first().unwrap().id, JobId::from(odd[0]));
    assert_eq!(claimed.last().unwrap().id, JobId::from(odd[1]));
}

/// A paused queue takes jobs.
pub async fn a_paused_queue_takes_jobs(store: &dyn Store) {
    store.pause(QUEUE, "mail server down", &ada()).await.unwrap();
    let id = insert(store, &job()).await;
    assert_eq!(state(store, id).await, JobState::Available);
}
