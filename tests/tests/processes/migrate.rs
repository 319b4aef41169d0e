//! Many processes that start at once bring the schema up to date once.

use rstest::rstest;
use taskx_tests::{Engine, SOON};

use crate::child;

#[rstest]
#[test]
fn eight_processes_migrate_at_once(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let mut children: Vec<_> = (0..8).map(|_| child(&database, &["migrate"], &[])).collect();
    for child in &children {
        child.line("ready");
    }
    for child in &mut children {
        child.tell("go");
    }
    for mut child in children {
        child.line("migrated");
        assert!(child.end(SOON).success());
    }
    assert_eq!(database.number("SELECT COUNT(*) FROM taskx_jobs"), 0);
    let versions = database.number("SELECT COUNT(DISTINCT version) FROM taskx_migrations");
    assert_eq!(database.number("SELECT COUNT(*) FROM taskx_migrations"), versions);
    assert!(versions > 0);
}
