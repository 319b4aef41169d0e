//! `blocking_worker` as its documentation says: a process that enqueues and waits, another that
//! works, on one database.

use std::fs;

use crate::{databases::Database, program::Program};

#[test]
fn on_sqlite() {
    two_processes(&Database::sqlite());
}

#[cfg(feature = "postgres")]
#[test]
fn on_postgres() {
    if let Some(database) = Database::postgres() {
        two_processes(&database);
    }
}

#[cfg(feature = "mysql")]
#[test]
fn on_mysql() {
    if let Some(database) = Database::mysql() {
        two_processes(&database);
    }
}

fn two_processes(database: &Database) {
    let folder = tempfile::tempdir().unwrap();
    let start = |words: &[&str]| {
        Program::start("blocking_worker", folder.path(), Some(&database.url), words)
    };
    fs::write(folder.path().join("one.txt"), "a b c\nd e").unwrap();
    fs::write(folder.path().join("two.txt"), "").unwrap();

    // Enqueued while there is no worker, answered by one that is started later.
    let mut caller = start(&["one.txt", "two.txt"]);
    assert_eq!(caller.line(), "2 jobs are stored; a worker may be started at any time");
    let mut worker = start(&["worker"]);
    assert_eq!(worker.line(), "working until Ctrl-C");
    assert_eq!(caller.line(), "one.txt: 5 words");
    assert_eq!(caller.line(), "two.txt: 0 words");
    assert!(caller.wait().success());

    // And a second caller finds the worker idle.
    let mut caller = start(&["one.txt"]);
    assert_eq!(caller.line(), "1 jobs are stored; a worker may be started at any time");
    assert_eq!(caller.line(), "one.txt: 5 words");
    assert!(caller.wait().success());

    worker.terminate();
    assert!(worker.wait().success(), "a worker that is asked to stop ends well");
}
