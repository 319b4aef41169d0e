//! A database of a PostgreSQL server.

use anyhow::{Context, Result};
use taskx_measure::meter::cpu_of_family;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::{Counters, parent};

/// A database of its own on a server, with a connection to it.
pub(crate) struct Database {
    server: String,
    name: String,
    client: Client,
    /// The first process of the server, if it runs on this machine.
    postmaster: Option<u32>,
}

/// A session in whose transaction an old snapshot lives.
pub(crate) struct Snapshot {
    _client: Client,
}

impl Database {
    pub(super) async fn make(server: &str) -> Result<Self> {
        let name = format!("taskx_bench_{}", Uuid::new_v4().simple());
        connect(server).await?.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        let client = connect(&named(server, &name)).await?;
        let backend: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        let postmaster = parent(backend.unsigned_abs()).filter(|pid| *pid > 1);
        Ok(Self { server: server.to_owned(), name, client, postmaster })
    }

    pub(super) fn url(&self) -> String {
        named(&self.server, &self.name)
    }

    pub(super) async fn counters(&self) -> Result<Counters> {
        // The ended session that is asked about has told its figures by its end.
        let row = self
            .client
            .query_one(
                "SELECT (pg_current_wal_insert_lsn() - '0/0')::int8, \
                 (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()), \
                 (SELECT COALESCE(sum(n_tup_upd + n_tup_del), 0)::int8 FROM pg_stat_user_tables)",
                &[],
            )
            .await?;
        let number = |at| u64::try_from(row.get::<_, i64>(at)).unwrap_or(0);
        Ok(Counters {
            cpu: self.postmaster.map_or(0.0, cpu_of_family),
            log: number(0),
            commits: number(1),
            dead: number(2),
        })
    }

    /// What was written is written out, so that no run pays for the one before it.
    pub(super) async fn settle(&self) -> Result<()> {
        self.client.batch_execute("CHECKPOINT").await?;
        Ok(())
    }

    pub(super) async fn hold_snapshot(&self) -> Result<Snapshot> {
        let client = connect(&self.url()).await?;
        client
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
            .await?;
        Ok(Snapshot { _client: client })
    }

    pub(super) async fn remove(self) -> Result<()> {
        drop(self.client);
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        connect(&self.server).await?.batch_execute(&drop).await?;
        Ok(())
    }
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("connect to PostgreSQL")?;
    tokio::spawn(connection);
    Ok(client)
}

/// The URL of another database of the same server.
fn named(server: &str, database: &str) -> String {
    let base = server.rsplit_once('/').map_or(server, |(base, _)| base);
    format!("{base}/{database}")
}

pub(super) async fn version(server: &str) -> Result<String> {
    let row = connect(server).await?.query_one("SHOW server_version", &[]).await?;
    Ok(format!("PostgreSQL {}", row.get::<_, String>(0)))
}
