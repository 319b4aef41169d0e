//! The README's first program, tried as a newcomer tries it: a package of its own outside the
//! workspace, with taskx as its only dependency.

use std::{fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::{interrupt::Interrupt, report::succeeded, test::pass_on, workspace::Workspace};

/// What the program prints.
const GREETING: &str = "Hello, Ada!";

/// How long the program may run; it takes less than a second.
const LIMIT: Duration = Duration::from_secs(60);

/// Makes the package, compiles it, runs it, and checks what it prints and leaves.
///
/// # Errors
/// When it does not compile, fails, or does something else than greet.
pub(crate) fn newcomer(workspace: &Workspace, interrupt: &Interrupt) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("taskx-newcomer-").tempdir()?;
    let package = folder.path();
    let cargo = |words: &[&str]| {
        let mut command = workspace.cargo(words.iter().copied());
        // What it compiles is kept for the next time, and shared with the applications of taskx-cli's
        // tests, which say the same of debug information.
        command
            .current_dir(package)
            .env("CARGO_TARGET_DIR", workspace.root().join("target/newcomer"))
            .env("CARGO_PROFILE_DEV_DEBUG", "false");
        command.env_remove("DATABASE_URL").env_remove("TASKX_DATABASE_URL");
        command
    };
    let step = |words: &[&str]| {
        let status = interrupt.run(&mut cargo(words)).and_then(succeeded);
        status.with_context(|| format!("cargo {}", words.join(" ")))
    };
    step(&["init", "--quiet", "--vcs", "none", "--name", "newcomer"])?;
    let taskx = workspace.root().join("taskx");
    step(&["add", "--quiet", "--path", taskx.to_str().context("the path is not UTF-8")?])?;
    // The versions that everything else was tested with.
    fs::copy(workspace.root().join("Cargo.lock"), package.join("Cargo.lock"))?;
    let readme = fs::read_to_string(workspace.root().join("README.md"))?;
    let program = first_program(&readme).context("the README has no Rust program")?;
    fs::write(package.join("src/main.rs"), program)?;
    step(&["build", "--quiet"])?;

    let mut command = cargo(&["run", "--quiet"]);
    let mut lines = Vec::new();
    let status = interrupt.run_at_most(LIMIT, command.stdout(Stdio::piped()), |child| {
        pass_on(child, |line| lines.push(line.to_owned()))
    });
    status.and_then(succeeded).context("the README's first program")?;
    ensure!(lines == [GREETING], "it printed {lines:?} and not {GREETING:?}");
    ensure!(is_file(&package.join("taskx.db")), "it left no taskx.db");
    Ok(())
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0)
}

/// The first block of Rust.
fn first_program(readme: &str) -> Option<&str> {
    let (_, rest) = readme.split_once("\n```rust")?;
    let (_, rest) = rest.split_once('\n')?;
    rest.split_once("```").map(|(program, _)| program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_of_rust_is_the_program() {
        let readme =
            "# x\n```toml\na = 1\n```\n```rust,no_run\nfn main() {}\n```\n```rust\nno\n```";
        assert_eq!(first_program(readme), Some("fn main() {}\n"));
        assert_eq!(first_program("```toml\n```"), None);
    }
}
