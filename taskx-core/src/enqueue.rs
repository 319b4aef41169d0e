//! Group commit of single inserts: a batch is what arrived while the last commit ran. No timer.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{
    error::{Error, ErrorKind, Result},
    event::{Event, Events},
    hub::{Cot, Hub},
    job::{NewJob, RunAt},
    store::{Born, Inserted, Store},
};

/// The most jobs of one group.
const GROUP: usize = 1_000;

/// How long a caller is kept waiting while the database is away before it gets the error.
const PATIENCE: Duration = Duration::from_secs(10);

/// One caller's job, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) job: NewJob,
    pub(crate) reply: oneshot::Sender<Result<Inserted>>,
}

/// What an insert needs, wherever it is done.
#[derive(Debug, Clone)]
pub(crate) struct Inserter {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) events: Events,
}

impl Inserter {
    /// The loop that stores single jobs; ends when no sender is left.
    pub(crate) async fn group_commit(self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let mut group = Vec::new();
        while requests.recv_many(&mut group, GROUP).await > 0 {
            let (jobs, replies): (Vec<_>, Vec<_>) =
                group.drain(..).map(|request| (request.job, request.reply)).unzip();
            match self.insert(jobs).await {
                Ok(answers) => {
                    for (reply, inserted) in replies.into_iter().zip(answers) {
                        let _ = reply.send(Ok(inserted));
                    }
                }
                Err((error, jobs)) => self.one_by_one(error, jobs, replies).await,
            }
        }
    }

    /// After a refused group: each job alone, so that a bad one fails its own caller only.
    async fn one_by_one(
        &self,
        error: Error,
        jobs: Vec<NewJob>,
        replies: Vec<oneshot::Sender<Result<Inserted>>>,
    ) {
        if jobs.len() == 1 {
            if let Some(reply) = replies.into_iter().next() {
                let _ = reply.send(Err(error));
            }
            return;
        }
        // The database has been waited for already: no caller waits for it again.
        let away = error.is_transient().then(|| error.to_string());
        for (job, reply) in jobs.into_iter().zip(replies) {
            let answer = match &away {
                Some(text) => Err(Error::new(ErrorKind::Transient, text.clone())),
                None => self.insert(vec![job]).await.map_err(|(error, _)| error).and_then(|all| {
                    all.first().copied().ok_or_else(|| Error::new(ErrorKind::Store, "insert a job"))
                }),
            };
            let _ = reply.send(answer);
        }
    }

    /// Stores jobs in one transaction, and gives them to a worker of this process that has nothing
    /// else to do, or wakes them all. While the database is away it tries again for 10 s; since an answer may have been lost, repeats look the
    /// ids up. The jobs come back with an error.
    pub(crate) async fn insert(
        &self,
        mut jobs: Vec<NewJob>,
    ) -> Result<Vec<Inserted>, (Error, Vec<NewJob>)> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(20);
        // Which ids their callers asked to look up, kept once the insert is repeated.
        let mut asked: Option<Vec<bool>> = None;
        let mut cot = self.hub.reserve(&jobs);
        loop {
            if let Some(cot) = cot.take() {
                match self.give_birth(jobs, cot).await {
                    Ok(answers) => return Ok(answers),
                    // It is tried again below, as any other insert.
                    Err(unborn) => jobs = unborn,
                }
                asked = Some(ask_all(&mut jobs));
            }
            match self.store.insert(&jobs).await {
                Ok(mut answers) => {
                    // What a lost commit stored is new to its caller all the same.
                    for (answer, asked) in answers.iter_mut().zip(asked.into_iter().flatten()) {
                        if !asked {
                            *answer = Inserted::New;
                        }
                    }
                    self.stored(&jobs, &answers);
                    return Ok(answers);
                }
                Err(error) if error.is_transient() && started.elapsed() < PATIENCE => {
                    asked = asked.or_else(|| Some(ask_all(&mut jobs)));
                    let jitter = pause.mul_f64(0.5 + fastrand::f64());
                    tracing::warn!(%error, "insert jobs: trying again in {jitter:?}");
                    tokio::time::sleep(jitter).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Err(error) => return Err((error, jobs)),
            }
        }
    }

    /// Stores jobs as held by the worker that has room for them. They come back where it failed.
    async fn give_birth(
        &self,
        jobs: Vec<NewJob>,
        cot: Box<dyn Cot>,
    ) -> Result<Vec<Inserted>, Vec<NewJob>> {
        let answers = vec![Inserted::New; jobs.len()];
        let queue = jobs.first().map(|job| job.queue.clone()).unwrap_or_default();
        match self.store.insert_claimed(&jobs, &queue, cot.owner()).await {
            Ok(Born::Claimed(since)) => {
                self.tell_enqueued(&jobs, &answers);
                cot.fill(jobs, since);
            }
            Ok(Born::Available) => {
                cot.leave();
                self.stored(&jobs, &answers);
            }
            Err(error) => {
                tracing::debug!(%error, "jobs were to be born claimed");
                cot.lose();
                return Err(jobs);
            }
        }
        Ok(answers)
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

/// Makes every id be looked up; tells which were to be before.
fn ask_all(jobs: &mut [NewJob]) -> Vec<bool> {
    jobs.iter_mut().map(|job| std::mem::replace(&mut job.check_id, true)).collect()
}
