//! MySQL as what a caller's own connection can do. Nothing here depends on how its session is set:
//! times are the server's UTC, names are compared by the columns' collation.

use diesel::{QueryResult, connection::LoadConnection, mysql::Mysql};
use diesel_async::AsyncConnection;
use taskx_core::{
    job::NewJob,
    outcome::Settlement,
    store::{Engine, Inserted, Settled},
};

use super::{
    insert,
    run::{Blocking, Run, Theirs, at_once},
    settle,
};
use crate::backend::TaskxBackend;

impl TaskxBackend for Mysql {
    const ENGINE: Engine = Engine::Mysql;

    // There is nobody to notify: workers poll.
    fn insert_on<C>(conn: &mut C, jobs: &[NewJob], _notify: bool) -> QueryResult<Vec<Inserted>>
    where
        C: LoadConnection<Backend = Self>,
    {
        at_once(insert::insert_on(&mut Blocking(conn), jobs))
    }

    async fn insert_on_async<C>(
        conn: &mut C,
        jobs: &[NewJob],
        _notify: bool,
    ) -> QueryResult<Vec<Inserted>>
    where
        C: AsyncConnection<Backend = Self>,
    {
        insert::insert_on(&mut Theirs(conn), jobs).await
    }

    fn settle_on<C>(conn: &mut C, settlement: &Settlement) -> QueryResult<Settled>
    where
        C: LoadConnection<Backend = Self>,
    {
        at_once(settle_one(&mut Blocking(conn), settlement))
    }

    async fn settle_on_async<C>(conn: &mut C, settlement: &Settlement) -> QueryResult<Settled>
    where
        C: AsyncConnection<Backend = Self>,
    {
        settle_one(&mut Theirs(conn), settlement).await
    }
}

async fn settle_one(run: &mut impl Run, settlement: &Settlement) -> QueryResult<Settled> {
    let answers = settle::settle(run, std::slice::from_ref(settlement)).await?;
    Ok(answers.first().copied().unwrap_or(Settled::Lost))
}
