//! Transactional tasks: the body's writes and the job's completion commit together.

use std::any::TypeId;

use diesel_async::{AnsiTransactionManager, AsyncPgConnection, TransactionManager};
use taskx_core::{
    error::{Error, ErrorKind, Result},
    inspect::Inspect,
    outcome::{Outcome, Settlement},
    store::{BlockingBody, Settled, TransactionBody, TransactionEnd},
    threads,
    verdict::Verdict,
};

use crate::{
    backend::TaskxBackend,
    error::{Doing, error_from_diesel},
    postgres::{PgConn, PgStore, lane::Checkout},
};

impl PgStore {
    /// The connection is closed unless the transaction ended as it should: what a body left on it
    /// (a setting, a half-read result) must meet no other task. So a dropped future rolls back.
    pub(super) async fn transact_task(
        &self,
        connection: TypeId,
        body: TransactionBody,
        settlement: Settlement,
    ) -> Result<TransactionEnd> {
        let wanted = match &body {
            TransactionBody::Async(_) => TypeId::of::<AsyncPgConnection>(),
            TransactionBody::Blocking(_) => TypeId::of::<PgConn>(),
        };
        if connection != wanted {
            return Err(Error::new(
                ErrorKind::Config,
                "run a transactional task: PostgreSQL gives `&mut AsyncPgConnection` to an async \
                 fn and `&mut taskx::PgConn` to a plain fn",
            ));
        }
        let mut checkout = self.lanes.tasks.checkout().await?;
        AnsiTransactionManager::begin_transaction(checkout.conn()?)
            .await
            .doing("begin a task's transaction")?;
        let verdict = match body {
            TransactionBody::Async(body) => body(checkout.conn()?).await,
            TransactionBody::Blocking(body) => run_blocking(&mut checkout, body).await?,
        };
        let Verdict::Done(result) = verdict else {
            let rolled_back = AnsiTransactionManager::rollback_transaction(checkout.conn()?).await;
            checkout.release(&rolled_back);
            return Ok(TransactionEnd::Failed(verdict));
        };
        let settlement = Settlement { outcome: Outcome::Completed(result.clone()), ..settlement };
        self.commit(checkout, settlement, result).await
    }

    async fn commit(
        &self,
        mut checkout: Checkout,
        settlement: Settlement,
        result: Option<String>,
    ) -> Result<TransactionEnd> {
        let doing = "commit a task's transaction";
        let conn = checkout.conn()?;
        let settled =
            match <diesel::pg::Pg as TaskxBackend>::settle_on_async(conn, &settlement).await {
                Ok(settled) => settled,
                // After the body has run this uses the attempt: a body that breaks its own
                // transaction would else be run again for ever.
                Err(error) => {
                    let error = error_from_diesel(error).context(doing);
                    return Ok(TransactionEnd::Failed(Verdict::failed(error)));
                }
            };
        if settled != Settled::Done {
            let rolled_back = AnsiTransactionManager::rollback_transaction(conn).await;
            checkout.release(&rolled_back);
            return Ok(TransactionEnd::Lost);
        }
        let committed = AnsiTransactionManager::commit_transaction(conn).await;
        checkout.release(&committed);
        if committed.is_ok() {
            return Ok(TransactionEnd::Committed { result });
        }
        // Perhaps only the answer was lost. The history knows, where the job is kept; where it is
        // not, nobody does, and the job counts as held: if it is not, its next write says so.
        match self.settle_unknown(&settlement).await? {
            true => Ok(TransactionEnd::Committed { result }),
            false => committed.map(|()| TransactionEnd::Lost).doing(doing),
        }
    }

    /// Whether a settlement whose commit's answer was lost had been written.
    async fn settle_unknown(&self, settlement: &Settlement) -> Result<bool> {
        let found = self.find(settlement.id).await?;
        Ok(found.is_some_and(|job| {
            job.state.is_finished()
                && job.owner == Some(settlement.owner)
                && job.fence == settlement.fence
        }))
    }
}

/// Runs a plain fn on a thread, with the connection lent as a sync one.
async fn run_blocking(checkout: &mut Checkout, body: BlockingBody) -> Result<Verdict> {
    let mut conn = PgConn::from(checkout.take()?);
    let no_thread = "run a plain fn on a thread";
    let answer = threads::run(move || {
        let verdict = body(&mut conn);
        (verdict, conn)
    });
    let answer = answer.map_err(|e| Error::new(ErrorKind::Conflict, no_thread).with_source(e))?;
    let (verdict, conn) =
        answer.await.map_err(|e| Error::new(ErrorKind::Conflict, no_thread).with_source(e))?;
    checkout.put_back(conn.into_inner());
    Ok(verdict)
}
