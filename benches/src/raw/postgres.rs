//! PostgreSQL by tokio-postgres.

use anyhow::Result;
use taskx_measure::{Measured, Order, Stopwatch, Work};
use tokio::sync::mpsc;
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

use super::{BATCH, KEPT, QUEUE, Row, Waiting, from_callers, no_such};

/// Plans as the indexes are made for: a fresh table has no statistics.
const SETTINGS: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off; \
     SET enable_hashjoin = off; SET enable_mergejoin = off; \
     SET plan_cache_mode = force_generic_plan";

pub(super) async fn run(order: &Order) -> Result<Measured> {
    let payload = order.payload;
    let client = connect(&order.url).await?;
    match order.work {
        Work::OneByOne { jobs } => one_by_one(&client, payload, jobs).await,
        Work::Callers { jobs, callers } => group_commit(client, payload, jobs, callers).await,
        Work::Bulk { jobs } => bulk(&client, payload, jobs).await,
        Work::Drain { jobs, .. } => drain(&client, jobs).await,
        ref work => no_such(work),
    }
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute(SETTINGS).await?;
    Ok(client)
}

async fn one_by_one(client: &Client, payload: usize, jobs: u64) -> Result<Measured> {
    let insert = client
        .prepare(
            "INSERT INTO taskx_jobs (id, queue, task, state, priority, max_attempts, payload, \
             inserted_at, run_at) VALUES ($1, $2, 'nothing', 0, 0, 25, $3, now(), now())",
        )
        .await?;
    let watch = Stopwatch::start();
    for order in 0..jobs {
        let row = Row::new(order, payload);
        client.execute(&insert, &[&row.id, &QUEUE, &row.payload]).await?;
    }
    Ok(watch.stop(jobs))
}

async fn prepare_batch(client: &Client) -> Result<Statement> {
    let insert = "INSERT INTO taskx_jobs (id, queue, task, state, priority, max_attempts, payload, \
         inserted_at, run_at) SELECT i.id, $1, 'nothing', 0, 0, 25, i.payload, now(), now() \
         FROM unnest($2::uuid[], $3::text[]) AS i (id, payload)";
    Ok(client.prepare(insert).await?)
}

async fn insert_batch(client: &Client, insert: &Statement, rows: Vec<Row>) -> Result<()> {
    let (ids, payloads): (Vec<Uuid>, Vec<String>) =
        rows.into_iter().map(|row| (row.id, row.payload)).unzip();
    client.execute(insert, &[&QUEUE, &ids, &payloads]).await?;
    Ok(())
}

/// One task inserts what waits as one statement; the others wait for its commit.
async fn group_commit(client: Client, payload: usize, jobs: u64, callers: u64) -> Result<Measured> {
    let insert = prepare_batch(&client).await?;
    let (sender, mut waiting) = mpsc::unbounded_channel::<Waiting>();
    let watch = Stopwatch::start();
    let committer = tokio::spawn(async move {
        let mut group = Vec::new();
        while waiting.recv_many(&mut group, BATCH).await > 0 {
            let (rows, replies): (Vec<_>, Vec<_>) = group.drain(..).unzip();
            insert_batch(&client, &insert, rows).await?;
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

async fn bulk(client: &Client, payload: usize, jobs: u64) -> Result<Measured> {
    let insert = prepare_batch(client).await?;
    let watch = Stopwatch::start();
    for start in (0..jobs).step_by(BATCH) {
        let orders = start..jobs.min(start + BATCH as u64);
        let rows = orders.map(|order| Row::new(order, payload)).collect();
        insert_batch(client, &insert, rows).await?;
    }
    Ok(watch.stop(jobs))
}

/// One connection in turn claims a batch and moves it into the history.
async fn drain(client: &Client, jobs: u64) -> Result<Measured> {
    let claim = client
        .prepare(
            "UPDATE taskx_jobs SET state = 1, attempt = attempt + 1, fence = fence + 1, \
             owner = $2, claimed_at = now() WHERE id = ANY (ARRAY (SELECT id FROM taskx_jobs \
             WHERE state = 0 AND queue = $3 ORDER BY priority, id LIMIT $1 \
             FOR UPDATE SKIP LOCKED)) RETURNING id, task, payload, attempt, fence",
        )
        .await?;
    let finish = client
        .prepare(&format!(
            "WITH gone AS (DELETE FROM taskx_jobs WHERE id = ANY ($1) AND owner = $2 AND state = 1 \
             RETURNING {KEPT}) \
             INSERT INTO taskx_history ({KEPT}, state, finished_at, prune_at) \
             SELECT {KEPT}, 10, now(), now() + interval '3 days' FROM gone"
        ))
        .await?;
    let owner = Uuid::new_v4();
    let watch = Stopwatch::start();
    let mut done = 0;
    while done < jobs {
        let rows = client.query(&claim, &[&(BATCH as i64), &owner, &QUEUE]).await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        for row in &rows {
            std::hint::black_box((row.get::<_, String>(1), row.get::<_, String>(2)));
        }
        anyhow::ensure!(!ids.is_empty(), "{done} of {jobs} jobs were there");
        done += client.execute(&finish, &[&ids, &owner]).await?;
    }
    Ok(watch.stop(jobs))
}
