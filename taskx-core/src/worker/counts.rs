//! How the attempts of a worker ended, counted.

use std::{
    ops::AddAssign,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{outcome::Outcome, store::Settled};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How attempts ended, counted since the worker's start.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[non_exhaustive]
        pub struct AttemptCounts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl AttemptCounts {
            /// All of them.
            pub(super) fn total(&self) -> u64 {
                [$(self.$name),*].iter().sum()
            }
        }

        impl AddAssign for AttemptCounts {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }

        /// The same, while it is counted.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $($name: AtomicU64,)*
        }

        impl Counters {
            pub(super) fn read(&self) -> AttemptCounts {
                AttemptCounts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counts! {
    /// Succeeded.
    completed,
    /// Failed, and another attempt follows.
    retried,
    /// Asked to run later, or could not decode their arguments yet.
    snoozed,
    /// Were given back, unstarted or unfinished.
    released,
    /// Ended as cancelled.
    cancelled,
    /// Ended as discarded.
    discarded,
    /// Were quarantined.
    quarantined,
    /// Ended after the job had been taken away; nothing was written.
    lost,
}

impl Counters {
    pub(super) fn count(&self, outcome: &Outcome, settled: Settled) {
        let counter = match outcome {
            _ if settled == Settled::Lost => &self.lost,
            Outcome::Completed(_) => &self.completed,
            Outcome::Retry { .. } => &self.retried,
            Outcome::Snoozed { .. } => &self.snoozed,
            Outcome::Released => &self.released,
            Outcome::Cancelled(_) => &self.cancelled,
            Outcome::Discarded { .. } => &self.discarded,
            Outcome::Quarantined { .. } => &self.quarantined,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
