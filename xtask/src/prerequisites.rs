//! What the tests need from the system: found, installed from Debian's packages, or asked for.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Result, bail};
use rustix::process::geteuid;
use xtask::{servers::Engine, tools};

use crate::{interrupt::Interrupt, report::succeeded};

/// Whether missing packages may be installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Permission {
    /// As root, yes; else no.
    #[default]
    WhenRoot,
    /// Yes, by `sudo` when we are not root.
    Sudo,
    /// No.
    Never,
}

/// Installs with `$0 PACKAGE...`. Debian's `postgresql` would make a database cluster and serve it on
/// port 5432; the file that forbids it goes when the packages are there.
const INSTALL: &str = r#"
set -e
export DEBIAN_FRONTEND=noninteractive
folder=/etc/postgresql-common/createcluster.d
mkdir -p "$folder"
trap 'rm -f "$folder/taskx.conf"; rmdir --ignore-fail-on-non-empty "$folder" "${folder%/*}"' EXIT
echo 'create_main_cluster = false' >"$folder/taskx.conf"
apt-get update -q || echo 'apt-get update failed; trying with the lists that are there' >&2
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
"#;

/// Sees to it that the C client libraries are there which the tests link for Diesel's own
/// `PgConnection` and `MysqlConnection`.
///
/// # Errors
/// When something is missing and may not or cannot be installed: the message names the apt line.
pub(crate) fn libraries(interrupt: &Interrupt, permission: Permission) -> Result<()> {
    provide(interrupt, permission, missing_libraries)
}

/// Sees to it that both servers are there, and the libraries too.
///
/// # Errors
/// See [`libraries`].
pub(crate) fn all(interrupt: &Interrupt, permission: Permission) -> Result<()> {
    provide(interrupt, permission, || [missing_servers(), missing_libraries()].concat())
}

/// Sees to it that both servers are there.
///
/// # Errors
/// See [`libraries`].
pub(crate) fn servers(interrupt: &Interrupt, permission: Permission) -> Result<()> {
    provide(interrupt, permission, missing_servers)
}

/// Sees to it that both servers are there, and what clocks are set and cables laid with.
///
/// # Errors
/// See [`libraries`].
pub(crate) fn faults(interrupt: &Interrupt, permission: Permission) -> Result<()> {
    provide(interrupt, permission, || [missing_servers(), missing_tools()].concat())
}

fn provide(
    interrupt: &Interrupt,
    permission: Permission,
    missing: impl Fn() -> Vec<&'static str>,
) -> Result<()> {
    let packages = missing();
    if packages.is_empty() {
        return Ok(());
    }
    let debian = Path::new("/usr/bin/apt-get").exists();
    let mut command = match permission {
        _ if !debian => bail!("{}", request(&packages)),
        Permission::WhenRoot | Permission::Sudo if geteuid().is_root() => Command::new("sh"),
        Permission::Sudo => sudo(),
        Permission::WhenRoot | Permission::Never => bail!("{}", request(&packages)),
    };
    eprintln!("==> installing {}", packages.join(" "));
    let install = command.args(["-c", INSTALL, "taskx-install"]).args(&packages);
    if let Err(error) = interrupt.run(install).and_then(succeeded) {
        interrupt.check()?;
        bail!("{}\nThe installation failed: {error:#}", request(&packages));
    }
    let still = missing();
    if !still.is_empty() {
        bail!("installed, but not found: {}", still.join(" "));
    }
    Ok(())
}

/// Asks for no password: that would need the terminal, which programs that we run do not have.
fn sudo() -> Command {
    let mut command = Command::new("sudo");
    command.args(["-n", "sh"]);
    command
}

fn request(packages: &[&str]) -> String {
    format!(
        "What was asked for needs packages that are missing. On Debian:\n\n    \
         apt-get update && apt-get install -y --no-install-recommends {}\n\n\
         `--install` does that through sudo; `cargo xtask test --sqlite` does without.",
        packages.join(" ")
    )
}

fn missing_servers() -> Vec<&'static str> {
    let missing = Engine::ALL.into_iter().filter(|engine| !engine.is_installed());
    missing.flat_map(Engine::packages).copied().collect()
}

fn missing_tools() -> Vec<&'static str> {
    let needed = [("libfaketime", tools::libfaketime().is_some()), ("iproute2", tools::has_ip())];
    needed.into_iter().filter(|(_, is_there)| !is_there).map(|(package, _)| package).collect()
}

/// The packages without which pq-sys and mysqlclient-sys do not build.
fn missing_libraries() -> Vec<&'static str> {
    let found_by_variable = |name| env::var_os(name).is_some();
    let found_by = |program: &str, arguments: &[&str]| {
        let mut probe = Command::new(program);
        probe.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    };
    let in_pkg_config = |library| found_by("pkg-config", &["--exists", library]);

    let mut packages = Vec::new();
    let postgres = found_by_variable("PQ_LIB_DIR")
        || in_pkg_config("libpq")
        || found_by("pg_config", &["--libdir"]);
    if !postgres {
        packages.push("libpq-dev");
    }
    let mysql = found_by_variable("MYSQLCLIENT_LIB_DIR")
        || in_pkg_config("mysqlclient")
        || in_pkg_config("libmariadb")
        || found_by("mysql_config", &["--libs"]);
    if !mysql {
        packages.push("libmariadb-dev");
        // How mysqlclient-sys finds it.
        if !found_by("pkg-config", &["--version"]) {
            packages.push("pkg-config");
        }
    }
    packages
}
