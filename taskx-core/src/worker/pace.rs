//! How often to look for jobs where the database tells of none.

use std::time::Duration;

use tokio::time::Instant;

/// The pause while jobs flow.
const BUSY: Duration = Duration::from_millis(25);

/// The longest pause: that of a worker at rest.
const IDLE: Duration = Duration::from_secs(1);

/// Jobs count as flowing for so long after the last of them: most run much shorter than a pause, so
/// that a look between two of them finds the worker idle.
const FLOWING: Duration = Duration::from_secs(5);

/// What a worker has done so far, and whether it has something at hand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glance {
    /// Attempts that have ended since its start.
    pub(super) ended: u64,
    pub(super) is_idle: bool,
}

/// A poll's pauses: short while jobs flow, then ever longer.
#[derive(Debug)]
pub(super) struct Pace {
    pause: Duration,
    ended: u64,
    flowed_at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { pause: BUSY, ended: 0, flowed_at: now }
    }

    /// The next pause.
    pub(super) fn next(&mut self, now: Instant, glance: Glance) -> Duration {
        if glance.ended != self.ended || !glance.is_idle {
            self.ended = glance.ended;
            self.flowed_at = now;
        }
        let flows = now.duration_since(self.flowed_at) < FLOWING;
        self.pause = if flows { BUSY } else { (self.pause * 2).min(IDLE) };
        self.pause
    }

    /// Whether nothing has flowed for long: then the heartbeat's look each second is enough.
    pub(super) fn is_at_rest(&self) -> bool {
        self.pause == IDLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of the pauses from the last job on.
    fn pauses(pace: &mut Pace, from: Instant, ended: u64) -> Vec<(Duration, Duration)> {
        let mut waited = Duration::ZERO;
        let pauses = std::iter::repeat_with(|| {
            let pause = pace.next(from + waited, Glance { ended, is_idle: true });
            waited += pause;
            (waited, pause)
        });
        pauses.take_while(|(waited, _)| *waited < Duration::from_secs(60)).collect()
    }

    #[test]
    fn jobs_that_are_shorter_than_a_pause_still_flow() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for (ended, after) in [(1, 900), (2, 1_800), (3, 5_000), (4, 9_900)] {
            let now = start + Duration::from_millis(after);
            assert_eq!(pace.next(now, Glance { ended, is_idle: true }), BUSY, "job {ended}");
        }
    }

    #[test]
    fn a_job_that_runs_long_keeps_the_pauses_short() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let now = start + Duration::from_secs(3_600);
        assert_eq!(pace.next(now, Glance { ended: 0, is_idle: false }), BUSY);
    }

    #[test]
    fn an_idle_worker_comes_to_rest_and_the_next_job_wakes_it() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for ended in 1..3 {
            let at = start + Duration::from_secs(60 * ended);
            let pauses = pauses(&mut pace, at, ended);
            for (waited, pause) in &pauses {
                assert_eq!(*pause == BUSY, *waited < FLOWING + BUSY, "{pause:?} at {waited:?}");
            }
            assert_eq!(pauses.last().map(|(_, pause)| *pause), Some(IDLE));
        }
    }
}
