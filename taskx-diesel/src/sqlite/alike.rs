//! Settling many jobs that end alike: completed by one owner under one fence, kept equally long and
//! with nothing to say. Nearly all are. They go 32 to a statement, and what is left 8 to one: one
//! statement a row costs twice as much.

use std::collections::{HashMap, HashSet};

use diesel::{
    QueryResult, RunQueryDsl,
    connection::LoadConnection,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, SmallInt},
    sqlite::Sqlite,
};
use taskx_core::{
    job::{JobId, JobState, WorkerId},
    outcome::{Outcome, Settlement},
};

use crate::{
    schema::sql_types::{TaskxId, TaskxTime},
    settlement::{Place, Plan},
    values::{DbId, DbTime},
};

/// The jobs of one statement.
const MANY: usize = 32;

/// The jobs of one statement where too few are left for [`MANY`].
const FEW: usize = 8;

/// What jobs have in common that end alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    owner: WorkerId,
    fence: i64,
    /// For how many microseconds they are kept.
    keep: i64,
}

impl Kind {
    fn of(settlement: &Settlement) -> Option<Self> {
        if !matches!(settlement.outcome, Outcome::Completed(None)) {
            return None;
        }
        let Place::History { keep, .. } = Plan::of(settlement, false).place else { return None };
        Some(Self { owner: settlement.owner, fence: settlement.fence, keep })
    }
}

/// Settles those of a batch that end alike and are held, as far as they fill whole statements, and
/// tells of each place in the batch whether it was settled. The others are as they were.
///
/// # Errors
/// The database's.
pub(super) fn settle<C>(conn: &mut C, now: DbTime, batch: &[Settlement]) -> QueryResult<Vec<bool>>
where
    C: LoadConnection<Backend = Sqlite>,
{
    let mut settled = vec![false; batch.len()];
    if batch.len() < FEW {
        return Ok(settled);
    }
    for (kind, places) in kinds(batch) {
        let (many, rest) = places.as_chunks::<MANY>();
        let (few, _) = rest.as_chunks::<FEW>();
        for places in many {
            finish(conn, now, kind, places, &mut settled)?;
        }
        for places in few {
            finish(conn, now, kind, places, &mut settled)?;
        }
    }
    Ok(settled)
}

/// Settles those of `places` that are held, and notes them down.
fn finish<const N: usize, C>(
    conn: &mut C,
    now: DbTime,
    kind: Kind,
    places: &[Numbered; N],
    settled: &mut [bool],
) -> QueryResult<()>
where
    C: LoadConnection<Backend = Sqlite>,
{
    let ids = places.each_ref().map(|(_, id)| DbId::from(*id));
    let held = Held { ids, owner: kind.owner.into(), fence: kind.fence };
    let keep = Keep { held: &held, now, keep: kind.keep };
    // Where some are not held: which, is asked before the others go.
    let found: Option<Vec<DbId>> =
        if keep.execute(conn)? == N { None } else { Some(Find(&held).load(conn)?) };
    Delete(&held).execute(conn)?;
    for ((place, _), id) in places.iter().zip(&held.ids) {
        if found.as_ref().is_none_or(|found| found.contains(id))
            && let Some(settled) = settled.get_mut(*place)
        {
            *settled = true;
        }
    }
    Ok(())
}

/// A job, after its place in a batch.
type Numbered = (usize, JobId);

/// The places of a batch by what they have in common; each job once.
fn kinds(batch: &[Settlement]) -> HashMap<Kind, Vec<Numbered>> {
    let mut kinds: HashMap<Kind, Vec<Numbered>> = HashMap::new();
    let mut seen = HashSet::with_capacity(batch.len());
    for (place, settlement) in batch.iter().enumerate() {
        // Of two settlements of one job the first counts, alike or not.
        if seen.insert(settlement.id)
            && let Some(kind) = Kind::of(settlement)
        {
            kinds.entry(kind).or_default().push((place, settlement.id));
        }
    }
    kinds
}

/// Jobs that one claim took, if it still holds them.
#[derive(Debug)]
struct Held<const N: usize> {
    ids: [DbId; N],
    owner: DbId,
    fence: i64,
}

impl<const N: usize> Held<N> {
    /// `WHERE ..`; the binds are numbered by SQLite itself, so they come in the order of the text.
    fn walk<'b>(&'b self, out: &mut AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(" WHERE owner = ? AND fence = ? AND state = 1 AND id IN (?");
        for _ in 1..N {
            out.push_sql(", ?");
        }
        out.push_sql(")");
        out.push_bind_param_value_only::<TaskxId, _>(&self.owner)?;
        out.push_bind_param_value_only::<BigInt, _>(&self.fence)?;
        for id in &self.ids {
            out.push_bind_param_value_only::<TaskxId, _>(id)?;
        }
        Ok(())
    }
}

/// Copies held jobs into the history.
#[derive(Debug)]
struct Keep<'h, const N: usize> {
    held: &'h Held<N>,
    now: DbTime,
    keep: i64,
}

impl<const N: usize> QueryFragment<Sqlite> for Keep<'_, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(KEEP);
        out.push_bind_param_value_only::<SmallInt, _>(&COMPLETED)?;
        out.push_bind_param_value_only::<TaskxTime, _>(&self.now)?;
        out.push_bind_param_value_only::<TaskxTime, _>(&self.now)?;
        out.push_bind_param_value_only::<BigInt, _>(&self.keep)?;
        self.held.walk(&mut out)
    }
}

const COMPLETED: i16 = JobState::Completed.code();

const KEEP: &str = "INSERT OR REPLACE INTO taskx_history (id, queue, task, state, priority, \
     attempt, max_attempts, fence, owner, payload, payload_format, task_version, inserted_at, \
     run_at, claimed_at, crash_count, snooze_count, cancel_requested_at, progress, tags, meta, \
     trace, parent_id, batch_id, schedule_id, slot, expires_at, unique_key, concurrency_key, \
     tenant, finished_at, prune_at) \
     SELECT id, queue, task, ?, priority, \
     attempt, max_attempts, fence, owner, payload, payload_format, task_version, inserted_at, \
     run_at, claimed_at, crash_count, snooze_count, cancel_requested_at, progress, tags, meta, \
     trace, parent_id, batch_id, schedule_id, slot, expires_at, unique_key, concurrency_key, \
     tenant, ?, ? + ? FROM taskx_jobs";

/// Those that are held.
#[derive(Debug)]
struct Find<'h, const N: usize>(&'h Held<N>);

impl<const N: usize> QueryFragment<Sqlite> for Find<'_, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("SELECT id FROM taskx_jobs");
        self.0.walk(&mut out)
    }
}

impl<const N: usize> Query for Find<'_, N> {
    type SqlType = TaskxId;
}

/// Deletes those that are held.
#[derive(Debug)]
struct Delete<'h, const N: usize>(&'h Held<N>);

impl<const N: usize> QueryFragment<Sqlite> for Delete<'_, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("DELETE FROM taskx_jobs");
        self.0.walk(&mut out)
    }
}

/// Each is one text for each number of jobs, and so prepared once.
macro_rules! one_text {
    ($($Name:ident)+) => {$(
        impl<const N: usize> QueryId for $Name<'_, N> {
            type QueryId = $Name<'static, N>;

            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl<const N: usize, Conn> RunQueryDsl<Conn> for $Name<'_, N> {}
    )+};
}

one_text!(Keep Find Delete);
