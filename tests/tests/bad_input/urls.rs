//! URLs that lead nowhere, and databases that are away.

use std::time::{Duration, Instant};

use taskx::{App, Config, Error, ErrorKind};
use taskx_core::error::chain;

async fn build(url: &str) -> Error {
    let app = App::builder().config(Config::default()).database_url(url);
    app.build().await.unwrap_err()
}

#[tokio::test]
async fn a_wrong_url_says_what_is_wrong_and_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(&text, "this is no database, however long it is read").unwrap();
    for (url, part) in [
        ("", "empty"),
        ("redis://ada:secret@localhost/0", "redis"),
        ("sqlite:///nowhere/at/all/jobs.db", "/nowhere/at/all"),
        ("sqlite://jobs.db?cache=shared", "`cache`"),
        ("sqlite:///nowhere.db?mode=rw", "nowhere.db"),
        (text.to_str().unwrap(), "no SQLite database"),
    ] {
        let error = build(url).await;
        assert_eq!(error.kind(), ErrorKind::Config, "{url}: {}", chain(&error));
        let text = chain(&error);
        assert!(text.contains(part) && !text.contains("secret"), "{url}: {text}");
    }
}

#[tokio::test]
async fn a_driver_that_does_not_fit_the_url_is_told() {
    let app = App::builder().config(Config::default()).database_url("jobs.db");
    let app = app.set(|config| config.driver = Some(taskx_core::config::Driver::Postgres));
    let error = app.build().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("driver"), "{error}");
}

/// Without the engine's feature the mend is named; with it a server that is away is told soon.
#[rstest::rstest]
#[case("postgres", "postgres://ada:secret@127.0.0.1:1/app", cfg!(feature = "postgres"))]
#[case("mysql", "mysql://ada:secret@127.0.0.1:1/app", cfg!(feature = "mysql"))]
#[tokio::test]
async fn a_server_that_is_away_is_told_soon(
    #[case] feature: &str,
    #[case] url: &str,
    #[case] compiled_in: bool,
) {
    let started = Instant::now();
    let error = build(url).await;
    let text = chain(&error);
    assert!(!text.contains("secret"), "{text}");
    if compiled_in {
        assert_eq!(error.kind(), ErrorKind::Transient, "{text}");
        assert!(text.contains("127.0.0.1"), "{text}");
    } else {
        assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        assert!(text.contains(&format!("feature `{feature}`")), "{text}");
    }
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// The server is there, the database on it is not.
#[rstest::rstest]
#[case("TASKX_TEST_POSTGRES", "postgres", cfg!(feature = "postgres"))]
#[case("TASKX_TEST_MYSQL", "", cfg!(feature = "mysql"))]
#[tokio::test]
async fn a_database_that_is_not_there_is_named(
    #[case] variable: &str,
    #[case] database: &str,
    #[case] compiled_in: bool,
) {
    let Some(server) = std::env::var(variable).ok().filter(|_| compiled_in) else { return };
    let server = server.trim_end_matches('/').trim_end_matches(database).trim_end_matches('/');
    let error = build(&format!("{server}/nobody_made_this")).await;
    assert!(chain(&error).contains("nobody_made_this"), "{}", chain(&error));
}
