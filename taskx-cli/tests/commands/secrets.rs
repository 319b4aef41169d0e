//! Passwords are never printed.

use crate::bench::{Bench, taskx};

/// The server's URL with a password in it.
fn with_password(url: &str, user: &str) -> String {
    let at = url.find("@").unwrap();
    let (scheme, _) = url.split_once("://").unwrap();
    format!("{scheme}://{user}:hush%21secret{}", &url[at..])
}

fn is_silent(bench: &Bench, url: &str, line: &[&str]) {
    let output =
        taskx(bench.folder.path()).args(line).args(["--database-url", url]).output().unwrap();
    for text in [output.stdout, output.stderr] {
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("hush"), "{line:?}: {text}");
    }
}

fn nothing_tells_the_password(bench: &Bench, user: &str) {
    let url = with_password(&bench.url, user);
    let nowhere =
        format!("{}://{user}:hush%21secret@127.0.0.1:1/x", url.split_once("://").unwrap().0);
    for url in [
        url,
        nowhere,
        "postgres://ada:hush!secret@[::bad/x".to_owned(),
        "redis://ada:hush@h".to_owned(),
    ] {
        for line in [&["status"][..], &["status", "--json"], &["doctor"], &["jobs", "list"]] {
            is_silent(bench, &url, line);
        }
    }
}

#[test]
fn of_postgres() {
    if let Some(bench) = Bench::postgres("of_postgres") {
        nothing_tells_the_password(&bench, "postgres");
    }
}

#[test]
fn of_mysql() {
    if let Some(bench) = Bench::mysql("of_mysql") {
        nothing_tells_the_password(&bench, "root");
    }
}
