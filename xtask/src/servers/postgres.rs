//! How PostgreSQL is set up, served and greeted.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

use anyhow::Result;

use super::{Durability, home::Home, program::Programs};

/// The start of a session: protocol 3.0 with the user and the database `postgres`.
const STARTUP_MESSAGE: &[u8] = b"\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0";

/// The polite end of a session.
const TERMINATE_MESSAGE: &[u8] = b"X\0\0\0\x04";

pub(super) fn initialise(home: &mut Home, programs: &Programs) -> Result<()> {
    let mut command = home.command(&programs.install)?;
    command
        .arg("-D")
        .arg(home.data())
        .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])
        .args(["--no-sync", "--no-instructions"]);
    home.run(command)
}

pub(super) fn serve(
    home: &Home,
    programs: &Programs,
    port: u16,
    durability: Durability,
) -> Result<Command> {
    let mut command = home.command(&programs.serve)?;
    command.arg("-D").arg(home.data()).args(["-p", &port.to_string()]);
    command.arg("-k").arg(home.path());
    let mut set = |setting: &str| {
        command.args(["-c", setting]);
    };
    set("listen_addresses=127.0.0.1");
    set("max_connections=300");
    // A zone that is not UTC; east of Greenwich is negative in this notation.
    set("timezone=<+0545>-05:45");
    // Shared memory as files of the data directory: a killed server leaves none in /dev/shm.
    set("dynamic_shared_memory_type=mmap");
    match durability {
        Durability::Off => {
            set("fsync=off");
            set("synchronous_commit=off");
            set("full_page_writes=off");
        }
        Durability::Default => {}
    }
    Ok(command)
}

/// Whether a session can be opened. A bare connection succeeds too early: the postmaster listens
/// before the database is ready, and answers with an error until then.
pub(super) fn accepts(address: SocketAddr) -> io::Result<bool> {
    let limit = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(STARTUP_MESSAGE)?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    if kind != *b"R" {
        return Ok(false);
    }
    stream.write_all(TERMINATE_MESSAGE)?;
    Ok(true)
}
