//! Jobs that are born claimed: what is enqueued beside a worker that has nothing else to do is stored
//! as held by it, and starts when its insert is committed, without a claim.

use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use super::{claim::MOST_UNSETTLED, shared::Shared};
use crate::{
    event::Event,
    hub::Host,
    job::{ClaimedJob, NewJob, PAYLOAD_JSON, RunAt, WorkerId},
};

impl Host for Shared {
    fn reserve(&self, jobs: &[NewJob]) -> Option<WorkerId> {
        let first = jobs.first()?;
        let lane = self.lane(&first.queue)?;
        let fits = |job: &NewJob| {
            job.queue == first.queue
                && job.run_at == RunAt::Now
                && !job.check_id
                && job.extras.is_none()
                && self.registry.find(&job.task).is_some()
        };
        // A mark says that others may wait: they come first.
        let has_time = !self.stop.is_cancelled()
            && !self.signal.is_marked(&lane.queue)
            && self.unsettled() <= MOST_UNSETTLED
            && self.trust.holds().now_or_never().is_some();
        // Held from now on, so that the row is not taken for empty meanwhile.
        (has_time && lane.has_room(jobs.len()) && jobs.iter().all(fits))
            .then(|| self.hold_current(jobs.len()))
            .flatten()
    }

    fn take_in(&self, owner: WorkerId, jobs: Vec<NewJob>, since: DateTime<Utc>) {
        let Some(lane) = jobs.first().and_then(|job| self.lane(&job.queue)) else { return };
        let jobs: Vec<_> = jobs.into_iter().map(|job| held(job, owner, since)).collect();
        if self.stop.is_cancelled() {
            return self.give_back(jobs);
        }
        let count = jobs.len();
        self.queue.events().tell(|| Event::Claimed { queue: lane.queue.clone(), count });
        lane.fill(jobs, false);
    }

    fn leave(&self, owner: WorkerId, jobs: usize) {
        (0..jobs).for_each(|_| self.let_go(owner));
    }

    fn lose(&self, owner: WorkerId, jobs: usize) {
        // What is held after all comes back when the row, empty as far as we know, is retired.
        self.spoil(owner);
        self.leave(owner, jobs);
    }
}

/// A new job as a claim would give it.
fn held(job: NewJob, owner: WorkerId, since: DateTime<Utc>) -> ClaimedJob {
    ClaimedJob {
        id: job.id,
        owner,
        fence: 1,
        queue: job.queue,
        task: job.task.into_owned(),
        priority: job.priority,
        attempt: 1,
        max_attempts: job.max_attempts,
        payload: job.payload,
        payload_format: PAYLOAD_JSON,
        inserted_at: since,
        run_at: since,
        crash_count: 0,
        snooze_count: 0,
        solo: false,
        cancel_requested: false,
        extras: None,
    }
}
