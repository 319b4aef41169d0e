//! What the log knows of a job: one span for each attempt, around all that the task itself logs.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
};

use taskx::prelude::*;
use taskx_tests::{Engine, SOON};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Registry,
    layer::{Context, Layer, SubscriberExt as _},
    registry::LookupSpan,
};

#[task(app = "spans")]
async fn logs() {
    tracing::info!("before");
    tokio::task::yield_now().await;
    tracing::info!("after");
}

#[task(app = "spans")]
fn logs_on_a_thread() {
    tracing::info!("inside");
}

/// What it keeps: the number and the fields of the job's span around each event of this file.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(u64, String)>>>);

/// The fields of a span of a job.
#[derive(Clone, Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if span.metadata().name() == "job" {
            let mut fields = Fields::default();
            span.record(&mut fields);
            context.span(id).unwrap().extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() == module_path!() {
            let span = context.event_span(event).unwrap();
            let fields = span.extensions().get::<Fields>().cloned().unwrap();
            self.0.lock().unwrap().push((span.id().into_u64(), fields.0));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_is_one_span_around_what_its_task_logs() {
    let database = Engine::Sqlite.database().unwrap();
    let log = Log::default();
    // The worker's threads log too; other tests of this program log nothing from here.
    tracing::subscriber::set_global_default(Registry::default().with(log.clone())).unwrap();
    let app = database.app().name("spans").debug(false).build().await.unwrap();
    let worker = app.background_worker().start().await.unwrap();
    let first = Logs::apply().to(app.queue()).await.unwrap();
    first.wait(SOON).await.unwrap();
    let second = LogsOnAThread::apply().to(app.queue()).await.unwrap();
    second.wait(SOON).await.unwrap();
    worker.stop().await.unwrap();

    let log = log.0.lock().unwrap().clone();
    let [(one, before), (same, after), (other, on_a_thread)] = &log[..] else { panic!("{log:?}") };
    assert_eq!((one, before), (same, after), "one span over an await");
    assert_ne!(one, other);
    let told =
        |id: JobId, task: &str| format!("id={id} task=\"{task}\" queue=\"default\" attempt=1 ");
    assert_eq!(*before, told(first.id(), "logs"));
    assert_eq!(*on_a_thread, told(second.id(), "logs_on_a_thread"));
}
