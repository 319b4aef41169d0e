//! What taskx does on a connection of the caller's: insert and settle inside its transaction.

use std::collections::HashSet;

use diesel::{QueryResult, connection::LoadConnection, pg::Pg};
use diesel_async::AsyncConnection;
use taskx_core::{
    job::NewJob,
    outcome::Settlement,
    store::{Engine, Inserted, Settled},
};

use crate::{
    backend::TaskxBackend,
    postgres::{insert, settle},
};

/// The notification is part of the caller's transaction, so listeners hear of it when, and only if,
/// it commits.
impl TaskxBackend for Pg {
    const ENGINE: Engine = Engine::Postgres;

    fn insert_on<C>(conn: &mut C, jobs: &[NewJob], notify: bool) -> QueryResult<Vec<Inserted>>
    where
        C: LoadConnection<Backend = Self>,
    {
        use diesel::RunQueryDsl;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let batch = insert::Batch::of(jobs);
        let stored = batch.insert_blocking(conn)?;
        if notify {
            batch.notification().execute(conn)?;
        }
        Ok(insert::answers(jobs, stored))
    }

    async fn insert_on_async<C>(
        conn: &mut C,
        jobs: &[NewJob],
        notify: bool,
    ) -> QueryResult<Vec<Inserted>>
    where
        C: AsyncConnection<Backend = Self>,
    {
        use diesel_async::RunQueryDsl;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let batch = insert::Batch::of(jobs);
        let stored = batch.insert(conn).await?;
        if notify {
            batch.notification().execute(conn).await?;
        }
        Ok(insert::answers(jobs, stored))
    }

    fn settle_on<C>(conn: &mut C, settlement: &Settlement) -> QueryResult<Settled>
    where
        C: LoadConnection<Backend = Self>,
    {
        use diesel::RunQueryDsl;
        let settlements = std::slice::from_ref(settlement);
        let written = settle::Batch::of(settlements).write_blocking(settlements, conn)?;
        let before = match settle::Unheld::of(settlements, &written) {
            Some(unheld) => unheld.found(&unheld.statement().load(conn)?),
            None => HashSet::new(),
        };
        Ok(first(settle::answers(settlements, &written, &before)))
    }

    async fn settle_on_async<C>(conn: &mut C, settlement: &Settlement) -> QueryResult<Settled>
    where
        C: AsyncConnection<Backend = Self>,
    {
        use diesel_async::RunQueryDsl;
        let settlements = std::slice::from_ref(settlement);
        let written = settle::Batch::of(settlements).write(settlements, conn).await?;
        let before = match settle::Unheld::of(settlements, &written) {
            Some(unheld) => unheld.found(&unheld.statement().load(conn).await?),
            None => HashSet::new(),
        };
        Ok(first(settle::answers(settlements, &written, &before)))
    }
}

/// The one answer of one settlement.
fn first(answers: Vec<Settled>) -> Settled {
    answers.into_iter().next().unwrap_or(Settled::Lost)
}
