//! Runs the cases: each run in a process of its own on a database of its own.

use std::{
    env,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use taskx_measure::{Measured, Order, Side, Work, drive::REST, latencies};

use crate::{
    cases::{Beside, Case, Program},
    site::{Counters, Database, Engine},
};

/// How long a worker of another process may take to be idle before its caller begins.
const READY: Duration = Duration::from_millis(1_500);

/// One run of one case.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) engine: Engine,
    pub(crate) case: String,
    /// Runs of the same pair follow one another closely.
    pub(crate) pair: usize,
    pub(crate) measured: Measured,
    pub(crate) server: Counters,
}

/// Runs every case on an engine, so many times in turn; each run is told as it ends.
pub(crate) async fn all(
    engine: Engine,
    cases: &[Case],
    pairs: usize,
    payload: usize,
    tell: impl Fn(&Run),
) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for pair in 0..pairs {
        let mut turn: Vec<&Case> = cases.iter().filter(|case| pair < case.most_pairs).collect();
        // What grows worse with time shall not always meet the same.
        if pair % 2 == 1 {
            turn.reverse();
        }
        for case in turn {
            let run = one(engine, case, pair, payload).await;
            match run.with_context(|| format!("{} on {engine}", case.name)) {
                Ok(run) => {
                    tell(&run);
                    runs.push(run);
                }
                // Another's failure is no reason to lose what was measured of the others.
                Err(error) if matches!(case.program, Program::Peer(_)) => eprintln!("{error:#}"),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(runs)
}

async fn one(engine: Engine, case: &Case, pair: usize, payload: usize) -> Result<Run> {
    let mut database = Database::make(engine).await?;
    let url = database.url();
    let payload = case.payload.unwrap_or(payload);
    let order = |work: &Work| Order { url: url.clone(), work: work.clone(), payload };
    // Plain SQL finds its schema and its jobs made by taskx.
    let maker = match &case.program {
        Program::Raw => &Program::Taskx,
        other => other,
    };
    maker.run(&order(&Work::Prepare))?;
    let snapshot = match case.beside {
        Beside::Snapshot => Some(database.hold_snapshot().await?),
        _ => None,
    };
    for work in &case.before {
        maker.run(&order(work))?;
    }
    database.settle().await?;
    let (measured, server) = match case.work {
        Work::Idle { lasts } => idle(case, &order, &mut database, lasts).await?,
        _ => {
            let before = database.counters().await?;
            let measured = measure(case, &order)?;
            (measured, database.counters().await?.since(&before))
        }
    };
    drop(snapshot);
    database.remove().await?;
    Ok(Run { engine, case: case.name.clone(), pair, measured, server })
}

/// A worker that waits. What its start and its end ask of the server is not counted.
async fn idle(
    case: &Case,
    order: &impl Fn(&Work) -> Order,
    database: &mut Database,
    lasts: Duration,
) -> Result<(Measured, Counters)> {
    let worker = case.program.start(&order(&case.work))?;
    tokio::time::sleep(REST + REST / 2).await;
    let before = database.counters().await?;
    tokio::time::sleep(lasts).await;
    let server = database.counters().await?.since(&before);
    Ok((end(worker)?, server))
}

fn measure(case: &Case, order: &impl Fn(&Work) -> Order) -> Result<Measured> {
    let program = &case.program;
    match case.beside {
        Beside::Nothing | Beside::Snapshot => program.run(&order(&case.work)),
        Beside::Others(others) => {
            let children = (0..=others)
                .map(|_| program.start(&order(&case.work)))
                .collect::<Result<Vec<_>>>()?;
            let ended = children.into_iter().map(end).collect::<Result<Vec<_>>>()?;
            Ok(together(&ended))
        }
        Beside::Worker => {
            let Work::Latency { jobs, .. } = case.work else {
                return program.run(&order(&case.work));
            };
            let worker = program.start(&order(&Work::Latency { jobs, side: Side::Worker }))?;
            std::thread::sleep(READY);
            let mut caller = program.run(&order(&case.work))?;
            let worker = end(worker)?;
            for (seen, of_worker) in caller.moments.iter_mut().zip(worker.moments) {
                seen.started = of_worker.started;
            }
            (caller.after_return, caller.after_call) = latencies(&caller.moments);
            caller.moments.clear();
            Ok(caller)
        }
    }
}

/// What several processes came to that began at about the same time.
fn together(all: &[Measured]) -> Measured {
    Measured {
        jobs: all.iter().map(|one| one.jobs).sum(),
        seconds: all.iter().map(|one| one.seconds).fold(0.0, f64::max),
        cpu: all.iter().map(|one| one.cpu).sum(),
        peak_rss: all.iter().map(|one| one.peak_rss).max().unwrap_or(0),
        written: all.iter().map(|one| one.written).sum(),
        ..Measured::default()
    }
}

impl Program {
    fn start(&self, order: &Order) -> Result<Child> {
        let ours = |mode| {
            let mut command = Command::new(env::current_exe()?);
            command.arg(mode);
            anyhow::Ok(command)
        };
        let mut command = match self {
            Self::Taskx => ours("taskx")?,
            Self::Raw => ours("raw")?,
            Self::Peer(path) => Command::new(path),
        };
        command.arg(serde_json::to_string(order)?).stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().context("start a program to be measured")
    }

    fn run(&self, order: &Order) -> Result<Measured> {
        end(self.start(order)?)
    }
}

/// Waits for a program, and reads what it tells in its last line.
fn end(child: Child) -> Result<Measured> {
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "the measured program failed: {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().last().context("the measured program said nothing")?;
    serde_json::from_str(line).with_context(|| format!("no measure: {line}"))
}
