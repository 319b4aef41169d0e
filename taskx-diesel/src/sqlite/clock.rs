//! SQLite's database clock: the machine's clock, kept from running backwards.
//!
//! Every process on the file reads the same machine's clock. A small backward step is waited out by
//! standing still; one of more than [`STEP`] is believed, once, and told. What was last seen is kept
//! in `taskx_meta`, so that a start after a step does not run behind what is stored.

use std::{
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, RunQueryDsl, connection::LoadConnection, sql_types::Text, sqlite::Sqlite,
};

use crate::{
    statement::{Sql, statement},
    values::DbTime,
};

/// The backward step that is believed, in microseconds.
const STEP: i64 = 5_000_000;

/// How stale the stored reading may be, in microseconds.
const STALE: i64 = 1_000_000;

statement! {
    /// Takes the write lock. In a caller's deferred transaction whose first statement only reads, a
    /// later write fails once another connection has written, whatever the busy timeout.
    pub(super) TakeLock() = "UPDATE taskx_meta SET value = value WHERE 0";
    /// What some process saw last.
    pub(super) LastSeen() -> Text = "SELECT value FROM taskx_meta WHERE name = 'last_seen'";
    Remember(value: Text) = "INSERT INTO taskx_meta (name, value) VALUES ('last_seen', ?)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
}

/// The clock of one store.
#[derive(Debug)]
pub(super) struct Clock {
    state: Mutex<State>,
    wall: fn() -> i64,
}

#[derive(Debug)]
struct State {
    /// The latest time given out.
    last_seen: i64,
    /// The latest time stored.
    stored: i64,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self::of(wall)
    }

    fn of(wall: fn() -> i64) -> Self {
        Self { state: Mutex::new(State { last_seen: i64::MIN, stored: i64::MIN }), wall }
    }

    /// The time now. Never before an earlier answer, but for a backward step of the machine's
    /// clock by more than five seconds.
    pub(super) fn now(&self) -> DbTime {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wall = (self.wall)();
        let (now, step) = later(wall, state.last_seen);
        if let Some(step) = step {
            tracing::warn!(
                seconds = step / 1_000_000,
                "the machine's clock went back; taskx goes on by it"
            );
            state.stored = i64::MIN;
        }
        state.last_seen = now;
        time(now)
    }

    /// Takes over what an earlier process saw last.
    pub(super) fn recall<C>(&self, conn: &mut C) -> QueryResult<()>
    where
        C: LoadConnection<Backend = Sqlite>,
    {
        let seen = last_seen(conn)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last_seen = state.last_seen.max(seen);
        Ok(())
    }

    /// Whether the stored reading is due to be renewed.
    pub(super) fn is_stale(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last_seen.saturating_sub(state.stored) > STALE
    }

    /// Stores the reading; inside a transaction that writes anyway.
    pub(super) fn remember<C>(&self, conn: &mut C) -> QueryResult<()>
    where
        C: LoadConnection<Backend = Sqlite>,
    {
        let seen = self.state.lock().unwrap_or_else(PoisonError::into_inner).last_seen;
        Remember::with((seen.to_string(),)).execute(conn)?;
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stored = seen;
        Ok(())
    }
}

/// The database's clock on a connection that belongs to no store.
pub(super) fn now_on<C>(conn: &mut C) -> QueryResult<DbTime>
where
    C: LoadConnection<Backend = Sqlite>,
{
    Ok(after(&last_seen_rows(conn)?))
}

/// The database's clock, given what `taskx_meta` says was seen last.
pub(super) fn after(rows: &[String]) -> DbTime {
    time(later(wall(), parse(rows)).0)
}

fn last_seen_rows<C>(conn: &mut C) -> QueryResult<Vec<String>>
where
    C: LoadConnection<Backend = Sqlite>,
{
    LastSeen::with(()).load(conn)
}

fn last_seen<C>(conn: &mut C) -> QueryResult<i64>
where
    C: LoadConnection<Backend = Sqlite>,
{
    last_seen_rows(conn).map(|rows| parse(&rows))
}

fn parse(rows: &[String]) -> i64 {
    rows.first().and_then(|value| value.parse().ok()).unwrap_or(i64::MIN)
}

/// The time to give out, and by how much the wall clock went back if that is believed.
fn later(wall: i64, last_seen: i64) -> (i64, Option<i64>) {
    let behind = last_seen.saturating_sub(wall);
    if behind > STEP { (wall, Some(behind)) } else { (wall.max(last_seen), None) }
}

/// The machine's clock in microseconds since 1970.
fn wall() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn time(micros: i64) -> DbTime {
    DbTime(DateTime::<Utc>::from_timestamp_micros(micros).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    fn micros(time: DbTime) -> i64 {
        time.0.timestamp_micros()
    }

    #[test]
    fn a_small_step_back_is_waited_out_and_a_large_one_is_believed() {
        static WALL: AtomicI64 = AtomicI64::new(100_000_000);
        let clock = Clock::of(|| WALL.load(Ordering::SeqCst));
        assert_eq!(micros(clock.now()), 100_000_000);
        WALL.store(97_000_000, Ordering::SeqCst);
        assert_eq!(micros(clock.now()), 100_000_000);
        WALL.store(100_000_001, Ordering::SeqCst);
        assert_eq!(micros(clock.now()), 100_000_001);
        WALL.store(90_000_000, Ordering::SeqCst);
        assert_eq!(micros(clock.now()), 90_000_000);
        WALL.store(90_000_005, Ordering::SeqCst);
        assert_eq!(micros(clock.now()), 90_000_005);
    }
}
