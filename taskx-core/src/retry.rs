//! How long a failed job waits for its next attempt.

use std::{fmt, time::Duration};

/// Delay before the next attempt, as a function of the attempt that failed (counted from 1).
///
/// Every delay but a [`Custom`](Self::Custom) one is multiplied by a random factor in
/// `0.75..=1.25`, so that jobs that failed together do not come back together. No delay is longer
/// than [`Backoff::LONGEST`], whatever the numbers.
#[derive(Clone, Copy)]
pub enum Backoff {
    /// `base`, twice that, four times that .. up to `cap`. In attributes `"2s..1h"`.
    Exponential {
        /// The first delay.
        base: Duration,
        /// The longest delay.
        cap: Duration,
    },
    /// `base`, twice that, three times that .. up to `cap`. In attributes `"linear 10s..1h"`.
    Linear {
        /// The first delay, and the step.
        base: Duration,
        /// The longest delay.
        cap: Duration,
    },
    /// Always the same. In attributes `"30s"`.
    Fixed(Duration),
    /// Whatever a function of the failed attempt's number says. In attributes a path.
    Custom(fn(u32) -> Duration),
}

impl Backoff {
    /// 5 s, 10 s, 20 s .. up to 2 days: with 25 attempts spread over about three weeks.
    pub const DEFAULT: Self =
        Self::Exponential { base: Duration::from_secs(5), cap: Duration::from_secs(2 * 24 * 3600) };

    /// No delay is longer than a year.
    pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

    /// The delay after `attempt` failed, without jitter.
    #[must_use]
    pub fn delay(&self, attempt: u32) -> Duration {
        let steps = attempt.max(1) - 1;
        let delay = match *self {
            // Saturates: 2^32 times any base is over every cap that matters.
            Self::Exponential { base, cap } => {
                base.saturating_mul(1_u32.checked_shl(steps).unwrap_or(u32::MAX)).min(cap)
            }
            Self::Linear { base, cap } => base.saturating_mul(attempt.max(1)).min(cap),
            Self::Fixed(delay) => delay,
            Self::Custom(delay) => delay(attempt),
        };
        delay.min(Self::LONGEST)
    }

    /// The delay after `attempt` failed, with jitter.
    #[must_use]
    pub fn jittered(&self, attempt: u32) -> Duration {
        let delay = self.delay(attempt);
        match self {
            Self::Custom(_) => delay,
            _ => delay.mul_f64(0.75 + fastrand::f64() * 0.5).min(Self::LONGEST),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |d: Duration| humantime::format_duration(d).to_string();
        match self {
            Self::Exponential { base, cap } => write!(f, "{}..{}", span(*base), span(*cap)),
            Self::Linear { base, cap } => write!(f, "linear {}..{}", span(*base), span(*cap)),
            Self::Fixed(delay) => write!(f, "{}", span(*delay)),
            Self::Custom(_) => f.write_str("custom"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn delays_double_up_to_the_cap() {
        let backoff = Backoff::Exponential { base: Duration::from_secs(2), cap: HOUR };
        let delays: Vec<_> = (1..=13).map(|n| backoff.delay(n).as_secs()).collect();
        assert_eq!(delays, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]);
    }

    #[test]
    fn no_attempt_overflows() {
        for backoff in [
            Backoff::DEFAULT,
            Backoff::Exponential { base: Duration::MAX, cap: Duration::MAX },
            Backoff::Linear { base: HOUR, cap: Duration::MAX },
            Backoff::Custom(|n| Duration::from_secs(u64::from(n) * 1_000_000_000)),
        ] {
            for attempt in [0, 1, 31, 32, 33, 310, u32::MAX] {
                assert!(backoff.jittered(attempt) <= Backoff::LONGEST, "{backoff:?} {attempt}");
            }
        }
    }

    #[test]
    fn the_default_spreads_25_attempts_over_about_three_weeks() {
        let total: Duration = (1..25).map(|n| Backoff::DEFAULT.delay(n)).sum();
        let days = total.as_secs_f64() / 86_400.0;
        assert!((18.0..23.0).contains(&days), "{days}");
    }

    #[test]
    fn jitter_stays_within_a_quarter() {
        let backoff = Backoff::Fixed(Duration::from_secs(100));
        let delays: Vec<_> = (0..1000).map(|_| backoff.jittered(1).as_secs_f64()).collect();
        assert!(delays.iter().all(|d| (75.0..=125.0).contains(d)));
        assert!(delays.iter().any(|d| *d < 90.0) && delays.iter().any(|d| *d > 110.0));
    }
}
