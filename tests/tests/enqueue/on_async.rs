//! Enqueueing on diesel-async's connections of every engine.

use diesel::{QueryResult, result::Error as DieselError};
use diesel_async::{AsyncConnection, TransactionManager};
use rstest::rstest;
use taskx::{ErrorKind, JobId, error_from_diesel, prelude::*};
use taskx_tests::{Engine, with_async_connection};

use crate::{Add, idle_app, jobs};

/// Begins a transaction that is not ended here.
async fn begin<C: AsyncConnection>(conn: &mut C) {
    C::TransactionManager::begin_transaction(conn).await.unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_shows_the_job_and_a_rollback_leaves_nothing(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = idle_app(&database).await;
    with_async_connection!(database, conn => {
        let job = conn.transaction(async |conn| {
            let job = Add::apply(1, 2).to(app.queue()).on_async(conn).await?;
            assert_eq!(jobs(&database), 0, "a second connection sees nothing before the commit");
            QueryResult::Ok(job)
        }).await.unwrap();
        assert_eq!(jobs(&database), 1);
        assert!(job.status().await.unwrap().is_some());

        let rolled_back = conn.transaction(async |conn| {
            let many = (0..300).map(|left| Add { left, right: 0 });
            app.queue().apply_many::<Add, _>(many).on_async(conn).await?;
            QueryResult::<()>::Err(DieselError::RollbackTransaction)
        }).await;
        assert!(rolled_back.is_err());
        assert_eq!(jobs(&database), 1);

        let id = JobId::new();
        conn.transaction(async |conn| {
            assert!(Add::apply(1, 2).id(id).to(app.queue()).on_async(conn).await?.is_new());
            assert!(!Add::apply(1, 2).id(id).to(app.queue()).on_async(conn).await?.is_new());
            QueryResult::Ok(())
        }).await.unwrap();
        assert_eq!(jobs(&database), 2);

        // A connection that is dropped in the middle rolls back too.
        begin(&mut conn).await;
        Add::apply(1, 2).to(app.queue()).on_async(&mut conn).await.unwrap();
        drop(conn);
    });
    assert_eq!(jobs(&database), 2);
}

#[rstest]
#[tokio::test]
async fn a_refusal_of_taskx_comes_back_through_diesel(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = idle_app(&database).await;
    with_async_connection!(database, conn => {
        let apply = Add::apply(1, 2).max_attempts(0).to(app.queue());
        let error = error_from_diesel(apply.on_async(&mut conn).await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Config);
    });
    assert_eq!(jobs(&database), 0);
}
