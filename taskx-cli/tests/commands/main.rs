//! Every command that needs no application, as a process, on each engine. Those whose server is not
//! named by `TASKX_TEST_POSTGRES` or `TASKX_TEST_MYSQL` are left out, and say so.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "these are tests"
)]

mod bench;
mod enqueue;
mod jobs;
#[path = "../../../taskx-diesel/tests/mysql_database/mod.rs"]
mod mysql_database;
mod offline;
#[path = "../../../taskx-diesel/tests/postgres_schema/mod.rs"]
mod postgres_schema;
mod queues;
mod schedules;
mod schema;
mod secrets;
mod status;
mod terminal;

/// Makes a test of each function for each engine.
macro_rules! on_each_engine {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[test]
            fn $test() {
                super::$test(&crate::bench::Bench::sqlite());
            })*
        }
        mod postgres {
            $(#[test]
            fn $test() {
                if let Some(bench) = crate::bench::Bench::postgres(stringify!($test)) {
                    super::$test(&bench);
                }
            })*
        }
        mod mysql {
            $(#[test]
            fn $test() {
                if let Some(bench) = crate::bench::Bench::mysql(stringify!($test)) {
                    super::$test(&bench);
                }
            })*
        }
    };
}
pub(crate) use on_each_engine;
