//! `taskx run`: the worker, within its application or alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use taskx_core::{
    app::{App, Mode},
    config::without_secrets,
    driver::DEFAULT_URL,
    error::Result,
    inspect::{Inspect, JobFilter, Page},
    job::JobState,
    worker::{AttemptCounts, WorkerOverrides},
};

use crate::{
    failure::{Exit, Failure},
    intercept::Answer,
    output::say,
};

/// How to run.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taskx run                            what the setup says: all of the application, or its worker
  taskx run --worker-only              the worker alone, beside a web server in another process
  taskx run --queues mail=20,default   these queues only, 20 mails at once
  taskx run --exit-when-idle           what waits now, then exit (for cron and for tests)

An application whose setup says `Mode::Background` (the default) runs as a whole: its `main`, which
starts the worker itself. One that says `Mode::Blocking` runs its setup and the worker.
SIGINT and SIGTERM stop gracefully: running jobs have the grace to end, what is left is given back.
A second signal stops at once.")]
pub struct Args {
    /// Serve these queues only, each with the most of its jobs at once
    #[arg(long, value_name = "NAME[=SLOTS],..", value_delimiter = ',', value_parser = queue)]
    pub queues: Vec<QueueSlots>,
    /// The most jobs of one queue at once, where --queues does not say
    #[arg(long, value_name = "SLOTS")]
    pub concurrency: Option<usize>,
    /// Run only these tasks
    #[arg(long, value_name = "TASK,..", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Run all tasks but these
    #[arg(long, value_name = "TASK,..", value_delimiter = ',')]
    pub except: Vec<String>,
    /// Run what waits, and the retries of what fails, then exit; implies --worker-only
    #[arg(long, conflicts_with = "exit_when_idle")]
    pub once: bool,
    /// Exit as soon as nothing waits that may run now; implies --worker-only
    #[arg(long)]
    pub exit_when_idle: bool,
    /// Run the setup and the worker alone, whatever the setup says
    #[arg(long)]
    pub worker_only: bool,
}

impl Args {
    /// The same as words of a command line, for the launcher to pass on.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let queues = self.queues.iter().map(|(name, slots)| match slots {
            Some(slots) => format!("{name}={slots}"),
            None => name.clone(),
        });
        let lists = [
            ("queues", queues.collect::<Vec<_>>().join(",")),
            ("concurrency", self.concurrency.map(|slots| slots.to_string()).unwrap_or_default()),
            ("only", self.only.join(",")),
            ("except", self.except.join(",")),
        ];
        let flags = [
            ("once", self.once),
            ("exit-when-idle", self.exit_when_idle),
            ("worker-only", self.worker_only),
        ];
        let lists = lists
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("--{name}={value}"));
        let flags = flags.into_iter().filter(|(_, is_set)| *is_set);
        lists.chain(flags.map(|(name, _)| format!("--{name}"))).collect()
    }
}

/// A queue with its slots, if they were said.
pub type QueueSlots = (String, Option<usize>);

fn queue(text: &str) -> Result<QueueSlots, String> {
    let (name, slots) = match text.split_once('=') {
        Some((name, slots)) => (name, Some(slots)),
        None => (text, None),
    };
    if name.is_empty() {
        return Err("a queue has no name; write `mail=20` or `mail`".to_owned());
    }
    let Some(slots) = slots else { return Ok((name.to_owned(), None)) };
    match slots.parse() {
        Ok(slots) => Ok((name.to_owned(), Some(slots))),
        Err(_) => Err(format!("`{slots}` is no number of slots; write `{name}=20`")),
    }
}

/// Runs the worker until it is stopped, or says that the whole application shall run.
///
/// # Errors
/// A setting that does not fit, no task at all, a database that does not answer.
pub async fn run(args: &Args, app: &App) -> Result<Answer, Failure> {
    let overrides = overrides(args, app);
    let served = Served::of(app, &overrides)?;
    for name in args.queues.iter().map(|(name, _)| name.as_str()) {
        if !served.belong.contains(name) {
            say(format_args!("no task here belongs to the queue `{name}`; is that its name?"));
        }
    }
    app.overrule_workers(overrides);
    let ends = args.once || args.exit_when_idle;
    if app.mode() == Mode::Background && !args.worker_only && !ends {
        return Ok(Answer::Whole);
    }
    let url = app.config().database_url.as_deref().unwrap_or(DEFAULT_URL);
    say(format_args!(
        "{} {}, {} {}, {}; Ctrl-C stops gracefully, twice at once",
        served.count,
        if served.count == 1 { "task" } else { "tasks" },
        if served.queues.len() == 1 { "queue" } else { "queues" },
        served.queues.join(", "),
        without_secrets(url),
    ));
    let until = async {
        if ends {
            served.wait_until_done(app, args.once).await;
        } else {
            std::future::pending().await
        }
    };
    let stopped = app.blocking_worker().run_until(until).await?;
    say(format_args!("stopped: {}", counted(stopped.counts)));
    Ok(Answer::Exit(Exit::Done))
}

fn overrides(args: &Args, app: &App) -> WorkerOverrides {
    let default = args.concurrency.unwrap_or(app.config().concurrency);
    let queues: BTreeMap<_, _> =
        args.queues.iter().map(|(name, slots)| (name.clone(), slots.unwrap_or(default))).collect();
    WorkerOverrides {
        queues: (!queues.is_empty()).then_some(queues),
        concurrency: args.concurrency,
        only: args.only.clone(),
        except: args.except.clone(),
    }
}

/// What a worker with these settings serves.
struct Served {
    queues: Vec<String>,
    /// The queues to which its tasks belong. Another one may be where jobs are put by hand, or
    /// misspelt.
    belong: BTreeSet<&'static str>,
    /// How many tasks there are.
    count: usize,
    /// Their names, aliases among them.
    tasks: Vec<String>,
}

impl Served {
    fn of(app: &App, overrides: &WorkerOverrides) -> Result<Self> {
        let chosen: Vec<_> = app
            .tasks()?
            .into_iter()
            .filter(|def| {
                let among =
                    |list: &[String]| def.names().any(|name| list.iter().any(|n| n == name));
                (overrides.only.is_empty() || among(&overrides.only)) && !among(&overrides.except)
            })
            .collect();
        let mut queues: Vec<String> = match &overrides.queues {
            Some(queues) => queues.keys().cloned().collect(),
            None if !app.config().queues.is_empty() => {
                app.config().queues.keys().cloned().collect()
            }
            None => chosen.iter().map(|def| def.options.queue.to_owned()).collect(),
        };
        queues.sort_unstable();
        queues.dedup();
        let belong = chosen.iter().map(|def| def.options.queue).collect();
        let tasks = chosen.iter().flat_map(|def| def.names()).map(str::to_owned).collect();
        Ok(Self { queues, belong, count: chosen.len(), tasks })
    }

    /// Waits until nothing is left that may run now (and no retry, if those count). Jobs of a paused
    /// queue and of tasks that this worker does not know are not waited for: they would never end.
    async fn wait_until_done(&self, app: &App, retries: bool) {
        let mut states = vec![JobState::Available, JobState::Running];
        if retries {
            states.push(JobState::Retryable);
        }
        let mut pause = Duration::from_millis(5);
        loop {
            match self.is_done(app, &states).await {
                Ok(true) => return,
                Ok(false) => {}
                // The worker's own loops tell of it and go on; so does this one.
                Err(_) => pause = Duration::from_secs(1),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    async fn is_done(&self, app: &App, states: &[JobState]) -> Result<bool> {
        let infos = app.queue().queues().await?;
        let is_paused = |name: &String| {
            infos.iter().any(|queue| queue.name == *name && queue.paused_at.is_some())
        };
        let (paused, open): (Vec<_>, Vec<_>) = self.queues.iter().cloned().partition(is_paused);
        let running = [JobState::Running];
        for (queues, states) in [(open, states), (paused, &running[..])] {
            if queues.is_empty() {
                continue;
            }
            let filter = JobFilter {
                states: states.to_vec(),
                queues,
                tasks: self.tasks.clone(),
                ..JobFilter::default()
            };
            let page = Page { before: None, limit: 1 };
            if !app.queue().list(&filter, page).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Attempts in words, those that there were.
fn counted(counts: AttemptCounts) -> String {
    let parts = [
        (counts.completed, "completed"),
        (counts.retried, "to be retried"),
        (counts.snoozed, "snoozed"),
        (counts.cancelled, "cancelled"),
        (counts.discarded, "discarded"),
        (counts.quarantined, "quarantined"),
        (counts.released, "given back"),
        (counts.lost, "lost to another worker"),
    ];
    let told: Vec<_> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if told.is_empty() { "nothing was run".to_owned() } else { told.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_may_be_left_out() {
        assert_eq!(queue("mail=20"), Ok(("mail".to_owned(), Some(20))));
        assert_eq!(queue("default"), Ok(("default".to_owned(), None)));
        assert!(queue("").is_err() && queue("=3").is_err());
        assert!(queue("mail=many").unwrap_err().contains("`mail=20`"));
    }

    #[test]
    fn words_are_read_back_as_they_were() {
        #[derive(Debug, clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let words = ["--queues=mail=20,default", "--concurrency=3", "--only=a,b", "--worker-only"];
        let line: Line = clap::Parser::parse_from(["run"].into_iter().chain(words));
        assert_eq!(line.args.words(), words);
    }

    #[test]
    fn only_what_happened_is_told() {
        let mut counts = AttemptCounts::default();
        assert_eq!(counted(counts), "nothing was run");
        counts.completed = 3;
        counts.released = 1;
        assert_eq!(counted(counts), "3 completed, 1 given back");
    }
}
