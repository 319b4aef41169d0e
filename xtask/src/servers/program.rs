//! Where the programs of a server lie on this machine.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::Engine;

/// Where Debian keeps one `bin` per major version of PostgreSQL, off the `PATH`.
const DEBIAN_POSTGRES: &str = "/usr/lib/postgresql";

/// The two programs that an engine needs: one makes the data directory, the other serves it.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) install: PathBuf,
    pub(super) serve: PathBuf,
}

impl Programs {
    /// Looks in Debian's directories (the newest PostgreSQL first) and on the `PATH`.
    pub(super) fn find(engine: Engine) -> Result<Self> {
        let (install, serve) = match engine {
            Engine::Postgres => ("initdb", "postgres"),
            Engine::MariaDb => ("mariadb-install-db", "mariadbd"),
        };
        for directory in directories(engine) {
            let found = Self { install: directory.join(install), serve: directory.join(serve) };
            if found.install.is_file() && found.serve.is_file() {
                return Ok(found);
            }
        }
        // Some systems keep the two apart: `bin` and `sbin`.
        let on_path = |name| directories(engine).map(|dir| dir.join(name)).find(|f| f.is_file());
        match (on_path(install), on_path(serve)) {
            (Some(install), Some(serve)) => Ok(Self { install, serve }),
            _ => bail!(
                "{engine} is not installed; on Debian: apt-get install -y --no-install-recommends {}",
                engine.packages().join(" ")
            ),
        }
    }

    /// What `--version` of the server prints.
    pub(super) fn version(&self) -> Result<String> {
        let output = Command::new(&self.serve)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} cannot be run", self.serve.display()))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// The directories to look in, best first.
fn directories(engine: Engine) -> impl Iterator<Item = PathBuf> {
    let mut versions = match engine {
        Engine::Postgres => postgres_versions(Path::new(DEBIAN_POSTGRES)),
        Engine::MariaDb => Vec::new(),
    };
    versions.sort_unstable_by_key(|&(version, _)| std::cmp::Reverse(version));
    let path = env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    let on_path: Vec<PathBuf> = env::split_paths(&path).collect();
    // Servers are often in `sbin`, which an ordinary user's `PATH` lacks.
    let system = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"].map(PathBuf::from);
    versions.into_iter().map(|(_, bin)| bin).chain(on_path).chain(system)
}

/// The `bin` of each major version below `root`.
fn postgres_versions(root: &Path) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect()
}
