//! The database that a command works on: found as an application finds it, without the application.

use taskx_commands::{Exit, Failure};
use taskx_core::{
    app::{App, Opening},
    config::Config,
    driver::DEFAULT_URL,
};
use tokio::runtime;

/// Which database.
#[derive(Debug, clap::Args)]
pub(crate) struct Database {
    /// The database: sqlite://, postgres:// or mysql://, or the path of a SQLite file. Default:
    /// TASKX_DATABASE_URL, then database_url in taskx.toml, then DATABASE_URL, then taskx.db
    #[arg(long, global = true, value_name = "URL", display_order = 900)]
    database_url: Option<String>,
}

impl Database {
    /// What `--database-url` says.
    pub(crate) fn given(&self) -> Option<String> {
        self.database_url.clone()
    }

    /// The URL as far as it can be told without reading settings: for messages.
    pub(crate) fn url(&self) -> Option<String> {
        let named = |name| std::env::var(name).ok();
        self.database_url
            .clone()
            .or_else(|| Config::load().ok()?.database_url)
            .or_else(|| named("TASKX_DATABASE_URL").or_else(|| named("DATABASE_URL")))
    }

    fn config(&self) -> Result<Config, Failure> {
        let mut config = Config::load()?;
        if let Some(url) = &self.database_url {
            config.database_url = Some(url.clone());
            config.driver = None;
        }
        Ok(config)
    }

    /// Opens the database and does `work` with it.
    ///
    /// # Errors
    /// If it cannot be opened; those of `work`.
    pub(crate) fn run<R>(
        &self,
        opening: Opening,
        work: impl AsyncFnOnce(&App) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("start a runtime: {error}")))?;
        runtime.block_on(async {
            let config = self.config()?;
            let unnamed = config.database_url.is_none();
            let app = App::builder().config(config).opening(opening).build().await;
            let app = app.map_err(|error| {
                let failure = Failure::from(error);
                if !unnamed && failure.exit == Exit::Usage && failure.mend.is_none() {
                    return failure.mend(
                        "is it the database that is meant (--database-url, TASKX_DATABASE_URL, \
                         taskx.toml or DATABASE_URL)? `taskx migrate` makes a SQLite file that is \
                         missing",
                    );
                }
                if !unnamed {
                    return failure;
                }
                failure.mend(format!(
                    "no database is named, so {DEFAULT_URL} was tried; say which by \
                     --database-url, DATABASE_URL (also in .env) or taskx.toml"
                ))
            })?;
            let answer = work(&app).await;
            app.shutdown().await?;
            answer
        })
    }
}
