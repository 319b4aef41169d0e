//! The server has no connection left for us: what is refused is told, nothing is lost, and when
//! there is room again all goes on.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::{Duration, Instant};

use taskx::{Enqueued, prelude::*};
use taskx_tests::{Database, Engine, SOON};

#[task(queue = "crowd")]
async fn double(n: u64) -> Result<u64> {
    Ok(n * 2)
}

/// A user of the server who is no administrator, so that limits bind it; gone with this.
struct Role<'d> {
    database: &'d Database,
    name: String,
}

impl<'d> Role<'d> {
    fn make(database: &'d Database) -> Self {
        let name = format!("taskx_{}", uuid::Uuid::new_v4().simple());
        database.execute(&format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{name}';
             DO $$ BEGIN EXECUTE 'GRANT ALL ON SCHEMA ' || current_schema() || ' TO {name}'; END $$"
        ));
        Self { database, name }
    }

    fn url(&self) -> String {
        let (scheme, rest) = self.database.url.split_once("://").unwrap();
        let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
        format!("{scheme}://{0}:{0}@{rest}", self.name)
    }

    /// So many connections, -1 for any number; those that are there are ended.
    fn limit(&self, connections: i32) {
        let name = &self.name;
        self.database.execute(&format!(
            "ALTER ROLE {name} CONNECTION LIMIT {connections};
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'"
        ));
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        self.database.execute(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name));
    }
}

/// What a job returns. Whoever asks may be refused while the last connections before it end.
async fn result(job: &Enqueued<Double>) -> u64 {
    taskx_tests::eventually("the job is done", SOON, async || match job.wait(SOON).await {
        Ok(result) => Some(result),
        Err(error) => {
            assert!(error.is_transient(), "{error:?}");
            None
        }
    })
    .await
}

#[tokio::test]
async fn a_worker_outlives_a_server_without_room_for_it() {
    let Some(database) = Engine::Postgres.database() else { return };
    let role = Role::make(&database);
    let app = database.app().database_url(role.url()).debug(false).build().await.unwrap();
    let worker = app.background_worker().start().await.unwrap();
    assert_eq!(Double::apply(1).to(app.queue()).await.unwrap().wait(SOON).await.unwrap(), 2);

    let mut stored = Vec::new();
    for room in [0, 2] {
        role.limit(room);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(2) {
            match Double::apply(7).to(app.queue()).await {
                Ok(job) => stored.push(job),
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    role.limit(-1);
    let after = taskx_tests::eventually("jobs are taken again", SOON, async || {
        Double::apply(21).to(app.queue()).await.ok()
    });
    assert_eq!(result(&after.await).await, 42);
    for job in stored {
        assert_eq!(result(&job).await, 14);
    }
    worker.stop().await.unwrap();
    app.shutdown().await.unwrap();
}
