//! The database servers that the tests run against: ours, or those that the caller has named.

use std::{env, fs, path::Path, process::Command, thread};

use anyhow::{Result, anyhow};
use xtask::servers::{Durability, Engine, Server};

use crate::interrupt::Interrupt;

/// One server an engine. Ours end when this is dropped.
#[derive(Debug)]
pub(crate) struct Engines {
    running: Vec<(Engine, Source)>,
}

#[derive(Debug)]
enum Source {
    Ours(Server),
    /// The URL that the engine's variable held already.
    Named(String),
}

impl Engines {
    /// Starts both servers at once, or takes the URLs from the environment where they are set (for
    /// a version that Debian does not have, such as MySQL itself).
    ///
    /// # Errors
    /// When a server does not start, or a signal arrived.
    pub(crate) fn start(interrupt: &Interrupt, durability: Durability) -> Result<Self> {
        interrupt.check()?;
        let start = |engine: Engine| match named(engine) {
            Some(url) => Ok((engine, Source::Named(url))),
            None => Ok((engine, Source::Ours(Server::start(engine, durability)?))),
        };
        let running = thread::scope(|scope| {
            let threads = Engine::ALL.map(|engine| scope.spawn(move || start(engine)));
            let results = threads.map(|one| one.join().unwrap_or_else(|_| Err(panicked())));
            // All are joined before the first error is looked at, so that none is left starting.
            results.into_iter().collect::<Result<Vec<_>>>()
        })?;
        interrupt.check()?;
        Ok(Self { running })
    }

    /// Whether every engine has its URL in the environment, so that none needs to be installed.
    pub(crate) fn all_named() -> bool {
        Engine::ALL.into_iter().all(|engine| named(engine).is_some())
    }

    /// `VARIABLE=URL` of each, with what is behind it.
    pub(crate) fn describe(&self) -> Vec<String> {
        let line = |(engine, source): &(Engine, Source)| {
            let what = match source {
                Source::Ours(_) => engine.version().unwrap_or_else(|error| error.to_string()),
                Source::Named(_) => "from the environment".to_owned(),
            };
            format!("{}={}  # {what}", engine.variable(), source.url())
        };
        self.running.iter().map(line).collect()
    }

    /// Puts the URLs into the environment of a command.
    pub(crate) fn export(&self, command: &mut Command) {
        command.envs(self.running.iter().map(|(engine, source)| (engine.variable(), source.url())));
    }

    /// Copies the logs of our servers to `folder`, which survives them, and says so.
    pub(crate) fn keep_logs(&self, folder: &Path) {
        for (engine, source) in &self.running {
            let Source::Ours(server) = source else { continue };
            let kept = folder.join(format!("{engine}.log"));
            let copied =
                fs::create_dir_all(folder).and_then(|()| fs::copy(server.log_file(), &kept));
            match copied {
                Ok(_) => eprintln!("==> the log of {engine}: {}", kept.display()),
                Err(error) => eprintln!("==> the log of {engine} is lost: {error}"),
            }
        }
    }
}

impl Source {
    fn url(&self) -> String {
        match self {
            Self::Ours(server) => server.url(),
            Self::Named(url) => url.clone(),
        }
    }
}

/// Takes the URLs of all engines out of the environment of a command.
pub(crate) fn withhold(command: &mut Command) {
    for engine in Engine::ALL {
        command.env_remove(engine.variable());
    }
}

fn named(engine: Engine) -> Option<String> {
    env::var(engine.variable()).ok().filter(|url| !url.is_empty())
}

fn panicked() -> anyhow::Error {
    anyhow!("the start of a server panicked")
}
