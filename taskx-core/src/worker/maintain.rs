//! The chores beside the path: what is due becomes available, polls, messages, pruning, giving
//! back what waited too long.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};

use super::{
    claim::Trouble,
    lease::TICK,
    pace::{Glance, Pace},
    shared::Shared,
};
use crate::{
    error::Result,
    store::{Wake, WakeSource},
};

/// The most jobs that one statement makes available.
const PROMOTE: u32 = 1_000;

/// The longest that the promoter sleeps. Each look tells when to look next; only what another process
/// delays by less than this can be late, by no more than it.
const PROMOTE_POLL: Duration = Duration::from_secs(2);

/// The same where the heartbeat's look tells each second what is due next.
const PROMOTE_POLL_TOLD: Duration = Duration::from_secs(120);

/// The most finished jobs that one statement deletes.
const PRUNE: u32 = 1_000;

/// How often finished jobs are pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// How many unknown jobs before the known ones make them be parked.
const PARK: u32 = 1_000;

/// Makes jobs available when their time comes; a million that are due later cost a claim nothing.
pub(super) async fn promote(shared: Arc<Shared>) {
    let mut trouble = Trouble::default();
    loop {
        let hub = shared.queue.hub();
        // Before the look: what is inserted meanwhile sets it again.
        hub.clear_due();
        let pause = match shared.store.promote(PROMOTE).await {
            Ok(promoted) => {
                trouble = Trouble::default();
                for queue in &promoted.queues {
                    hub.wake(queue);
                }
                if promoted.count >= PROMOTE as usize {
                    continue;
                }
                let poll = if shared.hears_news() { PROMOTE_POLL_TOLD } else { PROMOTE_POLL };
                promoted.next_due.map_or(poll, |due| due.min(poll))
            }
            Err(error) => {
                shared.trouble("promote jobs", &error);
                trouble.pause()
            }
        };
        let mut wake_at = Instant::now() + pause.max(Duration::from_millis(1));
        while Instant::now() < wake_at {
            if let Some(due) = hub.next_due() {
                wake_at = wake_at.min(due);
            }
            tokio::select! {
                () = tokio::time::sleep_until(wake_at) => {}
                () = hub.due_changed.notified() => {}
            }
        }
    }
}

/// Polls, prunes, parks, and gives back what has waited too long in the buffer.
pub(super) async fn upkeep(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let jitter = |span: Duration| span.mul_f64(0.9 + fastrand::f64() * 0.2);
    let mut poll_at = Instant::now() + jitter(shared.config.loop_interval);
    let mut prune_at = Instant::now() + jitter(PRUNE_EVERY / 4);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = tokio::time::sleep_until(poll_at) => {}
        }
        for lane in &shared.lanes {
            shared.give_back(lane.take_stale());
        }
        if Instant::now() >= poll_at {
            poll_at = Instant::now() + jitter(shared.config.loop_interval);
            // Where the heartbeat looks each second, only a shorter interval finds more.
            if !shared.hears_news() || shared.config.loop_interval < TICK {
                shared.signal.mark_all();
            }
            if let Err(error) = park(&shared).await {
                shared.trouble("park unknown jobs", &error);
            }
        }
        if Instant::now() >= prune_at {
            prune_at = Instant::now() + jitter(PRUNE_EVERY);
            if let Err(error) = prune(&shared).await {
                shared.trouble("prune finished jobs", &error);
            }
        }
    }
}

async fn prune(shared: &Shared) -> Result<()> {
    while shared.store.prune(PRUNE).await?.more {
        // Others want the database too.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Moves jobs that no live worker knows out of the way of those that this one knows.
async fn park(shared: &Shared) -> Result<()> {
    if shared.hears_nothing() {
        return Ok(());
    }
    for lane in shared.lanes.iter().filter(|lane| lane.is_low()) {
        let parked = shared.store.park_unknown(&lane.queue, PARK).await?;
        if parked > 0 {
            tracing::warn!(
                queue = lane.queue,
                parked,
                "jobs of tasks that no live worker knows were parked"
            );
        }
    }
    Ok(())
}

/// Turns other processes' commits into signals; where the engine tells none, polls while jobs flow,
/// and leaves it to the heartbeat's look each second when idle.
pub(super) async fn listen(shared: Arc<Shared>) {
    let (sender, mut messages) = mpsc::unbounded_channel();
    match shared.store.watch(sender).await {
        WakeSource::Messages => {
            // What was committed after the first claim and before anybody listened is told by none.
            shared.signal.mark_all();
            while let Some(message) = messages.recv().await {
                match message {
                    Wake::Queue(queue) => shared.signal.mark(&queue),
                    Wake::Any => shared.signal.mark_all(),
                    Wake::Cancel(id) => shared.queue.hub().cancel(id),
                }
            }
        }
        WakeSource::Poll => poll(&shared).await,
    }
}

async fn poll(shared: &Shared) {
    let mut pace = Pace::new(Instant::now());
    loop {
        let ended = shared.counters.read().total();
        let pause = pace.next(Instant::now(), Glance { ended, is_idle: shared.is_idle() });
        tokio::time::sleep(pause.mul_f64(0.9 + fastrand::f64() * 0.2)).await;
        if !(pace.is_at_rest() && shared.hears_news()) {
            shared.signal.mark_all();
        }
    }
}
