//! What the planner makes of the statements that look a batch of jobs up.

#[path = "../../tests/postgres_schema/mod.rs"]
mod postgres_schema;

use diesel::{QueryableByName, sql_query, sql_types::Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use taskx_core::store::Store;

use self::postgres_schema::Schema;
use super::{
    PATH,
    statements::{
        path::{Finish, GiveBack, NoteAttempts},
        workers::WriteProgress,
    },
};
use crate::{PgOptions, PgStore, statement::Sql};

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    text: String,
}

/// Twenty thousand jobs come, go, and are vacuumed away.
const RUN_DRY: [&str; 3] = [
    "INSERT INTO taskx_jobs (id, queue, task, state, priority, max_attempts, payload, inserted_at, \
     run_at) SELECT gen_random_uuid(), 'q', 't', 0, 0, 1, '[]', now(), now() \
     FROM generate_series(1, 20000)",
    "DELETE FROM taskx_jobs",
    "VACUUM (TRUNCATE false, ANALYZE) taskx_jobs",
];

#[expect(clippy::disallowed_methods, reason = "a text of its own, asked once")]
async fn plan(conn: &mut AsyncPgConnection, text: &str, values: usize) -> Vec<String> {
    let nulls = vec!["NULL"; values].join(", ");
    conn.batch_execute(&format!("PREPARE looked_at AS {text}")).await.unwrap();
    let asked = sql_query(format!("EXPLAIN EXECUTE looked_at({nulls})"));
    let lines: Vec<Line> = asked.load(conn).await.unwrap();
    conn.batch_execute("DEALLOCATE looked_at").await.unwrap();
    lines.into_iter().map(|line| line.text).collect()
}

/// The statistics of a queue that has run dry say that a walk of all jobs costs nothing; they say so
/// still when a million have come.
#[tokio::test]
async fn postgres_looks_each_job_up_by_its_id_after_the_queue_has_run_dry() {
    let Some(schema) = Schema::create() else {
        eprintln!("left out: TASKX_TEST_POSTGRES is not set");
        return;
    };
    let store = PgStore::connect(&schema.url, PgOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    let mut conn = AsyncPgConnection::establish(&schema.url).await.unwrap();
    for statement in RUN_DRY {
        conn.batch_execute(statement).await.unwrap();
    }
    conn.batch_execute(PATH).await.unwrap();
    for (text, values) in
        [(Finish::TEXT, 7), (GiveBack::TEXT, 8), (NoteAttempts::TEXT, 7), (WriteProgress::TEXT, 4)]
    {
        let plan = plan(&mut conn, text, values).await;
        let by_id = plan.windows(2).any(|lines| {
            matches!(lines, [scan, how] if scan.contains("Index Scan using taskx_jobs_pkey")
                && how.contains("Index Cond: (id = "))
        });
        assert!(by_id, "{text}\n{}", plan.join("\n"));
    }
}
