//! Rules of `rescue` and `retire`: a dead worker's jobs run again, and poison is contained.

use std::collections::BTreeSet;

use super::steps::{
    HOUR, ada, claim, claim_one, die, find, ids, insert, inserted, job, renewal, request, running,
    settle, state, suspect, total, travel, worker,
};
use crate::{
    job::{JobId, JobState, WorkerId},
    outcome::Outcome,
    store::{Claim, Settled, Store, Suspect},
};

/// A dead worker's jobs are available again; the attempt is not counted, the crash is.
pub async fn a_dead_workers_jobs_run_again(store: &dyn Store) {
    let held = running(store).await;
    let rescued = die(store, held.owner, &[held.id]).await;
    assert_eq!(rescued.len(), 1);
    assert_eq!((rescued[0].id, rescued[0].queue.as_str()), (held.id, &*held.queue));
    assert!(!rescued[0].quarantined);
    let found = find(store, held.id).await;
    assert_eq!((found.state, found.owner), (JobState::Available, None));
    assert_eq!((found.attempt, found.crash_count, found.fence), (0, 1, 1));
    let owner = worker(store).await;
    let again = claim_one(store, owner).await;
    assert_eq!((again.id, again.attempt, again.crash_count, again.fence), (held.id, 1, 1, 2));
}

/// A rescue leaves no attempt: nobody knows how it failed.
pub async fn a_rescue_is_no_failed_attempt(store: &dyn Store) {
    let held = running(store).await;
    die(store, held.owner, &[held.id]).await;
    assert_eq!(store.attempts(held.id).await.unwrap(), []);
}

/// The dead worker's row is gone.
pub async fn a_dead_workers_row_is_removed(store: &dyn Store) {
    let (dead, alive) = (worker(store).await, worker(store).await);
    let suspect = suspect(store, dead).await;
    store.rescue(&suspect, 3).await.unwrap();
    let workers = store.workers().await.unwrap();
    assert_eq!(workers.iter().map(|info| info.id).collect::<Vec<_>>(), [alive]);
}

/// Only the dead worker's jobs are taken back.
pub async fn others_keep_their_jobs(store: &dyn Store) {
    inserted(store, 4).await;
    let (dead, alive) = (worker(store).await, worker(store).await);
    let lost = claim(store, dead, 2).await;
    let kept = claim(store, alive, 2).await;
    let rescued = die(store, dead, &[]).await;
    let taken: BTreeSet<_> = rescued.iter().map(|rescued| rescued.id).collect();
    assert_eq!(taken, ids(&lost).into_iter().collect());
    for job in &kept {
        assert_eq!(find(store, job.id).await.owner, Some(alive));
        assert_eq!(settle(store, job, Outcome::Completed(None)).await, Settled::Done);
    }
}

/// A worker that was renewed after it was suspected is not ended.
pub async fn a_worker_that_was_renewed_is_not_ended(store: &dyn Store) {
    let held = running(store).await;
    let suspect = suspect(store, held.owner).await;
    store.renew(&renewal(held.owner, &[held.id])).await.unwrap();
    assert_eq!(store.rescue(&suspect, 3).await.unwrap(), []);
    assert_eq!(find(store, held.id).await.owner, Some(held.owner));
    assert_eq!(settle(store, &held, Outcome::Completed(None)).await, Settled::Done);
}

/// Rescuing again, or somebody unknown, does nothing.
pub async fn rescue_may_be_repeated(store: &dyn Store) {
    let held = running(store).await;
    let suspect = suspect(store, held.owner).await;
    assert_eq!(store.rescue(&suspect, 3).await.unwrap().len(), 1);
    assert_eq!(store.rescue(&suspect, 3).await.unwrap(), []);
    assert_eq!(find(store, held.id).await.crash_count, 1);
    let unknown = Suspect { id: WorkerId::new(), ..suspect };
    assert_eq!(store.rescue(&unknown, 3).await.unwrap(), []);
}

/// A repeated rescue does not touch the job in its next worker's hands.
pub async fn a_late_rescue_harms_no_next_claim(store: &dyn Store) {
    let held = running(store).await;
    let suspect = suspect(store, held.owner).await;
    store.rescue(&suspect, 3).await.unwrap();
    let owner = worker(store).await;
    let again = claim_one(store, owner).await;
    store.rescue(&suspect, 3).await.unwrap();
    assert_eq!(settle(store, &again, Outcome::Completed(None)).await, Settled::Done);
}

/// A worker without jobs is ended too.
pub async fn a_worker_without_jobs_is_ended_too(store: &dyn Store) {
    let owner = worker(store).await;
    assert_eq!(die(store, owner, &[]).await, []);
    assert_eq!(store.workers().await.unwrap(), []);
}

/// Thousands of jobs are taken back, each once.
pub async fn thousands_are_taken_back(store: &dyn Store) {
    inserted(store, 2_300).await;
    let owner = worker(store).await;
    for _ in 0..3 {
        claim(store, owner, 1_000).await;
    }
    let rescued = die(store, owner, &[]).await;
    let distinct: BTreeSet<_> = rescued.iter().map(|rescued| rescued.id).collect();
    assert_eq!((rescued.len(), distinct.len()), (2_300, 2_300));
    assert_eq!(total(store, JobState::Available).await, 2_300);
}

/// What was executing at the last renewal is suspected: it comes back marked solo. What only lay in
/// the buffer comes back as it was, with its crash counted.
pub async fn what_executed_comes_back_solo(store: &dyn Store) {
    let all = inserted(store, 3).await;
    let dead = worker(store).await;
    claim(store, dead, 3).await;
    die(store, dead, &all[1..2]).await;
    let owner = worker(store).await;
    let plain = claim(store, owner, 10).await;
    assert_eq!(ids(&plain), [all[0], all[2]]);
    assert!(plain.iter().all(|job| !job.solo && job.crash_count == 1));
    let suspected = claim(store, owner, 10).await;
    assert_eq!(ids(&suspected), [all[1]]);
    assert!(suspected[0].solo && suspected[0].crash_count == 1);
}

/// Without any renewal nobody knows what executed: nothing is marked, all crashes count.
pub async fn without_a_renewal_nothing_is_marked(store: &dyn Store) {
    let all = inserted(store, 2).await;
    let dead = worker(store).await;
    claim(store, dead, 2).await;
    let suspect = suspect(store, dead).await;
    store.rescue(&suspect, 3).await.unwrap();
    let owner = worker(store).await;
    let claimed = claim(store, owner, 10).await;
    assert_eq!(ids(&claimed), all);
    assert!(claimed.iter().all(|job| !job.solo && job.crash_count == 1));
}

/// What was there at two deaths comes back marked solo, though nobody saw it execute.
pub async fn two_deaths_make_a_suspect(store: &dyn Store) {
    let id = insert(store, &job()).await;
    for (crashes, solo) in [(0, false), (1, false), (2, true)] {
        let owner = worker(store).await;
        let held = claim_one(store, owner).await;
        assert_eq!((held.id, held.crash_count, held.solo), (id, crashes, solo));
        die(store, owner, &[]).await;
    }
}

/// Claims until nothing is left; sees that solo jobs come alone. Answers the order.
async fn claim_all(store: &dyn Store, limit: u32) -> Vec<JobId> {
    let owner = worker(store).await;
    let mut order = Vec::new();
    while let claimed = claim(store, owner, limit).await
        && !claimed.is_empty()
    {
        assert!(claimed.len() == 1 || claimed.iter().all(|job| !job.solo), "{claimed:?}");
        order.extend(ids(&claimed));
    }
    order
}

/// A solo job is claimed alone, wherever it stands in the order; nothing is lost beside it.
pub async fn a_solo_job_is_claimed_alone(store: &dyn Store) {
    for place in 0..4 {
        let all = inserted(store, 4).await;
        let dead = worker(store).await;
        claim(store, dead, 4).await;
        die(store, dead, &[all[place]]).await;
        let mut order = claim_all(store, 10).await;
        order.sort_unstable();
        assert_eq!(order, all, "solo at {place}");
    }
}

/// Several solo jobs come one by one.
pub async fn solo_jobs_come_one_by_one(store: &dyn Store) {
    let all = inserted(store, 3).await;
    let dead = worker(store).await;
    claim(store, dead, 3).await;
    die(store, dead, &all).await;
    let owner = worker(store).await;
    for id in all {
        let claimed = claim(store, owner, 10).await;
        assert_eq!(ids(&claimed), [id]);
        assert!(claimed[0].solo);
    }
}

/// A solo job in front comes first, and a watermark passes it as any other.
pub async fn a_solo_job_keeps_its_place(store: &dyn Store) {
    let all = inserted(store, 3).await;
    let dead = worker(store).await;
    claim(store, dead, 3).await;
    die(store, dead, &all[..1]).await;
    let owner = worker(store).await;
    let after = Claim { after: Some((0, all[0])), ..request(owner, 10) };
    assert_eq!(ids(&store.claim(&after).await.unwrap()), all[1..]);
    assert_eq!(ids(&claim(store, owner, 10).await), all[..1]);
}

/// A solo job that was given back is still solo.
pub async fn a_solo_job_given_back_is_still_solo(store: &dyn Store) {
    let held = running(store).await;
    die(store, held.owner, &[held.id]).await;
    let owner = worker(store).await;
    let again = claim_one(store, owner).await;
    assert!(again.solo);
    settle(store, &again, Outcome::Released).await;
    assert!(claim_one(store, owner).await.solo);
}

/// A job that was there at as many deaths as the limit says is quarantined, and says so.
pub async fn poison_is_quarantined(store: &dyn Store) {
    let id = insert(store, &job()).await;
    for crash in 1..=3 {
        let owner = worker(store).await;
        claim_one(store, owner).await;
        let rescued = die(store, owner, &[id]).await;
        assert_eq!((rescued[0].id, rescued[0].quarantined), (id, crash == 3));
    }
    let found = find(store, id).await;
    assert_eq!((found.state, found.crash_count), (JobState::Quarantined, 3));
    assert!(found.finished_at.is_some());
    let reason = found.reason.unwrap();
    assert!(reason.contains("died 3 times"), "{reason}");
}

/// One job's quarantine does not hold its neighbours back.
pub async fn neighbours_of_poison_go_on(store: &dyn Store) {
    let poison = insert(store, &job()).await;
    for _ in 0..2 {
        let owner = worker(store).await;
        claim_one(store, owner).await;
        die(store, owner, &[poison]).await;
    }
    let owner = worker(store).await;
    claim_one(store, owner).await;
    let neighbour = insert(store, &job()).await;
    assert_eq!(claim_one(store, owner).await.id, neighbour);
    die(store, owner, &[poison]).await;
    assert_eq!(state(store, poison).await, JobState::Quarantined);
    let found = find(store, neighbour).await;
    assert_eq!((found.state, found.crash_count), (JobState::Available, 0));
}

/// What ran alone is blamed alone: who waited beside it comes back as it was.
pub async fn what_ran_alone_is_blamed_alone(store: &dyn Store) {
    let all = inserted(store, 3).await;
    let dead = worker(store).await;
    claim(store, dead, 3).await;
    die(store, dead, &all[..1]).await;
    let dead = worker(store).await;
    let alone = claim(store, dead, 3).await;
    assert!(ids(&alone) == all[..1] && alone[0].solo);
    assert_eq!(claim(store, dead, 3).await.len(), 2);
    assert_eq!(die(store, dead, &all[..1]).await.len(), 3);
    let owner = worker(store).await;
    let alone = claim(store, owner, 3).await;
    assert_eq!((alone[0].id, alone[0].crash_count, alone[0].solo), (all[0], 2, true));
    let others = claim(store, owner, 3).await;
    assert_eq!(ids(&others), all[1..]);
    assert!(others.iter().all(|job| job.crash_count == 1 && !job.solo), "{others:?}");
}

/// However many deaths a job was there at, it is quarantined only when it was seen to run alone.
pub async fn nobody_is_quarantined_unseen(store: &dyn Store) {
    let id = insert(store, &job()).await;
    for _ in 0..5 {
        let owner = worker(store).await;
        claim_one(store, owner).await;
        assert!(!die(store, owner, &[]).await[0].quarantined);
    }
    let owner = worker(store).await;
    let held = claim_one(store, owner).await;
    assert!(held.solo && held.crash_count == 5);
    assert_eq!(settle(store, &held, Outcome::Completed(None)).await, Settled::Done);
    assert_eq!(state(store, id).await, JobState::Completed);
}

/// A quarantined job that is redriven is counted anew, and no longer solo.
pub async fn redriven_poison_is_counted_anew(store: &dyn Store) {
    let held = running(store).await;
    die(store, held.owner, &[held.id]).await;
    let owner = worker(store).await;
    claim_one(store, owner).await;
    store.renew(&renewal(owner, &[held.id])).await.unwrap();
    let suspect = suspect(store, owner).await;
    assert!(store.rescue(&suspect, 2).await.unwrap()[0].quarantined);
    assert_eq!(store.retry(&[held.id], &ada()).await.unwrap(), 1);
    let owner = worker(store).await;
    let again = claim_one(store, owner).await;
    assert_eq!((again.crash_count, again.solo, again.attempt), (0, false, 1));
}

/// A job whose cancellation was asked for is cancelled when its worker died.
pub async fn a_dead_workers_cancelled_job_is_cancelled(store: &dyn Store) {
    inserted(store, 2).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 2).await;
    store.cancel(held[0].id, &ada()).await.unwrap();
    die(store, owner, &[]).await;
    assert_eq!(state(store, held[0].id).await, JobState::Cancelled);
    assert_eq!(state(store, held[1].id).await, JobState::Available);
}

/// The orderly end gives back what is held; no attempt and no crash is counted.
pub async fn a_retired_workers_jobs_are_given_back(store: &dyn Store) {
    let all = inserted(store, 5).await;
    let owner = worker(store).await;
    let held = claim(store, owner, 3).await;
    settle(store, &held[0], Outcome::Completed(None)).await;
    assert_eq!(store.retire(owner).await.unwrap(), 2);
    assert_eq!(store.workers().await.unwrap(), []);
    for job in &held[1..] {
        let found = find(store, job.id).await;
        assert_eq!((found.state, found.owner), (JobState::Available, None));
        assert_eq!((found.attempt, found.crash_count, found.fence), (0, 0, 1));
        assert_eq!(found.run_at, job.run_at);
    }
    let next = worker(store).await;
    let claimed = claim(store, next, 10).await;
    assert_eq!(ids(&claimed), all[1..]);
    assert!(claimed.iter().all(|job| !job.solo));
}

/// Retiring again, or somebody unknown, does nothing.
pub async fn retire_may_be_repeated(store: &dyn Store) {
    let held = running(store).await;
    assert_eq!(store.retire(held.owner).await.unwrap(), 1);
    assert_eq!(store.retire(held.owner).await.unwrap(), 0);
    assert_eq!(store.retire(WorkerId::new()).await.unwrap(), 0);
}

/// Only the retired worker's jobs are given back.
pub async fn retiring_one_leaves_the_others(store: &dyn Store) {
    let (first, second) = (running(store).await, running(store).await);
    store.retire(first.owner).await.unwrap();
    assert_eq!(find(store, second.id).await.owner, Some(second.owner));
}

/// What a retired worker settles late is lost or was written; it never counts twice.
pub async fn a_retired_worker_ends_nothing(store: &dyn Store) {
    let held = running(store).await;
    store.retire(held.owner).await.unwrap();
    assert_eq!(settle(store, &held, Outcome::Completed(None)).await, Settled::Lost);
    assert_eq!(state(store, held.id).await, JobState::Available);
}

/// A job whose cancellation was asked for is cancelled when its worker retires.
pub async fn a_retired_workers_cancelled_job_is_cancelled(store: &dyn Store) {
    let held = running(store).await;
    store.cancel(held.id, &ada()).await.unwrap();
    store.retire(held.owner).await.unwrap();
    assert_eq!(state(store, held.id).await, JobState::Cancelled);
}

/// A retired worker is nobody's suspect.
pub async fn a_retired_worker_is_no_suspect(store: &dyn Store) {
    let owner = worker(store).await;
    store.retire(owner).await.unwrap();
    travel(store, HOUR).await;
    assert_eq!(store.suspects(&[]).await.unwrap().found, []);
}
