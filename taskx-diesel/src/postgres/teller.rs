//! Tells other processes that jobs were inserted.
//!
//! A telling is a transaction of its own. Within the insert's it would hold a lock of the whole database
//! while the commit waits for the disk, and so let no two inserts share a flush. It is not waited for,
//! and what comes while one is under way, or shortly after, goes with the next: many inserts, one
//! after another or at once, make few tellings.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use diesel_async::RunQueryDsl;
use taskx_core::error::chain;

use crate::{
    postgres::{lane::Lane, statements::path::NotifyQueues},
    statement::Sql,
};

/// The least time from one telling to the next. The first after a rest is told at once.
const GAP: Duration = Duration::from_millis(2);

/// Tells on the connections of a lane, which should not wait for the disk: what is told need not be
/// durable.
pub(super) struct Teller {
    lane: Lane,
    untold: Arc<Mutex<Untold>>,
}

#[derive(Default)]
struct Untold {
    queues: BTreeSet<String>,
    /// Whether somebody is telling, and will take these too.
    is_told: bool,
}

impl Teller {
    pub(super) fn new(lane: Lane) -> Self {
        Self { lane, untold: Arc::default() }
    }

    /// Tells the listeners of queues, soon. A failure is only slower: listeners poll too.
    pub(super) fn tell(&self, queues: &[&str]) {
        let mut untold = lock(&self.untold);
        untold.queues.extend(queues.iter().map(|queue| (*queue).to_owned()));
        if untold.queues.is_empty() || untold.is_told {
            return;
        }
        untold.is_told = true;
        drop(untold);
        let (lane, untold) = (self.lane.clone(), Arc::clone(&self.untold));
        tokio::spawn(async move {
            while let Some(queues) = next(&untold) {
                let queues: Vec<&str> = queues.iter().map(String::as_str).collect();
                let told = lane.run("tell the listeners", async |conn| {
                    NotifyQueues::with((&queues,)).execute(conn).await
                });
                if let Err(error) = told.await {
                    tracing::debug!(error = %chain(&error), "listeners were not told; they will poll");
                }
                tokio::time::sleep(GAP).await;
            }
        });
    }
}

/// What is to be told now; `None` ends the telling.
fn next(untold: &Mutex<Untold>) -> Option<BTreeSet<String>> {
    let mut untold = lock(untold);
    untold.is_told = !untold.queues.is_empty();
    untold.is_told.then(|| std::mem::take(&mut untold.queues))
}

fn lock(untold: &Mutex<Untold>) -> MutexGuard<'_, Untold> {
    untold.lock().unwrap_or_else(PoisonError::into_inner)
}
