//! What an attribute says of a schedule besides its trigger.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{Expr, LitStr};
use taskx_schedule::{Misfire, Trigger};

use crate::{
    attribute::Attribute,
    mistakes::Mistakes,
    parse::Given,
    rows::{Asked, Row, row},
    signature::Signature,
};

/// The keys of every schedule.
pub(crate) const SCHEDULE: &[Row<Settings>] = &[
    row("schedule", "schedule = \"nightly\"", |asked, settings, mistakes| {
        settings.name = asked.stored_name(mistakes);
    }),
    row("args", "args(\"ada@example.com\")", read_args),
    row("misfire", "misfire = \"latest\"", |asked, settings, mistakes| {
        if let Some(text) = asked.text(mistakes) {
            match text.value().parse() {
                Ok(misfire) => settings.misfire = misfire,
                Err(error) => mistakes.at(&text, error),
            }
        }
    }),
    row("misfire_grace", "misfire_grace = \"1h\"", |asked, settings, mistakes| {
        settings.misfire_grace = asked.seconds(mistakes);
    }),
    row("overlap", "overlap = \"allow\"", |asked, settings, mistakes| {
        let overlap = asked.choice(&[("skip", false), ("allow", true)], mistakes);
        settings.may_overlap = overlap.unwrap_or_default();
    }),
    row("jitter", "jitter = \"30s\"", |asked, settings, mistakes| {
        settings.jitter = asked.seconds(mistakes).unwrap_or_default();
    }),
];

/// What was given of them.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) name: Option<LitStr>,
    pub(crate) args: Option<Args>,
    /// Whether `args` was given so that it could not be read.
    has_wrong_args: bool,
    pub(crate) misfire: Misfire,
    pub(crate) misfire_grace: Option<Duration>,
    pub(crate) may_overlap: bool,
    pub(crate) jitter: Duration,
}

/// `args(..)`
pub(crate) struct Args {
    pub(crate) values: Vec<Expr>,
    place: TokenStream,
}

/// A schedule that an attribute declares.
pub(crate) struct Schedule {
    pub(crate) attribute: Attribute,
    pub(crate) settings: Settings,
    /// `None` if something is wrong with it, which is told already.
    pub(crate) trigger: Option<Trigger>,
    /// The beginning of its text, if it names no zone.
    pub(crate) zoneless: Option<String>,
    /// Where the attribute stands.
    pub(crate) place: Span,
}

fn read_args(asked: &Asked<'_>, settings: &mut Settings, mistakes: &mut Mistakes) {
    let values = match &asked.entry.given {
        Given::List(values) => values.clone(),
        Given::Nothing | Given::Value(_) => {
            mistakes.at(
                asked.entry.place(),
                "write the arguments in parentheses, in the order of the function: `args(\"ada@example.com\", 3)`",
            );
            settings.has_wrong_args = true;
            return;
        }
    };
    for value in &values {
        if matches!(value, Expr::Assign(_)) {
            mistakes.at(value, "write the arguments without names, in the order of the function");
        }
    }
    let place = asked.entry.key.to_token_stream();
    settings.args = Some(Args { values, place });
}

impl Schedule {
    /// How late a fire time may be found.
    pub(crate) fn misfire_grace(&self) -> Duration {
        const HOUR: Duration = Duration::from_secs(3_600);
        let default = if self.attribute == Attribute::Date { 24 * HOUR } else { HOUR };
        self.settings.misfire_grace.unwrap_or(default)
    }

    /// A schedule must say what its jobs are called with.
    pub(crate) fn check_args(&self, signature: &Signature, mistakes: &mut Mistakes) {
        let parameters: Vec<_> = signature.stored().collect();
        let names: Vec<_> = parameters.iter().map(|one| one.key()).collect();
        let Some(args) = &self.settings.args else {
            if self.settings.has_wrong_args {
                return;
            }
            let needed: Vec<_> = parameters.iter().filter(|one| !one.may_be_missing()).collect();
            if let Some(first) = needed.first() {
                mistakes.at(
                    &first.name,
                    format!(
                        "{} fires this task by itself, so it must say what `{}` is: add `args(..)` to the attribute",
                        self.attribute,
                        first.key()
                    ),
                );
            }
            return;
        };
        if let Some(extra) = args.values.get(parameters.len()) {
            let takes = match names.as_slice() {
                [] => "the function takes no stored argument: leave it out".to_owned(),
                names => format!("the function takes only `{}`", names.join("`, `")),
            };
            mistakes.at(extra, takes);
        }
        let missing = parameters.iter().skip(args.values.len()).find(|one| !one.may_be_missing());
        if let Some(missing) = missing {
            mistakes.at(
                &args.place,
                format!(
                    "a value for `{}` is missing; the function takes `{}`",
                    missing.key(),
                    names.join("`, `")
                ),
            );
        }
    }
}

/// Two schedules of a task need two names.
pub(crate) fn check_names(schedules: &[Schedule], mistakes: &mut Mistakes) {
    if schedules.len() < 2 {
        return;
    }
    let mut seen = Vec::new();
    for schedule in schedules {
        match &schedule.settings.name {
            Some(name) if seen.contains(&name.value()) => mistakes.at(
                name,
                format!(
                    "the schedule {:?} is there already; give this one another name",
                    name.value()
                ),
            ),
            Some(name) => seen.push(name.value()),
            None => mistakes.spot(
                schedule.place,
                "a task with several schedules needs a name for each: add `schedule = \"..\"`",
            ),
        }
    }
}
