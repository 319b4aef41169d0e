//! The database server is killed and comes back.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Outcome, Size};
use crate::{engine::Engine, tasks::micros, world::World};

/// How soon after the server accepts connections jobs must run again.
const RESUMED: Duration = Duration::from_secs(5);

pub(super) fn restart(engine: Engine, size: Size, seed: u64) -> Result<Option<Outcome>> {
    if engine.server().is_none() {
        return Ok(None);
    }
    let mut world = World::open(engine, seed)?;
    world.deeds.server_crashed = true;
    let mut slowest = Duration::ZERO;
    for _ in 0..size.restarts {
        world.warm_up(3, 2)?;
        world.pause(100, 1_000);
        let server = world.server.as_mut().context("a server")?;
        server.kill()?;
        world.pause(0, 2_000);
        world.server.as_mut().context("a server")?.restart()?;
        slowest = slowest.max(world.next_run(micros())?);
    }
    let verdict = world.settle_down()?;
    let stolen = verdict.rescued;
    let done = format!(
        "{} restarts, jobs run again after {:.2} s at most",
        size.restarts,
        slowest.as_secs_f64()
    );
    let mut outcome = Outcome::of(done, verdict);
    outcome.aim(slowest <= RESUMED, format!("jobs ran again only after {slowest:?}"));
    // No worker died: a job that was taken back was stolen from one that lives.
    outcome.require(stolen == 0, format!("{stolen} jobs were stolen from live workers"));
    Ok(Some(outcome))
}
