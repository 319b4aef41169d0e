//! `cargo xtask check`, `deny` and `ci`: what a change must pass.

use std::{ffi::OsString, process::Command};

use anyhow::{Result, bail};

use crate::{
    interrupt::Interrupt,
    newcomer::newcomer,
    prerequisites::{self, Permission},
    quickstart::quickstart,
    report::{Report, succeeded},
    test::{self, test},
    workspace::Workspace,
};

/// How cargo-deny comes to a machine that lacks it: this version, and without optimisation, since it
/// runs for a second and is compiled for minutes.
const INSTALL_DENY: [&str; 5] = ["install", "cargo-deny@0.20.2", "--locked", "--debug", "--root"];

/// Where it is put then, below the workspace's root.
const TOOLS: &str = "target/tools";

/// What is checked. Advisories are not: their database is on no registry.
const DENY: [&str; 6] =
    ["--workspace", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"];

/// The package, and its program.
const CHAOS: &str = "taskx-chaos";

/// What every change must survive, on each engine: a hundred killed workers, and a killed server.
const SURVIVAL: [&str; 4] = ["--only", "kill", "--only", "restart"];

/// What an application may choose for taskx instead of the default, which the other steps compile.
const FEATURES: [&str; 4] = ["", "cli", "postgres", "mysql"];

/// Format, lints and documentation. The features are those of `test`, so that the two share what
/// they compile.
///
/// # Errors
/// When a library is missing or a step fails.
pub(crate) fn check(
    workspace: &Workspace,
    interrupt: &Interrupt,
    permission: Permission,
) -> Result<()> {
    let mut report = Report::new(interrupt);
    report.step("packages", || prerequisites::libraries(interrupt, permission))?;
    check_steps(&mut report, workspace, interrupt)?;
    report.finish()
}

fn check_steps(report: &mut Report, workspace: &Workspace, interrupt: &Interrupt) -> Result<()> {
    report.step("format", || {
        interrupt.run(&mut workspace.cargo(["fmt", "--all", "--check"])).and_then(succeeded)
    })?;
    report.step("lints", || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--all-features"];
        let mut command = workspace.cargo(clippy);
        command.args(["--", "-D", "warnings"]);
        interrupt.run(&mut command).and_then(succeeded)
    })?;
    report.step("documentation", || {
        let mut command = workspace.cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        interrupt.run(&mut command).and_then(succeeded)
    })
}

/// `check`, each feature alone, `test`, the part of `chaos` that every change must pass, the quick
/// start, the newcomer's try, `deny`, and where mdbook is installed the guide's pages.
///
/// # Errors
/// When any step fails; the others are run all the same.
pub(crate) fn ci(
    workspace: &Workspace,
    interrupt: &Interrupt,
    permission: Permission,
) -> Result<()> {
    let mut report = Report::new(interrupt);
    report.step("packages", || prerequisites::all(interrupt, permission))?;
    check_steps(&mut report, workspace, interrupt)?;
    report.step("each feature alone", || each_feature_alone(workspace, interrupt))?;
    let mut counts = None;
    report.step("tests", || {
        let options = test::Options { permission, ..Default::default() };
        let tested = test(workspace, interrupt, &options)?;
        counts = Some(tested.counts.clone());
        tested.verdict()
    })?;
    report.step("chaos", || {
        let orders = SURVIVAL.map(OsString::from);
        chaos(workspace, interrupt, permission, &orders)
    })?;
    report.step("quick start", || quickstart(workspace, interrupt))?;
    report.step("newcomer", || newcomer(workspace, interrupt))?;
    if workspace.has("mdbook") {
        report.step("guide", || guide(workspace, interrupt))?;
    } else {
        eprintln!("\n==> LEFT OUT: the guide's pages, since mdbook is not installed");
    }
    report.step("licences and sources", || deny(workspace, interrupt))?;
    let verdict = report.finish();
    if let Some(counts) = counts {
        println!("{counts}");
    }
    verdict
}

/// Real worker processes under every fault; `orders` go to the program that makes them. A full run is
/// timed, and so optimised; any other is compiled together with the tests.
///
/// # Errors
/// When a server is missing, or a promise was not kept.
pub(crate) fn chaos(
    workspace: &Workspace,
    interrupt: &Interrupt,
    permission: Permission,
    orders: &[OsString],
) -> Result<()> {
    let program = if orders.iter().any(|word| word == "--full") {
        prerequisites::faults(interrupt, permission)?;
        let build = ["build", "--quiet", "--release", "--package", CHAOS];
        interrupt.run(&mut workspace.cargo(build)).and_then(succeeded)?;
        workspace.program("release", CHAOS)
    } else {
        prerequisites::servers(interrupt, permission)?;
        // With the features of `test`: Diesel is not compiled twice.
        let build =
            ["build", "--quiet", "--workspace", "--all-features", "--tests", "--bin", CHAOS];
        interrupt.run(&mut workspace.cargo(build)).and_then(succeeded)?;
        workspace.program("debug", CHAOS)
    };
    interrupt.run(Command::new(program).args(orders)).and_then(succeeded)
}

/// Compiles taskx with one database at a time, and with none: everything else compiles all of them
/// together, where code that lacks its `cfg` is not noticed.
///
/// # Errors
/// When one of them does not compile.
fn each_feature_alone(workspace: &Workspace, interrupt: &Interrupt) -> Result<()> {
    let mut broken = Vec::new();
    for feature in FEATURES {
        let check = ["check", "--package", "taskx", "--no-default-features", "--features", feature];
        if !interrupt.run(&mut workspace.cargo(check))?.success() {
            broken.push(format!("{feature:?}"));
        }
    }
    if !broken.is_empty() {
        bail!("taskx does not compile with the features {}", broken.join(", "));
    }
    Ok(())
}

/// The guide as pages, in `target/book`. Its code, tables and links are among the tests.
///
/// # Errors
/// When mdbook finds fault.
fn guide(workspace: &Workspace, interrupt: &Interrupt) -> Result<()> {
    let mut command = Command::new("mdbook");
    command.args(["build", "docs"]).current_dir(workspace.root());
    interrupt.run(&mut command).and_then(succeeded)
}

/// Licences, bans and sources of all dependencies, as `deny.toml` allows them. Where cargo-deny is
/// not installed, it is compiled into the target folder.
///
/// # Errors
/// When cargo-deny cannot be compiled, or finds fault.
pub(crate) fn deny(workspace: &Workspace, interrupt: &Interrupt) -> Result<()> {
    let mut command = if workspace.has_subcommand("deny") {
        workspace.cargo(["deny"])
    } else {
        let tools = workspace.root().join(TOOLS);
        let program = tools.join("bin/cargo-deny");
        if !program.exists() {
            interrupt.run(workspace.cargo(INSTALL_DENY).arg(&tools)).and_then(succeeded)?;
        }
        let mut command = Command::new(program);
        command.current_dir(workspace.root());
        command
    };
    interrupt.run(command.args(DENY)).and_then(succeeded)
}
