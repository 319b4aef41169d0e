//! `cargo xtask chaos`: real worker processes under every fault that this machine can make, and a
//! ledger that says what was lost, done twice, or late.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod engine;
mod ledger;
mod proxy;
mod roles;
mod scenario;
mod tasks;
mod world;

use std::{env, process::ExitCode, time::Instant};

use anyhow::{Context, Result, bail};
use lexopt::{Arg, Parser, ValueExt};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{engine::Engine, roles::Orders, scenario::Size};

const HELP: &str = "\
cargo xtask chaos [--full] [--engine NAME]... [--only SCENARIO]... [--seed N]
    --engine    sqlite, postgres, mysql; by default all
    --only      kill, stop, term, restart, terminate, cut, outage, readonly, disk, mixed, poison,
                silent, clock, time; by default all but the last three, with --full all
    --full      the counts for a release
    --seed      of the run to be repeated; by default another each time
";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let outcome = match words.split_first() {
        Some((role, orders)) if role == "work" => child(orders, roles::work),
        Some((role, orders)) if role == "produce" => child(orders, roles::produce),
        Some((role, orders)) if role == "operate" => child(orders, roles::operate),
        _ => Request::parse().and_then(|request| run(&request)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A process that goes with the one that started it.
fn child(words: &[String], role: fn(&Orders) -> Result<()>) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    role(&Orders::parse(words)?)
}

struct Request {
    engines: Vec<Engine>,
    only: Vec<String>,
    size: Size,
    seed: u64,
}

impl Request {
    fn parse() -> Result<Self> {
        let mut request = Self {
            engines: Vec::new(),
            only: Vec::new(),
            size: Size::GATE,
            seed: fastrand::u64(..),
        };
        let mut parser = Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("engine") => request.engines.push(parser.value()?.string()?.parse()?),
                Arg::Long("only") => request.only.push(parser.value()?.string()?),
                Arg::Long("full") => request.size = Size::FULL,
                Arg::Long("seed") => request.seed = parser.value()?.parse()?,
                other => bail!("{}\n\n{HELP}", other.unexpected()),
            }
        }
        if request.engines.is_empty() {
            request.engines = Engine::ALL.to_vec();
        }
        if let Some(unknown) = request.only.iter().find(|name| !is_scenario(name)) {
            bail!("`{unknown}` is no scenario\n\n{HELP}");
        }
        Ok(request)
    }

    fn wants(&self, name: &str) -> bool {
        if self.only.is_empty() {
            return self.size.everything || !scenario::LEFT_OUT.contains(&name);
        }
        self.only.iter().any(|only| only == name)
    }
}

fn is_scenario(name: &str) -> bool {
    scenario::ALL.iter().any(|(known, _)| *known == name)
}

/// All that was asked for; a violation anywhere fails the run, after all of it was done.
fn run(request: &Request) -> Result<()> {
    println!("chaos: seed {}", request.seed);
    let began = Instant::now();
    let (mut violations, mut missed) = (0, 0);
    for engine in &request.engines {
        for (name, scenario) in scenario::ALL {
            if !request.wants(name) {
                continue;
            }
            let began = Instant::now();
            let outcome = scenario(*engine, request.size, request.seed)
                .with_context(|| format!("{engine} {name}, seed {}", request.seed))?;
            let Some(outcome) = outcome else {
                println!("{engine:8} {name:9} left out");
                continue;
            };
            let seconds = began.elapsed().as_secs_f64();
            println!("{engine:8} {name:9} {seconds:5.0} s  {}", outcome.done);
            for violation in outcome.violations.iter().take(20) {
                println!("{engine:8} {name:9} VIOLATION: {violation}");
            }
            for figure in &outcome.missed {
                println!("{engine:8} {name:9} MISSED: {figure}");
            }
            violations += outcome.violations.len();
            missed += outcome.missed.len();
        }
    }
    world::end_servers();
    let seconds = began.elapsed().as_secs_f64();
    println!("chaos: {violations} violations, {missed} figures missed, in {seconds:.0} s");
    if violations > 0 || (missed > 0 && request.size.everything) {
        bail!("{violations} violations, {missed} figures missed; seed {}", request.seed);
    }
    Ok(())
}
