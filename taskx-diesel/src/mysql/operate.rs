//! What operators change.

use std::borrow::Cow;

use diesel::QueryResult;
use taskx_core::{
    inspect::{Actor, Cancelled},
    job::{JobId, JobState},
    outcome::{DEAD_RETENTION, FINISHED_RETENTION},
};
use uuid::Uuid;

use super::{
    batch::hex_list,
    run::{Run, Session},
    settle::finish,
    statements::{
        path::{DeleteLive, Forget},
        upkeep::{
            AskToStop, DeleteFinished, EditFinished, EditLive, FinishedStates, MakeAvailable,
            Pause, Redrive, States,
        },
    },
    workers::ending,
};
use crate::{settlement::cut, statement::Sql, values::DbId};

/// The states of those of these jobs that are live, which are locked.
async fn live_states(
    session: &mut Session,
    ids: &[JobId],
) -> QueryResult<Vec<(Uuid, Option<JobState>)>> {
    let rows: Vec<(DbId, i16)> = session.load(States::with((&list(ids),))).await?;
    Ok(rows.into_iter().map(|(id, state)| (id.0, JobState::from_code(state))).collect())
}

/// The states of those of these jobs that have finished, which are locked.
async fn finished_states(
    session: &mut Session,
    ids: &[JobId],
) -> QueryResult<Vec<(Uuid, Option<JobState>)>> {
    let rows: Vec<(DbId, i16)> = session.load(FinishedStates::with((&list(ids),))).await?;
    Ok(rows.into_iter().map(|(id, state)| (id.0, JobState::from_code(state))).collect())
}

fn list(ids: &[JobId]) -> String {
    hex_list(ids.iter().map(|id| id.as_uuid()))
}

/// Cancels a job, or asks a running one to stop.
pub(super) async fn cancel(session: &mut Session, id: JobId, by: &Actor) -> QueryResult<Cancelled> {
    match live_states(session, &[id]).await?.first() {
        Some((_, Some(JobState::Running))) => {
            session.execute(AskToStop::with((DbId::from(id),))).await?;
            Ok(Cancelled::Requested)
        }
        Some((id, _)) => {
            let reason = format!("cancelled by {}", by.0);
            let reason = Cow::Owned(cut(&reason).into_owned());
            finish(session, &[ending(*id, JobState::Cancelled, FINISHED_RETENTION, reason)])
                .await?;
            Ok(Cancelled::Cancelled)
        }
        None if finished_states(session, &[id]).await?.is_empty() => Ok(Cancelled::NotFound),
        None => Ok(Cancelled::AlreadyFinished),
    }
}

/// Makes jobs available again; answers how many changed.
pub(super) async fn retry(session: &mut Session, ids: &[JobId]) -> QueryResult<usize> {
    let live = live_states(session, ids).await?;
    let is_waiting = |state: &Option<JobState>| {
        use JobState::{Parked, Retryable, Scheduled};
        matches!(state, Some(Scheduled | Retryable | Parked))
    };
    let waiting: Vec<Uuid> =
        live.iter().filter(|(_, state)| is_waiting(state)).map(|(id, _)| *id).collect();
    if !waiting.is_empty() {
        let list = hex_list(waiting.iter().copied());
        session.execute(MakeAvailable::with((&list,))).await?;
    }
    let gone: Vec<JobId> = ids
        .iter()
        .filter(|job| !live.iter().any(|(id, _)| *id == job.as_uuid()))
        .copied()
        .collect();
    let finished =
        if gone.is_empty() { Vec::new() } else { finished_states(session, &gone).await? };
    let dead = finished.into_iter().filter(|(_, state)| *state != Some(JobState::Completed));
    let dead: Vec<Uuid> = dead.map(|(id, _)| id).collect();
    if !dead.is_empty() {
        let list = hex_list(dead.iter().copied());
        session.execute(Redrive::with((&list,))).await?;
        session.execute(DeleteFinished::with((&list,))).await?;
    }
    Ok(waiting.len() + dead.len())
}

/// Ends waiting jobs as discarded; answers how many.
pub(super) async fn discard(
    session: &mut Session,
    ids: &[JobId],
    reason: &str,
) -> QueryResult<usize> {
    let waiting = not_running(live_states(session, ids).await?);
    let reason = cut(reason);
    let endings: Vec<_> = waiting
        .map(|id| ending(id, JobState::Discarded, DEAD_RETENTION, Cow::Borrowed(&reason)))
        .collect();
    finish(session, &endings).await
}

/// Removes jobs that are not running, with their attempts; answers how many.
pub(super) async fn delete(session: &mut Session, ids: &[JobId]) -> QueryResult<usize> {
    let mut removed: Vec<Uuid> = not_running(live_states(session, ids).await?).collect();
    if !removed.is_empty() {
        let list = hex_list(removed.iter().copied());
        session.execute(DeleteLive::with((&list,))).await?;
    }
    let finished = finished_states(session, ids).await?;
    if !finished.is_empty() {
        let list = hex_list(finished.iter().map(|(id, _)| *id));
        session.execute(DeleteFinished::with((&list,))).await?;
    }
    removed.extend(finished.into_iter().map(|(id, _)| id));
    removed.sort_unstable();
    removed.dedup();
    if !removed.is_empty() {
        session.execute(Forget::with((&hex_list(removed.iter().copied()),))).await?;
    }
    Ok(removed.len())
}

fn not_running(states: Vec<(Uuid, Option<JobState>)>) -> impl Iterator<Item = Uuid> {
    states.into_iter().filter(|(_, state)| *state != Some(JobState::Running)).map(|(id, _)| id)
}

/// Replaces the payload of a job that is neither running nor completed.
pub(super) async fn edit_payload(
    session: &mut Session,
    id: JobId,
    payload: &str,
) -> QueryResult<bool> {
    let id = DbId::from(id);
    let changed = session.execute(EditLive::with((payload, id))).await?;
    Ok(changed > 0 || session.execute(EditFinished::with((payload, id))).await? > 0)
}

/// Pauses a queue; one that is paused keeps its time.
pub(super) async fn pause(
    session: &mut Session,
    queue: &str,
    reason: &str,
    by: &Actor,
) -> QueryResult<()> {
    let (by, reason) = (cut(&by.0), cut(reason));
    let values = (queue, &*by, &*reason, &*by, &*reason);
    session.execute(Pause::with(values)).await.map(drop)
}
