//! The task's definition: a constant, so that nothing is computed when the program starts.

use std::time::Duration;

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use syn::{LitStr, spanned::Spanned};

use super::Expansion;
use crate::{
    durations::Backoff,
    model::Task,
    options::{Retention, Settle},
    parse::as_text,
};

impl Expansion<'_> {
    /// The `TaskDef`.
    pub(super) fn def(&self) -> TokenStream {
        let Self { task, applier, private, .. } = self;
        let name = task.name();
        let aliases = &task.options.aliases;
        let app = option(task.options.app.as_ref());
        let options = self.options();
        let doc = doc_text(task);
        let applier = applier.to_string();
        let line = u32::try_from(task.function.signature.ident.span().start().line).unwrap_or(0);
        let arguments = task.signature.stored().map(|parameter| {
            let (key, ty) = (parameter.key(), parameter.type_text());
            let default = parameter.may_be_missing();
            quote!(#private::ArgumentDef { name: #key, type_name: #ty, default: #default })
        });
        let states = self
            .states()
            .into_iter()
            .map(|ty| quote_spanned!(ty.span()=> #private::StateNeed::of::<#ty>));
        let run = self.run();
        let schedules = self.schedules();
        quote! {
            #private::TaskDef {
                name: #name,
                aliases: &[#(#aliases),*],
                app: #app,
                options: #options,
                doc: #doc,
                applier: #applier,
                package: match ::core::option_env!("CARGO_PKG_NAME") {
                    ::core::option::Option::Some(name) => name,
                    ::core::option::Option::None => "",
                },
                version: match ::core::option_env!("CARGO_PKG_VERSION") {
                    ::core::option::Option::Some(version) => version,
                    ::core::option::Option::None => "",
                },
                file: ::core::file!(),
                line: #line,
                arguments: &[#(#arguments),*],
                accepts: #private::accepts::<Self>,
                states: &[#(#states),*],
                schedules: &[#(#schedules),*],
                run: #run,
            }
        }
    }

    /// `TaskOptions::DEFAULT` and what differs from it.
    fn options(&self) -> TokenStream {
        let Self { task, private, .. } = self;
        let options = &task.options;
        let mut tokens = quote!(#private::TaskOptions::DEFAULT);
        if let Some(queue) = &options.queue {
            tokens.extend(quote!(.queue(#queue)));
        }
        if let Some(priority) = options.priority {
            tokens.extend(quote!(.priority(#priority)));
        }
        if let Some(attempts) = options.max_attempts {
            tokens.extend(quote!(.max_attempts(#attempts)));
        }
        if let Some(backoff) = &options.backoff {
            let backoff = self.backoff(backoff);
            tokens.extend(quote!(.backoff(#backoff)));
        }
        if let Some(timeout) = options.timeout {
            let timeout = duration(timeout);
            tokens.extend(quote!(.timeout(#timeout)));
        }
        if let Some(settle) = options.settle {
            let mode = match settle {
                Settle::Batch => quote!(Batch),
                Settle::Each => quote!(Each),
            };
            tokens.extend(quote!(.settle(#private::SettleMode::#mode)));
        }
        if let Some(retention) = options.retention {
            let retention = match retention {
                Retention::None => quote!(None),
                Retention::For(time) => {
                    let time = duration(time);
                    quote!(For(#time))
                }
            };
            tokens.extend(quote!(.retention(#private::Retention::#retention)));
        }
        tokens
    }

    fn backoff(&self, backoff: &Backoff) -> TokenStream {
        let private = &self.private;
        match backoff {
            Backoff::Exponential { base, cap } => {
                let (base, cap) = (duration(*base), duration(*cap));
                quote!(#private::Backoff::Exponential { base: #base, cap: #cap })
            }
            Backoff::Linear { base, cap } => {
                let (base, cap) = (duration(*base), duration(*cap));
                quote!(#private::Backoff::Linear { base: #base, cap: #cap })
            }
            Backoff::Fixed(delay) => {
                let delay = duration(*delay);
                quote!(#private::Backoff::Fixed(#delay))
            }
            Backoff::Custom(path) => {
                quote_spanned!(path.span()=> #private::Backoff::Custom(#path))
            }
        }
    }
}

/// The doc comment as one text, each line without the blank that follows the slashes.
fn doc_text(task: &Task) -> TokenStream {
    let lines: Vec<_> = task
        .doc_lines()
        .into_iter()
        .map(|line| match as_text(line) {
            Some(text) => {
                let text = text.value();
                let text = text.strip_prefix(' ').unwrap_or(&text);
                quote!(#text)
            }
            // `#[doc = include_str!("..")]`
            None => quote!(#line),
        })
        .collect();
    match lines.as_slice() {
        [] => quote!(""),
        [one] => quote!(#one),
        [first, others @ ..] => quote!(::core::concat!(#first #(, "\n", #others)*)),
    }
}

fn option(text: Option<&LitStr>) -> TokenStream {
    match text {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}

/// A `Duration` that the compiler computes.
pub(super) fn duration(duration: Duration) -> TokenStream {
    let seconds = Literal::u64_suffixed(duration.as_secs());
    let nanos = Literal::u32_suffixed(duration.subsec_nanos());
    quote!(::core::time::Duration::new(#seconds, #nanos))
}
