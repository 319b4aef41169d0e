//! What an operator asks of the whole: the tasks that are known, the sizes of the tables.

use diesel::{ExpressionMethods, QueryDsl, SelectableHelper, dsl::count_star, pg::Pg};
use diesel_async::RunQueryDsl;
use taskx_core::{
    error::Result,
    inspect::{DatabaseInfo, TableInfo, TaskInfo},
};

use crate::{
    drift::missing,
    postgres::{
        PgStore,
        inspect::load,
        statements::inspect::{Objects, OldestSnapshot, Sizes, Version},
        wait_of,
    },
    rows::{TaskDbRow, task_infos},
    schema::{taskx_jobs, taskx_tasks, taskx_worker_tasks, taskx_workers},
    statement::Sql,
};

impl PgStore {
    /// The tasks that workers have named or live jobs name.
    pub(super) async fn all_tasks(&self) -> Result<Vec<TaskInfo>> {
        self.lanes
            .general
            .run("list tasks", async |conn| {
                let known = taskx_tasks::table.select(TaskDbRow::as_select());
                let known = load(conn, known).await?;
                let live = taskx_jobs::table
                    .group_by(taskx_jobs::task)
                    .select((taskx_jobs::task, count_star()));
                let live = load(conn, live).await?;
                let running = taskx_workers::table
                    .filter(taskx_workers::ended_at.is_null())
                    .select(taskx_workers::id);
                let workers = taskx_worker_tasks::table
                    .filter(taskx_worker_tasks::worker.eq_any(running))
                    .group_by(taskx_worker_tasks::task)
                    .select((taskx_worker_tasks::task, count_star()));
                Ok(task_infos(known, live, load(conn, workers).await?))
            })
            .await
    }

    /// What the server says of the database.
    pub(super) async fn describe(&self) -> Result<DatabaseInfo> {
        type Size = (String, i64, i64, i64);
        type Said = (Vec<String>, Vec<Option<i64>>, Vec<Size>, Vec<String>);
        let (versions, waits, sizes, objects): Said = self
            .lanes
            .general
            .run("look at the database", async |conn| {
                let versions = Version::with(()).load(conn).await?;
                let waits = OldestSnapshot::with(()).load(conn).await?;
                let sizes = Sizes::with(()).load(conn).await?;
                Ok((versions, waits, sizes, Objects::with(()).load(conn).await?))
            })
            .await?;
        let table = |(name, rows, bytes, index_bytes)| TableInfo {
            name,
            rows: Some(rows),
            bytes,
            index_bytes,
        };
        // Not by the server's collation, which may pass over an underscore.
        let mut tables: Vec<TableInfo> = sizes.into_iter().map(table).collect();
        tables.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(DatabaseInfo {
            version: format!("PostgreSQL {}", versions.concat()),
            tables,
            oldest_snapshot: wait_of(waits),
            missing: missing::<Pg>(objects)?,
        })
    }
}
