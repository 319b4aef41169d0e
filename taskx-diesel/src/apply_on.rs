//! Enqueueing inside the caller's own transaction: the job is there if and only if the transaction
//! commits (I2).

use std::collections::BTreeSet;

use diesel::{QueryResult, connection::LoadConnection};
use diesel_async::AsyncConnection;
use futures_util::future::BoxFuture;
use taskx_core::{
    apply::{Apply, Inserting},
    apply_many::ApplyMany,
    enqueued::Enqueued,
    error::{Error, ErrorKind},
    job::NewJob,
    queue::Queue,
    store::Inserted,
    task::Task,
};

use crate::{TaskxBackend, to_diesel};

/// The finishers of [`Apply`] and [`ApplyMany`] on a connection of the caller's: SQLite, PostgreSQL
/// or MySQL, by sync Diesel or by diesel-async.
///
/// The job is seen by nobody before the caller's transaction commits, and is gone if it rolls back.
/// It usually starts within 50 ms after the commit: PostgreSQL tells it by `NOTIFY`, workers in
/// this process look again and again for 2 s, others notice the commit or poll.
///
/// taskx's own refusals (a payload over the limit, say) travel as a Diesel error, so that `?` works
/// inside `conn.transaction(..)`; [`error_from_diesel`](crate::error_from_diesel) gives them back.
pub trait ApplyOn: Sized {
    /// What a finisher returns: one handle, or one for each job.
    type Handle;

    /// Inserts on a sync Diesel connection.
    ///
    /// # Errors
    /// The database's, or taskx's refusal; nothing is inserted then.
    fn on<C>(self, conn: &mut C) -> QueryResult<Self::Handle>
    where
        C: LoadConnection,
        C::Backend: TaskxBackend;

    /// Inserts on a connection of diesel-async.
    ///
    /// # Errors
    /// As [`on`](Self::on).
    fn on_async<C>(self, conn: &mut C) -> BoxFuture<'_, QueryResult<Self::Handle>>
    where
        C: AsyncConnection,
        C::Backend: TaskxBackend;
}

impl<T: Task> ApplyOn for Apply<T> {
    type Handle = Enqueued<T>;

    fn on<C>(self, conn: &mut C) -> QueryResult<Enqueued<T>>
    where
        C: LoadConnection,
        C::Backend: TaskxBackend,
    {
        let Inserting { job, notify, queue } = self.into_inserting().map_err(to_diesel)?;
        let jobs = [job];
        let inserted = C::Backend::insert_on(conn, &jobs, notify)?;
        probe::<C::Backend>(&jobs, queue.as_ref());
        one(&jobs, &inserted, queue)
    }

    fn on_async<C>(self, conn: &mut C) -> BoxFuture<'_, QueryResult<Enqueued<T>>>
    where
        C: AsyncConnection,
        C::Backend: TaskxBackend,
    {
        // Boxed, since the compiler cannot yet prove a future of our own type `Send` inside the
        // async closure of a caller's transaction.
        Box::pin(async move {
            let Inserting { job, notify, queue } = self.into_inserting().map_err(to_diesel)?;
            let jobs = [job];
            let inserted = insert_async(conn, &jobs, notify).await?;
            probe::<C::Backend>(&jobs, queue.as_ref());
            one(&jobs, &inserted, queue)
        })
    }
}

/// Boxed, so that the compiler looks only once through all that an engine's insert waits for.
fn insert_async<'c, C>(
    conn: &'c mut C,
    jobs: &'c [NewJob],
    notify: bool,
) -> BoxFuture<'c, QueryResult<Vec<Inserted>>>
where
    C: AsyncConnection,
    C::Backend: TaskxBackend,
{
    Box::pin(C::Backend::insert_on_async(conn, jobs, notify))
}

fn one<T: Task>(
    jobs: &[NewJob],
    inserted: &[Inserted],
    queue: Option<Queue>,
) -> QueryResult<Enqueued<T>> {
    match (jobs.first(), inserted.first()) {
        (Some(job), Some(inserted)) => Ok(Enqueued::new(job.id, *inserted, queue)),
        _ => Err(to_diesel(Error::new(
            ErrorKind::Store,
            "insert a job: the database gave no answer",
        ))),
    }
}

impl<T: Task> ApplyOn for ApplyMany<T> {
    type Handle = Vec<Enqueued<T>>;

    fn on<C>(self, conn: &mut C) -> QueryResult<Vec<Enqueued<T>>>
    where
        C: LoadConnection,
        C::Backend: TaskxBackend,
    {
        let notify = self.notifies();
        let (queue, jobs) = self.into_parts().map_err(to_diesel)?;
        let inserted = C::Backend::insert_on(conn, &jobs, notify)?;
        probe::<C::Backend>(&jobs, Some(&queue));
        Ok(each(&jobs, inserted, &queue))
    }

    fn on_async<C>(self, conn: &mut C) -> BoxFuture<'_, QueryResult<Vec<Enqueued<T>>>>
    where
        C: AsyncConnection,
        C::Backend: TaskxBackend,
    {
        Box::pin(async move {
            let notify = self.notifies();
            let (queue, jobs) = self.into_parts().map_err(to_diesel)?;
            let inserted = insert_async(conn, &jobs, notify).await?;
            probe::<C::Backend>(&jobs, Some(&queue));
            Ok(each(&jobs, inserted, &queue))
        })
    }
}

fn each<T: Task>(jobs: &[NewJob], inserted: Vec<Inserted>, queue: &Queue) -> Vec<Enqueued<T>> {
    jobs.iter()
        .zip(inserted)
        .map(|(job, inserted)| Enqueued::new(job.id, inserted, Some(queue.clone())))
        .collect()
}

/// Lets workers of this process look for the jobs, since the commit cannot be observed: those of
/// the named queue, else of every App on this kind of database.
fn probe<B: TaskxBackend>(jobs: &[NewJob], queue: Option<&Queue>) {
    let names: BTreeSet<&str> = jobs.iter().map(|job| job.queue.as_ref()).collect();
    let live = queue.map_or_else(Queue::live, |queue| vec![queue.clone()]);
    for queue in live.iter().filter(|queue| queue.engine() == B::ENGINE) {
        for name in &names {
            queue.probe(name);
        }
    }
}

/// The caller's transaction run by taskx, so that the wake-up follows the commit at once.
pub trait QueueTransaction {
    /// Runs `body` in a transaction of `conn`; jobs that it enqueues with
    /// [`.on(conn)`](ApplyOn::on) start at once after the commit.
    ///
    /// # Errors
    /// Those of `body` (the transaction is rolled back then) and of the database.
    fn transaction<C, R, E>(
        &self,
        conn: &mut C,
        body: impl FnOnce(&mut C) -> Result<R, E>,
    ) -> Result<R, E>
    where
        C: LoadConnection,
        E: From<diesel::result::Error>;
}

impl QueueTransaction for Queue {
    fn transaction<C, R, E>(
        &self,
        conn: &mut C,
        body: impl FnOnce(&mut C) -> Result<R, E>,
    ) -> Result<R, E>
    where
        C: LoadConnection,
        E: From<diesel::result::Error>,
    {
        let result = self.scope_blocking(|| conn.transaction(body))?;
        self.wake();
        Ok(result)
    }
}
