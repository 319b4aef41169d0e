//! The guard against slow decay: how many instructions a job costs in our process, on SQLite, whose
//! work is done there too. Wall time is noise on a shared machine; instructions are not.
//!
//! Each case is run twice under cachegrind, with few and with more jobs; the difference is what the
//! further jobs cost, without start and end.

use std::{collections::BTreeMap, env, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use taskx_measure::{Handler, Order, Setting, Work};

use crate::site::{Database, Engine};

/// What was recorded, in the repository.
const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");

/// How much more than recorded is let pass: threads meet in another order each time.
const SLACK: f64 = 1.10;

/// So few jobs ..
const FEW: u64 = 500;

/// .. and so many more.
const MORE: u64 = 2_000;

/// A case: what is done before it, and what is counted, for so many jobs.
struct Case {
    name: &'static str,
    before: fn(u64) -> Option<Work>,
    work: fn(u64) -> Work,
}

const CASES: [Case; 3] = [
    Case { name: "enqueue one by one", before: |_| None, work: |jobs| Work::OneByOne { jobs } },
    Case { name: "enqueue in bulk", before: |_| None, work: |jobs| Work::Bulk { jobs } },
    Case {
        name: "claim, run and settle",
        before: |jobs| {
            let handler = Handler::Nothing;
            Some(Work::Fill { jobs, elsewhere: false, later: false, handler })
        },
        work: |jobs| Work::Drain {
            jobs,
            setting: Setting::Default { concurrency: 10 },
            at_most: None,
            shared: false,
        },
    },
];

/// Counts, and holds the counts against the record or makes it.
///
/// # Errors
/// Without valgrind; when a case costs more than it may.
pub(crate) async fn guard(record: bool) -> Result<BTreeMap<String, u64>> {
    let mut counted = BTreeMap::new();
    for case in CASES {
        let few = count(&case, FEW).await?;
        let many = count(&case, FEW + MORE).await?;
        counted.insert(case.name.to_owned(), many.saturating_sub(few) / MORE);
    }
    if record {
        std::fs::write(RECORD, serde_json::to_string_pretty(&counted)? + "\n")?;
        return Ok(counted);
    }
    let recorded = std::fs::read_to_string(Path::new(RECORD)).context(RECORD)?;
    let recorded: BTreeMap<String, u64> = serde_json::from_str(&recorded)?;
    let worse: Vec<String> = counted
        .iter()
        .filter_map(|(name, now)| {
            let before = recorded.get(name)?;
            (*now as f64 > *before as f64 * SLACK)
                .then(|| format!("{name}: {now} instructions a job, {before} were recorded"))
        })
        .collect();
    ensure!(worse.is_empty(), "{}", worse.join("; "));
    Ok(counted)
}

async fn count(case: &Case, jobs: u64) -> Result<u64> {
    let database = Database::make(Engine::Sqlite).await?;
    let order = |work| Order { url: database.url(), work, payload: 100 };
    run(Command::new(env::current_exe()?), &order(Work::Prepare))?;
    if let Some(work) = (case.before)(jobs) {
        run(Command::new(env::current_exe()?), &order(work))?;
    }
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    valgrind.arg(env::current_exe()?);
    let told = run(valgrind, &order((case.work)(jobs)))?;
    database.remove().await?;
    // `==1234== I   refs:      31,543,366`
    let counted = told.lines().find_map(|line| {
        let (kind, count) = line.split_once("refs:")?;
        kind.trim_end().ends_with(" I").then_some(count)
    });
    let counted = counted.with_context(|| format!("valgrind counted nothing:\n{told}"))?;
    Ok(counted.trim().replace(',', "").parse()?)
}

/// Runs a program to its end; gives what it told on its second channel.
fn run(mut command: Command, order: &Order) -> Result<String> {
    command.arg("taskx").arg(serde_json::to_string(order)?);
    let output = command.output().with_context(|| format!("{:?}", command.get_program()))?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{:?}: {}\n{told}", command.get_program(), output.status);
    Ok(told)
}
