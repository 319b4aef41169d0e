//! The presence locks of this process's workers: GET_LOCK on a connection outside the pools. The
//! server frees them when the process dies and the kernel closes its socket.

use std::sync::Arc;

use diesel::QueryResult;
use taskx_core::{error::Result, job::WorkerId};
use tokio::sync::Mutex;

use super::{
    connect::Target,
    run::{Run, Session},
    statements::workers::{FreeLock, HasLock, SetPresence, TakeLock},
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

    /// Takes or keeps the lock of a worker; `false` if the server has no such locks, or there is
    /// no such worker.
    pub(super) async fn hold(&self, worker: WorkerId) -> Result<bool> {
        let mut place = self.session.lock().await;
        if let Some(mut session) = place.take() {
            // Taken out meanwhile: a call that is dropped half-way leaves no connection behind.
            if let Ok(held) = hold_on(&mut session, worker).await {
                *place = Some(session);
                return Ok(held);
            }
        }
        let mut session = self.target.open().await?;
        let held = hold_on(&mut session, worker).await.doing("hold the presence lock")?;
        *place = Some(session);
        Ok(held)
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

async fn hold_on(session: &mut Session, worker: WorkerId) -> QueryResult<bool> {
    let name = lock_name(worker);
    let has: Vec<Option<i64>> = session.load(HasLock::with((&name,))).await?;
    if has == [Some(1)] {
        return Ok(true);
    }
    let taken: Vec<Option<i64>> = session.load(TakeLock::with((&name,))).await?;
    match taken.first() {
        Some(Some(1)) => {
            let noted = session.execute(SetPresence::with((DbId::from(worker),))).await?;
            if noted == 0 {
                release(session, &name).await?;
            }
            Ok(noted > 0)
        }
        // A session of ours that was lost still holds it: the next call takes it over.
        Some(Some(_)) => Ok(true),
        _ => Ok(false),
    }
}
