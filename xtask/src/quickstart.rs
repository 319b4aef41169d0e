//! The example of the README's first command, run in an empty folder, and what it leaves looked at.

use std::{fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail, ensure};

use crate::{interrupt::Interrupt, report::succeeded, test::pass_on, workspace::Workspace};

/// The README's command, without `cargo`.
const COMMAND: [&str; 3] = ["run", "--example", "quickstart"];

/// Where the example puts its mails, below the folder that it is run in.
const OUTBOX: &str = "outbox";

/// How long the example may run; it takes less than a second.
const LIMIT: Duration = Duration::from_secs(60);

/// What every mail has, each at the start of a line.
const HEADERS: [&str; 4] = ["From: ", "To: ", "Subject: ", "Date: "];

/// Runs the example in an empty folder and checks that it ended well with one mail in `outbox/`.
///
/// # Errors
/// When it does not compile, fails, runs for too long, prints nothing, or leaves anything but one
/// whole mail.
pub(crate) fn quickstart(workspace: &Workspace, interrupt: &Interrupt) -> Result<()> {
    // The build is not what is timed.
    let build = ["build"].into_iter().chain(COMMAND.into_iter().skip(1));
    interrupt.run(&mut workspace.cargo(build)).and_then(succeeded).context("the build")?;

    let folder = tempfile::Builder::new().prefix("taskx-quickstart-").tempdir()?;
    let mut command = workspace.cargo(COMMAND);
    command
        .arg("--manifest-path")
        .arg(workspace.root().join("Cargo.toml"))
        .current_dir(folder.path())
        .env_remove("DATABASE_URL")
        .env_remove("TASKX_DATABASE_URL")
        .stdout(Stdio::piped());
    let mut lines = 0;
    let status = interrupt
        .run_at_most(LIMIT, &mut command, |child| pass_on(child, |_| lines += 1))
        .context("cargo run --example quickstart")?;
    succeeded(status).context("cargo run --example quickstart")?;
    ensure!(lines > 0, "the quick start printed nothing");
    check_outbox(&folder.path().join(OUTBOX))
}

/// Checks that there is exactly one mail, and that it is whole.
fn check_outbox(outbox: &Path) -> Result<()> {
    let mut mails = Vec::new();
    for entry in fs::read_dir(outbox).context("the quick start made no outbox/")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            mails.push(path);
        }
    }
    let [mail] = mails.as_slice() else { bail!("{} mails in outbox/ and not 1", mails.len()) };
    check_mail(&fs::read_to_string(mail).with_context(|| mail.display().to_string())?)
}

fn check_mail(mail: &str) -> Result<()> {
    let mail = mail.replace("\r\n", "\n");
    let (headers, body) = mail.split_once("\n\n").context("the mail has no body")?;
    for header in HEADERS {
        ensure!(
            headers.lines().any(|line| line.len() > header.len() && line.starts_with(header)),
            "the mail has no {header}header:\n{headers}"
        );
    }
    ensure!(!body.trim().is_empty(), "the body of the mail is empty");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From: taskx <taskx@example.com>\r\nTo: ada@example.com\r\n\
                        Subject: Hello\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nHi.\r\n";

    #[test]
    fn a_whole_mail_is_accepted_and_each_lack_is_told() {
        check_mail(MAIL).unwrap();
        for (from, to, lack) in [
            ("To: ada@example.com\r\n", "", "To"),
            ("Subject: Hello", "Subject: ", "Subject"),
            ("Hi.", "", "empty"),
            ("\r\n\r\nHi.", "", "no body"),
        ] {
            let error = check_mail(&MAIL.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(lack), "{error}");
        }
    }

    #[test]
    fn one_mail_is_expected_and_no_more_and_no_less() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_outbox(&folder.path().join("outbox")).is_err());
        assert!(check_outbox(folder.path()).is_err());
        fs::write(folder.path().join("1.eml"), MAIL).unwrap();
        fs::write(folder.path().join("1.json"), "{}").unwrap();
        check_outbox(folder.path()).unwrap();
        fs::write(folder.path().join("2.eml"), MAIL).unwrap();
        assert!(check_outbox(folder.path()).is_err());
    }
}
