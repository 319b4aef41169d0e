//! Jobs that are born claimed: enqueued beside a worker that has nothing else to do, they are stored
//! as held by it and start when their insert is committed, without a claim.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::OwnedSemaphorePermit;

use super::{execute, lane::Lane, shared::Shared};
use crate::{
    event::Event,
    hub::{Cot, Cradle},
    job::{ClaimedJob, NewJob, RunAt, WorkerId},
};

/// The most jobs of one birth: more wait for slots, and are for others too.
const MOST: usize = 64;

/// Slots of a worker that wait for jobs to be stored.
struct Slots {
    shared: Arc<Shared>,
    lane: Arc<Lane>,
    slots: Vec<OwnedSemaphorePermit>,
    owner: WorkerId,
}

impl Cradle for Shared {
    fn reserve(self: Arc<Self>, jobs: &[NewJob]) -> Option<Box<dyn Cot>> {
        let first = jobs.first().filter(|_| jobs.len() <= MOST)?;
        let lane = Arc::clone(self.lane(&first.queue)?);
        // A mark says that others may wait: they come first.
        if self.stop.is_cancelled() || self.signal.is_marked(&lane.queue) {
            return None;
        }
        let fits = |job: &NewJob| {
            job.queue == first.queue
                && job.run_at == RunAt::Now
                && !job.check_id
                && job.extras.is_none()
                && self.registry.find(&job.task).is_some()
        };
        if !jobs.iter().all(fits) {
            return None;
        }
        let slots = lane.reserve(jobs.len())?;
        // Held from now on, so that the row is not taken for empty meanwhile.
        let owner = self.hold_current(jobs.len())?;
        Some(Box::new(Slots { shared: self, lane, slots, owner }))
    }
}

impl Cot for Slots {
    fn owner(&self) -> WorkerId {
        self.owner
    }

    fn fill(self: Box<Self>, jobs: Vec<NewJob>, since: DateTime<Utc>) {
        let Self { shared, lane, slots, owner } = *self;
        let count = jobs.len();
        let jobs = jobs.into_iter().map(|job| born(job, &lane, owner, since));
        if shared.stop.is_cancelled() {
            return shared.give_back(jobs.collect());
        }
        shared.queue.events().tell(|| Event::Claimed { queue: lane.queue.clone(), count });
        for (job, slot) in jobs.zip(slots) {
            execute::start(&shared, &lane, job, slot);
        }
    }

    fn leave(self: Box<Self>) {
        for _ in &self.slots {
            self.shared.let_go(self.owner);
        }
    }

    fn lose(self: Box<Self>) {
        // What is held after all comes back when the row, empty as far as we know, is retired.
        self.shared.spoil(self.owner);
        self.leave();
    }
}

fn born(job: NewJob, lane: &Lane, owner: WorkerId, since: DateTime<Utc>) -> ClaimedJob {
    ClaimedJob {
        id: job.id,
        owner,
        fence: 1,
        queue: lane.queue.as_str().into(),
        task: job.task.into_owned(),
        priority: job.priority,
        attempt: 1,
        max_attempts: job.max_attempts,
        payload: job.payload,
        payload_format: crate::job::PAYLOAD_JSON,
        inserted_at: since,
        run_at: since,
        crash_count: 0,
        snooze_count: 0,
        solo: false,
        cancel_requested: false,
        extras: job.extras,
    }
}
