//! The workspace on the disk, and cargo run in it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

/// The workspace that this program was compiled in.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().context("xtask lies at the root of the file system")?;
        Ok(Self { root: root.to_owned() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `cargo ARGUMENTS` at the root of the workspace, by the cargo that runs us.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.root);
        // Relative to the folder that cargo is started in, which is not always the root.
        if let Some(target) = env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
            command.env("CARGO_TARGET_DIR", self.root.join(target));
        }
        command
    }

    /// Whether the program `name` is on the `PATH`.
    pub(crate) fn has(&self, name: &str) -> bool {
        let mut probe = Command::new(name);
        probe.arg("--version").current_dir(&self.root);
        probe.output().is_ok_and(|output| output.status.success())
    }

    /// Whether cargo knows the subcommand `name`, that is whether `cargo-name` is on the `PATH`.
    pub(crate) fn has_subcommand(&self, name: &str) -> bool {
        let mut probe = self.cargo([name, "--version"]);
        probe.output().is_ok_and(|output| output.status.success())
    }
}
