//! Looks for dead workers and takes their jobs back. A loop of its own beside the heartbeat: a long
//! rescue on a slow database must not cost the rescuer its own lease.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{claim::Trouble, shared::Shared};
use crate::{error::Result, event::Event, job::WorkerId, store::Suspect};

/// How often is looked for dead workers. With [`CERTAIN`] after it, and the claim, a killed
/// worker's jobs run again within two seconds.
const LOOK: Duration = Duration::from_millis(700);

/// A worker must look dead on two looks so far apart, without a renewal between them: a lock that was
/// lost with its connection is taken back meanwhile, and who was kept from renewing renews.
const CERTAIN: Duration = Duration::from_secs(1);

/// After an outage all locks are free and all leases may be over, and each worker comes back when its
/// own pause ends: neither says anything until the rescuer itself has been served for so long.
const SERVED: Duration = Duration::from_secs(4);

/// A job that was there at so many deaths of its process is quarantined.
const CRASH_LIMIT: i32 = 3;

pub(super) struct Rescuer {
    shared: Arc<Shared>,
    /// Workers that look dead, as first seen so, and when.
    suspected: HashMap<WorkerId, (Suspect, Instant)>,
    /// Since when every look was answered.
    served: Instant,
    /// Whether one ever was not.
    had_gap: bool,
}

impl Rescuer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, suspected: HashMap::new(), served: Instant::now(), had_gap: false }
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
        let usual = LOOK.mul_f64(0.9 + fastrand::f64() * 0.2);
        let certain =
            self.suspected.values().map(|(_, since)| CERTAIN.saturating_sub(since.elapsed()));
        certain.min().map_or(usual, |soonest| soonest.min(usual)).max(Duration::from_millis(1))
    }

    /// Ends rows of workers whose lease was over or whose presence lock was free on two looks, with
    /// no renewal between them.
    async fn look(&mut self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let seen = shared.store.suspects(&shared.owners()).await?;
        let now = Instant::now();
        self.suspected.retain(|id, _| seen.iter().any(|suspect| suspect.id == *id));
        for suspect in seen {
            let (first, since) = *self.suspected.entry(suspect.id).or_insert((suspect, now));
            if first.renewed_at != suspect.renewed_at {
                self.suspected.insert(suspect.id, (suspect, now));
            } else if now.duration_since(since) >= CERTAIN && self.may_judge(&suspect, now) {
                self.end(&suspect).await?;
            }
        }
        Ok(())
    }

    /// Whether the sign may be trusted. A worker that has just begun knows nothing of leases: it may
    /// have been started because of an outage.
    fn may_judge(&self, suspect: &Suspect, now: Instant) -> bool {
        let was_served = now.saturating_duration_since(self.served) >= SERVED;
        was_served || !(suspect.expired || self.had_gap)
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
