//! The tasks that are run while everything around them breaks.
#![expect(
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::panic,
    reason = "plain SQL as an application writes it; arguments are stored; poison"
)]

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    process,
    time::Duration,
};

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Text},
};
use diesel_async::AsyncPgConnection;
use rustix::time::{ClockId, clock_gettime};
use taskx::{MysqlConn, prelude::*};

use crate::engine::Engine;

/// A file that every process appends lines to, each by one write: what was done outside the
/// database, in the order in which it was done.
pub(crate) struct Journal(File);

impl Journal {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().append(true).create(true).open(path).map(Self)
    }

    pub(crate) fn note(&self, line: &str) {
        // A full disk is a fault that the ledger must not hide.
        if let Err(error) = (&self.0).write_all(format!("{line}\n").as_bytes()) {
            tracing_to_stderr(&format!("the journal cannot be written: {error}"));
            process::abort();
        }
    }

    /// `R <job> <microseconds>`: taken back from a dead worker, by this process.
    pub(crate) fn note_rescued(&self, jobs: &[JobId]) {
        for id in jobs {
            self.note(&format!("R {id} {}", micros()));
        }
    }

    /// `X <pid> <microseconds>`: a loop of this process had trouble with the database.
    pub(crate) fn note_trouble(&self) {
        self.note(&format!("X {} {}", process::id(), micros()));
    }

    /// `F <pid> <message>`: what a user of this process was told instead of being served.
    pub(crate) fn note_refusal(&self, message: &str) {
        let message = message.split_whitespace().collect::<Vec<_>>().join("_");
        self.note(&format!("F {} {message}", process::id()));
    }

    /// A run begins.
    fn begin<'j>(&'j self, n: u64, ctx: &'j Ctx) -> UnderWay<'j> {
        self.run('S', n, ctx);
        UnderWay { journal: self, n, ctx, ended: false }
    }

    /// `S` a run begins, `E` it ends, `Q` it is quit: `S <n> <job> <fence> <pid> <worker>
    /// <microseconds>`.
    fn run(&self, what: char, n: u64, ctx: &Ctx) {
        let (id, fence, pid, worker) = (ctx.id(), ctx.fence(), process::id(), ctx.worker());
        self.note(&format!("{what} {n} {id} {fence} {pid} {worker} {}", micros()));
    }
}

/// A run that ends, or that is quit where this is dropped before: by an error, or because its worker may
/// not go on. What a killed process has under way says neither.
struct UnderWay<'j> {
    journal: &'j Journal,
    n: u64,
    ctx: &'j Ctx,
    ended: bool,
}

impl UnderWay<'_> {
    fn end(mut self) {
        self.journal.run('E', self.n, self.ctx);
        self.ended = true;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.journal.run('Q', self.n, self.ctx);
        }
    }
}

#[expect(clippy::print_stderr, reason = "a program for the terminal")]
fn tracing_to_stderr(text: &str) {
    eprintln!("{text}");
}

/// Since the machine began: the same for all processes, whatever is done to their clocks.
pub(crate) fn micros() -> u128 {
    let since = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (since.tv_sec.unsigned_abs(), since.tv_nsec.unsigned_abs());
    u128::from(seconds) * 1_000_000 + u128::from(nanos) / 1_000
}

/// Work whose effect is outside the database: it may be done again.
#[task(queue = "work", backoff = "100ms")]
pub(crate) async fn work(n: u64, millis: u64, journal: &Journal, ctx: &Ctx) {
    let run = journal.begin(n, ctx);
    tokio::time::sleep(Duration::from_millis(millis)).await;
    run.end();
}

/// The same on the blocking pool.
#[task(queue = "work", backoff = "100ms")]
fn toil(n: u64, millis: u64, journal: &Journal, ctx: &Ctx) {
    let run = journal.begin(n, ctx);
    std::thread::sleep(Duration::from_millis(millis));
    run.end();
}

const PAY: &str = "INSERT INTO effects (n, job, fence) VALUES (?, ?, ?)";
const PAY_POSTGRES: &str = "INSERT INTO effects (n, job, fence) VALUES ($1, $2, $3)";

macro_rules! payment {
    ($sql:expr, $n:ident, $ctx:ident) => {
        diesel::sql_query($sql)
            .bind::<BigInt, _>(i64::try_from($n).unwrap_or(i64::MAX))
            .bind::<Text, _>($ctx.id().to_string())
            .bind::<BigInt, _>($ctx.fence())
    };
}

/// Work whose effect is in the database: it must be there once.
#[task(queue = "pay", backoff = "100ms")]
fn pay_sqlite(
    n: u64,
    conn: &mut SqliteConnection,
    journal: &Journal,
    ctx: &Ctx,
) -> QueryResult<()> {
    let run = journal.begin(n, ctx);
    payment!(PAY, n, ctx).execute(conn)?;
    run.end();
    Ok(())
}

/// The same on PostgreSQL, in an async fn.
#[task(queue = "pay", backoff = "100ms")]
async fn pay_postgres(
    n: u64,
    conn: &mut AsyncPgConnection,
    journal: &Journal,
    ctx: &Ctx,
) -> QueryResult<()> {
    let run = journal.begin(n, ctx);
    diesel_async::RunQueryDsl::execute(payment!(PAY_POSTGRES, n, ctx), conn).await?;
    run.end();
    Ok(())
}

/// The same on MySQL, in a plain fn.
#[task(queue = "pay", backoff = "100ms")]
fn pay_mysql(n: u64, conn: &mut MysqlConn, journal: &Journal, ctx: &Ctx) -> QueryResult<()> {
    let run = journal.begin(n, ctx);
    payment!(PAY, n, ctx).execute(conn)?;
    run.end();
    Ok(())
}

/// What a schedule fires: `B <slot> <microseconds>`, the slot in seconds since 1970.
#[task(queue = "work", backoff = "100ms")]
pub(crate) fn beat(journal: &Journal, ctx: &Ctx) {
    if let Some(slot) = ctx.slot() {
        journal.note(&format!("B {} {}", slot.timestamp(), micros()));
    }
}

/// What an operator cancels and retries: it never succeeds.
#[task(queue = "chores", max_attempts = 1)]
pub(crate) fn chore() -> Result<(), std::fmt::Error> {
    Err(std::fmt::Error)
}

/// What must not take its neighbours with it.
#[task(queue = "work", backoff = "100ms", timeout = "30s")]
pub(crate) fn poison(how: String, journal: &Journal, ctx: &Ctx) {
    journal.run('P', 0, ctx);
    match how.as_str() {
        "abort" => process::abort(),
        "overflow" => drop(deeper(&[1; 64], u64::MAX)),
        "drop" => {
            let _bomb = Bomb;
            panic!("the first panic");
        }
        "eater" => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop {
                eaten.push(vec![7; 32 << 20]);
            }
        }
        _ => loop {
            std::hint::spin_loop();
        },
    }
}

/// A loop that never gives its thread of the runtime back.
#[task(queue = "work", backoff = "100ms", timeout = "1s", max_attempts = 1)]
pub(crate) async fn hog(journal: &Journal, ctx: &Ctx) {
    journal.run('P', 0, ctx);
    loop {
        std::hint::spin_loop();
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        // While another panic unwinds: the process is aborted.
        panic!("the second panic");
    }
}

/// Recurses until the stack is full.
fn deeper(frame: &[u64; 64], left: u64) -> u64 {
    if left == 0 {
        return 0;
    }
    let mut next = [left; 64];
    if let (Some(last), Some(first)) = (next.last_mut(), frame.first()) {
        *last = std::hint::black_box(*first);
    }
    std::hint::black_box(deeper(std::hint::black_box(&next), left - 1)) + next.len() as u64
}

/// The names of the tasks that a worker of this engine can run.
pub(crate) fn names(engine: Engine) -> [&'static str; 7] {
    let pay = match engine {
        Engine::Sqlite => PaySqlite::NAME,
        Engine::Postgres => PayPostgres::NAME,
        Engine::Mysql => PayMysql::NAME,
    };
    [Work::NAME, Toil::NAME, pay, Beat::NAME, Chore::NAME, Poison::NAME, Hog::NAME]
}

/// Enqueues job `n`; most are small, a few last long enough to be caught.
pub(crate) async fn enqueue(engine: Engine, n: u64, queue: &taskx::Queue) -> Result<JobId> {
    let millis = n * 7 % 40;
    let wait = Duration::from_millis(if n.is_multiple_of(11) { 150 } else { 0 });
    Ok(match (n % 4, engine) {
        (0, _) => Toil::apply(n, millis).delay(wait).to(queue).await?.id(),
        (1, Engine::Sqlite) => PaySqlite::apply(n).delay(wait).to(queue).await?.id(),
        (1, Engine::Postgres) => PayPostgres::apply(n).delay(wait).to(queue).await?.id(),
        (1, Engine::Mysql) => PayMysql::apply(n).delay(wait).to(queue).await?.id(),
        _ => Work::apply(n, millis).delay(wait).to(queue).await?.id(),
    })
}
