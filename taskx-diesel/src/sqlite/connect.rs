//! Opening connections to one file, and noticing when it is no longer that file.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use diesel::{
    Connection, QueryResult, RunQueryDsl, SqliteConnection, connection::SimpleConnection,
    sql_types::Text,
};
use percent_encoding::{AsciiSet, percent_decode_str, utf8_percent_encode};
use taskx_core::error::{Error, ErrorKind, Result};
use uuid::Uuid;

use super::{Durability, SqliteOptions, busy::until_free};
use crate::{
    error::Doing,
    statement::{Sql, statement},
};

statement! {
    JournalMode() -> Text = "PRAGMA journal_mode";
}

/// What every connection is set to. The busy timeout is short, because the wait for the write lock
/// is [`until_free`]'s: SQLite's own sleeps grow to 0.1 s, which starves the unlucky.
const SETTINGS: &str = "PRAGMA busy_timeout = 20;
    PRAGMA foreign_keys = OFF;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -12288;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;";

/// The database file of a store.
#[derive(Debug)]
pub(super) struct Location {
    path: PathBuf,
    /// Device and inode of the file that was opened first; 0 where the system has none.
    identity: (u64, u64),
    durability: Durability,
    /// Set where the file is private and goes with the store.
    private: Option<PathBuf>,
}

impl Location {
    /// Finds the file of a URL or path, and makes it if it is missing and may be made.
    ///
    /// # Errors
    /// `Config` if the text is no file's, or the file cannot be there.
    pub(super) fn open(url: &str, options: &SqliteOptions) -> Result<Self> {
        let Place { path, create } = place(url)?;
        let Some(path) = path else { return Self::private() };
        let path = std::path::absolute(&path).map_err(|error| refuse(&path, error))?;
        let parent = path.parent().unwrap_or(&path);
        if !parent.is_dir() {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "the folder `{}` for the database `{}` does not exist; make it first",
                    parent.display(),
                    path.display()
                ),
            ));
        }
        // Made here and not by SQLite, so that no connection ever makes a file in silence.
        let create = create && options.create;
        let made =
            OpenOptions::new().read(true).write(true).create(create).truncate(false).open(&path);
        made.map_err(|error| refuse(&path, error))?;
        let identity = identity(&path).map_err(|error| refuse(&path, error))?;
        Ok(Self { path, identity, durability: options.durability, private: None })
    }

    /// A file of its own in the system's temporary folder, removed with the store. An in-memory
    /// database of SQLite's cannot be read by one connection while another writes it; this one
    /// behaves as a real file does, and never waits for the disk.
    fn private() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("taskx-{}", Uuid::new_v4().simple()));
        fs::create_dir(&folder).map_err(|error| refuse(&folder, error))?;
        let path = folder.join("private.db");
        fs::write(&path, []).map_err(|error| refuse(&path, error))?;
        let identity = identity(&path).map_err(|error| refuse(&path, error))?;
        Ok(Self { path, identity, durability: Durability::None, private: Some(folder) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the presence locks of workers are.
    pub(super) fn lock_folder(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push("-taskx");
        name.into()
    }

    /// Fails if the path no longer leads to the file that was opened: SQLite would go on writing
    /// to the removed file, and what it acknowledges would be lost.
    ///
    /// # Errors
    /// `Store`.
    pub(super) fn verify(&self) -> Result<()> {
        match identity(&self.path) {
            Ok(found) if found == self.identity => Ok(()),
            Ok(_) => Err(self.gone("was replaced by another file; restart this program")),
            Err(error) => Err(self.gone("was moved or deleted").with_source(error)),
        }
    }

    fn gone(&self, how: &str) -> Error {
        Error::new(ErrorKind::Store, format!("the database `{}` {how}", self.path.display()))
    }

    /// A new connection that may write.
    ///
    /// # Errors
    /// `Store` if the file is gone; `Transient` if SQLite does not open it; `Config` if it is no
    /// database.
    pub(super) fn connect(&self) -> Result<SqliteConnection> {
        self.verify()?;
        // `mode=rw`: never made anew.
        let url = format!("file:{}?mode=rw", escape(&self.path));
        let mut conn = SqliteConnection::establish(&url).map_err(|error| {
            Error::new(ErrorKind::Transient, format!("open the database `{}`", self.path.display()))
                .with_source(error)
        })?;
        // Also the settings read the file, which another process may be switching to its log.
        until_free(|| conn.batch_execute(SETTINGS).and_then(|()| self.journal(&mut conn)))
            .doing("set up the SQLite connection")?;
        Ok(conn)
    }

    /// A new connection that only reads.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub(super) fn connect_reader(&self) -> Result<SqliteConnection> {
        let mut conn = self.connect()?;
        conn.batch_execute("PRAGMA query_only = ON").doing("set up the SQLite reader")?;
        Ok(conn)
    }

    /// Readers beside a writer need the write-ahead log. Where the file system has no shared memory
    /// SQLite stays in its old mode; all still works, one after another.
    fn journal(&self, conn: &mut SqliteConnection) -> QueryResult<()> {
        conn.batch_execute(match self.durability {
            Durability::Full => "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
            Durability::Normal => "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
            Durability::None => "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;",
        })?;
        let mode: Vec<String> = JournalMode::with(()).load(conn)?;
        if mode.iter().any(|mode| mode != "wal") {
            tracing::warn!(
                path = %self.path.display(),
                "SQLite cannot use its write-ahead log here (a network file system?)"
            );
        }
        Ok(())
    }
}

impl Drop for Location {
    fn drop(&mut self) {
        if let Some(folder) = &self.private {
            // Nobody can be told; a left-over folder in the temporary one harms nobody.
            drop(fs::remove_dir_all(folder));
        }
    }
}

fn refuse(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Config, format!("open the database `{}`", path.display()))
        .with_source(error)
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|_| (0, 0))
}

/// What a URL or path names: a file (or none, for a private one), and whether it may be made.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    path: Option<PathBuf>,
    create: bool,
}

/// Reads `:memory:`, `sqlite:..`, `sqlite://..`, `file:..` and bare paths. URLs may be
/// percent-encoded and may end with `?mode=rw`, `?mode=rwc` (the default) or `?mode=memory`.
fn place(url: &str) -> Result<Place> {
    let rest = ["sqlite://", "sqlite:", "file://", "file:"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let Some(rest) = rest else {
        let memory = url == ":memory:";
        if url.is_empty() {
            return Err(Error::new(ErrorKind::Config, "the path of the database is empty"));
        }
        return Ok(Place { path: (!memory).then(|| PathBuf::from(url)), create: true });
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut place = Place { path: Some(PathBuf::from(unescape(path)?)), create: true };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair {
            "mode=rwc" => {}
            "mode=rw" => place.create = false,
            "mode=memory" => place.path = None,
            other => {
                // The value may be a secret.
                let key = other.split('=').next().unwrap_or_default();
                return Err(Error::new(
                    ErrorKind::Config,
                    format!(
                        "`{key}` in the URL of the database is not known; use mode=rw, mode=rwc or mode=memory"
                    ),
                ));
            }
        }
    }
    if matches!(path, ":memory:" | "memory:") {
        place.path = None;
    }
    if place.path.as_deref() == Some(Path::new("")) {
        return Err(Error::new(ErrorKind::Config, "the URL of the database names no file"));
    }
    Ok(place)
}

/// The path in SQLite's URI form.
fn escape(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text =
        if cfg!(windows) { format!("/{}", text.replace('\\', "/")) } else { text.into_owned() };
    utf8_percent_encode(&text, SPECIAL).to_string()
}

/// What means something in a URI of SQLite's.
const SPECIAL: &AsciiSet = &AsciiSet::EMPTY.add(b'%').add(b'?').add(b'#');

/// A percent-encoded text as plain. A `%` that encodes nothing is a mistake, and not itself.
fn unescape(text: &str) -> Result<String> {
    let encodes = |rest: &str| {
        rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    let decoded = percent_decode_str(text).decode_utf8().ok();
    match decoded.filter(|_| text.split('%').skip(1).all(encodes)) {
        Some(decoded) => Ok(decoded.into_owned()),
        None => Err(Error::new(
            ErrorKind::Config,
            "the URL of the database is not percent-encoded as UTF-8",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, create: bool) -> Place {
        Place { path: Some(PathBuf::from(path)), create }
    }

    #[test]
    fn urls_and_bare_paths_name_the_same_file() {
        assert_eq!(place("app.db").unwrap(), file("app.db", true));
        assert_eq!(place("sqlite://app.db").unwrap(), file("app.db", true));
        assert_eq!(place("sqlite:///var/app.db?mode=rw").unwrap(), file("/var/app.db", false));
        assert_eq!(place("file:a%20b.db").unwrap(), file("a b.db", true));
        for private in [":memory:", "sqlite::memory:", "sqlite://:memory:", "file:x?mode=memory"] {
            assert_eq!(place(private).unwrap().path, None, "{private}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in ["", "sqlite://", "sqlite://a?cache=shared", "sqlite://a%2", "sqlite://a%ff"] {
            assert_eq!(place(wrong).unwrap_err().kind(), ErrorKind::Config, "{wrong}");
        }
    }
}
