//! The presence locks of this process's workers: GET_LOCK on a connection outside the pools. The
//! server frees them when the process dies and the kernel closes its socket.

use std::sync::Arc;

use diesel::{
    QueryResult,
    result::{DatabaseErrorKind, Error as DieselError},
};
use taskx_core::{error::Result, job::WorkerId, store::News};
use tokio::sync::Mutex;

use super::{
    batch::name_list,
    connect::Target,
    run::{Run, Session},
    statements::workers::{FreeLock, HasLock, LookAround, SetPresence, TakeLock},
    upkeep::duration,
};
use crate::{error::Doing, statement::Sql, values::DbId};

/// The server ends what takes longer than this many seconds, and not the connection: its end would
/// free the locks, and others take the worker for dead.
const LIMITS: &str = "SET lock_wait_timeout = 2 /*M!100300 , max_statement_time = 2 */ \
    /*!80000 , max_execution_time = 2000 */";

/// The connection that holds the locks.
pub(super) struct Presence {
    target: Arc<Target>,
    session: Mutex<Option<Session>>,
}

/// A lock's name: one for all databases of the server, but the id is random. At most 64 letters.
fn lock_name(worker: WorkerId) -> String {
    format!("taskx.{}", worker.as_uuid().simple())
}

impl Presence {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self { target, session: Mutex::const_new(None) }
    }

    /// Takes or keeps the lock of a worker, and tells what waits in these queues, if that could be
    /// looked up. The lock is not held if the server has none, or there is no such worker.
    pub(super) async fn hold(
        &self,
        worker: WorkerId,
        queues: &[String],
    ) -> Result<(bool, Option<News>)> {
        let name = lock_name(worker);
        let mut place = self.session.lock().await;
        if let Some(mut session) = place.take() {
            // Taken out meanwhile: a call that is dropped half-way leaves no connection behind.
            if let Ok(answer) = keep(&mut session, worker, &name, queues).await {
                *place = Some(session);
                return Ok(answer);
            }
        }
        let mut session = self.target.open().await?;
        session.plain(LIMITS).await.doing("set up the presence connection")?;
        // The lock comes first: others may be looking for it by now.
        let held = take(&mut session, worker, &name).await.doing("take the presence lock")?;
        *place = Some(session);
        Ok((held, None))
    }

    /// Frees the lock of a worker that has ended.
    pub(super) async fn forget(&self, worker: WorkerId) {
        let mut place = self.session.lock().await;
        if let Some(mut session) = place.take()
            && release(&mut session, &lock_name(worker)).await.is_ok()
        {
            *place = Some(session);
        }
    }
}

async fn release(session: &mut Session, name: &str) -> QueryResult<()> {
    let _: Vec<Option<i64>> = session.load(FreeLock::with((name,))).await?;
    Ok(())
}

/// Keeps the lock by the look. Where that fails on a connection that still answers (the table is being
/// altered, or the server is slow), the lock is looked at alone.
async fn keep(
    session: &mut Session,
    worker: WorkerId,
    name: &str,
    queues: &[String],
) -> QueryResult<(bool, Option<News>)> {
    let (has, news) = match look(session, name, queues).await {
        Ok((has, news)) => (has, Some(news)),
        // The answer may still come.
        Err(lost @ DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, _)) => {
            return Err(lost);
        }
        Err(error) => {
            tracing::debug!(%error, "the look for jobs failed");
            let has: Vec<Option<i64>> = session.load(HasLock::with((name,))).await?;
            (has == [Some(1)], None)
        }
    };
    Ok((has || take(session, worker, name).await?, news))
}

/// Whether this session holds the lock, and what waits.
async fn look(session: &mut Session, name: &str, queues: &[String]) -> QueryResult<(bool, News)> {
    let queues = name_list(queues.iter().map(String::as_str));
    let rows: Vec<(Option<i64>, Option<i64>, Option<String>)> =
        session.load(LookAround::with((name, &queues))).await?;
    let has = rows.iter().any(|(has, ..)| *has == Some(1));
    let next_due = rows.iter().find_map(|(_, micros, _)| *micros).map(duration);
    let waiting = rows.into_iter().filter_map(|(.., queue)| queue).collect();
    Ok((has, News { waiting, next_due }))
}

/// Takes a lock that this session does not hold.
async fn take(session: &mut Session, worker: WorkerId, name: &str) -> QueryResult<bool> {
    let taken: Vec<Option<i64>> = session.load(TakeLock::with((name,))).await?;
    match taken.first() {
        Some(Some(1)) => {
            let noted = session.execute(SetPresence::with((DbId::from(worker),))).await?;
            if noted == 0 {
                release(session, name).await?;
            }
            Ok(noted > 0)
        }
        // A session of ours that was lost still holds it: the next call takes it over.
        Some(Some(_)) => Ok(true),
        _ => Ok(false),
    }
}
