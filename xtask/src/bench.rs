//! `cargo xtask bench`: the bench, against servers of its own that keep what they have promised.

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Context, Result};
use xtask::servers::Durability;

use crate::{
    engines::Engines,
    interrupt::Interrupt,
    prerequisites::{self, Permission},
    report::succeeded,
    workspace::Workspace,
};

/// Another job queue: its folder in `benches/peers`, and the engine that it is measured on.
#[derive(Debug, Clone, Copy)]
struct Peer {
    name: &'static str,
    engine: &'static str,
}

/// Those of `benches/peers` that have been run. fang and apalis_sqlite have been compiled only, and fang
/// needs libpq.
const PEERS: [Peer; 5] = [
    Peer { name: "effectum", engine: "sqlite" },
    Peer { name: "graphile_worker", engine: "postgres" },
    Peer { name: "awa", engine: "postgres" },
    Peer { name: "apalis_postgres", engine: "postgres" },
    Peer { name: "underway", engine: "postgres" },
];

/// Compiles the bench, starts both servers with their default durability, runs it and ends them.
/// `arguments` go to the bench; `--peers` among them stands for every other job queue that is
/// measured, each compiled by itself.
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
    let mut words = Vec::new();
    for word in arguments {
        if word != "--peers" {
            words.push(word.clone());
            continue;
        }
        for peer in PEERS {
            let program = build(workspace, interrupt, peer)?;
            let mut named = OsString::from(format!("{}:{}:", peer.name, peer.engine));
            named.push(program);
            words.extend(["--peer".into(), named]);
        }
    }
    if !Engines::all_named() {
        prerequisites::servers(interrupt, permission)?;
    }
    let engines = Engines::start(interrupt, Durability::Default)?;
    for line in engines.describe() {
        eprintln!("==> {line}");
    }
    let mut run = cargo("run");
    engines.export(&mut run);
    run.args(["--quiet", "--"]).args(words);
    interrupt.run(&mut run).and_then(succeeded)
}

/// Compiles a peer by its own lock file; gives its program. They share a target folder, and what
/// they depend on alike.
fn build(workspace: &Workspace, interrupt: &Interrupt, peer: Peer) -> Result<PathBuf> {
    let peers = workspace.root().join("benches/peers");
    let target = peers.join("target");
    let mut cargo = workspace.cargo(["build", "--release", "--locked"]);
    cargo.current_dir(peers.join(peer.name)).env("CARGO_TARGET_DIR", &target);
    interrupt
        .run(&mut cargo)
        .and_then(succeeded)
        .with_context(|| format!("build {}", peer.name))?;
    Ok(target.join("release").join(format!("peer-{}", peer.name.replace('_', "-"))))
}
