//! The canonical text of a trigger, `kind(key = "value", ..)`, read into its parts.
//!
//! It looks like the attribute that declares the trigger. Values stand in double quotes or are
//! plain numbers; no value needs an escape.

use crate::error::{TriggerError, TriggerErrorKind};

/// `kind(..)` with its arguments in order.
#[derive(Debug)]
pub(crate) struct Call<'t> {
    pub(crate) kind: &'t str,
    pub(crate) arguments: Vec<Argument<'t>>,
    text: &'t str,
}

/// `key = value`, or a value alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Argument<'t> {
    pub(crate) key: Option<&'t str>,
    key_at: usize,
    pub(crate) value: &'t str,
    /// Where the value begins, behind its quote.
    value_at: usize,
}

impl<'t> Call<'t> {
    /// Does the text have this form at all?
    pub(crate) fn looks_like(text: &str) -> bool {
        text.contains(['(', '=', '"'])
    }

    /// Reads `kind(key = "value", ..)`; each key at most once.
    pub(crate) fn parse(text: &'t str) -> Result<Self, TriggerError> {
        let mut scanner = Scanner { text, at: 0 };
        scanner.blanks();
        let (kind, _) = scanner.word();
        scanner.blanks();
        if kind.is_empty() || !scanner.eat('(') {
            return Err(scanner.expected("a kind of trigger and `(`"));
        }
        let mut arguments: Vec<Argument<'t>> = Vec::new();
        loop {
            scanner.blanks();
            if scanner.eat(')') {
                break;
            }
            let argument = scanner.argument()?;
            if arguments.iter().any(|other| other.key == argument.key) {
                let problem = match argument.key {
                    Some(key) => format!("`{key}` is given twice"),
                    None => "two texts are given".to_owned(),
                };
                let at = argument.key.map_or(argument.value_at, |_| argument.key_at);
                let end = at + argument.key.unwrap_or(argument.value).len();
                let error = TriggerError::new(TriggerErrorKind::Conflict, problem);
                return Err(error.at(text, at..end));
            }
            arguments.push(argument);
            scanner.blanks();
            if !scanner.eat(',') && !scanner.rest().starts_with(')') {
                return Err(scanner.expected("`,` or `)`"));
            }
        }
        scanner.blanks();
        if scanner.rest().is_empty() {
            Ok(Self { kind, arguments, text })
        } else {
            Err(scanner.expected("nothing"))
        }
    }

    /// An error about the kind itself.
    pub(crate) fn unknown_kind(&self, expected: &str) -> TriggerError {
        let begin = self.text.len() - self.text.trim_start().len();
        let problem = format!("`{}` is not {expected}", self.kind);
        TriggerError::new(TriggerErrorKind::Syntax, problem)
            .at(self.text, begin..begin + self.kind.len())
    }

    /// An error about a key that this kind of trigger does not have.
    pub(crate) fn unknown_key(&self, argument: &Argument<'_>, meant: Option<&str>) -> TriggerError {
        let error = match argument.key {
            Some(key) => TriggerError::new(
                TriggerErrorKind::UnknownField,
                format!("`{}` takes no `{key}`", self.kind),
            )
            .at(self.text, argument.key_at..argument.key_at + key.len()),
            None => TriggerError::new(
                TriggerErrorKind::Syntax,
                format!("`{}` takes no text without a keyword", self.kind),
            )
            .at(self.text, argument.value_at..argument.value_at + argument.value.len()),
        };
        error.maybe_hinting(meant.map(|meant| format!("did you mean `{meant}`?")))
    }

    /// Places an error about one value into the whole text.
    pub(crate) fn place(&self, error: TriggerError) -> TriggerError {
        let of = error.field();
        let found = self.arguments.iter().find(|argument| {
            argument.key == of || (argument.key.is_none() && argument.value == error.input())
        });
        match found {
            Some(argument) if argument.value == error.input() => {
                error.within(self.text, argument.value_at)
            }
            _ => error.at(self.text, 0..self.text.len()),
        }
    }
}

/// Collects the text that [`Call::parse`] reads back.
#[derive(Debug)]
pub(crate) struct Writer {
    text: String,
    empty: bool,
}

impl Writer {
    pub(crate) fn new(kind: &str) -> Self {
        Self { text: format!("{kind}("), empty: true }
    }

    /// `key = "value"`.
    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.text.push('"');
        self.text.push_str(value);
        self.text.push('"');
    }

    /// `key = value`.
    pub(crate) fn number(&mut self, key: &str, value: i64) {
        self.key(key);
        self.text.push_str(&value.to_string());
    }

    fn key(&mut self, key: &str) {
        if !self.empty {
            self.text.push_str(", ");
        }
        self.empty = false;
        self.text.push_str(key);
        self.text.push_str(" = ");
    }

    pub(crate) fn finish(mut self) -> String {
        self.text.push(')');
        self.text
    }
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    fn argument(&mut self) -> Result<Argument<'t>, TriggerError> {
        let (word, key_at) = self.word();
        let key = if word.is_empty() {
            None
        } else {
            self.blanks();
            if !self.eat('=') {
                return Err(self.expected("`=`"));
            }
            self.blanks();
            Some(word)
        };
        if self.eat('"') {
            let value_at = self.at;
            let Some(length) = self.rest().find('"') else {
                return Err(self.expected("a closing `\"`"));
            };
            let value = self.rest().get(..length).unwrap_or("");
            self.at += length + 1;
            return Ok(Argument { key, key_at, value, value_at });
        }
        let value_at = self.at;
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || key.is_none() {
            return Err(self.expected("a value in double quotes"));
        }
        let value = self.rest().get(..digits).unwrap_or("");
        self.at += digits;
        Ok(Argument { key, key_at, value, value_at })
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn eat(&mut self, expected: char) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len_utf8();
        }
        found
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// A keyword, empty if there is none, and where it begins.
    fn word(&mut self) -> (&'t str, usize) {
        let begin = self.at;
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let length = if starts { rest.find(|c| !is_part(c)).unwrap_or(rest.len()) } else { 0 };
        self.at += length;
        (rest.get(..length).unwrap_or(""), begin)
    }

    fn expected(&self, what: &str) -> TriggerError {
        let length = self.rest().chars().next().map_or(0, char::len_utf8);
        let found = match self.rest().chars().next() {
            Some(found) => format!("expected {what}, found `{found}`"),
            None => format!("expected {what}, found the end"),
        };
        TriggerError::new(TriggerErrorKind::Syntax, found)
            .at(self.text, self.at..self.at + length)
            .hinting("the form is `cron(hour = \"9\", timezone = \"Europe/Paris\")`")
    }
}
