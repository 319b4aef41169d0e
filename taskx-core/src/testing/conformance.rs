//! What every store must do: one function a rule, its doc comment being the rule. The suite is the
//! contract; where it and another text differ, the suite is right.
//!
//! A backend implements [`Fixture`] for a fresh, empty, migrated database, and makes one test of
//! each rule by [`conformance!`](crate::conformance):
//!
//! ```ignore
//! async fn open() -> Option<MyFixture> { .. }   // None: no server is named; a failure panics
//! taskx_core::conformance!(open);
//! ```
//!
//! `None` leaves the rule out, says so loudly, and passes. It is for a server that nobody started;
//! a database that does not open must panic, or a broken store would pass every rule.
//!
//! A bug of a backend is first a new function here. A rule is `pub async fn rule(store: &dyn Store)`,
//! or, in the modules of several sessions, `pub async fn rule(db: &dyn Fixture)`; it is entered in
//! the list of [`conformance!`](crate::conformance). Rules never wait for time to pass: they
//! [travel](crate::store::Store::travel).
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a rule fails as a test does, by a panic"
)]

pub mod attempts;
pub mod birth;
pub mod cancel;
pub mod claim;
pub mod clock;
pub mod comeback;
pub mod fence;
pub mod fire;
pub mod fleet;
pub mod insert;
pub mod lease;
pub mod list;
pub mod operate;
pub mod overview;
pub mod park;
pub mod payload;
pub mod presence;
pub mod promote;
pub mod prune;
pub mod queues;
pub mod rescue;
mod rules;
pub mod schedules;
pub mod settle;
mod steps;
pub mod watch;

use std::{
    io::{self, Write as _},
    sync::Once,
    time::Duration,
};

use async_trait::async_trait;

use crate::{error::Result, store::Store};

/// A fresh, empty, migrated database for one rule, dropped with it.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// A session on it.
    fn store(&self) -> &dyn Store;

    /// Another session on the same database, as another process would open it.
    ///
    /// # Errors
    /// If it cannot be opened.
    async fn reopen(&self) -> Result<Box<dyn Store>>;

    /// Called when the rule was kept. A rule that was broken panics before; what must be cleaned up
    /// then belongs in `Drop`.
    async fn close(&self) {}
}

/// Looks whether a rule is kept. A store that never answers breaks it, after three minutes.
pub async fn check(rule: impl Future<Output = ()>) {
    let patience = Duration::from_secs(180);
    tokio::time::timeout(patience, Box::pin(rule)).await.expect("the store must answer");
}

/// Says that the rules were not checked because their engine is not at hand: once in a process, past
/// the test runner, which keeps what a passing test prints.
pub fn left_out(module: &str) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let suite = module.split("::").next().unwrap_or(module);
        // Who cannot be told is not told.
        let _ = writeln!(
            io::stderr(),
            "LEFT OUT: all rules of {suite}, whose engine is not at hand; `cargo xtask test` brings it"
        );
    });
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    /// A rule that is in no list is a test that nobody runs.
    #[test]
    fn every_rule_is_in_the_list() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testing/conformance");
        let list = fs::read_to_string(folder.join("rules.rs")).unwrap();
        let listed: BTreeSet<_> = list.split_whitespace().collect();
        let mut rules = 0;
        for file in fs::read_dir(&folder).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            for line in text.lines().filter_map(|line| line.strip_prefix("pub async fn ")) {
                let name = line.split('(').next().unwrap();
                assert!(listed.contains(name), "rule `{name}` is not in rules.rs");
                rules += 1;
            }
        }
        assert!(rules > 40, "only {rules} rules were found");
    }
}
