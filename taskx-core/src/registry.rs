//! The tasks of an App, found at link time, and what is wrong with them, all at once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    declared,
    error::{Error, ErrorKind, Result},
    state::States,
    store::{Engine, TaskRow},
    task::{TaskDef, registered},
};

/// The tasks that a worker runs, by wire name and alias.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    by_name: HashMap<&'static str, &'static TaskDef>,
    names: Arc<[String]>,
}

/// Which tasks of its App a worker runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// Only these; empty means all.
    pub(crate) only: Vec<String>,
    /// All but these.
    pub(crate) except: Vec<String>,
}

impl Registry {
    /// What a worker runs: the tasks of the App of this name that the selection leaves.
    ///
    /// # Errors
    /// `Config`, all mistakes together: no task at all, names of tasks or schedules given twice,
    /// names in the selection that no task has, missing states, connections of another engine.
    pub(crate) fn for_worker(
        app: Option<&str>,
        selection: &Selection,
        states: &States,
        engine: Engine,
        zone: &str,
    ) -> Result<Self> {
        let linked = linked(app);
        let (chosen, mut wrong) = choose(app, &linked, selection);
        wrong.extend(chosen.iter().flat_map(|def| Self::needs_of(def, states, engine)));
        wrong.extend(declared::mistakes(&linked, zone));
        Self::checked(&chosen, &wrong)
    }

    /// Every task of the App of this name.
    ///
    /// # Errors
    /// `Config`: no task at all, names given twice.
    pub(crate) fn all(app: Option<&str>) -> Result<Self> {
        let (chosen, wrong) = choose(app, &linked(app), &Selection::default());
        Self::checked(&chosen, &wrong)
    }

    fn checked(chosen: &[&'static TaskDef], wrong: &[String]) -> Result<Self> {
        if !wrong.is_empty() {
            return Err(Error::new(ErrorKind::Config, wrong.join("\n")));
        }
        let by_name: HashMap<_, _> =
            chosen.iter().flat_map(|def| def.names().map(move |name| (name, *def))).collect();
        let names: BTreeSet<_> = by_name.keys().map(|name| (*name).to_owned()).collect();
        Ok(Self { by_name, names: names.into_iter().collect() })
    }

    pub(crate) fn find(&self, name: &str) -> Option<&'static TaskDef> {
        self.by_name.get(name).copied()
    }

    /// Wire names and aliases, sorted.
    pub(crate) fn names(&self) -> &Arc<[String]> {
        &self.names
    }

    /// Each task once, by wire name.
    pub(crate) fn tasks(&self) -> Vec<&'static TaskDef> {
        let by_name: BTreeMap<_, _> = self.by_name.values().map(|def| (def.name, *def)).collect();
        by_name.into_values().collect()
    }

    /// The queues of the tasks, sorted.
    pub(crate) fn queues(&self) -> BTreeSet<String> {
        self.by_name.values().map(|def| def.options.queue.to_owned()).collect()
    }

    /// What a task lacks, each in a sentence.
    pub(crate) fn needs_of(def: &TaskDef, states: &States, engine: Engine) -> Vec<String> {
        let mut wrong = Vec::new();
        for need in def.states.iter().map(|need| need()) {
            if !states.has(need) {
                wrong.push(format!(
                    "{}: task `{}` takes `&{}`, which was not given to the App: add `.state(..)` of that type",
                    def.place(), def.name, need.type_name
                ));
            }
        }
        if let Some(need) = def.run.connection()
            && need.engine != engine
        {
            wrong.push(format!(
                "{}: task `{}` takes `&mut {}`, but the App's database is {engine}: leave it out with `.except([\"{}\"])` or run it in an App on {}",
                def.place(), def.name, (need.type_name)(), def.name, need.engine
            ));
        }
        wrong
    }

    /// What the table of tasks shall say.
    pub(crate) fn rows(&self, owner: &str) -> Vec<TaskRow> {
        let row = |name: &str, def: &TaskDef| {
            let arguments: Vec<_> = def
                .arguments
                .iter()
                .map(|a| serde_json::json!({ "name": a.name, "type": a.type_name, "default": a.default }))
                .collect();
            TaskRow {
                name: name.to_owned(),
                owner: owner.to_owned(),
                arguments: serde_json::Value::from(arguments).to_string(),
                version: 1,
            }
        };
        self.names.iter().filter_map(|name| Some(row(name, self.find(name)?))).collect()
    }
}

/// The tasks of the App of this name. The order of linking means nothing; messages and lists shall
/// not depend on it.
fn linked(app: Option<&str>) -> Vec<&'static TaskDef> {
    let mut linked: Vec<_> = registered().filter(|def| def.app == app).collect();
    linked.sort_by_key(|def| (def.name, def.file, def.line));
    linked
}

/// The tasks that the selection leaves, and what is wrong with names.
fn choose(
    app: Option<&str>,
    linked: &[&'static TaskDef],
    selection: &Selection,
) -> (Vec<&'static TaskDef>, Vec<String>) {
    let mut wrong = duplicates(linked);
    wrong.extend(unknown_names(linked, selection));
    if linked.is_empty() {
        wrong.push(no_tasks(app));
    }
    let has = |list: &[String], def: &TaskDef| def.names().any(|n| list.iter().any(|l| l == n));
    let chosen = linked.iter().copied().filter(|def| {
        (selection.only.is_empty() || has(&selection.only, def)) && !has(&selection.except, def)
    });
    let chosen: Vec<_> = chosen.collect();
    if wrong.is_empty() && chosen.is_empty() {
        wrong.push("`.only(..)` and `.except(..)` leave no task to run".to_owned());
    }
    (chosen, wrong)
}

fn no_tasks(app: Option<&str>) -> String {
    let whose = app.map_or_else(String::new, |app| format!(" of the App `{app}`"));
    format!(
        "no task{whose} is linked into this program. Tasks of a library that the program never names are left out by the linker: write `use my_tasks as _;` in its main file"
    )
}

fn duplicates(linked: &[&'static TaskDef]) -> Vec<String> {
    let mut by_name: BTreeMap<&str, Vec<&TaskDef>> = BTreeMap::new();
    for def in linked {
        for name in def.names() {
            by_name.entry(name).or_default().push(def);
        }
    }
    by_name
        .into_iter()
        .filter(|(_, defs)| defs.len() > 1)
        .map(|(name, defs)| {
            let places: Vec<_> = defs.iter().map(|def| def.place()).collect();
            format!(
                "the task name `{name}` is used {} times: {}. Give all but one another name with `#[task(name = \"..\")]`",
                places.len(),
                places.join(", ")
            )
        })
        .collect()
}

fn unknown_names(linked: &[&'static TaskDef], selection: &Selection) -> Vec<String> {
    let known: BTreeSet<_> = linked.iter().flat_map(|def| def.names()).collect();
    selection
        .only
        .iter()
        .chain(&selection.except)
        .filter(|name| !known.contains(name.as_str()))
        .map(|name| {
            let all: Vec<_> = known.iter().copied().collect();
            format!("no task is named `{name}`; the tasks are {}", all.join(", "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        state::StateNeed,
        task::{Run, TaskOptions},
        verdict::Verdict,
    };

    const fn def(name: &'static str, line: u32) -> TaskDef {
        TaskDef {
            name,
            aliases: &[],
            app: None,
            options: TaskOptions::DEFAULT,
            doc: "",
            applier: "",
            package: "p",
            version: "0",
            file: "src/a.rs",
            line,
            arguments: &[],
            accepts: |_| Ok(()),
            states: &[StateNeed::of::<u32>],
            schedules: &[],
            run: Run::Blocking(|_| Verdict::Done(None)),
        }
    }

    static MAIL: TaskDef = def("mail", 3);
    static ALSO_MAIL: TaskDef = TaskDef { aliases: &["post"], ..def("mail", 9) };
    static POST: TaskDef = def("post", 12);

    fn check(linked: &[&'static TaskDef], only: &[&str]) -> Result<Registry> {
        let only = only.iter().map(|name| (*name).to_owned()).collect();
        let (chosen, wrong) = choose(None, linked, &Selection { only, except: Vec::new() });
        Registry::checked(&chosen, &wrong)
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        let text = check(&[&MAIL, &ALSO_MAIL, &POST], &["mial"]).unwrap_err().to_string();
        assert!(text.contains("`mail` is used 2 times: src/a.rs:3, src/a.rs:9"), "{text}");
        assert!(text.contains("`post` is used 2 times: src/a.rs:9, src/a.rs:12"), "{text}");
        assert!(text.contains("no task is named `mial`"), "{text}");
    }

    #[test]
    fn no_task_at_all_says_how_to_link_them() {
        let text = check(&[], &[]).unwrap_err().to_string();
        assert!(text.contains("use my_tasks as _;"), "{text}");
    }

    #[test]
    fn missing_states_are_listed() {
        let registry = check(&[&MAIL, &POST], &[]).unwrap();
        let needs = |states: &States| -> Vec<_> {
            let of = |def| Registry::needs_of(def, states, Engine::Memory);
            registry.tasks().into_iter().flat_map(of).collect()
        };
        let missing = needs(&States::default());
        assert_eq!(missing.len(), 2);
        assert!(missing[0].contains("src/a.rs:3: task `mail` takes `&u32`"), "{missing:?}");
        let mut states = States::default();
        states.insert(Arc::new(1_u32));
        assert!(needs(&states).is_empty());
    }
}
