//! The triggers of `#[cron_task]`, `#[date_task]` and `#[interval_task]`, read by the parser that
//! reads them at run time too: what is wrong is told in its words.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{Expr, LitStr};
use taskx_schedule::{
    CronField, CronTrigger, DateTrigger, Dst, IntervalTrigger, Trigger, TriggerError,
    TriggerErrorKind, crontab_warning,
};

use crate::{
    attribute::Attribute,
    mistakes::Mistakes,
    parse::{Entry, as_integer, as_text, as_word, type_text},
    rows::{Asked, Reading, Row, row},
};

/// Reads what an attribute says of its trigger.
pub(crate) struct Reader {
    attribute: Attribute,
    reading: Reading<Fields>,
    is_wrong: bool,
    /// Whether an entry could not be read: it may have been the one that is missing.
    pub(crate) is_incomplete: bool,
}

/// The entries of a trigger, each checked for itself.
#[derive(Default)]
pub(crate) struct Fields {
    /// Cron fields or interval units with their values.
    values: Vec<(&'static str, String)>,
    timezone: Option<LitStr>,
    start: Option<LitStr>,
    end: Option<LitStr>,
    run_date: Option<LitStr>,
    dst: Dst,
    /// Where each key was written.
    places: Vec<(&'static str, TokenStream)>,
}

const CRON: &[Row<Fields>] = &[
    row("year", "year = \"2030-2035\"", read_field),
    row("month", "month = \"jun-aug\"", read_field),
    row("day", "day = \"3rd fri\"", read_field),
    row("week", "week = 1", read_field),
    row("day_of_week", "day_of_week = \"mon-fri\"", read_field),
    row("hour", "hour = \"9-17\"", read_field),
    row("minute", "minute = \"*/5\"", read_field),
    row("second", "second = 30", read_field),
    row("timezone", ZONE, read_zone),
    row("start_date", START, read_start),
    row("end_date", END, read_end),
    row("dst", "dst = \"wall_clock\"", |asked, fields, mistakes| {
        if let Some(text) = asked.text(mistakes) {
            match text.value().parse() {
                Ok(dst) => fields.dst = dst,
                Err(error) => tell(&text, &error, mistakes),
            }
        }
    }),
];

const DATE: &[Row<Fields>] = &[
    row("run_date", "run_date = \"2030-01-31 09:00:00\"", |asked, fields, mistakes| {
        fields.run_date = asked.text(mistakes);
    }),
    row("timezone", ZONE, read_zone),
];

const INTERVAL: &[Row<Fields>] = &[
    row("weeks", "weeks = 1", read_unit),
    row("days", "days = 1", read_unit),
    row("hours", "hours = 1", read_unit),
    row("minutes", "minutes = 10", read_unit),
    row("seconds", "seconds = 30", read_unit),
    row("timezone", ZONE, read_zone),
    row("start_date", START, read_start),
    row("end_date", END, read_end),
];

const ZONE: &str = "timezone = \"Europe/Paris\"";
const START: &str = "start_date = \"2030-01-31\"";
const END: &str = "end_date = \"2030-12-31 18:00:00\"";

const fn rows(attribute: Attribute) -> &'static [Row<Fields>] {
    match attribute {
        Attribute::Task => &[],
        Attribute::Cron => CRON,
        Attribute::Date => DATE,
        Attribute::Interval => INTERVAL,
    }
}

/// The keys of an attribute's trigger.
pub(crate) fn keys(attribute: Attribute) -> impl Iterator<Item = &'static str> + Clone {
    rows(attribute).iter().map(|row| row.name)
}

impl Reader {
    pub(crate) fn new(attribute: Attribute) -> Self {
        Self {
            attribute,
            reading: Reading::new(rows(attribute)),
            is_wrong: false,
            is_incomplete: false,
        }
    }

    /// Reads an entry, if it is one of the trigger's.
    pub(crate) fn read(&mut self, entry: &Entry, mistakes: &mut Mistakes) -> bool {
        let before = mistakes.count();
        let is_ours = self.reading.read(entry, mistakes);
        self.is_wrong |= mistakes.count() != before;
        is_ours
    }

    /// The trigger, if nothing is wrong with it, and its text to be read again in the App's zone,
    /// if it names none. `texts` are the texts without a key, `place` is that of the attribute.
    pub(crate) fn finish(
        self,
        place: Span,
        texts: &[LitStr],
        mistakes: &mut Mistakes,
    ) -> Option<(Trigger, Option<String>)> {
        let before = mistakes.count();
        let fields = self.reading.found;
        match self.attribute {
            Attribute::Task => {
                no_texts(self.attribute, texts, "to name the task write `name = ..`", mistakes)
            }
            Attribute::Cron => check_crontab(&fields, texts, mistakes),
            Attribute::Date => no_texts(self.attribute, texts, "write `run_date = ..`", mistakes),
            Attribute::Interval => {
                no_texts(self.attribute, texts, "write for example `minutes = 10`", mistakes);
            }
        }
        fields.check_dates(mistakes);
        // What is wrong is told already; what would follow from it is not told.
        if self.is_wrong || mistakes.count() != before {
            return None;
        }
        let trigger = match self.attribute {
            Attribute::Task => return None,
            Attribute::Cron => fields.cron(texts.first()).map(Trigger::Cron),
            Attribute::Date => fields.date().map(Trigger::Date),
            Attribute::Interval => fields.interval().map(Trigger::Interval),
        };
        let trigger = trigger.and_then(|trigger| trigger.check_fires().map(|()| trigger));
        match trigger {
            Ok(trigger) => {
                let kind = self.attribute.name().trim_end_matches("_task");
                let text = fields.timezone.is_none().then(|| fields.text(kind, texts.first()));
                Some((trigger, text))
            }
            Err(error) => {
                if !(self.is_incomplete && error.kind() == TriggerErrorKind::NoField) {
                    fields.tell(&error, place, texts, mistakes);
                }
                None
            }
        }
    }
}

fn no_texts(attribute: Attribute, texts: &[LitStr], hint: &str, mistakes: &mut Mistakes) {
    for text in texts {
        let hint = hint.replace("..", &text.token().to_string());
        mistakes.at(text, format!("{attribute} takes `key = value`; {hint}"));
    }
}

/// A mistake in the words of the parser.
fn tell(place: impl ToTokens, error: &TriggerError, mistakes: &mut Mistakes) {
    mistakes.at(place, error);
}

/// A field of a cron trigger: a whole number or a text.
fn read_field(asked: &Asked<'_>, fields: &mut Fields, mistakes: &mut Mistakes) {
    let Some(value) = asked.value(mistakes) else { return };
    let text = match (as_text(value), as_integer(value)) {
        (Some(text), _) => text.value(),
        (None, Some(number)) => number.to_string(),
        (None, None) => {
            let name = asked.name;
            mistakes.at(
                value,
                match unquoted(value) {
                    Some(text) => format!("put the value in quotes: write `{name} = \"{text}\"`"),
                    None => format!(
                        "`{name}` takes a whole number or a text: write for example `{}`",
                        asked.example
                    ),
                },
            );
            return;
        }
    };
    let checked = match asked.name.parse::<CronField>() {
        Ok(field) => CronTrigger::builder().field(field, &text).build().map(|_| ()),
        Err(error) => Err(error),
    };
    match checked {
        Ok(()) => fields.values.push((asked.name, text)),
        Err(error) => tell(value, &error, mistakes),
    }
    fields.places.push((asked.name, value.to_token_stream()));
}

/// What was meant by `hour = 0-3`, `hour = 0..3`, `day_of_week = mon`.
fn unquoted(value: &Expr) -> Option<String> {
    match value {
        Expr::Binary(_) => Some(type_text(value).replace(' ', "")),
        Expr::Range(range) => {
            let (start, end) = (range.start.as_deref()?, range.end.as_deref()?);
            let last = match range.limits {
                syn::RangeLimits::HalfOpen(_) => as_integer(end)? - 1,
                syn::RangeLimits::Closed(_) => as_integer(end)?,
            };
            Some(format!("{}-{last}", as_integer(start)?))
        }
        other => as_word(other).filter(|word| word != "None"),
    }
}

fn read_unit(asked: &Asked<'_>, fields: &mut Fields, mistakes: &mut Mistakes) {
    if let Some(number) = asked.integer(0..=u32::MAX.into(), "", mistakes) {
        fields.values.push((asked.name, number.to_string()));
    }
}

fn read_zone(asked: &Asked<'_>, fields: &mut Fields, mistakes: &mut Mistakes) {
    let Some(text) = asked.text(mistakes) else { return };
    match CronTrigger::builder().timezone(text.value()).build() {
        Ok(_) => fields.timezone = Some(text),
        Err(error) => tell(&text, &error, mistakes),
    }
}

fn read_start(asked: &Asked<'_>, fields: &mut Fields, mistakes: &mut Mistakes) {
    fields.start = asked.text(mistakes);
    let text = fields.start.iter();
    fields.places.extend(text.map(|text| ("start_date", text.to_token_stream())));
}

fn read_end(asked: &Asked<'_>, fields: &mut Fields, mistakes: &mut Mistakes) {
    fields.end = asked.text(mistakes);
    let text = fields.end.iter();
    fields.places.extend(text.map(|text| ("end_date", text.to_token_stream())));
}

fn check_crontab(fields: &Fields, texts: &[LitStr], mistakes: &mut Mistakes) {
    let Some(text) = texts.first() else { return };
    for second in texts.iter().skip(1) {
        mistakes
            .at(second, "one crontab text is enough; for two schedules write the attribute twice");
    }
    match CronTrigger::from_crontab(&text.value()) {
        Err(error) => tell(text, &error, mistakes),
        // Legal at run time; here somebody can still say what is meant.
        Ok(_) => {
            if let Some(doubt) = crontab_warning(&text.value()) {
                tell(text, &doubt, mistakes);
            }
        }
    }
    for (key, _) in &fields.values {
        let place = fields.places.iter().find(|(placed, _)| placed == key);
        mistakes.at(
            place.map(|(_, place)| place),
            format!("the crontab text says this already: leave out either the text or `{key}`"),
        );
    }
}

impl Fields {
    fn zone(&self) -> String {
        self.timezone.as_ref().map_or_else(|| "UTC".to_owned(), LitStr::value)
    }

    /// Checks the dates, each for itself.
    fn check_dates(&self, mistakes: &mut Mistakes) {
        let builder = || CronTrigger::builder().timezone(self.zone());
        if let Some(text) = &self.start
            && let Err(error) = builder().start_date(text.value()).build()
        {
            tell(text, &error, mistakes);
        }
        if let Some(text) = &self.end
            && let Err(error) = builder().end_date(text.value()).build()
        {
            tell(text, &error, mistakes);
        }
        if let Some(text) = &self.run_date
            && let Err(error) = DateTrigger::parse(&text.value(), &self.zone())
        {
            tell(text, &error, mistakes);
        }
    }

    fn cron(&self, crontab: Option<&LitStr>) -> Result<CronTrigger, TriggerError> {
        let mut builder = CronTrigger::builder().timezone(self.zone()).dst(self.dst);
        for (name, text) in &self.values {
            builder = builder.field(name.parse()?, text);
        }
        if let Some(text) = crontab {
            builder = builder.crontab(text.value());
        }
        if let Some(start) = &self.start {
            builder = builder.start_date(start.value());
        }
        if let Some(end) = &self.end {
            builder = builder.end_date(end.value());
        }
        builder.check_given()?;
        builder.build()
    }

    fn date(&self) -> Result<DateTrigger, TriggerError> {
        match &self.run_date {
            Some(text) => DateTrigger::parse(&text.value(), &self.zone()),
            None => format!("date(timezone = {:?})", self.zone()).parse(),
        }
    }

    fn interval(&self) -> Result<IntervalTrigger, TriggerError> {
        let mut builder = IntervalTrigger::builder().timezone(self.zone());
        for (unit, count) in &self.values {
            let count = count.parse().unwrap_or(0);
            builder = match *unit {
                "weeks" => builder.weeks(count),
                "days" => builder.days(count),
                "hours" => builder.hours(count),
                "minutes" => builder.minutes(count),
                _ => builder.seconds(count),
            };
        }
        if let Some(start) = &self.start {
            builder = builder.start_date(start.value());
        }
        if let Some(end) = &self.end {
            builder = builder.end_date(end.value());
        }
        builder.check_given()?;
        builder.build()
    }

    /// What was written, as the beginning of a trigger's text: a zone and a parenthesis complete it.
    fn text(&self, kind: &str, crontab: Option<&LitStr>) -> String {
        let dates =
            [("start_date", &self.start), ("end_date", &self.end), ("run_date", &self.run_date)];
        let dates = dates.into_iter().filter_map(|(key, date)| Some((key, date.as_ref()?.value())));
        let mut text = format!("{kind}(");
        if let Some(crontab) = crontab {
            text += &format!("{:?}, ", crontab.value());
        }
        for (key, value) in self.values.iter().cloned().chain(dates) {
            text += &format!("{key} = {value:?}, ");
        }
        if self.dst != Dst::default() {
            text += &format!("dst = \"{}\", ", self.dst);
        }
        text
    }

    /// Tells an error about the whole at the entry that it names, else at the text or attribute.
    fn tell(&self, error: &TriggerError, place: Span, texts: &[LitStr], mistakes: &mut Mistakes) {
        let entry = self.places.iter().find(|(key, _)| error.field() == Some(key));
        let text = match error.kind() {
            TriggerErrorKind::NeverFires => format!("this never fires: {}", error.problem()),
            _ => error.to_string(),
        };
        match (entry, texts.first()) {
            (Some((_, entry)), _) => mistakes.at(entry, text),
            (None, Some(crontab)) => mistakes.at(crontab, text),
            (None, None) => mistakes.spot(place, text),
        }
    }
}
