//! The writer thread: the only connection of a store that writes.
//!
//! It takes every request that waits, runs all of them in one immediate transaction, commits once,
//! and answers all. So enqueues from many callers, a settled batch and the next claim share one
//! wait for the disk, and nobody fights for the lock. The batch is what arrived while the last
//! commit ran; there is no timer.
//!
//! Requests first run without savepoints. Where one fails, the transaction is rolled back and all
//! of them run again, each in its own savepoint, so that only the failing one has no effect.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Integer},
};
use taskx_core::{
    error::{Error, ErrorKind, Result, chain},
    store::Wake,
};
use tokio::sync::{mpsc::UnboundedSender, oneshot};

use super::{busy::until_free, claim::Calm, clock::Clock, connect::Location};
use crate::{
    error::{Doing, error_from_diesel},
    statement::{Sql, statement},
    values::DbTime,
};

/// The most requests of one transaction: bounds how long a caller waits for others.
const BATCH: usize = 1_024;

/// How often other processes' commits are looked for while somebody watches, commits flow and nothing
/// else is to be done. A look costs 2 µs, but to be woken for it some 40 µs.
const LOOK: Duration = Duration::from_millis(2);

/// The same at rest, for about half a percent of a core: on a busy virtual machine to be woken costs 0.12 ms.
const LOOK_AT_REST: Duration = Duration::from_millis(30);

/// Others' commits count as flowing for so long after the last of them: short beside a heartbeat's
/// ten seconds.
const FLOWING: Duration = Duration::from_secs(1);

statement! {
    Begin() = "BEGIN IMMEDIATE";
    Commit() = "COMMIT";
    Rollback() = "ROLLBACK";
    Savepoint() = "SAVEPOINT taskx";
    Release() = "RELEASE taskx";
    RollbackTo() = "ROLLBACK TO taskx";
    /// Rows changed since the connection was opened.
    Changes() -> BigInt = "SELECT total_changes()";
    /// Rises with the commits of other connections, not with our own.
    pub(super) DataVersion() -> Integer = "PRAGMA data_version";
}

/// The sending half: cheap to use from any thread.
#[derive(Debug)]
pub(super) struct Writer {
    sender: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// Work with the connection itself, or with why there is none.
type Alone = Box<dyn FnOnce(Result<&mut SqliteConnection>) + Send>;

enum Command {
    Write(Box<dyn Request>),
    /// Work that begins its own transaction.
    Alone(Alone),
    /// The watcher, and where to say that the watch is under way.
    Watch(UnboundedSender<Wake>, oneshot::Sender<()>),
}

/// A write that can be run again until it is committed.
trait Request: Send {
    /// Runs it; what it returns or its error is kept.
    fn run(&mut self, conn: &mut SqliteConnection, now: DbTime) -> bool;
    /// Tells the caller: what was kept, or the error of the whole transaction.
    fn answer(self: Box<Self>, whole: Option<&Error>);
}

struct Write<F, R> {
    doing: &'static str,
    work: F,
    outcome: Option<QueryResult<R>>,
    reply: oneshot::Sender<Result<R>>,
}

impl<F, R> Request for Write<F, R>
where
    F: FnMut(&mut SqliteConnection, DbTime) -> QueryResult<R> + Send,
    R: Send,
{
    fn run(&mut self, conn: &mut SqliteConnection, now: DbTime) -> bool {
        let outcome = (self.work)(conn, now);
        let fine = outcome.is_ok();
        self.outcome = Some(outcome);
        fine
    }

    fn answer(self: Box<Self>, whole: Option<&Error>) {
        let answer = match (whole, self.outcome) {
            // An error is a rollback's, of the savepoint or of all.
            (None, Some(outcome)) => outcome.doing(self.doing).map_err(Error::unwritten),
            (Some(error), _) => Err(again(error).context(self.doing).unwritten()),
            (None, None) => Err(stopped(self.doing)),
        };
        // A caller that no longer waits does not want to know.
        drop(self.reply.send(answer));
    }
}

/// The same error for another caller of the same transaction.
fn again(error: &Error) -> Error {
    Error::new(error.kind(), chain(error))
}

fn stopped(doing: &str) -> Error {
    Error::new(ErrorKind::Transient, "the SQLite writer has stopped").context(doing)
}

impl Writer {
    /// Starts the thread, with the connection that it shall own.
    ///
    /// # Errors
    /// `Store` if the system gives no thread.
    pub(super) fn start(
        location: Arc<Location>,
        clock: Arc<Clock>,
        calm: Arc<Calm>,
        conn: SqliteConnection,
    ) -> Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let work = Loop {
            location,
            clock,
            calm,
            conn: Some(conn),
            watchers: Vec::new(),
            version: None,
            flowed_at: Instant::now(),
        };
        let thread = thread::Builder::new()
            .name("taskx-sqlite-writer".to_owned())
            .spawn(move || work.run(&receiver))
            .map_err(|error| {
                Error::new(ErrorKind::Store, "start the SQLite writer").with_source(error)
            })?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Runs `work` in the next transaction; durable when this returns. `work` may run more than
    /// once, and only its last run counts.
    ///
    /// # Errors
    /// `work`'s, or the transaction's.
    pub(super) async fn write<R, F>(&self, doing: &'static str, work: F) -> Result<R>
    where
        F: FnMut(&mut SqliteConnection, DbTime) -> QueryResult<R> + Send + 'static,
        R: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Write(Box::new(Write { doing, work, outcome: None, reply })), doing)?;
        answer.await.unwrap_or_else(|_| Err(stopped(doing)))
    }

    /// Runs `work` on the writing connection, outside any transaction.
    ///
    /// # Errors
    /// `work`'s, or why there is no connection.
    pub(super) async fn alone<R, F>(&self, doing: &'static str, work: F) -> Result<R>
    where
        F: FnOnce(&mut SqliteConnection) -> Result<R> + Send + 'static,
        R: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let run = move |conn: Result<&mut SqliteConnection>| {
            drop(reply.send(conn.and_then(work)));
        };
        self.send(Command::Alone(Box::new(run)), doing)?;
        answer.await.unwrap_or_else(|_| Err(stopped(doing)))
    }

    /// Tells `wake` of other connections' commits from when this returns until it is closed.
    pub(super) async fn watch(&self, wake: UnboundedSender<Wake>) {
        let (reply, begun) = oneshot::channel();
        // A writer that stopped tells nothing more.
        if self.send(Command::Watch(wake, reply), "watch").is_ok() {
            drop(begun.await);
        }
    }

    fn send(&self, command: Command, doing: &str) -> Result<()> {
        self.sender
            .as_ref()
            .and_then(|sender| sender.send(command).ok())
            .ok_or_else(|| stopped(doing))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // What was accepted is still written. A panic of the thread has been told by then.
            drop(thread.join());
        }
    }
}

/// What the thread owns.
struct Loop {
    location: Arc<Location>,
    clock: Arc<Clock>,
    calm: Arc<Calm>,
    /// `None` after the file went away or a request panicked; opened again when it is needed.
    conn: Option<SqliteConnection>,
    watchers: Vec<UnboundedSender<Wake>>,
    /// The last `data_version` that was told; each connection counts on its own.
    version: Option<i32>,
    /// When another connection's commit was last seen.
    flowed_at: Instant,
}

impl Loop {
    fn run(mut self, receiver: &Receiver<Command>) {
        loop {
            let Some(first) = self.next(receiver) else { return };
            let mut batch = Vec::new();
            let mut command = Some(first);
            while let Some(next) = command.take() {
                match next {
                    Command::Write(request) => batch.push(request),
                    Command::Alone(work) => {
                        self.commit(std::mem::take(&mut batch));
                        self.alone(work);
                    }
                    Command::Watch(wake, begun) => {
                        // Those who watch already must not miss what comes before this look.
                        if self.watchers.is_empty() {
                            self.version = self.look();
                        }
                        self.watchers.push(wake);
                        // A watcher that gave up meanwhile is found closed.
                        let _ = begun.send(());
                    }
                }
                if batch.len() < BATCH {
                    command = receiver.try_recv().ok();
                }
            }
            self.commit(batch);
            self.tell();
        }
    }

    /// The next command, looking for other processes' commits while there is none. `None` when
    /// the store is gone.
    fn next(&mut self, receiver: &Receiver<Command>) -> Option<Command> {
        loop {
            self.watchers.retain(|wake| !wake.is_closed());
            if self.watchers.is_empty() {
                return receiver.recv().ok();
            }
            let flows = self.flowed_at.elapsed() < FLOWING;
            match receiver.recv_timeout(if flows { LOOK } else { LOOK_AT_REST }) {
                Ok(command) => return Some(command),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.tell(),
            }
        }
    }

    /// Tells the watchers if another connection has committed.
    fn tell(&mut self) {
        if self.watchers.is_empty() {
            return;
        }
        // A look that fails may have missed something: better one wake too many.
        let version = self.look();
        if version.is_none() || version != self.version {
            self.version = version;
            self.flowed_at = Instant::now();
            self.watchers.retain(|wake| wake.send(Wake::Any).is_ok());
        }
    }

    fn look(&mut self) -> Option<i32> {
        let conn = self.conn.as_mut()?;
        DataVersion::with(()).get_result(conn).ok()
    }

    /// The connection, opened again where it was lost; fails if the file is gone.
    fn connection(&mut self) -> Result<&mut SqliteConnection> {
        if let Err(error) = self.location.verify() {
            self.conn = None;
            return Err(error);
        }
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => {
                // What the lost connection counted, this one counts anew.
                self.version = None;
                self.calm.disturb();
                self.location.connect()?
            }
        };
        Ok(self.conn.insert(conn))
    }

    fn alone(&mut self, work: Alone) {
        let ran = catch_unwind(AssertUnwindSafe(|| work(self.connection())));
        if ran.is_err() {
            self.conn = None;
        }
    }

    /// Runs a batch in one transaction and answers all of it.
    fn commit(&mut self, mut batch: Vec<Box<dyn Request>>) {
        if batch.is_empty() {
            return;
        }
        let clock = Arc::clone(&self.clock);
        let whole = match self.connection() {
            Err(error) => Some(error),
            Ok(conn) => {
                let ran = catch_unwind(AssertUnwindSafe(|| transaction(conn, &clock, &mut batch)));
                match ran {
                    Ok(outcome) => outcome.err(),
                    Err(_) => {
                        // Dropping the connection rolls back.
                        self.conn = None;
                        Some(Error::new(ErrorKind::Store, "a write panicked"))
                    }
                }
            }
        };
        for request in batch {
            request.answer(whole.as_ref());
        }
    }
}

/// One transaction over all requests. An error is the whole transaction's, and nothing is written.
fn transaction(
    conn: &mut SqliteConnection,
    clock: &Clock,
    batch: &mut [Box<dyn Request>],
) -> Result<()> {
    until_free(|| Begin::with(()).execute(conn)).doing("begin a transaction")?;
    let ran = run(conn, clock, batch);
    if let Err(error) = ran {
        // SQLite may have rolled back by itself (a full disk), then this fails, and no matter.
        drop(Rollback::with(()).execute(conn));
        return Err(error_from_diesel(error));
    }
    Ok(())
}

fn run(
    conn: &mut SqliteConnection,
    clock: &Clock,
    batch: &mut [Box<dyn Request>],
) -> QueryResult<()> {
    // After BEGIN: the wait for the lock may have been long.
    let now = clock.now();
    let changes = if clock.is_stale() { Some(changes(conn)?) } else { None };
    if !batch.iter_mut().all(|request| request.run(conn, now)) {
        Rollback::with(()).execute(conn)?;
        until_free(|| Begin::with(()).execute(conn))?;
        let now = clock.now();
        for request in batch {
            Savepoint::with(()).execute(conn)?;
            if !request.run(conn, now) {
                // Fails if SQLite has rolled back everything: then nobody's write is kept.
                RollbackTo::with(()).execute(conn)?;
            }
            Release::with(()).execute(conn)?;
        }
    }
    // Never a write of its own: an idle worker's empty claims must not wait for the disk.
    if changes.is_some_and(|before| self::changes(conn).is_ok_and(|after| after != before)) {
        clock.remember(conn)?;
    }
    Commit::with(()).execute(conn).map(drop)
}

fn changes(conn: &mut SqliteConnection) -> QueryResult<i64> {
    Changes::with(()).get_result(conn)
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Write(_) => "Write",
            Self::Alone(_) => "Alone",
            Self::Watch(..) => "Watch",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Future, poll_fn},
        pin::{Pin, pin},
        task::Poll,
    };

    use taskx_core::store::Store;
    use tokio::sync::mpsc::unbounded_channel;

    use crate::{SqliteOptions, SqliteStore};

    async fn is_pending<F: Future>(mut future: Pin<&mut F>) -> bool {
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }

    /// What another process commits between the answer and the first look would be told to nobody.
    #[tokio::test]
    async fn a_watch_answers_when_it_is_under_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let store = SqliteStore::open(&path.to_string_lossy(), SqliteOptions::default()).unwrap();
        store.migrate().await.unwrap();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (sender, _wakes) = unbounded_channel();
        let mut busy = pin!(store.writer.alone("wait", move |_| {
            let _ = held.recv();
            Ok(())
        }));
        let mut watch = pin!(store.writer.watch(sender));
        assert!(is_pending(busy.as_mut()).await);
        assert!(is_pending(watch.as_mut()).await, "the writer is busy");
        drop(release);
        busy.await.unwrap();
        watch.await;
    }
}
