//! SIGKILL of workers and producers, at random, while jobs flow.

use std::{thread, time::Duration};

use anyhow::Result;
use rustix::process::Signal;

use super::{Outcome, Size};
use crate::{engine::Engine, world::World};

const WORKERS: usize = 6;

/// A worker that is younger may not have begun to look after the others.
const GROWN: Duration = Duration::from_secs(1);

/// For ten seconds after a server's start presence says nothing, as I9 has it.
const SETTLED: Duration = Duration::from_secs(11);

/// The figures of I9.
const P99: Duration = Duration::from_secs(2);
const MAX: Duration = Duration::from_secs(5);

/// A worker dies every 50 to 350 ms. The oldest one is spared nine times of ten, and while no other
/// is grown: somebody must be there to notice.
pub(super) fn kill(engine: Engine, size: Size, seed: u64) -> Result<Option<Outcome>> {
    let mut world = World::open(engine, seed)?;
    world.warm_up(WORKERS, 2)?;
    if engine.server().is_some() {
        thread::sleep(SETTLED);
    }
    let mut producers_killed = 0;
    for nth in 1..=size.kills {
        world.pause(50, 350);
        let heir = world.workers.get(1).is_some_and(|worker| worker.born.elapsed() > GROWN);
        let oldest = heir && world.rng.u8(0..10) == 0;
        let victim = if oldest { 0 } else { world.rng.usize(1..WORKERS) };
        world.kill_worker(victim)?;
        world.keep_workers(WORKERS)?;
        if nth % 10 == 0 {
            for producer in &world.producers {
                producer.signal(Signal::KILL);
            }
            producers_killed += world.producers.len();
            world.producers.clear();
            world.keep_producers(2)?;
        }
    }
    let verdict = world.settle_down()?;
    let (p99, max) = (verdict.percentile(99), verdict.percentile(100));
    let done = format!("{} workers and {producers_killed} producers killed", size.kills);
    let mut outcome = Outcome::of(done, verdict);
    outcome.aim(p99 <= P99, format!("redelivery p99 {p99:?}, more than {P99:?}"));
    outcome.aim(max <= MAX, format!("redelivery max {max:?}, more than {MAX:?}"));
    Ok(Some(outcome))
}
