//! A secret in the arguments and in the database's URL is in no log line, no event, no error.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a task of a test may panic")]

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use taskx::prelude::*;
use taskx_core::{
    config::Config,
    error::chain,
    inspect::{Inspect, JobFilter, Page},
    job::NewJob,
    store::memory::MemoryStore,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// What must be nowhere.
const CANARY: &str = "canary-0451";

static SAID: OnceLock<Arc<Mutex<String>>> = OnceLock::new();

/// Everything that was said so far.
fn said() -> &'static Mutex<String> {
    SAID.get_or_init(Arc::default)
}

fn say(text: impl fmt::Display) {
    let mut said = said().lock().unwrap();
    said.push_str(&text.to_string());
    said.push('\n');
}

/// Keeps every field of every event and span.
struct Listener;

impl Visit for Listener {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        say(format!("{field}={value:?}"));
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Self);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Self);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Self);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[task(max_attempts = 1)]
async fn keep(secret: String, number: u64) -> Result<u64, fmt::Error> {
    match number {
        0 => Err(fmt::Error),
        1 => panic!("a panic of {} letters", secret.len()),
        _ => Ok(number),
    }
}

/// The secret as an argument that runs, fails, panics, does not decode, is too long.
async fn in_arguments() {
    let config = Config::default();
    let app = App::builder()
        .config(config)
        .debug(true)
        .set(|config| config.payload_limit = 10_000)
        .store(Arc::new(MemoryStore::new()))
        .subscribe(|event| say(format!("{event:?}")))
        .build()
        .await
        .unwrap();
    let worker = app.background_worker().only(["keep"]).start().await.unwrap();
    for number in 0..3 {
        let job = Keep::apply(CANARY, number).to(app.queue()).await.unwrap();
        say(format!("{job:?}"));
        if let Err(error) = job.wait(Duration::from_secs(10)).await {
            say(format!("{error:?} {}", chain(&error)));
        }
    }
    for payload in [
        format!("{{\"secret\":\"x\",\"number\":\"{CANARY}\"}}"),
        format!("{{\"secret\":{{\"{CANARY}\":1}},\"number\":1}}"),
        format!("{{{CANARY}"),
    ] {
        app.queue().insert(NewJob::new("default", "keep", payload)).await.unwrap();
    }
    let long = Keep::apply(CANARY.repeat(1_000), 2).to(app.queue()).await.unwrap_err();
    say(format!("{long:?} {}", chain(&long)));
    worker.wait_idle().await.unwrap();
    let jobs = app.queue().list(&JobFilter::default(), Page::default()).await.unwrap();
    assert_eq!(jobs.len(), 6);
    for job in jobs {
        say(format!("{:?} {:?}", job.reason, app.queue().attempts(job.id).await.unwrap()));
    }
    app.shutdown().await.unwrap();
}

/// The secret in URLs that cannot be used, or lead nowhere.
async fn in_urls() {
    for url in [
        format!("postgres://ada:{CANARY}@127.0.0.1:1/app"),
        format!("postgres://ada:{CANARY}@127.0.0.1:port/app"),
        format!("postgres://ada@127.0.0.1:1/app?password={CANARY}&what=ever"),
        format!("mysql://ada:{CANARY}@127.0.0.1:1/app"),
        format!("mysql://ada:{CANARY}@127.0.0.1:port/app"),
        format!("mysql://ada:{CANARY}@127.0.0.1:1/app?secret={CANARY}"),
        format!("oracle://ada:{CANARY}@127.0.0.1/app"),
        format!("sqlite://x?key={CANARY}"),
    ] {
        let mut config = Config::default();
        config.database_url = Some(url.clone());
        say(format!("{config:?}"));
        let builder = App::builder().config(config);
        say(format!("{builder:?}"));
        let Err(error) = builder.build().await else { panic!("{url} must not work") };
        say(format!("{error:?} {error} {}", chain(&error)));
    }
}

#[tokio::test]
async fn a_secret_is_nowhere() {
    tracing::subscriber::set_global_default(Listener).unwrap();
    // So that a canary that nobody looks for is no excuse: this one is found.
    tracing::info!(found = "canary-0000", "listening");
    in_arguments().await;
    in_urls().await;
    let said = said().lock().unwrap();
    assert!(said.contains("canary-0000") && said.contains("keep"), "nothing was heard");
    let told: Vec<_> = said.lines().filter(|line| line.contains(CANARY)).collect();
    assert!(told.is_empty(), "{told:#?}");
}
