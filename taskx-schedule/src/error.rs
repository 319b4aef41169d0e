//! What is wrong with a trigger, told so that the reader can mend it at once.

use std::error::Error;
use std::fmt;
use std::ops::{Range, RangeInclusive};

/// A trigger that cannot be built, and how to mend it.
///
/// [`Display`](fmt::Display) gives one line with everything in it; the accessors give the parts,
/// so that a macro can point at the literal and a form can mark the field.
///
/// ```
/// use taskx_schedule::CronTrigger;
///
/// let error = CronTrigger::builder().hour("0-24").build().unwrap_err();
/// assert_eq!(error.field(), Some("hour"));
/// assert_eq!(error.item(), "0-24");
/// assert_eq!(error.allowed(), Some(0..=23));
/// assert_eq!(error.hint(), Some("write `0-23`, or `*` for every hour"));
/// assert_eq!(
///     error.to_string(),
///     "hour = \"0-24\": 24 is too high, `hour` takes 0..=23; write `0-23`, or `*` for every hour",
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TriggerError(Box<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    kind: TriggerErrorKind,
    field: Option<&'static str>,
    input: Option<String>,
    span: Range<usize>,
    problem: String,
    allowed: Option<(u32, u32)>,
    hint: Option<String>,
}

/// The sort of mistake that a [`TriggerError`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TriggerErrorKind {
    /// The text does not follow the grammar of its field.
    Syntax,
    /// A number lies outside its field's range.
    OutOfRange,
    /// A range runs backwards, such as `fri-mon`.
    ReversedRange,
    /// A step is 0, or so large that it selects nothing beyond the first value.
    Step,
    /// The name of a month or weekday is not known.
    UnknownName,
    /// A keyword is not one of the trigger's.
    UnknownField,
    /// A keyword is given twice, or two that exclude each other are both given.
    Conflict,
    /// No field is given at all.
    NoField,
    /// A crontab text has the wrong number of parts.
    PartCount,
    /// A date text cannot be read.
    Date,
    /// A time zone is not known.
    Zone,
    /// The trigger can be read but has no fire time.
    NeverFires,
    /// The trigger is legal and probably not what was meant.
    Doubtful,
}

impl TriggerError {
    pub(crate) fn new(kind: TriggerErrorKind, problem: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            field: None,
            input: None,
            span: 0..0,
            problem: problem.into(),
            allowed: None,
            hint: None,
        }))
    }

    /// Names the field or keyword at fault.
    pub(crate) fn of(mut self, field: &'static str) -> Self {
        self.0.field = Some(field);
        self
    }

    /// Says in which text the mistake is, and where.
    pub(crate) fn at(mut self, input: &str, span: Range<usize>) -> Self {
        self.0.input = Some(input.to_owned());
        self.0.span = span;
        self
    }

    pub(crate) fn allow(mut self, min: u32, max: u32) -> Self {
        self.0.allowed = Some((min, max));
        self
    }

    pub(crate) fn hinting(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn maybe_hinting(mut self, hint: Option<String>) -> Self {
        self.0.hint = hint;
        self
    }

    /// Moves the mistake into a longer text in which its own begins at byte `offset`.
    pub(crate) fn within(mut self, text: &str, offset: usize) -> Self {
        self.0.span = self.0.span.start + offset..self.0.span.end + offset;
        self.0.input = Some(text.to_owned());
        self
    }

    /// The sort of mistake.
    #[must_use]
    pub fn kind(&self) -> TriggerErrorKind {
        self.0.kind
    }

    /// The field or keyword at fault (`"hour"`, `"timezone"`, `"run_date"`), if it is known.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        self.0.field
    }

    /// The text that was read: a field's value, or the whole trigger where that was given as text.
    #[must_use]
    pub fn input(&self) -> &str {
        self.0.input.as_deref().unwrap_or("")
    }

    /// The bytes of [`input`](Self::input) at fault, on character borders; `0..0` if there is no
    /// single place.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.0.span.clone()
    }

    /// The part of [`input`](Self::input) at fault: for a cron field the item between two commas.
    #[must_use]
    pub fn item(&self) -> &str {
        self.input().get(self.span()).unwrap_or("")
    }

    /// What is wrong, without the place and the hint.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.0.problem
    }

    /// The numbers that the field takes, where a number is at fault.
    #[must_use]
    pub fn allowed(&self) -> Option<RangeInclusive<u32>> {
        self.0.allowed.map(|(min, max)| min..=max)
    }

    /// What to write instead, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for TriggerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.field, self.0.input.as_deref()) {
            (Some(field), Some(input)) => write!(f, "{field} = {input:?}: ")?,
            (Some(field), None) => write!(f, "{field}: ")?,
            (None, Some(input)) => write!(f, "{input:?}: ")?,
            (None, None) => {}
        }
        let item = self.item();
        if !item.is_empty() && item != self.input().trim() && !self.0.problem.contains(item) {
            write!(f, "in `{item}`, ")?;
        }
        f.write_str(&self.0.problem)?;
        match &self.0.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TriggerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TriggerError")
            .field("kind", &self.0.kind)
            .field("field", &self.0.field)
            .field("input", &self.0.input)
            .field("span", &self.0.span)
            .field("problem", &self.0.problem)
            .field("allowed", &self.allowed())
            .field("hint", &self.0.hint)
            .finish()
    }
}

impl Error for TriggerError {}
