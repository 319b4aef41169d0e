//! Schedules: declared by their owner, found due, fired once a slot.

use std::{collections::HashMap, time::Duration};

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use taskx_core::{
    error::{Error, ErrorKind, Result},
    job::{JobId, NewJob},
    schedule::{DueSchedule, Firing, ScheduleInfo, ScheduleRow, ScheduleSource},
};

use crate::{
    declared::{Change, change, is_dropped},
    error::to_diesel,
    postgres::{
        PgStore, insert,
        statements::schedules::{
            AllSchedules, Declared, DropSchedules, DueSchedules, KeepSchedule, LockSchedule,
            LockSchedules, MoveSchedule, NextSlot, PauseSchedule, RemoveSchedule, SoonestSlot,
            TakeSlots, WriteSchedule,
        },
    },
    rows::ScheduleDbRow,
    statement::Sql,
    values::{DbId, DbTime},
};

impl PgStore {
    pub(super) async fn declare(
        &self,
        owner: &str,
        version: &str,
        declared: &[ScheduleRow],
    ) -> Result<()> {
        let names: Vec<&str> = declared.iter().map(|row| row.name.as_str()).collect();
        self.lanes
            .general
            .transaction("declare schedules", async |conn| {
                LockSchedules::with(()).execute(conn).await?;
                let rows: Vec<ScheduleDbRow> = Declared::with((&names, owner)).load(conn).await?;
                let dropped: Vec<&str> = rows
                    .iter()
                    .filter(|row| row.owner == owner && is_dropped(row, version, declared))
                    .map(|row| row.name.as_str())
                    .collect();
                let rows: HashMap<_, _> = rows.iter().map(|row| (row.name.as_str(), row)).collect();
                for row in declared {
                    let change = match rows.get(row.name.as_str()) {
                        Some(there) => change(there, row).map_err(to_diesel)?,
                        None => Change::All,
                    };
                    match change {
                        Change::None => {}
                        Change::Again => {
                            KeepSchedule::with((&row.name, &row.declared_version))
                                .execute(conn)
                                .await?;
                        }
                        Change::All => write(conn, row).await?,
                    }
                }
                if !dropped.is_empty() {
                    DropSchedules::with((&dropped, version)).execute(conn).await?;
                }
                Ok(())
            })
            .await
    }

    pub(super) async fn find_due(
        &self,
        tasks: &[String],
    ) -> Result<(Vec<DueSchedule>, Option<Duration>)> {
        #[expect(clippy::type_complexity, reason = "the rows of two statements, as they come")]
        let (due, next): (Vec<(ScheduleDbRow, DbTime, bool)>, Vec<Option<i64>>) = self
            .lanes
            .general
            .run("look for due schedules", async |conn| {
                // Mostly none is, which one statement tells.
                let soonest: Vec<Option<i64>> = SoonestSlot::with((tasks,)).load(conn).await?;
                if !matches!(soonest.as_slice(), [Some(..=0)]) {
                    return Ok((Vec::new(), soonest));
                }
                let due = DueSchedules::with((tasks,)).load(conn).await?;
                Ok((due, NextSlot::with((tasks,)).load(conn).await?))
            })
            .await?;
        let due = due.into_iter().map(|(row, now, live)| row.into_due(now, live)).collect();
        Ok((due, super::wait_of(next)))
    }

    pub(super) async fn fire_slots(&self, firing: &Firing) -> Result<Vec<JobId>> {
        let mut slots = Vec::with_capacity(firing.jobs.len());
        for job in &firing.jobs {
            let slot = job.extras.as_ref().and_then(|extras| extras.slot).ok_or_else(|| {
                Error::new(
                    ErrorKind::Config,
                    format!("fire schedule `{}`: a job has no slot", firing.name),
                )
            })?;
            slots.push(DbTime(slot));
        }
        let ids: Vec<DbId> = firing.jobs.iter().map(|job| job.id.into()).collect();
        self.lanes
            .general
            .transaction("fire a schedule", async |conn| fire(conn, firing, &slots, &ids).await)
            .await
    }

    pub(super) async fn all_schedules(&self) -> Result<Vec<ScheduleInfo>> {
        let rows: Vec<ScheduleDbRow> = self
            .lanes
            .general
            .run("list schedules", async |conn| AllSchedules::with(()).load(conn).await)
            .await?;
        Ok(rows.into_iter().map(ScheduleInfo::from).collect())
    }

    pub(super) async fn put_dynamic(&self, row: &ScheduleRow) -> Result<()> {
        let row = ScheduleRow { source: ScheduleSource::Dynamic, ..row.clone() };
        self.lanes
            .general
            .transaction("write a schedule", async |conn| {
                refuse_code(conn, &row.name).await?;
                write(conn, &row).await
            })
            .await
    }

    pub(super) async fn set_schedule_pause(&self, name: &str, paused: bool) -> Result<bool> {
        self.lanes
            .general
            .run("pause or resume a schedule", async |conn| {
                PauseSchedule::with((name, paused)).execute(conn).await.map(|rows| rows > 0)
            })
            .await
    }

    pub(super) async fn remove_dynamic(&self, name: &str) -> Result<bool> {
        self.lanes
            .general
            .transaction("remove a schedule", async |conn| {
                refuse_code(conn, name).await?;
                RemoveSchedule::with((name,)).execute(conn).await.map(|rows| rows > 0)
            })
            .await
    }
}

async fn write(conn: &mut AsyncPgConnection, row: &ScheduleRow) -> QueryResult<()> {
    WriteSchedule::with((
        &row.name,
        &row.owner,
        row.source.name(),
        &row.task,
        &row.trigger,
        &row.args,
        &row.options,
        &row.declared_hash,
        &row.declared_version,
        row.next_slot.map(DbTime),
    ))
    .execute(conn)
    .await
    .map(drop)
}

/// Fails if a schedule of this name is declared in code.
async fn refuse_code(conn: &mut AsyncPgConnection, name: &str) -> QueryResult<()> {
    LockSchedules::with(()).execute(conn).await?;
    // No owner has an empty name, so this finds the schedule of this name only.
    let rows: Vec<ScheduleDbRow> = Declared::with((&[name][..], "")).load(conn).await?;
    match rows.iter().find(|row| row.name == name && row.source() == ScheduleSource::Code) {
        Some(row) => Err(to_diesel(Error::new(
            ErrorKind::Conflict,
            format!("schedule `{name}` is declared in the code of `{}`", row.owner),
        ))),
        None => Ok(()),
    }
}

/// Whoever fires locks the schedule's row first, so slots are taken by one caller at a time.
async fn fire(
    conn: &mut AsyncPgConnection,
    firing: &Firing,
    slots: &[DbTime],
    ids: &[DbId],
) -> QueryResult<Vec<JobId>> {
    let name = firing.name.as_str();
    let locked: Vec<String> = LockSchedule::with((name, &firing.declared_hash)).load(conn).await?;
    if locked.is_empty() {
        return Ok(Vec::new());
    }
    let taken: Vec<DbId> = if ids.is_empty() {
        Vec::new()
    } else {
        TakeSlots::with((name, slots, ids)).load(conn).await?
    };
    let is_taken = |job: &&NewJob| taken.contains(&DbId::from(job.id));
    let jobs: Vec<NewJob> = firing.jobs.iter().filter(is_taken).cloned().collect();
    let batch = insert::Batch::of(&jobs);
    let stored = batch.insert(conn).await?;
    let inserted: Vec<JobId> = insert::answers(&jobs, stored)
        .into_iter()
        .zip(&jobs)
        .filter(|(answer, _)| *answer == taskx_core::store::Inserted::New)
        .map(|(_, job)| job.id)
        .collect();
    MoveSchedule::with((
        name,
        firing.last_slot.map(DbTime),
        firing.next_slot.map(DbTime),
        firing.missed,
        inserted.last().copied().map(DbId::from),
    ))
    .execute(conn)
    .await?;
    if !jobs.is_empty() {
        batch.notification().execute(conn).await?;
    }
    Ok(inserted)
}
