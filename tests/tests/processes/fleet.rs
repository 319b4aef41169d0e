//! Ten workers in three processes execute ten thousand jobs once each.

use std::{collections::BTreeSet, time::Duration};

use rstest::rstest;
use taskx::{JobState, inspect::Inspect};
use taskx_tests::{Engine, child::lines, eventually, tasks::Count};

use crate::child;

const JOBS: u32 = 10_000;

#[rstest]
#[tokio::test]
async fn ten_thousand_jobs_are_ten_thousand_executions(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = database.app().name("fleet").build().await.unwrap();
    let ledger = database.file("ledger");
    let start = |workers| {
        let arguments = ["work", "fleet", workers, ledger.to_str().unwrap()];
        child(&database, &arguments, &[("TASKX_DEBUG", "false")])
    };
    let fleet = ["4", "3", "3"].map(start);
    for process in &fleet {
        process.line("ready");
    }
    // They come while the workers run, in batches and alone.
    for start in (0..JOBS - 100).step_by(900) {
        let jobs = (start..start + 900).map(|number| Count { number });
        app.queue().apply_many::<Count, _>(jobs).await.unwrap();
    }
    for number in JOBS - 100..JOBS {
        Count::apply(number).to(app.queue()).await.unwrap();
    }
    eventually("every job has ended", Duration::from_secs(180), async || {
        let counts = app.queue().count().await.unwrap();
        counts.iter().all(|entry| entry.state.is_finished()).then_some(())
    })
    .await;
    fleet.into_iter().for_each(taskx_tests::Child::stop);

    let counts = app.queue().count().await.unwrap();
    let counts: Vec<_> = counts.iter().map(|entry| (entry.state, entry.count)).collect();
    assert_eq!(counts, [(JobState::Completed, i64::from(JOBS))]);
    let executions = lines(&ledger);
    assert_eq!(executions.len(), JOBS as usize);
    let column = |n| executions.iter().map(move |line| line.split(' ').nth(n).unwrap());
    assert_eq!(column(0).collect::<BTreeSet<_>>().len(), JOBS as usize, "jobs");
    assert_eq!(column(1).collect::<BTreeSet<_>>().len(), JOBS as usize, "arguments");
    assert_eq!(column(2).collect::<BTreeSet<_>>().len(), 3, "every process took part");
}
