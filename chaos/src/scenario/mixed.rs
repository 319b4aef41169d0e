//! All that an application has beside each other on one file: its web processes, its workers, and
//! somebody at the command line. Nothing is broken, and nobody may hear of the others' locks.

use std::{thread, time::Duration};

use anyhow::Result;

use super::{Outcome, Size};
use crate::{engine::Engine, tasks::Chore, world::World};

/// What an enqueue may take.
const ENQUEUED: Duration = Duration::from_millis(100);

pub(super) fn mixed(engine: Engine, size: Size, seed: u64) -> Result<Option<Outcome>> {
    if engine != Engine::Sqlite {
        return Ok(None);
    }
    let mut world = World::open(engine, seed)?;
    world.warm_up(3, 2)?;
    let mut operator = world.operator()?;
    thread::sleep(size.mixed);
    let alive = operator.ended().is_none() && world.all_alive();
    operator.end()?;
    let verdict = world.settle_down()?;
    let ledger = world.ledger()?;
    let (p50, p99) = (ledger.latency(50), ledger.latency(99));
    let (longest, operated) = (ledger.latency(100), ledger.operated);
    let done = format!(
        "2 web processes, 3 workers and an operator on one file for {:?}, {operated} rounds of the \
         operator, enqueues p50 {p50:.1?}, p99 {p99:.1?}, max {longest:.1?}",
        size.mixed,
    );
    // The operator's own fail; an attempt is used up by nothing else.
    let again =
        world.jobs()?.iter().filter(|job| job.task != Chore::NAME && job.attempt > 1).count();
    let mut outcome = Outcome::of(done, verdict);
    outcome.require(alive, "a process ended");
    outcome.require(operated > 0, "the operator came to nothing");
    for refusal in &ledger.refusals {
        outcome.require(false, format!("a user was told: {refusal}"));
    }
    outcome.require(ledger.refused == 0, format!("{} enqueues were refused", ledger.refused));
    outcome.require(again == 0, format!("{again} jobs failed"));
    outcome.aim(p99 <= ENQUEUED, format!("1 of 100 enqueues took {p99:?} and more"));
    Ok(Some(outcome))
}
