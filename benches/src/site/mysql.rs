//! A database of a MySQL or MariaDB server.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use mysql_async::{Conn, Opts, OptsBuilder, prelude::Queryable};
use taskx_measure::meter::cpu_of_family;
use tokio::time::Instant;
use uuid::Uuid;

use super::Counters;

/// How many old row versions may be left when a run begins.
const CLEAN: u64 = 1_000;

/// How long the server may take to clear old row versions away.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database of its own on a server, with a connection to it.
pub(crate) struct Database {
    server: String,
    name: String,
    conn: Conn,
    /// The process of the server, if it runs on this machine.
    server_pid: Option<u32>,
}

impl Database {
    pub(super) async fn make(server: &str) -> Result<Self> {
        let name = format!("taskx_bench_{}", Uuid::new_v4().simple());
        let mut conn = connect(server).await?;
        conn.query_drop(format!("CREATE DATABASE {name}")).await?;
        let file: Option<String> = conn.query_first("SELECT @@pid_file").await?;
        let server_pid = file
            .and_then(|file| fs::read_to_string(file).ok())
            .and_then(|text| text.trim().parse().ok());
        Ok(Self { server: server.to_owned(), name, conn, server_pid })
    }

    pub(super) fn url(&self) -> String {
        format!("{}/{}", self.server.trim_end_matches('/'), self.name)
    }

    pub(super) async fn counters(&mut self) -> Result<Counters> {
        Ok(Counters {
            cpu: self.server_pid.map_or(0.0, cpu_of_family),
            log: self.status("Innodb_os_log_written").await?,
            commits: self.status("Handler_commit").await?,
            dead: self.status("Handler_update").await? + self.status("Handler_delete").await?,
        })
    }

    async fn status(&mut self, name: &str) -> Result<u64> {
        let row: Option<(String, String)> =
            self.conn.query_first(format!("SHOW GLOBAL STATUS LIKE '{name}'")).await?;
        Ok(row.and_then(|(_, value)| value.parse().ok()).unwrap_or(0))
    }

    /// Old row versions are cleared away, so that no run pays for the one before it.
    pub(super) async fn settle(&mut self) -> Result<()> {
        let begun = Instant::now();
        while self.status("Innodb_history_list_length").await? > CLEAN && begun.elapsed() < PATIENCE
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    pub(super) async fn remove(mut self) -> Result<()> {
        self.conn.query_drop(format!("DROP DATABASE {}", self.name)).await?;
        Ok(self.conn.disconnect().await?)
    }
}

async fn connect(url: &str) -> Result<Conn> {
    let opts = OptsBuilder::from_opts(Opts::from_url(url)?).prefer_socket(false);
    Conn::new(opts).await.context("connect to MySQL")
}

pub(super) async fn version(server: &str) -> Result<String> {
    let version: Option<String> = connect(server).await?.query_first("SELECT VERSION()").await?;
    Ok(version.unwrap_or_default())
}
