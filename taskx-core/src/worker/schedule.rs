//! Fires schedules that are due. There is no leader: whoever finds one due inserts the unique
//! `(schedule, slot)` row and the job in one transaction (I11).

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use taskx_schedule::{Due, DueRule, Trigger};

use super::{claim::Trouble, shared::Shared};
use crate::{
    declared::{self, ScheduleOptions},
    error::{Error, ErrorKind, Result, chain},
    event::Event,
    job::{JobId, NewJob, RunAt},
    queue::Queue,
    registry::Registry,
    schedule::{DueSchedule, Firing, SCHEDULE_POLL},
    store::Store,
    task::Overlap,
};

/// The loop: declares what the code says, then fires what is due.
pub(super) async fn run(shared: Arc<Shared>) {
    let scheduler = Scheduler {
        queue: shared.queue.clone(),
        tasks: Arc::clone(shared.registry.names()),
        app: shared.app.clone(),
        service: shared.service.clone(),
        version: shared.version.clone(),
        timezone: shared.config.timezone.clone(),
    };
    let mut trouble = Trouble::default();
    while let Err(error) = scheduler.declare().await {
        shared.trouble("declare schedules", &error);
        tokio::time::sleep(trouble.pause()).await;
    }
    loop {
        let pause = match scheduler.fire_due().await {
            Ok(next) => {
                trouble = Trouble::default();
                let next = next.unwrap_or(SCHEDULE_POLL).min(SCHEDULE_POLL);
                next.max(Duration::from_millis(1))
            }
            Err(error) => {
                shared.trouble("fire schedules", &error);
                trouble.pause()
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.queue.hub().schedules_changed.notified() => {}
        }
    }
}

/// What fires the schedules of some tasks.
#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(crate) queue: Queue,
    /// The tasks whose schedules are fired.
    pub(crate) tasks: Arc<[String]>,
    /// The App's name.
    pub(crate) app: Option<String>,
    /// The owner of what the code declares, and its version.
    pub(crate) service: String,
    pub(crate) version: String,
    /// The zone of triggers that name none.
    pub(crate) timezone: String,
}

impl Scheduler {
    fn store(&self) -> &dyn Store {
        &**self.queue.store()
    }

    /// Writes the schedules of the whole App, also of tasks that are left to others.
    ///
    /// # Errors
    /// `Config` if two have one name; `Conflict` if a name is another service's; transient ones.
    pub(crate) async fn declare(&self) -> Result<()> {
        let registry = Registry::all(self.app.as_deref())?;
        let now = self.store().now().await?;
        let (service, version) = (&self.service, &self.version);
        let rows = declared::rows(&registry.tasks(), service, version, &self.timezone, now)?;
        self.store().upsert_schedules(service, version, &rows).await
    }

    /// Fires every schedule that is due; answers how long until the next is, as far as known.
    ///
    /// # Errors
    /// Transient ones.
    pub(crate) async fn fire_due(&self) -> Result<Option<Duration>> {
        let (due, next) = self.store().due_schedules(&self.tasks).await?;
        if due.is_empty() {
            return Ok(next);
        }
        for schedule in due {
            if let Err(error) = self.fire(&schedule).await {
                if error.is_transient() {
                    return Err(error);
                }
                // One that cannot be read must not keep the others from firing.
                let error = chain(&error.context(&format!("schedule `{}`", schedule.name)));
                let during = "fire a schedule";
                tracing::warn!(error, "{during}: going on");
                self.queue.events().tell(|| Event::Trouble { during, error });
            }
        }
        // What was fired may be due again already; the second look knows the new times.
        let (due, next) = self.store().due_schedules(&self.tasks).await?;
        Ok(if due.is_empty() { next } else { Some(Duration::from_millis(200)) })
    }

    async fn fire(&self, schedule: &DueSchedule) -> Result<()> {
        let options = ScheduleOptions::read(&schedule.options)?;
        let trigger: Trigger = schedule.trigger.parse().map_err(|e| {
            Error::new(ErrorKind::Config, "its trigger cannot be read by this version")
                .with_source(e)
        })?;
        let trigger = trigger.anchored_at(schedule.created_at);
        let position = position(schedule, &trigger);
        let rule = DueRule { misfire: options.misfire, grace: options.grace, ..DueRule::default() };
        let mut due = trigger.due(position, schedule.now, &rule);
        let passed_over = pass_over(&mut due, &options, schedule.overlapping);
        if let (Trigger::Date(_), true, Some(at)) = (&trigger, due.run.is_empty(), due.missed) {
            let past = roughly((schedule.now - at).to_std().unwrap_or_default());
            tracing::warn!("{}: {past} past, recorded as missed", schedule.name);
        } else if passed_over > 0 {
            tracing::warn!(
                schedule = schedule.name,
                latest = ?due.missed,
                "slots were passed over: too late, or an earlier job is not done"
            );
        }
        let jobs = due.run.iter().map(|slot| job(schedule, &options, *slot)).collect();
        let firing = Firing {
            name: schedule.name.clone(),
            declared_hash: schedule.declared_hash.clone(),
            jobs,
            // A trigger without any slot gets a position too, or it would be looked at for ever.
            last_slot: due.position.or(schedule.last_slot).or(Some(schedule.created_at)),
            next_slot: due.next,
            missed: passed_over,
        };
        let fired = self.store().fire(&firing).await?;
        if !fired.is_empty() {
            tracing::debug!(schedule = schedule.name, jobs = fired.len(), "fired");
            self.queue.hub().wake(&options.queue);
            self.tell(&firing, &fired);
        }
        Ok(())
    }

    /// Tells of the jobs that this process stored; another may have had the rest.
    fn tell(&self, firing: &Firing, fired: &[JobId]) {
        for job in firing.jobs.iter().filter(|job| fired.contains(&job.id)) {
            self.queue.events().tell(|| Event::Enqueued {
                id: job.id,
                task: job.task.to_string(),
                queue: job.queue.to_string(),
            });
        }
    }
}

/// A time in its largest unit, for people: `17 years`.
fn roughly(span: Duration) -> String {
    let text = humantime::format_duration(Duration::from_secs(span.as_secs())).to_string();
    let largest = text.split(' ').next().unwrap_or_default();
    let number = largest.trim_end_matches(char::is_alphabetic);
    format!("{number} {}", largest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// Slots after this time count. The stored next slot bounds it too: no slot before that one is owed,
/// for a changed trigger begins with what comes after the change.
fn position(schedule: &DueSchedule, trigger: &Trigger) -> DateTime<Utc> {
    let past = schedule.last_slot.unwrap_or_else(|| trigger.first_position(schedule.created_at));
    let before = |next: DateTime<Utc>| next.checked_sub_signed(TimeDelta::microseconds(1));
    schedule.next_slot.and_then(before).map_or(past, |before| before.max(past))
}

/// Takes out the slots that the overlap policy forbids; answers how many slots are passed over
/// (those lost to the misfire policy count as one, for nobody counts a million seconds).
fn pass_over(due: &mut Due, options: &ScheduleOptions, overlapping: bool) -> i64 {
    let mut count = i64::from(due.missed.is_some());
    if options.overlap == Overlap::Skip {
        let allowed = usize::from(!overlapping);
        let forbidden = due.run.len().saturating_sub(allowed);
        due.missed = due.run.drain(..forbidden).next_back().or(due.missed);
        count += i64::try_from(forbidden).unwrap_or(i64::MAX);
    }
    count
}

fn job(schedule: &DueSchedule, options: &ScheduleOptions, slot: DateTime<Utc>) -> NewJob {
    let mut job = NewJob::new(options.queue.clone(), schedule.task.clone(), schedule.args.clone());
    job.priority = options.priority;
    job.max_attempts = i32::from(options.max_attempts);
    let jitter = options.jitter.mul_f64(fastrand::f64());
    job.run_at = TimeDelta::from_std(jitter)
        .ok()
        .and_then(|jitter| slot.checked_add_signed(jitter))
        .map_or(RunAt::Now, RunAt::At);
    let extras = job.extras_mut();
    extras.schedule = Some(schedule.name.clone());
    extras.slot = Some(slot);
    job
}

#[cfg(test)]
mod tests {
    use taskx_schedule::Misfire;

    use super::*;

    fn options(overlap: Overlap) -> ScheduleOptions {
        ScheduleOptions { overlap, misfire: Misfire::Latest, ..ScheduleOptions::default() }
    }

    fn due(slots: &[i64]) -> Due {
        let mut due = Due::default();
        due.run = slots.iter().filter_map(|at| DateTime::from_timestamp(*at, 0)).collect();
        due
    }

    #[test]
    fn long_times_are_told_in_their_largest_unit() {
        let day = Duration::from_secs(24 * 3600);
        assert_eq!(roughly(day * 366 * 17), "17 years");
        assert_eq!(roughly(day + Duration::from_millis(5)), "1 day");
        assert_eq!(roughly(Duration::ZERO), "0 s");
    }

    #[test]
    fn overlap_leaves_the_latest_slot_or_none() {
        let mut three = due(&[1, 2, 3]);
        assert_eq!(pass_over(&mut three, &options(Overlap::Skip), false), 2);
        assert_eq!(three.run, due(&[3]).run);
        let mut busy = due(&[4]);
        assert_eq!(pass_over(&mut busy, &options(Overlap::Skip), true), 1);
        assert!(busy.run.is_empty());
        let mut all = due(&[1, 2, 3]);
        assert_eq!(pass_over(&mut all, &options(Overlap::Allow), true), 0);
        assert_eq!(all.run.len(), 3);
    }
}
