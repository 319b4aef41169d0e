//! Jobs that kill or hang the process that runs them, among innocents.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use rustix::process::Signal;
use taskx::{Apply, JobState};

use super::{Outcome, Size};
use crate::{
    engine::Engine,
    tasks::{Hog, Poison, Work},
    world::World,
};

/// Deaths of a process that one job may cause.
const DEATHS: usize = 3;

/// Jobs beside the poison.
const INNOCENTS: u64 = 40;

/// Address space of a worker that meets the eater, in KiB.
const MEMORY: u64 = 2 << 20;

const PATIENCE: Duration = Duration::from_secs(90);

pub(super) fn poison(engine: Engine, size: Size, seed: u64) -> Result<Option<Outcome>> {
    let kinds: &[&str] = if size.everything {
        &["abort", "overflow", "drop", "eater"]
    } else {
        &["abort", "overflow"]
    };
    let mut outcome = Outcome::default();
    let mut told = Vec::new();
    for how in kinds {
        told.push(deadly(engine, seed, how, &mut outcome)?);
    }
    told.push(endless(engine, seed, &mut outcome)?);
    outcome.done = told.join("; ");
    Ok(Some(outcome))
}

/// Poison that ends its process is quarantined after three deaths; all innocents are done.
fn deadly(engine: Engine, seed: u64, how: &str, outcome: &mut Outcome) -> Result<String> {
    let mut world = World::open(engine, seed)?;
    if how == "eater" {
        let limited = format!("ulimit -c 0; ulimit -v {MEMORY}; exec \"$0\" \"$@\"");
        world.around = vec!["sh".to_owned(), "-c".to_owned(), limited];
    }
    let poison = world.with_app(async |app| {
        let queue = app.queue();
        for n in 0..INNOCENTS / 2 {
            Apply::new(&Work { n, millis: n % 5 * 20 }).to(queue).await?;
        }
        let poison = Apply::new(&Poison { how: how.to_owned() }).to(queue).await?.id();
        for n in INNOCENTS / 2..INNOCENTS {
            Apply::new(&Work { n, millis: n % 5 * 20 }).to(queue).await?;
        }
        Ok(poison)
    })?;
    let began = Instant::now();
    loop {
        world.keep_workers(2)?;
        let jobs = world.jobs()?;
        let caught = jobs.iter().any(|job| job.id == poison && job.state == JobState::Quarantined);
        let done = jobs.iter().filter(|job| job.state == JobState::Completed).count() as u64;
        if caught && done == INNOCENTS {
            break;
        }
        if began.elapsed() > PATIENCE {
            bail!("{how}: quarantined {caught}, {done} of {INNOCENTS} innocents done");
        }
        thread::sleep(Duration::from_millis(50));
    }
    let took = began.elapsed();
    let ledger = world.ledger()?;
    let deaths = ledger.poisoned.len();
    outcome.require(deaths <= DEATHS, format!("{how}: {deaths} deaths"));
    let verdict = world.settle_down()?;
    outcome.violations.extend(verdict.violations.iter().map(|text| format!("{how}: {text}")));
    Ok(format!(
        "{how}: {deaths} deaths, {INNOCENTS} innocents done after {:.1} s",
        took.as_secs_f64()
    ))
}

/// Loops without an end, one on the runtime and one on the blocking pool, keep nobody else from
/// working, and the process from ending neither.
fn endless(engine: Engine, seed: u64, outcome: &mut Outcome) -> Result<String> {
    let mut world = World::open(engine, seed)?;
    world.with_app(async |app| {
        Apply::new(&Hog {}).to(app.queue()).await?;
        Apply::new(&Poison { how: "loop".to_owned() }).to(app.queue()).await?;
        Ok(())
    })?;
    world.keep_workers(1)?;
    let began = Instant::now();
    while world.ledger().map_or(0, |ledger| ledger.poisoned.len()) < 2 {
        if began.elapsed() > PATIENCE {
            bail!("the loops do not begin");
        }
        thread::sleep(Duration::from_millis(20));
    }
    world.with_app(async |app| {
        for n in 0..INNOCENTS {
            Apply::new(&Work { n, millis: 10 }).to(app.queue()).await?;
        }
        Ok(())
    })?;
    let began = Instant::now();
    loop {
        let jobs = world.jobs()?;
        if jobs.iter().filter(|job| job.state == JobState::Completed).count() as u64 == INNOCENTS {
            break;
        }
        if began.elapsed() > PATIENCE {
            bail!("innocents do not run beside endless loops");
        }
        thread::sleep(Duration::from_millis(20));
    }
    let done = began.elapsed();
    let mut worker = world.workers.remove(0);
    worker.signal(Signal::TERM);
    let began = Instant::now();
    worker.wait(Duration::from_secs(30))?;
    let ended = began.elapsed();
    outcome.aim(ended <= Duration::from_secs(6), format!("with loops it ended after {ended:?}"));
    Ok(format!(
        "endless loops: {INNOCENTS} innocents done after {:.2} s, ended {:.2} s after the signal",
        done.as_secs_f64(),
        ended.as_secs_f64()
    ))
}
