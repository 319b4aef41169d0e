//! Settling attempts: a batch on our own connections, one job inside a caller's transaction.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use diesel::QueryResult;
use serde::Serialize;
use taskx_core::{
    job::{JobId, JobState, WorkerId},
    outcome::{ATTEMPTS_KEPT, Settlement},
    store::Settled,
};
use uuid::Uuid;

use super::{
    batch::hex_list,
    run::Run,
    statements::path::{
        BringBack, DeleteLive, Fail, FinishAlike, FinishEach, Finished, Forget, Held, Trim,
    },
};
use crate::{
    rows::json_text,
    settlement::{Place, Plan},
    statement::Sql,
    values::DbId,
};

/// How a live job stands: owner, fence, state, whether its cancellation was asked for.
type Standing = (Option<DbId>, i64, i16, bool);

/// Writes how attempts ended, in the transaction of `run`; the answers come in order.
pub(super) async fn settle(run: &mut impl Run, batch: &[Settlement]) -> QueryResult<Vec<Settled>> {
    let list = hex_list(batch.iter().map(|settlement| settlement.id.as_uuid()));
    let rows: Vec<(DbId, Option<DbId>, i64, i16, bool)> = run.load(Held::with((&list,))).await?;
    let mut live: HashMap<JobId, Standing> = rows
        .into_iter()
        .map(|(id, owner, fence, state, asked)| (id.into(), (owner, fence, state, asked)))
        .collect();
    let mut answers = Vec::with_capacity(batch.len());
    let (mut writes, mut unheld) = (Writes::default(), Vec::new());
    for (at, settlement) in batch.iter().enumerate() {
        match live.get_mut(&settlement.id) {
            Some(standing) if holds(*standing, settlement) => {
                writes.add(settlement, standing.3);
                // A second settlement of this claim in the batch finds it settled.
                *standing = (None, settlement.fence, JobState::Completed.code(), false);
                answers.push(Settled::Done);
            }
            Some(standing) if brought_back(*standing, settlement) => answers.push(Settled::Already),
            _ => {
                unheld.push(at);
                answers.push(Settled::Lost);
            }
        }
    }
    writes.carry_out(run).await?;
    if !unheld.is_empty() {
        let asked = || unheld.iter().filter_map(|&at| batch.get(at));
        let finished = finished(run, asked()).await?;
        for (&at, settlement) in unheld.iter().zip(asked()) {
            let claim = (settlement.id, settlement.owner, settlement.fence);
            if let Some(answer) = answers.get_mut(at).filter(|_| finished.contains(&claim)) {
                *answer = Settled::Already;
            }
        }
    }
    Ok(answers)
}

fn holds((owner, fence, state, _): Standing, settlement: &Settlement) -> bool {
    owner == Some(settlement.owner.into())
        && fence == settlement.fence
        && state == JobState::Running.code()
}

/// Whether a settlement that brings a job back was written before, and nobody claimed it since.
fn brought_back((owner, fence, state, _): Standing, settlement: &Settlement) -> bool {
    owner.is_none()
        && fence == settlement.fence
        && state != JobState::Running.code()
        && matches!(Plan::of(settlement, false).place, Place::Live(_))
}

/// Which of these claims ended their jobs, by the history.
async fn finished<'a>(
    run: &mut impl Run,
    settlements: impl Iterator<Item = &'a Settlement>,
) -> QueryResult<HashSet<(JobId, WorkerId, i64)>> {
    let list = hex_list(settlements.map(|settlement| settlement.id.as_uuid()));
    let rows: Vec<(DbId, Option<DbId>, i64)> = run.load(Finished::with((&list,))).await?;
    let claims = rows.into_iter();
    Ok(claims.filter_map(|(id, owner, fence)| Some((id.into(), owner?.into(), fence))).collect())
}

/// What is written for a batch, sorted by statement.
#[derive(Debug, Default)]
struct Writes<'a> {
    /// Completed without a word, by how long they are kept.
    alike: Vec<(i64, Vec<JobId>)>,
    each: Vec<Ending<'a>>,
    gone: Vec<JobId>,
    back: Vec<Return<'a>>,
    failures: Vec<Failed<'a>>,
    /// Jobs that are forgotten and may have left attempts.
    forgotten: Vec<JobId>,
    /// Jobs that may have more attempts than are kept.
    often_failed: Vec<JobId>,
}

/// A job's end, as the columns of [`FinishEach`].
#[derive(Debug, Serialize)]
pub(super) struct Ending<'a> {
    #[serde(with = "uuid::serde::simple")]
    pub(super) id: Uuid,
    pub(super) state: i16,
    pub(super) keep: i64,
    pub(super) reason: Option<Cow<'a, str>>,
    pub(super) result: Option<&'a str>,
}

/// A job's return, as the columns of [`BringBack`].
#[derive(Debug, Serialize)]
struct Return<'a> {
    #[serde(with = "uuid::serde::simple")]
    id: Uuid,
    state: i16,
    wait: Option<i64>,
    uncounted: u8,
    snoozed: u8,
    reason: Option<Cow<'a, str>>,
}

/// A failed attempt, as the columns of [`Fail`].
#[derive(Debug, Serialize)]
struct Failed<'a> {
    #[serde(with = "uuid::serde::simple")]
    id: Uuid,
    fence: i64,
    attempt: i32,
    #[serde(with = "uuid::serde::simple")]
    worker: Uuid,
    outcome: &'static str,
    error: Cow<'a, str>,
    backtrace: Option<Cow<'a, str>>,
}

impl<'a> Writes<'a> {
    /// Adds a settlement of a job that its claim holds.
    fn add(&mut self, settlement: &'a Settlement, cancel_requested: bool) {
        let plan = Plan::of(settlement, cancel_requested);
        let id = settlement.id.as_uuid();
        match plan.place {
            Place::Gone => {
                self.gone.push(settlement.id);
                // Attempts are written under lower fences.
                if settlement.fence > 1 {
                    self.forgotten.push(settlement.id);
                }
                return;
            }
            Place::History { state: JobState::Completed, keep }
                if plan.reason.is_none() && plan.result.is_none() =>
            {
                match self.alike.iter_mut().find(|(kept, _)| *kept == keep) {
                    Some((_, ids)) => ids.push(settlement.id),
                    None => self.alike.push((keep, vec![settlement.id])),
                }
            }
            Place::History { state, keep } => self.each.push(Ending {
                id,
                state: state.code(),
                keep,
                reason: plan.reason,
                result: plan.result,
            }),
            Place::Live(back) => self.back.push(Return {
                id,
                state: back.state.code(),
                wait: back.wait,
                uncounted: u8::from(back.uncounted),
                snoozed: u8::from(back.snoozed),
                reason: plan.reason,
            }),
        }
        if let Some(failure) = plan.failure {
            self.failures.push(Failed {
                id,
                fence: settlement.fence,
                attempt: settlement.attempt,
                worker: settlement.owner.as_uuid(),
                outcome: failure.outcome,
                error: failure.error,
                backtrace: failure.backtrace,
            });
            if usize::try_from(settlement.fence).is_ok_and(|fence| fence > ATTEMPTS_KEPT) {
                self.often_failed.push(settlement.id);
            }
        }
    }

    /// Writes it: what reads live rows comes before what deletes them.
    async fn carry_out(mut self, run: &mut impl Run) -> QueryResult<()> {
        // As all else that locks rows, in the order of their keys.
        self.each.sort_unstable_by_key(|row| row.id);
        self.back.sort_unstable_by_key(|row| row.id);
        if !self.failures.is_empty() {
            run.execute(Fail::with((&json_text(&self.failures),))).await?;
        }
        if !self.often_failed.is_empty() {
            let kept = i32::try_from(ATTEMPTS_KEPT).unwrap_or(i32::MAX);
            run.execute(Trim::with((&list(&self.often_failed), kept))).await?;
        }
        for (keep, ids) in &self.alike {
            let state = JobState::Completed.code();
            run.execute(FinishAlike::with((state, *keep, &list(ids)))).await?;
        }
        if !self.each.is_empty() {
            run.execute(FinishEach::with((&json_text(&self.each),))).await?;
        }
        let ended = self.each.iter().map(|ending| ending.id);
        let alike = self.alike.iter().flat_map(|(_, ids)| ids).chain(&self.gone);
        let ended: Vec<Uuid> = alike.map(|id| id.as_uuid()).chain(ended).collect();
        if !ended.is_empty() {
            run.execute(DeleteLive::with((&hex_list(ended.into_iter()),))).await?;
        }
        if !self.forgotten.is_empty() {
            run.execute(Forget::with((&list(&self.forgotten),))).await?;
        }
        if !self.back.is_empty() {
            run.execute(BringBack::with((&json_text(&self.back),))).await?;
        }
        Ok(())
    }
}

fn list(ids: &[JobId]) -> String {
    hex_list(ids.iter().map(|id| id.as_uuid()))
}

/// Moves locked live jobs into the history, each with its own words; answers how many.
pub(super) async fn finish(run: &mut impl Run, endings: &[Ending<'_>]) -> QueryResult<usize> {
    if endings.is_empty() {
        return Ok(0);
    }
    run.execute(FinishEach::with((&json_text(endings),))).await?;
    let ids = endings.iter().map(|ending| ending.id);
    run.execute(DeleteLive::with((&hex_list(ids),))).await
}
