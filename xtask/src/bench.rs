//! `cargo xtask bench`: the bench, against servers of its own that keep what they have promised.

use std::{ffi::OsString, path::PathBuf, process::Command};

use anyhow::{Context, Result};
use xtask::servers::Durability;

use crate::{
    engines::Engines,
    interrupt::Interrupt,
    prerequisites::{self, Permission},
    report::succeeded,
    workspace::Workspace,
};

/// Another job queue: its folder in `benches/peers`, or its program in the folder `node`, and the
/// engine that it is measured on.
#[derive(Debug, Clone, Copy)]
struct Peer {
    name: &'static str,
    engine: &'static str,
    is_npm: bool,
}

const fn crates(name: &'static str, engine: &'static str) -> Peer {
    Peer { name, engine, is_npm: false }
}

const fn npm(name: &'static str) -> Peer {
    Peer { name, engine: "postgres", is_npm: true }
}

const PEERS: [Peer; 9] = [
    crates("effectum", "sqlite"),
    crates("apalis_sqlite", "sqlite"),
    crates("graphile_worker", "postgres"),
    crates("awa", "postgres"),
    crates("apalis_postgres", "postgres"),
    crates("underway", "postgres"),
    crates("fang", "postgres"),
    npm("graphile-worker"),
    npm("pg-boss"),
];

/// Compiles the bench, starts both servers with their default durability, runs it and ends them.
/// `arguments` go to the bench; `--peers` among them stands for every other job queue that is
/// measured, each compiled by itself. What no `--engine` among them asks for is neither started nor
/// compiled; to count instructions takes no server.
///
/// # Errors
/// When something is missing, does not compile, or the bench fails.
pub(crate) fn bench(
    workspace: &Workspace,
    interrupt: &Interrupt,
    permission: Permission,
    arguments: &[OsString],
) -> Result<()> {
    let cargo = |verb| workspace.cargo([verb, "--release", "--package", "taskx-benches"]);
    interrupt.run(&mut cargo("build")).and_then(succeeded).context("the build")?;
    let asked = engines(arguments);
    let is_asked = |engine: &str| asked.is_empty() || asked.contains(&engine);
    let has_peers = arguments.iter().any(|word| word == "--peers");
    if has_peers && is_asked("postgres") {
        // One of them links libpq.
        prerequisites::libraries(interrupt, permission)?;
    }
    let mut words = Vec::new();
    for word in arguments {
        if word != "--peers" {
            words.push(word.clone());
            continue;
        }
        let has_npm = workspace.has("npm");
        if !has_npm {
            eprintln!("==> LEFT OUT: the job queues of npm, since it is not installed");
        }
        let peers = PEERS.into_iter().filter(|peer| is_asked(peer.engine));
        for peer in peers.filter(|peer| has_npm || !peer.is_npm) {
            let program = match build(workspace, interrupt, peer) {
                Ok(program) => program,
                Err(error) => {
                    interrupt.check()?;
                    eprintln!("==> LEFT OUT: {}: {error:#}", peer.name);
                    continue;
                }
            };
            let mut named = OsString::from(format!("{}:{}:", peer.name, peer.engine));
            named.push(program);
            words.extend(["--peer".into(), named]);
        }
    }
    let mut run = cargo("run");
    run.args(["--quiet", "--"]).args(words);
    let counts = arguments.first().is_some_and(|word| word == "instructions");
    if counts || !is_asked("postgres") && !is_asked("mysql") {
        return interrupt.run(&mut run).and_then(succeeded);
    }
    if !Engines::all_named() {
        prerequisites::servers(interrupt, permission)?;
    }
    let engines = Engines::start(interrupt, Durability::Default)?;
    for line in engines.describe() {
        eprintln!("==> {line}");
    }
    engines.export(&mut run);
    interrupt.run(&mut run).and_then(succeeded)
}

/// The values of `--engine`.
fn engines(arguments: &[OsString]) -> Vec<&str> {
    let mut words = arguments.iter().filter_map(|word| word.to_str());
    let mut engines = Vec::new();
    while let Some(word) = words.next() {
        match word.strip_prefix("--engine") {
            Some("") => engines.extend(words.next()),
            Some(rest) => engines.extend(rest.strip_prefix('=')),
            None => {}
        }
    }
    engines
}

/// Compiles a peer by its own lock file, or has npm fetch it; gives its program. Those in Rust share a
/// target folder, and what they depend on alike.
fn build(workspace: &Workspace, interrupt: &Interrupt, peer: Peer) -> Result<PathBuf> {
    let peers = workspace.root().join("benches/peers");
    if peer.is_npm {
        let folder = peers.join("node");
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder);
        interrupt.run(&mut npm).and_then(succeeded).context("npm ci")?;
        return Ok(folder.join(peer.name).with_extension("mjs"));
    }
    let target = peers.join("target");
    let mut cargo = workspace.cargo(["build", "--release", "--locked"]);
    cargo.current_dir(peers.join(peer.name)).env("CARGO_TARGET_DIR", &target);
    interrupt
        .run(&mut cargo)
        .and_then(succeeded)
        .with_context(|| format!("build {}", peer.name))?;
    Ok(target.join("release").join(format!("peer-{}", peer.name.replace('_', "-"))))
}
