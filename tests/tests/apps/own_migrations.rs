//! An application's own Diesel migrations and those of taskx share a database, and version numbers.

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use rstest::rstest;
use taskx_tests::{Database, Engine, SOON, with_connection};

use crate::{Diary, Plain};

/// Of the same versions, and the first of the same name, as the first ones of taskx.
const OWN: EmbeddedMigrations = embed_migrations!("own_migrations");

fn migrate_own(database: &Database) -> usize {
    with_connection!(database, conn => conn.run_pending_migrations(OWN).unwrap().len())
}

#[rstest]
#[tokio::test]
async fn migrations_of_the_same_versions_do_not_meet(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
    #[values(true, false)] own_first: bool,
) {
    let Some(database) = engine.database() else { return };
    let build = || database.app().state(Diary::default()).build();
    let app = if own_first {
        assert_eq!(migrate_own(&database), 2);
        build().await.unwrap()
    } else {
        let app = build().await.unwrap();
        assert_eq!(migrate_own(&database), 2);
        app
    };
    // Both again: both know that nothing is left to do.
    app.migrate().await.unwrap();
    assert_eq!(migrate_own(&database), 0);
    with_connection!(database, conn => taskx::migrate(&mut conn).unwrap());

    let shared = "SELECT COUNT(*) FROM taskx_migrations ours \
                  JOIN __diesel_schema_migrations theirs ON theirs.version = ours.version";
    assert!(database.number(shared) >= 1, "a version of both, applied by both");
    database.execute("INSERT INTO users VALUES (1, 'Ada')");
    database.execute("INSERT INTO notes VALUES (1, 1)");
    let worker = app.background_worker().start().await.unwrap();
    Plain::apply().to(app.queue()).await.unwrap().wait(SOON).await.unwrap();
    worker.stop().await.unwrap();

    // Taking one's own back takes nothing of taskx's.
    with_connection!(database, conn => {
        assert_eq!(conn.revert_all_migrations(OWN).unwrap().len(), 2);
    });
    assert_eq!(database.number("SELECT COUNT(*) FROM taskx_history"), 1);
}
