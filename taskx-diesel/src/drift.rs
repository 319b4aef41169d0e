//! What the migrations made and is not there any more: a table, a column, an index or a function that
//! somebody took away by hand. The record of migrations does not tell.
//!
//! What should be there is read from the migrations' own text, so that no second list of it can grow
//! old. Migrations of one generation only add.

use std::collections::BTreeSet;

use diesel::migration::MigrationSource;
use taskx_core::error::Result;

use crate::migrate::{Migrations, texts};

/// The names that are missing: `taskx_jobs`, `taskx_jobs.trace`, `taskx_jobs_ready`; of a missing
/// table its own alone. `present` are the names that the engine's catalog has, in the same form.
pub(crate) fn missing<DB: diesel::backend::Backend>(present: Vec<String>) -> Result<Vec<String>>
where
    Migrations: MigrationSource<DB>,
{
    let present: BTreeSet<String> = present.into_iter().collect();
    let expected: BTreeSet<String> = texts::<DB>()?.iter().flat_map(|text| made_by(text)).collect();
    let is_told =
        |name: &&String| name.split_once('.').is_none_or(|(table, _)| present.contains(table));
    Ok(expected.difference(&present).filter(is_told).cloned().collect())
}

/// The names of all that a migration's SQL makes.
fn made_by(sql: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut table = None;
    for line in sql.lines() {
        let words: Vec<&str> = line
            .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
            .filter(|word| !word.is_empty())
            .collect();
        // What `CREATE TABLE IF NOT EXISTS name` and its like make.
        let name =
            || words.iter().find(|word| word.starts_with("taskx_")).map(|&word| word.to_owned());
        match words.as_slice() {
            ["CREATE", "TABLE", ..] => {
                table = name();
                names.extend(name());
            }
            ["CREATE", "INDEX" | "FUNCTION", ..] | ["CREATE", "UNIQUE", "INDEX", ..] => {
                names.extend(name());
            }
            // Within a table: keys, and columns by their name and type.
            ["KEY", ..] | ["UNIQUE", "KEY", ..] => names.extend(name()),
            ["PRIMARY" | "UNIQUE" | "CHECK" | "CONSTRAINT" | "FOREIGN", ..] => {}
            [column, _, ..] if line.starts_with("    ") && !line.trim_start().starts_with("--") => {
                names.extend(table.as_ref().map(|table| format!("{table}.{column}")));
            }
            _ => {}
        }
        if line.starts_with(')') {
            table = None;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_tells_what_it_makes() {
        let sql = "\
-- A comment, of taskx_nothing.
CREATE TABLE IF NOT EXISTS taskx_jobs (
    -- Of a column.
    id BINARY(16) NOT NULL,
    unique_key TEXT NULL,
    PRIMARY KEY (id),
    KEY taskx_jobs_ready (state, queue)
) WITH (
    autovacuum_vacuum_scale_factor = 0
);
CREATE UNIQUE INDEX taskx_jobs_due ON taskx_jobs (run_at) WHERE state IN (2, 3);
CREATE FUNCTION taskx_has_tag(tags text) RETURNS boolean
    LANGUAGE sql AS 'x';
INSERT INTO taskx_meta (name, value) VALUES ('generation', '1');
";
        let made = [
            "taskx_jobs",
            "taskx_jobs.id",
            "taskx_jobs.unique_key",
            "taskx_jobs_ready",
            "taskx_jobs_due",
            "taskx_has_tag",
        ];
        assert_eq!(made_by(sql), made);
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn of_a_missing_table_the_columns_are_not_told() {
        use diesel::sqlite::Sqlite;
        let mut present: Vec<String> =
            texts::<Sqlite>().unwrap().iter().flat_map(|text| made_by(text)).collect();
        assert_eq!(missing::<Sqlite>(present.clone()).unwrap(), [""; 0]);
        present.retain(|name| !name.starts_with("taskx_slots") && name != "taskx_jobs.trace");
        assert_eq!(
            missing::<Sqlite>(present).unwrap(),
            ["taskx_jobs.trace", "taskx_slots", "taskx_slots_fired"]
        );
    }
}
