//! Tasks that work in a transaction of taskx: effects and completion commit together (I6).
//!
//! They have connections of their own, which no other call waits for.

use std::{
    any::{Any, TypeId},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use diesel::QueryResult;
use diesel_async::AsyncMysqlConnection;
use taskx_core::{
    error::{Error, ErrorKind, Result},
    outcome::{Outcome, Settlement},
    store::{Settled, TransactionBody, TransactionEnd},
    threads,
    verdict::Verdict,
};
use tokio::{
    runtime::{Handle, Id},
    sync::Semaphore,
};

use super::{
    batch::hex_list,
    connect::Target,
    run::{Run, STALE, Session},
    settle::settle,
    statements::path::{Finished, Held},
};
use crate::{
    error::{Doing, error_from_diesel},
    statement::Sql,
    values::DbId,
};

pub use crate::MysqlConn;

/// The connections of transactional tasks.
pub(super) struct Transactions {
    target: Arc<Target>,
    size: usize,
    permits: Semaphore,
    /// Each with the runtime that its socket belongs to, and since when it has been idle.
    idle: Mutex<Vec<(Id, Instant, Session)>>,
}

impl Transactions {
    pub(super) fn new(target: Arc<Target>, size: usize) -> Self {
        let size = size.max(1);
        Self { target, size, permits: Semaphore::new(size), idle: Mutex::default() }
    }

    /// Runs a body in a transaction and settles its job in it; see
    /// [`Store::transact`](taskx_core::store::Store::transact).
    pub(super) async fn transact(
        &self,
        connection: TypeId,
        body: TransactionBody,
        settlement: Settlement,
    ) -> Result<TransactionEnd> {
        let is_sync = connection == TypeId::of::<MysqlConn>();
        if !is_sync && connection != TypeId::of::<AsyncMysqlConnection>() {
            return Err(Error::new(
                ErrorKind::Config,
                "run a transactional task: MySQL has the connections `AsyncMysqlConnection` for \
                 async tasks and `taskx::MysqlConn` for plain ones",
            ));
        }
        let closed = |error| {
            Error::new(ErrorKind::Transient, "get a connection to MySQL").with_source(error)
        };
        let _permit = self.permits.acquire().await.map_err(closed)?;
        // From here on the connection is dropped, and so the transaction rolled back, wherever
        // this future is dropped.
        let mut session = self.take().await?;
        session.begin().await.doing("begin a task's transaction")?;
        let verdict;
        (session, verdict) = run_body(session, is_sync, body).await?;
        let result = match verdict {
            Verdict::Done(result) => result,
            failed => {
                self.roll_back(session).await;
                return Ok(TransactionEnd::Failed(failed));
            }
        };
        if let Some(why) = misuse(&mut session) {
            drop(session);
            let error = Error::new(ErrorKind::Conflict, why);
            return Ok(TransactionEnd::Failed(Verdict::failed(error)));
        }
        let outcome = Outcome::Completed(result.clone());
        let settlement = Settlement { outcome, ..settlement };
        let settled = settle(&mut session, std::slice::from_ref(&settlement)).await;
        match settled.doing("settle a transactional task")?.first() {
            Some(Settled::Done) => {}
            _ => {
                self.roll_back(session).await;
                return Ok(TransactionEnd::Lost);
            }
        }
        match session.commit().await {
            Ok(()) => {
                self.give_back(session);
                Ok(TransactionEnd::Committed { result })
            }
            Err(error) => {
                drop(session);
                self.look_again(&settlement, result, error).await
            }
        }
    }

    /// The commit's answer was lost: asks on another connection what became of it. The look waits
    /// for the lock of the transaction, should that still be under way.
    async fn look_again(
        &self,
        settlement: &Settlement,
        result: Option<String>,
        error: diesel::result::Error,
    ) -> Result<TransactionEnd> {
        let doing = "commit a task's transaction";
        let mut session = self.target.open().await.map_err(|error| error.context(doing))?;
        match stands(&mut session, settlement).await.doing(doing)? {
            Standing::Held => Err(error_from_diesel(error).context(doing)),
            Standing::Finished => Ok(TransactionEnd::Committed { result }),
            // Without retention a committed end leaves nothing behind; a job that runs can be
            // removed by nobody else.
            Standing::Gone if settlement.retention.is_none() => {
                Ok(TransactionEnd::Committed { result })
            }
            Standing::Gone | Standing::Elsewhere => Ok(TransactionEnd::Lost),
        }
    }

    /// A connection in no transaction, of this runtime.
    async fn take(&self) -> Result<Session> {
        let here = Handle::current().id();
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let place = idle.iter().rposition(|(runtime, ..)| *runtime == here);
            place.map(|place| idle.swap_remove(place))
        };
        if let Some((_, since, mut session)) = idle
            && (since.elapsed() < STALE || session.answers().await)
        {
            return Ok(session);
        }
        self.target.open().await
    }

    fn give_back(&self, session: Session) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= self.size {
            idle.remove(0);
        }
        idle.push((Handle::current().id(), Instant::now(), session));
    }

    async fn roll_back(&self, mut session: Session) {
        if session.depth() == Some(1) && session.roll_back().await.is_ok() {
            self.give_back(session);
        }
    }
}

/// Runs the body with the connection that it asks for.
async fn run_body(
    mut session: Session,
    is_sync: bool,
    body: TransactionBody,
) -> Result<(Session, Verdict)> {
    match body {
        TransactionBody::Async(body) if !is_sync => {
            let any: &mut (dyn Any + Send) = &mut session.conn;
            let verdict = body(any).await;
            Ok((session, verdict))
        }
        TransactionBody::Blocking(body) if is_sync => {
            let no_thread = "run a plain fn on a thread";
            let answer = threads::run(move || {
                let Session { conn, limit, life } = session;
                let mut conn = MysqlConn::from(conn);
                let verdict = body(&mut conn);
                (Session { conn: conn.into_inner(), limit, life }, verdict)
            });
            let answer =
                answer.map_err(|e| Error::new(ErrorKind::Conflict, no_thread).with_source(e))?;
            answer.await.map_err(|e| Error::new(ErrorKind::Conflict, no_thread).with_source(e))
        }
        _ => Err(Error::new(
            ErrorKind::Config,
            "run a transactional task: an async task takes `&mut AsyncMysqlConnection`, a plain \
             one `&mut taskx::MysqlConn`",
        )),
    }
}

/// What the body did to the transaction that it must not.
fn misuse(session: &mut Session) -> Option<&'static str> {
    match session.depth() {
        Some(1) => None,
        Some(0) => Some("the task ended taskx's transaction"),
        Some(_) => Some("the task left a transaction of its own open"),
        None => Some("the task's transaction is broken"),
    }
}

/// Where a job stands after a commit without an answer.
enum Standing {
    /// Its claim still holds it.
    Held,
    /// It finished by its claim.
    Finished,
    /// It is not there.
    Gone,
    /// It was taken back, and waits or is somebody else's.
    Elsewhere,
}

/// Whether a claim still holds its job, or the job finished by it.
async fn stands(session: &mut Session, settlement: &Settlement) -> QueryResult<Standing> {
    let list = hex_list(std::iter::once(settlement.id.as_uuid()));
    let claim = (Some(DbId::from(settlement.owner)), settlement.fence);
    let live: Vec<(DbId, Option<DbId>, i64, i16, bool)> =
        session.load(Held::with((&list,))).await?;
    if live.iter().any(|&(_, owner, fence, ..)| (owner, fence) == claim) {
        return Ok(Standing::Held);
    }
    let finished: Vec<(DbId, Option<DbId>, i64)> = session.load(Finished::with((&list,))).await?;
    if finished.iter().any(|&(_, owner, fence)| (owner, fence) == claim) {
        return Ok(Standing::Finished);
    }
    let is_gone = live.is_empty() && finished.is_empty();
    Ok(if is_gone { Standing::Gone } else { Standing::Elsewhere })
}
