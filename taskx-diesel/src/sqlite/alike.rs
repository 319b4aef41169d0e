//! Settling many jobs that end alike: completed by one owner under one fence, kept equally long and
//! with nothing to say. Nearly all are. They go 32 to a statement: one statement a row costs twice
//! as much.

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
    if batch.len() < MANY {
        return Ok(settled);
    }
    let mut note = |place: usize| {
        if let Some(settled) = settled.get_mut(place) {
            *settled = true;
        }
    };
    for (kind, places) in kinds(batch) {
        for (ids, places) in portions(&places) {
            let held = Held { ids, owner: kind.owner.into(), fence: kind.fence };
            let keep = Keep { held: &held, now, keep: kind.keep };
            if keep.execute(conn)? == MANY {
                places.into_iter().for_each(&mut note);
            } else {
                // Some are not held: which, is asked before the others go.
                let found: Vec<DbId> = Find(&held).load(conn)?;
                let pairs = held.ids.iter().zip(places).filter(|(id, _)| found.contains(id));
                pairs.for_each(|(_, place)| note(place));
            }
            Delete(&held).execute(conn)?;
        }
    }
    Ok(settled)
}

type Places = Vec<(usize, JobId)>;

/// The places of a batch by what they have in common; each job once.
fn kinds(batch: &[Settlement]) -> HashMap<Kind, Places> {
    let mut kinds: HashMap<Kind, Places> = HashMap::new();
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

fn portions(places: &Places) -> impl Iterator<Item = ([DbId; MANY], [usize; MANY])> {
    let (portions, _) = places.as_chunks::<MANY>();
    portions.iter().map(|portion| (portion.map(|(_, id)| id.into()), portion.map(|(at, _)| at)))
}

/// Jobs that one claim took, if it still holds them.
#[derive(Debug)]
struct Held {
    ids: [DbId; MANY],
    owner: DbId,
    fence: i64,
}

impl Held {
    /// `WHERE ..`; the binds are numbered by SQLite itself, so they come in the order of the text.
    fn walk<'b>(&'b self, out: &mut AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(" WHERE owner = ? AND fence = ? AND state = 1 AND id IN (?");
        for _ in 1..MANY {
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
struct Keep<'h> {
    held: &'h Held,
    now: DbTime,
    keep: i64,
}

impl QueryFragment<Sqlite> for Keep<'_> {
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
struct Find<'h>(&'h Held);

impl QueryFragment<Sqlite> for Find<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("SELECT id FROM taskx_jobs");
        self.0.walk(&mut out)
    }
}

impl Query for Find<'_> {
    type SqlType = TaskxId;
}

/// Deletes those that are held.
#[derive(Debug)]
struct Delete<'h>(&'h Held);

impl QueryFragment<Sqlite> for Delete<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("DELETE FROM taskx_jobs");
        self.0.walk(&mut out)
    }
}

/// Each is one text, and so prepared once.
macro_rules! one_text {
    ($($Name:ident)+) => {$(
        impl QueryId for $Name<'_> {
            type QueryId = $Name<'static>;

            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl<Conn> RunQueryDsl<Conn> for $Name<'_> {}
    )+};
}

one_text!(Keep Find Delete);
