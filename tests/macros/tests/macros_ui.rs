//! What the attribute macros accept, and what they say of each mistake.
//!
//! Half of the messages' words are the compiler's own and change with it, so they are compared on
//! one version only. After a change: `TRYBUILD=overwrite cargo test -p taskx-tests --test
//! macros_ui`, then read what it wrote.

use std::{env, process::Command};

/// The version whose messages are kept beside the cases.
const RUSTC: &str = "rustc 1.95.";

#[test]
fn declarations() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*/*.rs");
    if version.starts_with(RUSTC) {
        cases.compile_fail("ui/fail/*/*.rs");
    } else {
        println!(
            "LEFT OUT: the macros' error messages are compared on {RUSTC}x only, this is {version}"
        );
    }
}
