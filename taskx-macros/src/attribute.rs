//! The attributes that make a task, and those that stand together on one function.

use std::fmt;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{Meta, Path, spanned::Spanned};

use crate::{mistakes::Mistakes, parse::Function};

/// The attributes that make a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    /// `#[task]`
    Task,
    /// `#[cron_task(..)]`
    Cron,
    /// `#[date_task(..)]`
    Date,
    /// `#[interval_task(..)]`
    Interval,
}

impl Attribute {
    pub(crate) const ALL: [Self; 4] = [Self::Task, Self::Cron, Self::Date, Self::Interval];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Cron => "cron_task",
            Self::Date => "date_task",
            Self::Interval => "interval_task",
        }
    }

    /// Whether it fires the task by itself.
    pub(crate) fn is_schedule(self) -> bool {
        self != Self::Task
    }

    /// The attribute of this path: `cron_task`, `taskx::cron_task`.
    fn of(path: &Path) -> Option<Self> {
        let last = path.segments.last()?;
        let found = Self::ALL.into_iter().find(|attribute| last.ident == attribute.name())?;
        // Other crates have a `task` too.
        let is_ours = found != Self::Task
            || path.segments.len() == 1
            || path.segments.first().is_some_and(|first| first.ident == "taskx");
        is_ours.then_some(found)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`#[{}]`", self.name())
    }
}

/// An attribute as written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) attribute: Attribute,
    /// What stands between its parentheses.
    pub(crate) inside: TokenStream,
    /// Where it stands.
    pub(crate) place: Span,
}

impl Written {
    /// The attribute that is being expanded.
    pub(crate) fn expanding(attribute: Attribute, inside: TokenStream) -> Self {
        Self { attribute, inside, place: Span::call_site() }
    }

    /// Takes the other attributes of ours off a function: all of them together make one task.
    pub(crate) fn with_others(self, function: &mut Function, mistakes: &mut Mistakes) -> Vec<Self> {
        let mut all = vec![self];
        function.attributes.retain(|attribute| {
            let Some(found) = Attribute::of(attribute.path()) else { return true };
            let inside = match &attribute.meta {
                Meta::List(list) => list.tokens.clone(),
                Meta::Path(_) => TokenStream::new(),
                Meta::NameValue(pair) => pair.value.to_token_stream(),
            };
            all.push(Self { attribute: found, inside, place: attribute.path().span() });
            false
        });
        Self::check_together(&all, mistakes);
        all
    }

    /// `#[task]` is for tasks without a schedule, and for each only once.
    fn check_together(all: &[Self], mistakes: &mut Mistakes) {
        let schedule = all.iter().find(|one| one.attribute.is_schedule());
        let plain = all.iter().filter(|one| !one.attribute.is_schedule());
        match schedule {
            Some(schedule) => {
                for one in plain {
                    let other = schedule.attribute;
                    mistakes.spot(
                        one.place,
                        format!("{other} makes a task already: write the options there, and leave out `#[task]`"),
                    );
                }
            }
            None => {
                for one in plain.skip(1) {
                    mistakes.spot(one.place, "`#[task]` is there already; keep one of them");
                }
            }
        }
    }
}
