//! Claiming jobs.

use diesel::QueryResult;
use taskx_core::{job::ClaimedJob, store::Claim};

use super::{
    batch::{hex_list, name_list},
    run::{Run, Session},
    statements::path::{Front, FrontValues, Gate, SLOTS, Take},
};
use crate::{
    rows::ClaimRow,
    statement::{Sql, Statement},
    values::DbId,
};

/// Claims jobs in the transaction of `session`: locks the first that are free, then makes them the
/// worker's by their keys.
pub(super) async fn claim(session: &mut Session, claim: &Claim) -> QueryResult<Vec<ClaimedJob>> {
    let owner = DbId::from(claim.owner);
    let pauses: Vec<i64> = session.load(Gate::with((&*claim.queue, owner))).await?;
    if pauses != [0] || claim.tasks.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = front(session, claim, 1).await?;
    match rows.iter().position(|row| row.solo != 0) {
        None => {}
        // A job that may have killed its process runs alone.
        Some(0) => rows.truncate(1),
        Some(_) => rows = front(session, claim, 0).await?,
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids = hex_list(rows.iter().map(|row| row.id.0));
    session.execute(Take::with((&ids, owner))).await?;
    let claimed = rows.into_iter().map(|mut row| {
        row.fence = row.fence.saturating_add(1);
        row.attempt = row.attempt.saturating_add(1);
        row.into_claimed(claim.owner, claim.queue.clone())
    });
    Ok(claimed.collect())
}

/// The first free jobs, locked: with solo ones among them, or without.
async fn front(session: &mut Session, claim: &Claim, most_solo: i16) -> QueryResult<Vec<ClaimRow>> {
    let json;
    let tasks: Vec<&str> = if claim.tasks.len() <= SLOTS {
        // The last name fills what is left.
        let fill = claim.tasks.last().map(String::as_str).into_iter().cycle();
        claim.tasks.iter().map(String::as_str).chain(fill).take(SLOTS).collect()
    } else {
        json = name_list(claim.tasks.iter().map(String::as_str));
        vec![&json]
    };
    let listed = claim.tasks.len() <= SLOTS;
    let values = FrontValues {
        queue: &claim.queue,
        after: claim.after.map(|(priority, id)| (priority, DbId::from(id))),
        most_solo,
        tasks,
        limit: i32::try_from(claim.limit.clamp(1, 1_000)).unwrap_or(1_000),
    };
    match (listed, claim.after.is_some()) {
        (true, false) => ask::<true, false>(session, values).await,
        (true, true) => ask::<true, true>(session, values).await,
        (false, false) => ask::<false, false>(session, values).await,
        (false, true) => ask::<false, true>(session, values).await,
    }
}

async fn ask<const LISTED: bool, const AFTER: bool>(
    session: &mut Session,
    values: FrontValues<'_>,
) -> QueryResult<Vec<ClaimRow>> {
    let statement: Statement<Front<LISTED, AFTER>, _> = Front::with(values);
    session.load(statement).await
}
