//! Schedules at run time: `queue.schedules()`.

use std::{borrow::Cow, time::Duration};

use chrono::{DateTime, Utc};
use taskx_schedule::{Misfire, Trigger};

use crate::{
    declared::{ScheduleOptions, first_slot, hash},
    enqueued::Enqueued,
    error::{Error, ErrorKind, Result},
    inspect::{Actor, Inspect},
    job::{JobId, NewJob, check_name, check_payload},
    queue::Queue,
    schedule::{ScheduleInfo, ScheduleRow, ScheduleSource},
    store::Inserted,
    task::{Overlap, Task},
};

/// The schedules of a queue: those that the code declares, and those made at run time. A change is
/// picked up by every worker within 5 s, by those of this process at once.
#[derive(Debug, Clone, Copy)]
pub struct Schedules<'a> {
    queue: &'a Queue,
}

impl<'a> Schedules<'a> {
    pub(crate) fn new(queue: &'a Queue) -> Self {
        Self { queue }
    }

    /// Every schedule, by name.
    ///
    /// # Errors
    /// Transient ones.
    pub async fn list(&self) -> Result<Vec<ScheduleInfo>> {
        Inspect::schedules(self.queue).await
    }

    /// The schedule of this name.
    ///
    /// # Errors
    /// `NotFound` if there is none; transient ones.
    pub async fn get(&self, name: &str) -> Result<ScheduleInfo> {
        let all = self.list().await?;
        all.into_iter().find(|schedule| schedule.name == name).ok_or_else(|| not_found(name))
    }

    /// The next `count` fire times of a schedule after the database's now.
    ///
    /// # Errors
    /// `NotFound` if there is none; `Config` if its trigger cannot be read; transient ones.
    pub async fn next(&self, name: &str, count: usize) -> Result<Vec<DateTime<Utc>>> {
        let schedule = self.get(name).await?;
        let trigger = parse(&schedule.trigger)?.anchored_at(schedule.created_at);
        let now = self.queue.now().await?;
        Ok(trigger.upcoming(now).take(count).map(|at| at.with_timezone(&Utc)).collect())
    }

    /// A schedule of task `T` to be added, or to replace the dynamic one of this name.
    pub fn add<T: Task>(
        &self,
        name: impl Into<String>,
        trigger: impl Into<Trigger>,
        arguments: &T,
    ) -> NewSchedule<'a> {
        NewSchedule {
            queue: self.queue,
            name: name.into(),
            task: T::DEF.name.into(),
            trigger: trigger.into(),
            args: serde_json::to_string(arguments).map_err(|e| {
                Error::new(ErrorKind::Payload, "write a schedule's arguments as JSON")
                    .with_source(e)
            }),
            options: ScheduleOptions::of_task(T::DEF),
        }
    }

    /// A schedule of a task that is not linked into this program, by its wire name, with its
    /// arguments as a JSON object: what the command line and the dashboard do.
    pub fn add_task(
        &self,
        name: impl Into<String>,
        task: impl Into<String>,
        trigger: impl Into<Trigger>,
        arguments: impl Into<String>,
    ) -> NewSchedule<'a> {
        NewSchedule {
            queue: self.queue,
            name: name.into(),
            task: task.into().into(),
            trigger: trigger.into(),
            args: Ok(arguments.into()),
            options: ScheduleOptions::default(),
        }
    }

    /// Pauses a schedule: what falls due meanwhile follows the misfire policy when it is resumed.
    ///
    /// # Errors
    /// `NotFound` if there is none; transient ones.
    pub async fn pause(&self, name: &str, by: &Actor) -> Result<()> {
        self.found(name, self.queue.pause_schedule(name, true, by).await?)
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// `NotFound` if there is none; transient ones.
    pub async fn resume(&self, name: &str, by: &Actor) -> Result<()> {
        self.found(name, self.queue.pause_schedule(name, false, by).await?)
    }

    /// Removes a schedule that was made at run time.
    ///
    /// # Errors
    /// `NotFound` if there is none; `Conflict` if the code declares it; transient ones.
    pub async fn remove(&self, name: &str, by: &Actor) -> Result<()> {
        self.found(name, self.queue.remove_schedule(name, by).await?)
    }

    /// Enqueues a job of a schedule now, beside its fire times, with its arguments and queue.
    ///
    /// # Errors
    /// `NotFound` if there is none; transient ones.
    pub async fn run_now<T: Task>(&self, name: &str) -> Result<Enqueued<T>> {
        let schedule = self.get(name).await?;
        if !T::DEF.names().any(|known| known == schedule.task) {
            let text =
                format!("schedule `{name}` is of task `{}`, not `{}`", schedule.task, T::DEF.name);
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        let id = self.enqueue(schedule).await?;
        Ok(Enqueued::new(id, Inserted::New, Some(self.queue.clone())))
    }

    /// As [`run_now`](Self::run_now), also of a task that is not linked into this program; answers
    /// the job's id.
    ///
    /// # Errors
    /// `NotFound` if there is none; transient ones.
    pub async fn enqueue_now(&self, name: &str) -> Result<JobId> {
        self.enqueue(self.get(name).await?).await
    }

    async fn enqueue(&self, schedule: ScheduleInfo) -> Result<JobId> {
        let options = ScheduleOptions::read(&schedule.options)?;
        let mut job = NewJob::new(options.queue, schedule.task, schedule.args);
        job.priority = options.priority;
        job.max_attempts = i32::from(options.max_attempts);
        self.queue.insert(job).await
    }

    fn found(&self, name: &str, found: bool) -> Result<()> {
        self.queue.hub().schedules_changed.notify_one();
        if found { Ok(()) } else { Err(not_found(name)) }
    }
}

/// A schedule to be stored at run time.
#[must_use = "nothing is stored until `.save(..)`"]
#[derive(Debug)]
pub struct NewSchedule<'a> {
    queue: &'a Queue,
    name: String,
    task: Cow<'static, str>,
    trigger: Trigger,
    args: Result<String>,
    options: ScheduleOptions,
}

impl NewSchedule<'_> {
    /// What becomes of slots that passed while nothing fired them. Default: the latest is fired.
    pub fn misfire(mut self, misfire: Misfire) -> Self {
        self.options.misfire = misfire;
        self
    }

    /// How late a slot may be fired. Default 1 hour.
    pub fn misfire_grace(mut self, grace: Duration) -> Self {
        self.options.grace = grace;
        self
    }

    /// Whether a slot is fired while a job of an earlier one is live. Default no.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.options.overlap = overlap;
        self
    }

    /// A random delay of at most this is added to each job's time, not to the slot.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.options.jitter = jitter;
        self
    }

    /// The queue of its jobs. Default: the task's.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.options.queue = queue.into();
        self
    }

    /// Stores it; it counts from now.
    ///
    /// # Errors
    /// `Conflict` if the code declares a schedule of this name; `Config` for a name (its own, its
    /// task's, its queue's) of no or more than 190 characters, and for a trigger that never fires;
    /// `Payload` for arguments that are no JSON or over the limit; transient ones.
    pub async fn save(self, by: &Actor) -> Result<()> {
        self.check()?;
        let args = self.args?;
        let mut row = ScheduleRow {
            name: self.name,
            owner: by.0.clone(),
            source: ScheduleSource::Dynamic,
            task: self.task.into_owned(),
            trigger: self.trigger.to_string(),
            args,
            options: self.options.write()?,
            declared_hash: String::new(),
            declared_version: String::new(),
            next_slot: first_slot(&self.trigger, self.queue.now().await?),
        };
        row.declared_hash = hash(&row);
        self.queue.put_schedule(&row, by).await?;
        self.queue.hub().schedules_changed.notify_one();
        Ok(())
    }

    /// Refuses what would be stored and then never run.
    fn check(&self) -> Result<()> {
        check_name("schedule", &self.name)?;
        check_name("task", &self.task)?;
        check_name("queue", &self.options.queue)?;
        self.trigger.check_fires().map_err(|e| {
            let text = format!("schedule `{}` would never fire", self.name);
            Error::new(ErrorKind::Config, text).with_source(e)
        })?;
        let Ok(args) = &self.args else { return Ok(()) };
        check_payload(format_args!("schedule `{}`", self.name), args, self.queue.payload_limit())?;
        serde_json::from_str::<serde::de::IgnoredAny>(args).map(drop).map_err(|e| {
            let text = format!("the arguments of schedule `{}` are no JSON", self.name);
            Error::new(ErrorKind::Payload, text).with_source(e)
        })
    }
}

fn not_found(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no schedule `{name}`"))
}

fn parse(trigger: &str) -> Result<Trigger> {
    trigger.parse().map_err(|e| {
        Error::new(ErrorKind::Config, format!("the trigger `{trigger}` cannot be read"))
            .with_source(e)
    })
}
