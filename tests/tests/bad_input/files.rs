//! A SQLite file that is away, replaced, read-only or damaged: told clearly, never made anew in
//! silence, and no process ends.

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
};

use taskx::{
    Error, ErrorKind,
    inspect::{Inspect, JobFilter, Page},
};
use taskx_core::error::chain;
use taskx_tests::{Database, Engine, SOON};

use crate::Add;

/// What an enqueue is told.
async fn refusal(app: &taskx::App) -> Error {
    Add::apply(1, 2).to(app.queue()).await.unwrap_err()
}

async fn app(database: &Database) -> taskx::App {
    database.app().name("known").debug(false).build().await.unwrap()
}

#[tokio::test]
async fn no_file_is_made_where_one_was_to_be_there() {
    let database = Engine::Sqlite.database().unwrap();
    let gone = database.file("gone");
    for url in [
        format!("{}?mode=rw", database.url),
        format!("sqlite://{}/jobs.db", gone.display()),
        format!("sqlite://{}/jobs.db?mode=rw", gone.display()),
    ] {
        let error = database.app().database_url(&url).name("known").build().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{url}: {}", chain(&error));
        assert!(chain(&error).contains("jobs.db"), "{url}: {}", chain(&error));
        assert!(!database.path.exists() && !gone.exists(), "{url}");
    }
}

/// Moved away, and then another in its place: nobody is told that a job is stored which is not, and
/// once the file is back all goes on.
#[tokio::test]
async fn a_file_that_is_moved_or_replaced_is_told_and_not_written() {
    let database = Engine::Sqlite.database().unwrap();
    let app = app(&database).await;
    let worker = app.background_worker().start().await.unwrap();
    assert_eq!(Add::apply(1, 2).to(app.queue()).await.unwrap().wait(SOON).await.unwrap(), 3);

    let aside = database.file("aside.db");
    fs::rename(&database.path, &aside).unwrap();
    let error = refusal(&app).await;
    assert_eq!(error.kind(), ErrorKind::Store, "{}", chain(&error));
    assert!(chain(&error).contains("jobs.db` was moved or deleted"), "{}", chain(&error));
    let listed = app.queue().list(&JobFilter::default(), Page::default()).await.unwrap_err();
    assert!(chain(&listed).contains("was moved or deleted"), "{}", chain(&listed));
    assert!(!database.path.exists(), "an empty database was made in its place");

    fs::write(&database.path, "another").unwrap();
    let error = refusal(&app).await;
    assert_eq!(error.kind(), ErrorKind::Store, "{}", chain(&error));
    assert!(chain(&error).contains("was replaced by another file"), "{}", chain(&error));
    assert_eq!(fs::read_to_string(&database.path).unwrap(), "another");

    fs::rename(&aside, &database.path).unwrap();
    assert_eq!(Add::apply(3, 4).to(app.queue()).await.unwrap().wait(SOON).await.unwrap(), 7);
    worker.stop().await.unwrap();
}

/// Permissions bind nobody who is root; so this says something only for others.
#[tokio::test]
async fn a_file_that_may_only_be_read_is_told_at_the_start() {
    let database = Engine::Sqlite.database().unwrap();
    app(&database).await.shutdown().await.unwrap();
    let mut permissions = fs::metadata(&database.path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&database.path, permissions).unwrap();
    if fs::OpenOptions::new().write(true).open(&database.path).is_ok() {
        return;
    }
    let error = database.app().name("known").build().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{}", chain(&error));
    assert!(chain(&error).contains("jobs.db"), "{}", chain(&error));
}

/// The first page of the table of jobs is junk.
#[tokio::test]
async fn a_damaged_page_is_told_and_ends_nothing() {
    let database = Engine::Sqlite.database().unwrap();
    let first = app(&database).await;
    Add::apply(1, 2).to(first.queue()).await.unwrap();
    first.shutdown().await.unwrap();
    drop(first);
    let page = database.number("SELECT rootpage FROM sqlite_master WHERE name = 'taskx_jobs'");
    let size = database.number("SELECT page_size FROM pragma_page_size");
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    let before = fs::metadata(&database.path).unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(&database.path).unwrap();
    file.seek(SeekFrom::Start(u64::try_from((page - 1) * size).unwrap())).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(size).unwrap()]).unwrap();
    drop(file);

    let app = app(&database).await;
    let worker = app.background_worker().start().await;
    for _ in 0..3 {
        let error = refusal(&app).await;
        assert_eq!(error.kind(), ErrorKind::Store, "{}", chain(&error));
        assert!(chain(&error).contains("damaged"), "{}", chain(&error));
    }
    let listed = app.queue().list(&JobFilter::default(), Page::default()).await.unwrap_err();
    assert!(chain(&listed).contains("damaged"), "{}", chain(&listed));
    // What does not touch the page is answered.
    app.queue().workers().await.unwrap();
    match worker {
        Ok(worker) => drop(worker.stop().await.unwrap()),
        Err(error) => assert!(chain(&error).contains("damaged"), "{}", chain(&error)),
    }
    let after = fs::metadata(&database.path).unwrap();
    assert_eq!(after.ino(), before.ino(), "another file was made in its place");
}
