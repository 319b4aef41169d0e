//! SQLite as what a caller's own connection can do.

use diesel::{QueryResult, connection::LoadConnection, sqlite::Sqlite};
use diesel_async::AsyncConnection;
use taskx_core::{
    job::NewJob,
    outcome::Settlement,
    store::{Engine, Inserted, Settled},
};

use super::{clock, insert, settle};
use crate::{backend::TaskxBackend, statement::Sql};

impl TaskxBackend for Sqlite {
    const ENGINE: Engine = Engine::Sqlite;

    // There is nobody to notify: other processes see the commit itself.
    fn insert_on<C>(conn: &mut C, jobs: &[NewJob], _notify: bool) -> QueryResult<Vec<Inserted>>
    where
        C: LoadConnection<Backend = Self>,
    {
        insert::insert_on(conn, jobs)
    }

    async fn insert_on_async<C>(
        conn: &mut C,
        jobs: &[NewJob],
        _notify: bool,
    ) -> QueryResult<Vec<Inserted>>
    where
        C: AsyncConnection<Backend = Self>,
    {
        insert::insert_on_async(conn, jobs).await
    }

    fn settle_on<C>(conn: &mut C, settlement: &Settlement) -> QueryResult<Settled>
    where
        C: LoadConnection<Backend = Self>,
    {
        let now = clock::now_on(conn)?;
        settle::settle_one(conn, now, settlement)
    }

    async fn settle_on_async<C>(conn: &mut C, settlement: &Settlement) -> QueryResult<Settled>
    where
        C: AsyncConnection<Backend = Self>,
    {
        let seen: Vec<String> =
            diesel_async::RunQueryDsl::load(clock::LastSeen::with(()), conn).await?;
        settle::settle_one_async(conn, clock::after(&seen), settlement).await
    }
}
