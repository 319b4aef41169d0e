//! Writes outcomes: a batch is what ended while the last one was written. No timer.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{claim::Trouble, shared::Shared};
use crate::{
    error::Error,
    event::Event,
    job::JobState,
    outcome::{Outcome, Settlement},
    store::Settled,
    task::{SettleMode, TaskDef},
};

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
    pub(super) queue: Arc<str>,
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
        let each: Vec<Ended> = batch.extract_if(.., |ended| wants_its_own(ended)).collect();
        write(&shared, &mut batch).await;
        for ended in each {
            write(&shared, &mut vec![ended]).await;
        }
    }
}

fn wants_its_own(ended: &Ended) -> bool {
    ended.facts.as_ref().is_some_and(|facts| facts.def.options.settle == SettleMode::Each)
}

/// Writes a batch, and empties it.
async fn write(shared: &Shared, batch: &mut Vec<Ended>) {
    if batch.is_empty() {
        return;
    }
    let count = batch.len();
    let is_written = |ended: &mut Ended| ended.facts.as_ref().is_some_and(|facts| facts.written);
    for ended in batch.extract_if(.., is_written) {
        tell(shared, &ended.settlement, ended.facts.as_ref(), Settled::Done);
    }
    let (settlements, facts): (Vec<_>, Vec<_>) =
        batch.drain(..).map(|ended| (ended.settlement, ended.facts)).unzip();
    let answers = settle(shared, &settlements).await;
    for ((settlement, facts), settled) in settlements.iter().zip(&facts).zip(answers) {
        tell(shared, settlement, facts.as_ref(), settled);
    }
    shared.settled(count);
    // Slots' worth of jobs may be claimed again, and somebody may wait for idleness.
    shared.signal.work.notify_one();
}

/// Writes a batch; repeats while the database is away, and goes row by row past a bad one.
async fn settle(shared: &Shared, batch: &[Settlement]) -> Vec<Settled> {
    if batch.is_empty() {
        return Vec::new();
    }
    match with_patience(shared, batch).await {
        Ok(answers) => answers,
        Err(error) if batch.len() == 1 => match batch.first() {
            Some(bad) => vec![set_aside(shared, bad, &error).await],
            None => Vec::new(),
        },
        Err(_) => {
            let mut answers = Vec::with_capacity(batch.len());
            for one in batch {
                let answer = match with_patience(shared, std::slice::from_ref(one)).await {
                    Ok(answer) => answer.first().copied().unwrap_or(Settled::Lost),
                    Err(error) => set_aside(shared, one, &error).await,
                };
                answers.push(answer);
            }
            answers
        }
    }
}

/// Repeats transient failures for ever: the outcomes are kept until they can be written. After
/// the worker was told to hurry, three times.
async fn with_patience(shared: &Shared, batch: &[Settlement]) -> Result<Vec<Settled>, Error> {
    let mut trouble = Trouble::default();
    let mut hurried = 0;
    loop {
        match shared.store.settle(batch).await {
            Err(error) if error.is_transient() => {
                shared.trouble("settle jobs", &error);
                if shared.hurry.is_cancelled() {
                    hurried += 1;
                    if hurried > 3 {
                        return Ok(vec![Settled::Lost; batch.len()]);
                    }
                }
                tokio::time::sleep(trouble.pause()).await;
            }
            answer => return answer,
        }
    }
}

/// An outcome that cannot be written as it is: the job is set aside without result and text.
async fn set_aside(shared: &Shared, bad: &Settlement, error: &Error) -> Settled {
    shared.trouble("settle a job", error);
    let plain = Settlement {
        outcome: Outcome::Quarantined {
            reason: format!("its outcome could not be written: {error}"),
            failure: None,
        },
        ..bad.clone()
    };
    match with_patience(shared, &[plain]).await {
        Ok(answers) => answers.first().copied().unwrap_or(Settled::Lost),
        Err(error) => {
            shared.trouble("quarantine a job", &error);
            Settled::Lost
        }
    }
}

/// Tells what became of an outcome.
fn tell(shared: &Shared, settlement: &Settlement, facts: Option<&Facts>, settled: Settled) {
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
            queue: facts.queue.to_string(),
            state,
            took: facts.took,
        });
    }
}
