//! The operator's seam: reads by the typed DSL, changes by fixed SQL.

use std::{cmp::Reverse, collections::HashMap, time::Duration};

use async_trait::async_trait;
use diesel::{
    ExpressionMethods, QueryDsl, QueryResult, SelectableHelper, define_sql_function,
    dsl::count_star,
    pg::Pg,
    sql_types::{Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, methods::LoadQuery};
use futures_util::future::BoxFuture;
use taskx_core::{
    error::Result,
    inspect::{
        Actor, AttemptInfo, Cancelled, DatabaseInfo, Inspect, JobFilter, Page, QueueInfo,
        StateCount, TaskInfo, WorkerInfo,
    },
    job::{Job, JobId, JobState},
    outcome::{DEAD_RETENTION, FINISHED_RETENTION},
    schedule::{ScheduleInfo, ScheduleRow},
};

use crate::{
    postgres::{
        PgStore,
        statements::{
            inspect::{
                AskToStop, DeleteFinished, DeleteLive, EndWaiting, IsFinished, LiveQueues, LockJob,
                OldestWait, Pause, Redrive, Resume, RunNow,
            },
            path::DropAttempts,
        },
        wait_of,
    },
    rows::{AttemptRow, FinishedRow, LiveRow, QueueRow, WorkerRow},
    schema::{
        taskx_attempts, taskx_history, taskx_jobs, taskx_queues, taskx_worker_tasks, taskx_workers,
    },
    settlement::{cut, micros},
    statement::Sql,
    values::{DbId, DbTime},
};

/// The most ids that one statement changes.
const STEP: usize = 1_000;

define_sql_function! {
    /// Whether the argument `name` of a payload is the JSON `value`.
    fn taskx_argument_is(payload: Text, name: Text, value: Text) -> Bool;
}

define_sql_function! {
    /// Whether a JSON array of tags has this one.
    fn taskx_has_tag(tags: Nullable<Text>, tag: Text) -> Nullable<Bool>;
}

/// A page of one of the two tables of jobs: the filter is the same on both, their types are not.
macro_rules! page_of {
    ($name:ident, $table:ident, $Row:ty, $selection:expr) => {
        fn $name<'c>(
            conn: &'c mut AsyncPgConnection,
            filter: &'c JobFilter,
            page: Page,
        ) -> BoxFuture<'c, QueryResult<Vec<$Row>>> {
            let mut query = $table::table
                .select($selection)
                .order($table::id.desc())
                .limit(i64::from(page.limit))
                .into_boxed::<Pg>();
            if let Some(before) = page.before {
                query = query.filter($table::id.lt(DbId::from(before)));
            }
            if !filter.ids.is_empty() {
                query = query.filter($table::id.eq_any(db_ids(&filter.ids)));
            }
            if !filter.states.is_empty() {
                let states: Vec<i16> = filter.states.iter().map(|state| state.code()).collect();
                query = query.filter($table::state.eq_any(states));
            }
            if !filter.queues.is_empty() {
                query = query.filter($table::queue.eq_any(&filter.queues));
            }
            if !filter.tasks.is_empty() {
                query = query.filter($table::task.eq_any(&filter.tasks));
            }
            if let Some(tag) = &filter.tag {
                query = query.filter(taskx_has_tag($table::tags, tag));
            }
            if let Some(time) = filter.inserted_before {
                query = query.filter($table::inserted_at.lt(DbTime(time)));
            }
            if let Some(attempts) = filter.attempts_from {
                query = query.filter($table::attempt.ge(attempts));
            }
            if let Some((name, value)) = &filter.argument {
                query = query.filter(taskx_argument_is($table::payload, name, value.to_string()));
            }
            load(conn, query)
        }
    };
}

page_of!(live_page, taskx_jobs, LiveRow, LiveRow::as_select());
page_of!(finished_page, taskx_history, FinishedRow, FinishedRow::as_select());
page_of!(live_ids, taskx_jobs, DbId, taskx_jobs::id);
page_of!(finished_ids, taskx_history, DbId, taskx_history::id);

#[async_trait]
impl Inspect for PgStore {
    async fn find(&self, id: JobId) -> Result<Option<Job>> {
        let filter = JobFilter { ids: vec![id], ..JobFilter::default() };
        Ok(self.list(&filter, Page { before: None, limit: 1 }).await?.pop())
    }

    async fn list(&self, filter: &JobFilter, page: Page) -> Result<Vec<Job>> {
        // Live jobs first: one that finishes meanwhile is then in both, and not in neither.
        let (live, finished) = self
            .lanes
            .general
            .run("list jobs", async |conn| {
                let live = live_page(conn, filter, page).await?;
                Ok((live, finished_page(conn, filter, page).await?))
            })
            .await?;
        let mut jobs: Vec<Job> = finished.into_iter().map(Job::from).collect();
        jobs.extend(live.into_iter().map(Job::from));
        // A stable sort keeps the finished one of two in front.
        jobs.sort_by_key(|job| Reverse(job.id));
        jobs.dedup_by_key(|job| job.id);
        jobs.truncate(page.limit as usize);
        Ok(jobs)
    }

    async fn ids(&self, filter: &JobFilter, page: Page) -> Result<Vec<JobId>> {
        let page = Page { limit: page.limit.clamp(1, 10_000), ..page };
        let rows: Vec<DbId> = self
            .lanes
            .general
            .run("list ids of jobs", async |conn| {
                let mut ids = live_ids(conn, filter, page).await?;
                ids.extend(finished_ids(conn, filter, page).await?);
                Ok(ids)
            })
            .await?;
        let mut ids: Vec<JobId> = rows.into_iter().map(JobId::from).collect();
        ids.sort_unstable_by(|one, other| other.cmp(one));
        ids.dedup();
        ids.truncate(page.limit as usize);
        Ok(ids)
    }

    async fn count(&self) -> Result<Vec<StateCount>> {
        let rows: Vec<(String, i16, i64)> = self
            .lanes
            .general
            .run("count jobs", async |conn| {
                let mut rows = taskx_jobs::table
                    .group_by((taskx_jobs::queue, taskx_jobs::state))
                    .select((taskx_jobs::queue, taskx_jobs::state, count_star()))
                    .load::<(String, i16, i64)>(conn)
                    .await?;
                let finished = taskx_history::table
                    .group_by((taskx_history::queue, taskx_history::state))
                    .select((taskx_history::queue, taskx_history::state, count_star()))
                    .load::<(String, i16, i64)>(conn)
                    .await?;
                rows.extend(finished);
                Ok(rows)
            })
            .await?;
        let mut counts: Vec<_> = rows
            .into_iter()
            .map(|(queue, state, count)| StateCount {
                queue,
                state: JobState::from_code(state).unwrap_or(JobState::Blocked),
                count,
            })
            .collect();
        counts.sort_by(|a, b| (&a.queue, a.state).cmp(&(&b.queue, b.state)));
        Ok(counts)
    }

    async fn attempts(&self, id: JobId) -> Result<Vec<AttemptInfo>> {
        let rows: Vec<AttemptRow> = self
            .lanes
            .general
            .run("read attempts", async |conn| {
                let query = taskx_attempts::table
                    .filter(taskx_attempts::job_id.eq(DbId::from(id)))
                    .order(taskx_attempts::fence)
                    .select(AttemptRow::as_select());
                load(conn, query).await
            })
            .await?;
        Ok(rows.into_iter().map(AttemptInfo::from).collect())
    }

    async fn cancel(&self, id: JobId, by: &Actor) -> Result<Cancelled> {
        let (id, reason) = (DbId::from(id), format!("cancelled by {}", by.0));
        let (reason, keep) = (cut(&reason), micros(FINISHED_RETENTION));
        self.lanes
            .general
            .transaction("cancel a job", async |conn| {
                // Locked first, so that it is neither claimed nor settled between the two.
                let states: Vec<i16> = LockJob::with((id,)).load(conn).await?;
                let Some(state) = states.as_slice().first() else {
                    let finished: Vec<i32> = IsFinished::with((id,)).load(conn).await?;
                    return Ok(if finished.is_empty() {
                        Cancelled::NotFound
                    } else {
                        Cancelled::AlreadyFinished
                    });
                };
                if *state == JobState::Running.code() {
                    AskToStop::with((id,)).execute(conn).await?;
                    return Ok(Cancelled::Requested);
                }
                let ids = [id];
                EndWaiting::with((&ids[..], JobState::Cancelled.code(), &reason, keep))
                    .execute(conn)
                    .await?;
                Ok(Cancelled::Cancelled)
            })
            .await
    }

    async fn retry(&self, ids: &[JobId], _by: &Actor) -> Result<usize> {
        let mut count = 0;
        for step in ids.chunks(STEP) {
            let ids = db_ids(step);
            let mut queues = self
                .lanes
                .general
                .transaction("make jobs available again", async |conn| {
                    let mut queues: Vec<String> = RunNow::with((&ids,)).load(conn).await?;
                    let redriven: Vec<String> = Redrive::with((&ids,)).load(conn).await?;
                    queues.extend(redriven);
                    Ok(queues)
                })
                .await?;
            count += queues.len();
            queues.sort_unstable();
            queues.dedup();
            self.notify(&queues.iter().map(String::as_str).collect::<Vec<_>>()).await;
        }
        Ok(count)
    }

    async fn discard(&self, ids: &[JobId], reason: &str, _by: &Actor) -> Result<usize> {
        let (reason, keep) = (cut(reason), micros(DEAD_RETENTION));
        let mut count = 0;
        for step in ids.chunks(STEP) {
            let ids = db_ids(step);
            let ended: Vec<DbId> = self
                .lanes
                .general
                .run("discard jobs", async |conn| {
                    EndWaiting::with((&ids, JobState::Discarded.code(), &reason, keep))
                        .load(conn)
                        .await
                })
                .await?;
            count += ended.len();
        }
        Ok(count)
    }

    async fn delete(&self, ids: &[JobId], _by: &Actor) -> Result<usize> {
        let mut count = 0;
        for step in ids.chunks(STEP) {
            let ids = db_ids(step);
            count += self
                .lanes
                .general
                .transaction("delete jobs", async |conn| {
                    let mut gone: Vec<DbId> = DeleteLive::with((&ids,)).load(conn).await?;
                    let finished: Vec<DbId> = DeleteFinished::with((&ids,)).load(conn).await?;
                    gone.extend(finished);
                    DropAttempts::with((&gone,)).execute(conn).await?;
                    Ok(gone.len())
                })
                .await?;
        }
        Ok(count)
    }

    async fn edit_payload(&self, id: JobId, payload: &str, _by: &Actor) -> Result<bool> {
        let id = DbId::from(id);
        self.lanes
            .general
            .run("replace a payload", async |conn| {
                let live = diesel::update(taskx_jobs::table.find(id))
                    .filter(taskx_jobs::state.ne(JobState::Running.code()))
                    .set(taskx_jobs::payload.eq(payload))
                    .execute(conn)
                    .await?;
                if live > 0 {
                    return Ok(true);
                }
                let finished = diesel::update(taskx_history::table.find(id))
                    .filter(taskx_history::state.ne(JobState::Completed.code()))
                    .set(taskx_history::payload.eq(payload))
                    .execute(conn)
                    .await?;
                Ok(finished > 0)
            })
            .await
    }

    async fn queues(&self) -> Result<Vec<QueueInfo>> {
        let (live, paused): (Vec<(String, Option<DbTime>)>, Vec<QueueRow>) = self
            .lanes
            .general
            .run("list queues", async |conn| {
                let live = LiveQueues::with(()).load(conn).await?;
                let paused = taskx_queues::table
                    .filter(taskx_queues::paused_at.is_not_null())
                    .select(QueueRow::as_select());
                Ok((live, load(conn, paused).await?))
            })
            .await?;
        let mut queues: Vec<QueueInfo> = paused.into_iter().map(QueueInfo::from).collect();
        for (name, oldest) in live {
            let oldest_available = oldest.map(Into::into);
            if let Some(queue) = queues.iter_mut().find(|queue| queue.name == name) {
                queue.oldest_available = oldest_available;
                continue;
            }
            queues.push(QueueInfo {
                name,
                paused_at: None,
                paused_by: None,
                reason: None,
                oldest_available,
            });
        }
        queues.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(queues)
    }

    async fn pause(&self, queue: &str, reason: &str, by: &Actor) -> Result<()> {
        self.lanes
            .general
            .run("pause a queue", async |conn| {
                Pause::with((queue, &by.0, reason)).execute(conn).await.map(drop)
            })
            .await
    }

    async fn resume(&self, queue: &str, _by: &Actor) -> Result<bool> {
        let was_paused = self
            .lanes
            .general
            .run("resume a queue", async |conn| {
                Resume::with((queue,)).execute(conn).await.map(|rows| rows > 0)
            })
            .await?;
        self.notify(&[queue]).await;
        Ok(was_paused)
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        let (workers, tasks): (Vec<WorkerRow>, Vec<(DbId, String)>) = self
            .lanes
            .general
            .run("list workers", async |conn| {
                let workers = taskx_workers::table
                    .order((taskx_workers::started_at, taskx_workers::id))
                    .select(WorkerRow::as_select());
                let workers = load(conn, workers).await?;
                let tasks = taskx_worker_tasks::table.order(taskx_worker_tasks::task);
                Ok((workers, load(conn, tasks).await?))
            })
            .await?;
        let mut by_worker: HashMap<DbId, Vec<String>> = HashMap::new();
        for (worker, task) in tasks {
            by_worker.entry(worker).or_default().push(task);
        }
        Ok(workers
            .into_iter()
            .map(|row| {
                let tasks = by_worker.remove(&row.id).unwrap_or_default();
                row.into_info(tasks)
            })
            .collect())
    }

    async fn tasks(&self) -> Result<Vec<TaskInfo>> {
        self.all_tasks().await
    }

    async fn database(&self) -> Result<DatabaseInfo> {
        self.describe().await
    }

    async fn oldest_wait(&self, queue: &str) -> Result<Option<Duration>> {
        let waits: Vec<Option<i64>> = self
            .lanes
            .general
            .run("look how long the oldest job waits", async |conn| {
                OldestWait::with((queue,)).load(conn).await
            })
            .await?;
        Ok(wait_of(waits))
    }

    async fn schedules(&self) -> Result<Vec<ScheduleInfo>> {
        self.all_schedules().await
    }

    async fn put_schedule(&self, row: &ScheduleRow, _by: &Actor) -> Result<()> {
        self.put_dynamic(row).await
    }

    async fn pause_schedule(&self, name: &str, paused: bool, _by: &Actor) -> Result<bool> {
        self.set_schedule_pause(name, paused).await
    }

    async fn remove_schedule(&self, name: &str, _by: &Actor) -> Result<bool> {
        self.remove_dynamic(name).await
    }
}

/// Reads the rows of a query. Boxed, so that the compiler proves once that it may be sent, and not
/// for the whole type of the query wherever it is awaited: half of this crate's build was that.
pub(super) fn load<'c, Q, R>(
    conn: &'c mut AsyncPgConnection,
    query: Q,
) -> BoxFuture<'c, QueryResult<Vec<R>>>
where
    Q: LoadQuery<'c, AsyncPgConnection, R> + Send + 'c,
    R: Send + 'c,
{
    Box::pin(query.load(conn))
}

fn db_ids(ids: &[JobId]) -> Vec<DbId> {
    ids.iter().copied().map(DbId::from).collect()
}
