//! SIGSTOP past the lease and SIGCONT: a zombie; SIGTERM once and twice: an orderly end.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use rustix::process::Signal;
use taskx::Apply;

use super::{Outcome, Size};
use crate::{engine::Engine, tasks::Work, world::World};

/// The shortest lease that taskx takes.
const LEASE: Duration = Duration::from_secs(2);

/// Workers hang for two leases and come back as zombies.
pub(super) fn stop(engine: Engine, size: Size, seed: u64) -> Result<Option<Outcome>> {
    let mut world = World::open(engine, seed)?;
    world.lease = LEASE;
    world.warm_up(4, 1)?;
    let mut stopped = 0;
    while stopped < size.stops {
        world.pause(50, 300);
        world.keep_workers(4)?;
        let first = world.rng.usize(0..4);
        let zombies = [first, (first + 1) % 4];
        let zombies: Vec<_> = zombies.into_iter().filter_map(|at| world.workers.get(at)).collect();
        for zombie in &zombies {
            zombie.signal(Signal::STOP);
        }
        thread::sleep(LEASE * 2);
        for zombie in &zombies {
            zombie.signal(Signal::CONT);
        }
        stopped += zombies.len();
    }
    let verdict = world.settle_down()?;
    let fenced_out = verdict.fenced_out;
    let mut outcome =
        Outcome::of(format!("{stopped} workers stopped for {:?}", LEASE * 2), verdict);
    // Of SQLite a zombie may hold the only write lock: then nobody else did anything meanwhile.
    outcome.aim(fenced_out > 0 || engine == Engine::Sqlite, "no zombie was fenced out");
    Ok(Some(outcome))
}

/// The grace of the chaos workers, and a second.
const GRACEFUL: Duration = Duration::from_secs(6);

/// How long a job lasts that a second signal meets.
const LONG: u64 = 4_000;

/// Workers are told to stop; every second one is told twice, while long jobs run.
pub(super) fn term(engine: Engine, size: Size, seed: u64) -> Result<Option<Outcome>> {
    let mut world = World::open(engine, seed)?;
    world.warm_up(3, 1)?;
    let mut outcome = Outcome::default();
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    for nth in 0..size.terms {
        let doubly = nth % 2 == 1;
        if doubly {
            world.with_app(async |app| {
                let queue = app.queue();
                for n in 0..12 {
                    Apply::new(&Work { n: 900_000_000 + nth as u64 * 100 + n, millis: LONG })
                        .to(queue)
                        .await?;
                }
                Ok(())
            })?;
            thread::sleep(Duration::from_millis(300));
        } else {
            world.pause(50, 200);
        }
        let mut worker = world.workers.remove(0);
        let pid = worker.pid();
        worker.signal(Signal::TERM);
        if doubly {
            thread::sleep(Duration::from_millis(50));
            worker.signal(Signal::TERM);
        }
        let began = Instant::now();
        let status = worker.wait(Duration::from_secs(30))?;
        let took = began.elapsed();
        outcome.require(status.success(), format!("told to stop, it ended by {status}"));
        let (limit, times) =
            if doubly { (Duration::from_secs(1), &mut twice) } else { (GRACEFUL, &mut once) };
        outcome.aim(took <= limit, format!("told to stop, it ended after {took:?}"));
        times.push(took);
        let rows =
            format!("SELECT COUNT(*) AS a, COUNT(*) AS b FROM taskx_workers WHERE pid = {pid}");
        let left = world.engine.pairs(&world.url, &rows)?;
        let how = if doubly { "twice" } else { "once" };
        let what = format!("a worker that was told to stop {how} left its row");
        outcome.require(left == [(0, 0)], what);
        world.warm_up(3, 1)?;
    }
    let verdict = world.settle_down()?;
    let slowest =
        |times: &[Duration]| times.iter().max().copied().unwrap_or_default().as_secs_f64();
    let done = format!(
        "{} told once (slowest {:.2} s), {} twice (slowest {:.2} s)",
        once.len(),
        slowest(&once),
        twice.len(),
        slowest(&twice),
    );
    let settled = Outcome::of(done, verdict);
    outcome.done = settled.done;
    outcome.violations.extend(settled.violations);
    Ok(Some(outcome))
}
