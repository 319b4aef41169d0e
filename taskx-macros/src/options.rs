//! The table of a task's options, and how each is read.

use std::{fmt, ops::RangeInclusive, time::Duration};

use proc_macro2::Ident;
use syn::{Expr, LitStr, Path, ext::IdentExt};

use crate::{
    durations::{Backoff, backoff, duration},
    mistakes::Mistakes,
    parse::{Entry, Given, as_integer, as_text, as_word},
    words,
};

/// The attributes that make a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    /// `#[task]`
    Task,
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Task => "`#[task]`",
        })
    }
}

/// A row of [`OPTIONS`].
pub(crate) struct OptionRow {
    /// The key.
    pub(crate) name: &'static str,
    /// How it is written.
    example: &'static str,
    /// Whether it may be given more than once.
    repeats: bool,
    read: Reader,
}

type Reader = fn(&Asked<'_>, &mut Options, &mut Mistakes);

/// An entry, and the row that it is read by.
struct Asked<'a> {
    entry: &'a Entry,
    row: &'static OptionRow,
}

/// Every option of a task.
pub(crate) const OPTIONS: &[OptionRow] = &[
    row("name", "name = \"send-mail\"", |asked, options, mistakes| {
        options.name = asked.name(mistakes);
    }),
    OptionRow { repeats: true, ..row("alias", "alias = \"old-name\"", read_aliases) },
    row("app", "app = \"billing\"", |asked, options, mistakes| {
        options.app = asked.name(mistakes);
    }),
    row("queue", "queue = \"mail\"", |asked, options, mistakes| {
        options.queue = asked.name(mistakes);
    }),
    row("priority", "priority = -5", |asked, options, mistakes| {
        let range = i16::MIN.into()..=i16::MAX.into();
        let priority = asked.integer(range, "lower runs first", mistakes);
        options.priority = priority.and_then(|number| number.try_into().ok());
    }),
    row("max_attempts", "max_attempts = 5", |asked, options, mistakes| {
        let range = 1..=u16::MAX.into();
        let attempts = asked.integer(range, "the first attempt counts too", mistakes);
        options.max_attempts = attempts.and_then(|number| number.try_into().ok());
    }),
    row("backoff", "backoff = \"2s..1h\"", read_backoff),
    row("timeout", "timeout = \"30s\"", |asked, options, mistakes| {
        options.timeout = asked.duration(mistakes);
    }),
    row("settle", "settle = \"each\"", |asked, options, mistakes| {
        options.settle =
            asked.choice(&[("batch", Settle::Batch), ("each", Settle::Each)], mistakes);
    }),
    row("retention", "retention = \"7d\"", read_retention),
    row("applier", "applier = \"ReportTask\"", read_applier),
    row("crate", "crate = \"my_crate::taskx\"", read_crate),
];

const fn row(name: &'static str, example: &'static str, read: Reader) -> OptionRow {
    OptionRow { name, example, repeats: false, read }
}

/// The options that were given, each checked.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) app: Option<LitStr>,
    pub(crate) queue: Option<LitStr>,
    pub(crate) priority: Option<i16>,
    pub(crate) max_attempts: Option<u16>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) settle: Option<Settle>,
    pub(crate) retention: Option<Retention>,
    pub(crate) applier: Option<Ident>,
    pub(crate) taskx: Option<Path>,
}

/// How outcomes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settle {
    Batch,
    Each,
}

/// How long finished jobs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retention {
    None,
    For(Duration),
}

impl Options {
    /// Reads the entries of an attribute.
    pub(crate) fn read(entries: &[Entry], attribute: Attribute, mistakes: &mut Mistakes) -> Self {
        let mut options = Self::default();
        let mut seen = Vec::new();
        for entry in entries {
            let name = entry.name();
            let Some(row) = OPTIONS.iter().find(|row| row.name == name) else {
                mistakes.at(&entry.key, words::unknown_option(&name, attribute));
                continue;
            };
            if seen.contains(&row.name) && !row.repeats {
                mistakes.at(&entry.key, format!("`{name}` is given twice; keep one of them"));
                continue;
            }
            seen.push(row.name);
            (row.read)(&Asked { entry, row }, &mut options, mistakes);
        }
        options.check_names(mistakes);
        options
    }

    /// No two names of a task may be the same.
    fn check_names(&self, mistakes: &mut Mistakes) {
        let mut names: Vec<_> = self.name.iter().map(LitStr::value).collect();
        for alias in &self.aliases {
            let text = alias.value();
            if names.contains(&text) {
                mistakes
                    .at(alias, format!("`{text}` is a name of this task already; leave it out"));
            }
            names.push(text);
        }
    }
}

fn read_aliases(asked: &Asked<'_>, options: &mut Options, mistakes: &mut Mistakes) {
    let several = match &asked.entry.given {
        Given::List(list) if !list.is_empty() => list.iter().collect(),
        Given::Value(value) => match &**value {
            Expr::Array(array) if !array.elems.is_empty() => array.elems.iter().collect(),
            one => vec![one],
        },
        Given::List(_) | Given::Nothing => return asked.refuse("needs a value", mistakes),
    };
    for one in several {
        if let Some(alias) = asked.text_of(one, mistakes).filter(|text| check_name(text, mistakes))
        {
            options.aliases.push(alias);
        }
    }
}

fn read_backoff(asked: &Asked<'_>, options: &mut Options, mistakes: &mut Mistakes) {
    if let Given::Value(value) = &asked.entry.given
        && let Expr::Path(path) = &**value
    {
        options.backoff = Some(Backoff::Custom(path.clone()));
        return;
    }
    let Some(text) = asked.text(mistakes) else { return };
    match backoff(&text.value()) {
        Ok(backoff) => options.backoff = Some(backoff),
        Err(problem) => mistakes.at(&text, format!("backoff = {:?}: {problem}", text.value())),
    }
}

fn read_retention(asked: &Asked<'_>, options: &mut Options, mistakes: &mut Mistakes) {
    let Some(text) = asked.text(mistakes) else { return };
    options.retention = match text.value().as_str() {
        "none" => Some(Retention::None),
        _ => asked.duration(mistakes).map(Retention::For),
    };
}

fn read_applier(asked: &Asked<'_>, options: &mut Options, mistakes: &mut Mistakes) {
    let Some(text) = asked.text(mistakes) else { return };
    match text.parse_with(Ident::parse_any) {
        Ok(ident) if syn::parse_str::<Ident>(&text.value()).is_ok() => {
            options.applier = Some(Ident::new(&ident.to_string(), text.span()));
        }
        _ => mistakes.at(
            &text,
            format!(
                "{:?} cannot name a struct; write for example `applier = \"ReportTask\"`",
                text.value()
            ),
        ),
    }
}

fn read_crate(asked: &Asked<'_>, options: &mut Options, mistakes: &mut Mistakes) {
    let Some(text) = asked.text(mistakes) else { return };
    match text.parse_with(Path::parse_mod_style) {
        Ok(path) => options.taskx = Some(path),
        Err(_) => mistakes.at(
            &text,
            format!(
                "{:?} is no path to the crate; write for example `crate = \"my_crate::taskx\"`",
                text.value()
            ),
        ),
    }
}

impl Asked<'_> {
    /// Refuses what was given: "`queue` takes a text in quotes: write `queue = "mail"`".
    fn refuse(&self, problem: impl fmt::Display, mistakes: &mut Mistakes) {
        let OptionRow { name, example, .. } = self.row;
        mistakes
            .at(self.entry.place(), format!("`{name}` {problem}: write for example `{example}`"));
    }

    fn value(&self, mistakes: &mut Mistakes) -> Option<&Expr> {
        match &self.entry.given {
            Given::Value(value) => Some(value),
            Given::Nothing => {
                self.refuse("needs a value", mistakes);
                None
            }
            Given::List(_) => {
                self.refuse("takes one value after `=`", mistakes);
                None
            }
        }
    }

    fn text(&self, mistakes: &mut Mistakes) -> Option<LitStr> {
        self.text_of(self.value(mistakes)?, mistakes)
    }

    fn text_of(&self, value: &Expr, mistakes: &mut Mistakes) -> Option<LitStr> {
        let text = as_text(value).cloned();
        if text.is_none() {
            let name = self.row.name;
            match as_word(value) {
                Some(word) => mistakes.at(
                    value,
                    format!("`{name}` takes a text in quotes: write `{name} = \"{word}\"`"),
                ),
                None => mistakes.at(
                    value,
                    format!(
                        "`{name}` takes a text in quotes: write for example `{}`",
                        self.row.example
                    ),
                ),
            }
        }
        text
    }

    /// A name that is stored in the database.
    fn name(&self, mistakes: &mut Mistakes) -> Option<LitStr> {
        self.text(mistakes).filter(|text| check_name(text, mistakes))
    }

    fn duration(&self, mistakes: &mut Mistakes) -> Option<Duration> {
        if let Given::Value(value) = &self.entry.given
            && let Some(number) = as_integer(value)
        {
            let name = self.row.name;
            mistakes.at(
                value,
                format!("`{name}` takes a duration with its unit, in quotes: write `{name} = \"{number}s\"`"),
            );
            return None;
        }
        let text = self.text(mistakes)?;
        duration(&text.value())
            .map_err(|problem| {
                mistakes.at(&text, format!("{} = {:?}: {problem}", self.row.name, text.value()));
            })
            .ok()
    }

    fn integer(
        &self,
        range: RangeInclusive<i128>,
        note: &str,
        mistakes: &mut Mistakes,
    ) -> Option<i128> {
        let value = self.value(mistakes)?;
        let Some(number) = as_integer(value) else {
            self.refuse("takes a whole number without quotes", mistakes);
            return None;
        };
        if range.contains(&number) {
            return Some(number);
        }
        let (name, least, most) = (self.row.name, range.start(), range.end());
        mistakes.at(
            value,
            format!("{name} = {number} is out of range: it takes {least} to {most} ({note})"),
        );
        None
    }

    fn choice<T: Copy>(&self, words: &[(&'static str, T)], mistakes: &mut Mistakes) -> Option<T> {
        let text = self.text(mistakes)?;
        let word = text.value();
        if let Some((_, choice)) = words.iter().find(|(name, _)| *name == word) {
            return Some(*choice);
        }
        let all: Vec<_> = words.iter().map(|(name, _)| format!("{name:?}")).collect();
        mistakes.at(&text, format!("`{}` takes {}, not {word:?}", self.row.name, all.join(" or ")));
        None
    }
}

/// Names are stored in columns of at most 190 characters.
fn check_name(text: &LitStr, mistakes: &mut Mistakes) -> bool {
    match name_problem(&text.value()) {
        None => true,
        Some(problem) => {
            mistakes.at(text, problem);
            false
        }
    }
}

/// The function's name is the task's where none is given.
pub(crate) fn check_name_of(function: &Ident, mistakes: &mut Mistakes) {
    if let Some(problem) = name_problem(&function.unraw().to_string()) {
        mistakes.at(function, format!("{problem}; write a shorter `name = \"..\"`"));
    }
}

fn name_problem(name: &str) -> Option<String> {
    const LIMIT: usize = 190;
    let length = name.chars().count();
    if length == 0 {
        Some("a name must not be empty".to_owned())
    } else if length > LIMIT {
        Some(format!("a name has at most {LIMIT} characters; this one has {length}"))
    } else if name.contains('\0') {
        Some("a name must not contain a NUL character".to_owned())
    } else {
        None
    }
}
