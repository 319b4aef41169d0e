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

/// How cargo-deny comes to a machine; it takes minutes, so nothing does it unasked.
const INSTALL_DENY: [&str; 3] = ["install", "cargo-deny", "--locked"];

/// What an application may choose for taskx instead of the default, which the other steps compile.
const FEATURES: [&str; 3] = ["", "postgres", "mysql"];

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

/// Everything: `check`, each feature alone, `test`, `chaos`, the quick start, the newcomer's try, and where
/// their programs are installed the guide's pages and `deny`.
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
    report.step("chaos", || chaos(workspace, interrupt, permission, &[]))?;
    report.step("quick start", || quickstart(workspace, interrupt))?;
    report.step("newcomer", || newcomer(workspace, interrupt))?;
    if workspace.has("mdbook") {
        report.step("guide", || guide(workspace, interrupt))?;
    } else {
        eprintln!("\n==> LEFT OUT: the guide's pages, since mdbook is not installed");
    }
    if workspace.has_subcommand("deny") {
        report.step("licences and sources", || deny(workspace, interrupt, Permission::Never))?;
    } else {
        eprintln!("\n==> LEFT OUT: licences and sources, since cargo-deny is not installed");
        eprintln!("==> (cargo xtask deny --install)");
    }
    let verdict = report.finish();
    if let Some(counts) = counts {
        println!("{counts}");
    }
    verdict
}

/// Real worker processes under every fault; `orders` go to the program that makes them.
///
/// # Errors
/// When a server is missing, or a promise was not kept.
pub(crate) fn chaos(
    workspace: &Workspace,
    interrupt: &Interrupt,
    permission: Permission,
    orders: &[OsString],
) -> Result<()> {
    prerequisites::servers(interrupt, permission)?;
    let run = ["run", "--quiet", "--package", "taskx-chaos", "--"];
    let mut command = workspace.cargo(run);
    command.args(orders);
    interrupt.run(&mut command).and_then(succeeded)
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

/// Licences, bans and sources of all dependencies, as `deny.toml` allows them.
///
/// # Errors
/// When cargo-deny is missing and `--install` was not given, or finds fault.
pub(crate) fn deny(
    workspace: &Workspace,
    interrupt: &Interrupt,
    permission: Permission,
) -> Result<()> {
    if !workspace.has_subcommand("deny") {
        match permission {
            Permission::Sudo => {
                interrupt.run(&mut workspace.cargo(INSTALL_DENY)).and_then(succeeded)?;
            }
            Permission::WhenRoot | Permission::Never => {
                bail!("cargo-deny is not installed: cargo {}", INSTALL_DENY.join(" "))
            }
        }
    }
    let options = ["deny", "--workspace", "check", "--hide-inclusion-graph"];
    let mut command = workspace.cargo(options);
    command.args(["licenses", "bans", "sources"]);
    interrupt.run(&mut command).and_then(succeeded)
}
