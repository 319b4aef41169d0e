//! What a declaration means: the function, its signature and its options, judged together.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Expr, Meta, ext::IdentExt};

use crate::{
    attribute::Written,
    mistakes::Mistakes,
    options::{OPTIONS, Options},
    parse::{Function, entries},
    rows::{Reading, name_problem},
    schedule::{SCHEDULE, Schedule, check_names},
    signature::{Output, Signature},
    trigger::Reader,
    words::unknown_option,
};

/// A task, as declared.
pub(crate) struct Task {
    /// The function as the user gets it back.
    pub(crate) function: Function,
    /// What its signature says.
    pub(crate) signature: Signature,
    /// What its attribute says.
    pub(crate) options: Options,
    /// The schedules that fire it.
    pub(crate) schedules: Vec<Schedule>,
    /// The applier's name; `None` if there is no good one, which is told already.
    pub(crate) applier: Option<Ident>,
}

impl Task {
    /// Judges a declaration, each part for itself.
    pub(crate) fn read(written: Written, mut function: Function, mistakes: &mut Mistakes) -> Self {
        let mut options = Reading::new(OPTIONS);
        let mut schedules = Vec::new();
        for written in written.with_others(&mut function, mistakes) {
            schedules.extend(read_attribute(written, &mut options, mistakes));
        }
        let signature = Signature::read(&mut function, mistakes);
        for schedule in &schedules {
            schedule.check_args(&signature, mistakes);
        }
        check_names(&schedules, mistakes);
        let mut task =
            Self { function, signature, options: options.found, schedules, applier: None };
        task.check_own_names(mistakes);
        task.applier = task.find_applier(mistakes);
        task
    }

    /// The wire name.
    pub(crate) fn name(&self) -> String {
        match &self.options.name {
            Some(name) => name.value(),
            None => self.function.signature.ident.unraw().to_string(),
        }
    }

    /// No two names of a task may be the same, and the function's must do where it is one.
    fn check_own_names(&self, mistakes: &mut Mistakes) {
        let mut names = vec![self.name()];
        let function = &self.function.signature.ident;
        if self.options.name.is_none()
            && let Some(problem) = name_problem(&self.name())
        {
            mistakes.at(function, format!("{problem}; write a shorter `name = \"..\"`"));
        }
        for alias in &self.options.aliases {
            let text = alias.value();
            if names.contains(&text) {
                mistakes
                    .at(alias, format!("`{text}` is a name of this task already; leave it out"));
            }
            names.push(text);
        }
    }

    /// The function's `#[cfg(..)]` attributes, which go onto everything made for it.
    pub(crate) fn cfgs(&self) -> impl Iterator<Item = &Attribute> {
        self.function.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"))
    }

    /// The function's doc attributes.
    pub(crate) fn docs(&self) -> impl Iterator<Item = &Attribute> {
        self.function.attributes.iter().filter(|attribute| attribute.path().is_ident("doc"))
    }

    /// The lines of the doc comment.
    pub(crate) fn doc_lines(&self) -> Vec<&Expr> {
        self.docs()
            .filter_map(|attribute| match &attribute.meta {
                Meta::NameValue(line) => Some(&line.value),
                Meta::Path(_) | Meta::List(_) => None,
            })
            .collect()
    }

    fn find_applier(&self, mistakes: &mut Mistakes) -> Option<Ident> {
        let function = &self.function.signature.ident;
        if self.signature.is_method {
            return None;
        }
        if let Some(given) = &self.options.applier {
            return Some(given.clone());
        }
        let name = upper_camel(&function.unraw().to_string());
        let example =
            format!("write for example `applier = \"{}Task\"`", name.trim_end_matches("Self"));
        if syn::parse_str::<Ident>(&name).is_err() {
            mistakes.at(
                function,
                format!("the applier of `{function}` would be called {name:?}, which is no name; write `applier = \"..\"`"),
            );
            return None;
        }
        if PRELUDE.contains(&name.as_str()) {
            mistakes.at(
                function,
                format!("the applier of `{function}` would be called `{name}` and hide Rust's own; {example}"),
            );
            return None;
        }
        if let Some(place) = self.mention(&name) {
            mistakes.spot(
                place,
                format!(
                    "`{name}` is also what the applier of `{function}` would be called; {example}"
                ),
            );
            return None;
        }
        Some(Ident::new(&name, function.span()))
    }

    /// Where the signature mentions a type called `name` that is in scope.
    fn mention(&self, name: &str) -> Option<proc_macro2::Span> {
        let parameters = self.signature.parameters.iter().map(|one| one.written.to_token_stream());
        let output = match &self.signature.output {
            Output::Type(ty) => Some(ty.to_token_stream()),
            Output::Unit | Output::Wrong => None,
        };
        parameters.chain(output).find_map(|tokens| find_word(tokens, name))
    }
}

/// Reads one attribute; gives the schedule that it declares.
fn read_attribute(
    written: Written,
    options: &mut Reading<Options>,
    mistakes: &mut Mistakes,
) -> Option<Schedule> {
    let Written { attribute, inside, place } = written;
    let mut trigger = Reader::new(attribute);
    let mut settings = Reading::new(SCHEDULE);
    let before = mistakes.count();
    let found = entries(inside, mistakes);
    trigger.is_incomplete = mistakes.count() != before;
    for entry in &found.entries {
        let is_known = trigger.read(entry, mistakes)
            || (attribute.is_schedule() && settings.read(entry, mistakes))
            || options.read(entry, mistakes);
        if !is_known {
            mistakes.at(&entry.key, unknown_option(&entry.name(), attribute));
            trigger.is_incomplete = true;
        }
    }
    let (trigger, zoneless) = trigger.finish(place, &found.texts, mistakes).unzip();
    attribute.is_schedule().then(|| Schedule {
        attribute,
        settings: settings.found,
        trigger,
        zoneless: zoneless.flatten(),
        place,
    })
}

/// The first place of a word that no `::` stands before.
fn find_word(tokens: TokenStream, word: &str) -> Option<proc_macro2::Span> {
    let mut after_path = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if !after_path && ident == word => return Some(ident.span()),
            TokenTree::Group(group) => {
                if let Some(found) = find_word(group.stream(), word) {
                    return Some(found);
                }
                after_path = false;
            }
            TokenTree::Punct(punct) => after_path = punct.as_char() == ':',
            TokenTree::Ident(_) | TokenTree::Literal(_) => after_path = false,
        }
    }
    None
}

/// `email_task` to `EmailTask`.
fn upper_camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        camel.push_str(letters.as_str());
    }
    camel
}

/// Types and traits that are in scope everywhere and would be hidden by an applier of the name.
const PRELUDE: [&str; 34] = [
    "AsMut",
    "AsRef",
    "AsyncFn",
    "AsyncFnMut",
    "AsyncFnOnce",
    "Box",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "DoubleEndedIterator",
    "Drop",
    "Eq",
    "ExactSizeIterator",
    "Extend",
    "Fn",
    "FnMut",
    "FnOnce",
    "From",
    "FromIterator",
    "Future",
    "Into",
    "IntoFuture",
    "IntoIterator",
    "Iterator",
    "Option",
    "Ord",
    "Result",
    "Send",
    "Sized",
    "String",
    "Sync",
    "ToString",
    "Vec",
];

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;
    use crate::{attribute, parse::function};

    fn read(inside: TokenStream, item: TokenStream) -> (Task, Vec<String>) {
        let mut mistakes = Mistakes::default();
        let function = function(item, "`#[task]`").unwrap();
        let written = Written::expanding(attribute::Attribute::Task, inside);
        let task = Task::read(written, function, &mut mistakes);
        (task, mistakes.texts())
    }

    fn mistakes_of(inside: TokenStream) -> Vec<String> {
        read(
            inside,
            quote!(
                fn f() {}
            ),
        )
        .1
    }

    #[test]
    fn appliers_are_upper_camel() {
        for (name, camel) in [
            ("email_task", "EmailTask"),
            ("resize", "Resize"),
            ("_send_SMS__2", "SendSMS2"),
            ("émile", "Émile"),
        ] {
            assert_eq!(upper_camel(name), camel);
        }
    }

    #[test]
    fn an_applier_that_hides_another_name_is_refused() {
        let (task, mistakes) = read(
            quote!(),
            quote!(
                fn report(report: Report) {}
            ),
        );
        assert!(task.applier.is_none());
        assert_eq!(
            mistakes,
            [
                "`Report` is also what the applier of `report` would be called; write for example `applier = \"ReportTask\"`"
            ]
        );
        let (task, mistakes) = read(
            quote!(),
            quote!(
                fn report(report: forms::Report) {}
            ),
        );
        assert_eq!((task.applier.unwrap().to_string(), mistakes), ("Report".to_owned(), vec![]));
        for item in [
            quote!(
                fn result() {}
            ),
            quote!(
                fn self_() {}
            ),
            quote!(
                fn _2fa() {}
            ),
        ] {
            let (task, mistakes) = read(quote!(), item);
            assert!(task.applier.is_none() && mistakes.len() == 1, "{mistakes:?}");
        }
        let (task, mistakes) = read(
            quote!(applier = "R"),
            quote!(
                fn result() -> Result {}
            ),
        );
        assert_eq!((task.applier.unwrap().to_string(), mistakes), ("R".to_owned(), vec![]));
    }

    #[test]
    fn raw_identifiers_lose_their_mark() {
        let (task, mistakes) = read(
            quote!(),
            quote!(
                fn r#move(r#type: String) {}
            ),
        );
        assert_eq!(mistakes, Vec::<String>::new());
        assert_eq!(task.name(), "move");
        assert_eq!(task.applier.as_ref().unwrap(), "Move");
        assert_eq!(task.signature.stored().next().unwrap().key(), "type");
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let (_, mistakes) = read(
            quote!(
                queu = "mail",
                timeout = "30 parsecs",
                max_attempts = 0,
                queue = "a",
                queue = "b"
            ),
            quote!(
                const fn f<T>(self, ctx: Ctx, (a, b): (u8, u8), files: &[u8], t: T) {}
            ),
        );
        let parts = [
            "did you mean `queue`?",
            "timeout = \"30 parsecs\"",
            "max_attempts = 0 is out of range: it takes 1 to 65535",
            "`queue` is given twice",
            "leave out `const`",
            "cannot be generic",
            "leave out `self`",
            "write `ctx: &Ctx`",
            "needs a plain name",
            "write `files: Vec<u8>`",
        ];
        assert_eq!(mistakes.len(), parts.len(), "{mistakes:#?}");
        for (mistake, part) in mistakes.iter().zip(parts) {
            assert!(mistake.contains(part), "{part}: {mistake}");
        }
    }

    #[test]
    fn every_option_refuses_what_it_does_not_take() {
        for (inside, part) in [
            (quote!(name = ""), "must not be empty"),
            (quote!(name = mail), "write `name = \"mail\"`"),
            (quote!(name), "`name` needs a value"),
            (quote!(name("a")), "`name` takes one value"),
            (quote!(queue = 7), "in quotes"),
            (quote!(queue = "a\0b"), "NUL"),
            (quote!(alias = "f"), "is a name of this task already"),
            (quote!(alias = ["a", "a"]), "is a name of this task already"),
            (quote!(alias()), "needs a value"),
            (quote!(priority = 40000), "-32768 to 32767"),
            (quote!(priority = "high"), "whole number"),
            (quote!(max_attempts = 70000), "1 to 65535"),
            (quote!(max_attempts = -1), "1 to 65535"),
            (quote!(timeout = 30), "write `timeout = \"30s\"`"),
            (quote!(timeout = "30"), "the unit is missing"),
            (quote!(backoff = 5), "in quotes"),
            (quote!(backoff = "1h..2s"), "write \"2s..1h\""),
            (quote!(settle = "always"), "`settle` takes \"batch\" or \"each\""),
            (quote!(retention = "forever"), "not a duration"),
            (quote!(applier = "two words"), "cannot name a struct"),
            (quote!(applier = "struct"), "cannot name a struct"),
            (quote!(crate = "a b"), "no path to the crate"),
            (quote!(unique), "`unique` is not supported yet"),
            (quote!(max_retries = 3), "3 retries are `max_attempts = 4`"),
            (quote!(Timeout = "3s"), "did you mean `timeout`?"),
            (quote!(colour = "red"), "`#[task]` takes `name`, `alias`"),
            (quote!("mail"), "write `name = \"mail\"`"),
        ] {
            let mistakes = mistakes_of(inside.clone());
            assert!(mistakes.len() == 1 && mistakes[0].contains(part), "{inside}: {mistakes:#?}");
        }
        let long = "x".repeat(191);
        assert_eq!(mistakes_of(quote!(name = #long)).len(), 1);
        assert_eq!(mistakes_of(quote!(alias = "a", alias("b", "c"), alias = ["d"])), [""; 0]);
    }

    #[test]
    fn arguments_may_have_defaults() {
        let (task, mistakes) = read(
            quote!(),
            quote!(
                fn f(#[arg(default)] a: u8, #[arg(default = "x")] b: &str, c: u8) {}
            ),
        );
        assert_eq!(mistakes, Vec::<String>::new());
        let defaults: Vec<_> = task.signature.stored().map(|one| one.default.is_some()).collect();
        assert_eq!(defaults, [true, true, false]);
        assert!(!task.function.to_token_stream().to_string().contains("arg"));
        for (item, part) in [
            (
                quote!(
                    fn f(#[arg] a: u8) {}
                ),
                "write `#[arg(default)]`",
            ),
            (
                quote!(
                    fn f(#[arg(optional)] a: u8) {}
                ),
                "unknown setting `optional`",
            ),
            (
                quote!(
                    fn f(#[arg(default)] a: &Mailer) {}
                ),
                "`a` is lent by the worker",
            ),
            (
                quote!(
                    fn f(#[cfg(x)] a: u8) {}
                ),
                "cannot depend on a feature",
            ),
        ] {
            let (_, mistakes) = read(quote!(), item);
            assert!(mistakes.len() == 1 && mistakes[0].contains(part), "{mistakes:#?}");
        }
    }

    #[test]
    fn what_cannot_be_returned_is_told() {
        for (item, part) in [
            (
                quote!(
                    fn f() -> impl Future<Output = ()> {}
                ),
                "write `async fn`",
            ),
            (
                quote!(
                    fn f() -> BoxFuture<'static, ()> {}
                ),
                "write `async fn`",
            ),
            (
                quote!(
                    fn f() -> impl Display {}
                ),
                "must be named",
            ),
            (
                quote!(
                    fn f(a: &str) -> Result<&str, E> {}
                ),
                "must own its data",
            ),
        ] {
            let (_, mistakes) = read(quote!(), item);
            assert!(mistakes.len() == 1 && mistakes[0].contains(part), "{mistakes:#?}");
        }
        let (_, mistakes) = read(
            quote!(),
            quote!(
                fn f() -> Result<(), &'static str> {}
            ),
        );
        assert_eq!(mistakes, Vec::<String>::new());
    }
}
