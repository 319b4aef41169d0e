//! Rules of the record of failed attempts.

use std::time::Duration;

use super::steps::{
    DAY, HOUR, MINUTE, ada, claim, claim_one, discard, failure, find, inserted, near, retry,
    running, settle, settle_as, settled, settlement, snooze, travel, worker,
};
use crate::{
    job::JobId,
    outcome::{ATTEMPTS_KEPT, Failure, FailureKind, Outcome, Settlement, TEXT_LIMIT},
    store::{Settled, Store},
};

/// A failed attempt is kept with who, when and why.
pub async fn a_failed_attempt_is_kept(store: &dyn Store) {
    let held = running(store).await;
    let claimed_at = find(store, held.id).await.claimed_at.unwrap();
    travel(store, MINUTE).await;
    let failure =
        Failure { backtrace: Some("0: main".to_owned()), ..failure("no route: it's down") };
    settle(store, &held, Outcome::Retry { after: HOUR, failure }).await;
    let now = store.now().await.unwrap();
    let attempts = store.attempts(held.id).await.unwrap();
    assert_eq!(attempts.len(), 1);
    let attempt = &attempts[0];
    assert_eq!((attempt.fence, attempt.attempt, attempt.worker), (1, 1, held.owner));
    assert_eq!(
        (attempt.outcome.as_str(), attempt.error.as_str()),
        ("error", "no route: it's down")
    );
    assert_eq!(attempt.backtrace.as_deref(), Some("0: main"));
    assert!(near(attempt.ended_at, now), "{attempt:?}");
    assert_eq!(attempt.started_at, crate::clock::earlier(claimed_at, MINUTE));
}

/// Every kind of failure has its word.
pub async fn every_kind_of_failure_has_its_word(store: &dyn Store) {
    let kinds = [
        (FailureKind::Error, "error"),
        (FailureKind::Panic, "panic"),
        (FailureKind::Timeout, "timeout"),
        (FailureKind::Undecodable, "undecodable"),
    ];
    for (kind, word) in kinds {
        let outcome = Outcome::Retry { after: HOUR, failure: Failure { kind, ..failure("no") } };
        let held = settled(store, outcome).await;
        assert_eq!(store.attempts(held.id).await.unwrap()[0].outcome, word);
    }
}

/// The failure of the last attempt is kept with a discarded or quarantined job.
pub async fn the_last_failure_is_kept(store: &dyn Store) {
    let failure = || Some(failure("the last straw"));
    let ends = [
        Outcome::Discarded { reason: "out of attempts".to_owned(), failure: failure() },
        Outcome::Quarantined { reason: "does not decode".to_owned(), failure: failure() },
    ];
    for outcome in ends {
        let held = settled(store, outcome).await;
        assert_eq!(store.attempts(held.id).await.unwrap()[0].error, "the last straw");
    }
}

/// What did not fail leaves no attempt.
pub async fn what_did_not_fail_leaves_no_attempt(store: &dyn Store) {
    for outcome in [Outcome::Completed(None), Outcome::Released, snooze(HOUR), discard()] {
        let held = settled(store, outcome).await;
        assert_eq!(store.attempts(held.id).await.unwrap(), []);
        store.delete(&[held.id], &ada()).await.unwrap();
    }
    assert_eq!(store.attempts(JobId::new()).await.unwrap(), []);
}

/// Fails a job again and again; answers its id.
async fn fail(store: &dyn Store, times: usize) -> JobId {
    let mut held = running(store).await;
    for n in 1..=times {
        let outcome =
            Outcome::Retry { after: Duration::ZERO, failure: failure(&format!("no {n}")) };
        assert_eq!(settle(store, &held, outcome).await, Settled::Done);
        held = claim_one(store, held.owner).await;
    }
    held.id
}

/// Attempts come oldest first.
pub async fn attempts_come_oldest_first(store: &dyn Store) {
    let id = fail(store, 4).await;
    let attempts = store.attempts(id).await.unwrap();
    let errors: Vec<_> = attempts.iter().map(|attempt| attempt.error.as_str()).collect();
    assert_eq!(errors, ["no 1", "no 2", "no 3", "no 4"]);
    assert!(attempts.windows(2).all(|pair| pair[0].fence < pair[1].fence));
}

/// Only the last ten attempts are kept.
pub async fn the_last_ten_attempts_are_kept(store: &dyn Store) {
    let id = fail(store, ATTEMPTS_KEPT + 3).await;
    let attempts = store.attempts(id).await.unwrap();
    assert_eq!(attempts.len(), ATTEMPTS_KEPT);
    assert_eq!((attempts[0].attempt, attempts[0].error.as_str()), (4, "no 4"));
    assert_eq!(attempts[ATTEMPTS_KEPT - 1].error, "no 13");
}

/// Attempts belong to their own job, also when a batch fails together.
pub async fn attempts_belong_to_their_job(store: &dyn Store) {
    inserted(store, 20).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 20).await;
    let outcome = |id: JobId| Outcome::Retry { after: HOUR, failure: failure(&id.to_string()) };
    let batch: Vec<_> = held.iter().map(|job| settlement(job, outcome(job.id))).collect();
    store.settle(&batch).await.unwrap();
    for job in &held {
        let attempts = store.attempts(job.id).await.unwrap();
        assert_eq!((attempts.len(), &attempts[0].error), (1, &job.id.to_string()));
    }
}

/// A failure that is settled again is one attempt.
pub async fn a_repeated_failure_is_one_attempt(store: &dyn Store) {
    let held = settled(store, retry(HOUR)).await;
    assert_eq!(settle(store, &held, retry(HOUR)).await, Settled::Already);
    assert_eq!(store.attempts(held.id).await.unwrap().len(), 1);
}

/// Errors and backtraces are cut to 8 KiB between two characters.
pub async fn long_errors_are_cut(store: &dyn Store) {
    let long = "€".repeat(10_000);
    let failure = Failure { backtrace: Some(format!("x{long}")), ..failure(&long) };
    let held = settled(store, Outcome::Retry { after: HOUR, failure }).await;
    let attempt = store.attempts(held.id).await.unwrap().remove(0);
    let backtrace = attempt.backtrace.unwrap();
    for (text, whole) in [(&attempt.error, &long), (&backtrace, &format!("x{long}"))] {
        assert!((TEXT_LIMIT - 4..=TEXT_LIMIT).contains(&text.len()), "{} bytes", text.len());
        assert!(whole.starts_with(text.as_str()));
    }
    assert!(find(store, held.id).await.reason.is_some_and(|text| text.len() <= TEXT_LIMIT));
}

/// NUL in an error is no reason to lose the error.
pub async fn nul_in_an_error_is_harmless(store: &dyn Store) {
    let failure = Failure { backtrace: Some("\0".to_owned()), ..failure("bad\0byte") };
    let held = settled(store, Outcome::Retry { after: HOUR, failure }).await;
    let attempt = store.attempts(held.id).await.unwrap().remove(0);
    assert_eq!(attempt.error.replace('\0', ""), "badbyte");
}

/// A job that came back from the dead letters keeps the attempts of its first life.
pub async fn a_redriven_job_keeps_its_attempts(store: &dyn Store) {
    let outcome =
        Outcome::Discarded { reason: "gave up".to_owned(), failure: Some(failure("first")) };
    let held = settled(store, outcome).await;
    store.retry(&[held.id], &ada()).await.unwrap();
    let again = claim_one(store, held.owner).await;
    settle(store, &again, retry(HOUR)).await;
    let attempts = store.attempts(held.id).await.unwrap();
    let seen: Vec<_> =
        attempts.iter().map(|attempt| (attempt.attempt, attempt.error.as_str())).collect();
    assert_eq!(seen, [(1, "first"), (1, "no route")]);
}

/// A deleted job's attempts go with it.
pub async fn attempts_go_with_a_deleted_job(store: &dyn Store) {
    let failed = settled(store, retry(HOUR)).await;
    let outcome = Outcome::Discarded { reason: "gave up".to_owned(), failure: Some(failure("no")) };
    let dead = settled(store, outcome).await;
    for id in [failed.id, dead.id] {
        assert_eq!(store.delete(&[id], &ada()).await.unwrap(), 1);
        assert_eq!(store.attempts(id).await.unwrap(), []);
    }
}

/// A job that is forgotten at its end leaves no attempts behind, at the latest after a prune.
pub async fn a_forgotten_job_leaves_no_attempts(store: &dyn Store) {
    let failed = settled(store, retry(Duration::ZERO)).await;
    let again = claim_one(store, failed.owner).await;
    assert_eq!((again.id, again.attempt), (failed.id, 2));
    let end = Settlement { retention: None, ..settlement(&again, Outcome::Completed(None)) };
    assert_eq!(settle_as(store, end).await, Settled::Done);
    travel(store, 100 * DAY).await;
    store.prune(1_000).await.unwrap();
    assert_eq!(store.attempts(failed.id).await.unwrap(), []);
}
