//! Inserts: jobs as columns of arrays, on our own connections and inside a caller's transaction.

use std::collections::HashSet;

use diesel::{QueryResult, connection::LoadConnection, pg::Pg};
use diesel_async::AsyncConnectionCore;
use taskx_core::{
    job::{JobExtras, NewJob, RunAt, WorkerId},
    store::Inserted,
};

use crate::{
    postgres::statements::path::{
        InsertChecked, InsertClaimed, InsertFull, InsertLone, InsertPlain, NotifyQueues,
    },
    rows::ExtrasRow,
    settlement::micros,
    statement::{Sql, Statement},
    values::{DbId, DbTime},
};

/// A batch to be inserted, sorted by how: most jobs are fresh and need no look for their ids.
pub(super) struct Batch<'a> {
    unchecked: Option<Columns<'a>>,
    checked: Option<Columns<'a>>,
    /// Each queue once.
    queues: Vec<&'a str>,
}

impl<'a> Batch<'a> {
    pub(super) fn of(jobs: &'a [NewJob]) -> Self {
        let mut queues: Vec<&str> = Vec::new();
        for job in jobs {
            if queues.last() != Some(&&*job.queue) && !queues.contains(&&*job.queue) {
                queues.push(&job.queue);
            }
        }
        let mut seen = HashSet::new();
        let checked = jobs.iter().filter(|job| job.check_id && seen.insert(job.id));
        let unchecked = jobs.iter().filter(|job| !job.check_id);
        Self { unchecked: Columns::of(unchecked), checked: Columns::of(checked), queues }
    }

    /// Whether it takes two statements, and so a transaction.
    pub(super) fn is_mixed(&self) -> bool {
        self.unchecked.is_some() && self.checked.is_some()
    }

    /// Inserts it, and gives those checked ids that were stored. Async.
    pub(super) async fn insert<C>(&self, conn: &mut C) -> QueryResult<HashSet<DbId>>
    where
        C: AsyncConnectionCore<Backend = Pg> + Send,
    {
        use diesel_async::RunQueryDsl;
        match &self.unchecked {
            Some(Columns { extras: None, plain }) => match plain.lone() {
                Some(lone) => drop(lone.execute(conn).await?),
                None => drop(plain.statement().execute(conn).await?),
            },
            Some(Columns { extras: Some(extras), plain }) => {
                extras.statement::<InsertFull>(plain).execute(conn).await?;
            }
            None => {}
        }
        let Some(columns) = &self.checked else { return Ok(HashSet::new()) };
        let stored: Vec<DbId> = columns.checked().load(conn).await?;
        Ok(stored.into_iter().collect())
    }

    /// Inserts it, and gives those checked ids that were stored. Blocking.
    pub(super) fn insert_blocking<C>(&self, conn: &mut C) -> QueryResult<HashSet<DbId>>
    where
        C: LoadConnection<Backend = Pg>,
    {
        use diesel::RunQueryDsl;
        match &self.unchecked {
            Some(Columns { extras: None, plain }) => match plain.lone() {
                Some(lone) => drop(lone.execute(conn)?),
                None => drop(plain.statement().execute(conn)?),
            },
            Some(Columns { extras: Some(extras), plain }) => {
                extras.statement::<InsertFull>(plain).execute(conn)?;
            }
            None => {}
        }
        let Some(columns) = &self.checked else { return Ok(HashSet::new()) };
        let stored: Vec<DbId> = columns.checked().load(conn)?;
        Ok(stored.into_iter().collect())
    }

    /// The queues in which it makes jobs available, each once.
    pub(super) fn queues(&self) -> &[&'a str] {
        &self.queues
    }

    /// What tells the listeners of its queues.
    pub(super) fn notification(&self) -> Statement<NotifyQueues, (&[&'a str],)> {
        NotifyQueues::with((&self.queues,))
    }
}

/// Jobs that a worker shall hold from their birth on, as columns.
pub(super) struct Births<'a>(Plain<'a>);

type BirthValues<'a> =
    (&'a [DbId], &'a [&'a str], &'a [i16], &'a [i32], DbId, &'a str, &'a [&'a str]);

impl<'a> Births<'a> {
    pub(super) fn of(jobs: &'a [NewJob]) -> Self {
        let mut plain = Plain::default();
        jobs.iter().for_each(|job| plain.push(job));
        Self(plain)
    }

    pub(super) fn statement<'s>(
        &'s self,
        queue: &'s str,
        owner: WorkerId,
    ) -> Statement<InsertClaimed, BirthValues<'s>> {
        let Plain { ids, tasks, priorities, max_attempts, payloads, .. } = &self.0;
        InsertClaimed::with((ids, tasks, priorities, max_attempts, owner.into(), queue, payloads))
    }
}

/// The answers in the order of the jobs, from the checked ids that were stored.
pub(super) fn answers(jobs: &[NewJob], mut stored: HashSet<DbId>) -> Vec<Inserted> {
    let mut answer = |job: &NewJob| {
        // Of two jobs with one id the first is the one that was stored.
        if !job.check_id || stored.remove(&DbId::from(job.id)) {
            Inserted::New
        } else {
            Inserted::Existing
        }
    };
    jobs.iter().map(&mut answer).collect()
}

/// Jobs as columns.
struct Columns<'a> {
    plain: Plain<'a>,
    /// `None` where no job has any.
    extras: Option<Extras>,
}

impl<'a> Columns<'a> {
    /// `None` without jobs.
    fn of(jobs: impl Iterator<Item = &'a NewJob>) -> Option<Self> {
        let (mut plain, mut extras) = (Plain::default(), Vec::new());
        for job in jobs {
            plain.push(job);
            extras.push(job.extras.as_deref());
        }
        if plain.ids.is_empty() {
            return None;
        }
        plain.leave_out_what_is_empty();
        let extras = extras.iter().any(Option::is_some).then(|| Extras::of(&extras));
        Some(Self { plain, extras })
    }

    fn checked(&self) -> Statement<InsertChecked, FullValues<'_>> {
        static NONE: Extras = Extras::NONE;
        self.extras.as_ref().unwrap_or(&NONE).statement::<InsertChecked>(&self.plain)
    }
}

/// A column of optional values, or `None` where all are empty.
type Maybe<T> = Option<Vec<Option<T>>>;

/// The columns that every job fills.
#[derive(Default)]
struct Plain<'a> {
    ids: Vec<DbId>,
    queues: Vec<&'a str>,
    tasks: Vec<&'a str>,
    priorities: Vec<i16>,
    max_attempts: Vec<i32>,
    payloads: Vec<&'a str>,
    run_at: Maybe<DbTime>,
    delays: Maybe<i64>,
}

type PlainValues<'a> = (
    &'a [DbId],
    &'a [&'a str],
    &'a [&'a str],
    &'a [i16],
    &'a [i32],
    &'a [&'a str],
    Option<&'a [Option<DbTime>]>,
    Option<&'a [Option<i64>]>,
);

type LoneValues<'a> = (DbId, &'a str, &'a str, i16, i32, &'a str, Option<DbTime>, Option<i64>);

impl<'a> Plain<'a> {
    fn push(&mut self, job: &'a NewJob) {
        self.ids.push(job.id.into());
        self.queues.push(&job.queue);
        self.tasks.push(&job.task);
        self.priorities.push(job.priority);
        self.max_attempts.push(job.max_attempts);
        self.payloads.push(&job.payload);
        let (run_at, delay) = match job.run_at {
            RunAt::Now => (None, None),
            RunAt::In(delay) => (None, Some(micros(delay))),
            RunAt::At(time) => (Some(DbTime(time)), None),
        };
        self.run_at.get_or_insert_default().push(run_at);
        self.delays.get_or_insert_default().push(delay);
    }

    fn leave_out_what_is_empty(&mut self) {
        self.run_at = self.run_at.take().and_then(some_if_any);
        self.delays = self.delays.take().and_then(some_if_any);
    }

    fn values(&self) -> PlainValues<'_> {
        (
            &self.ids,
            &self.queues,
            &self.tasks,
            &self.priorities,
            &self.max_attempts,
            &self.payloads,
            self.run_at.as_deref(),
            self.delays.as_deref(),
        )
    }

    /// The statement for a single job, which spares the server the arrays.
    fn lone(&self) -> Option<Statement<InsertLone, LoneValues<'_>>> {
        let Self { ids, queues, tasks, priorities, max_attempts, payloads, run_at, delays } = self;
        let ([id], [queue], [task], [payload]) =
            (ids.as_slice(), queues.as_slice(), tasks.as_slice(), payloads.as_slice())
        else {
            return None;
        };
        let (priority, max_attempts) = (*priorities.first()?, *max_attempts.first()?);
        let run_at = run_at.as_ref().and_then(|column| *column.first()?);
        let delay = delays.as_ref().and_then(|column| *column.first()?);
        Some(InsertLone::with((
            *id,
            *queue,
            *task,
            priority,
            max_attempts,
            *payload,
            run_at,
            delay,
        )))
    }

    fn statement(&self) -> Statement<InsertPlain, PlainValues<'_>> {
        InsertPlain::with(self.values())
    }
}

/// The column, unless all of it is empty.
fn some_if_any<T>(column: Vec<Option<T>>) -> Maybe<T> {
    column.iter().any(Option::is_some).then_some(column)
}

macro_rules! extras {
    ($($column:ident: $Type:ty;)+) => {
        /// The columns that most jobs leave out.
        struct Extras {
            $($column: Maybe<$Type>,)+
        }

        impl Extras {
            const NONE: Self = Self { $($column: None,)+ };

            fn of(jobs: &[Option<&JobExtras>]) -> Self {
                let mut all = Self { $($column: Some(Vec::with_capacity(jobs.len())),)+ };
                for extras in jobs {
                    let row = ExtrasRow::of(*extras);
                    $(
                        if let Some(column) = &mut all.$column {
                            column.push(row.$column);
                        }
                    )+
                }
                $(all.$column = all.$column.take().and_then(some_if_any);)+
                all
            }

            fn statement<'s, T: Sql>(&'s self, plain: &'s Plain<'_>) -> Statement<T, FullValues<'s>> {
                let (ids, queues, tasks, priorities, max_attempts, payloads, run_at, delays) =
                    plain.values();
                T::with((
                    ids, queues, tasks, priorities, max_attempts, payloads, run_at, delays,
                    $(self.$column.as_deref(),)+
                ))
            }
        }

        type FullValues<'a> = (
            &'a [DbId],
            &'a [&'a str],
            &'a [&'a str],
            &'a [i16],
            &'a [i32],
            &'a [&'a str],
            Option<&'a [Option<DbTime>]>,
            Option<&'a [Option<i64>]>,
            $(Option<&'a [Option<$Type>]>,)+
        );
    };
}

extras! {
    tags: String;
    meta: String;
    trace: String;
    task_version: i32;
    parent_id: DbId;
    batch_id: DbId;
    schedule_id: String;
    slot: DbTime;
    expires_at: DbTime;
    unique_key: String;
    concurrency_key: String;
    tenant: String;
}
