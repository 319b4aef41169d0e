//! Rules of many sessions at once: nothing is done twice, nothing is lost, nobody deadlocks.

use std::{
    collections::{BTreeMap, BTreeSet},
    slice,
    time::Duration,
};

use futures_util::future::{join, join_all};

use super::{
    Fixture,
    fire::{firing, nightly},
    schedules::{info, schedule, slot_in},
    steps::{
        DAY, HOUR, MINUTE, QUEUE, ada, cancelled, claim, claim_one, delayed, discard, find, ids,
        insert, inserted, job, jobs, new_worker, renewal, retry, running, settle, settlement,
        state, suspect, total, travel, worker,
    },
};
use crate::{
    error::ErrorKind,
    inspect::{Cancelled, JobFilter, Page},
    job::{ClaimedJob, JobId, JobState, NewJob},
    outcome::Outcome,
    schedule::ScheduleRow,
    store::{Inserted, Settled, Store},
};

/// So many further sessions.
async fn sessions(db: &dyn Fixture, count: usize) -> Vec<Box<dyn Store>> {
    let mut sessions = Vec::with_capacity(count);
    for _ in 0..count {
        sessions.push(db.reopen().await.unwrap());
    }
    sessions
}

/// Claims and completes jobs under a worker of its own until none is left; answers whose they were.
async fn work_off(store: &dyn Store) -> Vec<JobId> {
    let owner = worker(store).await;
    let mut done = Vec::new();
    loop {
        let held = claim(store, owner, 100).await;
        if held.is_empty() {
            return done;
        }
        assert!(held.len() <= 100, "{} jobs were claimed, 100 asked for", held.len());
        let batch: Vec<_> =
            held.iter().map(|job| settlement(job, Outcome::Completed(None))).collect();
        let answers = store.settle(&batch).await.unwrap();
        assert!(answers.iter().all(|answer| *answer == Settled::Done), "{answers:?}");
        done.extend(ids(&held));
    }
}

/// Ten workers and ten thousand jobs are ten thousand executions.
pub async fn ten_workers_execute_ten_thousand_jobs_once(db: &dyn Fixture) {
    for _ in 0..10 {
        inserted(db.store(), 1_000).await;
    }
    let sessions = sessions(db, 10).await;
    let done = join_all(sessions.iter().map(|session| work_off(&**session))).await;
    let distinct: BTreeSet<_> = done.iter().flatten().collect();
    assert_eq!(done.iter().map(Vec::len).sum::<usize>(), 10_000);
    assert_eq!(distinct.len(), 10_000);
    assert_eq!(total(db.store(), JobState::Completed).await, 10_000);
    assert_eq!(db.store().count().await.unwrap().len(), 1);
}

/// What one session committed the others see at once.
pub async fn a_commit_is_seen_at_once(db: &dyn Fixture) {
    let (here, there) = (db.store(), db.reopen().await.unwrap());
    let owner = worker(&*there).await;
    for _ in 0..20 {
        let id = insert(here, &job()).await;
        let held = claim_one(&*there, owner).await;
        assert_eq!(held.id, id);
        assert_eq!(find(here, id).await.owner, Some(owner));
        settle(&*there, &held, Outcome::Completed(None)).await;
        assert_eq!(state(here, id).await, JobState::Completed);
    }
    here.pause(QUEUE, "", &ada()).await.unwrap();
    insert(here, &job()).await;
    assert_eq!(claim(&*there, owner, 1).await, []);
}

/// Jobs that are inserted while others claim are executed, each once.
pub async fn producers_and_consumers_lose_nothing(db: &dyn Fixture) {
    let (producers, consumers) = (sessions(db, 4).await, sessions(db, 4).await);
    let produce = join_all(producers.iter().map(async |session| {
        let mut made = Vec::new();
        for n in 0..25 {
            made.extend(inserted(&**session, 1 + n).await);
        }
        made
    }));
    let consume = join_all(consumers.iter().map(async |session| {
        let mut done = Vec::new();
        for _ in 0..20 {
            done.extend(work_off(&**session).await);
        }
        done
    }));
    let (made, done) = join(produce, consume).await;
    let mut executed: Vec<_> = done.into_iter().flatten().collect();
    executed.extend(work_off(db.store()).await);
    let mut made: Vec<_> = made.into_iter().flatten().collect();
    made.sort_unstable();
    executed.sort_unstable();
    assert_eq!(executed, made);
}

/// Of many settlements of one claim in many sessions exactly one is written.
pub async fn one_claim_is_settled_once(db: &dyn Fixture) {
    let sessions = sessions(db, 8).await;
    for _ in 0..5 {
        let held = running(db.store()).await;
        let answers =
            join_all(sessions.iter().map(|session| settle(&**session, &held, discard()))).await;
        let count = |wanted| answers.iter().filter(|answer| **answer == wanted).count();
        assert_eq!((count(Settled::Done), count(Settled::Already)), (1, 7), "{answers:?}");
    }
    assert_eq!(total(db.store(), JobState::Discarded).await, 5);
}

/// Two batches that settle the same claims in opposite orders do not deadlock.
pub async fn opposite_batches_do_not_deadlock(db: &dyn Fixture) {
    let sessions = sessions(db, 2).await;
    for _ in 0..5 {
        inserted(db.store(), 200).await;
        let owner = worker(db.store()).await;
        let held = claim(db.store(), owner, 200).await;
        let batch = |order: Vec<&ClaimedJob>| -> Vec<_> {
            order.into_iter().map(|job| settlement(job, cancelled())).collect()
        };
        let (there, back) = (batch(held.iter().collect()), batch(held.iter().rev().collect()));
        let (left, right) = join(sessions[0].settle(&there), sessions[1].settle(&back)).await;
        let answers = [left.unwrap(), right.unwrap()].concat();
        assert_eq!(answers.iter().filter(|answer| **answer == Settled::Done).count(), 200);
        assert!(answers.iter().all(|answer| *answer != Settled::Lost), "finished by this claim");
    }
}

/// One checked id from many sessions is inserted once.
pub async fn one_checked_id_is_inserted_once(db: &dyn Fixture) {
    let sessions = sessions(db, 8).await;
    for _ in 0..5 {
        let new = NewJob { check_id: true, ..job() };
        let answers =
            join_all(sessions.iter().map(|session| session.insert(slice::from_ref(&new)))).await;
        let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap()[0]).collect();
        assert_eq!(answers.iter().filter(|answer| **answer == Inserted::New).count(), 1);
    }
    assert_eq!(total(db.store(), JobState::Available).await, 5);
}

/// Batches of the same checked ids in opposite orders do not deadlock; each id is inserted once.
pub async fn opposite_inserts_do_not_deadlock(db: &dyn Fixture) {
    let sessions = sessions(db, 2).await;
    for _ in 0..5 {
        let mut there = jobs(100);
        there.iter_mut().for_each(|job| job.check_id = true);
        let back: Vec<_> = there.iter().rev().cloned().collect();
        let (left, right) = join(sessions[0].insert(&there), sessions[1].insert(&back)).await;
        let answers = [left.unwrap(), right.unwrap()].concat();
        assert_eq!(answers.iter().filter(|answer| **answer == Inserted::New).count(), 100);
    }
}

/// One unchecked id from many sessions is inserted once; the others are conflicts.
pub async fn one_unchecked_id_is_inserted_once(db: &dyn Fixture) {
    let sessions = sessions(db, 6).await;
    let new = job();
    let answers =
        join_all(sessions.iter().map(|session| session.insert(slice::from_ref(&new)))).await;
    let (stored, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(stored.len(), 1);
    assert!(refused.into_iter().all(|answer| answer.unwrap_err().kind() == ErrorKind::Conflict));
}

/// A job is either claimed or cancelled at once, never both.
pub async fn a_job_is_claimed_or_cancelled(db: &dyn Fixture) {
    let all = inserted(db.store(), 200).await;
    let sessions = sessions(db, 4).await;
    let claiming = join_all(sessions[..2].iter().map(async |session| {
        let owner = worker(&**session).await;
        let mut held = Vec::new();
        for _ in 0..30 {
            held.extend(ids(&claim(&**session, owner, 5).await));
        }
        held
    }));
    let cancelling = async {
        let mut cancelled = Vec::new();
        for id in all.iter().rev() {
            if sessions[2].cancel(*id, &ada()).await.unwrap() == Cancelled::Cancelled {
                cancelled.push(*id);
            }
        }
        cancelled
    };
    let (held, cancelled) = join(claiming, cancelling).await;
    let mut both: Vec<_> = held.into_iter().flatten().chain(cancelled.clone()).collect();
    let count = both.len();
    both.sort_unstable();
    both.dedup();
    assert_eq!(both.len(), count, "a job was both claimed and cancelled");
    for id in cancelled {
        assert_eq!(state(db.store(), id).await, JobState::Cancelled);
    }
}

/// A job is either claimed or deleted, never both.
pub async fn a_job_is_claimed_or_deleted(db: &dyn Fixture) {
    let all = inserted(db.store(), 200).await;
    let sessions = sessions(db, 2).await;
    let claiming = async {
        let owner = worker(&*sessions[0]).await;
        let mut held = 0;
        for _ in 0..40 {
            held += claim(&*sessions[0], owner, 5).await.len();
        }
        held
    };
    let deleting = async {
        let mut deleted = 0;
        for ids in all.rchunks(5) {
            deleted += sessions[1].delete(ids, &ada()).await.unwrap();
        }
        deleted
    };
    let (held, deleted) = join(claiming, deleting).await;
    assert_eq!(total(db.store(), JobState::Running).await, i64::try_from(held).unwrap());
    assert_eq!(held + deleted, 200, "every job was either claimed or deleted");
}

/// Dead letters that are redriven from many sessions come back once each.
pub async fn a_redrive_from_many_sessions_is_one(db: &dyn Fixture) {
    let all = inserted(db.store(), 100).await;
    db.store().discard(&all, "no", &ada()).await.unwrap();
    let sessions = sessions(db, 4).await;
    let by = ada();
    let changed = join_all(sessions.iter().map(|session| session.retry(&all, &by))).await;
    assert_eq!(changed.into_iter().map(Result::unwrap).sum::<usize>(), 100);
    assert_eq!(total(db.store(), JobState::Available).await, 100);
    assert_eq!(total(db.store(), JobState::Discarded).await, 0);
}

/// Jobs that several sessions promote become available once each.
pub async fn a_promotion_from_many_sessions_is_one(db: &dyn Fixture) {
    let waiting: Vec<_> = (0..600).map(|_| delayed(MINUTE)).collect();
    db.store().insert(&waiting).await.unwrap();
    travel(db.store(), HOUR).await;
    let sessions = sessions(db, 4).await;
    let counts = join_all(sessions.iter().map(async |session| {
        let mut count = 0;
        for _ in 0..10 {
            count += session.promote(100).await.unwrap().count;
        }
        count
    }))
    .await;
    assert_eq!(counts.into_iter().sum::<usize>(), 600);
    assert_eq!(total(db.store(), JobState::Available).await, 600);
}

/// Jobs that several sessions prune are counted once each.
pub async fn a_prune_from_many_sessions_is_one(db: &dyn Fixture) {
    let all = inserted(db.store(), 400).await;
    db.store().discard(&all, "no", &ada()).await.unwrap();
    travel(db.store(), 100 * DAY).await;
    let sessions = sessions(db, 4).await;
    let counts = join_all(sessions.iter().map(async |session| {
        let mut count = 0;
        for _ in 0..10 {
            count += session.prune(50).await.unwrap().jobs;
        }
        count
    }))
    .await;
    assert_eq!(counts.into_iter().sum::<usize>(), 400);
    assert_eq!(db.store().count().await.unwrap(), []);
}

/// A dead worker that many rescuers find is rescued once: one crash a job.
pub async fn a_rescue_from_many_sessions_is_one(db: &dyn Fixture) {
    let all = inserted(db.store(), 50).await;
    let owner = worker(db.store()).await;
    claim(db.store(), owner, 50).await;
    let suspect = suspect(db.store(), owner).await;
    let sessions = sessions(db, 6).await;
    let rescued = join_all(sessions.iter().map(|session| session.rescue(&suspect, 3))).await;
    let rescued: Vec<_> = rescued.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(rescued.len(), 50);
    for id in all {
        let found = find(db.store(), id).await;
        assert_eq!((found.state, found.crash_count, found.attempt), (JobState::Available, 1, 0));
    }
}

/// A worker is either renewed or ended, never both.
pub async fn a_worker_is_renewed_or_ended(db: &dyn Fixture) {
    let sessions = sessions(db, 2).await;
    for _ in 0..15 {
        let held = running(db.store()).await;
        let suspect = suspect(db.store(), held.owner).await;
        let renewal = renewal(held.owner, &[held.id]);
        let (renewed, rescued) =
            join(sessions[0].renew(&renewal), sessions[1].rescue(&suspect, 3)).await;
        let (alive, rescued) = (!renewed.unwrap().alive.is_empty(), !rescued.unwrap().is_empty());
        assert!(alive != rescued, "alive: {alive}, rescued: {rescued}");
        let settled = settle(db.store(), &held, cancelled()).await;
        assert_eq!(settled, if alive { Settled::Done } else { Settled::Lost });
        db.store().delete(&[held.id], &ada()).await.unwrap();
        db.store().retire(held.owner).await.unwrap();
    }
}

/// A worker that is retired while it claims holds nothing afterwards.
pub async fn a_retired_worker_holds_nothing(db: &dyn Fixture) {
    let sessions = sessions(db, 2).await;
    inserted(db.store(), 100).await;
    for _ in 0..15 {
        let owner = worker(db.store()).await;
        let claiming = async {
            for _ in 0..4 {
                claim(&*sessions[0], owner, 5).await;
            }
        };
        let (_, retired) = join(claiming, sessions[1].retire(owner)).await;
        retired.unwrap();
        assert_eq!(total(db.store(), JobState::Running).await, 0, "a job is held by nobody");
    }
    assert_eq!(total(db.store(), JobState::Available).await, 100);
}

/// A worker that is rescued while it claims holds nothing afterwards.
pub async fn a_rescued_worker_holds_nothing(db: &dyn Fixture) {
    let sessions = sessions(db, 2).await;
    inserted(db.store(), 100).await;
    for _ in 0..15 {
        let owner = worker(db.store()).await;
        let suspect = suspect(db.store(), owner).await;
        let claiming = async {
            for _ in 0..4 {
                claim(&*sessions[0], owner, 5).await;
            }
        };
        let (_, rescued) = join(claiming, sessions[1].rescue(&suspect, i32::MAX)).await;
        rescued.unwrap();
        assert_eq!(total(db.store(), JobState::Running).await, 0, "a job is held by nobody");
    }
}

/// What a worker settles while it is rescued is either done or given back, never both.
pub async fn a_job_is_settled_or_rescued(db: &dyn Fixture) {
    let sessions = sessions(db, 2).await;
    for _ in 0..10 {
        inserted(db.store(), 20).await;
        let owner = worker(db.store()).await;
        let held = claim(db.store(), owner, 20).await;
        let suspect = suspect(db.store(), owner).await;
        let batch: Vec<_> = held.iter().map(|job| settlement(job, discard())).collect();
        let (answers, rescued) =
            join(sessions[0].settle(&batch), sessions[1].rescue(&suspect, 3)).await;
        let rescued: BTreeSet<_> = rescued.unwrap().into_iter().map(|rescued| rescued.id).collect();
        for (job, answer) in held.iter().zip(answers.unwrap()) {
            let expected = if rescued.contains(&job.id) { Settled::Lost } else { Settled::Done };
            assert_eq!(answer, expected);
        }
        db.store().delete(&ids(&held), &ada()).await.unwrap();
    }
}

/// A slot that many sessions fire is one job.
pub async fn a_slot_fires_once_over_all_sessions(db: &dyn Fixture) {
    nightly(db.store()).await;
    let sessions = sessions(db, 8).await;
    let first = slot_in(db.store(), Duration::ZERO).await;
    for n in 0..5_u32 {
        let slot = crate::clock::later(first, n * MINUTE);
        let firings: Vec<_> = sessions.iter().map(|_| firing(&[slot])).collect();
        let fired =
            join_all(sessions.iter().zip(&firings).map(|(session, f)| session.fire(f))).await;
        let fired: Vec<_> = fired.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(fired.len(), 1, "slot {n}");
        let seen = info(db.store(), "nightly").await;
        assert_eq!((seen.last_slot, seen.last_job), (Some(slot), Some(fired[0])));
    }
    assert_eq!(total(db.store(), JobState::Available).await, 5);
}

/// Overlapping stretches of slots fire each slot once, and the position ends behind the last.
pub async fn overlapping_firings_fire_each_slot_once(db: &dyn Fixture) {
    nightly(db.store()).await;
    let sessions = sessions(db, 5).await;
    let first = slot_in(db.store(), Duration::ZERO).await;
    let slots: Vec<_> = (0..30_u32).map(|n| crate::clock::later(first, n * MINUTE)).collect();
    let firings: Vec<_> = (0..5).map(|n| firing(&slots[n * 5..n * 5 + 10])).collect();
    let fired = join_all(sessions.iter().zip(&firings).map(|(session, f)| session.fire(f))).await;
    assert_eq!(fired.into_iter().map(|ids| ids.unwrap().len()).sum::<usize>(), 30);
    let mut by_slot = BTreeMap::<_, usize>::new();
    let jobs = db.store().list(&JobFilter::default(), Page::default()).await.unwrap();
    for job in jobs {
        *by_slot.entry(job.extras.slot.unwrap()).or_default() += 1;
    }
    assert!(by_slot.len() == 30 && by_slot.values().all(|count| *count == 1));
    assert_eq!(info(db.store(), "nightly").await.last_slot, slots.last().copied());
}

/// Many programs that start at once declare the same schedules without harm.
pub async fn many_programs_may_declare_at_once(db: &dyn Fixture) {
    let sessions = sessions(db, 6).await;
    let there: Vec<_> = (0..20).map(|n| schedule(&format!("schedule-{n}"))).collect();
    let back: Vec<ScheduleRow> = there.iter().rev().cloned().collect();
    let declare = sessions.iter().enumerate().map(|(n, session)| {
        session.upsert_schedules("shop", "1.0.0", if n % 2 == 0 { &there } else { &back })
    });
    for declared in join_all(declare).await {
        declared.unwrap();
    }
    let all = db.store().schedules().await.unwrap();
    assert!(all.len() == 20 && all.iter().all(|info| info.dropped_at.is_none()));
}

/// Many workers that start at once register the same tasks without harm.
pub async fn many_workers_may_register_at_once(db: &dyn Fixture) {
    let sessions = sessions(db, 6).await;
    let names: Vec<_> = (0..30).map(|n| format!("task-{n}")).collect();
    let mut tasks: Vec<_> = names.iter().map(String::as_str).collect();
    let mut workers = Vec::new();
    for _ in &sessions {
        tasks.reverse();
        workers.push(new_worker(&tasks));
    }
    let registered =
        sessions.iter().zip(&workers).map(|(session, worker)| session.register(worker));
    for registered in join_all(registered).await {
        registered.unwrap();
    }
    let seen = db.store().workers().await.unwrap();
    assert!(seen.len() == 6 && seen.iter().all(|info| info.tasks.len() == 30));
}

/// A task that becomes known while its jobs are being parked is not left parked: nobody would bring
/// them back before the next worker starts.
pub async fn a_task_that_becomes_known_is_not_left_parked(db: &dyn Fixture) {
    let sessions = sessions(db, 2).await;
    for _ in 0..15 {
        inserted(db.store(), 20).await;
        let (_, parked) = join(worker(&*sessions[0]), sessions[1].park_unknown(QUEUE, 1_000)).await;
        parked.unwrap();
        assert_eq!(total(db.store(), JobState::Parked).await, 0);
        for known in db.store().workers().await.unwrap() {
            db.store().retire(known.id).await.unwrap();
        }
    }
}

/// Many programs that start at once migrate the same database without harm.
pub async fn many_programs_may_migrate_at_once(db: &dyn Fixture) {
    let id = insert(db.store(), &job()).await;
    let sessions = sessions(db, 4).await;
    for migrated in join_all(sessions.iter().map(|session| session.migrate())).await {
        migrated.unwrap();
    }
    db.store().check_schema().await.unwrap();
    assert_eq!(state(db.store(), id).await, JobState::Available);
}

/// Every verb at once, from many sessions, ends without an error and without a lost job.
pub async fn every_verb_at_once_loses_nothing(db: &dyn Fixture) {
    let sessions = sessions(db, 5).await;
    let made = join_all(sessions.iter().enumerate().map(async |(n, session)| {
        let store = &**session;
        let owner = worker(store).await;
        let mut made = 0;
        for turn in 0..12 {
            made += inserted(store, 10).await.len();
            let held = claim(store, owner, 8).await;
            let outcome = match (turn + n) % 4 {
                0 => retry(Duration::ZERO),
                1 => Outcome::Released,
                2 => retry(MINUTE),
                _ => Outcome::Completed(None),
            };
            let batch: Vec<_> = held.iter().map(|job| settlement(job, outcome.clone())).collect();
            let answers = store.settle(&batch).await.unwrap();
            assert!(answers.iter().all(|answer| *answer == Settled::Done));
            store.promote(100).await.unwrap();
            store.renew(&renewal(owner, &[])).await.unwrap();
            store.prune(100).await.unwrap();
            store.park_unknown(QUEUE, 100).await.unwrap();
            store.suspects(&[owner]).await.unwrap();
            let unwanted = insert(store, &job()).await;
            made += 1;
            store.cancel(unwanted, &ada()).await.unwrap();
            store.retry(&[unwanted], &ada()).await.unwrap();
            store.list(&JobFilter::default(), Page::default()).await.unwrap();
            store.count().await.unwrap();
            store.queues().await.unwrap();
            store.workers().await.unwrap();
        }
        claim(store, owner, 5).await;
        store.retire(owner).await.unwrap();
        made
    }))
    .await;
    let stored: i64 = db.store().count().await.unwrap().iter().map(|entry| entry.count).sum();
    assert_eq!(stored, made.into_iter().map(|made| i64::try_from(made).unwrap()).sum::<i64>());
    assert_eq!(total(db.store(), JobState::Running).await, 0);
}
