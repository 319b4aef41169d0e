//! A database, the processes on it, and what has been done to them.

use std::{
    env,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use taskx::{
    Actor, App, Job, JobState,
    inspect::{Inspect, JobFilter, Page},
};
use taskx_core::config::Config;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use xtask::servers::{self, Durability, Server, Settings};

use crate::{
    engine::Engine,
    ledger::{Death, Deeds, Ledger, Verdict},
    roles::Orders,
    tasks::{self, micros},
};

/// How long everything may take to become quiet once nothing is broken any more.
const QUIET: Duration = Duration::from_secs(120);

/// Servers that a world has left whole, for the next one. Each world has a database of its own.
static IDLE: Mutex<Vec<Server>> = Mutex::new(Vec::new());

/// Ends the servers that are kept for another world.
pub(crate) fn end_servers() {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Another process of this program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) born: Instant,
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // It may be gone already; whoever cares waits for it.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            if began.elapsed() > limit {
                bail!("process {} has not ended within {limit:?}", self.pid());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Tells it to end, and waits for it.
    pub(crate) fn end(mut self) -> Result<()> {
        self.signal(Signal::TERM);
        self.wait(Duration::from_secs(30)).map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One database with everything on it.
pub(crate) struct World {
    pub(crate) engine: Engine,
    /// Straight to the database.
    pub(crate) url: String,
    /// What the processes use: perhaps through a proxy.
    pub(crate) detour: Option<String>,
    pub(crate) server: Option<Server>,
    pub(crate) lease: Duration,
    pub(crate) workers: Vec<Process>,
    pub(crate) producers: Vec<Process>,
    pub(crate) deeds: Deeds,
    /// The command line that a worker's own is given to: it may limit it, or put it elsewhere.
    pub(crate) around: Vec<String>,
    pub(crate) rng: fastrand::Rng,
    /// Whether the server goes with this world.
    own_server: bool,
    next_number: u64,
    runtime: Runtime,
    journal: PathBuf,
    /// Last: everything lives in it.
    _folder: TempDir,
}

impl World {
    /// A fresh database of a server as it is out of the box.
    pub(crate) fn open(engine: Engine, seed: u64) -> Result<Self> {
        Self::open_in(engine, seed, None)
    }

    /// A fresh database; with settings, of a server of its own.
    pub(crate) fn open_in(engine: Engine, seed: u64, settings: Option<&Settings>) -> Result<Self> {
        let folder = TempDir::new()?;
        let mut server = None;
        let url = match engine.server() {
            None => {
                let parent = settings.and_then(|settings| settings.parent.as_deref());
                let home = parent.unwrap_or_else(|| folder.path());
                format!("sqlite://{}", home.join("chaos.db").display())
            }
            Some(kind) => {
                let started = serve(kind, settings)?;
                let url = started.url();
                server = Some(started);
                let (base, _) = url.rsplit_once('/').context("a URL with a database")?;
                let name = format!("chaos{}", WORLDS.fetch_add(1, Ordering::SeqCst));
                engine.execute(&home_of(engine, &url), &[&format!("CREATE DATABASE {name}")])?;
                format!("{base}/{name}")
            }
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let journal = folder.path().join("journal");
        let world = Self {
            engine,
            detour: None,
            server,
            lease: Duration::from_secs(30),
            workers: Vec::new(),
            producers: Vec::new(),
            deeds: Deeds::default(),
            around: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
            own_server: settings.is_some(),
            next_number: 0,
            runtime,
            journal,
            url,
            _folder: folder,
        };
        drop(world.runtime.block_on(world.app())?);
        let table = "CREATE TABLE effects (n BIGINT NOT NULL, job VARCHAR(40) NOT NULL, fence BIGINT NOT NULL)";
        engine.execute(&world.url, &[table])?;
        Ok(world)
    }

    async fn app(&self) -> Result<App> {
        let journal = tasks::Journal::open(&self.journal)?;
        let builder = App::builder().config(Config::default()).debug(false).state(journal);
        Ok(builder.database_url(&self.url).build().await?)
    }

    /// Runs something with an App of this process.
    pub(crate) fn with_app<R>(&self, work: impl AsyncFnOnce(&App) -> Result<R>) -> Result<R> {
        self.runtime.block_on(async {
            let app = self.app().await?;
            let answer = work(&app).await;
            app.shutdown().await?;
            answer
        })
    }

    fn spawn(&self, role: &str, number: u64) -> Result<Process> {
        let orders = Orders {
            engine: self.engine,
            url: self.detour.clone().unwrap_or_else(|| self.url.clone()),
            journal: self.journal.clone(),
            number,
        };
        let program = env::current_exe()?;
        let mut command = match self.around.split_first().filter(|_| role == "work") {
            None => Command::new(program),
            Some((first, others)) => {
                let mut command = Command::new(first);
                command.args(others).arg(program);
                command
            }
        };
        command.arg(role).args(orders.words()).stdin(Stdio::null()).stdout(Stdio::null());
        if env::var_os("CHAOS_SHOW").is_none() {
            command.stderr(Stdio::null());
        }
        let child = command.spawn().context("a process cannot be started")?;
        Ok(Process { child, born: Instant::now() })
    }

    /// Sees to it that so many workers run.
    pub(crate) fn keep_workers(&mut self, count: usize) -> Result<()> {
        self.workers.retain_mut(|worker| worker.ended().is_none());
        while self.workers.len() < count {
            let lease = u64::try_from(self.lease.as_millis()).unwrap_or(30_000);
            self.workers.push(self.spawn("work", lease)?);
        }
        Ok(())
    }

    /// Sees to it that so many producers run.
    pub(crate) fn keep_producers(&mut self, count: usize) -> Result<()> {
        self.producers.retain_mut(|producer| producer.ended().is_none());
        while self.producers.len() < count {
            self.next_number += 1_000_000;
            self.producers.push(self.spawn("produce", self.next_number)?);
        }
        Ok(())
    }

    /// Starts one who operates the queue.
    pub(crate) fn operator(&self) -> Result<Process> {
        self.spawn("operate", 0)
    }

    /// Whether no process has ended.
    pub(crate) fn all_alive(&mut self) -> bool {
        let mut processes = self.workers.iter_mut().chain(&mut self.producers);
        processes.all(|process| process.ended().is_none())
    }

    /// Kills a worker as the kernel would.
    pub(crate) fn kill_worker(&mut self, at: usize) -> Result<()> {
        let mut worker = self.workers.remove(at);
        self.deeds.deaths.push(Death { pid: worker.pid(), at: micros() });
        worker.signal(Signal::KILL);
        worker.wait(Duration::from_secs(10)).map(drop)
    }

    /// A random time between two, in milliseconds.
    pub(crate) fn pause(&mut self, from: u64, to: u64) {
        thread::sleep(Duration::from_millis(self.rng.u64(from..=to)));
    }

    pub(crate) fn ledger(&self) -> Result<Ledger> {
        Ledger::read(&self.journal)
    }

    /// How many runs have begun so far.
    pub(crate) fn runs(&self) -> Result<usize> {
        Ok(if self.journal.exists() { self.ledger()?.begun.len() } else { 0 })
    }

    /// Waits until jobs flow.
    pub(crate) fn warm_up(&mut self, workers: usize, producers: usize) -> Result<()> {
        self.keep_workers(workers)?;
        self.keep_producers(producers)?;
        let began = Instant::now();
        let before = self.runs()?;
        while self.runs()? < before + 20 {
            if began.elapsed() > QUIET {
                bail!("no jobs run");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// How long until a run begins that had not begun at `after`.
    pub(crate) fn next_run(&mut self, after: u128) -> Result<Duration> {
        let began = Instant::now();
        while began.elapsed() < QUIET {
            if let Some(run) = self.ledger()?.begun.iter().find(|run| run.at > after) {
                return Ok(Duration::from_micros(u64::try_from(run.at - after).unwrap_or(0)));
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("no job runs again")
    }

    /// The end: no more is enqueued, nothing is broken, all runs to its end; then the ledger is
    /// compared. Quarantined jobs are redriven, as an operator would.
    pub(crate) fn settle_down(&mut self) -> Result<Verdict> {
        for producer in &self.producers {
            producer.signal(Signal::TERM);
        }
        for mut producer in std::mem::take(&mut self.producers) {
            producer.wait(Duration::from_secs(30))?;
        }
        self.detour = None;
        for _ in 0..3 {
            self.drain()?;
            if self.redrive()? == 0 {
                break;
            }
        }
        let jobs = self.jobs()?;
        let effects = "SELECT n AS a, COUNT(*) AS b FROM effects GROUP BY n";
        let effects = self.engine.pairs(&self.url, effects)?;
        let mut verdict = self.ledger()?.verify(&jobs, &effects, &self.deeds);
        self.until_begun()?;
        for worker in &self.workers {
            worker.signal(Signal::TERM);
        }
        for mut worker in std::mem::take(&mut self.workers) {
            let status = worker.wait(Duration::from_secs(10))?;
            if !status.success() {
                verdict.violations.push(format!("a worker that was told to stop: {status}"));
            }
        }
        let left = "SELECT COUNT(*) AS a, COUNT(*) AS b FROM taskx_jobs";
        if self.engine.pairs(&self.url, left)? != [(0, 0)] {
            verdict.violations.push("live jobs are left".to_owned());
        }
        Ok(verdict)
    }

    /// Waits until every worker has its row, before which it does not listen for signals.
    fn until_begun(&self) -> Result<()> {
        let began = Instant::now();
        for worker in &self.workers {
            let pid = worker.pid();
            let rows =
                format!("SELECT COUNT(*) AS a, COUNT(*) AS b FROM taskx_workers WHERE pid = {pid}");
            while self.engine.pairs(&self.url, &rows)? == [(0, 0)] {
                if began.elapsed() > QUIET {
                    bail!("worker {pid} does not begin");
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            self.keep_workers(3)?;
            let live = "SELECT COUNT(*) AS a, COUNT(*) AS b FROM taskx_jobs";
            if self.engine.pairs(&self.url, live)? == [(0, 0)] {
                return Ok(());
            }
            if began.elapsed() > QUIET {
                let jobs = self.jobs()?;
                let stuck: Vec<_> =
                    jobs.iter().filter(|job| !job.state.is_finished()).take(5).collect();
                bail!("jobs are still live after {QUIET:?}: {stuck:#?}");
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Gives innocents that were taken for poison another try; answers how many.
    fn redrive(&mut self) -> Result<usize> {
        let now = micros();
        let (redriven, innocents) = self.with_app(async |app| {
            let filter = JobFilter { states: vec![JobState::Quarantined], ..JobFilter::default() };
            let jobs = app.queue().list(&filter, Page { before: None, limit: 1_000 }).await?;
            let innocents: Vec<_> =
                jobs.iter().filter(|job| job.task != "poison").map(|job| job.id).collect();
            Ok((app.queue().retry(&innocents, &Actor("chaos".to_owned())).await?, innocents))
        })?;
        self.deeds.redriven.extend(innocents.iter().map(|id| (id.to_string(), now)));
        Ok(redriven)
    }

    /// Every job, live and finished.
    pub(crate) fn jobs(&self) -> Result<Vec<Job>> {
        self.with_app(async |app| {
            let (mut all, mut before) = (Vec::new(), None);
            loop {
                let page = Page { before, limit: 1_000 };
                let jobs = app.queue().list(&JobFilter::default(), page).await?;
                let Some(last) = jobs.last() else { return Ok(all) };
                before = Some(last.id);
                all.extend(jobs);
            }
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.workers.clear();
        self.producers.clear();
        if let Some(server) = self.server.take()
            && !self.own_server
            && server.pid().is_some()
        {
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(server);
        }
    }
}

static WORLDS: AtomicU32 = AtomicU32::new(0);

/// A server of this kind, one of its own if there are settings for it.
fn serve(kind: servers::Engine, settings: Option<&Settings>) -> Result<Server> {
    if let Some(settings) = settings {
        return Server::start_with(kind, settings);
    }
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = idle.iter().position(|server| server.engine() == kind) {
        return Ok(idle.remove(at));
    }
    drop(idle);
    Server::start(kind, Durability::Default)
}

/// The URL to make databases by.
fn home_of(engine: Engine, url: &str) -> String {
    match engine {
        Engine::Mysql => format!("{}/mysql", url.trim_end_matches('/')),
        _ => url.to_owned(),
    }
}
