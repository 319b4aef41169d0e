//! Inserting jobs: on the writer's connection, and inside a caller's own transaction.
//!
//! Plain jobs (no extras, no check of the id) go by statements of 32, 8 or 1 rows, each text fixed
//! and so prepared once: 32 rows cost 2.2 µs a row, one at a time 2.8 µs.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    connection::LoadConnection,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Integer, Nullable, SmallInt, Text},
    sqlite::Sqlite,
};
use diesel_async::AsyncConnection;
use taskx_core::{
    error::{Error, ErrorKind},
    job::{JobState, NAME_LIMIT, NewJob, RunAt, WorkerId},
    store::Inserted,
};

use super::clock;
use crate::{
    error::to_diesel,
    rows::ExtrasRow,
    schema::sql_types::{TaskxId, TaskxTime},
    settlement::micros,
    statement::{Sql, statement},
    values::{DbId, DbTime},
};

statement! {
    /// A job with all its columns. With `check`, nothing is inserted where its id is live or
    /// finished already; without it a live one is an error.
    InsertOne(
        id: TaskxId, queue: Text, task: Text, state: SmallInt, priority: SmallInt,
        max_attempts: Integer, payload: Text, inserted_at: TaskxTime, run_at: TaskxTime,
        tags: Nullable<Text>, meta: Nullable<Text>, trace: Nullable<Text>,
        task_version: Nullable<Integer>, parent_id: Nullable<TaskxId>,
        batch_id: Nullable<TaskxId>, schedule_id: Nullable<Text>, slot: Nullable<TaskxTime>,
        expires_at: Nullable<TaskxTime>, unique_key: Nullable<Text>,
        concurrency_key: Nullable<Text>, tenant: Nullable<Text>, check: Integer,
    ) = "INSERT INTO taskx_jobs (id, queue, task, state, priority, max_attempts, payload,
            inserted_at, run_at, tags, meta, trace, task_version, parent_id, batch_id, schedule_id,
            slot, expires_at, unique_key, concurrency_key, tenant)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
            ?19, ?20, ?21
        WHERE ?22 = 0 OR NOT EXISTS (
            SELECT 1 FROM taskx_jobs WHERE id = ?1
            UNION ALL
            SELECT 1 FROM taskx_history WHERE id = ?1)";

    /// A job that a worker holds from its birth on, without extras.
    InsertClaimed(
        id: TaskxId, queue: Text, task: Text, priority: SmallInt, max_attempts: Integer,
        payload: Text, now: TaskxTime, owner: TaskxId,
    ) = "INSERT INTO taskx_jobs (id, queue, task, state, priority, max_attempts, payload,
            inserted_at, run_at, claimed_at, owner, fence, attempt)
        VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?7, ?7, ?8, 1, 1)";
}

/// `N` plain jobs by one statement.
#[derive(Debug)]
struct Plain<'a, const N: usize> {
    jobs: &'a [Prepared<'a>],
    now: i64,
}

/// Names the statement of `N` rows in the cache.
#[derive(Debug)]
struct PlainId<const N: usize>;

/// A job with what the database's clock decides.
#[derive(Debug)]
struct Prepared<'a> {
    job: &'a NewJob,
    id: DbId,
    state: i16,
    run_at: i64,
}

const HEAD: &str = "INSERT INTO taskx_jobs \
     (inserted_at, id, queue, task, state, priority, max_attempts, payload, run_at) VALUES ";

impl<const N: usize> QueryId for Plain<'_, N> {
    type QueryId = PlainId<N>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const N: usize, Conn> RunQueryDsl<Conn> for Plain<'_, N> {}

impl<const N: usize> QueryFragment<Sqlite> for Plain<'_, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(HEAD);
        out.push_bind_param_value_only::<BigInt, _>(&self.now)?;
        // `?1` is the time for every row; the others are numbered by SQLite itself.
        for row in 0..N {
            out.push_sql(if row == 0 { "(?1" } else { ", (?1" });
            out.push_sql(", ?, ?, ?, ?, ?, ?, ?, ?)");
        }
        for prepared in self.jobs {
            let job = prepared.job;
            out.push_bind_param_value_only::<TaskxId, _>(&prepared.id)?;
            out.push_bind_param_value_only::<Text, _>(job.queue.as_ref())?;
            out.push_bind_param_value_only::<Text, _>(job.task.as_ref())?;
            out.push_bind_param_value_only::<SmallInt, _>(&prepared.state)?;
            out.push_bind_param_value_only::<SmallInt, _>(&job.priority)?;
            out.push_bind_param_value_only::<Integer, _>(&job.max_attempts)?;
            out.push_bind_param_value_only::<Text, _>(job.payload.as_str())?;
            out.push_bind_param_value_only::<BigInt, _>(&prepared.run_at)?;
        }
        Ok(())
    }
}

impl<'a> Prepared<'a> {
    fn of(job: &'a NewJob, now: DbTime) -> Self {
        let run_at = run_at(job.run_at, now.0);
        let due = run_at <= now.0;
        let state = if due { JobState::Available } else { JobState::Scheduled };
        Self { job, id: job.id.into(), state: state.code(), run_at: run_at.timestamp_micros() }
    }

    fn is_plain(&self) -> bool {
        !self.job.check_id && self.job.extras.is_none()
    }
}

/// When a job may run, by the database's clock.
fn run_at(run_at: RunAt, now: DateTime<Utc>) -> DateTime<Utc> {
    match run_at {
        RunAt::Now => now,
        RunAt::In(delay) => now + chrono::Duration::microseconds(micros(delay)),
        RunAt::At(time) => time,
    }
}

/// Refuses what no engine could store, in the same words on all of them.
fn refuse_wrong(jobs: &[NewJob]) -> QueryResult<()> {
    let over = |name: &str| name.chars().count() > NAME_LIMIT;
    match jobs.iter().find(|job| over(&job.queue) || over(&job.task)) {
        None => Ok(()),
        Some(job) => Err(to_diesel(Error::new(
            ErrorKind::Config,
            format!("the queue or task of job {} is over {NAME_LIMIT} characters long", job.id),
        ))),
    }
}

/// One statement's share of a batch.
enum Step<'s, 'a> {
    Plain32(Plain<'s, 32>),
    Plain8(Plain<'s, 8>),
    Plain1(Plain<'s, 1>),
    One(&'s Prepared<'a>),
}

/// Cuts off the next statement's share.
fn step<'s, 'a>(jobs: &mut &'s [Prepared<'a>], now: i64) -> Option<Step<'s, 'a>>
where
    'a: 's,
{
    let first = jobs.first()?;
    let plain = jobs.iter().take(32).take_while(|job| job.is_plain()).count();
    let count = match plain {
        32 => 32,
        8.. => 8,
        _ => 1,
    };
    let (share, rest) = jobs.split_at_checked(count)?;
    *jobs = rest;
    Some(match (plain, count) {
        (0, _) => Step::One(first),
        (_, 32) => Step::Plain32(Plain { jobs: share, now }),
        (_, 8) => Step::Plain8(Plain { jobs: share, now }),
        _ => Step::Plain1(Plain { jobs: share, now }),
    })
}

/// [`InsertOne`] with its values.
macro_rules! insert_one {
    ($prepared:ident, $extras:ident, $now:expr) => {
        InsertOne::with((
            $prepared.id,
            $prepared.job.queue.as_ref(),
            $prepared.job.task.as_ref(),
            $prepared.state,
            $prepared.job.priority,
            $prepared.job.max_attempts,
            $prepared.job.payload.as_str(),
            $now,
            time($prepared.run_at),
            $extras.tags.as_deref(),
            $extras.meta.as_deref(),
            $extras.trace.as_deref(),
            $extras.task_version,
            $extras.parent_id,
            $extras.batch_id,
            $extras.schedule_id.as_deref(),
            $extras.slot,
            $extras.expires_at,
            $extras.unique_key.as_deref(),
            $extras.concurrency_key.as_deref(),
            $extras.tenant.as_deref(),
            i32::from($prepared.job.check_id),
        ))
    };
}

fn time(micros: i64) -> DbTime {
    DbTime(DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC))
}

fn inserted(rows: usize) -> Inserted {
    if rows == 0 { Inserted::Existing } else { Inserted::New }
}

/// Inserts jobs at `now`; the answers come in order.
///
/// # Errors
/// The database's; the rows before the failing one may be there, so the caller rolls back.
pub(super) fn insert<C>(conn: &mut C, now: DbTime, jobs: &[NewJob]) -> QueryResult<Vec<Inserted>>
where
    C: LoadConnection<Backend = Sqlite>,
{
    refuse_wrong(jobs)?;
    let prepared: Vec<_> = jobs.iter().map(|job| Prepared::of(job, now)).collect();
    let mut answers = Vec::with_capacity(jobs.len());
    let mut rest = prepared.as_slice();
    while let Some(step) = step(&mut rest, now.0.timestamp_micros()) {
        let rows = match step {
            Step::Plain32(share) => share.execute(conn)?,
            Step::Plain8(share) => share.execute(conn)?,
            Step::Plain1(share) => share.execute(conn)?,
            Step::One(prepared) => {
                let extras = ExtrasRow::of(prepared.job.extras.as_deref());
                answers.push(inserted(insert_one!(prepared, extras, now).execute(conn)?));
                continue;
            }
        };
        answers.extend(std::iter::repeat_n(Inserted::New, rows));
    }
    Ok(answers)
}

/// Inserts jobs at `now` as held by a worker.
///
/// # Errors
/// As [`insert`].
pub(super) fn insert_claimed(
    conn: &mut SqliteConnection,
    now: DbTime,
    jobs: &[NewJob],
    owner: WorkerId,
) -> QueryResult<()> {
    refuse_wrong(jobs)?;
    for job in jobs {
        let (id, owner) = (DbId::from(job.id), DbId::from(owner));
        let (queue, task) = (job.queue.as_ref(), job.task.as_ref());
        let values =
            (id, queue, task, job.priority, job.max_attempts, job.payload.as_str(), now, owner);
        InsertClaimed::with(values).execute(conn)?;
    }
    Ok(())
}

/// [`insert`] inside the transaction of a caller's connection. A savepoint of Diesel's keeps a
/// failing batch from leaving some of its rows.
///
/// # Errors
/// The same.
pub(super) fn insert_on<C>(conn: &mut C, jobs: &[NewJob]) -> QueryResult<Vec<Inserted>>
where
    C: LoadConnection<Backend = Sqlite>,
{
    conn.transaction(|conn| {
        clock::TakeLock::with(()).execute(conn)?;
        let now = clock::now_on(conn)?;
        insert(conn, now, jobs)
    })
}

/// [`insert_on`] for a connection of diesel-async.
///
/// # Errors
/// The same.
pub(super) async fn insert_on_async<C>(conn: &mut C, jobs: &[NewJob]) -> QueryResult<Vec<Inserted>>
where
    C: AsyncConnection<Backend = Sqlite>,
{
    conn.transaction(async |conn| insert_async(conn, jobs).await).await
}

async fn insert_async<C>(conn: &mut C, jobs: &[NewJob]) -> QueryResult<Vec<Inserted>>
where
    C: AsyncConnection<Backend = Sqlite>,
{
    use diesel_async::RunQueryDsl;

    refuse_wrong(jobs)?;
    RunQueryDsl::execute(clock::TakeLock::with(()), conn).await?;
    let seen: Vec<String> = RunQueryDsl::load(clock::LastSeen::with(()), conn).await?;
    let now = clock::after(&seen);
    let prepared: Vec<_> = jobs.iter().map(|job| Prepared::of(job, now)).collect();
    let mut answers = Vec::with_capacity(jobs.len());
    let mut rest = prepared.as_slice();
    while let Some(step) = step(&mut rest, now.0.timestamp_micros()) {
        let rows = match step {
            Step::Plain32(share) => RunQueryDsl::execute(share, conn).await?,
            Step::Plain8(share) => RunQueryDsl::execute(share, conn).await?,
            Step::Plain1(share) => RunQueryDsl::execute(share, conn).await?,
            Step::One(prepared) => {
                let extras = ExtrasRow::of(prepared.job.extras.as_deref());
                let statement = insert_one!(prepared, extras, now);
                answers.push(inserted(RunQueryDsl::execute(statement, conn).await?));
                continue;
            }
        };
        answers.extend(std::iter::repeat_n(Inserted::New, rows));
    }
    Ok(answers)
}
