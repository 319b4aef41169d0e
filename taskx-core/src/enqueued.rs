//! The handle of an enqueued job.

use std::{fmt, marker::PhantomData, time::Duration};

use crate::{
    error::{Error, ErrorKind, Result},
    inspect::{Actor, Cancelled, Inspect},
    job::{Job, JobId, JobState},
    queue::Queue,
    store::Inserted,
    task::{Retention, Task, decode},
};

/// A job that has been enqueued: what it returned can be waited for, and it can be cancelled.
pub struct Enqueued<T> {
    id: JobId,
    is_new: bool,
    queue: Option<Queue>,
    task: PhantomData<fn() -> T>,
}

impl<T: Task> Enqueued<T> {
    /// A handle; for the finishers of other crates.
    #[doc(hidden)]
    #[must_use]
    pub fn new(id: JobId, inserted: Inserted, queue: Option<Queue>) -> Self {
        Self { id, is_new: inserted == Inserted::New, queue, task: PhantomData }
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Whether this call stored the job; `false` if a job of this id was there before.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The job as it stands; `None` if it was deleted or its retention is over.
    ///
    /// # Errors
    /// Transient ones.
    pub async fn job(&self) -> Result<Option<Job>> {
        self.queue()?.find(self.id).await
    }

    /// Where the job stands; `None` if it was deleted or its retention is over.
    ///
    /// # Errors
    /// Transient ones.
    pub async fn status(&self) -> Result<Option<JobState>> {
        Ok(self.job().await?.map(|job| job.state))
    }

    /// Cancels the job: at once if it waits; if it runs it is asked to stop, wherever it runs.
    ///
    /// # Errors
    /// Transient ones.
    pub async fn cancel(&self) -> Result<Cancelled> {
        self.queue()?.cancel(self.id, &Actor::app()).await
    }

    /// Waits until the job has ended, at most `limit`, and gives what it returned.
    ///
    /// # Errors
    /// `Timeout` if it has not ended in time; `Unsuccessful` with its reason if it was discarded,
    /// cancelled or quarantined; `NotFound` if it is gone; `Config` if the task keeps no history.
    pub async fn wait(&self, limit: Duration) -> Result<T::Output> {
        if matches!(T::DEF.options.retention, Retention::None) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "wait for `{}`: with `retention = \"none\"` no result is kept",
                    T::DEF.name
                ),
            ));
        }
        let job = self.queue()?.wait_finished(self.id, limit).await?;
        match job.state {
            JobState::Completed => decode(job.result.as_deref().unwrap_or("null")).map_err(|e| {
                e.context(&format!("read the result of job {} of `{}`", self.id, T::DEF.name))
            }),
            state => Err(Error::new(
                ErrorKind::Unsuccessful,
                format!(
                    "job {} of `{}` was {state}: {}",
                    self.id,
                    T::DEF.name,
                    job.reason.as_deref().unwrap_or("no reason was given")
                ),
            )),
        }
    }

    fn queue(&self) -> Result<&Queue> {
        self.queue.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::NoStore,
                format!(
                    "look at job {}: it was enqueued on a connection while no App was live",
                    self.id
                ),
            )
        })
    }
}

impl<T> Clone for Enqueued<T> {
    fn clone(&self) -> Self {
        Self { id: self.id, is_new: self.is_new, queue: self.queue.clone(), task: PhantomData }
    }
}

impl<T> fmt::Debug for Enqueued<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enqueued").field("id", &self.id).field("is_new", &self.is_new).finish()
    }
}
