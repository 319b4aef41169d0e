//! Presence: a session-level advisory lock for each worker row, on a connection of its own, which
//! the server frees within milliseconds of the process's death.
//!
//! A lock that was lost with its connection is taken back at once, by a task that waits for the
//! connection's end: until then, others may take the worker for dead.

use std::{
    collections::HashSet,
    sync::{Arc, Weak},
    time::Duration,
};

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use taskx_core::{
    error::{Error, ErrorKind, Result, chain},
    job::WorkerId,
};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    error::error_from_diesel,
    postgres::{
        session::{Life, Session, Target},
        statements::workers::{FreePresence, NotePresence, TakePresence},
    },
    statement::Sql,
    values::DbId,
};

/// How long between two tries to take lost locks back.
const AGAIN: Duration = Duration::from_millis(500);

/// How long the server may take to answer on the connection of the locks.
const PATIENCE: Duration = Duration::from_secs(5);

/// The presence locks of one process.
pub(super) struct Presence(Arc<Inner>);

struct Inner {
    target: Arc<Target>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The rows whose locks are to be held.
    wanted: HashSet<WorkerId>,
    /// The session that holds them; dropping it frees them.
    session: Option<Session>,
    /// Those that this session holds.
    taken: HashSet<WorkerId>,
}

/// What a refresh came to.
struct Refreshed {
    /// Whether all that are wanted are held.
    complete: bool,
    /// The life of the session, if this call opened it.
    opened: Option<Life>,
}

impl Presence {
    pub(super) fn new(target: &Arc<Target>) -> Self {
        Self(Arc::new(Inner { target: Arc::clone(target), state: Mutex::default() }))
    }

    /// Takes or keeps the lock of a row; whether it is held.
    pub(super) async fn hold(&self, worker: WorkerId) -> Result<bool> {
        let mut state = self.0.state.lock().await;
        state.wanted.insert(worker);
        let Refreshed { complete, opened } = state.refresh(&self.0.target).await?;
        if let Some(life) = opened {
            tokio::spawn(keep(Arc::downgrade(&self.0), life, complete));
        }
        Ok(state.taken.contains(&worker))
    }

    /// Frees the lock of a row that is gone.
    pub(super) async fn forget(&self, worker: WorkerId) {
        let mut state = self.0.state.lock().await;
        state.wanted.remove(&worker);
        if !state.taken.remove(&worker) {
            return;
        }
        if let Some(session) = &mut state.session {
            let freed = FreePresence::with((key(worker),)).execute(&mut session.conn);
            if !matches!(timeout(PATIENCE, freed).await, Ok(Ok(_))) {
                // Its end frees this lock; the keeper takes the others back.
                state.session = None;
            }
        }
    }
}

impl State {
    /// Opens a session where there is none, and takes all locks that it lacks.
    async fn refresh(&mut self, target: &Target) -> Result<Refreshed> {
        if self.session.as_ref().is_none_or(|session| session.life.ended()) {
            self.session = None;
            self.taken.clear();
        }
        let mut opened = None;
        let session = match &mut self.session {
            Some(session) => session,
            none => {
                let session = target.open("").await?;
                opened = Some(session.life.clone());
                none.insert(session)
            }
        };
        let missing: Vec<_> = self.wanted.difference(&self.taken).copied().collect();
        for worker in missing {
            match timeout(PATIENCE, take(&mut session.conn, worker)).await {
                Ok(Ok(true)) => drop(self.taken.insert(worker)),
                // A session of ours that the server has not yet missed holds it.
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    self.session = None;
                    return Err(error_from_diesel(error).context("take the presence lock"));
                }
                Err(_) => {
                    self.session = None;
                    return Err(Error::new(
                        ErrorKind::Transient,
                        "take the presence lock: PostgreSQL gave no answer",
                    ));
                }
            }
        }
        Ok(Refreshed { complete: self.wanted.is_subset(&self.taken), opened })
    }
}

async fn take(conn: &mut AsyncPgConnection, worker: WorkerId) -> QueryResult<bool> {
    let taken: Vec<bool> = TakePresence::with((key(worker),)).load(conn).await?;
    if taken != [true] {
        return Ok(false);
    }
    NotePresence::with((DbId::from(worker),)).execute(conn).await?;
    Ok(true)
}

/// The lock's number: the first half of the row's random id, as `Suspects` computes it.
fn key(worker: WorkerId) -> i64 {
    worker.as_uuid().as_u64_pair().0.cast_signed()
}

/// Takes the locks back when their session ends, until nobody wants them or another call opened a
/// session (which has its own keeper).
async fn keep(presence: Weak<Inner>, mut life: Life, mut complete: bool) {
    loop {
        if complete {
            life.end().await;
        } else {
            let _ = timeout(AGAIN, life.end()).await;
        }
        let Some(inner) = presence.upgrade() else { return };
        let mut state = inner.state.lock().await;
        if state.wanted.is_empty() {
            return;
        }
        let had_ended = life.ended();
        match state.refresh(&inner.target).await {
            Ok(refreshed) => {
                complete = refreshed.complete;
                match refreshed.opened {
                    Some(opened) => {
                        tracing::info!("the presence locks were lost and are taken back");
                        life = opened;
                    }
                    None if had_ended => return,
                    None => {}
                }
                continue;
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the presence locks are lost; trying again");
            }
        }
        drop(state);
        drop(inner);
        tokio::time::sleep(AGAIN.mul_f64(1.0 + fastrand::f64())).await;
    }
}
