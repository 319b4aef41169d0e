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

/// What the command complains of in a folder with this file in it.
fn complaint(file: &str, text: &str, line: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file), text).unwrap();
    let output = taskx(folder.path()).args(line).assert().code(2).get_output().clone();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn a_file_that_cannot_be_read_is_not_shown() {
    for text in [
        "A=1\nDATABASE_URL=postgres://ada:hush secret@h/db\n",
        "A=1\nDATABASE_URL=postgres://ada:\"hush@h/db\n",
    ] {
        let told = complaint(".env", text, &["status"]);
        assert!(told.contains(".env: line 2") && !told.contains("hush"), "{told}");
    }
    let told = complaint("taskx.toml", "database_url = \"postgres://ada:hush@h/db\n", &["status"]);
    assert!(told.contains("taskx.toml: ") && told.contains("line 1"), "{told}");
    assert!(told.contains("invalid basic string") && !told.contains("hush"), "{told}");
}

#[test]
fn a_url_with_a_slip_or_in_the_wrong_place_is_not_shown() {
    for url in ["postgres//ada:hush@h/db", "postgres:/ada:hush@h/db", "ada:hush@h/db"] {
        let told = complaint(".env", "", &["status", "--database-url", url]);
        assert!(told.contains("postgres://") && !told.contains("hush"), "{url}: {told}");
    }
    let told = complaint(".env", "", &["status", "postgres://ada:hush@h/db"]);
    assert!(told.contains("unexpected argument") && !told.contains("hush"), "{told}");
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
