//! The guide in `docs/`: its links lead somewhere, and its tables say what the code says. Its Rust
//! blocks are doc-tests of this package's library.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    time::Duration,
};

use figment::{
    Figment, Provider,
    providers::{Format, Serialized, Toml},
};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use taskx::{Backoff, Config};

/// The text of a file of the guide.
fn read(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/src").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of the guide, but the summary.
fn chapters() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".md") && name != "SUMMARY.md");
    names.sort_unstable();
    names
}

fn events(text: &str) -> impl Iterator<Item = Event<'_>> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

/// Where a file's links lead.
fn links(text: &str) -> Vec<String> {
    let target = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url),
        _ => None,
    };
    events(text).filter_map(target).map(|url| url.to_string()).collect()
}

/// The anchors of a file's headings, as mdBook makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut heading = None;
    for event in events(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let heading = heading.take().unwrap().to_lowercase();
                let kept = heading.chars().filter_map(|letter| match letter {
                    ' ' => Some('-'),
                    letter => (letter.is_alphanumeric() || "-_".contains(letter)).then_some(letter),
                });
                let anchor: String = kept.collect();
                assert!(anchors.insert(anchor.clone()), "two headings have the anchor `{anchor}`");
            }
            _ => {}
        }
    }
    anchors
}

/// The code blocks of a file: what stands behind the fence, and the code.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for event in events(text) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(words))) => {
                blocks.push((words.to_string(), String::new()));
                inside = true;
            }
            Event::Text(code) if inside => blocks.last_mut().unwrap().1.push_str(&code),
            Event::End(TagEnd::CodeBlock) => inside = false,
            _ => {}
        }
    }
    blocks
}

/// The rows of the first table behind `mark`, as they are written, without the head.
fn table(text: &str, mark: &str) -> Vec<Vec<String>> {
    let (_, behind) = text.split_once(mark).unwrap_or_else(|| panic!("`{mark}` is missing"));
    let rows = behind.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells =
        |row: &str| row.trim_matches('|').split('|').map(|one| one.trim().to_owned()).collect();
    rows.map(cells).collect()
}

#[test]
fn every_chapter_is_in_the_summary_and_among_the_doctests() {
    let listed: BTreeSet<_> = links(&read("SUMMARY.md")).into_iter().collect();
    let doctests = include_str!("../src/guide.rs");
    for chapter in chapters() {
        assert!(listed.contains(&chapter), "{chapter} is not in SUMMARY.md");
        let tested = doctests.contains(&format!("{chapter:?};"));
        assert!(tested, "{chapter} is not in tests/src/guide.rs");
    }
    for chapter in &listed {
        assert!(chapters().contains(chapter), "SUMMARY.md names {chapter}, which is not there");
    }
}

#[test]
fn links_lead_to_a_chapter_and_to_a_heading() {
    let anchors: BTreeMap<_, _> =
        chapters().into_iter().map(|chapter| (chapter.clone(), anchors(&read(&chapter)))).collect();
    let mut broken = Vec::new();
    for chapter in chapters() {
        for link in links(&read(&chapter)).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let file = if file.is_empty() { &chapter } else { file };
            let found =
                anchors.get(file).is_some_and(|all| anchor.is_empty() || all.contains(anchor));
            if !found {
                broken.push(format!("{chapter}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_block_says_its_language_and_no_rust_is_left_out() {
    for chapter in chapters() {
        for (words, code) in blocks(&read(&chapter)) {
            assert!(!words.is_empty(), "{chapter}: a block without a language:\n{code}");
            let ignored = words.starts_with("rust") && words.contains("ignore");
            assert!(!ignored, "{chapter}: a block that is not compiled:\n{code}");
            if words == "toml" {
                let read = Toml::string(&code).data();
                assert!(read.is_ok(), "{chapter}: {}:\n{code}", read.unwrap_err());
            }
        }
    }
}

#[test]
fn the_settings_are_those_of_the_code() {
    let text = read("configuration.md");
    let rows = table(&text, "<!-- settings:");
    let documented: BTreeMap<&str, &Vec<String>> =
        rows.iter().map(|row| (row[0].trim_matches('`'), row)).collect();
    let defaults = serde_json::to_value(Config::default()).unwrap();
    let defaults = defaults.as_object().unwrap();
    let keys: Vec<_> = defaults.keys().map(String::as_str).collect();
    assert_eq!(
        documented.keys().copied().collect::<BTreeSet<_>>(),
        keys.iter().copied().collect::<BTreeSet<_>>()
    );
    for (key, default) in defaults {
        let row = documented[key.as_str()];
        let variable = format!("`TASKX_{}`", key.to_uppercase());
        assert!(row[1].starts_with(&variable), "{key}: {}", row[1]);
        let in_words = match key.as_str() {
            "database_url" => "`sqlite://taskx.db`",
            "driver" => "what the URL says",
            "queues" => "every queue of the linked tasks",
            "debug" => "in debug builds",
            _ => {
                // As a value of `taskx.toml` it changes nothing.
                let quote = if default.is_string() { "'" } else { "" };
                let line = format!("{key} = {quote}{}{quote}", row[2].trim_matches('`'));
                let figment = Figment::from(Serialized::defaults(Config::default()));
                let config: Config = figment.merge(Toml::string(&line)).extract().unwrap();
                assert_eq!(&serde_json::to_value(config).unwrap()[key], default, "{key}");
                continue;
            }
        };
        assert_eq!(row[2], in_words, "{key}");
    }
}

#[test]
fn examples_of_taskx_toml_are_read() {
    let text = read("configuration.md");
    let files = blocks(&text).into_iter().filter(|(words, _)| words == "toml");
    let mut seen = 0;
    for (_, file) in files.filter(|(_, file)| file.starts_with("# taskx.toml")) {
        let figment = Figment::from(Serialized::defaults(Config::default()));
        let config: Config = figment.merge(Toml::string(&file)).extract().unwrap();
        config.check().unwrap();
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn the_delays_are_those_of_the_code() {
    let attempts = taskx_core::task::TaskOptions::DEFAULT.max_attempts;
    let mut passed = Duration::ZERO;
    let mut expected: Vec<_> = (1..u32::from(attempts))
        .map(|attempt| {
            let delay = Backoff::DEFAULT.delay(attempt);
            passed += delay;
            vec![attempt.to_string(), in_words(delay), in_words(passed)]
        })
        .collect();
    expected.push(vec![attempts.to_string(), "discarded".to_owned(), String::new()]);
    assert_eq!(table(&read("retries.md"), "<!-- backoff:"), expected);
}

/// `1 h 25 min 20 s`
fn in_words(span: Duration) -> String {
    let mut left = span.as_secs();
    let mut words = Vec::new();
    for (unit, name) in [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")] {
        if left >= unit {
            words.push(format!("{} {name}", left / unit));
        }
        left %= unit;
    }
    words.join(" ")
}

#[test]
fn the_options_are_those_that_the_macros_document() {
    let keys = |rows: Vec<Vec<String>>| -> BTreeSet<String> {
        let word = |cell: &String| {
            cell.trim_matches('`')
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap()
                .to_owned()
        };
        rows.iter().map(|row| word(&row[0])).collect()
    };
    assert_eq!(
        keys(table(&read("tasks.md"), "\n## Options\n")),
        keys(table(include_str!("../../taskx-macros/docs/task.md"), "\n# Options\n"))
    );
    let reference = include_str!("../../taskx-macros/docs/cron_task.md");
    let mut schedule = keys(table(reference, "\n# How\n"));
    schedule.extend(["timezone", "start_date", "dst"].map(str::to_owned));
    assert_eq!(keys(table(&read("schedules.md"), "\n## Options\n")), schedule);
}

#[test]
fn the_promises_are_numbered_without_a_gap() {
    let text = read("promises.md");
    let numbers: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("**I")?.split_once(' ')?.0.parse::<u32>().ok())
        .collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
}
