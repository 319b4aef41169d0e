//! What keeps a worker from starting is told at once, all of it, with its place and the mend.

use taskx::{App, BackgroundTaskWorker, BlockingTaskWorker, ErrorKind};
use taskx_tests::Engine;

async fn error(
    app: &App,
    change: impl FnOnce(BackgroundTaskWorker) -> BackgroundTaskWorker,
) -> String {
    let error = change(app.background_worker()).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    error.to_string()
}

async fn app(name: &str) -> App {
    let database = Engine::Sqlite.database().unwrap();
    let app = database.app().database_url(":memory:").name(name).build().await.unwrap();
    drop(database);
    app
}

#[tokio::test]
async fn missing_states_are_listed_with_their_places() {
    let text = error(&app("stateful").await, |worker| worker).await;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for (line, task, state) in
        [(lines[0], "needier", "dyn"), (lines[1], "needy", "Left"), (lines[2], "needy", "Right")]
    {
        assert!(line.contains("bad_input/main.rs:"), "{line}");
        assert!(line.contains(&format!("`{task}`")) && line.contains(state), "{line}");
        assert!(line.contains(".state(..)"), "{line}");
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let text = error(&app("clashing").await, |worker| worker).await;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for (line, parts) in lines.iter().zip([
        ["task name `first_at_night` is used 2 times", "#[task(name = "],
        ["`first_at_night` takes", ".state(..)"],
        ["schedule name `nightly` is used at", "schedule = "],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
        assert!(line.contains("bad_input/main.rs:"), "{line}");
    }
}

#[tokio::test]
async fn an_app_without_tasks_says_how_to_link_them() {
    let text = error(&app("nobody's").await, |worker| worker).await;
    assert!(text.contains("`nobody's`") && text.contains("use my_tasks as _;"), "{text}");
}

#[tokio::test]
async fn names_that_no_task_has_are_told() {
    let text = error(&app("known").await, |worker| worker.only(["adds"]).except(["sub"])).await;
    assert!(text.contains("`adds`") && text.contains("`sub`") && text.contains("add"), "{text}");
}

#[tokio::test]
async fn bad_settings_of_a_worker_are_told() {
    let known = app("known").await;
    let text = error(&known, |worker| worker.concurrency(0)).await;
    assert!(text.starts_with("concurrency:"), "{text}");
    let text = error(&known, |worker| worker.queues([("work", 0)])).await;
    assert!(text.starts_with("queues: work=0"), "{text}");
    let text = error(&known, |worker| worker.lease(std::time::Duration::from_millis(1))).await;
    assert!(text.starts_with("lease:"), "{text}");
}

#[tokio::test]
async fn a_worker_without_an_application_says_what_it_needs() {
    let background = BackgroundTaskWorker::new().start().await.unwrap_err();
    let blocking = BlockingTaskWorker::new().run().await.unwrap_err();
    for error in [background, blocking] {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(".init_app(&app)"), "{error}");
    }
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_connection_of_another_engine_is_told_with_its_place() {
    let Some(database) = Engine::Postgres.database() else { return };
    let app = database.app().name("connected").build().await.unwrap();
    let text = error(&app, |worker| worker).await;
    assert!(text.contains("bad_input/main.rs:"), "{text}");
    assert!(text.contains("SqliteConnection") && text.contains("PostgreSQL"), "{text}");
    assert!(text.contains(".except([\"connected\"])"), "{text}");
    let none = error(&app, |worker| worker.except(["connected"])).await;
    assert!(none.contains("leave no task"), "{none}");
}
