//! Runs claimed jobs on the caller's runtime, and judges how each attempt ended.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    guard::{Guarded, guarded},
    lane::Lane,
    running::Execution,
    settle::{Ended, Facts},
    shared::Shared,
};
use crate::{
    config::RESULT_LIMIT,
    context::Ctx,
    current,
    error::{BoxError, Error, ErrorKind, chain},
    event::Event,
    job::ClaimedJob,
    layer::{Layer, Next},
    outcome::{Failure, FailureKind, Outcome, Settlement},
    queue::Queue,
    retry::Backoff,
    store::{Engine, TransactionBody, TransactionEnd},
    task::{AsyncTransactionFn, BlockingTransactionFn, ConnectionNeed, Invocation, Run, TaskDef},
    threads,
    verdict::{Verdict, Wish, wish},
};

/// How long a cancelled async task may still tidy up before it is dropped.
const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// How long a job that must run alone waits for the others to end before it is given back.
const ALONE_WITHIN: Duration = Duration::from_secs(5);

/// What no longer decodes is tried again after this long ..
const DECODE_AGAIN: Duration = Duration::from_secs(30);

/// .. and so many times (ten minutes) before it is quarantined: a newer worker may know it.
const DECODE_TRIES: i32 = 20;

/// Starts jobs of a lane while there are slots; ends with the worker.
pub(super) async fn dispatch(shared: Arc<Shared>, lane: Arc<Lane>) {
    loop {
        let (slot, job) = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            next = lane.next(&shared.trust) => match next {
                Some(next) => next,
                None => return,
            },
        };
        if lane.is_low() && shared.signal.is_marked(&lane.queue) {
            shared.signal.work.notify_one();
        }
        start(&shared, &lane, job, slot);
    }
}

fn start(shared: &Arc<Shared>, lane: &Lane, job: ClaimedJob, slot: OwnedSemaphorePermit) {
    let Some(def) = shared.registry.find(&job.task) else {
        // Only known tasks are claimed; a store that errs loses nothing here.
        shared.give_back(vec![job]);
        return;
    };
    let token = CancellationToken::new();
    let ctx = Ctx::new(
        &job,
        shared.queue.clone(),
        Arc::clone(&shared.states),
        token.clone(),
        def.options.timeout,
    );
    let execution = Arc::new(Execution::new(&job, def, ctx, token, Some(slot)));
    shared.running.insert(Arc::clone(&execution));
    if job.cancel_requested {
        shared.running.cancel(job.id);
    }
    shared.queue.events().tell(|| Event::Started {
        id: job.id,
        task: def.name,
        queue: lane.queue.clone(),
        attempt: execution.ctx.attempt(),
    });
    let span = tracing::info_span!(
        "job", id = %job.id, task = def.name, queue = lane.queue, attempt = job.attempt
    );
    let run = run(Arc::clone(shared), job, execution).instrument(span);
    tokio::spawn(current::scope(shared.queue.clone(), run));
}

/// One attempt from its start to its outcome.
async fn run(shared: Arc<Shared>, job: ClaimedJob, execution: Arc<Execution>) {
    // Kept until the job is out of the list: whoever began before that would be named beside it.
    let Some(_company) = let_in(&shared, job.solo, &execution).await else {
        shared.running.finish(&execution, || shared.release(&execution));
        return;
    };
    let def = execution.def;
    // The task's own guard is inside. This one is for what it leaves behind: a value may panic when
    // it is dropped, and the job must end all the same.
    let end = Guarded(Box::pin(attempt(&shared, &job, &execution)));
    let end = end.await.unwrap_or_else(End::Failed);
    let took = execution.elapsed();
    let (outcome, written) = match end {
        End::Abandoned => return,
        End::Committed(result) => (Outcome::Completed(result), true),
        End::Verdict(verdict) => (judge(&job, &execution, verdict), false),
        End::Failed(failure) => (after_failure(&job, def, failure, None), false),
        End::NotBegun => (Outcome::Snoozed { after: Duration::from_secs(1), failure: None }, false),
        End::Lost => {
            if shared.running.remove(&execution).is_none() {
                return;
            }
            shared.queue.events().tell(|| Event::Lost { id: job.id, fence: job.fence });
            shared.let_go(job.owner);
            execution.give_up_slot();
            shared.signal.work.notify_one();
            return;
        }
    };
    let retention = shared.retention(def, &outcome);
    let settlement = Settlement {
        id: job.id,
        owner: job.owner,
        fence: job.fence,
        attempt: job.attempt,
        outcome,
        retention,
    };
    let facts = Facts { def, queue: job.queue.into_owned(), took, written };
    // Abandoned meanwhile: whoever took it out of the list settles it, or it is lost.
    shared.running.finish(&execution, || {
        // Before the outcome is written: whoever is told of that finds the slot free.
        execution.give_up_slot();
        shared.settle(Ended { settlement, facts: Some(facts) });
    });
}

/// What keeps others away while a job must run alone, and lets it in beside others otherwise.
enum Company {
    Alone { _others_out: tokio::sync::OwnedRwLockWriteGuard<()> },
    Others { _in: tokio::sync::OwnedRwLockReadGuard<()> },
}

/// Waits until a job may execute. One that must run alone begins when the others are out and the
/// database knows that it runs: if the process dies now, it alone is to blame. `None` if that does
/// not come to pass.
async fn let_in(shared: &Shared, solo: bool, execution: &Execution) -> Option<Company> {
    let alone = Arc::clone(&shared.alone);
    if !solo {
        let company = Company::Others { _in: alone.read_owned().await };
        execution.begin();
        return Some(company);
    }
    let guard = tokio::time::timeout(ALONE_WITHIN, alone.write_owned()).await.ok()?;
    execution.begin();
    shared.signal.cancels.notify_one();
    tokio::select! {
        biased;
        () = execution.abandoned.cancelled() => None,
        () = execution.noted.cancelled() => Some(Company::Alone { _others_out: guard }),
    }
}

/// How an attempt ended, before it is judged.
enum End {
    Verdict(Verdict),
    Failed(Failure),
    /// Effects and completion are committed by the task's own transaction.
    Committed(Option<String>),
    /// The job was not held any more when its transaction was to be committed.
    Lost,
    /// The database gave no connection; the function was not called, or was rolled back.
    NotBegun,
    /// Nobody waits for it any more.
    Abandoned,
}

async fn attempt(shared: &Shared, job: &ClaimedJob, execution: &Arc<Execution>) -> End {
    let invocation = Invocation {
        ctx: execution.ctx.clone(),
        payload: job.payload.clone(),
        states: Arc::clone(&shared.states),
    };
    match &execution.def.run {
        Run::Async(body) => {
            let task = body(invocation);
            limited(execution, Guarded(around(&shared.layers, &execution.ctx, task))).await
        }
        Run::Blocking(body) => {
            let task = blocking(shared, *body, invocation);
            patient(execution, Guarded(around(&shared.layers, &execution.ctx, task))).await
        }
        Run::AsyncTransaction(need, body) => {
            let body = async_body(shared, *body, invocation);
            in_transaction(execution, true, transact(shared, job, need, body)).await
        }
        Run::BlockingTransaction(need, body) => {
            let body = blocking_body(shared, *body, invocation);
            in_transaction(execution, false, transact(shared, job, need, body)).await
        }
    }
}

/// The task inside its layers.
fn around<'a>(
    layers: &'a [Arc<dyn Layer>],
    ctx: &'a Ctx,
    task: BoxFuture<'a, Verdict>,
) -> BoxFuture<'a, Verdict> {
    if layers.is_empty() { task } else { Next { layers, ctx, task }.run() }
}

/// A plain fn on a thread of its own, with its queue as the current one.
fn blocking(
    shared: &Shared,
    body: fn(Invocation) -> Verdict,
    invocation: Invocation,
) -> BoxFuture<'static, Verdict> {
    let queue = shared.queue.clone();
    let span = tracing::Span::current();
    let answer = threads::run(move || {
        let _entered = span.enter();
        guarded(|| current::scope_sync(&queue, || body(invocation)))
    });
    Box::pin(async move {
        let answer = match answer {
            Ok(answer) => answer,
            Err(e) => return Verdict::failed(no_thread(e)),
        };
        match answer.await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(failure)) => Verdict::failed(Panicked(failure)),
            Err(e) => Verdict::failed(no_thread(e)),
        }
    })
}

fn no_thread(cause: impl Into<BoxError>) -> Error {
    Error::new(ErrorKind::Conflict, "run a plain fn on a thread").with_source(cause)
}

/// Carries a caught panic through a [`Verdict`].
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.error)]
struct Panicked(Failure);

/// An async task: dropped at its timeout, some time after a cancel, and when abandoned.
async fn limited(
    execution: &Execution,
    task: impl Future<Output = Result<Verdict, Failure>> + Send,
) -> End {
    tokio::select! {
        biased;
        verdict = task => verdict.map_or_else(End::Failed, End::Verdict),
        () = execution.abandoned.cancelled() => End::Abandoned,
        failure = timeout(execution) => End::Failed(failure),
        () = cancel_grace(execution) => End::Failed(stopped()),
    }
}

/// Why an async task was dropped that a person did not want any more.
fn stopped() -> Failure {
    Failure {
        kind: FailureKind::Error,
        error: "stopped: its cancellation was asked for".to_owned(),
        backtrace: None,
    }
}

/// A plain fn: it cannot be stopped, so past its timeout it is told to stop and waited for.
async fn patient(
    execution: &Execution,
    task: impl Future<Output = Result<Verdict, Failure>> + Send,
) -> End {
    let end = async { task.await.map_or_else(End::Failed, End::Verdict) };
    tokio::pin!(end);
    tokio::select! {
        biased;
        end = &mut end => end,
        () = execution.abandoned.cancelled() => End::Abandoned,
        failure = timeout(execution) => late(execution, failure, end).await,
    }
}

/// Waits for what is past its timeout and cannot be stopped.
async fn late(execution: &Execution, failure: Failure, end: impl Future<Output = End>) -> End {
    tokio::select! {
        biased;
        end = end => match end {
            End::Verdict(Verdict::Failed(_)) | End::Failed(_) => End::Failed(failure),
            // Late, but done: to run it again would do it twice.
            other => other,
        },
        () = execution.abandoned.cancelled() => End::Abandoned,
    }
}

async fn timeout(execution: &Execution) -> Failure {
    match execution.def.options.timeout {
        Some(limit) => {
            tokio::time::sleep(limit.saturating_sub(execution.elapsed())).await;
            execution.token.cancel();
            let limit = humantime::format_duration(limit);
            Failure {
                kind: FailureKind::Timeout,
                error: format!("ran longer than its timeout of {limit}"),
                backtrace: None,
            }
        }
        None => std::future::pending().await,
    }
}

async fn cancel_grace(execution: &Execution) {
    execution.token.cancelled().await;
    tokio::time::sleep(CANCEL_GRACE).await;
}

/// What an async task does in its transaction, inside its layers.
fn async_body(
    shared: &Shared,
    body: AsyncTransactionFn,
    invocation: Invocation,
) -> TransactionBody {
    let (queue, layers) = (shared.queue.clone(), Arc::clone(&shared.layers));
    TransactionBody::Async(Box::new(move |connection| {
        Box::pin(async move {
            let ctx = invocation.ctx.clone();
            let mut run = around(&layers, &ctx, body(invocation, connection));
            if locks(&queue) {
                run = Box::pin(current::writing(queue, run));
            }
            Guarded(run).await.unwrap_or_else(|failure| Verdict::failed(Panicked(failure)))
        })
    }))
}

/// What a plain task does in its transaction, inside its layers.
fn blocking_body(
    shared: &Shared,
    body: BlockingTransactionFn,
    invocation: Invocation,
) -> TransactionBody {
    let (queue, layers) = (shared.queue.clone(), Arc::clone(&shared.layers));
    TransactionBody::Blocking(Box::new(move |connection| {
        let ctx = invocation.ctx.clone();
        let task = async { current::scope_sync(&queue, || body(invocation, connection)) };
        // The thread itself waits, in no runtime: the task may block on futures as it likes.
        let run = || pollster::block_on(around(&layers, &ctx, Box::pin(task)));
        let run = || if locks(&queue) { current::writing_sync(&queue, run) } else { run() };
        guarded(run).unwrap_or_else(|failure| Verdict::failed(Panicked(failure)))
    }))
}

/// Whether a transaction on this queue's database keeps all others from writing.
fn locks(queue: &Queue) -> bool {
    queue.engine() == Engine::Sqlite
}

fn transact<'a>(
    shared: &'a Shared,
    job: &'a ClaimedJob,
    need: &'a ConnectionNeed,
    body: TransactionBody,
) -> BoxFuture<'a, Result<TransactionEnd, Error>> {
    let outcome = Outcome::Completed(None);
    let retention = shared.registry.find(&job.task).and_then(|def| shared.retention(def, &outcome));
    let settlement = Settlement {
        id: job.id,
        owner: job.owner,
        fence: job.fence,
        attempt: job.attempt,
        outcome,
        retention,
    };
    shared.store.transact((need.type_id)(), body, settlement)
}

/// Waits for a task's transaction. An async one is dropped, and so rolled back, where it may not
/// go on; a plain fn is told to stop and waited for.
async fn in_transaction(
    execution: &Execution,
    may_be_dropped: bool,
    transaction: BoxFuture<'_, Result<TransactionEnd, Error>>,
) -> End {
    let started = Instant::now();
    let end = async {
        match transaction.await {
            Ok(TransactionEnd::Committed { result }) => End::Committed(result),
            Ok(TransactionEnd::Lost) => End::Lost,
            Ok(TransactionEnd::Failed(verdict)) => End::Verdict(verdict),
            Err(error) if error.is_transient() => {
                tracing::warn!(error = %chain(&error), "a task's transaction could not be run; again in a second");
                End::NotBegun
            }
            Err(error) => End::Verdict(Verdict::failed(error)),
        }
    };
    tokio::pin!(end);
    let end = tokio::select! {
        biased;
        end = &mut end => end,
        () = execution.abandoned.cancelled() => End::Abandoned,
        failure = timeout(execution) => {
            if may_be_dropped { End::Failed(failure) } else { late(execution, failure, end).await }
        }
        () = cancel_grace(execution), if may_be_dropped => End::Failed(stopped()),
    };
    if started.elapsed() > Duration::from_secs(1) {
        tracing::warn!(job = %execution.id, took = ?started.elapsed(), "a task's transaction was open for more than a second");
    }
    end
}

/// From verdict to outcome.
fn judge(job: &ClaimedJob, execution: &Execution, verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Done(Some(result)) if result.len() > RESULT_LIMIT => {
            tracing::error!(
                bytes = result.len(),
                limit = RESULT_LIMIT,
                "the result is over the limit and is not kept; the job counts as completed"
            );
            Outcome::Completed(None)
        }
        Verdict::Done(result) => Outcome::Completed(result),
        Verdict::Undecodable(error) => undecodable(job, &error),
        Verdict::Failed(error) => {
            if let Some(Panicked(failure)) = error.downcast_ref::<Panicked>() {
                return after_failure(job, execution.def, failure.clone(), None);
            }
            let asked = wish(error.as_ref());
            let failure =
                Failure { kind: FailureKind::Error, error: chain(error.as_ref()), backtrace: None };
            match asked {
                Some(Wish::Cancel(reason)) => Outcome::Cancelled(reason),
                Some(Wish::Discard(reason)) => {
                    Outcome::Discarded { reason, failure: Some(failure) }
                }
                Some(Wish::Snooze(after)) => Outcome::Snoozed { after, failure: None },
                Some(Wish::Retry(after)) => after_failure(job, execution.def, failure, Some(after)),
                None if execution.was_cancelled() => {
                    Outcome::Cancelled("cancelled while it ran".to_owned())
                }
                None => after_failure(job, execution.def, failure, None),
            }
        }
    }
}

/// The next attempt, or the end of attempts.
fn after_failure(
    job: &ClaimedJob,
    def: &TaskDef,
    failure: Failure,
    after: Option<Duration>,
) -> Outcome {
    let attempt = u32::try_from(job.attempt).unwrap_or(1);
    tracing::warn!(kind = failure.kind.name(), "the attempt failed");
    if job.attempt >= job.max_attempts {
        return Outcome::Discarded {
            reason: format!("attempt {attempt} of {} failed: {}", job.max_attempts, failure.error),
            failure: Some(failure),
        };
    }
    let after = after.unwrap_or_else(|| {
        // It may be the application's own function.
        guarded(|| def.options.backoff.jittered(attempt))
            .unwrap_or_else(|_| Backoff::DEFAULT.jittered(attempt))
    });
    Outcome::Retry { after, failure }
}

fn undecodable(job: &ClaimedJob, error: &Error) -> Outcome {
    let failure = Failure { kind: FailureKind::Undecodable, error: chain(error), backtrace: None };
    if job.snooze_count < DECODE_TRIES {
        tracing::warn!("the arguments do not decode; again in 30 s, for a worker that knows them");
        Outcome::Snoozed { after: DECODE_AGAIN, failure: Some(failure) }
    } else {
        let reason = format!("its arguments do not decode: {}", failure.error);
        Outcome::Quarantined { reason, failure: Some(failure) }
    }
}
