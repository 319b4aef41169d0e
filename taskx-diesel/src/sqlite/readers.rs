//! The reader threads: questions never wait for the writer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

use diesel::{QueryResult, RunQueryDsl, SqliteConnection};
use taskx_core::error::{Error, ErrorKind, Result};
use tokio::sync::oneshot;

use super::{busy::until_free, connect::Location};
use crate::{
    error::Doing,
    statement::{Sql, statement},
};

statement! {
    Begin() = "BEGIN";
    Rollback() = "ROLLBACK";
}

type Question = Box<dyn FnOnce(Result<&mut SqliteConnection>) + Send>;

/// Where an answer comes; closed without one if the readers have stopped.
pub(super) type Answer<R> = oneshot::Receiver<Result<R>>;

/// The sending half: cheap to use from any thread.
#[derive(Debug)]
pub(super) struct Readers {
    sender: Option<Sender<Question>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts `count` threads. Each opens its connection at its first question.
    ///
    /// # Errors
    /// `Store` if the system gives no thread.
    pub(super) fn start(location: &Arc<Location>, count: usize) -> Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let mut readers = Self { sender: Some(sender), threads: Vec::new() };
        for _ in 0..count.max(1) {
            let (location, receiver) = (Arc::clone(location), Arc::clone(&receiver));
            let thread = thread::Builder::new()
                .name("taskx-sqlite-reader".to_owned())
                .spawn(move || answer(&location, &receiver))
                .map_err(|error| {
                    Error::new(ErrorKind::Store, "start a SQLite reader").with_source(error)
                })?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Runs `work` on one snapshot of the database.
    ///
    /// # Errors
    /// `work`'s, or why there is no connection.
    pub(super) async fn read<R, F>(&self, doing: &'static str, work: F) -> Result<R>
    where
        F: FnOnce(&mut SqliteConnection) -> QueryResult<R> + Send + 'static,
        R: Send + 'static,
    {
        let answer = self.ask(doing, work)?;
        answer.await.unwrap_or_else(|_| Err(gone(doing)))
    }

    /// [`read`](Self::read), whose answer may be waited for later.
    ///
    /// # Errors
    /// `Transient` if the readers have stopped.
    pub(super) fn ask<R, F>(&self, doing: &'static str, work: F) -> Result<Answer<R>>
    where
        F: FnOnce(&mut SqliteConnection) -> QueryResult<R> + Send + 'static,
        R: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let question = move |conn: Result<&mut SqliteConnection>| {
            // A caller that no longer waits does not want to know.
            drop(reply.send(conn.and_then(|conn| snapshot(conn, work).doing(doing))));
        };
        self.sender
            .as_ref()
            .and_then(|sender| sender.send(Box::new(question)).ok())
            .ok_or_else(|| gone(doing))?;
        Ok(answer)
    }
}

fn gone(doing: &str) -> Error {
    Error::new(ErrorKind::Transient, "the SQLite readers have stopped").context(doing)
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.sender = None;
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn snapshot<R>(
    conn: &mut SqliteConnection,
    work: impl FnOnce(&mut SqliteConnection) -> QueryResult<R>,
) -> QueryResult<R> {
    until_free(|| Begin::with(()).execute(conn))?;
    let found = work(conn);
    // Nothing was written, so there is nothing to commit.
    drop(Rollback::with(()).execute(conn));
    found
}

fn answer(location: &Location, receiver: &Mutex<Receiver<Question>>) {
    let mut kept = None;
    loop {
        // Held while waiting: the others wait for the lock instead, which is the same.
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(question) = next else { return };
        let ran = catch_unwind(AssertUnwindSafe(|| question(connection(location, &mut kept))));
        if ran.is_err() {
            kept = None;
        }
    }
}

fn connection<'a>(
    location: &Location,
    kept: &'a mut Option<SqliteConnection>,
) -> Result<&'a mut SqliteConnection> {
    if let Err(error) = location.verify() {
        *kept = None;
        return Err(error);
    }
    let conn = match kept.take() {
        Some(conn) => conn,
        None => location.connect_reader()?,
    };
    Ok(kept.insert(conn))
}
