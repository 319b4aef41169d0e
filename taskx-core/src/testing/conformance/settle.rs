//! Rules of `settle`: how a job ends.

use std::time::Duration;

use super::steps::{
    DAY, HOUR, ada, cancelled, claim, claim_one, die, discard, endings, failure, find, insert,
    inserted, job, near, quarantine, renewal, retry, running, settle, settle_as, settled,
    settlement, snooze, state, total, travel, worker,
};
use crate::{
    job::{JobId, JobState, WorkerId},
    outcome::{FINISHED_RETENTION, Outcome, Settlement},
    store::{Settled, Store},
};

/// A batch without settlements changes nothing.
pub async fn an_empty_batch_is_nothing(store: &dyn Store) {
    let held = running(store).await;
    assert_eq!(store.settle(&[]).await.unwrap(), []);
    assert_eq!(state(store, held.id).await, JobState::Running);
}

/// A completed job lies in the history with its result, its owner and its fence.
pub async fn a_completed_job_keeps_its_result(store: &dyn Store) {
    let done = settled(store, Outcome::Completed(Some(r#"{"sent":1}"#.to_owned()))).await;
    let now = store.now().await.unwrap();
    let found = find(store, done.id).await;
    assert_eq!(found.state, JobState::Completed);
    assert_eq!(found.result.as_deref(), Some(r#"{"sent":1}"#));
    assert_eq!((found.owner, found.fence, found.attempt), (Some(done.owner), done.fence, 1));
    assert!(found.finished_at.is_some_and(|at| near(at, now)), "{found:?}");
    assert_eq!(found.inserted_at, done.inserted_at);
    assert!(found.claimed_at.is_some());
    assert_eq!(found.reason, None);
}

/// A result is optional.
pub async fn a_completed_job_may_have_no_result(store: &dyn Store) {
    let done = settled(store, Outcome::Completed(None)).await;
    let found = find(store, done.id).await;
    assert_eq!((found.state, found.result), (JobState::Completed, None));
}

/// A job that failed before it was completed does not keep the old failure as its reason.
pub async fn a_completed_job_has_no_reason(store: &dyn Store) {
    let first = settled(store, retry(Duration::ZERO)).await;
    let owner = worker(store).await;
    let second = claim(store, owner, 1).await.remove(0);
    assert_eq!(second.id, first.id);
    settle(store, &second, Outcome::Completed(None)).await;
    let found = find(store, first.id).await;
    assert_eq!((found.state, found.reason, found.attempt), (JobState::Completed, None, 2));
}

/// A cancelled, discarded or quarantined job says why.
pub async fn other_ends_keep_their_reason(store: &dyn Store) {
    let ends = [
        (cancelled(), JobState::Cancelled, "not needed"),
        (discard(), JobState::Discarded, "out of attempts"),
        (quarantine(), JobState::Quarantined, "does not decode"),
    ];
    for (outcome, state, reason) in ends {
        let done = settled(store, outcome).await;
        let found = find(store, done.id).await;
        assert_eq!((found.state, found.reason.as_deref()), (state, Some(reason)));
        assert_eq!((found.owner, found.fence), (Some(done.owner), done.fence));
        assert!(found.finished_at.is_some());
        assert_eq!(found.result, None);
    }
}

/// A finished job is not among the live ones: it is not claimed, and counted once.
pub async fn a_finished_job_is_not_live(store: &dyn Store) {
    for (outcome, ended) in endings() {
        settled(store, outcome).await;
        assert_eq!(total(store, ended).await, 1, "{ended}");
    }
    assert_eq!(total(store, JobState::Running).await, 0);
    let owner = worker(store).await;
    assert_eq!(claim(store, owner, 10).await, []);
}

/// Without retention a completed or cancelled job is deleted at once.
pub async fn without_retention_a_job_is_forgotten(store: &dyn Store) {
    for outcome in [Outcome::Completed(Some("1".to_owned())), cancelled()] {
        let held = running(store).await;
        let settlement = Settlement { retention: None, ..settlement(&held, outcome) };
        assert_eq!(settle_as(store, settlement).await, Settled::Done);
        assert_eq!(store.find(held.id).await.unwrap(), None);
    }
    assert_eq!(store.count().await.unwrap(), []);
}

/// Discarded and quarantined jobs are kept whatever the retention says: they are the dead letters.
pub async fn dead_letters_are_always_kept(store: &dyn Store) {
    for outcome in [discard(), quarantine()] {
        let held = running(store).await;
        let settlement = Settlement { retention: None, ..settlement(&held, outcome) };
        assert_eq!(settle_as(store, settlement).await, Settled::Done);
        assert!(state(store, held.id).await.is_finished());
    }
}

/// A batch mixes outcomes and retentions, with one answer each, in order.
pub async fn a_batch_mixes_outcomes(store: &dyn Store) {
    inserted(store, 9).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 9).await;
    let outcomes = vec![
        (Outcome::Completed(Some("1".to_owned())), Some(JobState::Completed)),
        (Outcome::Completed(None), None),
        (retry(HOUR), Some(JobState::Retryable)),
        (snooze(HOUR), Some(JobState::Scheduled)),
        (Outcome::Released, Some(JobState::Available)),
        (cancelled(), Some(JobState::Cancelled)),
        (discard(), Some(JobState::Discarded)),
        (quarantine(), Some(JobState::Quarantined)),
        (Outcome::Completed(Some("9".to_owned())), Some(JobState::Completed)),
    ];
    let batch: Vec<_> = held
        .iter()
        .zip(&outcomes)
        .map(|(job, (outcome, state))| Settlement {
            retention: state.map(|_| FINISHED_RETENTION),
            ..settlement(job, outcome.clone())
        })
        .collect();
    assert_eq!(store.settle(&batch).await.unwrap(), vec![Settled::Done; 9]);
    for (job, (_, state)) in held.iter().zip(outcomes) {
        let found = store.find(job.id).await.unwrap();
        assert_eq!(found.as_ref().map(|job| job.state), state);
    }
    assert_eq!(find(store, held[0].id).await.result.as_deref(), Some("1"));
    assert_eq!(find(store, held[8].id).await.result.as_deref(), Some("9"));
}

/// A batch may have thousands of settlements.
pub async fn a_batch_of_three_thousand_is_one_call(store: &dyn Store) {
    inserted(store, 3_000).await;
    let owner = worker(store).await;
    let mut batch = Vec::new();
    for _ in 0..3 {
        let held = claim(store, owner, 1_000).await;
        batch.extend(held.iter().enumerate().map(|(n, job)| {
            let outcome = if n % 10 == 0 { retry(HOUR) } else { Outcome::Completed(None) };
            settlement(job, outcome)
        }));
    }
    assert_eq!(store.settle(&batch).await.unwrap(), vec![Settled::Done; 3_000]);
    assert_eq!(total(store, JobState::Completed).await, 2_700);
    assert_eq!(total(store, JobState::Retryable).await, 300);
}

/// Another owner, another fence or another job: lost, and nothing is written.
pub async fn a_stranger_settles_nothing(store: &dyn Store) {
    let held = running(store).await;
    let other = worker(store).await;
    for (outcome, _) in endings().into_iter().chain([
        (retry(HOUR), JobState::Retryable),
        (snooze(HOUR), JobState::Scheduled),
        (Outcome::Released, JobState::Available),
    ]) {
        let right = settlement(&held, outcome);
        let strangers = [
            Settlement { owner: other, ..right.clone() },
            Settlement { owner: WorkerId::new(), ..right.clone() },
            Settlement { fence: held.fence + 1, ..right.clone() },
            Settlement { fence: held.fence - 1, ..right.clone() },
            Settlement { fence: i64::MAX, ..right.clone() },
            Settlement { fence: i64::MIN, ..right.clone() },
            Settlement { id: JobId::new(), ..right },
        ];
        assert_eq!(store.settle(&strangers).await.unwrap(), [Settled::Lost; 7]);
    }
    let found = find(store, held.id).await;
    assert_eq!((found.state, found.owner, found.attempt), (JobState::Running, Some(held.owner), 1));
    assert_eq!(store.attempts(held.id).await.unwrap(), []);
}

/// A job that nobody claimed cannot be settled.
pub async fn a_waiting_job_is_not_settled(store: &dyn Store) {
    let id = insert(store, &job()).await;
    let owner = worker(store).await;
    let settlement = Settlement {
        id,
        owner,
        fence: 0,
        attempt: 1,
        outcome: Outcome::Completed(None),
        retention: None,
    };
    assert_eq!(settle_as(store, settlement).await, Settled::Lost);
    assert_eq!(state(store, id).await, JobState::Available);
}

/// Lost settlements in a batch change nothing for the others.
pub async fn a_lost_settlement_harms_no_other(store: &dyn Store) {
    inserted(store, 6).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 6).await;
    let mut batch: Vec<_> =
        held.iter().map(|job| settlement(job, Outcome::Completed(None))).collect();
    batch[1].fence += 1;
    batch[3].owner = WorkerId::new();
    batch[5].id = JobId::new();
    let (done, lost) = (Settled::Done, Settled::Lost);
    assert_eq!(store.settle(&batch).await.unwrap(), [done, lost, done, lost, done, lost]);
    assert_eq!(total(store, JobState::Completed).await, 3);
    assert_eq!(total(store, JobState::Running).await, 3);
}

/// In a batch that is large enough for shortcuts each settlement stands for itself too: of another
/// fence, of another owner, of no job, settled before, settled twice.
pub async fn a_large_batch_settles_each_by_itself(store: &dyn Store) {
    inserted(store, 200).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 200).await;
    let end = |job| settlement(job, Outcome::Completed(None));
    assert_eq!(settle_as(store, end(&held[7])).await, Settled::Done);
    let mut batch: Vec<_> = held.iter().map(end).collect();
    let mut expected = vec![Settled::Done; 200];
    expected[7] = Settled::Already;
    batch[20].fence += 1;
    batch[40].owner = WorkerId::new();
    batch[60].id = JobId::new();
    (expected[20], expected[40], expected[60]) = (Settled::Lost, Settled::Lost, Settled::Lost);
    batch[80].outcome = Outcome::Completed(Some("1".to_owned()));
    batch[100].retention = None;
    batch[120].outcome = retry(HOUR);
    batch.push(end(&held[140]));
    expected.push(Settled::Already);
    assert_eq!(store.settle(&batch).await.unwrap(), expected);
    assert_eq!(total(store, JobState::Completed).await, 200 - 3 - 2);
    assert_eq!(total(store, JobState::Running).await, 3);
    assert_eq!(total(store, JobState::Retryable).await, 1);
    for at in [20, 40, 60] {
        assert_eq!(state(store, held[at].id).await, JobState::Running);
    }
    assert_eq!(find(store, held[80].id).await.result.as_deref(), Some("1"));
}

/// A finished job that is settled again by its owner was settled already; it stays as it is.
pub async fn a_repeated_end_is_already_written(store: &dyn Store) {
    for (outcome, ended) in endings() {
        let done = settled(store, outcome.clone()).await;
        let before = find(store, done.id).await;
        assert_eq!(settle(store, &done, outcome).await, Settled::Already, "{ended}");
        assert_eq!(find(store, done.id).await, before);
    }
}

/// A finished job that another claim settles again is lost to it.
pub async fn an_end_of_another_claim_is_lost(store: &dyn Store) {
    let done = settled(store, discard()).await;
    let right = settlement(&done, discard());
    let others = [
        Settlement { owner: WorkerId::new(), ..right.clone() },
        Settlement { fence: done.fence + 1, ..right.clone() },
        Settlement { fence: 0, ..right },
    ];
    assert_eq!(store.settle(&others).await.unwrap(), [Settled::Lost; 3]);
}

/// A retry, snooze or release that is settled again was settled already, and counts once.
pub async fn a_repeated_return_is_already_written(store: &dyn Store) {
    for outcome in [retry(HOUR), snooze(HOUR), Outcome::Released] {
        let held = settled(store, outcome.clone()).await;
        let before = find(store, held.id).await;
        assert_eq!(settle(store, &held, outcome.clone()).await, Settled::Already, "{outcome:?}");
        assert_eq!(find(store, held.id).await, before);
        store.delete(&[held.id], &ada()).await.unwrap();
    }
}

/// A retry that is settled again after somebody else claimed the job is lost.
pub async fn a_repeated_return_after_the_next_claim_is_lost(store: &dyn Store) {
    for outcome in [retry(Duration::ZERO), snooze(Duration::ZERO), Outcome::Released] {
        let first = settled(store, outcome.clone()).await;
        let owner = worker(store).await;
        let second = claim(store, owner, 1).await.remove(0);
        assert_eq!(second.id, first.id);
        assert_eq!(settle(store, &first, outcome).await, Settled::Lost);
        let found = find(store, first.id).await;
        assert_eq!((found.state, found.owner), (JobState::Running, Some(owner)));
        assert_eq!(settle(store, &second, Outcome::Completed(None)).await, Settled::Done);
    }
}

/// What was forgotten cannot be known to be written: it is lost.
pub async fn a_repeated_end_without_retention_is_lost(store: &dyn Store) {
    let held = running(store).await;
    let settlement = Settlement { retention: None, ..settlement(&held, Outcome::Completed(None)) };
    assert_eq!(settle_as(store, settlement.clone()).await, Settled::Done);
    assert_eq!(settle_as(store, settlement).await, Settled::Lost);
}

/// Of two settlements of one claim in one batch the first counts, once.
pub async fn the_same_claim_twice_in_a_batch_counts_once(store: &dyn Store) {
    let held = running(store).await;
    let batch = [settlement(&held, Outcome::Completed(None)), settlement(&held, discard())];
    let answers = store.settle(&batch).await.unwrap();
    assert_eq!(answers[0], Settled::Done);
    assert_ne!(answers[1], Settled::Done);
    assert_eq!(state(store, held.id).await, JobState::Completed);
    assert_eq!(total(store, JobState::Discarded).await, 0);
}

/// What a rescuer took back its old owner cannot end.
pub async fn a_rescued_job_is_lost_to_its_owner(store: &dyn Store) {
    let held = running(store).await;
    die(store, held.owner, &[]).await;
    for (outcome, _) in endings() {
        assert_eq!(settle(store, &held, outcome).await, Settled::Lost);
    }
    assert_eq!(state(store, held.id).await, JobState::Available);
}

/// What a rescuer quarantined its old owner has not settled.
pub async fn a_job_quarantined_by_rescue_is_lost_to_its_owner(store: &dyn Store) {
    let first = running(store).await;
    die(store, first.owner, &[first.id]).await;
    let owner = worker(store).await;
    let held = claim_one(store, owner).await;
    store.renew(&renewal(owner, &[held.id])).await.unwrap();
    let suspect = super::steps::suspect(store, owner).await;
    assert!(store.rescue(&suspect, 2).await.unwrap()[0].quarantined);
    for (outcome, _) in endings() {
        assert_ne!(settle(store, &held, outcome).await, Settled::Done);
    }
    assert_eq!(state(store, held.id).await, JobState::Quarantined);
}

/// A job that an operator redrove is not ended by its old claim.
pub async fn a_redriven_job_is_lost_to_its_old_claim(store: &dyn Store) {
    let held = settled(store, discard()).await;
    assert_eq!(store.retry(&[held.id], &ada()).await.unwrap(), 1);
    assert_eq!(settle(store, &held, Outcome::Completed(None)).await, Settled::Lost);
    assert_eq!(state(store, held.id).await, JobState::Available);
}

/// A worker whose lease has ended may still settle, as long as nobody ended its row.
pub async fn an_expired_lease_alone_loses_nothing(store: &dyn Store) {
    let held = running(store).await;
    travel(store, DAY).await;
    assert_eq!(settle(store, &held, Outcome::Completed(None)).await, Settled::Done);
}

/// A running job whose cancellation was asked for is cancelled when it comes back in any way.
pub async fn a_job_asked_to_stop_does_not_come_back(store: &dyn Store) {
    for outcome in [retry(HOUR), snooze(HOUR), Outcome::Released] {
        let held = running(store).await;
        store.cancel(held.id, &ada()).await.unwrap();
        assert_eq!(settle(store, &held, outcome.clone()).await, Settled::Done);
        let found = find(store, held.id).await;
        assert_eq!(found.state, JobState::Cancelled, "{outcome:?}");
        assert_eq!(found.reason.as_deref(), Some("cancelled while running"));
        assert_eq!(settle(store, &held, outcome).await, Settled::Already);
    }
}

/// In one batch only those jobs are cancelled whose cancellation was asked for.
pub async fn a_request_to_stop_is_one_jobs_own(store: &dyn Store) {
    inserted(store, 3).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 3).await;
    store.cancel(held[1].id, &ada()).await.unwrap();
    let batch: Vec<_> = held.iter().map(|job| settlement(job, retry(HOUR))).collect();
    assert_eq!(store.settle(&batch).await.unwrap(), [Settled::Done; 3]);
    let states = [JobState::Retryable, JobState::Cancelled, JobState::Retryable];
    for (job, expected) in held.iter().zip(states) {
        assert_eq!(state(store, job.id).await, expected);
    }
}

/// A running job whose cancellation was asked for may still end in its own way.
pub async fn a_job_asked_to_stop_may_still_end(store: &dyn Store) {
    for (outcome, ended) in endings() {
        let held = running(store).await;
        store.cancel(held.id, &ada()).await.unwrap();
        assert_eq!(settle(store, &held, outcome).await, Settled::Done);
        assert_eq!(state(store, held.id).await, ended);
    }
}

/// Text that a database cannot hold harms neither its own row nor the others of its batch.
pub async fn odd_text_harms_no_row(store: &dyn Store) {
    inserted(store, 5).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 5).await;
    let nul = "a\0b 🦀 it's".to_owned();
    let outcomes = [
        Outcome::Retry { after: HOUR, failure: failure(&nul) },
        Outcome::Cancelled(nul.clone()),
        Outcome::Discarded { reason: nul.clone(), failure: Some(failure(&nul)) },
        Outcome::Quarantined { reason: nul.clone(), failure: None },
        Outcome::Completed(None),
    ];
    let batch: Vec<_> =
        held.iter().zip(outcomes).map(|(job, outcome)| settlement(job, outcome)).collect();
    assert_eq!(store.settle(&batch).await.unwrap(), [Settled::Done; 5]);
    for job in &held[..4] {
        let reason = find(store, job.id).await.reason.unwrap();
        assert_eq!(reason.replace('\0', ""), "ab 🦀 it's");
    }
}

/// A delay or a retention beyond all calendars is a very long one; it harms no row.
pub async fn endless_times_harm_no_row(store: &dyn Store) {
    inserted(store, 4).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 4).await;
    let endless = Duration::MAX;
    let outcomes = [retry(endless), snooze(endless), discard(), Outcome::Completed(None)];
    let batch: Vec<_> = held
        .iter()
        .zip(outcomes)
        .map(|(job, outcome)| Settlement { retention: Some(endless), ..settlement(job, outcome) })
        .collect();
    assert_eq!(store.settle(&batch).await.unwrap(), [Settled::Done; 4]);
    travel(store, 100 * 365 * DAY).await;
    assert_eq!(store.promote(10).await.unwrap().count, 0);
    assert_eq!(store.prune(10).await.unwrap().jobs, 0);
    let states =
        [JobState::Retryable, JobState::Scheduled, JobState::Discarded, JobState::Completed];
    for (job, expected) in held.iter().zip(states) {
        assert_eq!(state(store, job.id).await, expected);
    }
}
