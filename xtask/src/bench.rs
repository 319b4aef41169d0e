//! `cargo xtask bench`: the bench, against servers of its own that keep what they have promised.

use std::ffi::OsString;

use anyhow::{Context, Result};
use xtask::servers::Durability;

use crate::{
    engines::Engines,
    interrupt::Interrupt,
    prerequisites::{self, Permission},
    report::succeeded,
    workspace::Workspace,
};

/// Compiles the bench, starts both servers with their default durability, runs it and ends them.
/// `arguments` go to the bench.
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
    if !Engines::all_named() {
        prerequisites::servers(interrupt, permission)?;
    }
    let engines = Engines::start(interrupt, Durability::Default)?;
    for line in engines.describe() {
        eprintln!("==> {line}");
    }
    let mut run = cargo("run");
    engines.export(&mut run);
    run.args(["--quiet", "--"]).args(arguments);
    interrupt.run(&mut run).and_then(succeeded)
}
