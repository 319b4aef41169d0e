//! The attribute macros of taskx. Use them through the crate `taskx`.

mod durations;
mod expand;
mod mistakes;
mod model;
mod options;
mod parameter;
mod parse;
mod signature;
mod words;

use proc_macro::TokenStream;

use crate::options::Attribute;

/// Makes a task of a function.
#[proc_macro_attribute]
pub fn task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::Task, options.into(), &item.into()).into()
}
