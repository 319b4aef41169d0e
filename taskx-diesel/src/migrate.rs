//! Migrations with a record of their own.
//!
//! Diesel's harness keeps its record in `__diesel_schema_migrations`, which it shares with the
//! application: of two migrations with one version, the second is skipped in silence. And it takes
//! no lock. So the files are embedded by diesel_migrations, and all else is here: the record is
//! `taskx_migrations`, and only one caller at a time migrates.

use diesel::{
    QueryResult,
    connection::LoadConnection,
    migration::{Migration, MigrationSource},
};
use taskx_core::error::{Error, ErrorKind, Result};

use crate::{
    backend::{TaskxBackend, sealed::Migrate},
    error::{Doing, error_from_diesel, of_message, to_diesel},
};

/// The generation of the schema that this program is made for. Migrations of one generation only
/// add, so that the last version's workers run beside this one's; a breaking one raises it.
pub(crate) const GENERATION: i64 = 1;

/// The embedded migrations: a [`MigrationSource`] for each engine whose feature is on.
#[derive(Debug, Clone, Copy)]
pub struct Migrations;

/// The embedded migrations of taskx. [`migrate`] applies them under taskx's own record.
pub const MIGRATIONS: Migrations = Migrations;

macro_rules! embed {
    ($feature:literal, $Backend:ty, $folder:literal) => {
        #[cfg(feature = $feature)]
        impl MigrationSource<$Backend> for Migrations {
            fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<$Backend>>>> {
                const EMBEDDED: diesel_migrations::EmbeddedMigrations =
                    diesel_migrations::embed_migrations!($folder);
                MigrationSource::<$Backend>::migrations(&EMBEDDED)
            }
        }
    };
}

embed!("sqlite", diesel::sqlite::Sqlite, "migrations/sqlite");
embed!("postgres", diesel::pg::Pg, "migrations/postgres");
embed!("mysql", diesel::mysql::Mysql, "migrations/mysql");

/// Brings the schema up to date; a no-op where it is. Any number of processes may call it at once.
///
/// # Errors
/// `Schema` if the database belongs to a newer generation of taskx; `Transient` or `Store` else.
pub fn migrate<C>(conn: &mut C) -> Result<()>
where
    C: LoadConnection + 'static,
    C::Backend: TaskxBackend,
    Migrations: MigrationSource<C::Backend>,
{
    let migrations = sorted()?;
    <C::Backend as Migrate>::locked(conn, |conn| {
        let applied = <C::Backend as Migrate>::applied(conn)?;
        if !applied.is_empty() {
            refuse_newer(<C::Backend as Migrate>::generation(conn)?)?;
        }
        for migration in &migrations {
            let version = migration.name().version().to_string();
            if applied.contains(&version) {
                continue;
            }
            tracing::info!(migration = %migration.name(), "taskx migrates the database");
            migration.run(conn).map_err(|error| cause(error, &migration.name().to_string()))?;
            <C::Backend as Migrate>::record(conn, &version)?;
        }
        Ok(())
    })
    .doing("migrate the database")
}

/// Fails unless every migration of this program is applied and the generation is its own.
///
/// # Errors
/// `Schema`, naming the command that mends it; `Transient` or `Store` if the database fails.
pub fn check_schema<C>(conn: &mut C) -> Result<()>
where
    C: LoadConnection + 'static,
    C::Backend: TaskxBackend,
    Migrations: MigrationSource<C::Backend>,
{
    let applied = <C::Backend as Migrate>::applied(conn).map_err(|error| {
        let error = error_from_diesel(error);
        if error.is_transient() { error.context("read the schema's version") } else { missing() }
    })?;
    let wanted = sorted::<C::Backend>()?;
    if wanted.iter().any(|migration| !applied.contains(&migration.name().version().to_string())) {
        return Err(missing());
    }
    let generation =
        <C::Backend as Migrate>::generation(conn).doing("read the schema's generation")?;
    refuse_newer(generation).map_err(error_from_diesel)
}

fn missing() -> Error {
    Error::new(
        ErrorKind::Schema,
        "the database lacks taskx's tables or has older ones; run `taskx migrate`",
    )
}

fn refuse_newer(generation: i64) -> QueryResult<()> {
    if generation <= GENERATION {
        return Ok(());
    }
    Err(to_diesel(Error::new(
        ErrorKind::Schema,
        format!(
            "the database's schema is of generation {generation}, this program knows \
             {GENERATION}: a newer taskx has migrated it; upgrade this program"
        ),
    )))
}

/// The migrations of an engine, oldest first.
fn sorted<DB>() -> Result<Vec<Box<dyn Migration<DB>>>>
where
    DB: diesel::backend::Backend,
    Migrations: MigrationSource<DB>,
{
    let mut migrations = MIGRATIONS.migrations().map_err(|error| {
        Error::new(ErrorKind::Schema, "read the embedded migrations").with_source(error)
    })?;
    migrations.sort_by_key(|migration| migration.name().version().as_owned());
    Ok(migrations)
}

/// What a failed migration leaves. Its error type is private to diesel_migrations, so the engine's
/// message decides the kind.
fn cause(
    error: Box<dyn std::error::Error + Send + Sync>,
    migration: &str,
) -> diesel::result::Error {
    let (kind, _) = of_message(&error.to_string());
    to_diesel(Error::new(kind, format!("run migration {migration}")).with_source(error))
}
