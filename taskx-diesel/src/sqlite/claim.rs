//! Claiming jobs.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Integer, Nullable, SmallInt, Text},
    sqlite::Sqlite,
};
use taskx_core::{
    job::{ClaimedJob, WorkerId},
    store::Claim,
};
use uuid::Uuid;

use super::writer::DataVersion;
use crate::{
    rows::{ClaimRow, json_text},
    schema::sql_types::{TaskxId, TaskxTime},
    statement::{Sql, statement},
    values::{DbId, DbTime},
};

/// The SQL types of a [`ClaimRow`].
type ClaimColumns = (
    TaskxId,
    BigInt,
    Text,
    SmallInt,
    Integer,
    Integer,
    Text,
    SmallInt,
    TaskxTime,
    TaskxTime,
    Integer,
    Integer,
    SmallInt,
    Nullable<TaskxTime>,
    ExtrasColumns,
);

type ExtrasColumns = (
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Integer>,
    Nullable<TaskxId>,
    Nullable<TaskxId>,
    Nullable<Text>,
    Nullable<TaskxTime>,
    Nullable<TaskxTime>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
);

statement! {
    /// One row if the worker may claim from the queue: its row is not ended, nobody paused it.
    Gate(owner: TaskxId, queue: Text) -> Integer =
        "SELECT 1 FROM taskx_workers WHERE id = ?1 AND ended_at IS NULL
         AND NOT EXISTS (SELECT 1 FROM taskx_queues WHERE name = ?2 AND paused_at IS NOT NULL)";

    /// The first jobs of a queue, in the index's own order.
    Front(
        queue: Text, priority: SmallInt, id: TaskxId, tasks: Text, most_solo: SmallInt,
        limit: Integer,
    ) -> ClaimColumns =
        "SELECT id, fence, task, priority, attempt, max_attempts, payload, payload_format,
            inserted_at, run_at, crash_count, snooze_count, solo, cancel_requested_at,
            tags, meta, trace, task_version, parent_id, batch_id, schedule_id, slot, expires_at,
            unique_key, concurrency_key, tenant
         FROM taskx_jobs INDEXED BY taskx_jobs_ready
         WHERE state = 0 AND queue = ?1 AND (priority, id) > (?2, ?3)
            AND task IN (SELECT value FROM json_each(?4)) AND solo <= ?5
         ORDER BY priority, id LIMIT ?6";
}

/// The jobs of one [`Take`].
const MANY: usize = 32;

/// The jobs of one [`Take`] where too few are left for [`MANY`].
const FEW: usize = 8;

/// Takes jobs that [`Front`] has given, as far as they wait under the fence that it told. Named by
/// their ids each is found once; by the range that [`Front`] walked, SQLite finds each to list it, and
/// again to change it.
#[derive(Debug)]
struct Take<const N: usize> {
    owner: DbId,
    now: DbTime,
    fence: i64,
    ids: [DbId; N],
}

impl<const N: usize> QueryId for Take<N> {
    type QueryId = Self;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const N: usize, Conn> RunQueryDsl<Conn> for Take<N> {}

impl<const N: usize> QueryFragment<Sqlite> for Take<N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "UPDATE taskx_jobs NOT INDEXED
             SET fence = MIN(fence, 9223372036854775806) + 1,
                attempt = MIN(attempt, 2147483646) + 1, state = 1, owner = ?, claimed_at = ?
             WHERE state = 0 AND fence = ? AND id IN (?",
        );
        (1..N).for_each(|_| out.push_sql(", ?"));
        out.push_sql(")");
        out.push_bind_param_value_only::<TaskxId, _>(&self.owner)?;
        out.push_bind_param_value_only::<TaskxTime, _>(&self.now)?;
        out.push_bind_param_value_only::<BigInt, _>(&self.fence)?;
        for id in &self.ids {
            out.push_bind_param_value_only::<TaskxId, _>(id)?;
        }
        Ok(())
    }
}

/// Takes those of the rows that still wait under their fence; answers how many.
fn take(
    conn: &mut SqliteConnection,
    owner: DbId,
    now: DbTime,
    rows: &[ClaimRow],
) -> QueryResult<usize> {
    let mut taken = 0;
    for rows in rows.chunk_by(|one, next| one.fence == next.fence) {
        let Some(fence) = rows.first().map(|row| row.fence) else { continue };
        let (many, rest) = rows.as_chunks::<MANY>();
        let (few, single) = rest.as_chunks::<FEW>();
        for rows in many {
            let ids = rows.each_ref().map(|row| row.id);
            taken += Take { owner, now, fence, ids }.execute(conn)?;
        }
        for rows in few {
            let ids = rows.each_ref().map(|row| row.id);
            taken += Take { owner, now, fence, ids }.execute(conn)?;
        }
        for row in single {
            taken += Take { owner, now, fence, ids: [row.id] }.execute(conn)?;
        }
    }
    Ok(taken)
}

/// A [`Claim`] in the form of its binds.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    owner: WorkerId,
    queue: Cow<'static, str>,
    /// JSON array of the tasks' names.
    tasks: Arc<str>,
    limit: i32,
    after: (i16, DbId),
}

impl Wanted {
    pub(super) fn of(claim: &Claim) -> Self {
        Self {
            owner: claim.owner,
            queue: claim.queue.clone(),
            tasks: json_text(&*claim.tasks).into(),
            limit: i32::try_from(claim.limit.min(1_000)).unwrap_or(1_000),
            // Before every place that a job can have; no id is nil.
            after: claim
                .after
                .map_or((i16::MIN, DbId(Uuid::nil())), |(priority, id)| (priority, id.into())),
        }
    }

    pub(super) fn queue(&self) -> &str {
        &self.queue
    }

    /// The most jobs that are wanted.
    pub(super) fn limit(&self) -> usize {
        usize::try_from(self.limit).unwrap_or_default()
    }

    /// The same again, of what follows `last`.
    pub(super) fn behind(&self, last: &ClaimRow) -> Self {
        Self { after: (last.priority, last.id), ..self.clone() }
    }

    /// Whether what this reads begins with what `other` would read.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let place = |one: &Self| (one.queue.clone(), Arc::clone(&one.tasks), one.after);
        place(self) == place(other) && self.limit >= other.limit
    }

    /// The jobs behind the place where it starts, one that must run alone among others.
    pub(super) fn backlog(&self, conn: &mut SqliteConnection) -> QueryResult<Vec<ClaimRow>> {
        self.front(conn, 1)
    }

    /// The first jobs; one that must run alone comes alone.
    fn first(&self, conn: &mut SqliteConnection) -> QueryResult<Vec<ClaimRow>> {
        let mut rows = self.front(conn, 1)?;
        if rows.first().is_some_and(|row| row.solo != 0) {
            rows.truncate(1);
        } else if rows.iter().any(|row| row.solo != 0) {
            // Rare: again without them, so that a batch that could be full is.
            rows = self.front(conn, 0)?;
        }
        Ok(rows)
    }

    fn front(&self, conn: &mut SqliteConnection, most_solo: i16) -> QueryResult<Vec<ClaimRow>> {
        let (priority, id) = self.after;
        Front::with((self.queue.as_ref(), priority, id, &*self.tasks, most_solo, self.limit))
            .load(conn)
    }
}

/// Whether a worker may claim from a queue.
pub(super) fn is_open(
    conn: &mut SqliteConnection,
    owner: WorkerId,
    queue: &str,
) -> QueryResult<bool> {
    let open: Vec<i32> = Gate::with((DbId::from(owner), queue)).load(conn)?;
    Ok(!open.is_empty())
}

/// What keeps the rows of a [`Glance`] true: no payload was changed since before it. All else that may
/// have become of a job shows in its state and fence, which [`take`] looks at.
#[derive(Debug, Default)]
pub(super) struct Calm {
    /// Rises with each change of ours to jobs that wait, and with each new writing connection.
    changes: AtomicU64,
    /// What the last claim found.
    last: Mutex<Option<Mark>>,
    /// Whether the last glance was still true when its claim came.
    lasts: AtomicBool,
}

/// A moment between two changes to jobs that wait: of ours, and of any other connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    changes: u64,
    version: i32,
}

impl Calm {
    /// A payload is about to be changed by the writing connection, or that is another one from now on.
    pub(super) fn disturb(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// The last claim's moment.
    pub(super) fn last(&self) -> Option<Mark> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is read now will probably be true when it is claimed.
    pub(super) fn lasts(&self) -> bool {
        self.lasts.load(Ordering::Relaxed)
    }

    /// This moment, in a transaction of the writing connection.
    fn mark(&self, conn: &mut SqliteConnection) -> QueryResult<Mark> {
        let version = DataVersion::with(()).get_result(conn)?;
        let mark = Mark { changes: self.changes.load(Ordering::SeqCst), version };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
        Ok(mark)
    }
}

/// What a reader found of a backlog, so that the writer need not read it.
#[derive(Debug)]
pub(super) struct Glance {
    /// A moment before it was read.
    pub(super) since: Mark,
    pub(super) rows: Vec<ClaimRow>,
}

/// Claims what is wanted, in the order (priority, id).
///
/// # Errors
/// The database's; `RollbackTransaction` if what was glanced at has changed: again, without it.
pub(super) fn claim(
    conn: &mut SqliteConnection,
    now: DbTime,
    wanted: &Wanted,
    calm: &Calm,
    glance: Option<Glance>,
) -> QueryResult<Vec<ClaimedJob>> {
    let owner = DbId::from(wanted.owner);
    if !is_open(conn, wanted.owner, &wanted.queue)? {
        return Ok(Vec::new());
    }
    let mark = calm.mark(conn)?;
    if let Some(glance) = &glance {
        calm.lasts.store(glance.since == mark, Ordering::Relaxed);
    }
    // What must run alone is for the careful way.
    let glance =
        glance.filter(|glance| glance.since == mark && glance.rows.iter().all(|row| row.solo == 0));
    let rows = match glance {
        Some(Glance { rows, .. }) => {
            if take(conn, owner, now, &rows)? < rows.len() {
                // Others were quicker with some: which, only a fresh run tells, without a glance.
                return Err(diesel::result::Error::RollbackTransaction);
            }
            rows
        }
        None => {
            let rows = wanted.first(conn)?;
            take(conn, owner, now, &rows)?;
            rows
        }
    };
    let claimed = rows.into_iter().map(|mut row| {
        row.fence = row.fence.saturating_add(1);
        row.attempt = row.attempt.saturating_add(1);
        row.into_claimed(wanted.owner, wanted.queue.clone())
    });
    Ok(claimed.collect())
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use taskx_core::{
        inspect::{Actor, Inspect},
        job::{JobId, NewJob},
        outcome::{Outcome, Settlement},
        store::{NewWorker, Store},
    };
    use tempfile::TempDir;

    use super::*;
    use crate::{SqliteOptions, SqliteStore};

    /// A store with five jobs of which two are claimed, and a claim of the others.
    pub(in crate::sqlite) async fn backlog() -> (TempDir, SqliteStore, Vec<JobId>, Claim) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let store = SqliteStore::open(&path.to_string_lossy(), SqliteOptions::default()).unwrap();
        store.migrate().await.unwrap();
        let jobs: Vec<_> = (0..5).map(|n| NewJob::new("q", "count", n.to_string())).collect();
        store.insert(&jobs).await.unwrap();
        let owner = WorkerId::new();
        let worker = NewWorker {
            id: owner,
            service: "test".to_owned(),
            host: "here".to_owned(),
            pid: 1,
            version: "1".to_owned(),
            lease: Duration::from_secs(60),
            tasks: Vec::new(),
        };
        store.register(&worker).await.unwrap();
        let tasks = Arc::new(["count".to_owned()]);
        let claim = Claim { owner, queue: "q".into(), tasks, limit: 2, after: None };
        let first = store.claim(&claim).await.unwrap();
        let last = first.last().unwrap();
        let after = Some((last.priority, last.id));
        (
            folder,
            store,
            jobs.iter().map(|job| job.id).collect(),
            Claim { after, limit: 10, ..claim },
        )
    }

    async fn look(store: &SqliteStore, claim: &Claim) -> Glance {
        let (since, wanted) = (store.calm.last().unwrap(), Wanted::of(claim));
        let rows = store.readers.read("look", move |conn| wanted.backlog(conn)).await.unwrap();
        assert_eq!(rows.len(), 3);
        Glance { since, rows }
    }

    async fn claim_by(store: &SqliteStore, claim: &Claim, glance: Glance) -> Vec<ClaimedJob> {
        let (wanted, calm, mut glance) = (Wanted::of(claim), Arc::clone(&store.calm), Some(glance));
        store
            .writer
            .write("claim", move |conn, now| super::claim(conn, now, &wanted, &calm, glance.take()))
            .await
            .unwrap()
    }

    pub(in crate::sqlite) fn payloads(jobs: &[ClaimedJob]) -> Vec<&str> {
        jobs.iter().map(|job| job.payload.as_str()).collect()
    }

    #[tokio::test]
    async fn what_a_reader_saw_is_claimed() {
        let (_folder, store, _, claim) = backlog().await;
        let glance = look(&store, &claim).await;
        assert_eq!(store.calm.last(), Some(glance.since));
        let jobs = claim_by(&store, &claim, glance).await;
        assert_eq!(payloads(&jobs), ["2", "3", "4"]);
        assert!(jobs.iter().all(|job| (job.fence, job.attempt) == (1, 1)));
    }

    #[tokio::test]
    async fn a_payload_that_was_changed_meanwhile_is_not_run_as_it_was() {
        let (folder, store, ids, claim) = backlog().await;
        let glance = look(&store, &claim).await;
        let ada = Actor("ada".to_owned());
        assert!(store.edit_payload(ids[3], "33", &ada).await.unwrap());
        assert_eq!(payloads(&claim_by(&store, &claim, glance).await), ["2", "33", "4"]);
        drop(folder);
    }

    #[tokio::test]
    async fn nor_one_that_another_process_changed() {
        let (folder, store, ids, claim) = backlog().await;
        let glance = look(&store, &claim).await;
        let path = folder.path().join("jobs.db");
        let other = SqliteStore::open(&path.to_string_lossy(), SqliteOptions::default()).unwrap();
        assert!(other.edit_payload(ids[4], "44", &Actor("ada".to_owned())).await.unwrap());
        assert_eq!(payloads(&claim_by(&store, &claim, glance).await), ["2", "3", "44"]);
    }

    /// A new connection counts the commits of others anew, and may come to the old number.
    #[tokio::test]
    async fn nor_one_that_was_changed_before_the_writer_came_back() {
        let (folder, store, ids, claim) = backlog().await;
        let glance = look(&store, &claim).await;
        let path = folder.path().join("jobs.db");
        let other = SqliteStore::open(&path.to_string_lossy(), SqliteOptions::default()).unwrap();
        assert!(other.edit_payload(ids[4], "44", &Actor("ada".to_owned())).await.unwrap());
        let lost = store.writer.write("panic", |_, _| -> QueryResult<()> { panic!("a test's") });
        lost.await.unwrap_err();
        assert_eq!(payloads(&claim_by(&store, &claim, glance).await), ["2", "3", "44"]);
    }

    #[tokio::test]
    async fn what_was_claimed_or_came_back_meanwhile_is_read_again() {
        let (_folder, store, ids, claim) = backlog().await;
        let glance = look(&store, &claim).await;
        let quicker = store.claim(&Claim { limit: 2, ..claim.clone() }).await.unwrap();
        let back = Settlement {
            id: quicker[0].id,
            owner: quicker[0].owner,
            fence: quicker[0].fence,
            attempt: quicker[0].attempt,
            outcome: Outcome::Released,
            retention: None,
        };
        store.settle(&[back]).await.unwrap();
        let jobs = claim_by(&store, &claim, glance).await;
        let claims: Vec<_> = jobs.iter().map(|job| (job.id, job.fence)).collect();
        assert_eq!(claims, [(ids[2], 2), (ids[4], 1)]);
    }
}
