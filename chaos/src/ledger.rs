//! What must be true in the end, whatever was broken: the journal of all processes against what the
//! database holds.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt, fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use taskx::{Job, JobState};

use crate::tasks::micros;

/// One run of a job, as its task noted it.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) job: String,
    pub(crate) fence: i64,
    pub(crate) pid: u32,
    /// The row of the worker that held the claim.
    worker: String,
    /// Microseconds since the machine began.
    pub(crate) at: u128,
}

/// The journal, read.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    tried: BTreeSet<u64>,
    acknowledged: BTreeSet<u64>,
    /// How long each acknowledged enqueue took.
    latencies: Vec<Duration>,
    /// Enqueues that were answered by an error.
    pub(crate) refused: usize,
    /// What users were told instead of being served.
    pub(crate) refusals: Vec<String>,
    /// Rounds of operating that were served.
    pub(crate) operated: usize,
    pub(crate) begun: Vec<Run>,
    /// Job, fence and worker of each.
    ended: HashSet<(String, i64, String)>,
    /// The same of each that failed, or that its worker gave up.
    quit: HashSet<(String, i64, String)>,
    pub(crate) poisoned: Vec<Run>,
    /// When a worker told that it took a job back from a dead one.
    rescued: HashMap<String, Vec<u128>>,
    /// When a process told that its database did not serve it.
    pub(crate) troubles: Vec<(u32, u128)>,
    /// Runs of the scheduled task: the slot, in seconds since 1970, and when it ran.
    pub(crate) beats: Vec<(i64, u128)>,
}

/// A process that was killed, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death {
    pub(crate) pid: u32,
    pub(crate) at: u128,
}

/// What was done to the processes and their jobs, apart from the journal.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    pub(crate) deaths: Vec<Death>,
    /// Jobs that were taken for poison, and when somebody gave them another try.
    pub(crate) redriven: HashMap<String, u128>,
    pub(crate) server_crashed: bool,
}

/// What the ledger finds.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<String>,
    acknowledged: usize,
    unknown: usize,
    completed: usize,
    effects: usize,
    /// Runs that ended and did not count: the job had been taken away, or the transaction that the
    /// run was part of was rolled back and tried again.
    pub(crate) fenced_out: usize,
    /// Those of them that are no payments, whose end comes before their commit.
    pub(crate) work_fenced_out: usize,
    /// Jobs that a worker took back from another one.
    pub(crate) rescued: usize,
    /// Claims that a crash of the server undid, and that were made again with the same number.
    undone: usize,
    /// Jobs that three deaths in a row made poison, so that they waited for an operator.
    quarantined: usize,
    /// From a worker's death to the next run of each other job that it was executing, sorted.
    pub(crate) redelivered: Vec<Duration>,
    /// From the death until another worker told that it took such a job back, sorted.
    taken_back: Vec<Duration>,
}

impl Ledger {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut ledger = Self::default();
        let text = fs::read_to_string(path).context("the journal cannot be read")?;
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["T", n] => drop(ledger.tried.insert(n.parse()?)),
                ["A", n, took] => {
                    ledger.acknowledged.insert(n.parse()?);
                    ledger.latencies.push(Duration::from_micros(took.parse()?));
                }
                ["U", _] => ledger.refused += 1,
                ["F", _, message] => ledger.refusals.push((*message).to_owned()),
                ["O"] => ledger.operated += 1,
                ["X", pid, at] => ledger.troubles.push((pid.parse()?, at.parse()?)),
                ["B", slot, at] => ledger.beats.push((slot.parse()?, at.parse()?)),
                ["R", job, at] => {
                    ledger.rescued.entry((*job).to_owned()).or_default().push(at.parse()?);
                }
                [what, _, job, fence, pid, worker, at] => {
                    let (fence, pid, at) = (fence.parse()?, pid.parse()?, at.parse()?);
                    let (job, worker) = ((*job).to_owned(), (*worker).to_owned());
                    let run = Run { job, fence, pid, worker, at };
                    match *what {
                        "S" => ledger.begun.push(run),
                        "E" => drop(ledger.ended.insert((run.job, run.fence, run.worker))),
                        "Q" => drop(ledger.quit.insert((run.job, run.fence, run.worker))),
                        _ => ledger.poisoned.push(run),
                    }
                }
                _ => anyhow::bail!("a line of the journal is torn: {line}"),
            }
        }
        ledger.latencies.sort_unstable();
        Ok(ledger)
    }

    /// How many enqueues were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// What so many of a hundred enqueues did not exceed.
    pub(crate) fn latency(&self, hundredths: usize) -> Duration {
        percentile(&self.latencies, hundredths)
    }

    /// The furthest that a slot ran from its time, by this process's clock.
    pub(crate) fn lateness(&self) -> Duration {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros());
        let began = unix.saturating_sub(micros());
        let far = self.beats.iter().map(|(slot, at)| {
            let due = u128::from(slot.unsigned_abs()) * 1_000_000;
            due.abs_diff(began + at)
        });
        span(0, far.max().unwrap_or_default())
    }

    /// Compares; `effects` has the number of rows of each `n` that a transactional task wrote.
    pub(crate) fn verify(&self, jobs: &[Job], effects: &[(i64, i64)], deeds: &Deeds) -> Verdict {
        let mut verdict = Verdict {
            acknowledged: self.acknowledged.len(),
            unknown: self.tried.difference(&self.acknowledged).count(),
            effects: effects.len(),
            ..Verdict::default()
        };
        let by_number = self.jobs_by_number(jobs, &mut verdict);
        self.check_effects(&by_number, effects, &mut verdict);
        self.check_runs(jobs, deeds.server_crashed, &mut verdict);
        self.measure(deeds, &mut verdict);
        verdict
    }

    /// Each acknowledged number is there, none twice, all of them done.
    fn jobs_by_number<'j>(&self, jobs: &'j [Job], verdict: &mut Verdict) -> BTreeMap<u64, &'j Job> {
        let mut by_number = BTreeMap::new();
        for job in jobs {
            let Some(n) = number(job) else { continue };
            if by_number.insert(n, job).is_some() {
                verdict.violations.push(format!("number {n} was stored twice"));
            }
            match job.state {
                JobState::Completed => verdict.completed += 1,
                state => verdict.violations.push(format!("number {n} is {state} in the end")),
            }
        }
        for n in &self.acknowledged {
            if !by_number.contains_key(n) {
                verdict.violations.push(format!("number {n} was acknowledged and is LOST"));
            }
        }
        by_number
    }

    /// Each completed transactional job has its effect once; no other has any.
    fn check_effects(
        &self,
        by_number: &BTreeMap<u64, &Job>,
        effects: &[(i64, i64)],
        verdict: &mut Verdict,
    ) {
        let counts: HashMap<u64, i64> = effects
            .iter()
            .filter_map(|(n, count)| Some((u64::try_from(*n).ok()?, *count)))
            .collect();
        for (n, count) in &counts {
            if *count != 1 {
                verdict.violations.push(format!("the effect of {n} is there {count} times"));
            }
            if !by_number.contains_key(n) {
                verdict.violations.push(format!("an effect of {n}, which is no job"));
            }
        }
        for (n, job) in by_number {
            if job.task.starts_with("pay") && !counts.contains_key(n) {
                verdict.violations.push(format!("{n} is completed without its effect"));
            }
        }
    }

    /// No claim runs twice; the claim that finished a job has run; late runs are counted.
    fn check_runs(&self, jobs: &[Job], server_crashed: bool, verdict: &mut Verdict) {
        let mut claims: HashMap<(&str, i64), Vec<&str>> = HashMap::new();
        for run in &self.begun {
            claims.entry((&run.job, run.fence)).or_default().push(&run.worker);
        }
        for ((job, fence), workers) in &claims {
            let distinct: HashSet<_> = workers.iter().collect();
            if distinct.len() < workers.len() {
                let times = workers.len();
                verdict
                    .violations
                    .push(format!("job {job}: one claim, fence {fence}, ran {times} times"));
            } else if workers.len() > 1 && server_crashed {
                verdict.undone += 1;
            } else if workers.len() > 1 {
                verdict
                    .violations
                    .push(format!("job {job}: fence {fence} was used by {workers:?}"));
            }
        }
        let last: HashMap<String, i64> =
            jobs.iter().map(|job| (job.id.to_string(), job.fence)).collect();
        verdict.rescued = self.rescued.len();
        let fenced_out: Vec<&String> = self
            .ended
            .iter()
            .filter(|(job, fence, _)| last.get(job).is_some_and(|l| fence < l))
            .map(|(job, ..)| job)
            .collect();
        let payments: HashSet<String> = jobs
            .iter()
            .filter(|job| job.task.starts_with("pay"))
            .map(|job| job.id.to_string())
            .collect();
        verdict.fenced_out = fenced_out.len();
        verdict.work_fenced_out = fenced_out.iter().filter(|job| !payments.contains(**job)).count();
        let done: HashSet<(&str, i64)> =
            self.ended.iter().map(|(job, fence, _)| (job.as_str(), *fence)).collect();
        for job in jobs.iter().filter(|job| job.state == JobState::Completed) {
            if number(job).is_some() && !done.contains(&(job.id.to_string().as_str(), job.fence)) {
                let (id, fence) = (job.id, job.fence);
                verdict
                    .violations
                    .push(format!("job {id} is completed, but fence {fence} never ran"));
            }
        }
    }

    /// How long each job that died with its worker waited for its next run.
    fn measure(&self, deeds: &Deeds, verdict: &mut Verdict) {
        let mut runs: HashMap<&str, Vec<&Run>> = HashMap::new();
        for run in &self.begun {
            runs.entry(&run.job).or_default().push(run);
        }
        let dead: HashMap<u32, u128> =
            deeds.deaths.iter().map(|death| (death.pid, death.at)).collect();
        for run in &self.begun {
            let Some(died) = dead.get(&run.pid) else { continue };
            let key = (run.job.clone(), run.fence, run.worker.clone());
            if self.ended.contains(&key) || self.quit.contains(&key) {
                continue;
            }
            let later = runs.get(run.job.as_str()).into_iter().flatten();
            let next = later.filter(|next| next.at > run.at && next.fence > run.fence);
            let Some(next) = next.map(|next| next.at).min() else {
                verdict.violations.push(format!("job {} never ran again", run.job));
                continue;
            };
            if next <= *died {
                let job = &run.job;
                verdict.violations.push(format!("job {job} was stolen from a live worker"));
                continue;
            }
            let redriven = deeds.redriven.get(&run.job);
            let told = self.rescued.get(&run.job).into_iter().flatten().copied();
            if redriven.is_some_and(|when| (*died..next).contains(when)) {
                verdict.quarantined += 1;
            } else {
                verdict.redelivered.push(span(*died, next));
            }
            verdict.taken_back.extend(told.filter(|at| at > died).min().map(|at| span(*died, at)));
        }
        verdict.redelivered.sort_unstable();
        verdict.taken_back.sort_unstable();
    }
}

/// From one time to a later one, both in microseconds.
pub(crate) fn span(from: u128, to: u128) -> Duration {
    Duration::from_micros(u64::try_from(to.saturating_sub(from)).unwrap_or(u64::MAX))
}

/// The delay that so many of a hundred do not exceed, of sorted ones.
fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * hundredths / 100).copied().unwrap_or_default()
}

/// The number in a job's arguments; poison has none.
fn number(job: &Job) -> Option<u64> {
    let payload: serde_json::Value = serde_json::from_str(&job.payload).ok()?;
    payload.get("n")?.as_u64()
}

impl Verdict {
    /// The redelivery that so many of a hundred do not exceed.
    pub(crate) fn percentile(&self, hundredths: usize) -> Duration {
        percentile(&self.redelivered, hundredths)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, unknown, completed, effects, fenced_out, undone, .. } = self;
        write!(
            f,
            "{acknowledged} acknowledged, {unknown} unknown, {completed} completed, {effects} effects"
        )?;
        write!(
            f,
            ", {fenced_out} fenced out, {undone} claims undone, {} violations",
            self.violations.len()
        )?;
        if !self.redelivered.is_empty() {
            write!(f, "; {} redelivered: {}", self.redelivered.len(), Delays(&self.redelivered))?;
            write!(f, "; of that until taken back: {}", Delays(&self.taken_back))?;
            write!(f, "; {} quarantined", self.quarantined)?;
        }
        Ok(())
    }
}

/// Sorted delays, told by three of them.
struct Delays<'a>(&'a [Duration]);

impl fmt::Display for Delays<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |at| percentile(self.0, at).as_secs_f64();
        write!(f, "p50 {:.2} s, p99 {:.2} s, max {:.2} s", seconds(50), seconds(99), seconds(100))
    }
}

#[cfg(test)]
mod tests {
    use taskx::JobId;

    use super::*;

    fn job(id: JobId, n: u64, task: &str, fence: i64) -> Job {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut job = Job::new(id, JobState::Completed, "q".into(), task.into(), now);
        job.payload = format!("{{\"n\":{n}}}");
        job.fence = fence;
        job
    }

    fn read(text: &str) -> Ledger {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        Ledger::read(file.path()).unwrap()
    }

    fn violations(text: &str, jobs: &[Job], effects: &[(i64, i64)]) -> usize {
        read(text).verify(jobs, effects, &Deeds::default()).violations.len()
    }

    #[test]
    fn what_is_wrong_is_found() {
        let id = JobId::new();
        let fine = format!("T 1\nA 1 9\nS 1 {id} 1 7 a 100\nE 1 {id} 1 7 a 200\n");
        let jobs = [job(id, 1, "pay", 1)];
        assert_eq!(violations(&fine, &jobs, &[(1, 1)]), 0);
        assert_eq!(violations(&fine, &jobs, &[(1, 2)]), 1, "an effect twice");
        assert_eq!(violations(&fine, &jobs, &[]), 1, "no effect");
        assert_eq!(violations(&fine, &[], &[(1, 1)]), 2, "lost, and an effect of nothing");
        assert_eq!(violations(&format!("{fine}A 2 9\n"), &jobs, &[(1, 1)]), 1, "lost");
        let twice = [job(id, 1, "pay", 1), job(JobId::new(), 1, "pay", 1)];
        assert!(violations(&fine, &twice, &[(1, 1)]) >= 1, "stored twice");
        assert_eq!(
            violations(&format!("{fine}S 1 {id} 1 8 b 300\n"), &jobs, &[(1, 1)]),
            1,
            "reuse"
        );
        assert_eq!(
            violations(&format!("{fine}S 1 {id} 1 7 a 300\n"), &jobs, &[(1, 1)]),
            1,
            "again"
        );
        let undone = |again: &str| {
            let text = format!("{fine}S 1 {id} 1 7 {again} 300\n");
            let deeds = Deeds { server_crashed: true, ..Deeds::default() };
            read(&text).verify(&jobs, &[(1, 1)], &deeds)
        };
        assert!(undone("b").violations.is_empty(), "a crash may undo a claim");
        assert_eq!(undone("b").undone, 1);
        assert_eq!(undone("a").violations.len(), 1, "but not so that one row claims it twice");
        let unrun = [job(id, 1, "pay", 2)];
        assert_eq!(violations(&fine, &unrun, &[(1, 1)]), 1, "finished by a claim that never ran");
    }

    #[test]
    fn a_killed_run_is_measured_to_its_next() {
        let id = JobId::new();
        let text = format!(
            "T 1\nA 1 9\nS 1 {id} 1 7 a 100\nS 1 {id} 2 8 b 1700100\nE 1 {id} 2 8 b 1700200\n"
        );
        let mut deeds = Deeds { deaths: vec![Death { pid: 7, at: 100 }], ..Deeds::default() };
        let jobs = [job(id, 1, "work", 2)];
        let verdict = read(&text).verify(&jobs, &[], &deeds);
        assert!(verdict.violations.is_empty(), "{verdict:?}");
        assert_eq!(verdict.percentile(99), Duration::from_micros(1_700_000));
        deeds.redriven.insert(id.to_string(), 1_600_000);
        let verdict = read(&text).verify(&jobs, &[], &deeds);
        assert_eq!((verdict.redelivered.len(), verdict.quarantined), (0, 1));
        let later = Deeds { deaths: vec![Death { pid: 7, at: 1_800_000 }], ..Deeds::default() };
        let verdict = read(&text).verify(&jobs, &[], &later);
        assert_eq!(verdict.violations.len(), 1, "stolen: {verdict:?}");
        let failed = format!("{text}Q 1 {id} 1 7 a 110\n");
        let verdict = read(&failed).verify(&jobs, &[], &later);
        assert!(verdict.violations.is_empty() && verdict.redelivered.is_empty(), "{verdict:?}");
        let never = format!("T 1\nA 1 9\nS 1 {id} 1 7 a 100\n");
        let verdict = read(&never).verify(&[job(id, 1, "work", 1)], &[], &deeds);
        assert_eq!(verdict.violations.len(), 2, "never again, and completed without a run");
    }
}
