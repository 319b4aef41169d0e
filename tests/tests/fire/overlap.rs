//! A slot is passed over while a job of an earlier one is live, unless overlap is allowed.

use rstest::rstest;
use taskx::prelude::*;
use taskx_tests::{Engine, SOON, eventually};
use tokio::sync::watch;

use crate::fired;

/// Opens when the test says so.
struct Gate(watch::Receiver<bool>);

impl Gate {
    async fn pass(&self) {
        self.0.clone().wait_for(|open| *open).await.unwrap();
    }
}

#[cron_task(app = "overlap", second = "*")]
async fn one_at_a_time(gate: &Gate) {
    gate.pass().await;
}

#[cron_task(app = "overlap", second = "*", overlap = "allow")]
async fn side_by_side(gate: &Gate) {
    gate.pass().await;
}

#[rstest]
#[tokio::test]
async fn a_live_job_keeps_the_next_slots_away(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let (open, gate) = watch::channel(false);
    let app = database.app().name("overlap").state(Gate(gate)).debug(false);
    let app = app.build().await.unwrap();
    let worker = app.background_worker().start().await.unwrap();
    eventually("two slots were passed over", SOON, async || {
        let schedule = app.queue().schedules().get("one_at_a_time").await.ok()?;
        (schedule.missed >= 2).then_some(())
    })
    .await;
    assert_eq!(fired(&app, "one_at_a_time").await.len(), 1);
    assert!(fired(&app, "side_by_side").await.len() >= 2);
    open.send(true).unwrap();
    eventually("the next slot is fired when the job is done", SOON, async || {
        (fired(&app, "one_at_a_time").await.len() >= 2).then_some(())
    })
    .await;
    worker.stop().await.unwrap();
}
