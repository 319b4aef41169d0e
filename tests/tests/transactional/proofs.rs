//! What must hold on every connection.

use std::{
    io::Error,
    sync::{
        Mutex,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use taskx::{App, AppBuilder, Ctx, Job, JobId, JobState, Layer, Next, Verdict, inspect::Inspect};
use taskx_tests::{Database, Engine, SOON, eventually};
use tokio::sync::watch;

use crate::{
    Then,
    tasks::{Gate, Tasks},
};

/// A database with a table for effects, and a worker.
struct Scene {
    app: App,
    here: Receiver<()>,
    gate: watch::Sender<bool>,
    /// Removed last.
    database: Database,
}

impl Scene {
    async fn new(engine: Engine, tasks: &Tasks) -> Option<Self> {
        Self::with(engine, tasks, |app| app).await
    }

    async fn with(
        engine: Engine,
        tasks: &Tasks,
        set_up: impl FnOnce(AppBuilder) -> AppBuilder,
    ) -> Option<Self> {
        let database = engine.database()?;
        let (sender, here) = channel();
        let (gate, open) = watch::channel(false);
        let app = database.app().name(tasks.app).state(Gate { here: Mutex::new(sender), open });
        let app = set_up(app.debug(false)).build().await.unwrap();
        database.execute("CREATE TABLE effects (job VARCHAR(40) NOT NULL, fence BIGINT NOT NULL)");
        app.background_worker().queues([("write", 4)]).start().await.unwrap();
        Some(Self { app, here, gate, database })
    }

    fn effects(&self) -> i64 {
        self.database.number("SELECT COUNT(*) FROM effects")
    }

    async fn job(&self, id: JobId) -> Job {
        self.app.queue().find(id).await.unwrap().unwrap()
    }

    async fn ended(&self, id: JobId) -> Job {
        self.app.queue().wait_finished(id, SOON).await.unwrap()
    }

    async fn errors(&self, id: JobId) -> Vec<(String, String)> {
        let attempts = self.app.queue().attempts(id).await.unwrap();
        attempts.into_iter().map(|one| (one.outcome, one.error)).collect()
    }

    async fn close(self) {
        self.app.shutdown().await.unwrap();
        drop(self.database);
    }
}

pub(crate) async fn effects_and_completion_are_seen_together(engine: Engine, tasks: &Tasks) {
    let Some(scene) = Scene::new(engine, tasks).await else { return };
    let id = (tasks.write)(scene.app.queue(), Then::WaitForGate).unwrap();
    scene.here.recv_timeout(SOON).unwrap();
    // It has written, and nobody sees it; nor is the job done.
    assert_eq!(scene.effects(), 0);
    assert_eq!(scene.job(id).await.state, JobState::Running);
    scene.gate.send(true).unwrap();
    // One statement sees both or neither.
    let both = "SELECT (SELECT COUNT(*) FROM effects) * 10 + (SELECT COUNT(*) FROM taskx_history)";
    eventually("both are there", SOON, async || match scene.database.number(both) {
        0 => None,
        both => {
            assert_eq!(both, 11);
            Some(())
        }
    })
    .await;
    let job = scene.ended(id).await;
    assert_eq!(
        (job.state, job.attempt, job.result.as_deref()),
        (JobState::Completed, 1, Some("1"))
    );
    assert_eq!(scene.errors(id).await, []);
    #[cfg(feature = "postgres")]
    if engine == Engine::Postgres {
        let same = "SELECT COUNT(*) FROM effects e JOIN taskx_history h ON h.xmin = e.xmin";
        assert_eq!(scene.database.number(same), 1, "one transaction wrote both rows");
    }
    scene.close().await;
}

pub(crate) async fn a_failure_rolls_both_back(engine: Engine, tasks: &Tasks) {
    let Some(scene) = Scene::new(engine, tasks).await else { return };
    for (then, kind, text) in
        [(Then::Fail, "error", "told to fail"), (Then::Panic, "panic", "told to panic")]
    {
        let id = (tasks.write)(scene.app.queue(), then).unwrap();
        let job = scene.ended(id).await;
        assert_eq!((job.state, job.attempt, job.result), (JobState::Discarded, 2, None));
        let errors = scene.errors(id).await;
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors.iter().all(|(k, e)| k == kind && e.contains(text)), "{errors:?}");
        assert_eq!(scene.effects(), 0);
    }
    // The connections are as good as new.
    let id = (tasks.write)(scene.app.queue(), Then::Succeed).unwrap();
    assert_eq!(scene.ended(id).await.state, JobState::Completed);
    assert_eq!(scene.effects(), 1);
    scene.close().await;
}

pub(crate) async fn a_second_attempt_writes_once(engine: Engine, tasks: &Tasks) {
    let Some(scene) = Scene::new(engine, tasks).await else { return };
    let ids: Vec<_> =
        (0..12).map(|_| (tasks.write)(scene.app.queue(), Then::FailOnce).unwrap()).collect();
    for id in ids {
        let job = scene.ended(id).await;
        assert_eq!((job.state, job.attempt), (JobState::Completed, 2), "{:?}", job.reason);
        assert_eq!(scene.errors(id).await.len(), 1);
    }
    assert_eq!(scene.effects(), 12);
    assert_eq!(scene.database.number("SELECT COUNT(*) FROM effects WHERE fence = 2"), 12);
    scene.close().await;
}

pub(crate) async fn what_it_enqueues_goes_with_it(engine: Engine, tasks: &Tasks) {
    let Some(scene) = Scene::new(engine, tasks).await else { return };
    let followers = "SELECT COUNT(*) FROM taskx_jobs WHERE queue = 'follow'";
    let fails = (tasks.write)(scene.app.queue(), Then::EnqueueAndFail).unwrap();
    assert_eq!(scene.ended(fails).await.state, JobState::Discarded);
    assert_eq!((scene.effects(), scene.database.number(followers)), (0, 0));
    let succeeds = (tasks.write)(scene.app.queue(), Then::Enqueue).unwrap();
    assert_eq!(scene.ended(succeeds).await.state, JobState::Completed);
    assert_eq!((scene.effects(), scene.database.number(followers)), (1, 1));
    scene.close().await;
}

/// Somebody else got the job while the transaction was open: its effects are rolled back.
pub(crate) async fn a_stolen_job_leaves_nothing(engine: Engine, tasks: &Tasks) {
    if engine == Engine::Sqlite {
        // An open transaction holds the file's only write lock: nobody can steal.
        return;
    }
    let Some(scene) = Scene::new(engine, tasks).await else { return };
    let id = (tasks.write)(scene.app.queue(), Then::WaitForGate).unwrap();
    scene.here.recv_timeout(SOON).unwrap();
    scene.database.execute("UPDATE taskx_jobs SET fence = fence + 1");
    scene.gate.send(true).unwrap();
    // The next one has the connection after it.
    let next = (tasks.write)(scene.app.queue(), Then::Succeed).unwrap();
    assert_eq!(scene.ended(next).await.state, JobState::Completed);
    eventually("the other one is over", SOON, async || {
        let worker = scene.app.queue().workers().await.unwrap();
        worker[0].running.is_empty().then_some(())
    })
    .await;
    assert_eq!(scene.effects(), 1);
    let job = scene.job(id).await;
    assert_eq!((job.state, job.fence), (JobState::Running, 2));
    scene.close().await;
}

pub(crate) async fn a_timeout_rolls_back(engine: Engine, tasks: &Tasks) {
    let Some(scene) = Scene::new(engine, tasks).await else { return };
    let id = (tasks.hang)(scene.app.queue()).unwrap();
    let job = scene.ended(id).await;
    assert_eq!((job.state, job.attempt), (JobState::Discarded, 1));
    let errors = scene.errors(id).await;
    assert_eq!(errors.len(), 1);
    if tasks.is_async {
        assert_eq!(errors[0].0, "timeout");
    }
    assert_eq!(scene.effects(), 0);
    let next = (tasks.write)(scene.app.queue(), Then::Succeed).unwrap();
    assert_eq!(scene.ended(next).await.state, JobState::Completed);
    assert_eq!(scene.effects(), 1);
    scene.close().await;
}

pub(crate) async fn a_snooze_rolls_back_and_uses_no_attempt(engine: Engine, tasks: &Tasks) {
    let Some(scene) = Scene::new(engine, tasks).await else { return };
    let id = (tasks.write)(scene.app.queue(), Then::Snooze).unwrap();
    let job = scene.ended(id).await;
    assert_eq!((job.state, job.attempt, job.fence), (JobState::Completed, 1, 2));
    assert_eq!((scene.effects(), job.result.as_deref()), (1, Some("2")));
    scene.close().await;
}

/// Lets a job finish only in its second attempt, and waits meanwhile, as a layer may.
struct Strict;

impl Layer for Strict {
    fn around<'a>(&'a self, ctx: &'a Ctx, next: Next<'a>) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            match next.run().await {
                Verdict::Done(_) if ctx.attempt() == 1 => Verdict::failed(Error::other("too good")),
                verdict => verdict,
            }
        })
    }
}

pub(crate) async fn a_layers_verdict_decides_the_transaction(engine: Engine, tasks: &Tasks) {
    let Some(scene) = Scene::with(engine, tasks, |app| app.layer(Strict)).await else { return };
    let id = (tasks.write)(scene.app.queue(), Then::Succeed).unwrap();
    let job = scene.ended(id).await;
    assert_eq!((job.state, job.attempt), (JobState::Completed, 2), "{:?}", job.reason);
    assert_eq!(scene.errors(id).await, [("error".to_owned(), "too good".to_owned())]);
    assert_eq!(scene.effects(), 1);
    assert_eq!(scene.database.number("SELECT COUNT(*) FROM effects WHERE fence = 2"), 1);
    scene.close().await;
}
