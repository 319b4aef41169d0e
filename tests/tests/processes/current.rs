//! Which queue is meant where none is named.

use taskx_tests::{Engine, SOON};

use crate::child;

#[test]
fn the_only_live_app_is_the_current_one() {
    let database = Engine::Sqlite.database().unwrap();
    let mut child = child(&database, &["current"], &[]);
    child.line("as it should be");
    assert!(child.end(SOON).success());
}
