//! Runs claimed jobs on the caller's runtime, and judges how each attempt ended.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::OwnedSemaphorePermit;
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
    layer::Next,
    outcome::{Failure, FailureKind, Outcome},
    queue::Queue,
    store::{Engine, TransactionBody, TransactionEnd},
    task::{AsyncTransactionFn, ConnectionNeed, Invocation, Run, TaskDef},
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
        while let Some((slot, job)) = lane.take_next() {
            if shared.stop.is_cancelled() {
                // It goes back with the rest of the buffer.
                lane.put_back(job);
                return;
            }
            ask_for_more(&shared, &lane);
            start(&shared, &lane, job, slot);
        }
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = lane.has_next() => {}
        }
    }
}

/// Has the claim loop look if the buffer has fallen low.
fn ask_for_more(shared: &Shared, lane: &Lane) {
    if lane.is_low() && shared.signal.is_marked(&lane.queue) {
        shared.signal.work.notify_one();
    }
}

/// Starts the next job of the buffer in the slot of one that has ended: the dispatcher, on whatever
/// thread it sleeps, need not be woken.
fn follow(shared: &Arc<Shared>, lane: &Arc<Lane>, slot: Option<OwnedSemaphorePermit>) {
    if let Some(slot) = slot
        && !shared.stop.is_cancelled()
        && let Some(job) = lane.pop()
    {
        ask_for_more(shared, lane);
        start(shared, lane, job, slot);
    }
}

/// Starts a job on the tasks' runtime.
pub(super) fn start(
    shared: &Arc<Shared>,
    lane: &Arc<Lane>,
    job: ClaimedJob,
    slot: OwnedSemaphorePermit,
) {
    let Some(def) = shared.registry.find(&job.task) else {
        // Only known tasks are claimed; a store that errs loses nothing here.
        shared.give_back(vec![job]);
        return;
    };
    let timeout = def.options.timeout;
    let ctx = Ctx::new(job, shared.queue.clone(), Arc::clone(&shared.states), timeout);
    let execution = Arc::new(Execution::new(def, ctx, Some(slot)));
    shared.running.insert(Arc::clone(&execution));
    let job = execution.job();
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
    let run = run(Arc::clone(shared), Arc::clone(lane), execution).instrument(span);
    shared.runtime.spawn(current::scope(shared.queue.clone(), run));
}

/// One attempt from its start to its outcome. One lives for each running job, and is made and moved
/// as a whole: what few jobs need is boxed, so that the others stay small.
async fn run(shared: Arc<Shared>, lane: Arc<Lane>, execution: Arc<Execution>) {
    let job = execution.job();
    let Some(company) = company(&shared, job.solo).await else {
        shared.running.finish(&execution, || shared.settle(execution.released()));
        return;
    };
    let def = execution.def;
    let end = attempt(&shared, &execution).await;
    drop(company);
    // Before this one leaves the list: whoever waits for the last to end misses none. And before its
    // outcome is written: whoever is told of that finds the slot free.
    follow(&shared, &lane, execution.take_slot());
    let took = execution.started.elapsed();
    let (outcome, written) = match end {
        End::Abandoned => return,
        End::Committed(result) => (Outcome::Completed(result), true),
        End::Verdict(verdict) => (judge(&execution, verdict), false),
        End::Failed(failure) => (after_failure(job, def, failure, None), false),
        End::NotBegun => (Outcome::Snoozed { after: Duration::from_secs(1), failure: None }, false),
        End::Lost => {
            if shared.running.remove(&execution).is_none() {
                return;
            }
            shared.queue.events().tell(|| Event::Lost { id: job.id, fence: job.fence });
            shared.let_go(job.owner);
            shared.signal.work.notify_one();
            return;
        }
    };
    let retention = shared.retention(def, &outcome);
    let settlement = execution.settlement(outcome, retention);
    let facts = Facts { def, queue: job.queue.clone(), took, written };
    // Abandoned meanwhile: whoever took it out of the list settles it, or it is lost.
    shared.running.finish(&execution, || shared.settle(Ended { settlement, facts: Some(facts) }));
}

/// What keeps others away while a job must run alone, and lets it in beside others otherwise.
enum Company {
    Alone { _others_out: tokio::sync::OwnedRwLockWriteGuard<()> },
    Others { _in: tokio::sync::OwnedRwLockReadGuard<()> },
}

async fn company(shared: &Shared, solo: bool) -> Option<Company> {
    let alone = Arc::clone(&shared.alone);
    if solo {
        let waiting = Box::pin(tokio::time::timeout(ALONE_WITHIN, alone.write_owned()));
        Some(Company::Alone { _others_out: waiting.await.ok()? })
    } else {
        Some(Company::Others { _in: alone.read_owned().await })
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

async fn attempt(shared: &Shared, execution: &Execution) -> End {
    let invocation = Invocation { ctx: execution.ctx.clone() };
    match &execution.def.run {
        Run::Async(body) => {
            let mut task = Guarded(around(shared, &execution.ctx, body(invocation)));
            // A task that never waits needs none of what limits the others.
            match poll_fn(|cx| Poll::Ready(task.poll_unpin(cx))).await {
                Poll::Ready(verdict) => verdict.map_or_else(End::Failed, End::Verdict),
                Poll::Pending => Box::pin(limited(execution, task)).await,
            }
        }
        Run::Blocking(body) => {
            let task = blocking(shared, *body, invocation);
            Box::pin(patient(execution, Guarded(around(shared, &execution.ctx, task)))).await
        }
        Run::AsyncTransaction(need, body) => {
            let transaction = async_transaction(shared, execution, need, *body, invocation);
            Box::pin(in_transaction(execution, true, transaction)).await
        }
        Run::BlockingTransaction(need, body) => {
            let body = *body;
            let queue = shared.queue.clone();
            let body = TransactionBody::Blocking(Box::new(move |connection| {
                let run = || current::scope_sync(&queue, || body(invocation, connection));
                let run = || if locks(&queue) { current::writing_sync(&queue, run) } else { run() };
                guarded(run).unwrap_or_else(|failure| Verdict::failed(Panicked(failure)))
            }));
            let transaction = transact(shared, execution, need, body);
            Box::pin(in_transaction(execution, false, transaction)).await
        }
    }
}

/// The task inside its layers.
fn around<'a>(
    shared: &'a Shared,
    ctx: &'a Ctx,
    task: BoxFuture<'a, Verdict>,
) -> BoxFuture<'a, Verdict> {
    if shared.layers.is_empty() { task } else { Next { layers: &shared.layers, ctx, task }.run() }
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
        () = execution.abandoned.raised() => End::Abandoned,
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
        () = execution.abandoned.raised() => End::Abandoned,
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
        () = execution.abandoned.raised() => End::Abandoned,
    }
}

async fn timeout(execution: &Execution) -> Failure {
    match execution.def.options.timeout {
        Some(limit) => {
            tokio::time::sleep(limit.saturating_sub(execution.started.elapsed())).await;
            execution.ctx.cancel();
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
    execution.ctx.cancelled().await;
    tokio::time::sleep(CANCEL_GRACE).await;
}

fn async_transaction<'a>(
    shared: &'a Shared,
    execution: &'a Execution,
    need: &'a ConnectionNeed,
    body: AsyncTransactionFn,
    invocation: Invocation,
) -> BoxFuture<'a, Result<TransactionEnd, Error>> {
    let queue = shared.queue.clone();
    let body = TransactionBody::Async(Box::new(move |connection| {
        Box::pin(async move {
            let mut run = body(invocation, connection);
            if locks(&queue) {
                run = Box::pin(current::writing(queue, run));
            }
            Guarded(run).await.unwrap_or_else(|failure| Verdict::failed(Panicked(failure)))
        })
    }));
    transact(shared, execution, need, body)
}

/// Whether a transaction on this queue's database keeps all others from writing.
fn locks(queue: &Queue) -> bool {
    queue.engine() == Engine::Sqlite
}

fn transact<'a>(
    shared: &'a Shared,
    execution: &'a Execution,
    need: &'a ConnectionNeed,
    body: TransactionBody,
) -> BoxFuture<'a, Result<TransactionEnd, Error>> {
    let outcome = Outcome::Completed(None);
    let retention = shared.retention(execution.def, &outcome);
    let settlement = execution.settlement(outcome, retention);
    shared.store.transact((need.type_id)(), body, settlement)
}

/// Waits for a task's transaction. An async one is dropped, and so rolled back, where it may not
/// go on; a plain fn is waited for.
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
        () = execution.abandoned.raised() => End::Abandoned,
        failure = timeout(execution) => {
            if may_be_dropped { End::Failed(failure) } else { late(execution, failure, end).await }
        }
        () = cancel_grace(execution), if may_be_dropped => End::Failed(stopped()),
    };
    if started.elapsed() > Duration::from_secs(1) {
        tracing::warn!(job = %execution.job().id, took = ?started.elapsed(), "a task's transaction was open for more than a second");
    }
    end
}

/// From verdict to outcome.
fn judge(execution: &Execution, verdict: Verdict) -> Outcome {
    let job = execution.job();
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
    let after = after.unwrap_or_else(|| def.options.backoff.jittered(attempt));
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
