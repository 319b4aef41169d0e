//! What happens to jobs, told to subscribers: the hook for metrics and for tests.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crate::job::{JobId, JobState, WorkerId};

/// Something that happened. Arguments, results and error texts are never in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// This process stored a job (not told for inserts on the caller's own connection).
    Enqueued {
        /// The job.
        id: JobId,
        /// Its task.
        task: String,
        /// Its queue.
        queue: String,
    },
    /// A worker of this process claimed jobs.
    Claimed {
        /// From which queue.
        queue: String,
        /// How many.
        count: usize,
    },
    /// An attempt began.
    Started {
        /// The job.
        id: JobId,
        /// Its task.
        task: &'static str,
        /// Its queue.
        queue: String,
        /// The number of the attempt.
        attempt: u32,
    },
    /// An attempt ended and its outcome is stored.
    Finished {
        /// The job.
        id: JobId,
        /// Its task.
        task: &'static str,
        /// Its queue.
        queue: String,
        /// The state that the job is in now.
        state: JobState,
        /// How long the attempt took.
        took: Duration,
    },
    /// An outcome could not be stored, since the job is not held any more.
    Lost {
        /// The job.
        id: JobId,
        /// The fence under which it was held.
        fence: i64,
    },
    /// A job runs past its timeout and does not end.
    Stuck {
        /// The job.
        id: JobId,
        /// Its task.
        task: &'static str,
    },
    /// Jobs of a dead worker were taken back.
    Rescued {
        /// The dead worker's row.
        worker: WorkerId,
        /// The jobs.
        jobs: Vec<JobId>,
    },
    /// A loop met an error and goes on.
    Trouble {
        /// Which loop.
        during: &'static str,
        /// The error with its causes.
        error: String,
    },
}

/// A subscriber: called on taskx's own threads and on those that enqueue, so it must be quick and must
/// not block.
pub type Subscriber = dyn Fn(&Event) + Send + Sync;

/// The subscribers of an App.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<[Box<Subscriber>]>);

impl Events {
    pub(crate) fn new(subscribers: Vec<Box<Subscriber>>) -> Self {
        Self(subscribers.into())
    }

    /// Tells an event, which is only made if somebody listens.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if self.0.is_empty() {
            return;
        }
        let event = event();
        for subscriber in self.0.iter() {
            // It runs inside the worker's loops, which nothing may end.
            if catch_unwind(AssertUnwindSafe(|| subscriber(&event))).is_err() {
                tracing::error!(?event, "a subscriber panicked");
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({} subscribers)", self.0.len())
    }
}
