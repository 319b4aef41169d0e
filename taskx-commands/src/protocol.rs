//! The handshake between the launcher and an application: `myapp taskx --protocol`.

use serde::{Deserialize, Serialize};

/// The version of what the launcher and an application say to each other: the commands of
/// [`Command`](crate::Command) and their options. It rises when an old launcher and a new
/// application, or the other way round, would misunderstand each other.
pub const PROTOCOL: u32 = 1;

/// The option that asks for the handshake.
pub const OPTION: &str = "--protocol";

/// The answer to the handshake, one line of JSON: `{"taskx":{"protocol":1,"version":"0.1.0"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshake {
    /// The answer.
    pub taskx: Spoken,
}

/// What an application speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// Its [`PROTOCOL`].
    pub protocol: u32,
    /// Its version of taskx.
    pub version: String,
}

impl Handshake {
    /// What this version answers.
    #[must_use]
    pub fn ours() -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { taskx: Spoken { protocol: PROTOCOL, version } }
    }

    /// The line to print.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// The answer among the lines that a program has printed.
    #[must_use]
    pub fn find(printed: &str) -> Option<Self> {
        printed.lines().find_map(|line| serde_json::from_str(line).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_found_among_other_lines() {
        let printed = format!("starting\n{}\n", Handshake::ours().line());
        assert_eq!(Handshake::find(&printed), Some(Handshake::ours()));
        assert_eq!(Handshake::find("starting\n{}\n"), None);
    }
}
