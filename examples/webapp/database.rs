//! The application's own tables, on whichever database taskx uses.
//!
//! An application that has chosen its database needs no enum and no macro: it has one pool, and the
//! code between the braces.

use anyhow::Context;
use diesel::{
    ConnectionError, ConnectionResult,
    prelude::*,
    result::{DatabaseErrorKind::UniqueViolation, Error::DatabaseError},
};
use diesel_async::{
    AsyncConnection, AsyncMigrationHarness, RunQueryDsl, SimpleAsyncConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, deadpool::Pool},
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use futures_util::{FutureExt, future::BoxFuture};
use taskx::{AsyncSqliteConn, Engine, prelude::*};
use uuid::Uuid;

use crate::{
    schema::{members, pictures},
    tasks::{EmailTask, ThumbnailTask},
};

/// In SQL that all three databases understand. Their record is Diesel's; taskx keeps its own.
const MIGRATIONS: EmbeddedMigrations = embed_migrations!("webapp/migrations");

/// Readers go on while one writes, and a writer waits for the other instead of failing.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000;";

/// Somebody who signed up.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = members)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) name: String,
}

/// Something that was uploaded.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = pictures)]
pub(crate) struct Picture {
    pub(crate) id: String,
    pub(crate) title: String,
    /// The job that makes its thumbnails.
    pub(crate) job: String,
}

/// The database: one pool of connections.
#[derive(Clone)]
pub(crate) enum Database {
    Sqlite(Pool<AsyncSqliteConn>),
    #[cfg(feature = "postgres")]
    Postgres(Pool<diesel_async::AsyncPgConnection>),
    #[cfg(feature = "mysql")]
    Mysql(Pool<diesel_async::AsyncMysqlConnection>),
}

/// Compiles the same code for each database, and runs it on a connection of the one that is there.
macro_rules! on {
    ($database:expr, $conn:pat => $body:expr) => {
        match $database {
            Database::Sqlite(pool) => {
                let $conn = pool.get().await?;
                $body
            }
            #[cfg(feature = "postgres")]
            Database::Postgres(pool) => {
                let $conn = pool.get().await?;
                $body
            }
            #[cfg(feature = "mysql")]
            Database::Mysql(pool) => {
                let $conn = pool.get().await?;
                $body
            }
        }
    };
}

impl Database {
    /// Connects, and brings the application's tables up to date.
    pub(crate) async fn open(engine: Engine, url: &str) -> anyhow::Result<Self> {
        let database = match engine {
            Engine::Sqlite => {
                let mut settings = ManagerConfig::default();
                settings.custom_setup = Box::new(connect_sqlite);
                let manager = AsyncDieselConnectionManager::new_with_config(url, settings);
                Self::Sqlite(Pool::builder(manager).build()?)
            }
            #[cfg(feature = "postgres")]
            Engine::Postgres => {
                Self::Postgres(Pool::builder(AsyncDieselConnectionManager::new(url)).build()?)
            }
            #[cfg(feature = "mysql")]
            Engine::Mysql => {
                let url = url.replacen("mariadb://", "mysql://", 1);
                Self::Mysql(Pool::builder(AsyncDieselConnectionManager::new(url)).build()?)
            }
            other => anyhow::bail!("{other} is a feature of this example"),
        };
        on!(&database, conn => AsyncMigrationHarness::new(conn)
            .run_pending_migrations(MIGRATIONS)
            .map(drop)
            .map_err(anyhow::Error::from_boxed)
            .context("migrate the application's tables"))?;
        Ok(database)
    }

    /// Stores a member and the job that welcomes them: both or neither. Answers `false`, and
    /// enqueues nothing, if somebody has this address already.
    pub(crate) async fn sign_up(&self, member: &Member) -> anyhow::Result<bool> {
        let stored = on!(self, mut conn => conn.transaction(async |conn| {
            diesel::insert_into(members::table).values(member).execute(conn).await?;
            EmailTask::apply(&member.email, &member.name).on_async(conn).await
        }).await);
        match stored {
            Ok(_) => Ok(true),
            Err(DatabaseError(UniqueViolation, _)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Stores a picture, whose file is there already, and the job that makes its thumbnails: both
    /// or neither.
    pub(crate) async fn add_picture(&self, id: Uuid, title: &str) -> anyhow::Result<()> {
        on!(self, mut conn => conn.transaction(async |conn| {
            let job = ThumbnailTask::apply(id).on_async(conn).await?;
            let picture = Picture { id: id.to_string(), title: title.to_owned(), job: job.id().to_string() };
            diesel::insert_into(pictures::table).values(&picture).execute(conn).await
        }).await)?;
        Ok(())
    }

    /// The newest members, at most `limit`.
    pub(crate) async fn members(&self, limit: i64) -> anyhow::Result<Vec<Member>> {
        Ok(on!(self, mut conn => members::table
            .order(members::id.desc())
            .limit(limit)
            .select(Member::as_select())
            .load(&mut conn)
            .await)?)
    }

    /// The newest pictures, at most `limit`.
    pub(crate) async fn pictures(&self, limit: i64) -> anyhow::Result<Vec<Picture>> {
        Ok(on!(self, mut conn => pictures::table
            .order(pictures::id.desc())
            .limit(limit)
            .select(Picture::as_select())
            .load(&mut conn)
            .await)?)
    }
}

fn connect_sqlite(url: &str) -> BoxFuture<'_, ConnectionResult<AsyncSqliteConn>> {
    async move {
        let mut conn = AsyncSqliteConn::establish(url).await?;
        let set = conn.batch_execute(SQLITE_SETTINGS).await;
        set.map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    }
    .boxed()
}
