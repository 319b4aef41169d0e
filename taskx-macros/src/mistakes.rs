//! Everything that is wrong with one declaration, gathered so that all of it is told at once.

use std::fmt;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The sink of mistakes. Each part of a declaration is judged independently and adds what it
/// finds; nothing stops at the first.
#[derive(Debug, Default)]
#[must_use = "mistakes must reach the compiler"]
pub(crate) struct Mistakes {
    all: Vec<syn::Error>,
}

impl Mistakes {
    /// Adds a mistake that lies in `tokens`. The text says what is wrong and what to write.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, text: impl fmt::Display) {
        self.all.push(syn::Error::new_spanned(tokens, text));
    }

    /// Adds a mistake that lies at `span`.
    pub(crate) fn spot(&mut self, span: Span, text: impl fmt::Display) {
        self.all.push(syn::Error::new(span, text));
    }

    /// Adds what the parser could not read.
    pub(crate) fn unread(&mut self, error: syn::Error) {
        self.all.push(error);
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many there are so far.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// One `compile_error!` for each, in the order of the source.
    pub(crate) fn into_tokens(mut self) -> TokenStream {
        self.all.sort_by_key(|error| {
            let start = error.span().start();
            (start.line, start.column)
        });
        self.all.iter().map(syn::Error::to_compile_error).collect()
    }

    /// The texts, for tests.
    #[cfg(test)]
    pub(crate) fn texts(&self) -> Vec<String> {
        self.all.iter().map(ToString::to_string).collect()
    }
}
