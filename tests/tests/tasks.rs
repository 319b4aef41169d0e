//! What `#[task]` makes of a function, and that it runs.
#![expect(clippy::unwrap_used, reason = "a task of a test may panic")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use taskx::prelude::*;
use taskx_core::{
    config::Config,
    job::JobState,
    store::memory::MemoryStore,
    task::{Retention, Run, SettleMode, Task, TaskDef},
};

#[derive(Default)]
struct Outbox(Mutex<Vec<String>>);

trait Greet: Send + Sync {
    fn greet(&self, name: &str) -> String;
}

struct Polite;

impl Greet for Polite {
    fn greet(&self, name: &str) -> String {
        format!("Dear {name}")
    }
}

/// Sends one mail.
///
/// With a greeting.
#[task(
    name = "send-mail",
    alias = "mail",
    alias("post", "letter"),
    queue = "mail",
    priority = -5,
    max_attempts = 5,
    backoff = "linear 2s..1h",
    timeout = "1m 30s",
    settle = "each",
    retention = "7d"
)]
async fn email_task(
    to: String,
    outbox: &Outbox,
    #[arg(default = "no subject")] subject: &str,
    greeter: &dyn Greet,
    ctx: &Ctx,
    copies: Option<u32>,
) -> Result<usize> {
    let text = format!("{}: {subject} ({})", greeter.greet(&to), ctx.attempt());
    let copies = copies.unwrap_or(1);
    for _ in 0..copies {
        outbox.0.lock().unwrap().push(text.clone());
    }
    Ok(text.len())
}

#[task]
fn resize(width: u32, #[arg(default)] height: u32) -> anyhow::Result<u32> {
    anyhow::ensure!(height < 100, "too high");
    Ok(width * height)
}

#[task(app = "billing", retention = "none", backoff = squares)]
fn bill() {}

fn squares(attempt: u32) -> Duration {
    Duration::from_secs(u64::from(attempt).pow(2))
}

fn def<T: Task>() -> &'static TaskDef {
    T::DEF
}

#[test]
fn a_definition_holds_what_was_written() {
    let mail = def::<EmailTask>();
    assert_eq!((mail.name, mail.applier, mail.app), ("send-mail", "EmailTask", None));
    assert_eq!(mail.aliases, ["mail", "post", "letter"]);
    assert_eq!(mail.doc, "Sends one mail.\n\nWith a greeting.");
    assert_eq!((mail.package, mail.version), ("taskx-tests", env!("CARGO_PKG_VERSION")));
    let source = include_str!("tasks.rs");
    let line = source.lines().position(|line| line.starts_with("async fn email_task")).unwrap();
    assert_eq!(mail.line as usize, line + 1);
    assert!(mail.file.ends_with("tasks.rs"));
    assert!(matches!(mail.run, Run::Async(_)));
    assert!(mail.schedules.is_empty());
    let states: Vec<_> = mail.states.iter().map(|need| need().type_name).collect();
    assert_eq!(states, ["tasks::Outbox", "dyn tasks::Greet"]);
    let arguments: Vec<_> =
        mail.arguments.iter().map(|one| (one.name, one.type_name, one.default)).collect();
    assert_eq!(
        arguments,
        [("to", "String", false), ("subject", "&str", true), ("copies", "Option<u32>", true)]
    );
}

#[test]
fn options_are_those_given_and_the_defaults() {
    let given = def::<EmailTask>().options;
    assert_eq!((given.queue, given.priority, given.max_attempts), ("mail", -5, 5));
    assert_eq!(format!("{:?}", given.backoff), "linear 2s..1h");
    assert_eq!(given.timeout, Some(Duration::from_secs(90)));
    assert_eq!(given.settle, SettleMode::Each);
    assert_eq!(given.retention, Retention::For(Duration::from_secs(7 * 24 * 3600)));

    let defaults = def::<Resize>().options;
    assert_eq!((defaults.queue, defaults.priority, defaults.max_attempts), ("default", 0, 25));
    assert_eq!((defaults.timeout, defaults.settle), (None, SettleMode::Batch));
    assert_eq!(defaults.retention, Retention::App);
    assert!(matches!(def::<Resize>().run, Run::Blocking(_)));

    let bill = def::<Bill>();
    assert_eq!((bill.app, bill.options.retention), (Some("billing"), Retention::None));
    assert_eq!(bill.options.backoff.delay(7), Duration::from_secs(49));
}

#[test]
fn every_task_is_registered_once() {
    let mut names: Vec<_> = taskx_core::task::registered().map(|def| def.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["bill", "resize", "send-mail"]);
}

#[test]
fn arguments_are_an_object_by_name_and_may_be_missing() {
    let whole = EmailTask { to: "ada".to_owned(), subject: "Hello".to_owned(), copies: None };
    let text = serde_json::to_string(&whole).unwrap();
    assert_eq!(text, r#"{"to":"ada","subject":"Hello","copies":null}"#);
    let read: EmailTask = serde_json::from_str(r#"{"to":"ada","newer":1}"#).unwrap();
    assert_eq!((read.subject.as_str(), read.copies), ("no subject", None));
    let error = serde_json::from_str::<EmailTask>(r#"{"subject":"Hello"}"#).unwrap_err();
    assert!(error.to_string().starts_with("missing field `to`"), "{error}");
    let read: Resize = serde_json::from_str(r#"{"width":3}"#).unwrap();
    assert_eq!(read.height, 0);
}

#[test]
fn debug_output_shows_no_values() {
    let secret = EmailTask { to: "secret".to_owned(), subject: String::new(), copies: None };
    assert_eq!(format!("{secret:?}"), "EmailTask { .. }");
}

#[tokio::test]
async fn tasks_run_with_their_arguments_states_and_results() {
    let outbox = Arc::new(Outbox::default());
    let app = App::builder()
        .config(Config::default())
        .store(Arc::new(MemoryStore::new()))
        .state_arc(outbox.clone())
        .state_arc::<dyn Greet>(Arc::new(Polite))
        .build()
        .await
        .unwrap();
    let worker = app.background_worker().start().await.unwrap();
    let limit = Duration::from_secs(30);

    let mail = EmailTask::apply("Ada", "Hello", Some(2)).to(app.queue()).await.unwrap();
    assert_eq!(mail.wait(limit).await.unwrap(), "Dear Ada: Hello (1)".len());
    assert_eq!(*outbox.0.lock().unwrap(), ["Dear Ada: Hello (1)", "Dear Ada: Hello (1)"]);

    let area = Resize { width: 6, height: 7 }.enqueue().to(app.queue()).await.unwrap();
    assert_eq!(area.wait(limit).await.unwrap(), 42);

    let refused = Resize::apply(1, 100).max_attempts(1).to(app.queue()).await.unwrap();
    let error = refused.wait(limit).await.unwrap_err().to_string();
    assert!(error.contains("too high"), "{error}");
    assert_eq!(refused.status().await.unwrap(), Some(JobState::Discarded));
    worker.stop().await.unwrap();
}
