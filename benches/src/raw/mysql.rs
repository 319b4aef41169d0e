//! MySQL and MariaDB by mysql_async.

use anyhow::{Result, ensure};
use mysql_async::{Conn, Opts, OptsBuilder, Params, Statement, Value, prelude::Queryable};
use taskx_measure::{Measured, Order, Stopwatch, Work};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{BATCH, KEPT, QUEUE, Row, Waiting, from_callers, marks, no_such};

/// The most rows of an insert: beyond, larger statements gain nothing.
const ROWS: usize = 256;

const SETTINGS: [&str; 2] = [
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
];

pub(super) async fn run(order: &Order) -> Result<Measured> {
    let payload = order.payload;
    let opts = OptsBuilder::from_opts(Opts::from_url(&order.url)?)
        .prefer_socket(false)
        .stmt_cache_size(64)
        .init(SETTINGS.map(str::to_owned).to_vec());
    let mut conn = Conn::new(opts).await?;
    match order.work {
        Work::OneByOne { jobs } => one_by_one(&mut conn, payload, jobs).await,
        Work::Callers { jobs, callers } => group_commit(conn, payload, jobs, callers).await,
        Work::Bulk { jobs } => bulk(&mut conn, payload, jobs).await,
        Work::Drain { jobs, .. } => drain(&mut conn, jobs).await,
        ref work => no_such(work),
    }
}

/// The insert of so many rows.
async fn prepare_insert(conn: &mut Conn, rows: usize) -> Result<Statement> {
    let row = "(?, ?, 'nothing', 0, 0, 25, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))";
    let rows = vec![row; rows].join(", ");
    let insert = format!(
        "INSERT INTO taskx_jobs (id, queue, task, state, priority, max_attempts, payload, \
         inserted_at, run_at) VALUES {rows}"
    );
    Ok(conn.prep(insert).await?)
}

fn values(rows: &[Row]) -> Params {
    let values = rows.iter().flat_map(|row| {
        [Value::from(row.id.as_bytes().as_slice()), QUEUE.into(), row.payload.as_str().into()]
    });
    Params::Positional(values.collect())
}

async fn one_by_one(conn: &mut Conn, payload: usize, jobs: u64) -> Result<Measured> {
    let insert = prepare_insert(conn, 1).await?;
    let watch = Stopwatch::start();
    for order in 0..jobs {
        conn.exec_drop(&insert, values(&[Row::new(order, payload)])).await?;
    }
    Ok(watch.stop(jobs))
}

/// Any number of rows in one transaction, in powers of two, so that few statements do.
async fn insert_all(conn: &mut Conn, mut rows: &[Row]) -> Result<()> {
    let one = rows.len().is_power_of_two() && rows.len() <= ROWS;
    if !one {
        conn.query_drop("BEGIN").await?;
    }
    while !rows.is_empty() {
        let size = (1 << rows.len().ilog2()).min(ROWS);
        let (piece, rest) = rows.split_at(size);
        // The driver's cache answers all but the first of a size.
        let insert = prepare_insert(conn, size).await?;
        conn.exec_drop(&insert, values(piece)).await?;
        rows = rest;
    }
    if !one {
        conn.query_drop("COMMIT").await?;
    }
    Ok(())
}

/// One task inserts what waits in one transaction; the others wait for its commit.
async fn group_commit(mut conn: Conn, payload: usize, jobs: u64, callers: u64) -> Result<Measured> {
    let (sender, mut waiting) = mpsc::unbounded_channel::<Waiting>();
    let watch = Stopwatch::start();
    let committer = tokio::spawn(async move {
        let mut group = Vec::new();
        while waiting.recv_many(&mut group, BATCH).await > 0 {
            let (rows, replies): (Vec<_>, Vec<_>) = group.drain(..).unzip();
            insert_all(&mut conn, &rows).await?;
            for reply in replies {
                let _ = reply.send(());
            }
        }
        anyhow::Ok(())
    });
    from_callers(sender, payload, jobs, callers).await?;
    let measured = watch.stop(jobs);
    committer.await??;
    Ok(measured)
}

async fn bulk(conn: &mut Conn, payload: usize, jobs: u64) -> Result<Measured> {
    let watch = Stopwatch::start();
    for start in (0..jobs).step_by(BATCH) {
        let orders = start..jobs.min(start + BATCH as u64);
        let rows: Vec<_> = orders.map(|order| Row::new(order, payload)).collect();
        insert_all(conn, &rows).await?;
    }
    Ok(watch.stop(jobs))
}

/// One connection in turn claims a batch and moves it into the history.
async fn drain(conn: &mut Conn, jobs: u64) -> Result<Measured> {
    let front = conn
        .prep(
            "SELECT id, task, payload, attempt, fence FROM taskx_jobs \
             FORCE INDEX (taskx_jobs_ready) WHERE state = 0 AND queue = ? \
             ORDER BY priority, id LIMIT ? FOR UPDATE SKIP LOCKED",
        )
        .await?;
    let owner = Uuid::new_v4();
    let owner = owner.as_bytes().as_slice();
    let watch = Stopwatch::start();
    let mut done = 0;
    while done < jobs {
        conn.query_drop("BEGIN").await?;
        let rows: Vec<(Vec<u8>, String, String, i32, i64)> =
            conn.exec(&front, (QUEUE, BATCH as u64)).await?;
        ensure!(!rows.is_empty(), "{done} of {jobs} jobs were there");
        let ids: Vec<Value> = rows.iter().map(|row| row.0.as_slice().into()).collect();
        std::hint::black_box(&rows);
        let marks = marks(ids.len());
        let mine = || [Value::from(owner)].into_iter().chain(ids.iter().cloned());
        let take = format!(
            "UPDATE taskx_jobs SET state = 1, owner = ?, claimed_at = UTC_TIMESTAMP(6), \
             fence = fence + 1, attempt = attempt + 1 WHERE id IN ({marks})"
        );
        conn.exec_drop(take, Params::Positional(mine().collect())).await?;
        conn.query_drop("COMMIT").await?;

        conn.query_drop("BEGIN").await?;
        let keep = format!(
            "INSERT INTO taskx_history ({KEPT}, state, finished_at, prune_at) SELECT {KEPT}, 10, \
             UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL 3 DAY FROM taskx_jobs \
             WHERE owner = ? AND state = 1 AND id IN ({marks})"
        );
        conn.exec_drop(keep, Params::Positional(mine().collect())).await?;
        let delete =
            format!("DELETE FROM taskx_jobs WHERE owner = ? AND state = 1 AND id IN ({marks})");
        conn.exec_drop(delete, Params::Positional(mine().collect())).await?;
        conn.query_drop("COMMIT").await?;
        done += ids.len() as u64;
    }
    Ok(watch.stop(jobs))
}
