//! What a program tells of a run: time, its own CPU and memory, latencies.

use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What one run came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Measured {
    /// How many jobs it was about.
    pub jobs: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The CPU time of the process meanwhile, in seconds.
    pub cpu: f64,
    /// The most memory that the process had resident so far, in bytes.
    pub peak_rss: u64,
    /// The bytes that the process wrote meanwhile, to files and sockets.
    pub written: u64,
    /// From the end of the enqueueing call to the start of the handler.
    #[serde(default)]
    pub after_return: Option<Latency>,
    /// From the begin of the enqueueing call to the start of the handler.
    #[serde(default)]
    pub after_call: Option<Latency>,
    /// When things happened, in nanoseconds since 1970, by the number of the job: what one side of
    /// a case over two processes knows.
    #[serde(default)]
    pub moments: Vec<Moments>,
}

/// When things happened to one job, in nanoseconds since 1970; 0 is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moments {
    /// Its enqueueing was called.
    pub called: u64,
    /// Its enqueueing returned.
    pub returned: u64,
    /// Its handler started.
    pub started: u64,
}

impl Moments {
    /// Now.
    #[must_use]
    pub fn now() -> u64 {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// The percentiles after the return and after the call, of jobs whose moments are all known.
#[must_use]
pub fn latencies(moments: &[Moments]) -> (Option<Latency>, Option<Latency>) {
    let known = || moments.iter().filter(|m| m.called > 0 && m.returned > 0 && m.started > 0);
    let since = |from: u64, to: u64| Duration::from_nanos(to.saturating_sub(from));
    (
        percentiles(known().map(|m| since(m.returned, m.started)).collect()),
        percentiles(known().map(|m| since(m.called, m.started)).collect()),
    )
}

/// Percentiles, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// What 99 in 100 stay below.
    pub p99: f64,
}

/// Measures the process from its start to [`stop`](Stopwatch::stop).
#[derive(Debug)]
pub struct Stopwatch {
    begun: Instant,
    cpu: f64,
    written: u64,
}

impl Stopwatch {
    /// Begins.
    #[must_use]
    pub fn start() -> Self {
        Self { cpu: cpu(), written: written(), begun: Instant::now() }
    }

    /// How long it has run.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What the run of so many jobs came to.
    #[must_use]
    pub fn stop(&self, jobs: u64) -> Measured {
        let seconds = self.begun.elapsed().as_secs_f64();
        Measured {
            jobs,
            seconds,
            cpu: cpu() - self.cpu,
            peak_rss: status_bytes("VmHWM:"),
            written: written() - self.written,
            ..Measured::default()
        }
    }
}

impl Measured {
    /// Jobs a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.jobs as f64 / self.seconds
    }

    /// The line that the bench reads.
    #[must_use]
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The percentiles of some times.
#[must_use]
pub fn percentiles(mut times: Vec<Duration>) -> Option<Latency> {
    times.sort_unstable();
    let at = |share: f64| {
        let last = times.len().checked_sub(1)?;
        let index = (last as f64 * share).round() as usize;
        times.get(index).map(|time| time.as_secs_f64() * 1_000.0)
    };
    Some(Latency { p50: at(0.5)?, p99: at(0.99)? })
}

/// The CPU seconds of a process, its ended threads included; 0 where the system has no `/proc`.
#[must_use]
pub fn cpu_of(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let (own, _) = ticks(&stat);
    own as f64 / TICKS
}

/// The CPU seconds of a process and of all that it has started, ended ones included.
#[must_use]
pub fn cpu_of_family(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let (own, ended) = ticks(&stat);
    let living: f64 = children(pid).into_iter().map(cpu_of_family).sum();
    (own + ended) as f64 / TICKS + living
}

/// Of the kernel's clock in `/proc`: the same on every Linux.
const TICKS: f64 = 100.0;

/// User and system time of a process, and those of its ended children, in ticks.
fn ticks(stat: &str) -> (u64, u64) {
    // The name, in parentheses, may hold spaces.
    let Some((_, fields)) = stat.rsplit_once(')') else { return (0, 0) };
    let numbers: Vec<u64> =
        fields.split_whitespace().skip(11).take(4).filter_map(|n| n.parse().ok()).collect();
    match numbers.as_slice() {
        [user, system, user_ended, system_ended] => (user + system, user_ended + system_ended),
        _ => (0, 0),
    }
}

fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// The CPU seconds of this process so far.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).map_or(0.0, |time| time.as_secs_f64())
}

fn written() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines()
        .find_map(|line| line.strip_prefix("wchar: "))
        .and_then(|n| n.parse().ok())
        .unwrap_or(0)
}

/// A figure of `/proc/self/status` that is in kB.
fn status_bytes(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|n| n.parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let times = (1..=101).rev().map(Duration::from_millis).collect();
        let latency = percentiles(times).unwrap();
        assert!((latency.p50 - 51.0).abs() < 1e-9 && (latency.p99 - 100.0).abs() < 1e-9);
        assert!(percentiles(Vec::new()).is_none());
    }

    #[test]
    fn latencies_are_those_of_jobs_that_both_sides_saw() {
        let seen = |called, returned, started| Moments { called, returned, started };
        let moments = [seen(1_000_000, 2_000_000, 5_000_000), seen(1, 0, 9), seen(0, 0, 9)];
        let (after_return, after_call) = latencies(&moments);
        assert!((after_return.unwrap().p50 - 3.0).abs() < 1e-9);
        assert!((after_call.unwrap().p50 - 4.0).abs() < 1e-9);
    }

    #[test]
    fn the_ticks_of_a_process_follow_its_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 0 1 2 3 4 50 25 6 4 20 0 1 0";
        assert_eq!(ticks(stat), (75, 10));
        assert_eq!(ticks(""), (0, 0));
    }

    #[test]
    fn a_busy_process_has_used_its_cpu_and_has_memory() {
        let watch = Stopwatch::start();
        let mut sum = 0_u64;
        while watch.elapsed() < Duration::from_millis(60) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let measured = watch.stop(1);
        assert!(measured.cpu > 0.0 && measured.peak_rss > 0, "{measured:?} {sum}");
    }
}
