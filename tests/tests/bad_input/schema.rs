//! The database's schema does not fit the program.

use rstest::rstest;
use taskx::ErrorKind;
use taskx_tests::Engine;

#[rstest]
#[tokio::test]
async fn a_newer_schema_is_refused_with_one_clear_line(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    database.app().name("known").build().await.unwrap().shutdown().await.unwrap();
    database.execute("UPDATE taskx_meta SET value = '99' WHERE name = 'generation'");
    for auto_migrate in [true, false] {
        let app = database.app().name("known").auto_migrate(auto_migrate);
        let error = app.build().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Schema);
        let text = taskx_core::error::chain(&error);
        assert!(text.contains("generation 99") && text.contains("upgrade"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[rstest]
#[tokio::test]
async fn a_missing_or_older_schema_names_the_command(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let build = || database.app().name("known").auto_migrate(false).build();
    let missing = build().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Schema);
    assert!(missing.to_string().contains("`taskx migrate`"), "{missing}");
    // Migrating by hand is a method too.
    let app = database.app().name("known").build().await.unwrap();
    app.migrate().await.unwrap();
    build().await.unwrap();
    database.execute("DELETE FROM taskx_migrations");
    let older = build().await.unwrap_err();
    assert_eq!(older.kind(), ErrorKind::Schema);
    assert!(older.to_string().contains("`taskx migrate`"), "{older}");
}
