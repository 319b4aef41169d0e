//! The same cases run by other job queues, each a program of its own (`benches/peers`), and what
//! taskx means to reach beside them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use taskx_measure::{Handler, Setting, Side, Work};

use super::{Bar, Case, Program, drain, fill, newcomer};
use crate::site::Engine;

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) engine: Engine,
    pub(crate) path: PathBuf,
}

impl Peer {
    /// Reads `NAME:ENGINE:PATH`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (name, rest) = text.split_once(':').context("a peer is NAME:ENGINE:PATH")?;
        let (engine, path) = rest.split_once(':').context("a peer is NAME:ENGINE:PATH")?;
        Ok(Self { name: name.to_owned(), engine: engine.parse()?, path: path.into() })
    }

    fn case(&self, name: &str, work: Work) -> Case {
        let case = Case::new(format!("{}: {name}", self.name), work);
        let most_pairs = if self.is_a_goal() { usize::MAX } else { GLIMPSES };
        Case { program: Program::Peer(self.path.clone()), ..case }.most_pairs(most_pairs)
    }

    fn is_a_goal(&self) -> bool {
        GOALS.iter().any(|(_, engine, peer, ..)| (*engine, *peer) == (self.engine, &*self.name))
    }
}

/// "At least so often the peer's rate": the case of taskx, the engine, the peer, the case of the
/// peer, the factor.
const GOALS: &[(&str, Engine, &str, &str, f64)] = &[
    ("64 callers", Engine::Sqlite, "effectum", "64 callers", 2.0),
    ("bulk", Engine::Sqlite, "effectum", "bulk", 2.0),
    ("drain 200k forgotten", Engine::Sqlite, "effectum", "drain 200k best", 4.0),
    ("drain 200k best", Engine::Sqlite, "effectum", "drain 200k best", 3.5),
    ("one by one", Engine::Postgres, "underway", "one by one", 1.2),
    ("64 callers", Engine::Postgres, "fang", "64 callers", 8.0),
    ("bulk", Engine::Postgres, "underway", "bulk", 2.5),
    ("drain 200k forgotten", Engine::Postgres, "graphile_worker", "drain 200k best", 2.0),
    ("drain 200k best", Engine::Postgres, "graphile_worker", "drain 200k best", 1.6),
];

/// How often those are measured beside which no goal is set: most are far slower, and each pair of them
/// takes minutes.
const GLIMPSES: usize = 2;

/// Those that enqueue in the caller's own transaction.
const IN_TRANSACTION: &[&str] = &["apalis_postgres", "apalis_sqlite", "awa", "underway"];

/// The cases of the peers on an engine; the goals are set to those of taskx.
pub(crate) fn add(cases: &mut Vec<Case>, engine: Engine, peers: &[Peer], share: u64) {
    let size = |jobs: u64| (jobs / share).max(100);
    let here = || peers.iter().filter(|peer| peer.engine == engine);
    for (case, of, peer, against, least) in GOALS {
        let measured = *of == engine && here().any(|one| one.name == *peer);
        for case in cases.iter_mut().filter(|one| measured && one.name == *case) {
            case.bars.push(Bar { against: format!("{peer}: {against}"), least: *least });
        }
    }
    let portions = Work::Portions { jobs: size(100_000), callers: 64, each: 100 };
    for peer in here() {
        if IN_TRANSACTION.contains(&&*peer.name) {
            let work = Work::InTransaction { jobs: size(2_000) };
            cases.push(peer.case("in a transaction", work));
        }
        let nothing = Handler::Nothing;
        let drained = |name: &str, jobs, setting| {
            peer.case(name, drain(jobs, setting)).before(fill(jobs, nothing))
        };
        cases.extend([
            peer.case("one by one", Work::OneByOne { jobs: size(2_000) }),
            peer.case("64 callers", Work::Callers { jobs: size(20_000), callers: 64 }),
            peer.case("bulk", Work::Bulk { jobs: size(100_000) }),
            peer.case("64 callers of 100", portions.clone()),
            peer.case("bulk of 4 KB", Work::Bulk { jobs: size(20_000) }).of_bytes(4_096),
            drained("drain 20k at 10", size(20_000), newcomer(10)).stopped_early(),
            drained("drain 20k best", size(20_000), Setting::Best).stopped_early(),
            drained("drain 200k best", size(200_000), Setting::Best).stopped_early(),
            drained("drain 20k of 4 KB", size(20_000), Setting::Best)
                .of_bytes(4_096)
                .stopped_early(),
            peer.case("drain 2k of 5 ms at 64", drain(size(2_000), newcomer(64)))
                .before(fill(size(2_000), Handler::Sleep))
                .stopped_early(),
            peer.case("latency", Work::Latency { jobs: size(500), side: Side::Both }),
        ]);
    }
}
