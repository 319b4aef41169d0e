//! How MariaDB is set up, served and greeted.

use std::{
    io::{self, Read},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

use anyhow::Result;

use super::{Durability, home::Home, program::Programs};

/// What keeps the machine's own configuration out; MariaDB wants it as the very first argument.
const NO_DEFAULTS: &str = "--no-defaults";

/// The protocol version that a greeting begins with; a server that is not ready sends 0xff instead.
const PROTOCOL_VERSION: u8 = 10;

pub(super) fn initialise(home: &mut Home, programs: &Programs) -> Result<()> {
    let mut command = home.command(&programs.install)?;
    command.arg(NO_DEFAULTS);
    // With name resolution off, `root@127.0.0.1` exists, and `normal` gives it an empty password.
    command.args(["--auth-root-authentication-method=normal", "--skip-name-resolve"]);
    command.arg("--skip-test-db");
    command.arg(format!("--datadir={}", home.data().display()));
    home.run(command)
}

pub(super) fn serve(
    home: &Home,
    programs: &Programs,
    port: u16,
    durability: Durability,
) -> Result<Command> {
    let mut command = home.command(&programs.serve)?;
    let here = home.path().display();
    command
        .arg(NO_DEFAULTS)
        .arg(format!("--datadir={}", home.data().display()))
        .arg(format!("--tmpdir={here}"))
        .arg(format!("--socket={here}/s.sock"))
        .arg(format!("--pid-file={here}/pid"))
        .arg(format!("--port={port}"))
        .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"])
        .args(["--performance-schema=OFF", "--max-connections=300"])
        // Without its configuration files the server would speak latin1.
        .args(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin"])
        .arg("--default-time-zone=+05:45");
    match durability {
        Durability::Off => {
            command.args(["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"]);
        }
        Durability::Default => {}
    }
    Ok(command)
}

/// Whether the server greets who connects.
pub(super) fn accepts(address: SocketAddr) -> io::Result<bool> {
    let limit = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    // Three bytes of length, one of sequence, then the greeting.
    let mut start = [0; 5];
    stream.read_exact(&mut start)?;
    Ok(start.last() == Some(&PROTOCOL_VERSION))
}
