//! Reading a backlog ahead of the writer.
//!
//! To claim is to read rows and to take them. Only taking needs the writer, which is what a backlog
//! waits for: so a reader reads, and while the writer takes what one claim asked for, the rows of the
//! next one are read already. What was read is claimed only if [`Calm`] says that it is still true.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    claim::{Calm, Glance, Mark, Wanted},
    readers::{Answer, Readers},
};
use crate::rows::ClaimRow;

/// What is being read for the next claim of each queue.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<HashMap<Cow<'static, str>, Reading>>);

/// A question that a reader works on or has answered.
#[derive(Debug)]
struct Reading {
    wanted: Wanted,
    /// A moment before it was asked.
    since: Mark,
    rows: Answer<Vec<ClaimRow>>,
}

impl Ahead {
    /// What a claim in the midst of a backlog would take; `None` where the writer has to read for
    /// itself, and tells why if it cannot.
    pub(super) async fn glance(
        &self,
        readers: &Readers,
        calm: &Calm,
        wanted: &Wanted,
    ) -> Option<Glance> {
        let reading = self.lock().remove(wanted.queue()).filter(|read| read.wanted.covers(wanted));
        let reading = match reading {
            Some(reading) => reading,
            None => Reading::begin(readers, calm, wanted.clone())?,
        };
        let since = reading.since;
        let mut rows = reading.rows.await.ok()?.ok()?;
        rows.truncate(wanted.limit());
        // Where others keep changing what was read, it would be read in vain.
        if calm.lasts()
            && rows.len() == wanted.limit()
            && let Some(last) = rows.last()
            && let Some(next) = Reading::begin(readers, calm, wanted.behind(last))
        {
            self.lock().insert(next.wanted.queue().to_owned().into(), next);
        }
        Some(Glance { since, rows })
    }

    /// A queue is claimed from its start: what was read of it is of no use.
    pub(super) fn forget(&self, queue: &str) {
        self.lock().remove(queue);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Cow<'static, str>, Reading>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    fn begin(readers: &Readers, calm: &Calm, wanted: Wanted) -> Option<Self> {
        let since = calm.last()?;
        let asked = wanted.clone();
        let rows = readers.ask("read a backlog", move |conn| asked.backlog(conn)).ok()?;
        Some(Self { wanted, since, rows })
    }
}

#[cfg(test)]
mod tests {
    use taskx_core::{
        inspect::{Actor, Inspect},
        job::ClaimedJob,
        store::{Claim, Store},
    };

    use crate::sqlite::claim::tests::{backlog, payloads};

    fn one_behind(claim: &Claim, job: &ClaimedJob) -> Claim {
        Claim { limit: 1, after: Some((job.priority, job.id)), ..claim.clone() }
    }

    #[tokio::test]
    async fn what_the_next_claim_takes_is_read_while_this_one_is_written() {
        let (_folder, store, _, claim) = backlog().await;
        let third = store.claim(&Claim { limit: 1, ..claim.clone() }).await.unwrap();
        assert_eq!(payloads(&third), ["2"]);
        assert!(store.ahead.lock().is_empty(), "nobody knows yet whether it will be true");
        let fourth = store.claim(&one_behind(&claim, &third[0])).await.unwrap();
        assert_eq!(payloads(&fourth), ["3"]);
        assert!(store.ahead.lock().contains_key("q"));
        let fifth = store.claim(&one_behind(&claim, &fourth[0])).await.unwrap();
        assert_eq!(payloads(&fifth), ["4"]);
        assert!(store.claim(&one_behind(&claim, &fifth[0])).await.unwrap().is_empty());
        assert!(store.ahead.lock().is_empty(), "the backlog has ended");
    }

    #[tokio::test]
    async fn a_payload_that_was_changed_since_is_not_run_as_it_was() {
        let (_folder, store, ids, claim) = backlog().await;
        let third = store.claim(&Claim { limit: 1, ..claim.clone() }).await.unwrap();
        let fourth = store.claim(&one_behind(&claim, &third[0])).await.unwrap();
        let ada = Actor("ada".to_owned());
        assert!(store.edit_payload(ids[4], "44", &ada).await.unwrap());
        let fifth = store.claim(&one_behind(&claim, &fourth[0])).await.unwrap();
        assert_eq!(payloads(&fifth), ["44"]);
    }

    #[tokio::test]
    async fn a_claim_from_the_start_sees_what_came_since() {
        let (_folder, store, _, claim) = backlog().await;
        let third = store.claim(&Claim { limit: 1, ..claim.clone() }).await.unwrap();
        store.claim(&one_behind(&claim, &third[0])).await.unwrap();
        assert!(store.ahead.lock().contains_key("q"));
        let fifth = store.claim(&Claim { after: None, ..claim }).await.unwrap();
        assert_eq!(payloads(&fifth), ["4"]);
        assert!(store.ahead.lock().is_empty());
    }
}
