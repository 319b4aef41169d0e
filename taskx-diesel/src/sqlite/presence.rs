//! Presence locks: a lock file for each worker row, which the kernel frees when its process dies.
//!
//! They lie in `<database>-taskx/<worker id>.lock`. A lock that is free says that the worker is
//! gone; a file that is missing says nothing, because tidy people and tools remove files. On a
//! network file system no lock is taken: whether it outlives its host depends on the server.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use taskx_core::job::WorkerId;

/// The locks that this store holds, and a look at those of others.
#[derive(Debug)]
pub(super) struct Presence {
    folder: PathBuf,
    /// Whether the file system's locks can be relied on.
    local: bool,
    held: Mutex<HashMap<WorkerId, File>>,
}

/// What came of an attempt to hold a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// It is held from now on.
    Taken,
    /// It was held before.
    Kept,
    /// There can be none here.
    Impossible,
}

impl Presence {
    pub(super) fn new(folder: PathBuf) -> Self {
        let local = folder.parent().is_none_or(is_local);
        Self { folder, local, held: Mutex::new(HashMap::new()) }
    }

    /// Takes or keeps the lock of a worker row.
    pub(super) fn hold(&self, worker: WorkerId) -> Hold {
        if !self.local {
            return Hold::Impossible;
        }
        let path = self.path(worker);
        let mut held = self.held();
        // A file that was removed is looked for in vain by others; make it again.
        if held.contains_key(&worker) && path.exists() {
            return Hold::Kept;
        }
        match take(&self.folder, &path) {
            Some(file) => {
                held.insert(worker, file);
                Hold::Taken
            }
            None => Hold::Impossible,
        }
    }

    /// Whether the worker's lock is free now: its process is gone. `false` where nothing can be
    /// told.
    pub(super) fn is_free(&self, worker: WorkerId) -> bool {
        if !self.local || self.held().contains_key(&worker) {
            return false;
        }
        // Opened without making it: a missing file tells nothing.
        let Ok(file) = OpenOptions::new().write(true).open(self.path(worker)) else { return false };
        file.try_lock().is_ok()
    }

    /// Gives the lock up and removes its file: the worker row is gone.
    pub(super) fn remove(&self, worker: WorkerId) {
        self.held().remove(&worker);
        // It may be gone already, or the folder read-only; a left-over file harms nobody.
        drop(fs::remove_file(self.path(worker)));
    }

    fn path(&self, worker: WorkerId) -> PathBuf {
        self.folder.join(format!("{worker}.lock"))
    }

    fn held(&self) -> MutexGuard<'_, HashMap<WorkerId, File>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // Only an empty folder goes; the files of workers that are still known stay.
        drop(fs::remove_dir(&self.folder));
    }
}

/// Makes and locks a file; tried again for a moment, since a look from elsewhere holds the lock for
/// an instant.
fn take(folder: &Path, path: &Path) -> Option<File> {
    fs::create_dir_all(folder).ok()?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).ok()?;
    for _ in 0..20 {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(std::time::Duration::from_millis(1))
            }
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Whether a folder lies on a file system of this machine, as far as the system tells.
fn is_local(folder: &Path) -> bool {
    let Ok(table) = fs::read_to_string("/proc/self/mountinfo") else { return true };
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    kind_of(&table, &folder).is_none_or(|kind| !is_network(kind))
}

/// The file system's kind of the longest mount point above `folder`, from the text of
/// `/proc/self/mountinfo`: `id parent dev root mount-point options .. - kind source ..`.
fn kind_of<'a>(table: &'a str, folder: &Path) -> Option<&'a str> {
    table
        .lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let point = before.split(' ').nth(4)?.replace("\\040", " ");
            let kind = after.split(' ').next()?;
            folder.starts_with(&point).then_some((point.len(), kind))
        })
        // The last of equals hides the others.
        .max_by_key(|&(length, _)| length)
        .map(|(_, kind)| kind)
}

fn is_network(kind: &str) -> bool {
    const NETWORK: &[&str] = &[
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "glusterfs",
        "ncpfs",
        "lustre",
    ];
    NETWORK.contains(&kind) || kind.starts_with("fuse.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_seen_while_held_and_free_when_its_holder_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db-taskx");
        let (mine, other) = (Presence::new(path.clone()), Presence::new(path));
        let worker = WorkerId::new();
        assert!(!other.is_free(worker), "a missing file says nothing");
        assert_eq!(mine.hold(worker), Hold::Taken);
        assert_eq!(mine.hold(worker), Hold::Kept);
        assert!(!other.is_free(worker));
        assert!(!mine.is_free(worker), "nobody suspects itself");
        drop(mine);
        assert!(other.is_free(worker));
        other.remove(worker);
        assert!(!other.is_free(worker));
    }

    #[test]
    fn a_removed_file_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db-taskx");
        let (mine, other) = (Presence::new(path.clone()), Presence::new(path.clone()));
        let worker = WorkerId::new();
        assert_eq!(mine.hold(worker), Hold::Taken);
        fs::remove_file(path.join(format!("{worker}.lock"))).unwrap();
        assert_eq!(mine.hold(worker), Hold::Taken);
        assert!(path.join(format!("{worker}.lock")).exists());
        assert!(!other.is_free(worker));
    }

    #[test]
    fn the_longest_mount_point_tells_the_kind() {
        let table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                     30 22 0:30 / /mnt/share\\040one rw shared:1 - nfs4 host:/x rw\n";
        assert_eq!(kind_of(table, Path::new("/mnt/share one/db")), Some("nfs4"));
        assert_eq!(kind_of(table, Path::new("/mnt/other")), Some("ext4"));
        assert!(is_network("nfs4") && is_network("fuse.sshfs") && !is_network("ext4"));
    }
}
