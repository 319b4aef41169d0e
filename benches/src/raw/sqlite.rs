//! SQLite by rusqlite, with the settings that taskx gives a connection.

use std::thread;

use anyhow::{Result, ensure};
use rusqlite::{
    Connection, Statement, TransactionBehavior, params, params_from_iter, types::Value,
};
use taskx_measure::{Measured, Moments, Order, Stopwatch, Work};
use tokio::{runtime::Handle, sync::mpsc};
use uuid::Uuid;

use super::{BATCH, KEPT, QUEUE, Row, Waiting, from_callers, marks, no_such};

const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 4000;";

/// The rows of one statement.
const ROWS: usize = 32;

pub(super) fn run(order: &Order) -> Result<Measured> {
    let payload = order.payload;
    let path = order.url.strip_prefix("sqlite://").unwrap_or(&order.url);
    let mut conn = Connection::open(path)?;
    conn.execute_batch(SETTINGS)?;
    match order.work {
        Work::OneByOne { jobs } => one_by_one(&mut conn, payload, jobs),
        Work::Callers { jobs, callers } => group_commit(conn, payload, jobs, callers),
        Work::Bulk { jobs } => bulk(&mut conn, payload, jobs),
        Work::Drain { jobs, .. } => drain(&mut conn, jobs),
        ref work => no_such(work),
    }
}

fn insert_text(rows: usize) -> String {
    let rows = vec!["(?, ?, 'nothing', 0, 0, 25, ?, ?, ?)"; rows].join(", ");
    format!(
        "INSERT INTO taskx_jobs (id, queue, task, state, priority, max_attempts, payload, \
         inserted_at, run_at) VALUES {rows}"
    )
}

fn now() -> i64 {
    i64::try_from(Moments::now() / 1_000).unwrap_or(i64::MAX)
}

fn bind(insert: &mut Statement<'_>, rows: &[Row]) -> rusqlite::Result<()> {
    let now = now();
    for (at, row) in rows.iter().enumerate() {
        let first = at * 5;
        insert.raw_bind_parameter(first + 1, row.id.as_bytes().as_slice())?;
        insert.raw_bind_parameter(first + 2, QUEUE)?;
        insert.raw_bind_parameter(first + 3, &row.payload)?;
        insert.raw_bind_parameter(first + 4, now)?;
        insert.raw_bind_parameter(first + 5, now)?;
    }
    insert.raw_execute().map(drop)
}

/// Inserts rows in one transaction.
fn insert_all(conn: &mut Connection, rows: &[Row]) -> Result<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let (many, few) = rows.as_chunks::<ROWS>();
        let mut insert = transaction.prepare_cached(&insert_text(ROWS))?;
        for rows in many {
            bind(&mut insert, rows)?;
        }
        let mut insert = transaction.prepare_cached(&insert_text(1))?;
        for row in few.chunks(1) {
            bind(&mut insert, row)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn one_by_one(conn: &mut Connection, payload: usize, jobs: u64) -> Result<Measured> {
    let text = insert_text(1);
    let mut insert = conn.prepare(&text)?;
    let watch = Stopwatch::start();
    for order in 0..jobs {
        bind(&mut insert, &[Row::new(order, payload)])?;
    }
    Ok(watch.stop(jobs))
}

/// One thread inserts what waits in one transaction; tasks of a runtime wait for its commit.
fn group_commit(mut conn: Connection, payload: usize, jobs: u64, callers: u64) -> Result<Measured> {
    let (sender, mut waiting) = mpsc::unbounded_channel::<Waiting>();
    let watch = Stopwatch::start();
    let committer = thread::spawn(move || {
        let mut group = Vec::new();
        while waiting.blocking_recv_many(&mut group, BATCH) > 0 {
            let (rows, replies): (Vec<_>, Vec<_>) = group.drain(..).unzip();
            insert_all(&mut conn, &rows)?;
            for reply in replies {
                let _ = reply.send(());
            }
        }
        anyhow::Ok(())
    });
    Handle::current().block_on(from_callers(sender, payload, jobs, callers))?;
    let measured = watch.stop(jobs);
    committer.join().map_err(|_| anyhow::anyhow!("the committer panicked"))??;
    Ok(measured)
}

fn bulk(conn: &mut Connection, payload: usize, jobs: u64) -> Result<Measured> {
    let watch = Stopwatch::start();
    for start in (0..jobs).step_by(BATCH) {
        let orders = start..jobs.min(start + BATCH as u64);
        let rows: Vec<_> = orders.map(|order| Row::new(order, payload)).collect();
        insert_all(conn, &rows)?;
    }
    Ok(watch.stop(jobs))
}

/// One transaction in turn moves the last batch into the history and claims the next.
fn drain(conn: &mut Connection, jobs: u64) -> Result<Measured> {
    let owner = Uuid::new_v4();
    let owner = owner.as_bytes().as_slice();
    let watch = Stopwatch::start();
    let mut done = 0;
    let mut claimed: Vec<Id> = Vec::new();
    loop {
        let now = now();
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (many, few) = claimed.as_chunks::<ROWS>();
        for ids in many {
            done += finish(&transaction, owner, now, ids)?;
        }
        for id in few.chunks(1) {
            done += finish(&transaction, owner, now, id)?;
        }
        if done < jobs {
            claimed = claim(&transaction, owner, now)?;
            ensure!(!claimed.is_empty(), "{done} of {jobs} jobs were there");
        }
        transaction.commit()?;
        if done >= jobs {
            return Ok(watch.stop(jobs));
        }
    }
}

type Id = [u8; 16];

/// Moves jobs into the history; gives how many.
fn finish(conn: &Connection, owner: &[u8], now: i64, ids: &[Id]) -> Result<u64> {
    let held =
        format!("WHERE owner = ?1 AND ?2 > 0 AND state = 1 AND id IN ({})", marks(ids.len()));
    let keep = format!(
        "INSERT INTO taskx_history ({KEPT}, state, finished_at, prune_at) \
         SELECT {KEPT}, 10, ?2, ?2 + 259200000000 FROM taskx_jobs {held}"
    );
    let binds = || {
        let first = [Value::from(owner.to_vec()), Value::from(now)];
        first.into_iter().chain(ids.iter().map(|id| Value::from(id.to_vec())))
    };
    conn.prepare_cached(&keep)?.execute(params_from_iter(binds()))?;
    let delete = format!("DELETE FROM taskx_jobs {held}");
    let deleted = conn.prepare_cached(&delete)?.execute(params_from_iter(binds()))?;
    Ok(deleted as u64)
}

fn claim(conn: &Connection, owner: &[u8], now: i64) -> Result<Vec<Id>> {
    let mut front = conn.prepare_cached(
        "SELECT id, task, payload, attempt, fence FROM taskx_jobs INDEXED BY taskx_jobs_ready \
         WHERE state = 0 AND queue = ?1 ORDER BY priority, id LIMIT ?2",
    )?;
    let rows = front.query_map(params![QUEUE, BATCH as i64], |row| {
        std::hint::black_box((row.get::<_, String>(1)?, row.get::<_, String>(2)?));
        row.get(0)
    })?;
    let ids: Vec<Id> = rows.collect::<rusqlite::Result<_>>()?;
    let mut take = conn.prepare_cached(
        "UPDATE taskx_jobs INDEXED BY taskx_jobs_ready SET state = 1, owner = ?1, \
         claimed_at = ?2, fence = fence + 1, attempt = attempt + 1 \
         WHERE state = 0 AND queue = ?3 AND (priority, id) <= (0, ?4)",
    )?;
    if let Some(last) = ids.last() {
        take.execute(params![owner, now, QUEUE, last])?;
    }
    Ok(ids)
}
