//! Inserting jobs, on our own connections and inside a caller's transaction.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    mysql::Mysql,
    query_builder::AstPass,
    result::{DatabaseErrorKind, Error as DieselError},
    sql_types::{BigInt, Integer, Nullable, SmallInt, Text},
};
use taskx_core::{
    error::{Error, ErrorKind},
    job::{JobId, NAME_LIMIT, NewJob, RunAt},
    store::Inserted,
};

use super::{
    batch::hex_list,
    run::Run,
    statements::path::{DeleteLive, FinishedNow, InsertRows, Known},
};
use crate::{
    error::to_diesel,
    rows::ExtrasRow,
    schema::sql_types::{TaskxId, TaskxTime},
    settlement::micros,
    statement::Sql,
    values::{DbId, DbTime},
};

/// The most rows of one statement; the others are its halves, quarters and so on, so that any
/// number of rows is made of nine texts.
const MOST_ROWS: usize = 256;

/// The most bytes of payloads in one statement of several rows: far below the smallest
/// `max_allowed_packet` in use.
const MOST_BYTES: usize = 1 << 20;

/// A job as the values that are bound.
#[derive(Debug)]
pub(super) struct NewRow<'a> {
    id: DbId,
    queue: &'a str,
    task: &'a str,
    priority: i16,
    max_attempts: i32,
    payload: &'a str,
    at: Option<DbTime>,
    wait: i64,
    has_extras: bool,
    extras: ExtrasRow,
}

impl<'a> NewRow<'a> {
    fn of(job: &'a NewJob) -> Self {
        let (at, wait) = match job.run_at {
            RunAt::Now => (None, 0),
            RunAt::In(delay) => (None, micros(delay)),
            RunAt::At(time) => (Some(DbTime(storable(time))), 0),
        };
        let mut extras = ExtrasRow::of(job.extras.as_deref());
        for time in [&mut extras.slot, &mut extras.expires_at].into_iter().flatten() {
            *time = DbTime(storable(time.0));
        }
        Self {
            id: DbId::from(job.id),
            queue: &job.queue,
            task: &job.task,
            priority: job.priority,
            max_attempts: job.max_attempts,
            payload: &job.payload,
            at,
            wait,
            has_extras: job.extras.is_some(),
            extras,
        }
    }

    /// Binds all but the extras.
    pub(super) fn bind<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        out.push_bind_param_value_only::<TaskxId, _>(&self.id)?;
        out.push_bind_param_value_only::<Text, _>(&self.queue)?;
        out.push_bind_param_value_only::<Text, _>(&self.task)?;
        out.push_bind_param_value_only::<SmallInt, _>(&self.priority)?;
        out.push_bind_param_value_only::<Integer, _>(&self.max_attempts)?;
        out.push_bind_param_value_only::<Text, _>(&self.payload)?;
        out.push_bind_param_value_only::<Nullable<TaskxTime>, _>(&self.at)?;
        out.push_bind_param_value_only::<BigInt, _>(&self.wait)
    }

    /// Binds the extras.
    pub(super) fn bind_extras<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        let extras = &self.extras;
        out.push_bind_param_value_only::<Nullable<Text>, _>(&extras.tags)?;
        out.push_bind_param_value_only::<Nullable<Text>, _>(&extras.meta)?;
        out.push_bind_param_value_only::<Nullable<Text>, _>(&extras.trace)?;
        out.push_bind_param_value_only::<Nullable<Integer>, _>(&extras.task_version)?;
        out.push_bind_param_value_only::<Nullable<TaskxId>, _>(&extras.parent_id)?;
        out.push_bind_param_value_only::<Nullable<TaskxId>, _>(&extras.batch_id)?;
        out.push_bind_param_value_only::<Nullable<Text>, _>(&extras.schedule_id)?;
        out.push_bind_param_value_only::<Nullable<TaskxTime>, _>(&extras.slot)?;
        out.push_bind_param_value_only::<Nullable<TaskxTime>, _>(&extras.expires_at)?;
        out.push_bind_param_value_only::<Nullable<Text>, _>(&extras.unique_key)?;
        out.push_bind_param_value_only::<Nullable<Text>, _>(&extras.concurrency_key)?;
        out.push_bind_param_value_only::<Nullable<Text>, _>(&extras.tenant)
    }

    fn bytes(&self) -> usize {
        self.payload.len() + self.extras.meta.as_ref().map_or(0, String::len)
    }
}

/// The nearest time that a DATETIME holds for certain: of the years 1000 to 9999.
pub(super) fn storable(time: DateTime<Utc>) -> DateTime<Utc> {
    let edge = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or(time);
    time.clamp(edge(-30_610_224_000), edge(253_402_300_799))
}

/// Inserts jobs in the transaction of `run`; the answers come in their order.
///
/// Jobs whose ids are checked are first looked for, live and finished. What a look misses because
/// it happens at the same time is met by the insert as a key that is there
/// ([`is_taken`]): on our own connections the transaction is tried again, on a caller's the jobs
/// are inserted one by one.
pub(super) async fn insert(run: &mut impl Run, jobs: &[NewJob]) -> QueryResult<Vec<Inserted>> {
    refuse_long_names(jobs)?;
    let checked: Vec<JobId> = jobs.iter().filter(|job| job.check_id).map(|job| job.id).collect();
    if checked.is_empty() {
        insert_rows(run, jobs.iter()).await?;
        return Ok(vec![Inserted::New; jobs.len()]);
    }
    let mut known = known(run, &checked).await?;
    let mut answers: Vec<Inserted> = jobs
        .iter()
        .map(|job| match job.check_id && !known.insert(job.id) {
            true => Inserted::Existing,
            false => Inserted::New,
        })
        .collect();
    let new = |answers: &[Inserted]| -> Vec<&NewJob> {
        let pairs = jobs.iter().zip(answers);
        let new = pairs.filter(|(_, answer)| **answer == Inserted::New).map(|(job, _)| job);
        let mut new: Vec<_> = new.collect();
        // Whoever inserts the same ids does it in the same order.
        new.sort_unstable_by_key(|job| job.id);
        new
    };
    insert_rows(run, new(&answers).into_iter()).await?;
    let ended = ended_meanwhile(run, &new(&answers)).await?;
    for (job, answer) in jobs.iter().zip(&mut answers) {
        if job.check_id && ended.contains(&job.id) {
            *answer = Inserted::Existing;
        }
    }
    Ok(answers)
}

/// [`insert`] inside a caller's transaction, which cannot be tried again: a row that meets another
/// with its key is told by the server, and only that statement is undone.
pub(super) async fn insert_on(run: &mut impl Run, jobs: &[NewJob]) -> QueryResult<Vec<Inserted>> {
    if jobs.iter().all(|job| !job.check_id) {
        return insert(run, jobs).await;
    }
    refuse_long_names(jobs)?;
    let mut answers = Vec::with_capacity(jobs.len());
    for job in jobs {
        let one = std::slice::from_ref(job);
        let answer = match insert_rows(run, one.iter()).await {
            Ok(()) if !job.check_id => Inserted::New,
            Ok(()) if ended_meanwhile(run, &[job]).await?.is_empty() => Inserted::New,
            Ok(()) => Inserted::Existing,
            Err(error) if job.check_id && is_taken(&error) => Inserted::Existing,
            Err(error) => return Err(error),
        };
        answers.push(answer);
    }
    Ok(answers)
}

/// Whether a row of the key is there already.
pub(super) fn is_taken(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
}

/// Whether a batch is one statement, and so needs no transaction around it.
pub(super) fn is_one_statement(jobs: &[NewJob]) -> bool {
    let plain = |job: &NewJob| !job.check_id && job.extras.is_none();
    let bytes: usize = jobs.iter().map(|job| job.payload.len()).sum();
    jobs.len().is_power_of_two()
        && jobs.len() <= MOST_ROWS
        && (jobs.len() == 1 && !jobs.iter().any(|job| job.check_id)
            || bytes <= MOST_BYTES && jobs.iter().all(plain))
}

/// Names that are too long are refused here: a caller's session may be set to cut them in silence.
fn refuse_long_names(jobs: &[NewJob]) -> QueryResult<()> {
    let is_long = |name: &str| name.len() > NAME_LIMIT && name.chars().count() > NAME_LIMIT;
    let long = jobs.iter().find_map(|job| {
        let schedule = job.extras.as_ref().and_then(|extras| extras.schedule.as_deref());
        [("queue", Some(&*job.queue)), ("task", Some(&*job.task)), ("schedule", schedule)]
            .into_iter()
            .find(|(_, name)| name.is_some_and(is_long))
    });
    match long {
        None => Ok(()),
        Some((what, _)) => Err(to_diesel(Error::new(
            ErrorKind::Payload,
            format!("the name of a job's {what} is longer than {NAME_LIMIT} characters"),
        ))),
    }
}

/// Those of `ids` that are there, live or finished.
async fn known(run: &mut impl Run, ids: &[JobId]) -> QueryResult<HashSet<JobId>> {
    let list = hex_list(ids.iter().map(|id| id.as_uuid()));
    let rows: Vec<DbId> = run.load(Known::with((&list, &list))).await?;
    Ok(rows.into_iter().map(JobId::from).collect())
}

/// Takes back those of the inserted jobs that were live when we looked (or inserted) and had
/// finished when our insert had waited for it: they are in the history now.
async fn ended_meanwhile(run: &mut impl Run, new: &[&NewJob]) -> QueryResult<HashSet<JobId>> {
    let checked = new.iter().filter(|job| job.check_id).map(|job| job.id.as_uuid());
    let list = hex_list(checked);
    let rows: Vec<DbId> = run.load(FinishedNow::with((&list,))).await?;
    if !rows.is_empty() {
        let list = hex_list(rows.iter().map(|id| id.0));
        run.execute(DeleteLive::with((&list,))).await?;
    }
    Ok(rows.into_iter().map(JobId::from).collect())
}

async fn insert_rows<'a>(
    run: &mut impl Run,
    jobs: impl Iterator<Item = &'a NewJob> + Send,
) -> QueryResult<()> {
    let (extended, plain): (Vec<_>, Vec<_>) = jobs.map(NewRow::of).partition(|row| row.has_extras);
    insert_all::<false>(run, &plain).await?;
    insert_all::<true>(run, &extended).await
}

/// Inserts rows in the largest pieces that there are statements for.
async fn insert_all<const EXTRAS: bool>(
    run: &mut impl Run,
    mut rows: &[NewRow<'_>],
) -> QueryResult<()> {
    while !rows.is_empty() {
        let (piece, rest) = rows.split_at(piece(rows));
        insert_piece::<EXTRAS>(run, piece).await?;
        rows = rest;
    }
    Ok(())
}

/// How many of the first rows go into one statement.
fn piece(rows: &[NewRow<'_>]) -> usize {
    let mut size = MOST_ROWS;
    while size > 1
        && rows
            .get(..size)
            .is_none_or(|rows| rows.iter().map(NewRow::bytes).sum::<usize>() > MOST_BYTES)
    {
        size /= 2;
    }
    size
}

async fn insert_piece<const EXTRAS: bool>(
    run: &mut impl Run,
    rows: &[NewRow<'_>],
) -> QueryResult<()> {
    let inserted = match rows.len() {
        1 => run.execute(InsertRows::<EXTRAS, 1>(rows)).await?,
        2 => run.execute(InsertRows::<EXTRAS, 2>(rows)).await?,
        4 => run.execute(InsertRows::<EXTRAS, 4>(rows)).await?,
        8 => run.execute(InsertRows::<EXTRAS, 8>(rows)).await?,
        16 => run.execute(InsertRows::<EXTRAS, 16>(rows)).await?,
        32 => run.execute(InsertRows::<EXTRAS, 32>(rows)).await?,
        64 => run.execute(InsertRows::<EXTRAS, 64>(rows)).await?,
        128 => run.execute(InsertRows::<EXTRAS, 128>(rows)).await?,
        _ => run.execute(InsertRows::<EXTRAS, MOST_ROWS>(rows)).await?,
    };
    debug_assert_eq!(inserted, rows.len());
    Ok(())
}
