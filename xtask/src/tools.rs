//! What faults are made with, where Debian's packages put it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

/// Below the folder of the machine's libraries.
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";

/// The library that gives a process another clock, of the package `libfaketime`.
#[must_use]
pub fn libfaketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join(FAKETIME)).find(|library| library.exists())
}

/// Whether there is `ip`, of the package `iproute2`.
#[must_use]
pub fn has_ip() -> bool {
    let mut probe = Command::new("ip");
    probe.arg("-V").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}
