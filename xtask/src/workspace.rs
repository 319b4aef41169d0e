//! The workspace on the disk, and cargo run in it.

use std::{
    env,
    ffi::OsString,
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
        // Of the cargo that runs us. Build scripts watch them: ring, and all that needs it, would be
        // compiled anew after every cargo that was started by hand.
        let of_package =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(of_package) {
                command.env_remove(name);
            }
        }
        // Relative to the folder that cargo is started in, which is not always the root.
        if let Some(target) = target_named() {
            command.env("CARGO_TARGET_DIR", self.root.join(target));
        }
        command
    }

    /// Where cargo puts the program `name`; `profile` is the folder's name.
    pub(crate) fn program(&self, profile: &str, name: &str) -> PathBuf {
        self.root.join(target_named().unwrap_or_else(|| "target".into())).join(profile).join(name)
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

/// The target folder that the environment names.
fn target_named() -> Option<OsString> {
    env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty())
}
