//! The table of a task's options.

use std::time::Duration;

use proc_macro2::Ident;
use syn::{Expr, LitStr, Path, ext::IdentExt};

use crate::{
    durations::{Backoff, backoff},
    mistakes::Mistakes,
    parse::Given,
    rows::{Asked, Row, check_name, row},
};

/// Every option of a task.
pub(crate) const OPTIONS: &[Row<Options>] = &[
    row("name", "name = \"send-mail\"", |asked, options, mistakes| {
        options.name = asked.stored_name(mistakes);
    }),
    Row { repeats: true, ..row("alias", "alias = \"old-name\"", read_aliases) },
    row("app", "app = \"billing\"", |asked, options, mistakes| {
        options.app = asked.stored_name(mistakes);
    }),
    row("queue", "queue = \"mail\"", |asked, options, mistakes| {
        options.queue = asked.stored_name(mistakes);
    }),
    row("priority", "priority = -5", |asked, options, mistakes| {
        let range = i16::MIN.into()..=i16::MAX.into();
        let priority = asked.integer(range, " (lower runs first)", mistakes);
        options.priority = priority.and_then(|number| number.try_into().ok());
    }),
    row("max_attempts", "max_attempts = 5", |asked, options, mistakes| {
        let range = 1..=u16::MAX.into();
        let attempts = asked.integer(range, " (the first attempt counts too)", mistakes);
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
        Err(problem) => mistakes.at(&text, asked.about(&text, problem)),
    }
}

fn read_retention(asked: &Asked<'_>, options: &mut Options, mistakes: &mut Mistakes) {
    let is_none = matches!(&asked.entry.given, Given::Value(value)
        if crate::parse::as_text(value).is_some_and(|text| text.value() == "none"));
    options.retention =
        if is_none { Some(Retention::None) } else { asked.duration(mistakes).map(Retention::For) };
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

#[cfg(test)]
mod tests {
    use crate::{options::OPTIONS, schedule::SCHEDULE};

    /// What stands first in the rows of the tables below a heading.
    fn documented(text: &'static str, heading: &str) -> Vec<&'static str> {
        let (_, behind) = text.split_once(heading).unwrap();
        let rows = behind.lines().skip_while(|line| !line.starts_with('|')).skip(2);
        rows.take_while(|line| line.starts_with('|'))
            .filter_map(|row| row.strip_prefix("| `")?.split([' ', '(', '`']).next())
            .collect()
    }

    #[test]
    fn every_option_is_documented() {
        let table = documented(include_str!("../docs/task.md"), "\n# Options\n");
        assert_eq!(table, OPTIONS.iter().map(|row| row.name).collect::<Vec<_>>());
        let mut table = documented(include_str!("../docs/cron_task.md"), "\n# How\n");
        let mut names: Vec<_> = SCHEDULE.iter().map(|row| row.name).collect();
        table.sort_unstable();
        names.sort_unstable();
        assert_eq!(table, names);
    }
}
