//! Settlements: how attempts ended, a batch in one statement where nothing but ends is in it.

use std::{borrow::Cow, collections::HashSet};

use diesel::{QueryResult, connection::LoadConnection, pg::Pg};
use diesel_async::AsyncConnection;
use taskx_core::{
    outcome::{ATTEMPTS_KEPT, Settlement},
    store::Settled,
};

use crate::{
    postgres::statements::path::{
        DropAttempts, Finish, GiveBack, NoteAttempts, SettledBefore, TrimAttempts,
    },
    settlement::{Back, Place, Plan},
    statement::{Sql, Statement},
    values::DbId,
};

/// A batch of settlements as columns, by what becomes of the jobs. Its statements run in the order
/// of its fields: the attempts are noted while the jobs are still held, and that locks them.
#[derive(Default)]
pub(super) struct Batch<'a> {
    failures: Failures<'a>,
    ends: Ends<'a>,
    backs: Backs<'a>,
    /// Jobs that may have attempts and leave no row behind.
    forgotten: Vec<(usize, DbId)>,
    /// Jobs that may have more attempts than are kept.
    repeated: Vec<DbId>,
}

/// What a batch wrote.
#[derive(Default)]
pub(super) struct Written {
    /// The places of the settlements that found their job held.
    pub(super) done: HashSet<usize>,
    /// The queues in which jobs are available again, each once.
    pub(super) queues: Vec<String>,
}

impl Written {
    fn ended(&mut self, ends: &Ends<'_>, places: &[i64]) {
        self.done.extend(places.iter().filter_map(|place| ends.at.get(index(*place))));
    }

    fn gave_back(&mut self, backs: &Backs<'_>, places: Vec<(i64, Option<String>)>) {
        for (place, queue) in places {
            self.done.extend(backs.at.get(index(place)));
            self.queues.extend(queue.filter(|queue| !self.queues.contains(queue)));
        }
    }
}

/// A place as SQL counts it, from 1, as an index.
fn index(place: i64) -> usize {
    usize::try_from(place - 1).unwrap_or(usize::MAX)
}

/// The statements of a batch in their order, for both kinds of connections.
macro_rules! write {
    ($batch:ident, $settlements:ident, $conn:ident $(, $await:tt)?) => {{
        let (batch, settlements): (&Batch<'_>, &[Settlement]) = ($batch, $settlements);
        let mut written = Written::default();
        if !batch.failures.ids.is_empty() {
            batch.failures.statement().execute($conn)$(.$await)??;
        }
        if !batch.ends.at.is_empty() {
            let places: Vec<i64> = batch.ends.statement().load($conn)$(.$await)??;
            written.ended(&batch.ends, &places);
        }
        if !batch.backs.at.is_empty() {
            let places: Vec<(i64, Option<String>)> = batch.backs.statement().load($conn)$(.$await)??;
            written.gave_back(&batch.backs, places);
        }
        // Those that were not given back are lost, or were asked to stop: the latter end.
        let stopped = batch.stopped(settlements, &written);
        if !stopped.at.is_empty() {
            let places: Vec<i64> = stopped.statement().load($conn)$(.$await)??;
            written.ended(&stopped, &places);
        }
        let forgotten = batch.forgotten(&stopped, &written);
        if !forgotten.is_empty() {
            DropAttempts::with((&*forgotten,)).execute($conn)$(.$await)??;
        }
        if !batch.repeated.is_empty() {
            let kept = i64::try_from(ATTEMPTS_KEPT).unwrap_or(i64::MAX);
            TrimAttempts::with((&*batch.repeated, kept)).execute($conn)$(.$await)??;
        }
        Ok(written)
    }};
}

impl<'a> Batch<'a> {
    pub(super) fn of(settlements: &'a [Settlement]) -> Self {
        let mut batch = Self::default();
        for (at, settlement) in settlements.iter().enumerate() {
            let plan = Plan::of(settlement, false);
            batch.failures.push(settlement, &plan);
            let has_attempts = settlement.fence > 1 || plan.failure.is_some();
            match plan.place {
                Place::Gone if has_attempts => batch.forgotten.push((at, settlement.id.into())),
                _ if plan.failure.is_some() && settlement.fence > KEPT => {
                    batch.repeated.push(settlement.id.into());
                }
                _ => {}
            }
            match plan.place {
                Place::Gone | Place::History { .. } => batch.ends.push(at, settlement, plan),
                Place::Live { .. } => batch.backs.push(at, settlement, plan),
            }
        }
        batch
    }

    /// Whether one statement is all of it.
    pub(super) fn is_single(&self) -> bool {
        self.failures.ids.is_empty() && self.backs.at.is_empty() && self.forgotten.is_empty()
    }

    /// Writes it; in a transaction unless it [is single](Self::is_single).
    pub(super) async fn write<C>(
        &self,
        settlements: &[Settlement],
        conn: &mut C,
    ) -> QueryResult<Written>
    where
        C: AsyncConnection<Backend = Pg>,
    {
        use diesel_async::RunQueryDsl;
        write!(self, settlements, conn, await)
    }

    /// [`write`](Self::write) for sync Diesel.
    pub(super) fn write_blocking<C>(
        &self,
        settlements: &[Settlement],
        conn: &mut C,
    ) -> QueryResult<Written>
    where
        C: LoadConnection<Backend = Pg>,
    {
        use diesel::RunQueryDsl;
        write!(self, settlements, conn)
    }

    /// The ends of jobs that were not given back, if it was because they were asked to stop.
    fn stopped<'s>(&self, settlements: &'s [Settlement], written: &Written) -> Ends<'s> {
        let mut ends = Ends::default();
        for at in self.backs.at.iter().filter(|at| !written.done.contains(at)) {
            if let Some(settlement) = settlements.get(*at) {
                ends.push(*at, settlement, Plan::of(settlement, true));
            }
        }
        ends
    }

    /// The jobs that left no row behind but may have attempts.
    fn forgotten(&self, stopped: &Ends<'_>, written: &Written) -> Vec<DbId> {
        let stopped = stopped.at.iter().zip(&stopped.ids).zip(&stopped.keeps);
        let gone = stopped.filter(|(_, keep)| keep.is_none()).map(|((at, id), _)| (*at, *id));
        let all = self.forgotten.iter().copied().chain(gone);
        all.filter(|(at, _)| written.done.contains(at)).map(|(_, id)| id).collect()
    }
}

/// Settlements that found no held job, to be looked for among what was written before.
pub(super) struct Unheld {
    ids: Vec<DbId>,
    owners: Vec<DbId>,
    fences: Vec<i64>,
    backs: Vec<i16>,
    at: Vec<usize>,
}

impl Unheld {
    /// `None` if all were held.
    pub(super) fn of(settlements: &[Settlement], written: &Written) -> Option<Self> {
        if written.done.len() == settlements.len() {
            return None;
        }
        let mut unheld = Self {
            ids: Vec::new(),
            owners: Vec::new(),
            fences: Vec::new(),
            backs: Vec::new(),
            at: Vec::new(),
        };
        for (at, settlement) in settlements.iter().enumerate() {
            if written.done.contains(&at) {
                continue;
            }
            let back = matches!(Plan::of(settlement, false).place, Place::Live { .. });
            unheld.ids.push(settlement.id.into());
            unheld.owners.push(settlement.owner.into());
            unheld.fences.push(settlement.fence);
            unheld.backs.push(i16::from(back));
            unheld.at.push(at);
        }
        Some(unheld)
    }

    /// Asks which of them were written before; gives places from 1.
    #[expect(clippy::type_complexity, reason = "the binds of one statement, in their order")]
    pub(super) fn statement(&self) -> Statement<SettledBefore, (&[DbId], &[DbId], &[i64], &[i16])> {
        SettledBefore::with((&self.ids, &self.owners, &self.fences, &self.backs))
    }

    /// The places in the batch of those that were written before.
    pub(super) fn found(&self, places: &[i64]) -> HashSet<usize> {
        places.iter().filter_map(|place| self.at.get(index(*place)).copied()).collect()
    }
}

/// The answers in the order of the settlements.
pub(super) fn answers(
    settlements: &[Settlement],
    written: &Written,
    before: &HashSet<usize>,
) -> Vec<Settled> {
    let answer = |(at, settlement): (usize, &Settlement)| {
        if written.done.contains(&at) {
            return Settled::Done;
        }
        // A settlement that stands twice in one batch leaves no trace where it deletes the job.
        let twice = settlements.iter().enumerate().any(|(other, twin)| {
            other != at
                && written.done.contains(&other)
                && (twin.id, twin.owner, twin.fence)
                    == (settlement.id, settlement.owner, settlement.fence)
        });
        if before.contains(&at) || twice { Settled::Already } else { Settled::Lost }
    };
    settlements.iter().enumerate().map(answer).collect()
}

/// [`ATTEMPTS_KEPT`] as a fence: a job of a lower one cannot have more attempts.
const KEPT: i64 = 10;

/// Failed attempts to be noted.
#[derive(Default)]
struct Failures<'a> {
    ids: Vec<DbId>,
    owners: Vec<DbId>,
    fences: Vec<i64>,
    attempts: Vec<i32>,
    outcomes: Vec<&'static str>,
    errors: Vec<Cow<'a, str>>,
    backtraces: Vec<Option<Cow<'a, str>>>,
}

impl<'a> Failures<'a> {
    fn push(&mut self, settlement: &Settlement, plan: &Plan<'a>) {
        let Some(failure) = &plan.failure else { return };
        self.ids.push(settlement.id.into());
        self.owners.push(settlement.owner.into());
        self.fences.push(settlement.fence);
        self.attempts.push(settlement.attempt);
        self.outcomes.push(failure.outcome);
        self.errors.push(failure.error.clone());
        self.backtraces.push(failure.backtrace.clone());
    }

    #[expect(clippy::type_complexity, reason = "the binds of one statement, in their order")]
    fn statement(
        &self,
    ) -> Statement<
        NoteAttempts,
        (
            &[DbId],
            &[DbId],
            &[i64],
            &[i32],
            &[&'static str],
            &[Cow<'a, str>],
            &[Option<Cow<'a, str>>],
        ),
    > {
        NoteAttempts::with((
            &self.ids,
            &self.owners,
            &self.fences,
            &self.attempts,
            &self.outcomes,
            &self.errors,
            &self.backtraces,
        ))
    }
}

/// Jobs that end.
#[derive(Default)]
struct Ends<'a> {
    ids: Vec<DbId>,
    owners: Vec<DbId>,
    fences: Vec<i64>,
    states: Vec<i16>,
    keeps: Vec<Option<i64>>,
    results: Vec<Option<&'a str>>,
    reasons: Vec<Option<Cow<'a, str>>>,
    at: Vec<usize>,
    /// Whether a result or a reason is among them.
    has_results: bool,
    has_reasons: bool,
}

impl<'a> Ends<'a> {
    fn push(&mut self, at: usize, settlement: &Settlement, plan: Plan<'a>) {
        let (state, keep) = match plan.place {
            Place::History { state, keep } => (state.code(), Some(keep)),
            Place::Gone | Place::Live { .. } => (0, None),
        };
        self.ids.push(settlement.id.into());
        self.owners.push(settlement.owner.into());
        self.fences.push(settlement.fence);
        self.states.push(state);
        self.keeps.push(keep);
        self.has_results |= plan.result.is_some();
        self.has_reasons |= plan.reason.is_some();
        self.results.push(plan.result);
        self.reasons.push(plan.reason);
        self.at.push(at);
    }

    #[expect(clippy::type_complexity, reason = "the binds of one statement, in their order")]
    fn statement(
        &self,
    ) -> Statement<
        Finish,
        (
            &[DbId],
            &[DbId],
            &[i64],
            &[i16],
            &[Option<i64>],
            Option<&[Option<&'a str>]>,
            Option<&[Option<Cow<'a, str>>]>,
        ),
    > {
        Finish::with((
            &self.ids,
            &self.owners,
            &self.fences,
            &self.states,
            &self.keeps,
            self.has_results.then_some(&*self.results),
            self.has_reasons.then_some(&*self.reasons),
        ))
    }
}

/// Jobs that go back among the live ones.
#[derive(Default)]
struct Backs<'a> {
    ids: Vec<DbId>,
    owners: Vec<DbId>,
    fences: Vec<i64>,
    states: Vec<i16>,
    delays: Vec<Option<i64>>,
    uncounted: Vec<i32>,
    snoozed: Vec<i32>,
    reasons: Vec<Option<Cow<'a, str>>>,
    at: Vec<usize>,
}

impl<'a> Backs<'a> {
    fn push(&mut self, at: usize, settlement: &Settlement, plan: Plan<'a>) {
        let Place::Live(Back { state, wait, uncounted, snoozed }) = plan.place else { return };
        self.ids.push(settlement.id.into());
        self.owners.push(settlement.owner.into());
        self.fences.push(settlement.fence);
        self.states.push(state.code());
        self.delays.push(wait);
        self.uncounted.push(i32::from(uncounted));
        self.snoozed.push(i32::from(snoozed));
        self.reasons.push(plan.reason);
        self.at.push(at);
    }

    #[expect(clippy::type_complexity, reason = "the binds of one statement, in their order")]
    fn statement(
        &self,
    ) -> Statement<
        GiveBack,
        (&[DbId], &[DbId], &[i64], &[i16], &[Option<i64>], &[i32], &[i32], &[Option<Cow<'a, str>>]),
    > {
        GiveBack::with((
            &self.ids,
            &self.owners,
            &self.fences,
            &self.states,
            &self.delays,
            &self.uncounted,
            &self.snoozed,
            &self.reasons,
        ))
    }
}
