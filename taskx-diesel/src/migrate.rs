//! Migrations with a record of their own.
//!
//! Diesel's harness keeps its record in `__diesel_schema_migrations`, which it shares with the
//! application: of two migrations with one version, the second is skipped in silence. And it takes
//! no lock. So the files are embedded by diesel_migrations, and all else is here: the record is
//! `taskx_migrations`, and only one caller at a time migrates.

use std::{any::Any, collections::BTreeMap};

use diesel::{
    QueryResult,
    connection::{BoxableConnection, LoadConnection, SimpleConnection},
    migration::{Migration, MigrationSource},
};
use taskx_core::{
    error::{Error, ErrorKind, Result},
    store::MigrationInfo,
};

use crate::{
    backend::{TaskxBackend, sealed::Migrate},
    error::{Doing, error_from_diesel, of_message, to_diesel},
    values::DbTime,
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
            let version = version(migration);
            if applied.iter().any(|(applied, _)| *applied == version) {
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
    let is_applied = |wanted: &String| applied.iter().any(|(version, _)| version == wanted);
    if !wanted.iter().map(version).all(|version| is_applied(&version)) {
        return Err(missing());
    }
    let generation =
        <C::Backend as Migrate>::generation(conn).doing("read the schema's generation")?;
    refuse_newer(generation).map_err(error_from_diesel)
}

/// The migrations that this program knows or that the database has, by version.
///
/// # Errors
/// `Transient` or `Store` if the database fails.
pub fn migrations<C>(conn: &mut C) -> Result<Vec<MigrationInfo>>
where
    C: LoadConnection + 'static,
    C::Backend: TaskxBackend,
    Migrations: MigrationSource<C::Backend>,
{
    let mut applied: BTreeMap<String, DbTime> = match <C::Backend as Migrate>::applied(conn) {
        Ok(applied) => applied.into_iter().collect(),
        Err(error) => match error_from_diesel(error) {
            // Without a record nothing was applied.
            error if error.kind() == ErrorKind::Schema => BTreeMap::new(),
            error => return Err(error.context("read the record of migrations")),
        },
    };
    let mut infos = Vec::new();
    for migration in sorted::<C::Backend>()? {
        let version = version(&migration);
        infos.push(MigrationInfo {
            applied_at: applied.remove(&version).map(|at| at.0),
            version,
            name: migration.name().to_string(),
            up: Recorder::record(|recorder| migration.run(recorder))?,
            down: Recorder::record(|recorder| migration.revert(recorder))?,
        });
    }
    infos.extend(applied.into_iter().map(|(version, at)| MigrationInfo {
        name: version.clone(),
        version,
        applied_at: Some(at.0),
        up: String::new(),
        down: String::new(),
    }));
    infos.sort_by(|one, other| one.version.cmp(&other.version));
    Ok(infos)
}

/// Undoes the newest migration that was applied; what its tables hold is lost. Answers its version,
/// or `None` if none was applied.
///
/// # Errors
/// `Schema` if this program does not know it; `Transient` or `Store` else.
pub fn revert<C>(conn: &mut C) -> Result<Option<String>>
where
    C: LoadConnection + 'static,
    C::Backend: TaskxBackend,
    Migrations: MigrationSource<C::Backend>,
{
    let migrations = sorted::<C::Backend>()?;
    <C::Backend as Migrate>::locked(conn, |conn| {
        let applied = <C::Backend as Migrate>::applied(conn)?;
        let Some(newest) = applied.into_iter().map(|(version, _)| version).max() else {
            return Ok(None);
        };
        let Some(migration) = migrations.iter().find(|migration| version(migration) == newest)
        else {
            let text =
                format!("a newer taskx has applied migration {newest}; it alone can undo it");
            return Err(to_diesel(Error::new(ErrorKind::Schema, text)));
        };
        tracing::warn!(migration = %migration.name(), "taskx undoes a migration");
        migration.revert(conn).map_err(|error| cause(error, &migration.name().to_string()))?;
        <C::Backend as Migrate>::forget(conn, &newest)?;
        Ok(Some(newest))
    })
    .doing("undo a migration")
}

/// A connection that only keeps what it is told to run: how a migration's SQL is shown.
#[derive(Default)]
struct Recorder(String);

impl Recorder {
    fn record(run: impl FnOnce(&mut Self) -> diesel::migration::Result<()>) -> Result<String> {
        let mut recorder = Self::default();
        run(&mut recorder).map_err(|error| {
            Error::new(ErrorKind::Schema, "read an embedded migration").with_source(error)
        })?;
        Ok(recorder.0)
    }
}

impl SimpleConnection for Recorder {
    fn batch_execute(&mut self, sql: &str) -> QueryResult<()> {
        self.0.push_str(sql);
        Ok(())
    }
}

impl<DB: diesel::backend::Backend> BoxableConnection<DB> for Recorder {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The SQL of each embedded migration, oldest first.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) fn texts<DB: diesel::backend::Backend>() -> Result<Vec<String>>
where
    Migrations: MigrationSource<DB>,
{
    let migrations = sorted::<DB>()?;
    let texts =
        migrations.iter().map(|migration| Recorder::record(|recorder| migration.run(recorder)));
    texts.collect()
}

/// The version of a migration.
fn version<DB: diesel::backend::Backend>(migration: impl AsRef<dyn Migration<DB>>) -> String {
    migration.as_ref().name().version().to_string()
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
