//! The SQL stores of taskx on [Diesel](https://diesel.rs): SQLite, PostgreSQL, MySQL/MariaDB.
//!
//! # Layout
//! `schema` the tables, for every engine · `values`, `rows` what rows become · `statement` fixed
//! SQL that is prepared once · `error` Diesel's errors as taskx's · `migrate` embedded migrations
//! under a lock · `drift` what they made and is gone · `settlement` what a settlement writes ·
//! `declared` which schedule wins · `backend`, `apply_on` what a caller's own connection can do ·
//! one folder an engine.
//!
//! # Features
//! `sqlite` and `sqlite-bundled` (default), `postgres`, `mysql`, `tls`.

mod apply_on;
mod backend;
mod connection;
mod declared;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod drift;
mod driver;
mod error;
mod migrate;
#[cfg(any(feature = "sqlite", feature = "mysql"))]
mod portions;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod redial;
mod rows;
pub mod schema;
mod settlement;
mod statement;
mod values;

#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use crate::{
    apply_on::{ApplyOn, QueueTransaction},
    backend::TaskxBackend,
    connection::TaskConnection,
    error::{error_from_diesel, to_diesel},
    migrate::{MIGRATIONS, Migrations, check_schema, migrate, migrations, revert},
    values::{DbId, DbTime},
};
#[cfg(feature = "sqlite")]
pub use crate::{
    connection::AsyncSqliteConn,
    sqlite::{Durability, SqliteOptions, SqliteStore},
};
#[cfg(feature = "mysql")]
pub use crate::{
    connection::MysqlConn,
    mysql::{MysqlOptions, MysqlStore},
};
#[cfg(feature = "postgres")]
pub use crate::{
    connection::PgConn,
    postgres::{PgOptions, PgStore},
};
