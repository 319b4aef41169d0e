//! Connections end: by the server's hand, by a proxy's, at the answer of a commit; and for long.

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{Outcome, Size};
use crate::{
    engine::Engine,
    proxy::{Cut, Proxy},
    tasks::micros,
    world::World,
};

const WORKERS: usize = 3;

/// The server ends sessions at random.
pub(super) fn terminate(engine: Engine, size: Size, seed: u64) -> Result<Option<Outcome>> {
    let sessions = match engine {
        Engine::Sqlite => return Ok(None),
        Engine::Postgres => {
            "SELECT pid::int8 AS a, 0::int8 AS b FROM pg_stat_activity WHERE application_name = 'taskx'"
        }
        Engine::Mysql => {
            "SELECT CAST(id AS SIGNED) AS a, CAST(0 AS SIGNED) AS b FROM information_schema.processlist \
             WHERE db LIKE 'chaos%' AND id <> CONNECTION_ID()"
        }
    };
    let mut world = World::open(engine, seed)?;
    world.warm_up(WORKERS, 2)?;
    let mut ended = 0;
    while ended < size.terminations {
        world.pause(10, 120);
        let sessions = engine.pairs(&world.url, sessions)?;
        let Some((session, _)) = sessions.get(world.rng.usize(0..sessions.len().max(1))) else {
            continue;
        };
        let end = match engine {
            Engine::Postgres => format!("SELECT pg_terminate_backend({session})"),
            _ => format!("KILL CONNECTION {session}"),
        };
        // It may have ended by itself in between.
        if engine.execute(&world.url, &[&end]).is_ok() {
            ended += 1;
        }
    }
    let verdict = world.settle_down()?;
    Ok(Some(Outcome::of(format!("{ended} sessions ended by the server"), verdict)))
}

/// A world whose processes reach the database through a proxy.
fn detoured(engine: Engine, seed: u64) -> Result<Option<(World, Proxy)>> {
    let mut world = World::open(engine, seed)?;
    let Some(server) = &world.server else { return Ok(None) };
    let proxy = Proxy::start(Ipv4Addr::LOCALHOST, server.port())?;
    world.detour = Some(proxy.detour(&world.url, server.port()));
    Ok(Some((world, proxy)))
}

/// Connections are reset and closed, answers are lost after the work is done, all is slow.
pub(super) fn cut(engine: Engine, size: Size, seed: u64) -> Result<Option<Outcome>> {
    let Some((mut world, proxy)) = detoured(engine, seed)? else { return Ok(None) };
    world.warm_up(WORKERS, 2)?;
    for _ in 0..size.cuts {
        world.pause(50, 500);
        match world.rng.u8(0..6) {
            0 => proxy.cut_all(Cut::Reset),
            1 => proxy.cut_all(Cut::Fin),
            2 => {
                proxy.delay(Duration::from_millis(200));
                world.pause(200, 600);
                proxy.delay(Duration::ZERO);
            }
            _ => proxy.swallow_answers(3),
        }
    }
    proxy.swallow_answers(0);
    let verdict = world.settle_down()?;
    Ok(Some(Outcome::of(format!("{} cuts", size.cuts), verdict)))
}

/// What the promise allows: tries to connect, a second and a worker.
const TRIES: f64 = 2.0;

/// How soon after the end of the outage jobs must run again.
const RESUMED: Duration = Duration::from_secs(5);

/// Nobody is let in for a while.
pub(super) fn outage(engine: Engine, size: Size, seed: u64) -> Result<Option<Outcome>> {
    let Some((mut world, proxy)) = detoured(engine, seed)? else { return Ok(None) };
    world.warm_up(WORKERS, 1)?;
    proxy.refuse(true);
    proxy.cut_all(Cut::Reset);
    // The first moment is not the steady state: all connections of a process are missed at once.
    thread::sleep(Duration::from_secs(1));
    let began = Instant::now();
    thread::sleep(size.outage);
    let processes = WORKERS + world.producers.len();
    let rate = proxy.calls_since(began) as f64 / size.outage.as_secs_f64() / processes as f64;
    let alive = world.workers.iter_mut().all(|worker| worker.ended().is_none());
    let over = micros();
    proxy.refuse(false);
    let resumed = world.next_run(over).context("after the outage")?;
    let verdict = world.settle_down()?;
    let (stolen, fenced_out) = (verdict.rescued, verdict.work_fenced_out);
    let done = format!(
        "an outage of {:?}, {rate:.2} tries to connect a second and process, jobs run again after {:.2} s",
        size.outage,
        resumed.as_secs_f64()
    );
    let mut outcome = Outcome::of(done, verdict);
    outcome.require(alive, "a worker ended in the outage");
    outcome.aim(rate <= TRIES, format!("{rate:.2} tries to connect a second and process"));
    outcome.aim(resumed <= RESUMED, format!("jobs ran again only after {resumed:?}"));
    // A payment whose commit the cut came before has ended too, and runs again; nothing else does.
    outcome.require(fenced_out == 0, format!("{fenced_out} runs did not count"));
    outcome.require(stolen == 0, format!("{stolen} jobs were stolen from live workers"));
    Ok(Some(outcome))
}
