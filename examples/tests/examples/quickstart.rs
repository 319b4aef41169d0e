//! The quick start: short, and it does what it says.

use std::fs;

use crate::program::Program;

#[test]
fn a_mail_lands_in_the_outbox_and_the_database_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let mut program = Program::start("quickstart", &folder, None, &[]);
    let line = program.line();
    assert!(program.wait().success());

    let mail = line.strip_prefix("Ada <ada@example.com>: ").expect(&line);
    let mail = fs::read_to_string(folder.join(mail)).unwrap();
    assert!(
        mail.contains("To: Ada <ada@example.com>") && mail.contains("Sent by a task."),
        "{mail}"
    );
    let database = folder.join("taskx.db");
    assert!(program.complaints().contains(&format!("sqlite://{}", database.display())));
    assert!(fs::metadata(database).unwrap().len() > 0);
}

#[test]
fn it_is_short() {
    let source = include_str!("../../quickstart.rs").lines().map(str::trim);
    let code = source.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
    assert!(code <= 25, "{code} lines of code");
}
