//! PostgreSQL, by tokio-postgres through diesel-async: no C client.
//!
//! # Connections
//! A [`PgStore`] opens connections when it needs them, in lanes, so that one kind of work never
//! waits for another: **claim** (1, with `synchronous_commit = off`: a claim that a crash undoes is
//! only claimed again; see `claimants`), **due** (1, alike: what is due becomes available, and
//! inserts are told to listeners), **settle** (2), **insert** (1: the batcher is its only user, and a
//! second writer gains nothing), **heart** (2: lease, and rescue beside it), **general** (3:
//! schedules, operators' reads and changes), **tasks** (4: tasks that take a connection), and outside
//! the lanes one that holds the presence locks and one that listens. Most processes stay below ten.
//!
//! # Layout
//! `session` connections and what they are set to · `tls` · `lane` pools and repetition ·
//! `statements` all SQL · `insert`, `settle`, `workers`, `schedules`, `inspect`, `overview` the
//! verbs · `presence` · `listen`, `teller` · `transact` transactional tasks · `backend` a caller's own
//! connection.

mod backend;
mod claimants;
mod insert;
mod inspect;
mod lane;
mod listen;
mod migrate;
mod overview;
#[cfg(test)]
mod plans;
mod presence;
mod schedules;
mod session;
mod settle;
mod statements;
mod teller;
mod tls;
mod transact;
mod workers;

use std::{any::TypeId, collections::HashSet, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel_async::RunQueryDsl;
use taskx_core::{
    callers::{callers_runtime, driven_runtime},
    error::{Error, ErrorKind, Result},
    job::{ClaimedJob, JobId, NewJob, WorkerId},
    outcome::Settlement,
    schedule::{DueSchedule, Firing, ScheduleRow},
    store::{
        Born, Claim, Engine, Inserted, MigrationInfo, NewWorker, Promoted, Pruned, Renewal,
        Renewed, Rescued, Settled, Store, Suspect, Suspects, TransactionBody, TransactionEnd, Wake,
        WakeSource,
    },
};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    postgres::{
        claimants::Claimants,
        lane::Lane,
        presence::Presence,
        session::Target,
        statements::{
            inspect::{
                TravelAttempts, TravelHistory, TravelJobs, TravelQueues, TravelSchedules,
                TravelSlots, TravelTasks, TravelWorkers,
            },
            path::{self, AnyAvailable, AnyDue, LockParking, Park, Promote},
            workers::Now,
        },
        teller::Teller,
    },
    rows::ClaimRow,
    settlement::micros,
    statement::Sql,
    values::{DbId, DbTime},
};

pub use crate::PgConn;

/// Settings of a [`PgStore`] that a URL does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PgOptions {
    /// How long opening a connection may take, all of it. Default 5 s.
    pub connect_timeout: Duration,
    /// How long one statement may take before the server ends it. Default 30 s.
    pub statement_timeout: Duration,
    /// The same for claims, settlements and renewals, which a lease waits for. Default 10 s.
    pub path_timeout: Duration,
    /// The most connections for tasks that take one. Default 4.
    pub task_connections: usize,
    /// What `pg_stat_activity` shows, unless the URL says `application_name`. Default `taskx`.
    pub application_name: String,
}

impl Default for PgOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            path_timeout: Duration::from_secs(10),
            task_connections: 4,
            application_name: "taskx".to_owned(),
        }
    }
}

/// The queue in a PostgreSQL database (or in the schema that the URL's `search_path` names).
pub struct PgStore {
    target: Arc<Target>,
    lanes: Lanes,
    presence: Presence,
    claimants: Claimants,
    teller: Teller,
}

/// One pool of connections for each kind of work.
struct Lanes {
    claim: Lane,
    due: Lane,
    settle: Lane,
    insert: Lane,
    /// For the inserts of lone callers, opened on a runtime of theirs: what they wait for then wakes them
    /// without a detour by the App's thread.
    lone: Lane,
    heart: Lane,
    general: Lane,
    tasks: Lane,
}

/// What the planner may do on the path. The tables grow from nothing to millions and back faster
/// than statistics follow, and a plan that was right for an empty table walks all of a full one:
/// so only the plans that the indexes were made for.
const PATH: &str = "SET enable_seqscan = off;SET enable_bitmapscan = off;\
    SET enable_hashjoin = off;SET enable_mergejoin = off;\
    SET plan_cache_mode = force_generic_plan;";

/// A claim, or a promotion, that a crash of the server undoes is made again; nobody listens any more
/// to a telling that it undoes.
const CLAIM: &str = "SET synchronous_commit = off;";

/// A task's own statements and pauses are limited by the task's timeout.
const TASKS: &str = "SET statement_timeout = 0;SET idle_in_transaction_session_timeout = 0;";

impl Lanes {
    fn new(target: &Arc<Target>, options: &PgOptions) -> Result<Self> {
        // The server ends a statement that takes too long; only where it does not answer at all do
        // we end the call.
        let limit = options.statement_timeout + options.connect_timeout;
        let lane = |size, settings: &str| Lane::new(target, size, limit, settings);
        let soon = options.path_timeout;
        let timeout = format!("SET statement_timeout = {};", soon.as_millis());
        let soon = soon + soon.min(options.connect_timeout);
        let quick =
            |size, settings: &str| Lane::new(target, size, soon, format!("{timeout}{settings}"));
        Ok(Self {
            // One only: see `claimants`.
            claim: quick(1, &format!("{PATH}{CLAIM}"))?,
            due: quick(1, &format!("{PATH}{CLAIM}"))?,
            settle: quick(2, PATH)?,
            insert: lane(1, PATH)?,
            lone: lane(1, PATH)?,
            heart: quick(2, "")?,
            general: lane(3, "")?,
            tasks: lane(options.task_connections, TASKS)?,
        })
    }
}

impl Lanes {
    /// The lane for an insert by whoever polls it.
    fn insert(&self) -> &Lane {
        if callers_runtime().is_some() { &self.lone } else { &self.insert }
    }
}

impl fmt::Debug for PgStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgStore").finish_non_exhaustive()
    }
}

impl PgStore {
    /// Connects to `postgres://user:password@host:port/database`. Besides PostgreSQL's own
    /// parameters of a URL: `sslmode=disable|prefer|require|verify-full` and `sslrootcert` (feature
    /// `tls`), and `options=-c%20search_path%3Dname` for a schema of one's own, which must exist.
    ///
    /// # Errors
    /// `Config` for a URL that cannot be used as it is (also: TLS asked for without the feature, a
    /// wrong password, a server older than 12), `Transient` if the server cannot be reached.
    pub async fn connect(url: &str, options: PgOptions) -> Result<Self> {
        let target = Arc::new(Target::parse(url, &options)?);
        let lanes = Lanes::new(&target, &options)?;
        let presence = Presence::new(&target);
        let teller = Teller::new(lanes.due.clone());
        let store = Self { target, lanes, presence, claimants: Claimants::default(), teller };
        store.look_at_server().await?;
        Ok(store)
    }

    /// Refuses what would fail later in words that nobody understands.
    async fn look_at_server(&self) -> Result<()> {
        let facts: Vec<(i32, Option<String>)> = self
            .lanes
            .general
            .run("connect to PostgreSQL", async |conn| path::ServerFacts::with(()).load(conn).await)
            .await?;
        let refuse = |text: String| Err(Error::new(ErrorKind::Config, text));
        match facts.as_slice().first() {
            Some((version, _)) if *version < 120_000 => refuse(format!(
                "the server is PostgreSQL {}; taskx needs 12 or newer",
                version / 10_000
            )),
            Some((_, None)) => refuse(
                "the search_path of the PostgreSQL URL names no schema that is there; \
                 make it with `CREATE SCHEMA`"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    /// Runs `work` with a sync connection on a thread where it may block.
    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConn) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        // Migrations may take long on large tables.
        let session = self.target.open("SET statement_timeout = 0;").await?;
        let thread = tokio::task::spawn_blocking(move || work(&mut PgConn::from(session.conn)));
        thread.await.map_err(|error| {
            Error::new(ErrorKind::Transient, "the runtime is shutting down").with_source(error)
        })?
    }
}

#[async_trait]
impl Store for PgStore {
    fn engine(&self) -> Engine {
        Engine::Postgres
    }

    fn may_insert_here(&self) -> bool {
        driven_runtime().is_some()
    }

    async fn migrate(&self) -> Result<()> {
        self.blocking(crate::migrate).await
    }

    async fn check_schema(&self) -> Result<()> {
        self.blocking(crate::check_schema).await
    }

    async fn migrations(&self) -> Result<Vec<MigrationInfo>> {
        self.blocking(crate::migrations).await
    }

    async fn revert(&self) -> Result<Option<String>> {
        self.blocking(crate::revert).await
    }

    async fn insert(&self, jobs: &[NewJob]) -> Result<Vec<Inserted>> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let (batch, doing, lane) = (insert::Batch::of(jobs), "insert jobs", self.lanes.insert());
        let stored = if batch.is_mixed() {
            lane.transaction(doing, async |conn| batch.insert(conn).await).await?
        } else {
            lane.run(doing, async |conn| batch.insert(conn).await).await?
        };
        self.teller.tell(batch.queues());
        Ok(insert::answers(jobs, stored))
    }

    async fn insert_claimed(&self, jobs: &[NewJob], queue: &str, owner: WorkerId) -> Result<Born> {
        let births = insert::Births::of(jobs);
        let rows: Vec<(bool, DbTime)> = self
            .lanes
            .insert()
            .run("insert claimed jobs", async |conn| {
                births.statement(queue, owner).load(conn).await
            })
            .await?;
        if let [(true, since), ..] = rows.as_slice() {
            return Ok(Born::Claimed(since.0));
        }
        self.teller.tell(&[queue]);
        Ok(Born::Available)
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<ClaimedJob>> {
        let (priority, id) =
            claim.after.map_or((i16::MIN, DbId(Uuid::nil())), |(p, id)| (p, id.into()));
        let (owner, limit) = (DbId::from(claim.owner), i64::from(claim.limit));
        let rows: Vec<ClaimRow> = self
            .lanes
            .claim
            .run("claim jobs", async |conn| {
                self.claimants.admit(claim.owner, self.lanes.claim.losses())?;
                path::Claim::with((owner, &*claim.queue, &*claim.tasks, priority, id, limit))
                    .load(conn)
                    .await
            })
            .await?;
        let claimed =
            rows.into_iter().map(|row| row.into_claimed(claim.owner, claim.queue.clone()));
        let mut jobs: Vec<_> = claimed.collect();
        // RETURNING has no order.
        jobs.sort_unstable_by_key(|job| (job.priority, job.id));
        Ok(jobs)
    }

    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let (columns, doing, lane) = (settle::Batch::of(batch), "settle jobs", &self.lanes.settle);
        let written = if columns.is_single() {
            lane.run(doing, async |conn| columns.write(batch, conn).await).await?
        } else {
            lane.transaction(doing, async |conn| columns.write(batch, conn).await).await?
        };
        let before = match settle::Unheld::of(batch, &written) {
            Some(unheld) => {
                let places = lane
                    .run(doing, async |conn| unheld.statement().load::<i64>(conn).await)
                    .await?;
                unheld.found(&places)
            }
            None => HashSet::new(),
        };
        let queues: Vec<&str> = written.queues.iter().map(String::as_str).collect();
        self.notify(&queues).await;
        Ok(settle::answers(batch, &written, &before))
    }

    async fn promote(&self, limit: u32) -> Result<Promoted> {
        type Row = (Option<String>, i64, Option<i64>);
        let limit = i64::from(limit);
        let promoted: Vec<Row> = self
            .lanes
            .due
            .run("make due jobs available", async |conn| {
                let mut promoted: Vec<Row> = Promote::with((limit,)).load(conn).await?;
                let count: i64 = promoted.iter().map(|(_, count, _)| count).sum();
                if count >= limit && !AnyDue::with(()).load::<i32>(conn).await?.is_empty() {
                    promoted.push((None, 0, Some(0)));
                }
                Ok(promoted)
            })
            .await?;
        let count: i64 = promoted.iter().map(|(_, count, _)| count).sum();
        let next_due = promoted.iter().filter_map(|(.., micros)| *micros).min();
        Ok(Promoted {
            count: usize::try_from(count).unwrap_or(usize::MAX),
            queues: promoted.into_iter().filter_map(|(queue, ..)| queue).collect(),
            next_due: wait_of(vec![next_due]),
        })
    }

    async fn park_unknown(&self, queue: &str, limit: u32) -> Result<usize> {
        // Mostly nothing waits, which one statement without a transaction tells.
        let waiting: Vec<i32> = self
            .lanes
            .general
            .run("look for waiting jobs", async |conn| {
                AnyAvailable::with((queue,)).load(conn).await
            })
            .await?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let limit = i64::from(limit);
        self.lanes
            .general
            .transaction("park jobs of unknown tasks", async |conn| {
                LockParking::with(()).execute(conn).await?;
                Park::with((queue, limit)).execute(conn).await
            })
            .await
    }

    async fn register(&self, worker: &NewWorker) -> Result<()> {
        self.register_worker(worker).await
    }

    async fn renew(&self, renewal: &Renewal) -> Result<Renewed> {
        self.renew_workers(renewal).await
    }

    async fn suspects(&self, besides: &[WorkerId]) -> Result<Suspects> {
        self.find_suspects(besides).await
    }

    async fn rescue(&self, suspect: &Suspect, crash_limit: i32) -> Result<Vec<Rescued>> {
        self.rescue_worker(suspect, crash_limit).await
    }

    async fn retire(&self, worker: WorkerId) -> Result<usize> {
        self.retire_worker(worker).await
    }

    async fn hold_presence(&self, worker: WorkerId) -> Result<bool> {
        self.presence.hold(worker).await
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.prune_finished(limit).await
    }

    async fn upsert_schedules(
        &self,
        owner: &str,
        version: &str,
        declared: &[ScheduleRow],
    ) -> Result<()> {
        self.declare(owner, version, declared).await
    }

    async fn due_schedules(
        &self,
        tasks: &[String],
    ) -> Result<(Vec<DueSchedule>, Option<Duration>)> {
        self.find_due(tasks).await
    }

    async fn fire(&self, firing: &Firing) -> Result<Vec<JobId>> {
        self.fire_slots(firing).await
    }

    async fn now(&self) -> Result<DateTime<Utc>> {
        let rows: Vec<DbTime> = self
            .lanes
            .general
            .run("read the clock", async |conn| Now::with(()).load(conn).await)
            .await?;
        rows.as_slice().first().map(|time| time.0).ok_or_else(|| {
            Error::new(ErrorKind::Transient, "read the clock: PostgreSQL gave no answer")
        })
    }

    async fn watch(&self, wake: mpsc::UnboundedSender<Wake>) -> WakeSource {
        listen::watch(Arc::clone(&self.target), wake).await
    }

    async fn transact(
        &self,
        connection: TypeId,
        body: TransactionBody,
        settlement: Settlement,
    ) -> Result<TransactionEnd> {
        self.transact_task(connection, body, settlement).await
    }

    async fn travel(&self, by: Duration) -> Result<()> {
        let by = micros(by);
        self.lanes
            .general
            .transaction("travel in time", async |conn| {
                TravelJobs::with((by,)).execute(conn).await?;
                TravelHistory::with((by,)).execute(conn).await?;
                TravelAttempts::with((by,)).execute(conn).await?;
                TravelWorkers::with((by,)).execute(conn).await?;
                TravelTasks::with((by,)).execute(conn).await?;
                TravelQueues::with((by,)).execute(conn).await?;
                TravelSchedules::with((by,)).execute(conn).await?;
                TravelSlots::with((by,)).execute(conn).await.map(drop)
            })
            .await
    }
}

/// Microseconds of a one-row answer as a duration; what is past is no wait.
fn wait_of(rows: Vec<Option<i64>>) -> Option<Duration> {
    let micros = rows.into_iter().next().flatten()?;
    Some(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}
