//! `queue.apply_many(..)`: many jobs to be, and the ways to enqueue them together.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use crate::{
    apply::{Apply, closed, wait_blocking},
    enqueued::Enqueued,
    error::{Error, ErrorKind, Result},
    job::{JobId, NewJob},
    queue::Queue,
    store::Inserted,
    task::Task,
};

/// Many jobs to be, stored together or not at all. The finishers are those of [`Apply`].
#[must_use = "nothing is enqueued until this is awaited or given to `.enqueue_blocking()` or `.on(..)`"]
#[derive(Debug)]
pub struct ApplyMany<T: Task> {
    queue: Queue,
    jobs: Result<Vec<NewJob>>,
    /// Whether any job wants listeners to be told by the database.
    notify: bool,
    task: std::marker::PhantomData<fn() -> T>,
}

impl<T: Task> ApplyMany<T> {
    pub(crate) fn new<A: Into<Apply<T>>>(queue: Queue, jobs: impl IntoIterator<Item = A>) -> Self {
        let mut notify = false;
        let jobs = jobs
            .into_iter()
            .map(|job| {
                let job = job.into();
                notify |= job.notifies();
                match job.named_queue() {
                    Some(named) if !named.is(&queue) => Err(of_another_queue()),
                    _ => job.to(&queue).into_parts().map(|(_, job)| job),
                }
            })
            .collect();
        Self { queue, jobs, notify, task: std::marker::PhantomData }
    }

    /// Leaves out PostgreSQL's `NOTIFY` of an insert on the caller's own connection, as
    /// [`Apply::no_notify`] does; it is left out too where every job says so.
    pub fn no_notify(mut self) -> Self {
        self.notify = false;
        self
    }

    /// Whether listeners shall be told by the database, for an insert on the caller's connection.
    #[doc(hidden)]
    #[must_use]
    pub fn notifies(&self) -> bool {
        self.notify
    }

    /// Enqueues from sync code; durable when it returns. The handles come in the order of the jobs.
    ///
    /// # Errors
    /// As `.await`.
    pub fn enqueue_blocking(self) -> Result<Vec<Enqueued<T>>> {
        let (queue, jobs) = self.into_parts()?;
        let ids = ids(&jobs);
        let inserted = wait_blocking(queue.store_all(jobs)?)?;
        Ok(handles(&ids, inserted, &queue))
    }

    /// The checked jobs and the queue they are meant for.
    ///
    /// # Errors
    /// What an option of a job refused; `Payload` over the limit.
    pub fn into_parts(self) -> Result<(Queue, Vec<NewJob>)> {
        Ok((self.queue, self.jobs?))
    }
}

fn of_another_queue() -> Error {
    Error::new(
        ErrorKind::Config,
        "enqueue many jobs: one of them names another App's queue by `.to(..)`; all go into the \
         queue whose `apply_many` it is",
    )
}

fn ids(jobs: &[NewJob]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

fn handles<T: Task>(ids: &[JobId], inserted: Vec<Inserted>, queue: &Queue) -> Vec<Enqueued<T>> {
    ids.iter()
        .zip(inserted)
        .map(|(id, inserted)| Enqueued::new(*id, inserted, Some(queue.clone())))
        .collect()
}

impl<T: Task> IntoFuture for ApplyMany<T> {
    type Output = Result<Vec<Enqueued<T>>>;
    type IntoFuture = EnqueueMany<T>;

    fn into_future(self) -> EnqueueMany<T> {
        let step = self.into_parts().and_then(|(queue, jobs)| {
            let ids = ids(&jobs);
            Ok(Step::Waiting { reply: queue.store_all(jobs)?, ids, queue })
        });
        EnqueueMany { step: step.unwrap_or_else(Step::Refused), task: std::marker::PhantomData }
    }
}

/// The future of [`ApplyMany`]: the jobs have been handed over when it is made, and are durable
/// when it is ready.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct EnqueueMany<T> {
    step: Step,
    task: std::marker::PhantomData<fn() -> T>,
}

#[derive(Debug)]
enum Step {
    Refused(Error),
    Waiting { reply: oneshot::Receiver<Result<Vec<Inserted>>>, ids: Vec<JobId>, queue: Queue },
    Done,
}

impl<T: Task> Future for EnqueueMany<T> {
    type Output = Result<Vec<Enqueued<T>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.step {
            Step::Waiting { reply, .. } => match Pin::new(reply).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(answer) => answer.unwrap_or_else(|_| Err(closed())),
            },
            Step::Refused(_) | Step::Done => Err(closed()),
        };
        Poll::Ready(match std::mem::replace(&mut self.step, Step::Done) {
            Step::Refused(error) => Err(error),
            Step::Waiting { ids, queue, .. } => {
                answer.map(|inserted| handles(&ids, inserted, &queue))
            }
            Step::Done => Err(closed()),
        })
    }
}
