//! What an application gets with taskx: no C client, no OpenSSL, no database that it did not ask
//! for, and not ever more crates.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::{collections::BTreeSet, env, path::Path, process::Command};

/// Crates that ask for a C library of the system's.
const FOREIGN: [&str; 6] =
    ["pq-sys", "libpq", "mysqlclient-sys", "openssl-sys", "native-tls", "aws-lc-sys"];

/// The drivers, by feature.
const DRIVERS: [(&str, &str); 3] =
    [("sqlite", "libsqlite3-sys"), ("postgres", "tokio-postgres"), ("mysql", "mysql_async")];

/// More crates than an application with SQLite compiles today; a rise is a decision.
const MOST_CRATES: usize = 105;

#[test]
fn the_default_is_sqlite_alone() {
    let crates = tree(&[]);
    check(&crates, &["sqlite"]);
    assert!(crates.len() <= MOST_CRATES, "{} crates: {crates:?}", crates.len());
}

#[test]
fn a_feature_brings_its_driver_and_no_other() {
    for (feature, _) in DRIVERS {
        check(&tree(&["--no-default-features", "--features", feature]), &[feature]);
    }
    check(&tree(&["--no-default-features"]), &[]);
    check(&tree(&["--all-features"]), &["sqlite", "postgres", "mysql"]);
}

#[track_caller]
fn check(crates: &BTreeSet<String>, features: &[&str]) {
    for foreign in FOREIGN {
        assert!(!crates.contains(foreign), "{features:?} bring {foreign}");
    }
    for (feature, driver) in DRIVERS {
        assert_eq!(crates.contains(driver), features.contains(&feature), "{driver}: {features:?}");
    }
}

/// The names of the crates that are linked or run by the compiler for `taskx`, without those for
/// its tests.
fn tree(features: &[&str]) -> BTreeSet<String> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(cargo);
    command.args(["tree", "--package", "taskx", "--edges", "normal,build", "--prefix", "none"]);
    command.args(["--format", "{p}", "--locked"]).args(features).current_dir(workspace);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let crates: BTreeSet<_> =
        text.lines().filter_map(|line| line.split(' ').next()).map(ToOwned::to_owned).collect();
    assert!(crates.contains("taskx-core"), "{text}");
    crates
}
