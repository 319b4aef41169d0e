//! The attribute macros of taskx. Use them through the crate `taskx`.

mod durations;
mod expand;
mod main_fn;
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

/// Makes an async `main` the start of an application: `.env` is read, a tokio runtime started, the
/// App set up, the body run; then live workers are stopped gracefully.
///
/// `setup = function` names an `async fn(AppBuilder) -> Result<App>`; without it the App comes from
/// the environment and `taskx.toml` alone. The function takes the [`App`] or nothing, and returns
/// `()` or a `Result`; an error is printed with its causes, and the exit code is 1.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    main_fn::expand(options.into(), &item.into()).into()
}
