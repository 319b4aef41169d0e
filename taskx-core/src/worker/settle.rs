//! Writes outcomes: a batch is what ended while the last one was written. No timer.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{claim::Trouble, haste::TO_SETTLE, shared::Shared};
use crate::{
    error::{Error, ErrorKind},
    event::Event,
    job::JobState,
    outcome::{Outcome, Settlement},
    store::Settled,
    task::{SettleMode, TaskDef},
};

/// When an outcome is tried again that the database refused in every form.
const LATER: Duration = Duration::from_secs(5);

/// The most outcomes of one batch.
const BATCH: usize = 1_000;

/// An attempt that ended, with what is told of it.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) settlement: Settlement,
    pub(super) facts: Option<Facts>,
}

/// What subscribers are told of an attempt that was really made.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) def: &'static TaskDef,
    pub(super) queue: String,
    pub(super) took: Duration,
    /// Whether the outcome was written by the task's own transaction.
    pub(super) written: bool,
}

impl From<Settlement> for Ended {
    fn from(settlement: Settlement) -> Self {
        Self { settlement, facts: None }
    }
}

/// The outcomes that wait to be written.
pub(super) type Outcomes = mpsc::UnboundedReceiver<Ended>;

pub(super) fn channel() -> (mpsc::UnboundedSender<Ended>, Outcomes) {
    mpsc::unbounded_channel()
}

/// The loop; ends when no more outcomes can come and all are written.
pub(super) async fn run(shared: Arc<Shared>, mut outcomes: Outcomes) {
    let mut batch = Vec::new();
    while outcomes.recv_many(&mut batch, BATCH).await > 0 {
        let (each, together): (Vec<_>, Vec<_>) = batch.drain(..).partition(wants_its_own);
        write(&shared, together).await;
        for ended in each {
            write(&shared, vec![ended]).await;
        }
    }
}

fn wants_its_own(ended: &Ended) -> bool {
    ended.facts.as_ref().is_some_and(|facts| facts.def.options.settle == SettleMode::Each)
}

async fn write(shared: &Arc<Shared>, batch: Vec<Ended>) {
    if batch.is_empty() {
        return;
    }
    let (written, open): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .partition(|ended| ended.facts.as_ref().is_some_and(|facts| facts.written));
    for ended in &written {
        tell(shared, ended, Settled::Done);
    }
    let (settlements, facts): (Vec<_>, Vec<_>) =
        open.into_iter().map(|ended| (ended.settlement, ended.facts)).unzip();
    let answers = settle(shared, &settlements).await;
    let count = settlements.len() + written.len();
    for ((settlement, facts), answer) in settlements.into_iter().zip(facts).zip(answers) {
        let ended = Ended { settlement, facts };
        match answer {
            Some(settled) => tell(shared, &ended, settled),
            None => settle_later(shared, ended),
        }
    }
    shared.settled(count);
    // Slots' worth of jobs may be claimed again, and somebody may wait for idleness.
    shared.signal.work.notify_one();
}

/// Keeps an outcome that the database refuses in every form, and tries again: others go first.
fn settle_later(shared: &Arc<Shared>, ended: Ended) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        tokio::time::sleep(LATER).await;
        // A worker that has stopped by then has given the job back with its row.
        shared.settle(ended);
    });
}

/// Writes a batch; repeats while the database is away, and goes row by row past a bad one. `None`
/// stands for an outcome that could not be written in any form.
async fn settle(shared: &Shared, batch: &[Settlement]) -> Vec<Option<Settled>> {
    if batch.is_empty() {
        return Vec::new();
    }
    match with_patience(shared, batch).await {
        Ok(answers) => answers.into_iter().map(Some).collect(),
        Err(error) if batch.len() == 1 => match batch.first() {
            Some(bad) => vec![set_aside(shared, bad, &error).await],
            None => Vec::new(),
        },
        Err(_) => {
            let mut answers = Vec::with_capacity(batch.len());
            for one in batch {
                let answer = match with_patience(shared, std::slice::from_ref(one)).await {
                    Ok(answer) => answer.first().copied(),
                    Err(error) => set_aside(shared, one, &error).await,
                };
                answers.push(answer);
            }
            answers
        }
    }
}

/// Repeats what is not the rows' own fault for ever: the outcomes are kept until they can be
/// written, or until the worker must go and writing them is in vain.
async fn with_patience(shared: &Shared, batch: &[Settlement]) -> Result<Vec<Settled>, Error> {
    let writing = async {
        let mut trouble = Trouble::default();
        loop {
            match shared.store.settle(batch).await {
                Err(error) if !may_be_the_rows(&error) => {
                    shared.trouble("settle jobs", &error);
                    tokio::time::sleep(trouble.pause()).await;
                }
                answer => return answer,
            }
        }
    };
    tokio::select! {
        biased;
        answer = writing => answer,
        () = shared.past_writing(TO_SETTLE) => Ok(vec![Settled::Lost; batch.len()]),
    }
}

/// Whether an error may lie in a row. All others are the database's (away, read-only, without its
/// tables while it is restored, a changed password), and pass.
fn may_be_the_rows(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Payload | ErrorKind::Store | ErrorKind::Conflict)
}

/// An outcome that cannot be written as it is: the job is set aside without result and text.
async fn set_aside(shared: &Shared, bad: &Settlement, error: &Error) -> Option<Settled> {
    shared.trouble("settle a job", error);
    let plain = Settlement {
        outcome: Outcome::Quarantined {
            reason: format!("its outcome could not be written: {error}"),
            failure: None,
        },
        ..bad.clone()
    };
    match with_patience(shared, &[plain]).await {
        Ok(answers) => answers.first().copied(),
        Err(error) => {
            shared.trouble("quarantine a job", &error);
            None
        }
    }
}

/// Tells what became of an outcome.
fn tell(shared: &Shared, ended: &Ended, settled: Settled) {
    let Ended { settlement, facts } = ended;
    let id = settlement.id;
    shared.let_go(settlement.owner);
    shared.counters.count(&settlement.outcome, settled);
    if settled == Settled::Lost {
        tracing::warn!(job = %id, fence = settlement.fence, "lost: the job is not held any more");
        shared.queue.events().tell(|| Event::Lost { id, fence: settlement.fence });
        return;
    }
    let state = match &settlement.outcome {
        Outcome::Completed(_) => JobState::Completed,
        Outcome::Retry { after, .. } => {
            shared.queue.hub().due_in(*after);
            JobState::Retryable
        }
        Outcome::Snoozed { after, .. } => {
            shared.queue.hub().due_in(*after);
            JobState::Scheduled
        }
        Outcome::Released => JobState::Available,
        Outcome::Cancelled(_) => JobState::Cancelled,
        Outcome::Discarded { .. } => JobState::Discarded,
        Outcome::Quarantined { .. } => JobState::Quarantined,
    };
    shared.queue.hub().changed(id);
    if let Some(facts) = facts {
        if shared.config.debug {
            tracing::debug!(job = %id, task = facts.def.name, %state, took = ?facts.took, "settled");
        }
        shared.queue.events().tell(|| Event::Finished {
            id,
            task: facts.def.name,
            queue: facts.queue.clone(),
            state,
            took: facts.took,
        });
    }
}
