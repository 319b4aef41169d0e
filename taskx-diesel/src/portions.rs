//! Portions of what would be too much for one statement: databases bound the number of binds and
//! the size of a packet.

use taskx_core::inspect::JobFilter;
#[cfg(feature = "mysql")]
use taskx_core::outcome::{Outcome, Settlement};

/// The most ids of one statement: each is a bind.
const IDS: usize = 10_000;

/// Filters that together mean `filter`, newest ids first, so that pages can be filled in order.
pub(crate) fn by_ids(filter: &JobFilter) -> Vec<JobFilter> {
    if filter.ids.len() <= IDS {
        return vec![filter.clone()];
    }
    let mut ids = filter.ids.clone();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.dedup();
    ids.chunks(IDS).map(|ids| JobFilter { ids: ids.to_vec(), ..filter.clone() }).collect()
}

/// The most bytes of results in one transaction: half of MySQL's default `max_allowed_packet`.
#[cfg(feature = "mysql")]
const BYTES: usize = 8 << 20;

/// Settlements in portions whose results fit a packet.
#[cfg(feature = "mysql")]
pub(crate) fn by_size(batch: &[Settlement]) -> Vec<&[Settlement]> {
    let mut portions = Vec::new();
    let (mut rest, mut size, mut at) = (batch, 0, 0);
    for settlement in batch {
        let bytes = match &settlement.outcome {
            Outcome::Completed(Some(result)) => result.len(),
            _ => 0,
        };
        if at > 0 && size + bytes > BYTES {
            let (portion, more) = rest.split_at(at);
            portions.push(portion);
            (rest, size, at) = (more, 0, 0);
        }
        size += bytes;
        at += 1;
    }
    portions.push(rest);
    portions
}
