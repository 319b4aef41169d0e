//! The bench of taskx: the same cases on each engine through the public interface, beside plain SQL
//! on the same schema in the same run. `cargo xtask bench` starts the servers and runs it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod cases;
mod contestant;
mod instructions;
mod raw;
mod report;
mod run;
mod shop;
mod site;
mod tasks;

use std::{ffi::OsString, fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use lexopt::{Arg, Parser, ValueExt};

use crate::{
    cases::{Case, peers::Peer},
    run::Run,
    site::Engine,
};

const HELP: &str = "\
The bench of taskx.

taskx-bench instructions [--record]
    counts the instructions a job costs in our own code, by valgrind; fails if they are more than
    recorded in instructions.json

taskx-bench [--engine ENGINE].. [--case WORDS].. [--pairs N] [--quick] [--payload BYTES] [--json FILE]

    --engine ENGINE   sqlite, postgres or mysql; default all whose server is named by
                      TASKX_TEST_POSTGRES and TASKX_TEST_MYSQL
    --case WORDS      only cases whose name contains the words, and what they are held against
    --pairs N         how often each case is run, in turn with the others; default 5
    --quick           a tenth of the jobs, and no bar is judged
    --payload BYTES   of JSON that a job carries; default 100
    --json FILE       where every run is written
    --peer NAME:ENGINE:PATH   another job queue to be measured in turn, by its program
    --list            the names of the cases
";

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let program = words.first().and_then(|word| word.to_str()).map(str::to_owned);
    let outcome = match program.as_deref() {
        Some("taskx" | "raw") => contest(program.as_deref() == Some("raw")),
        Some("instructions") => {
            let record = words.iter().any(|word| word == "--record");
            runtime().and_then(|runtime| runtime.block_on(count(record)))
        }
        _ => Request::parse(words).and_then(|request| runtime()?.block_on(bench(&request))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// This process is one of those that are measured.
fn contest(raw: bool) -> Result<()> {
    let order = taskx_measure::order()?;
    let measured = runtime()?.block_on(async {
        // On a thread of the runtime, as an application's code is.
        tokio::spawn(async move {
            if raw { raw::run(&order).await } else { contestant::run(&order).await }
        })
        .await?
    })?;
    println!("{}", measured.to_line());
    Ok(())
}

async fn count(record: bool) -> Result<()> {
    for (case, instructions) in instructions::guard(record).await? {
        println!("{case}: {instructions} instructions a job");
    }
    Ok(())
}

/// What the command line asks for.
#[derive(Debug)]
struct Request {
    engines: Vec<Engine>,
    chosen: Vec<String>,
    pairs: usize,
    share: u64,
    payload: usize,
    json: Option<PathBuf>,
    list: bool,
    help: bool,
    peers: Vec<Peer>,
}

impl Request {
    fn parse(words: Vec<OsString>) -> Result<Self> {
        let mut request = Self {
            engines: Vec::new(),
            chosen: Vec::new(),
            pairs: 5,
            share: 1,
            payload: 100,
            json: None,
            list: false,
            help: false,
            peers: Vec::new(),
        };
        let mut parser = Parser::from_args(words);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("engine") => request.engines.push(parser.value()?.string()?.parse()?),
                Arg::Long("case") => request.chosen.push(parser.value()?.string()?),
                Arg::Long("pairs") => request.pairs = parser.value()?.parse()?,
                Arg::Long("quick") => request.share = 10,
                Arg::Long("payload") => request.payload = parser.value()?.parse()?,
                Arg::Long("json") => request.json = Some(parser.value()?.into()),
                Arg::Long("peer") => {
                    request.peers.push(Peer::parse(&parser.value()?.string()?)?);
                }
                Arg::Long("list") => request.list = true,
                Arg::Long("help") => request.help = true,
                other => bail!("{}\n\n{HELP}", other.unexpected()),
            }
        }
        if request.engines.is_empty() {
            request.engines = Engine::ALL.into_iter().filter(|one| one.is_at_hand()).collect();
        }
        Ok(request)
    }

    /// The cases of an engine that were chosen, with those that they are held against.
    fn cases(&self, engine: Engine) -> Vec<Case> {
        let mut all = cases::all(self.share);
        all.retain(|case| case.engines.contains(&engine));
        cases::peers::add(&mut all, engine, &self.peers, self.share);
        let named = |case: &&Case| {
            self.chosen.is_empty() || self.chosen.iter().any(|words| case.name.contains(words))
        };
        let bars = all.iter().filter(named).flat_map(|case| &case.bars);
        let against: Vec<&String> = bars.map(|bar| &bar.against).collect();
        let wanted = all.iter().filter(|case| named(case) || against.contains(&&case.name));
        wanted.cloned().collect()
    }
}

async fn bench(request: &Request) -> Result<()> {
    if request.help {
        print!("{HELP}");
        return Ok(());
    }
    let mut runs: Vec<Run> = Vec::new();
    let mut fine = true;
    for &engine in &request.engines {
        let cases = request.cases(engine);
        if request.list {
            cases.iter().for_each(|case| println!("{engine}: {}", case.name));
            continue;
        }
        let tell = |run: &Run| {
            eprintln!(
                "{engine} #{}: {}: {:.0} jobs/s",
                run.pair + 1,
                run.case,
                run.measured.rate()
            );
        };
        let of_engine = run::all(engine, &cases, request.pairs, request.payload, tell).await?;
        let pairs = if request.pairs == 1 { "pair" } else { "pairs" };
        let head = format!("{}, {} {pairs}", site::version(engine).await?, request.pairs);
        let (table, reached) = report::tables(&head, &cases, &of_engine, request.share == 1);
        println!("{table}");
        fine &= reached;
        runs.extend(of_engine);
    }
    if let Some(file) = &request.json {
        fs::write(file, serde_json::to_string_pretty(&runs)?)
            .with_context(|| file.display().to_string())?;
    }
    if !fine {
        eprintln!("a bar was missed");
    }
    Ok(())
}
