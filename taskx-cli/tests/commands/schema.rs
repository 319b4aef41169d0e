//! `taskx migrate`, and commands on a database without the schema.

use serde_json::{Value, json};
use taskx_core::job::JobState;

use crate::{
    bench::{Bench, job},
    on_each_engine,
};

on_each_engine! {
    migrations_go_down_and_up_again
    the_sql_of_migrations_is_shown
    a_missing_schema_names_its_mend
    a_newer_schema_is_not_migrated_up
    what_was_taken_away_by_hand_is_told
}

fn applied(bench: &Bench) -> Vec<bool> {
    let migrations = bench.json(&["migrate", "status"]);
    migrations.as_array().unwrap().iter().map(|one| one["applied_at"] != Value::Null).collect()
}

fn migrations_go_down_and_up_again(bench: &Bench) {
    let id = bench.insert(&job());
    let count = applied(bench).len();
    assert_eq!(applied(bench), vec![true; count]);
    assert_eq!(bench.text(&["migrate"]), "the tables are up to date\n");
    let refused = bench.complaint(&["migrate", "down", "--all"], 2);
    assert!(refused.contains("takes tables away") && refused.contains("--yes"), "{refused}");
    let dry = bench.json(&["migrate", "down", "--all", "--dry-run"]);
    assert_eq!(dry["migrations"].as_array().unwrap().len(), count);
    assert_eq!(bench.find(id).state, JobState::Available);

    let undone = bench.json(&["migrate", "down", "--all", "--yes"]);
    assert_eq!(undone["done"], "undid");
    assert_eq!(undone["migrations"].as_array().unwrap().len(), count);
    assert_eq!(applied(bench), vec![false; count]);
    let dry = bench.json(&["migrate", "up", "--dry-run"]);
    assert_eq!(dry["migrations"].as_array().unwrap().len(), count);
    assert_eq!(applied(bench), vec![false; count]);
    let done = bench.json(&["migrate", "up"]);
    assert_eq!((&done["done"], &done["migrations"]), (&json!("applied"), &dry["migrations"]));
    assert_eq!(applied(bench), vec![true; count]);
    assert_eq!(bench.json(&["jobs", "list"]), json!([]));
}

fn the_sql_of_migrations_is_shown(bench: &Bench) {
    let up = bench.text(&["migrate", "sql"]);
    assert!(up.starts_with("-- 0001_") && up.contains("CREATE TABLE"), "{up}");
    let down = bench.text(&["migrate", "sql", "--down"]);
    assert!(down.contains("DROP TABLE"), "{down}");
    assert_eq!(bench.text(&["migrate", "sql", "--pending"]), "");
    let all = bench.json(&["migrate", "sql"]);
    assert!(all[0]["name"].as_str().unwrap().starts_with("0001_"), "{all}");
    assert!(all[0]["sql"].as_str().unwrap().contains("CREATE TABLE"), "{all}");
    assert_eq!(bench.json(&["migrate", "sql", "--pending"]), json!([]));
}

fn a_missing_schema_names_its_mend(bench: &Bench) {
    bench.text(&["migrate", "down", "--all", "--yes"]);
    for line in [&["status"][..], &["jobs", "list"], &["queues", "list"], &["workers"], &["prune"]]
    {
        let told = bench.complaint(line, 1);
        assert!(told.contains("taskx migrate"), "{line:?}: {told}");
    }
    let output = bench.taskx(&["doctor"]).assert().code(1).get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("mend: `taskx migrate up`"), "{text}");
}

fn doctor(bench: &Bench) -> String {
    let output = bench.taskx(&["doctor"]).assert().code(1).get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

fn a_newer_schema_is_not_migrated_up(bench: &Bench) {
    bench.execute("UPDATE taskx_meta SET value = '2' WHERE name = 'generation'");
    let text = doctor(bench);
    assert!(text.contains("of generation 2") && text.contains("mend: upgrade"), "{text}");
    assert!(!text.contains("migrate up"), "{text}");
    assert!(bench.complaint(&["status"], 1).contains("upgrade this program"));
    assert!(bench.complaint(&["migrate"], 1).contains("upgrade this program"));
}

fn what_was_taken_away_by_hand_is_told(bench: &Bench) {
    let on = if bench.url.starts_with("mysql") { " ON taskx_history" } else { "" };
    bench.execute(&format!("DROP INDEX taskx_history_prune{on}"));
    let text = doctor(bench);
    let has = |text: &str, what: &str| {
        assert!(text.contains(what) && text.contains("mend: `taskx migrate sql`"), "{text}");
    };
    has(&text, "the schema lacks taskx_history_prune, which its migrations made");
    assert!(bench.text(&["migrate", "sql"]).contains("taskx_history_prune"));
    bench.execute("ALTER TABLE taskx_jobs DROP COLUMN trace");
    has(&doctor(bench), "the schema lacks taskx_history_prune, taskx_jobs.trace, which");
    bench.execute("DROP TABLE taskx_workers");
    has(&doctor(bench), "taskx_jobs.trace, taskx_workers, which");
}
