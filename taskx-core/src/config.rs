//! Settings of an App: builder, then `TASKX_*` environment, then `taskx.toml`, then the default.

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

use figment::{
    Figment, Metadata, Provider,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};
use taskx_schedule::CronTrigger;

use crate::{
    error::{Error, ErrorKind, Result},
    outcome::{DEAD_RETENTION, FINISHED_RETENTION},
};

/// The most bytes of a job's arguments as JSON, by default: 1 MiB.
pub const PAYLOAD_LIMIT: usize = 1024 * 1024;

/// The most bytes of a result as JSON that are kept: 64 KiB.
pub const RESULT_LIMIT: usize = 64 * 1024;

/// Settings of an App. Keys of the same names stand in `taskx.toml`, and with `TASKX_` before them,
/// in capitals, in the environment.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The library that speaks to the database. Only `diesel`.
    pub engine: EngineName,
    /// The database: `sqlite`, `postgres` or `mysql`; by default what the URL says.
    pub driver: Option<Driver>,
    /// Where the database is. Default: `DATABASE_URL`, else `sqlite://taskx.db`.
    pub database_url: Option<String>,
    /// How often a worker looks for jobs when nothing wakes it. Default 5 s. Jobs normally start
    /// within milliseconds, by notification.
    #[serde(with = "span")]
    pub loop_interval: Duration,
    /// The zone of the schedules in attributes that name none, an IANA name. Default `UTC`.
    pub timezone: String,
    /// Whether each step is logged (never payloads). Default: in debug builds.
    pub debug: bool,
    /// The queues that workers serve, each with the most jobs of it at once; empty means every
    /// queue of the linked tasks. In the environment `mail=20,default=8`.
    #[serde(with = "queue_list")]
    pub queues: BTreeMap<String, usize>,
    /// The most jobs of one queue at once, where `queues` does not say. Default 10.
    pub concurrency: usize,
    /// How long a worker's lease runs. Default 30 s, 2 s or more.
    #[serde(with = "span")]
    pub lease: Duration,
    /// How long a stopping worker waits for its running jobs. Default 25 s.
    #[serde(with = "span")]
    pub grace: Duration,
    /// How long completed and cancelled jobs are kept. Default 3 days.
    #[serde(with = "span")]
    pub retention: Duration,
    /// How long discarded and quarantined jobs are kept. Default 90 days.
    #[serde(with = "span")]
    pub dead_retention: Duration,
    /// The most bytes of a job's arguments as JSON. Default 1 MiB.
    pub payload_limit: usize,
    /// Whether building an App brings the schema up to date. Default yes.
    pub auto_migrate: bool,
    /// Where the database was said, for messages that come after the settings were read.
    #[serde(skip)]
    pub(crate) said: Said,
}

/// Values as they were read, each with its source.
#[derive(Clone, Default)]
pub(crate) struct Said {
    database_url: Option<(String, String)>,
    driver: Option<(Driver, String)>,
}

/// The library that speaks to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// Diesel, the only one.
    #[default]
    Diesel,
}

/// The kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    #[serde(alias = "postgresql")]
    Postgres,
    /// MySQL or MariaDB.
    #[serde(alias = "mariadb")]
    Mysql,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            engine: EngineName::Diesel,
            driver: None,
            database_url: None,
            loop_interval: Duration::from_secs(5),
            timezone: "UTC".to_owned(),
            debug: cfg!(debug_assertions),
            queues: BTreeMap::new(),
            concurrency: 10,
            lease: Duration::from_secs(30),
            grace: Duration::from_secs(25),
            retention: FINISHED_RETENTION,
            dead_retention: DEAD_RETENTION,
            payload_limit: PAYLOAD_LIMIT,
            auto_migrate: true,
            said: Said::default(),
        }
    }
}

impl Config {
    /// The settings of the environment and of `taskx.toml` in the working directory.
    ///
    /// # Errors
    /// `Config`, naming the source and the key of the value that does not fit.
    pub fn load() -> Result<Self> {
        Self::load_from(Path::new("taskx.toml"), Env::raw())
    }

    fn load_from(file: &Path, environment: Env) -> Result<Self> {
        let database_url = environment.clone().only(&["DATABASE_URL"]);
        let ours = environment
            .filter(|key| key.starts_with("TASKX_") && !OTHER_VARIABLES.contains(&key.as_str()))
            .map(|key| key.as_str().trim_start_matches("TASKX_").into());
        let figment = Figment::from(Serialized::defaults(Self::default()))
            // What other tools call the database stands below what is said to taskx itself.
            .merge(Named(database_url))
            .merge(Toml::string(&read(file)?))
            .merge(Named(ours));
        let mut config: Self = figment.extract().map_err(|e| explain(&e))?;
        let at = |key: &str| place(key, figment.find_metadata(key));
        config.said = Said {
            database_url: config.database_url.clone().zip(at("database_url")),
            driver: config.driver.zip(at("driver")),
        };
        match config.mistake() {
            None => Ok(config),
            Some((key, text)) => {
                let place = place(key, figment.find_metadata(key)).unwrap_or(key.to_owned());
                Err(Error::new(ErrorKind::Config, format!("{place}: {text}")))
            }
        }
    }

    /// The settings of a text in the form of `taskx.toml`, for fuzzing.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn from_toml(text: &str) -> Result<Self> {
        let settings =
            Figment::from(Serialized::defaults(Self::default())).merge(Toml::string(text));
        settings.extract::<Self>().map_err(|e| explain(&e))?.check()
    }

    /// These settings, if they make sense together.
    ///
    /// # Errors
    /// `Config`, naming the key.
    pub fn check(self) -> Result<Self> {
        match self.mistake() {
            None => Ok(self),
            Some((key, text)) => Err(Error::new(ErrorKind::Config, format!("{key}: {text}"))),
        }
    }

    /// Where `database_url` was said, for messages: its source, or its key where the program said it.
    pub(crate) fn place_of_url(&self) -> &str {
        let said = self.said.database_url.as_ref();
        let as_read = said.filter(|(url, _)| Some(url) == self.database_url.as_ref());
        as_read.map_or("database_url", |(_, place)| place)
    }

    /// Where `driver` was said.
    pub(crate) fn place_of_driver(&self) -> &str {
        let said = self.said.driver.as_ref();
        let as_read = said.filter(|(driver, _)| Some(*driver) == self.driver);
        as_read.map_or("driver", |(_, place)| place)
    }

    /// The first setting that makes no sense, and why.
    fn mistake(&self) -> Option<(&'static str, String)> {
        if self.lease < Duration::from_secs(2) {
            return Some(("lease", format!("{:?} is too short; 2s or more", self.lease)));
        }
        if self.concurrency == 0 {
            return Some(("concurrency", "0 would run nothing; 1 or more".to_owned()));
        }
        if let Some((queue, _)) = self.queues.iter().find(|(_, slots)| **slots == 0) {
            let text = format!("{queue}=0 would run nothing; leave the queue out instead");
            return Some(("queues", text));
        }
        if self.loop_interval.is_zero() {
            return Some(("loop_interval", "must be longer than nothing".to_owned()));
        }
        if let Err(error) = CronTrigger::builder().timezone(&self.timezone).build() {
            return Some(("timezone", error.to_string()));
        }
        None
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("driver", &self.driver)
            .field("database_url", &self.database_url.as_deref().map(without_secrets))
            .field("loop_interval", &self.loop_interval)
            .field("queues", &self.queues)
            .field("concurrency", &self.concurrency)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

/// Variables of the same prefix that are no settings of an App.
const OTHER_VARIABLES: &[&str] =
    &["TASKX_APP", "TASKX_TEST_POSTGRES", "TASKX_TEST_MYSQL", "TASKX_LOG"];

/// An environment whose errors name the variable.
struct Named(Env);

impl Provider for Named {
    fn metadata(&self) -> Metadata {
        Metadata::named("the environment")
    }

    fn data(&self) -> figment::Result<figment::value::Map<figment::Profile, figment::value::Dict>> {
        self.0.data()
    }
}

/// The text of a settings file; a missing one says nothing.
fn read(file: &Path) -> Result<String> {
    match std::fs::read_to_string(file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::new(ErrorKind::Config, format!("read {}", file.display())).with_source(e))
        }
        text => Ok(text.unwrap_or_default()),
    }
}

/// An error that says where the bad value stands: "TASKX_QUEUES in the environment: ..".
fn explain(error: &figment::Error) -> Error {
    if let figment::error::Kind::Message(text) = &error.kind
        && text.starts_with("TOML parse error")
    {
        return Error::new(ErrorKind::Config, format!("taskx.toml: {}", without_excerpt(text)));
    }
    let key = error.path.join(".");
    let place = place(&key, error.metadata.as_ref()).unwrap_or_else(|| match &error.kind {
        figment::error::Kind::UnknownField(field, _) => {
            format!("`{field}` (TASKX_{} or taskx.toml)", field.to_uppercase())
        }
        _ => format!("`{key}`"),
    });
    Error::new(ErrorKind::Config, format!("{place}: {}", error.kind))
}

/// A parser's message without the lines of the file in it, one of which may hold a password.
fn without_excerpt(text: &str) -> String {
    let is_excerpt = |line: &&str| {
        line.split_once('|')
            .is_some_and(|(number, _)| number.trim().chars().all(|letter| letter.is_ascii_digit()))
    };
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.is_empty() && !is_excerpt(line)).collect();
    lines.join(": ")
}

/// Where a value was set; `None` for the defaults.
fn place(key: &str, source: Option<&Metadata>) -> Option<String> {
    match source?.name.as_ref() {
        "the environment" if key == "database_url" => {
            Some("TASKX_DATABASE_URL or DATABASE_URL in the environment".to_owned())
        }
        "the environment" => Some(format!("TASKX_{} in the environment", key.to_uppercase())),
        name if name.starts_with("TOML") => Some(format!("`{key}` in taskx.toml")),
        _ => None,
    }
}

/// A database URL without its password, for messages.
#[must_use]
pub fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return without_password(url) };
    // Query values may hold secrets too (`?password=..`).
    let plain = |text: &str| text.split('?').next().unwrap_or_default().to_owned();
    // The last @: a password may hold another one, or a slash, though it should not.
    match rest.rsplit_once('@') {
        Some((user, host)) if !matches!(scheme, "sqlite" | "file") => {
            let user = user.split([':', '/', '?']).next().unwrap_or_default();
            format!("{scheme}://{user}@{}", plain(host))
        }
        _ => format!("{scheme}://{}", plain(rest)),
    }
}

/// The same of what is no URL, but was perhaps meant as one: `postgres:/ada:secret@db`.
fn without_password(text: &str) -> String {
    match text.rsplit_once('@').and_then(|(user, host)| Some((user.rsplit_once(':')?.0, host))) {
        Some((user, host)) => format!("{user}@{host}"),
        None => text.to_owned(),
    }
}

/// Why `.env` cannot be read, where a line of it is at fault. The line is not shown: it may be the
/// one that holds a password.
#[doc(hidden)]
#[must_use]
pub fn unreadable_env(line: &str) -> String {
    let folder = std::env::current_dir().unwrap_or_default();
    let file = folder.ancestors().map(|folder| folder.join(".env")).find(|file| file.is_file());
    let text = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let at = text.lines().position(|one| one.contains(line.trim()));
    let place = at.map_or_else(|| "a line".to_owned(), |at| format!("line {}", at + 1));
    format!(
        ".env: {place} cannot be read; a value with blanks, quotes or `#` in it needs quotes around it"
    )
}

/// Durations as text (`5s`, `3days`) or as a number of seconds.
mod span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Seconds(f64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(span: &Duration, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&humantime::format_duration(*span).to_string())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        match Written::deserialize(input)
            .map_err(|_| D::Error::custom("expected a duration such as `30s`, `5min` or `3days`"))?
        {
            Written::Seconds(seconds) => Duration::try_from_secs_f64(seconds)
                .map_err(|_| D::Error::custom(format!("{seconds} is no number of seconds"))),
            Written::Text(text) => humantime::parse_duration(&text).map_err(|e| {
                D::Error::custom(format!("`{text}` is no duration such as `30s` or `3days`: {e}"))
            }),
        }
    }
}

/// Queues as a table of numbers, or as `mail=20,default=8`.
mod queue_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Table(BTreeMap<String, usize>),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(
        queues: &BTreeMap<String, usize>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        queues.serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<BTreeMap<String, usize>, D::Error> {
        let help = "expected queues with their slots, such as `mail=20,default=8`";
        match Written::deserialize(input).map_err(|_| D::Error::custom(help))? {
            Written::Table(queues) => Ok(queues),
            Written::Text(text) => text
                .split(',')
                .map(|item| {
                    let (name, slots) = item.split_once('=')?;
                    Some((name.trim().to_owned(), slots.trim().parse().ok()?))
                })
                .collect::<Option<_>>()
                .ok_or_else(|| D::Error::custom(format!("{help}, not `{text}`"))),
        }
    }
}

#[cfg(test)]
#[expect(clippy::result_large_err, reason = "figment's jail wants its own error")]
mod tests {
    use super::*;

    fn load(toml: &str, variables: &[(&str, &str)]) -> Result<Config> {
        // figment's jail sets the environment and the working directory for one closure at a time.
        let mut loaded = None;
        figment::Jail::expect_with(|jail| {
            jail.clear_env();
            jail.create_file("taskx.toml", toml)?;
            for (name, value) in variables {
                jail.set_env(name, value);
            }
            loaded = Some(Config::load());
            Ok(())
        });
        loaded.unwrap()
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let config = load(
            "loop_interval = '2s'\nconcurrency = 3\n[queues]\nmail = 4",
            &[("TASKX_CONCURRENCY", "7"), ("DATABASE_URL", "sqlite://a.db"), ("TASKX_APP", "x")],
        )
        .unwrap();
        assert_eq!(config.loop_interval, Duration::from_secs(2));
        assert_eq!(config.concurrency, 7);
        assert_eq!(config.queues["mail"], 4);
        assert_eq!(config.database_url.as_deref(), Some("sqlite://a.db"));
        assert_eq!(config.timezone, "UTC");
    }

    #[test]
    fn our_own_variable_wins_over_database_url() {
        let config =
            load("", &[("DATABASE_URL", "sqlite://a.db"), ("TASKX_DATABASE_URL", "b.db")]).unwrap();
        assert_eq!(config.database_url.as_deref(), Some("b.db"));
    }

    #[test]
    fn a_bad_value_names_its_source() {
        let text = |toml, variables| load(toml, variables).unwrap_err().to_string();
        let queues = text("", &[("TASKX_QUEUES", "mail:20")]);
        assert!(queues.starts_with("TASKX_QUEUES in the environment: "), "{queues}");
        assert!(queues.contains("mail=20,default=8"), "{queues}");
        let lease = text("lease = '30 parsecs'", &[]);
        assert!(lease.starts_with("`lease` in taskx.toml: "), "{lease}");
        let unknown = text("", &[("TASKX_CONCURENCY", "3")]);
        assert!(unknown.contains("TASKX_CONCURENCY"), "{unknown}");
        let zone = text("timezone = 'Paris'", &[]);
        assert!(zone.contains("timezone") && zone.contains("Europe/Paris"), "{zone}");
        let short = text("lease = '1s'", &[]);
        assert!(short.starts_with("`lease` in taskx.toml: 1s is too short"), "{short}");
        let none = text("concurrency = 4", &[("TASKX_CONCURRENCY", "0")]);
        assert!(none.starts_with("TASKX_CONCURRENCY in the environment: 0 would run"), "{none}");
    }

    /// Each setting that has a wrong value, on both ways in.
    #[test]
    fn every_setting_names_its_source() {
        for (key, value) in [
            ("engine", "sqlx"),
            ("driver", "oracle"),
            ("loop_interval", "soon"),
            ("loop_interval", "0s"),
            ("debug", "perhaps"),
            ("queues", "mail"),
            ("queues", "mail=0"),
            ("concurrency", "many"),
            ("concurrency", "-1"),
            ("lease", "1 fortnight"),
            ("grace", "-1s"),
            ("retention", "for ever"),
            ("dead_retention", "x"),
            ("payload_limit", "1 MiB"),
            ("auto_migrate", "2"),
        ] {
            let variable = format!("TASKX_{}", key.to_uppercase());
            let text = load("", &[(&variable, value)]).unwrap_err().to_string();
            assert!(text.starts_with(&format!("{variable} in the environment: ")), "{text}");
            let text = load(&format!("{key} = '{value}'"), &[]).unwrap_err().to_string();
            assert!(text.starts_with(&format!("`{key}` in taskx.toml: ")), "{text}");
        }
    }

    /// The database is looked at later, when the builder has had its say.
    #[test]
    fn a_bad_database_names_its_source() {
        let text = |toml, variables| {
            let config = load(toml, variables).unwrap();
            crate::driver::choose(&config).unwrap_err().to_string()
        };
        let url = text("", &[("DATABASE_URL", "redis://ada:hush@h")]);
        assert!(url.contains("DATABASE_URL in the environment: `redis://`"), "{url}");
        let url = text("database_url = 'redis://h'", &[]);
        assert!(url.starts_with("`database_url` in taskx.toml: `redis://`"), "{url}");
        let driver = text("database_url = 'a.db'", &[("TASKX_DRIVER", "mysql")]);
        assert!(driver.starts_with("TASKX_DRIVER in the environment: "), "{driver}");
        assert!(driver.ends_with("`database_url` in taskx.toml names SQLite"), "{driver}");
        let mut own = load("", &[("DATABASE_URL", "redis://h")]).unwrap();
        own.database_url = Some("mssql://h".to_owned());
        let own = crate::driver::choose(&own).unwrap_err().to_string();
        assert!(own.starts_with("database_url: `mssql://`"), "{own}");
    }

    #[test]
    fn messages_show_no_password() {
        assert_eq!(
            without_secrets("postgres://ada:secret@db:5432/app?password=x"),
            "postgres://ada@db:5432/app"
        );
        assert_eq!(without_secrets("sqlite://taskx.db"), "sqlite://taskx.db");
        assert_eq!(without_secrets("sqlite:///home/a@b/x.db?k=v"), "sqlite:///home/a@b/x.db");
        assert_eq!(without_secrets("mysql://a:hu/s@h@db/app"), "mysql://a@db/app");
        assert_eq!(without_secrets("postgres://a:hush?@h/d"), "postgres://a@h/d");
        // A slip of the pen.
        assert_eq!(without_secrets("postgres:/a:hush@h/d"), "postgres:/a@h/d");
        assert_eq!(without_secrets("postgres//a:hush@h/d"), "postgres//a@h/d");
        assert_eq!(without_secrets("data/jobs.db"), "data/jobs.db");
        assert!(
            !format!(
                "{:?}",
                Config { database_url: Some("mysql://a:hush@h/d".into()), ..Config::default() }
            )
            .contains("hush")
        );
    }
}
