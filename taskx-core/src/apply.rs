//! `EmailTask::apply(..)`: the options of a job to be, and the ways to enqueue it.

use std::{
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::{
    current,
    enqueued::Enqueued,
    error::{Error, ErrorKind, Result},
    job::{JobId, NewJob, RunAt, check_name, check_payload},
    queue::{Queue, Submitted},
    task::Task,
};

/// A job to be: nothing is stored until it is awaited or given to another finisher.
///
/// | finisher | |
/// |---|---|
/// | `.await?` | durable in the current queue when it returns |
/// | `.enqueue_blocking()?` | the same from sync code |
/// | `.on(&mut conn)?`, `.on_async(&mut conn).await?` | inside the caller's own transaction |
/// | `queue.apply_many(jobs)` | many at once |
#[must_use = "nothing is enqueued until this is awaited or given to `.enqueue_blocking()`, `.on(..)` or `apply_many`"]
#[derive(Debug)]
pub struct Apply<T: Task> {
    job: NewJob,
    refused: Option<Error>,
    queue: Option<Queue>,
    notify: bool,
    task: PhantomData<fn() -> T>,
}

impl<T: Task> Apply<T> {
    /// A job with these arguments and the task's own options.
    pub fn new(arguments: &T) -> Self {
        let def = T::DEF;
        let (payload, refused) = match serde_json::to_string(arguments) {
            Ok(text) => (text, None),
            Err(e) => (
                String::new(),
                Some(
                    Error::new(
                        ErrorKind::Payload,
                        format!("write the arguments of `{}` as JSON", def.name),
                    )
                    .with_source(e),
                ),
            ),
        };
        let mut job = NewJob::new(def.options.queue, def.name, payload);
        job.priority = def.options.priority;
        job.max_attempts = i32::from(def.options.max_attempts);
        Self { job, refused, queue: None, notify: true, task: PhantomData }
    }

    /// Enqueue into this App's queue instead of the current one.
    pub fn to(mut self, queue: &Queue) -> Self {
        self.queue = Some(queue.clone());
        self
    }

    /// Run after this long, by the database's clock.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.job.run_at = RunAt::In(delay);
        self
    }

    /// Run at this time, by the database's clock. A past time means at once.
    pub fn at(mut self, time: DateTime<Utc>) -> Self {
        self.job.run_at = RunAt::At(time);
        self
    }

    /// Put it into the queue of this name (1 to 190 characters) instead of the task's.
    pub fn queue(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.check_name("queue", &name);
        self.job.queue = name.into();
        self
    }

    /// Lower runs first within the queue. Default: the task's, else 0.
    pub fn priority(mut self, priority: i16) -> Self {
        self.job.priority = priority;
        self
    }

    /// Failed attempts until the job is discarded, 1 or more. Default: the task's, else 25.
    pub fn max_attempts(mut self, attempts: u16) -> Self {
        if attempts == 0 {
            self.refuse(Error::new(ErrorKind::Config, "max_attempts must be 1 or more"));
        }
        self.job.max_attempts = i32::from(attempts);
        self
    }

    /// Adds a word to find the job by (1 to 190 characters).
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        let tag = tag.into();
        self.check_name("tag", &tag);
        self.job.extras_mut().tags.push(tag);
        self
    }

    /// Adds a note of the caller's, as JSON; the task reads it by `ctx.meta(key)`.
    pub fn meta(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => {
                self.job.extras_mut().meta.get_or_insert_default().insert(key.into(), value);
            }
            Err(e) => self.refuse(
                Error::new(ErrorKind::Payload, "write a job's meta as JSON").with_source(e),
            ),
        }
        self
    }

    /// Gives the job this id. If a job of this id is there already, live or finished, nothing is
    /// stored and [`Enqueued::is_new`] is `false`: the call may be repeated safely.
    pub fn id(mut self, id: JobId) -> Self {
        self.job.id = id;
        self.job.check_id = true;
        if matches!(T::DEF.options.retention, crate::task::Retention::None) {
            self.refuse(Error::new(
                ErrorKind::Config,
                format!(
                    "`.id(..)` on task `{}`: with `retention = \"none\"` finished jobs leave no trace, so an id cannot be recognised again",
                    T::DEF.name
                ),
            ));
        }
        self
    }

    /// Leaves out PostgreSQL's `NOTIFY` of an insert on the caller's own connection; the job starts at the next poll or
    /// by the probes of a worker in this process.
    pub fn no_notify(mut self) -> Self {
        self.notify = false;
        self
    }

    /// Enqueues from sync code; durable when it returns. Works on any thread, also on one of an
    /// async runtime, where `.await` is the better way because this blocks the thread. There it is the only
    /// way to block: another executor's `block_on(apply)` may wait for what its own thread would have to do.
    ///
    /// # Errors
    /// As `.await`.
    pub fn enqueue_blocking(self) -> Result<Enqueued<T>> {
        let (queue, job) = self.into_parts()?;
        let id = job.id;
        let inserted = wait_blocking(queue.submit_blocking(job)?)?;
        Ok(Enqueued::new(id, inserted, Some(queue)))
    }

    /// The queue that `.to(..)` named.
    pub(crate) fn named_queue(&self) -> Option<&Queue> {
        self.queue.as_ref()
    }

    /// Whether listeners shall be told by the database.
    pub(crate) fn notifies(&self) -> bool {
        self.notify
    }

    /// The checked job and the queue it is meant for.
    ///
    /// # Errors
    /// What an option refused; `NoStore` if no queue is at hand; `Payload` over the limit.
    pub fn into_parts(self) -> Result<(Queue, NewJob)> {
        let queue = match &self.queue {
            Some(queue) => queue.clone(),
            None => current::get()?,
        };
        let limit = queue.payload_limit();
        Ok((queue, self.into_job(limit)?))
    }

    /// The checked job alone, for an insert on the caller's own connection, and whether listeners
    /// shall be told.
    ///
    /// # Errors
    /// What an option refused; `Payload` over the limit.
    pub fn into_inserting(self) -> Result<Inserting> {
        let queue = self.queue.clone().or_else(|| current::get().ok());
        let limit = queue.as_ref().map_or(crate::config::PAYLOAD_LIMIT, Queue::payload_limit);
        let notify = self.notify;
        Ok(Inserting { job: self.into_job(limit)?, notify, queue })
    }

    fn into_job(self, limit: usize) -> Result<NewJob> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        check_payload(format_args!("`{}`", self.job.task), &self.job.payload, limit)?;
        Ok(self.job)
    }

    fn check_name(&mut self, what: &str, name: &str) {
        if let Err(error) = check_name(what, name) {
            self.refuse(error);
        }
    }

    fn refuse(&mut self, error: Error) {
        self.refused.get_or_insert(error);
    }
}

/// A checked job for an insert on the caller's own connection.
#[doc(hidden)]
#[derive(Debug)]
pub struct Inserting {
    /// The job.
    pub job: NewJob,
    /// Whether listeners of other processes shall be told by the database.
    pub notify: bool,
    /// The current queue, where there is one: for the handle and the wake-up.
    pub queue: Option<Queue>,
}

/// The arguments themselves are a job to be, so that `queue.apply_many(arguments)` works.
impl<T: Task> From<T> for Apply<T> {
    fn from(arguments: T) -> Self {
        Self::new(&arguments)
    }
}

impl<T: Task> IntoFuture for Apply<T> {
    type Output = Result<Enqueued<T>>;
    type IntoFuture = Enqueue<T>;

    fn into_future(self) -> Enqueue<T> {
        let step = self.into_parts().and_then(|(queue, job)| {
            let id = job.id;
            Ok(Step::Waiting { answer: queue.submit(job)?, id, queue })
        });
        Enqueue { step: step.unwrap_or_else(Step::Refused), task: PhantomData }
    }
}

/// The future of [`Apply`]: the job has been handed over when it is made, and is durable when it
/// is ready. Dropping it does not take the job back.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Enqueue<T> {
    step: Step,
    task: PhantomData<fn() -> T>,
}

#[derive(Debug)]
enum Step {
    Refused(Error),
    Waiting { answer: Submitted, id: JobId, queue: Queue },
    Done,
}

impl<T: Task> Future for Enqueue<T> {
    type Output = Result<Enqueued<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.step {
            Step::Waiting { answer, .. } => match Pin::new(answer).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(answer) => answer,
            },
            Step::Refused(_) | Step::Done => Err(closed()),
        };
        Poll::Ready(match std::mem::replace(&mut self.step, Step::Done) {
            Step::Refused(error) => Err(error),
            Step::Waiting { id, queue, .. } => {
                answer.map(|inserted| Enqueued::new(id, inserted, Some(queue)))
            }
            Step::Done => Err(closed()),
        })
    }
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::NoStore, "enqueue a job: the App has been shut down")
}

/// Waits for an answer of the I/O thread without an async runtime.
pub(crate) fn wait_blocking<R>(answer: oneshot::Receiver<Result<R>>) -> Result<R> {
    // Not `blocking_recv`, which panics on a thread of an async runtime.
    pollster::block_on(answer).unwrap_or_else(|_| Err(closed()))
}
