//! A database with something in it, and the command to be called on it.

use std::{any::Any, sync::Arc, time::Duration};

use assert_cmd::Command;
use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use serde_json::Value;
use taskx_core::{
    job::{ClaimedJob, Job, JobId, NewJob, RunAt, WorkerId},
    outcome::{FINISHED_RETENTION, Failure, FailureKind, Outcome, Settlement},
    store::{Claim, NewWorker, Store, TaskRow},
};
use taskx_diesel::{MysqlOptions, MysqlStore, PgOptions, PgStore, SqliteOptions, SqliteStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    mysql_database::{self, Database},
    postgres_schema::{self, Schema},
};

/// A migrated database of its own.
pub(crate) struct Bench {
    pub(crate) url: String,
    pub(crate) store: Arc<dyn Store>,
    runtime: Runtime,
    /// Where the command is called, and where SQLite's file is.
    pub(crate) folder: TempDir,
    /// The schema or database, dropped with it.
    _database: Box<dyn Any>,
}

impl Bench {
    fn new<S: Store>(
        url: String,
        folder: TempDir,
        database: Box<dyn Any>,
        connect: impl AsyncFnOnce(&str) -> S,
    ) -> Self {
        let runtime = runtime();
        let store = runtime.block_on(async {
            let store: Arc<dyn Store> = Arc::new(connect(&url).await);
            store.migrate().await.unwrap();
            store
        });
        Self { url, store, runtime, folder, _database: database }
    }

    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("jobs.db").display());
        Self::new(url, folder, Box::new(()), async |url| {
            SqliteStore::open(url, SqliteOptions::default()).unwrap()
        })
    }

    pub(crate) fn postgres(test: &str) -> Option<Self> {
        let Some(schema) = Schema::create() else { return left_out("PostgreSQL", test) };
        let (url, folder) = (schema.url.clone(), tempfile::tempdir().unwrap());
        Some(Self::new(url, folder, Box::new(schema), async |url| {
            PgStore::connect(url, PgOptions::default()).await.unwrap()
        }))
    }

    pub(crate) fn mysql(test: &str) -> Option<Self> {
        let Some(database) = Database::create() else { return left_out("MySQL", test) };
        let (url, folder) = (database.url.clone(), tempfile::tempdir().unwrap());
        Some(Self::new(url, folder, Box::new(database), async |url| {
            MysqlStore::connect(url, MysqlOptions::default()).await.unwrap()
        }))
    }

    /// Waits for the store.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The command with this database and these words.
    pub(crate) fn taskx(&self, line: &[&str]) -> Command {
        let mut command = taskx(self.folder.path());
        command.args(line).args(["--database-url", &self.url]);
        command
    }

    /// What the command prints when it succeeds.
    pub(crate) fn text(&self, line: &[&str]) -> String {
        let output = self.taskx(line).assert().success().get_output().clone();
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the command answers in JSON when it succeeds.
    pub(crate) fn json(&self, line: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[line, &["--json"]].concat())).unwrap()
    }

    /// What the command complains of; it must end with this code.
    pub(crate) fn complaint(&self, line: &[&str], code: i32) -> String {
        let output = self.taskx(line).assert().code(code).get_output().clone();
        String::from_utf8(output.stderr).unwrap()
    }

    pub(crate) fn insert(&self, job: &NewJob) -> JobId {
        self.wait(self.store.insert(std::slice::from_ref(job))).unwrap();
        job.id
    }

    /// Runs a statement beside the store.
    pub(crate) fn execute(&self, statement: &str) {
        if self.url.starts_with("postgres") {
            postgres_schema::ask(self.url.clone(), statement.to_owned());
        } else if self.url.starts_with("mysql") {
            mysql_database::ask(self.url.clone(), statement.to_owned());
        } else {
            let mut conn =
                SqliteConnection::establish(self.url.trim_start_matches("sqlite://")).unwrap();
            conn.batch_execute(statement).unwrap();
        }
    }

    pub(crate) fn find(&self, id: JobId) -> Job {
        self.wait(self.store.find(id)).unwrap().unwrap()
    }

    /// A worker that knows `send`, whose argument is `to`.
    pub(crate) fn worker(&self) -> WorkerId {
        let worker = NewWorker {
            id: WorkerId::new(),
            service: "shop".to_owned(),
            host: "web-1".to_owned(),
            pid: 4_711,
            version: "1.2.3".to_owned(),
            lease: Duration::from_secs(30),
            tasks: vec![TaskRow {
                name: "send".to_owned(),
                owner: "shop".to_owned(),
                arguments: r#"[{"name":"to","type":"String","default":false},{"name":"copies","type":"u8","default":true}]"#.to_owned(),
                version: 1,
            }],
        };
        self.wait(self.store.register(&worker)).unwrap();
        worker.id
    }

    /// Inserts a job and claims it.
    pub(crate) fn running(&self) -> ClaimedJob {
        let owner = self.worker();
        self.insert(&job());
        let claim = Claim {
            owner,
            queue: "mail".into(),
            tasks: Arc::new(["send".to_owned()]),
            limit: 1,
            after: None,
        };
        self.wait(self.store.claim(&claim)).unwrap().remove(0)
    }

    /// Inserts a job and ends it so.
    pub(crate) fn settled(&self, outcome: Outcome) -> JobId {
        let ClaimedJob { id, owner, fence, attempt, .. } = self.running();
        let retention = Some(FINISHED_RETENTION);
        let settlement = Settlement { id, owner, fence, attempt, outcome, retention };
        self.wait(self.store.settle(&[settlement])).unwrap();
        id
    }

    /// A job that gave up after a failure.
    pub(crate) fn dead(&self) -> JobId {
        let error = "mailbox full".to_owned();
        let failure = Failure { kind: FailureKind::Error, error: error.clone(), backtrace: None };
        self.settled(Outcome::Discarded { reason: error, failure: Some(failure) })
    }
}

/// The command in a folder, with nothing in its environment that names a database.
pub(crate) fn taskx(folder: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskx"));
    command.current_dir(folder).env("USER", "ada").env("NO_COLOR", "1");
    for name in [
        "DATABASE_URL",
        "TASKX_DATABASE_URL",
        "TASKX_APP",
        "TASKX_TEST_POSTGRES",
        "TASKX_TEST_MYSQL",
        // It says how wide help is written.
        "COLUMNS",
    ] {
        command.env_remove(name);
    }
    command
}

/// A job of the queue `mail` and the task `send`.
pub(crate) fn job() -> NewJob {
    NewJob::new("mail", "send", r#"{"to":"ada"}"#.to_owned())
}

/// A job for later.
pub(crate) fn later() -> NewJob {
    NewJob { run_at: RunAt::In(Duration::from_secs(3_600)), ..job() }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn left_out(engine: &str, test: &str) -> Option<Bench> {
    eprintln!("LEFT OUT: {test} on {engine}: no server for tests is named");
    None
}
