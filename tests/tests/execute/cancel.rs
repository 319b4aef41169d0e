//! Cancelling jobs that run, from their own process and from another one.

use std::{
    sync::{Mutex, mpsc::Sender},
    time::Duration,
};

use rstest::rstest;
use taskx::{Cancelled, JobState, prelude::*};
use taskx_tests::{Engine, SOON};

use crate::Running;

/// Where a task tells that it runs.
struct Begun(Mutex<Sender<()>>);

impl Begun {
    fn tell(&self) {
        self.0.lock().unwrap().send(()).unwrap();
    }
}

#[task(app = "cancel", queue = "cancel", max_attempts = 9)]
async fn tidies_up(begun: &Begun, ctx: &Ctx) -> Result {
    begun.tell();
    ctx.cancelled().await;
    Err(Cancel::because("tidied up"))?
}

#[task(app = "cancel", queue = "cancel", max_attempts = 9)]
fn looks(begun: &Begun, ctx: &Ctx) -> anyhow::Result<()> {
    begun.tell();
    while !ctx.is_cancelled() {
        std::thread::sleep(Duration::from_millis(2));
    }
    anyhow::bail!("any error will do")
}

#[task(app = "cancel", queue = "cancel", max_attempts = 9)]
async fn is_deaf(begun: &Begun) {
    begun.tell();
    std::future::pending::<()>().await;
}

#[task(app = "cancel", queue = "cancel", max_attempts = 9)]
async fn finishes(begun: &Begun, ctx: &Ctx) -> Result<u32> {
    begun.tell();
    ctx.cancelled().await;
    Ok(1)
}

#[rstest]
#[tokio::test]
async fn a_running_job_is_stopped(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
    #[values(false, true)] from_elsewhere: bool,
) {
    let (sender, begun) = std::sync::mpsc::channel();
    let set_up = |app: AppBuilder| app.name("cancel").state(Begun(Mutex::new(sender)));
    let Some(running) = Running::with(engine, set_up).await else { return };
    let elsewhere = running.database.app().name("cancel").build().await.unwrap();
    let queue = if from_elsewhere { elsewhere.queue() } else { running.app.queue() };

    let tidy = TidiesUp::apply().to(queue).await.unwrap();
    let looks = Looks::apply().to(queue).await.unwrap();
    let deaf = IsDeaf::apply().to(queue).await.unwrap();
    let done = Finishes::apply().to(queue).await.unwrap();
    tokio::task::spawn_blocking(move || {
        (0..4).for_each(|_| begun.recv_timeout(SOON).unwrap());
        begun
    })
    .await
    .unwrap();
    assert_eq!(tidy.cancel().await.unwrap(), Cancelled::Requested);
    assert_eq!(looks.cancel().await.unwrap(), Cancelled::Requested);
    assert_eq!(deaf.cancel().await.unwrap(), Cancelled::Requested);
    assert_eq!(done.cancel().await.unwrap(), Cancelled::Requested);

    for (job, reason) in [
        (running.ended(&tidy).await, "tidied up"),
        (running.ended(&looks).await, "cancelled while it ran"),
    ] {
        assert_eq!(job.state, JobState::Cancelled);
        assert_eq!(job.reason.as_deref(), Some(reason));
    }
    assert_eq!(running.ended(&deaf).await.state, JobState::Cancelled, "dropped after its grace");
    assert_eq!(done.wait(SOON).await.unwrap(), 1, "what was done all the same is done");
    assert_eq!(running.ended(&done).await.state, JobState::Completed);
    running.stop().await;
}

/// Its worker gives it back without having heard of the request, and the request ends it: it is kept as
/// any cancelled job.
#[rstest]
#[tokio::test]
async fn what_is_given_back_after_the_request_is_kept(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let (sender, begun) = std::sync::mpsc::channel();
    let set_up =
        |app: AppBuilder| app.name("cancel").grace(Duration::ZERO).state(Begun(Mutex::new(sender)));
    let Some(running) = Running::with(engine, set_up).await else { return };
    let elsewhere = running.database.app().name("cancel").build().await.unwrap();
    let deaf = IsDeaf::apply().to(elsewhere.queue()).await.unwrap();
    tokio::task::spawn_blocking(move || begun.recv_timeout(SOON).unwrap()).await.unwrap();
    assert_eq!(deaf.cancel().await.unwrap(), Cancelled::Requested);
    running.app.shutdown().await.unwrap();
    let job = elsewhere.queue().wait_finished(deaf.id(), SOON).await.unwrap();
    assert_eq!(job.state, JobState::Cancelled);
    assert_eq!(job.reason.as_deref(), Some("cancelled while running"));
}
