//! The presence locks of this process's workers: GET_LOCK on a connection outside the pools. The
//! server frees them when the process dies and the kernel closes its socket.

use std::sync::Arc;

use diesel::QueryResult;
use taskx_core::{error::Result, job::WorkerId, store::News};
use tokio::sync::Mutex;

use super::{
    batch::name_list,
    connect::Target,
    run::{Run, Session},
    statements::workers::{FreeLock, LookAround, SetPresence, TakeLock},
    upkeep::duration,
};
use crate::{error::Doing, statement::Sql, values::DbId};

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

    /// Takes or keeps the lock of a worker, and tells what waits in these queues. The lock is not
    /// held if the server has none, or there is no such worker.
    pub(super) async fn hold(&self, worker: WorkerId, queues: &[String]) -> Result<(bool, News)> {
        let queues = name_list(queues.iter().map(String::as_str));
        let mut place = self.session.lock().await;
        if let Some(mut session) = place.take() {
            // Taken out meanwhile: a call that is dropped half-way leaves no connection behind.
            if let Ok(answer) = hold_on(&mut session, worker, &queues).await {
                *place = Some(session);
                return Ok(answer);
            }
        }
        let mut session = self.target.open().await?;
        let answer = hold_on(&mut session, worker, &queues).await;
        let answer = answer.doing("hold the presence lock")?;
        *place = Some(session);
        Ok(answer)
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

async fn hold_on(
    session: &mut Session,
    worker: WorkerId,
    queues: &str,
) -> QueryResult<(bool, News)> {
    let name = lock_name(worker);
    let rows: Vec<(Option<i64>, Option<i64>, Option<String>)> =
        session.load(LookAround::with((&name, queues))).await?;
    let has = rows.iter().any(|(has, ..)| *has == Some(1));
    let held = has || take(session, worker, &name).await?;
    let next_due = rows.iter().find_map(|(_, micros, _)| *micros).map(duration);
    let waiting = rows.into_iter().filter_map(|(.., queue)| queue).collect();
    Ok((held, News { waiting, next_due }))
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
