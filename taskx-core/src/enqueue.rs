//! Group commit of single inserts: a batch is what arrived while the last commit ran. No timer.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{
    error::{BoxError, Error, ErrorKind, Result, chain},
    event::{Event, Events},
    hub::{Hub, Place},
    job::{NewJob, RunAt},
    store::{Born, Inserted, Store},
    task::{Retention, registered},
};

/// The most jobs of one group.
const GROUP: usize = 1_000;

/// How long a caller is kept waiting while the database is away before it gets the error.
const PATIENCE: Duration = Duration::from_secs(10);

/// One caller's job, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) job: NewJob,
    pub(crate) reply: Reply,
}

/// Where an answer goes; the caller is under way until then.
#[derive(Debug)]
pub(crate) struct Reply {
    sender: oneshot::Sender<Result<Inserted>>,
    _turn: Turn,
}

impl Reply {
    /// For a caller with this turn, and where the answer arrives.
    pub(crate) fn new(turn: Turn) -> (Self, oneshot::Receiver<Result<Inserted>>) {
        let (sender, answer) = oneshot::channel();
        (Self { sender, _turn: turn }, answer)
    }

    fn send(self, answer: Result<Inserted>) {
        // A caller that no longer waits does not want to know.
        let _ = self.sender.send(answer);
    }
}

/// How many callers have a job under way, and whether they come one by one.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    under_way: AtomicUsize,
    /// Whether the last group was of more than one.
    crowded: AtomicBool,
}

/// A caller's place among those under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    /// Whether there is nobody to share a commit with.
    pub(crate) is_lone: bool,
}

impl Turns {
    /// Counts a caller.
    pub(crate) fn take(self: &Arc<Self>) -> Turn {
        let others = self.under_way.fetch_add(1, Ordering::AcqRel);
        let is_lone = others == 0 && !self.crowded.load(Ordering::Acquire);
        Turn { turns: Arc::clone(self), is_lone }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What an insert needs, wherever it is done.
#[derive(Debug, Clone)]
pub(crate) struct Inserter {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) events: Events,
    pub(crate) turns: Arc<Turns>,
}

impl Inserter {
    /// Stores a lone caller's job.
    pub(crate) async fn insert_lone(self, job: NewJob, _turn: Turn) -> Result<Inserted> {
        self.insert_one(Call::First, job).await
    }

    /// The loop that stores single jobs; ends when no sender is left.
    pub(crate) async fn group_commit(self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let mut group = Vec::new();
        while requests.recv_many(&mut group, GROUP).await > 0 {
            self.turns.crowded.store(group.len() > 1, Ordering::Release);
            self.store_group(std::mem::take(&mut group), Call::First).await;
        }
    }

    /// Stores a group and answers each caller.
    async fn store_group(&self, group: Vec<Request>, call: Call) {
        let (jobs, replies): (Vec<_>, Vec<_>) =
            group.into_iter().map(|request| (request.job, request.reply)).unzip();
        match self.insert_by(call, jobs).await {
            Ok(answers) => {
                for (reply, inserted) in replies.into_iter().zip(answers) {
                    reply.send(Ok(inserted));
                }
            }
            Err((error, jobs)) => {
                let group = jobs.into_iter().zip(replies);
                let group = group.map(|(job, reply)| Request { job, reply }).collect();
                match error.kind() {
                    ErrorKind::CommitUnknown => self.after_unknown(&error, group).await,
                    _ => self.one_by_one(error, group, call).await,
                }
            }
        }
    }

    /// After a group's commit of which nobody knows whether it came to pass: the jobs that leave a
    /// trace are looked up and stored; the callers of the others are told.
    async fn after_unknown(&self, error: &Error, group: Vec<Request>) {
        let (lost, known): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|request| leaves_no_trace(&request.job));
        for request in lost {
            request.reply.send(Err(commit_unknown(chain(error))));
        }
        if !known.is_empty() {
            Box::pin(self.store_group(known, Call::Repeated)).await;
        }
    }

    /// After a refused group: each job alone, so that a bad one fails its own caller only.
    async fn one_by_one(&self, error: Error, group: Vec<Request>, call: Call) {
        if group.len() == 1 {
            if let Some(request) = group.into_iter().next() {
                request.reply.send(Err(error));
            }
            return;
        }
        // The database has been waited for already: no caller waits for it again.
        let away = error.is_transient().then(|| error.to_string());
        for Request { job, reply } in group {
            let answer = match &away {
                Some(text) => Err(Error::new(ErrorKind::Transient, text.clone())),
                None => self.insert_one(call, job).await,
            };
            reply.send(answer);
        }
    }

    async fn insert_one(&self, call: Call, job: NewJob) -> Result<Inserted> {
        let answers = self.insert_by(call, vec![job]).await.map_err(|(error, _)| error)?;
        answers.first().copied().ok_or_else(|| Error::new(ErrorKind::Store, "insert a job"))
    }

    /// Stores jobs in one transaction, and gives them to a worker of this process that has nothing
    /// else to do, or else wakes all of them. While the database
    /// is away it tries again for 10 s; since an answer may have been lost, repeats look the
    /// ids up. The jobs come back with an error.
    pub(crate) async fn insert(
        &self,
        jobs: Vec<NewJob>,
    ) -> Result<Vec<Inserted>, (Error, Vec<NewJob>)> {
        self.insert_by(Call::First, jobs).await
    }

    async fn insert_by(
        &self,
        call: Call,
        mut jobs: Vec<NewJob>,
    ) -> Result<Vec<Inserted>, (Error, Vec<NewJob>)> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(20);
        // Which ids their callers asked to look up, kept once the insert is repeated.
        let mut asked = match call {
            Call::First => None,
            Call::Repeated => Some(look_up(&mut jobs)),
        };
        let mut place = match call {
            Call::First => self.hub.reserve(&jobs),
            Call::Repeated => None,
        };
        loop {
            let stored = match place.take() {
                Some(place) => self.store_held(place, &jobs).await,
                None => self.store.insert(&jobs).await.map(Stored::Available),
            };
            let error = match stored {
                Ok(Stored::Held(place, since)) => {
                    let answers = vec![Inserted::New; jobs.len()];
                    self.tell_enqueued(&jobs, &answers);
                    place.fill(jobs, since);
                    return Ok(answers);
                }
                Ok(Stored::Available(mut answers)) => {
                    // What a lost commit stored is new to its caller all the same.
                    for (answer, asked) in answers.iter_mut().zip(asked.into_iter().flatten()) {
                        if !asked {
                            *answer = Inserted::New;
                        }
                    }
                    self.stored(&jobs, &answers);
                    return Ok(answers);
                }
                Err(error) => error,
            };
            let is_transient = error.is_transient();
            // Stored, run and forgotten meanwhile: a repeated insert would run it twice.
            let is_lost = is_transient && !error.is_unwritten() && jobs.iter().any(leaves_no_trace);
            if is_lost || !is_transient || started.elapsed() >= PATIENCE {
                for (job, asked) in jobs.iter_mut().zip(asked.into_iter().flatten()) {
                    job.check_id = asked;
                }
                return Err((if is_lost { commit_unknown(error) } else { error }, jobs));
            }
            asked.get_or_insert_with(|| look_up(&mut jobs));
            let jitter = pause.mul_f64(0.5 + fastrand::f64());
            tracing::warn!(%error, "insert jobs: trying again in {jitter:?}");
            tokio::time::sleep(jitter).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Stores jobs as held by the worker that has room for them.
    async fn store_held(&self, place: Place, jobs: &[NewJob]) -> Result<Stored> {
        let queue = jobs.first().map_or("", |job| &job.queue);
        match self.store.insert_claimed(jobs, queue, place.owner()).await {
            Ok(Born::Claimed(since)) => Ok(Stored::Held(place, since)),
            Ok(Born::Available) => {
                place.leave();
                Ok(Stored::Available(vec![Inserted::New; jobs.len()]))
            }
            Err(error) => {
                let is_unknown = error.is_transient() || error.kind() == ErrorKind::CommitUnknown;
                if error.is_unwritten() || !is_unknown {
                    place.leave();
                }
                Err(error)
            }
        }
    }

    fn stored(&self, jobs: &[NewJob], answers: &[Inserted]) {
        let queues: BTreeSet<&str> = jobs.iter().map(|job| job.queue.as_ref()).collect();
        for queue in queues {
            self.hub.wake(queue);
        }
        let delays = jobs.iter().filter_map(|job| match job.run_at {
            RunAt::In(delay) => Some(delay),
            RunAt::Now | RunAt::At(_) => None,
        });
        if let Some(soonest) = delays.min() {
            self.hub.due_in(soonest);
        }
        self.tell_enqueued(jobs, answers);
    }

    fn tell_enqueued(&self, jobs: &[NewJob], answers: &[Inserted]) {
        for (job, _) in jobs.iter().zip(answers).filter(|(_, got)| **got == Inserted::New) {
            self.events.tell(|| Event::Enqueued {
                id: job.id,
                task: job.task.to_string(),
                queue: job.queue.to_string(),
            });
        }
    }
}

/// How jobs were stored.
enum Stored {
    /// Held by a worker of this process since this time by the database's clock.
    Held(Place, DateTime<Utc>),
    /// For whoever claims them.
    Available(Vec<Inserted>),
}

/// Whether an earlier call may have stored the jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    First,
    Repeated,
}

/// Makes an insert look all ids up; answers which it was asked to look up anyway.
fn look_up(jobs: &mut [NewJob]) -> Vec<bool> {
    jobs.iter_mut().map(|job| std::mem::replace(&mut job.check_id, true)).collect()
}

/// Whether a job that was stored may be gone without a trace by the next look.
fn leaves_no_trace(job: &NewJob) -> bool {
    let mut tasks = registered().filter(|def| def.options.retention == Retention::None);
    tasks.any(|def| def.names().any(|name| name == job.task))
}

fn commit_unknown(cause: impl Into<BoxError>) -> Error {
    Error::new(
        ErrorKind::CommitUnknown,
        "enqueue a job: the commit's answer was lost, and with `retention = \"none\"` nobody can \
         tell whether the job is stored; it may run or not",
    )
    .with_source(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_lone_while_nobody_else_is_and_none_shared_the_last_commit() {
        let turns = Arc::<Turns>::default();
        let first = turns.take();
        assert!(first.is_lone);
        let second = turns.take();
        assert!(!second.is_lone);
        drop(first);
        assert!(!turns.take().is_lone);
        drop(second);
        assert!(turns.take().is_lone);
        turns.crowded.store(true, Ordering::Release);
        assert!(!turns.take().is_lone);
    }
}
