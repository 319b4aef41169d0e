//! Fetches jobs: queue by queue, round robin, as many as the slots will soon need.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{lane::Lane, shared::Shared};
use crate::{
    error::Result,
    event::Event,
    job::{ClaimedJob, JobId},
    store::Claim,
};

/// No more claims while so many outcomes wait to be written.
pub(super) const MOST_UNSETTLED: usize = 10_000;

/// A watermark is dropped at the latest after this, so that nothing behind it waits long.
const WATERMARK_LASTS: Duration = Duration::from_millis(500);

/// The loop; ends with the worker.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut claimer = Claimer { shared: Arc::clone(&shared), marks: HashMap::new(), turn: 0 };
    let mut trouble = Trouble::default();
    loop {
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = shared.trust.holds() => {}
        }
        match claimer.round().await {
            Ok(true) => trouble = Trouble::default(),
            Ok(false) => {
                tokio::select! {
                    () = shared.stop.cancelled() => return,
                    () = shared.signal.work.notified() => {}
                }
            }
            Err(error) => {
                shared.trouble("claim jobs", &error);
                tokio::select! {
                    () = shared.stop.cancelled() => return,
                    () = tokio::time::sleep(trouble.pause()) => {}
                }
                // What the lost claim took is held by the old row and comes back with it.
                if let Err(error) = shared.change_owner().await {
                    shared.trouble("register a fresh worker row", &error);
                }
            }
        }
    }
}

/// Ever longer pauses with jitter: at most two tries a second.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    failures: u32,
}

impl Trouble {
    pub(super) fn pause(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let base = Duration::from_millis(500).saturating_mul(self.failures.min(4));
        base.mul_f64(1.0 + fastrand::f64() * 0.5)
    }
}

struct Claimer {
    shared: Arc<Shared>,
    marks: HashMap<String, Watermark>,
    /// Which lane comes first in the next round.
    turn: usize,
}

/// Where the next claim of a backlog starts, so that dead rows before it are not walked again.
struct Watermark {
    after: (i16, JobId),
    set: Instant,
}

impl Claimer {
    /// Claims once for each lane that wants jobs; whether any lane did.
    async fn round(&mut self) -> Result<bool> {
        if self.shared.unsettled() > MOST_UNSETTLED {
            // The settle loop rings when it has caught up.
            return Ok(false);
        }
        let shared = Arc::clone(&self.shared);
        if shared.is_spoiled() {
            shared.change_owner().await?;
        }
        if shared.signal.take_returned() {
            self.marks.clear();
        }
        let count = shared.lanes.len();
        self.turn = self.turn.wrapping_add(1);
        let mut any = false;
        for lane in shared.lanes.iter().cycle().skip(self.turn % count.max(1)).take(count) {
            let wanted = lane.wanted();
            if wanted > 0 && shared.signal.is_marked(&lane.queue) && !shared.stop.is_cancelled() {
                self.claim(lane, wanted).await?;
                any = true;
            }
        }
        Ok(any)
    }

    async fn claim(&mut self, lane: &Lane, limit: u32) -> Result<()> {
        let shared = &self.shared;
        // Before the claim: what is inserted while it runs marks the queue again.
        shared.signal.unmark(&lane.queue);
        let after = self
            .marks
            .get(&lane.queue)
            .filter(|mark| mark.set.elapsed() < WATERMARK_LASTS)
            .map(|mark| mark.after);
        if after.is_none() {
            self.marks.remove(&lane.queue);
        }
        let claim = Claim {
            owner: shared.owner(),
            queue: lane.queue.clone().into(),
            tasks: Arc::clone(shared.registry.names()),
            limit,
            after,
        };
        let jobs = match shared.store.claim(&claim).await {
            Ok(jobs) => jobs,
            Err(error) => {
                shared.signal.mark(&lane.queue);
                return Err(error);
            }
        };
        let full = jobs.len() >= limit as usize;
        // A full batch, or one that started behind a watermark, tells nothing of the rest.
        if full || after.is_some() || jobs.first().is_some_and(|job| job.solo) {
            shared.signal.mark(&lane.queue);
        }
        self.watermark(&lane.queue, full, &jobs);
        if !jobs.is_empty() {
            self.take_in(lane, jobs, full);
        }
        Ok(())
    }

    fn watermark(&mut self, queue: &str, full: bool, jobs: &[ClaimedJob]) {
        match jobs.last() {
            Some(last) if full => {
                let after = (last.priority, last.id);
                match self.marks.get_mut(queue) {
                    Some(mark) => mark.after = after,
                    None => {
                        let mark = Watermark { after, set: Instant::now() };
                        self.marks.insert(queue.to_owned(), mark);
                    }
                }
            }
            _ => {
                self.marks.remove(queue);
            }
        }
    }

    fn take_in(&self, lane: &Lane, jobs: Vec<ClaimedJob>, full: bool) {
        let shared = &self.shared;
        if let Some(first) = jobs.first() {
            shared.hold(first.owner, jobs.len());
        }
        if shared.config.debug {
            tracing::debug!(queue = lane.queue, count = jobs.len(), "claimed");
        }
        shared
            .queue
            .events()
            .tell(|| Event::Claimed { queue: lane.queue.clone(), count: jobs.len() });
        lane.fill(jobs, full);
    }
}
