//! What keeps the tables in order: promote, park, prune, and time travel for tests.

use std::{collections::HashSet, time::Duration};

use diesel::QueryResult;
use taskx_core::store::{Promoted, Pruned};

use super::{
    batch::hex_list,
    run::{Run, Session},
    statements::{
        path::Forget,
        upkeep::{
            DeleteFinished, Due, FirstTasks, KnownTasks, NextDue, Park, Past, Promote, PruneSlots,
            TRAVEL, TravelBy,
        },
        workers::Alone,
    },
};
use crate::{settlement::micros, statement::Sql, values::DbId};

/// Makes due jobs available, the longest due first.
pub(super) async fn promote(session: &mut Session, limit: u32) -> QueryResult<Promoted> {
    let due: Vec<(DbId, String)> = session.load(Due::with((sql_limit(limit),))).await?;
    if !due.is_empty() {
        let ids = hex_list(due.iter().map(|(id, _)| id.0));
        session.execute(Promote::with((&ids,))).await?;
    }
    let next_due = next_due(session).await?;
    let count = due.len();
    let mut queues: Vec<String> = due.into_iter().map(|(_, queue)| queue).collect();
    queues.sort_unstable();
    queues.dedup();
    Ok(Promoted { queues, count, next_due })
}

/// How long until the next job is due; zero if one is.
pub(super) async fn next_due(session: &mut Session) -> QueryResult<Option<Duration>> {
    let next: Vec<i64> = session.load(NextDue::with(())).await?;
    Ok(next.into_iter().next().map(duration))
}

/// A number of microseconds as a duration; what is past is now.
pub(super) fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Whether a queue has available jobs.
pub(super) async fn waits(session: &mut Session, queue: &str) -> QueryResult<bool> {
    let first: Vec<(DbId, String)> = session.load(FirstTasks::with((queue, sql_limit(1)))).await?;
    Ok(!first.is_empty())
}

/// Sets aside available jobs, among the first of a queue, that no live worker knows.
pub(super) async fn park_unknown(
    session: &mut Session,
    queue: &str,
    limit: u32,
) -> QueryResult<usize> {
    let _: Vec<String> = session.load(Alone::with(())).await?;
    let known: Vec<String> = session.load(KnownTasks::with(())).await?;
    let known: HashSet<String> = known.into_iter().collect();
    let first: Vec<(DbId, String)> =
        session.load(FirstTasks::with((queue, sql_limit(limit)))).await?;
    let unknown = first.iter().filter(|(_, task)| !known.contains(task));
    let ids: Vec<_> = unknown.map(|(id, _)| id.0).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    session.execute(Park::with((&hex_list(ids.into_iter()),))).await
}

/// Deletes finished jobs whose time is over, and old slots.
pub(super) async fn prune(session: &mut Session, limit: u32) -> QueryResult<Pruned> {
    let past: Vec<DbId> = session.load(Past::with((sql_limit(limit),))).await?;
    if !past.is_empty() {
        let ids = hex_list(past.iter().map(|id| id.0));
        session.execute(DeleteFinished::with((&ids,))).await?;
        session.execute(Forget::with((&ids,))).await?;
    }
    session.execute(PruneSlots::with((sql_limit(limit),))).await?;
    Ok(Pruned {
        jobs: past.len(),
        more: past.len() >= usize::try_from(limit).unwrap_or(usize::MAX),
    })
}

fn sql_limit(limit: u32) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}

/// Moves every time back.
pub(super) async fn travel(session: &mut Session, by: Duration) -> QueryResult<()> {
    session.execute(TravelBy::with((micros(by),))).await?;
    for text in TRAVEL {
        session.plain(text).await?;
    }
    Ok(())
}
