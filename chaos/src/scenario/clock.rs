//! Clocks are set forward and back: of a worker, of the database, of the machine.

use std::{fs, path::PathBuf, thread, time::Duration};

use anyhow::{Context, Result};
use taskx::{Actor, schedule::IntervalTrigger};
use tempfile::TempDir;
use xtask::{
    servers::{Durability, Settings},
    tools,
};

use super::{Outcome, Size};
use crate::{engine::Engine, tasks::Beat, world::World};

/// By how many seconds against the true time, one after the other. The last is the furthest: what was
/// put off until a time that is taken back would wait until it comes again.
const STEPS: [i64; 3] = [-3_600, 600, 3_600];

/// How long each step lasts.
const LASTS: Duration = Duration::from_secs(6);

const SCHEDULE: &str = "every second";

/// A clock that some processes have instead of the machine's.
struct FalseClock {
    library: PathBuf,
    /// Holds the difference to the true time. All processes look into it at each question.
    file: PathBuf,
    _folder: TempDir,
}

impl FalseClock {
    /// `None` where libfaketime is not installed.
    fn make() -> Result<Option<Self>> {
        let Some(library) = tools::libfaketime() else { return Ok(None) };
        let folder = tempfile::Builder::new().permissions(open_to_all()).tempdir()?;
        let clock = Self { library, file: folder.path().join("clock"), _folder: folder };
        clock.set(0)?;
        Ok(Some(clock))
    }

    fn set(&self, seconds: i64) -> Result<()> {
        // Renamed into its place: nobody reads half of it.
        let next = self.file.with_extension("next");
        fs::write(&next, format!("{seconds:+}s\n")).context("set a clock")?;
        fs::rename(&next, &self.file).context("set a clock")
    }

    /// The variables of a process that has this clock.
    fn variables(&self) -> Vec<(String, String)> {
        let pairs = [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// What a worker's command line is given to, so that it has this clock.
    fn around(&self) -> Vec<String> {
        let variables = self.variables().into_iter().map(|(name, value)| format!("{name}={value}"));
        std::iter::once("env".to_owned()).chain(variables).collect()
    }
}

fn open_to_all() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o755)
}

/// One of three workers has another clock than the database; not on SQLite, whose clock is that of
/// its processes.
pub(super) fn worker(engine: Engine, _size: Size, seed: u64) -> Result<Option<Outcome>> {
    if engine == Engine::Sqlite {
        return Ok(None);
    }
    let Some(clock) = FalseClock::make()? else { return Ok(None) };
    let mut world = World::open(engine, seed)?;
    world.around = clock.around();
    world.keep_workers(1)?;
    world.around.clear();
    step(world, &clock, "a worker's clock", true)
}

/// The database's clock; on SQLite that of all its processes.
pub(super) fn database(engine: Engine, _size: Size, seed: u64) -> Result<Option<Outcome>> {
    let Some(clock) = FalseClock::make()? else { return Ok(None) };
    let mut settings = Settings::new(Durability::Default);
    settings.environment = clock.variables();
    let mut world = World::open_in(engine, seed, Some(&settings))?;
    if engine == Engine::Sqlite {
        world.around = clock.around();
    }
    step(world, &clock, "the database's clock", false)
}

/// A schedule fires every second and jobs flow, while the clock is set here and there. `punctual`:
/// whether each slot must run within a second of the true time.
fn step(
    mut world: World,
    clock: &FalseClock,
    whose: &str,
    punctual: bool,
) -> Result<Option<Outcome>> {
    world.warm_up(3, 1)?;
    let by = Actor("chaos".to_owned());
    world.with_app(async |app| {
        let trigger = IntervalTrigger::builder().seconds(1).build()?;
        Ok(app.queue().schedules().add(SCHEDULE, trigger, &Beat {}).save(&by).await?)
    })?;
    for seconds in STEPS {
        thread::sleep(LASTS);
        clock.set(seconds)?;
    }
    thread::sleep(LASTS);
    world.with_app(async |app| Ok(app.queue().schedules().remove(SCHEDULE, &by).await?))?;
    let verdict = world.settle_down()?;
    let rescued = verdict.rescued;
    let ledger = world.ledger()?;
    let jobs = world.jobs()?;
    let mut slots: Vec<_> = jobs.iter().filter_map(|job| job.extras.slot).collect();
    slots.sort_unstable();
    let fired = slots.len();
    slots.dedup();
    let late = ledger.lateness();
    let done = format!(
        "{whose} set {} times, {fired} slots fired, at most {:.2} s from the true time",
        STEPS.len(),
        late.as_secs_f64()
    );
    let mut outcome = Outcome::of(done, verdict);
    outcome.require(fired == slots.len(), format!("{} slots fired twice", fired - slots.len()));
    outcome.require(fired >= STEPS.len() * 3, format!("only {fired} slots fired"));
    outcome.require(rescued == 0, format!("{rescued} jobs were stolen from live workers"));
    if punctual {
        outcome.aim(late <= Duration::from_secs(1), format!("{late:?} from the true time"));
    }
    Ok(Some(outcome))
}
