//! Which jobs: by id, state, queue, task, tag, age, attempts, the value of an argument.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use taskx_commands::Failure;
use taskx_core::{
    app::App,
    clock::earlier,
    inspect::{JobFilter, Page},
    job::{JobId, JobState},
};

/// Which jobs; what is given narrows together.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Filter {
    /// Only these ids
    #[arg(value_name = "ID")]
    ids: Vec<JobId>,
    /// Only these states: available, running, scheduled, retryable, parked, completed, cancelled,
    /// discarded, quarantined
    #[arg(long = "state", value_name = "STATE,..", value_delimiter = ',')]
    states: Vec<JobState>,
    /// Only these queues
    #[arg(long = "queue", value_name = "QUEUE,..", value_delimiter = ',')]
    queues: Vec<String>,
    /// Only these tasks
    #[arg(long = "task", value_name = "TASK,..", value_delimiter = ',')]
    tasks: Vec<String>,
    /// Only with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only those enqueued longer ago than this: 30s, 5m, 2h, 1d
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Only with at least so many attempts begun
    #[arg(long, value_name = "COUNT")]
    attempts: Option<i32>,
    /// Only where this argument has this value, as JSON: to='"ada"', n=3 (a word is a text)
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = argument)]
    argument: Option<(String, Value)>,
}

fn argument(text: &str) -> Result<(String, Value), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is no NAME=VALUE, such as n=3"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

impl Filter {
    /// Whether it narrows at all.
    fn is_empty(&self) -> bool {
        let Self { ids, states, queues, tasks, tag, older_than, attempts, argument } = self;
        ids.is_empty()
            && states.is_empty()
            && queues.is_empty()
            && tasks.is_empty()
            && tag.is_none()
            && older_than.is_none()
            && attempts.is_none()
            && argument.is_none()
    }

    /// The same, if it narrows or all jobs were asked for.
    ///
    /// # Errors
    /// `Usage` if neither: forgetting the filter must not change all jobs.
    pub(crate) fn required(self, all: bool) -> Result<Self, Failure> {
        if self.is_empty() && !all {
            return Err(Failure::usage("which jobs?")
                .mend("give their ids, or filters such as --task or --state, or --all"));
        }
        Ok(self)
    }

    /// The same; without ids and without states, those among `states`.
    pub(crate) fn among(mut self, states: &[JobState]) -> Self {
        if self.ids.is_empty() && self.states.is_empty() {
            states.clone_into(&mut self.states);
        }
        self
    }

    /// The same; without states, those among `states`, whether ids were given or not.
    pub(crate) fn within(mut self, states: &[JobState]) -> Self {
        if self.states.is_empty() {
            states.clone_into(&mut self.states);
        }
        self
    }

    /// The filter as the store takes it; ages are by the database's clock.
    ///
    /// # Errors
    /// If the database does not answer.
    pub(crate) async fn read(self, app: &App) -> Result<JobFilter, Failure> {
        let inserted_before = match self.older_than {
            Some(age) => Some(earlier(app.queue().now().await?, age)),
            None => None,
        };
        // Who names a job twice means one.
        let ids: BTreeSet<JobId> = self.ids.into_iter().collect();
        Ok(JobFilter {
            ids: ids.into_iter().collect(),
            states: self.states,
            queues: self.queues,
            tasks: self.tasks,
            tag: self.tag,
            inserted_before,
            attempts_from: self.attempts,
            argument: self.argument,
        })
    }
}

/// Which part of a listing.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Paging {
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Only those older than this one: the next page after its last
    #[arg(long, value_name = "ID")]
    before: Option<JobId>,
}

impl Paging {
    /// The page.
    pub(crate) fn page(self) -> Page {
        Page { before: self.before, limit: self.limit }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_json_and_a_bare_word_is_a_text() {
        assert_eq!(argument("n=3").unwrap(), ("n".to_owned(), json!(3)));
        assert_eq!(argument("to=ada").unwrap(), ("to".to_owned(), json!("ada")));
        assert_eq!(argument("to=\"3\"").unwrap(), ("to".to_owned(), json!("3")));
        assert_eq!(argument("at=a=b").unwrap(), ("at".to_owned(), json!("a=b")));
        assert!(argument("n").is_err());
    }

    #[test]
    fn forgetting_the_filter_changes_nothing() {
        assert!(Filter::default().required(false).is_err());
        assert!(Filter::default().required(true).is_ok());
        let one = Filter { tag: Some("a".to_owned()), ..Filter::default() };
        assert!(one.required(false).is_ok());
    }

    #[test]
    fn ids_and_states_that_were_given_are_not_narrowed() {
        let dead = [JobState::Discarded];
        assert_eq!(Filter::default().among(&dead).states, dead);
        let ids = Filter { ids: vec![JobId::new()], ..Filter::default() };
        assert_eq!(ids.among(&dead).states, []);
        let states = Filter { states: vec![JobState::Running], ..Filter::default() };
        assert_eq!(states.clone().among(&dead).states, [JobState::Running]);
        assert_eq!(states.within(&dead).states, [JobState::Running]);
        let ids = Filter { ids: vec![JobId::new()], ..Filter::default() };
        assert_eq!(ids.within(&dead).states, dead);
    }
}
