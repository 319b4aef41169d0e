//! The database takes no writes for a while, as a primary does that was made a replica.

use std::{thread, time::Duration};

use anyhow::{Context, Result};

use super::{Outcome, Size};
use crate::{engine::Engine, tasks::micros, world::World};

/// How soon after writes are taken again jobs must run.
const RESUMED: Duration = Duration::from_secs(5);

/// What is under way when writes end may still be written.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// Whether the server shall refuse writes from now on.
fn refuse_writes(world: &World, refuse: bool) -> Result<()> {
    let word = if refuse { "ON" } else { "OFF" };
    let statements: &[String] = &match world.engine {
        Engine::Postgres => vec![
            format!("ALTER SYSTEM SET default_transaction_read_only = {word}"),
            "SELECT pg_reload_conf()".to_owned(),
        ],
        _ => vec![format!("SET GLOBAL read_only = {word}")],
    };
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    world.engine.execute(&world.url, &statements)
}

/// Lets the processes in as somebody whom a read-only MySQL refuses, which lets its administrators
/// write on.
fn as_nobody_special(world: &mut World) -> Result<()> {
    let (_, name) = world.url.rsplit_once('/').context("a URL with a database")?;
    let grant = format!("GRANT ALL ON {name}.* TO plain@'127.0.0.1'");
    let user = "CREATE USER IF NOT EXISTS plain@'127.0.0.1'";
    world.engine.execute(&world.url, &[user, &grant])?;
    world.detour = Some(world.url.replacen("root@", "plain@", 1));
    Ok(())
}

pub(super) fn readonly(engine: Engine, size: Size, seed: u64) -> Result<Option<Outcome>> {
    if engine.server().is_none() {
        return Ok(None);
    }
    let mut world = World::open(engine, seed)?;
    if engine == Engine::Mysql {
        as_nobody_special(&mut world)?;
    }
    world.warm_up(3, 2)?;
    refuse_writes(&world, true)?;
    thread::sleep(UNDER_WAY);
    let before = world.ledger()?.acknowledged();
    thread::sleep(size.outage);
    let during = world.ledger()?.acknowledged() - before;
    let alive = world.all_alive();
    refuse_writes(&world, false)?;
    let resumed = world.next_run(micros()).context("after the read-only time")?;
    world.warm_up(3, 2)?;
    let verdict = world.settle_down()?;
    let (stolen, fenced_out) = (verdict.rescued, verdict.fenced_out);
    let done = format!(
        "no writes for {:?}, jobs run again after {:.2} s",
        size.outage + UNDER_WAY,
        resumed.as_secs_f64()
    );
    let mut outcome = Outcome::of(done, verdict);
    outcome.require(during == 0, format!("{during} jobs were stored where none could be"));
    outcome.require(alive, "a process ended while writes were refused");
    outcome.require(stolen == 0, format!("{stolen} jobs were stolen from live workers"));
    outcome.require(fenced_out == 0, format!("{fenced_out} runs did not count"));
    outcome.aim(resumed <= RESUMED, format!("jobs ran again only after {resumed:?}"));
    Ok(Some(outcome))
}
