//! What a program is asked to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One run of one case, against one database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// Where the database is.
    pub url: String,
    /// What to do.
    pub work: Work,
    /// About how many bytes of JSON a job carries.
    pub payload: usize,
}

/// Makes the table that stands for the caller's own.
pub const ORDERS: &str = "CREATE TABLE IF NOT EXISTS bench_orders (id BIGINT PRIMARY KEY)";

/// What to do with the database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Make the schema. Not measured.
    Prepare,
    /// Enqueue so many jobs, each when the one before is durable.
    OneByOne {
        /// How many.
        jobs: u64,
    },
    /// Enqueue from so many tasks at once, each awaiting its own durable commit.
    Callers {
        /// How many jobs in all.
        jobs: u64,
        /// From how many tasks.
        callers: u64,
    },
    /// Enqueue by the batch interface.
    Bulk {
        /// How many.
        jobs: u64,
    },
    /// Enqueue by the batch interface from so many tasks at once.
    Portions {
        /// How many jobs in all.
        jobs: u64,
        /// From how many tasks.
        callers: u64,
        /// How many jobs a call has.
        each: u64,
    },
    /// Enqueue so many jobs, each in a transaction of the caller's, which writes a row of its own
    /// into [`ORDERS`] too.
    InTransaction {
        /// How many.
        jobs: u64,
    },
    /// Enqueue jobs for a later case, by the batch interface. Not measured.
    Fill {
        /// How many.
        jobs: u64,
        /// Into which queue: the one that is drained, or another.
        elsewhere: bool,
        /// Whether they are due only in an hour.
        later: bool,
        /// What each job does.
        handler: Handler,
    },
    /// Start a worker and run all that waits, until the last is recorded as finished.
    Drain {
        /// How many wait.
        jobs: u64,
        /// How the worker is set.
        setting: Setting,
        /// Stop counting after so long, though jobs wait.
        at_most: Option<Duration>,
        /// Whether other processes drain too: then it ends when none is left, and counts its own.
        shared: bool,
    },
    /// Start a worker, and when it is idle enqueue jobs one after another, each when the handler
    /// of the one before has started.
    Latency {
        /// How many.
        jobs: u64,
        /// Which part of it this process is.
        side: Side,
    },
    /// Start a worker and let it wait for jobs that do not come.
    Idle {
        /// For so long.
        lasts: Duration,
    },
}

/// How a worker is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// As a newcomer gets it, with the concurrency named.
    Default {
        /// The most jobs at once.
        concurrency: usize,
    },
    /// What measures best for this program.
    Best,
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handler {
    /// Nothing; the finished job is kept where the program can keep it.
    Nothing,
    /// Nothing, and the finished job is deleted.
    Forget,
    /// Sleeps for 5 ms.
    Sleep,
}

/// Which side of a case a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Enqueues and runs.
    Both,
    /// Only runs.
    Worker,
    /// Only enqueues.
    Caller,
}
