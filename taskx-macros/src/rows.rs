//! Tables of what an attribute takes, and how one value of it is read.

use std::{fmt, ops::RangeInclusive, time::Duration};

use syn::{Expr, LitStr};

use crate::{
    durations,
    mistakes::Mistakes,
    parse::{Entry, Given, as_integer, as_suffixed, as_text, as_word},
};

/// A row: one key that an attribute takes.
pub(crate) struct Row<T> {
    /// The key.
    pub(crate) name: &'static str,
    /// How it is written.
    pub(crate) example: &'static str,
    /// Whether it may be given more than once.
    pub(crate) repeats: bool,
    /// Reads what was given.
    pub(crate) read: Reader<T>,
}

pub(crate) type Reader<T> = fn(&Asked<'_>, &mut T, &mut Mistakes);

/// A row for a key that is given at most once.
pub(crate) const fn row<T>(name: &'static str, example: &'static str, read: Reader<T>) -> Row<T> {
    Row { name, example, repeats: false, read }
}

/// A table and what was read by it so far.
pub(crate) struct Reading<T: 'static> {
    rows: &'static [Row<T>],
    seen: Vec<&'static str>,
    /// What was read.
    pub(crate) found: T,
}

impl<T: Default> Reading<T> {
    pub(crate) fn new(rows: &'static [Row<T>]) -> Self {
        Self { rows, seen: Vec::new(), found: T::default() }
    }

    /// Reads an entry, if it has a row here.
    pub(crate) fn read(&mut self, entry: &Entry, mistakes: &mut Mistakes) -> bool {
        let name = entry.name();
        let Some(row) = self.rows.iter().find(|row| row.name == name) else { return false };
        if self.seen.contains(&row.name) && !row.repeats {
            mistakes.at(&entry.key, format!("`{name}` is given twice; keep one of them"));
        } else {
            self.seen.push(row.name);
            let asked = Asked { entry, name: row.name, example: row.example };
            (row.read)(&asked, &mut self.found, mistakes);
        }
        true
    }
}

/// An entry, and what is known of its key.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) name: &'static str,
    pub(crate) example: &'static str,
}

impl<'a> Asked<'a> {
    /// Refuses what was given: "`queue` takes a text in quotes: write `queue = "mail"`".
    pub(crate) fn refuse(&self, problem: impl fmt::Display, mistakes: &mut Mistakes) {
        let Self { name, example, .. } = self;
        mistakes
            .at(self.entry.place(), format!("`{name}` {problem}: write for example `{example}`"));
    }

    /// The value after `=`.
    pub(crate) fn value(&self, mistakes: &mut Mistakes) -> Option<&'a Expr> {
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

    /// A text in quotes.
    pub(crate) fn text(&self, mistakes: &mut Mistakes) -> Option<LitStr> {
        self.text_of(self.value(mistakes)?, mistakes)
    }

    pub(crate) fn text_of(&self, value: &Expr, mistakes: &mut Mistakes) -> Option<LitStr> {
        let text = as_text(value).cloned();
        if text.is_none() {
            let (name, example) = (self.name, self.example);
            let write = match as_word(value) {
                Some(word) => format!("write `{name} = \"{word}\"`"),
                None => format!("write for example `{example}`"),
            };
            mistakes.at(value, format!("`{name}` takes a text in quotes: {write}"));
        }
        text
    }

    /// A name that is stored in the database.
    pub(crate) fn stored_name(&self, mistakes: &mut Mistakes) -> Option<LitStr> {
        self.text(mistakes).filter(|text| check_name(text, mistakes))
    }

    /// A span of time with its unit.
    pub(crate) fn duration(&self, mistakes: &mut Mistakes) -> Option<Duration> {
        if let Given::Value(value) = &self.entry.given {
            let written =
                as_suffixed(value).or_else(|| as_integer(value).map(|number| format!("{number}s")));
            if let Some(written) = written {
                let name = self.name;
                mistakes.at(
                    value,
                    format!("`{name}` takes a duration with its unit, in quotes: write `{name} = \"{written}\"`"),
                );
                return None;
            }
        }
        let text = self.text(mistakes)?;
        let read = durations::duration(&text.value());
        read.map_err(|problem| mistakes.at(&text, self.about(&text, problem))).ok()
    }

    /// A span of time with its unit, or a whole number of seconds.
    pub(crate) fn seconds(&self, mistakes: &mut Mistakes) -> Option<Duration> {
        if let Given::Value(value) = &self.entry.given
            && let Some(number) = as_integer(value)
        {
            let seconds = u32::try_from(number).ok();
            if seconds.is_none() {
                self.refuse("takes a number of seconds up to 4294967295, or a text", mistakes);
            }
            return seconds.map(|seconds| Duration::from_secs(seconds.into()));
        }
        self.duration(mistakes)
    }

    /// A whole number within a range.
    pub(crate) fn integer(
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
        let (name, least, most) = (self.name, range.start(), range.end());
        mistakes.at(
            value,
            format!("{name} = {number} is out of range: it takes {least} to {most}{note}"),
        );
        None
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(
        &self,
        words: &[(&'static str, T)],
        mistakes: &mut Mistakes,
    ) -> Option<T> {
        let text = self.text(mistakes)?;
        let word = text.value();
        if let Some((_, choice)) = words.iter().find(|(name, _)| *name == word) {
            return Some(*choice);
        }
        let all: Vec<_> = words.iter().map(|(name, _)| format!("{name:?}")).collect();
        mistakes.at(&text, format!("`{}` takes {}, not {word:?}", self.name, all.join(" or ")));
        None
    }

    /// What is wrong with a text: `timeout = "30": the unit is missing`.
    pub(crate) fn about(&self, text: &LitStr, problem: impl fmt::Display) -> String {
        format!("{} = {:?}: {problem}", self.name, text.value())
    }
}

/// Names are stored in columns of at most 190 characters.
pub(crate) fn check_name(text: &LitStr, mistakes: &mut Mistakes) -> bool {
    match name_problem(&text.value()) {
        None => true,
        Some(problem) => {
            mistakes.at(text, problem);
            false
        }
    }
}

/// What is wrong with a name that is stored in the database.
pub(crate) fn name_problem(name: &str) -> Option<String> {
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
