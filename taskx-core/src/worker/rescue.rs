//! Looks for dead workers and takes their jobs back. A loop of its own beside the heartbeat: a long
//! rescue on a slow database must not cost the rescuer its own lease.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{claim::Trouble, lease::TICK, shared::Shared};
use crate::{
    error::Result,
    event::Event,
    job::WorkerId,
    store::{Suspect, Suspects},
};

/// How often is looked for dead workers. With [`CERTAIN`] after it, and the claim, a killed
/// worker's jobs run again within two seconds.
const LOOK: Duration = Duration::from_millis(700);

/// The same of a worker that saw no other: there is nobody to be missed. One that begins beside it
/// and dies at once is missed so much later.
const LOOK_ALONE: Duration = Duration::from_secs(3);

/// A worker must look dead on two looks so far apart, without a renewal between them: a lock that was
/// lost with its connection is taken back meanwhile, and who was kept from renewing renews.
const CERTAIN: Duration = Duration::from_secs(1);

/// A lease runs out between two looks, and so is seen when it has been over for less than that and
/// this. What is over for longer at its first sight tells of a clock that was set, or of a rescuer that
/// is new.
const SLACK: Duration = Duration::from_secs(1);

/// After an outage all locks are free and all leases may be over, and each worker comes back when its
/// own pause ends: neither says anything until the rescuer itself has been served for so long.
const SERVED: Duration = Duration::from_secs(4);

/// A job that was there at so many deaths of its process is quarantined.
const CRASH_LIMIT: i32 = 3;

pub(super) struct Rescuer {
    shared: Arc<Shared>,
    /// Workers that look dead.
    suspected: HashMap<WorkerId, Sighting>,
    /// Since when every look was answered.
    served: Instant,
    /// When the last look was answered, unless there was a gap since.
    looked: Option<Instant>,
    /// Whether one ever was not.
    had_gap: bool,
    /// Whether there were others at the last look.
    has_others: bool,
}

impl Rescuer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            suspected: HashMap::new(),
            served: Instant::now(),
            looked: None,
            had_gap: false,
            has_others: true,
        }
    }

    /// Looks and rescues for ever.
    pub(super) async fn run(&mut self) {
        let mut trouble = Trouble::default();
        loop {
            let pause = match self.look().await {
                Ok(()) => {
                    trouble = Trouble::default();
                    self.until_next()
                }
                Err(error) => {
                    self.shared.trouble("look for dead workers", &error);
                    // What was seen before the gap says nothing after it.
                    self.suspected.clear();
                    self.looked = None;
                    self.had_gap = true;
                    let pause = trouble.pause();
                    self.served = Instant::now() + pause;
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// The usual pause, or less: when the first suspicion may be certain.
    fn until_next(&self) -> Duration {
        let usual = if self.has_others { LOOK } else { LOOK_ALONE };
        let usual = usual.mul_f64(0.9 + fastrand::f64() * 0.2);
        let certain =
            self.suspected.values().map(|seen| seen.patience.saturating_sub(seen.since.elapsed()));
        certain.min().map_or(usual, |soonest| soonest.min(usual)).max(Duration::from_millis(1))
    }

    /// Ends rows of workers whose lease was over or whose presence lock was free on two looks, with
    /// no renewal between them.
    async fn look(&mut self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let Suspects { found: seen, has_others } = shared.store.suspects(&shared.owners()).await?;
        self.has_others = has_others;
        let now = Instant::now();
        let unseen = self.looked.replace(now).map(|looked| now - looked);
        self.suspected.retain(|id, _| seen.iter().any(|suspect| suspect.id == *id));
        for suspect in seen {
            let sighting = Sighting::new(suspect, now, unseen);
            let first = *self.suspected.entry(suspect.id).or_insert(sighting);
            if !first.is_of_the_same(&suspect) {
                self.suspected.insert(suspect.id, sighting);
            } else if now - first.since >= first.patience && self.may_judge(&suspect, now) {
                self.end(&suspect).await?;
            }
        }
        Ok(())
    }

    /// Whether the sign may be trusted. A worker that has just begun knows nothing of leases: it may
    /// have been started because of an outage.
    fn may_judge(&self, suspect: &Suspect, now: Instant) -> bool {
        let was_served = now.saturating_duration_since(self.served) >= SERVED;
        was_served || !(suspect.is_expired() || self.had_gap)
    }

    async fn end(&mut self, suspect: &Suspect) -> Result<()> {
        let shared = &self.shared;
        let rescued = shared.store.rescue(suspect, CRASH_LIMIT).await?;
        self.suspected.remove(&suspect.id);
        tracing::warn!(worker = %suspect.id, jobs = rescued.len(), "a worker died; its jobs were taken back");
        for job in &rescued {
            shared.queue.hub().bring_back(&job.queue);
        }
        shared.queue.events().tell(|| Event::Rescued {
            worker: suspect.id,
            jobs: rescued.iter().map(|job| job.id).collect(),
        });
        Ok(())
    }
}

/// A worker that looks dead, as it was first seen so.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    suspect: Suspect,
    since: Instant,
    /// For how long it must look so.
    patience: Duration,
}

impl Sighting {
    /// `unseen` is the time since the look before, if there was one.
    fn new(suspect: Suspect, since: Instant, unseen: Option<Duration>) -> Self {
        let ran_out = unseen.is_some_and(|unseen| suspect.overdue() <= unseen + SLACK);
        let patience = if suspect.is_absent || ran_out {
            CERTAIN
        } else {
            // Its clock may be right and its lease over all the same: if it lives, it renews.
            CERTAIN.max(suspect.lease() / 3 + 2 * TICK)
        };
        Self { suspect, since, patience }
    }

    /// Whether that is still what is seen: the same renewal, and the same sign.
    fn is_of_the_same(&self, now: &Suspect) -> bool {
        self.suspect.renewed_at == now.renewed_at && self.suspect.is_absent == now.is_absent
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    /// A worker whose lease has been over for so long.
    fn over_for(seconds: i64, is_absent: bool) -> Suspect {
        let lease_until = "2026-01-01T00:00:00Z".parse().unwrap();
        Suspect {
            id: WorkerId::new(),
            renewed_at: lease_until - LEASE,
            lease_until,
            now: lease_until + TimeDelta::seconds(seconds),
            is_absent,
        }
    }

    #[test]
    fn a_lease_that_seems_long_over_is_watched_until_its_worker_would_have_renewed() {
        let patience = |suspect, unseen| Sighting::new(suspect, Instant::now(), unseen).patience;
        let look = Some(LOOK);
        assert_eq!(patience(over_for(1, false), look), CERTAIN, "it ran out since the last look");
        let watch = LEASE / 3 + 2 * TICK;
        assert_eq!(patience(over_for(3_600, false), look), watch, "a clock was set");
        assert_eq!(patience(over_for(1, false), None), watch, "nobody looked before");
        assert_eq!(patience(over_for(3_600, true), None), CERTAIN, "its lock is free");
        assert_eq!(patience(over_for(-5, true), look), CERTAIN);
    }
}
