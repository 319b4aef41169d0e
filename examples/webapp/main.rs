//! A web application whose slow work is done by taskx: signing up sends a mail, an upload becomes
//! thumbnails, and the page shows how far the jobs are.
//!
//! `cargo run --example webapp`, then open the address that it prints. Its files land in
//! `webapp-data/` below the working directory. For PostgreSQL or MariaDB:
//! `DATABASE_URL=postgres://.. cargo run --example webapp --features postgres` (`mysql`).
//!
//! `database` holds the two transactions that store a row and enqueue a job, `tasks` what the jobs
//! do, `pages` and `live` what is seen.

#![expect(clippy::print_stdout, reason = "a program says where it is to be found")]

mod database;
mod error;
mod live;
mod pages;
mod pictures;
mod schema;
mod tasks;

use std::{env, fs, path::Path};

use lettre::FileTransport;
use taskx::prelude::*;
use tokio::{net::TcpListener, signal};

use crate::{database::Database, pages::Site, pictures::Pictures};

/// Where mails, pictures and the SQLite database are kept.
const DATA: &str = "webapp-data";

async fn setup(app: AppBuilder) -> anyhow::Result<App> {
    let data = Path::new(DATA);
    let outbox = data.join("outbox");
    fs::create_dir_all(&outbox)?;
    let app = app.set(|config| {
        config.database_url.get_or_insert_with(|| format!("sqlite://{DATA}/webapp.db"));
    });
    // What the tasks take by reference.
    let app = app.state(FileTransport::new(outbox)).state(Pictures::open(data)?);
    Ok(app.build().await?)
}

#[taskx::main(setup = setup)]
async fn main(app: App) -> anyhow::Result<()> {
    let url = app.config().database_url.clone().unwrap_or_default();
    let database = Database::open(app.queue().engine(), &url).await?;
    let site = Site { app: app.clone(), database, pictures: Pictures::open(Path::new(DATA))? };
    app.background_worker().start().await?;

    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("http://{}", listener.local_addr()?);
    // Returning ends the worker too: what runs is finished first.
    axum::serve(listener, pages::router(site)).with_graceful_shutdown(asked_to_stop()).await?;
    Ok(())
}

/// Ctrl-C, or SIGTERM where there is one.
async fn asked_to_stop() {
    #[cfg(unix)]
    let terminated = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut signals) => drop(signals.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending();
    tokio::select! {
        _ = signal::ctrl_c() => {}
        () = terminated => {}
    }
}
