//! Sixteen processes fire one schedule of every second while they are killed at the slots' edges:
//! jobs and slots are the same.

use std::{
    collections::BTreeSet,
    env, thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rstest::rstest;
use taskx::{
    Job,
    inspect::{Inspect, JobFilter, Page},
};
use taskx_tests::{Child, Database, Engine, SOON, eventually};

use crate::child;

const PROCESSES: usize = 16;

/// How long it goes on, in seconds: `SLOTS_SECONDS`, or a short time that a gate can wait for.
fn length() -> u64 {
    env::var("SLOTS_SECONDS").map_or(15, |text| text.parse().unwrap())
}

struct Fleet<'a> {
    database: &'a Database,
    ledger: String,
    processes: Vec<Child>,
    killed: u32,
}

impl Fleet<'_> {
    fn start(&mut self) {
        let arguments = ["work", "ticks", "1", &self.ledger];
        self.processes.push(child(self.database, &arguments, &[("TASKX_DEBUG", "false")]));
    }

    /// Kills a process within 50 ms of the turn of a second, and starts another one.
    fn kill_one_at_the_edge(&mut self, turn: u64) {
        let offset = Duration::from_millis(u64::from(self.killed * 37 % 101));
        let edge = UNIX_EPOCH + Duration::from_secs(turn) + offset - Duration::from_millis(50);
        thread::sleep(edge.duration_since(now()).unwrap_or_default());
        self.processes.remove(self.killed as usize * 7 % PROCESSES).kill();
        self.killed += 1;
        self.start();
    }
}

fn now() -> SystemTime {
    SystemTime::now()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_slots_exactly(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("watcher").build().await.unwrap();
    let ledger = database.file("ledger").display().to_string();
    let mut fleet = Fleet { database: &database, ledger, processes: Vec::new(), killed: 0 };
    tokio::task::block_in_place(|| {
        (0..PROCESSES).for_each(|_| fleet.start());
        fleet.processes.iter().for_each(|process| drop(process.line("ready")));
        let started = Instant::now();
        let first = now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 2;
        for turn in first.. {
            if started.elapsed() >= Duration::from_secs(length()) {
                break;
            }
            fleet.kill_one_at_the_edge(turn);
        }
        for process in &fleet.processes[PROCESSES - 3..] {
            process.line("ready");
        }
    });
    // All die; what they left undone is done by one who comes after them.
    let killed = fleet.killed;
    let ledger = fleet.ledger;
    fleet.processes.into_iter().for_each(Child::kill);
    let last = child(&database, &["work", "ticks", "1", &ledger], &[]);
    let before = jobs(&app).await.len();
    let jobs = eventually("every job has ended", SOON, async || {
        let jobs = jobs(&app).await;
        (jobs.len() > before && jobs.iter().all(|job| job.state.is_finished())).then_some(jobs)
    })
    .await;
    last.kill();

    let slots: BTreeSet<i64> =
        jobs.iter().map(|job| job.extras.slot.unwrap().timestamp()).collect();
    let (first, end) = (*slots.first().unwrap(), *slots.last().unwrap());
    println!(
        "{engine:?}: {} jobs for the {} slots from {first} to {end}, {killed} processes killed",
        jobs.len(),
        end - first + 1
    );
    assert_eq!(jobs.len(), slots.len(), "no slot has two jobs");
    assert_eq!(slots.len() as i64, end - first + 1, "no slot is missing: {slots:?}");
    assert!(slots.len() as u64 >= length(), "{} slots", slots.len());
    assert!(u64::from(killed) + 1 >= length(), "{killed} kills");
}

/// The jobs of the schedule, live and finished.
async fn jobs(app: &taskx::App) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    loop {
        let page = Page { before: jobs.last().map(|job| job.id), limit: 1_000 };
        let filter = JobFilter { tasks: vec!["tick".to_owned()], ..JobFilter::default() };
        let more = app.queue().list(&filter, page).await.unwrap();
        if more.is_empty() {
            return jobs;
        }
        jobs.extend(more);
    }
}
