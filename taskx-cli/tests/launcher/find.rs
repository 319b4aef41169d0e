//! Which binary is the application, and what is said when that cannot be told.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::apps::{several, single, sketch, taskx};

/// What `taskx run` complains of in a folder; it must end with code 2.
fn complaint(folder: &Path, line: &[&str]) -> String {
    let database = tempfile::tempdir().unwrap();
    let output = taskx(folder, database.path()).args(line).assert().code(2).get_output().clone();
    String::from_utf8(output.stderr).unwrap()
}

/// Has every part in it.
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn several_applications_are_listed() {
    let told = complaint(&several(), &["run"]);
    has(
        &told,
        &[
            "several applications found: ",
            "web:web",
            "api:api",
            "forgetful:forgetful",
            "TASKX_APP=package:bin",
        ],
    );
    assert!(!told.contains("tool"), "{told}");
}

#[test]
fn a_name_that_is_not_there_is_told_with_those_that_are() {
    let told = complaint(&several(), &["run", "--app", "wbe"]);
    has(&told, &["--app names wbe", "there are: web:web, api:api, tool:tool"]);
    let told = complaint(&several(), &["run", "--package", "wbe"]);
    has(&told, &["no package wbe", "web, api, tool, jobs, forgetful"]);
    let told = complaint(&single(), &["run", "--app", "./nowhere/app"]);
    has(&told, &["./nowhere/app, which is no file"]);
}

#[test]
fn without_an_application_the_way_to_one_is_told() {
    let empty = tempfile::tempdir().unwrap();
    has(&complaint(empty.path(), &["run"]), &["Cargo.toml", "--app ./target/release/myapp"]);

    let stranger = sketch(&[
        ("Cargo.toml", "[package]\nname = 'stranger'\nedition = '2024'\n"),
        ("src/main.rs", "fn main() {}"),
    ]);
    has(
        &complaint(stranger.path(), &["run"]),
        &["no package here depends on taskx", "cargo add taskx"],
    );

    let library = sketch(&[
        ("Cargo.toml", "[package]\nname = 'library'\nedition = '2024'\n[dependencies]\nTASKX\n"),
        ("src/lib.rs", "#[taskx::task] fn f() {}"),
    ]);
    has(
        &complaint(library.path(), &["run"]),
        &["a library alone cannot be run", "use my_tasks as _;"],
    );

    let unmarked = sketch(&[
        ("Cargo.toml", "[package]\nname = 'plain'\nedition = '2024'\n[dependencies]\nTASKX\n"),
        ("src/main.rs", "// #[taskx::main]\nfn main() {}"),
    ]);
    has(
        &complaint(unmarked.path(), &["run"]),
        &["no application found", "#[taskx::main]", "plain:plain"],
    );
}

#[test]
fn ambiguous_settings_are_told() {
    let package = |name: &str, app: &str| {
        format!(
            "[package]\nname = '{name}'\nedition = '2024'\n[package.metadata.taskx]\napp = '{app}'\n[dependencies]\nTASKX\n"
        )
    };
    let folder = sketch(&[
        ("Cargo.toml", "[workspace]\nresolver = '3'\nmembers = ['a', 'b']\n"),
        ("a/Cargo.toml", &package("a", "one")),
        ("a/src/main.rs", "fn main() {}"),
        ("b/Cargo.toml", &package("b", "two")),
        ("b/src/main.rs", "fn main() {}"),
    ]);
    has(&complaint(folder.path(), &["run"]), &["several applications found: a:one, b:two"]);
    // Within a package its own setting counts.
    let told = complaint(&folder.path().join("a"), &["run"]);
    has(&told, &["app in [package.metadata.taskx] names one", "there are: a:a, b:b"]);
}

/// The first line of an executable that answers.
const HANDSHAKE: &str = r#"[ "$2" = --protocol ] && echo '{"taskx":{"protocol":1,"version":"0.1.0"}}' && exit
"#;

/// An executable that says something.
fn script(folder: &Path, text: &str) {
    let path = folder.join("app");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn an_executable_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), r#"echo '{"taskx":{"protocol":99,"version":"9.0.0"}}'"#);
    let told = complaint(folder.path(), &["run", "--app", "./app"]);
    has(&told, &["built with taskx 9.0.0, which speaks protocol 99", "install the taskx command"]);
    script(folder.path(), r#"echo '{"taskx":{"protocol":0,"version":"0.0.1"}}'"#);
    has(
        &complaint(folder.path(), &["run", "--app", "./app"]),
        &["upgrade taskx in its Cargo.toml"],
    );
}

#[test]
fn an_executable_that_does_not_answer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), "echo hello");
    has(
        &complaint(folder.path(), &["run", "--app", "./app"]),
        &["does not answer to `taskx`", "intercept"],
    );
    fs::write(folder.path().join("app"), "no program").unwrap();
    has(&complaint(folder.path(), &["run", "--app", "./app"]), &["start "]);
}

#[test]
fn words_and_the_exit_code_pass_through() {
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), &format!("{HANDSHAKE}cat; echo \"$@\"; exit 7"));
    let output = taskx(folder.path(), folder.path())
        .env("TASKX_APP", "./app")
        .args(["run", "--queues", "mail=20,default", "--concurrency", "3", "--only", "a,b"])
        .write_stdin("its own standard input\n")
        .assert()
        .code(7)
        .get_output()
        .clone();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        said,
        "its own standard input\ntaskx run --queues=mail=20,default --concurrency=3 --only=a,b\n"
    );
    // The variable may stand in .env, and an option wins over it.
    fs::write(folder.path().join(".env"), "TASKX_APP=./nowhere/app\n").unwrap();
    has(&complaint(folder.path(), &["run"]), &["TASKX_APP names ./nowhere/app"]);
    let line = ["app", "--app", "./app", "--", "tasks", "--json"];
    let output =
        taskx(folder.path(), folder.path()).args(line).assert().code(7).get_output().clone();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "taskx tasks --json\n");
    // The database that is named for the command is the application's.
    script(folder.path(), &format!("{HANDSHAKE}echo $TASKX_DATABASE_URL"));
    let line = ["run", "--app", "./app", "--database-url", "sqlite://other.db"];
    let output = taskx(folder.path(), folder.path()).args(line).assert().get_output().clone();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "sqlite://other.db\n");
}
