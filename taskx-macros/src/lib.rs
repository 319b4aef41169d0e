//! The attribute macros of taskx. Use them through the crate `taskx`.
//!
//! Their documentation lies in `docs/`. Its examples need `taskx`, on which this crate cannot depend,
//! so they are doc-tests of `taskx-tests`.

mod attribute;
mod durations;
mod expand;
mod main_fn;
mod mistakes;
mod model;
mod options;
mod parameter;
mod parse;
mod rows;
mod schedule;
mod signature;
mod trigger;
mod words;

use proc_macro::TokenStream;

use crate::attribute::Attribute;

#[cfg_attr(not(doctest), doc = include_str!("../docs/task.md"))]
#[proc_macro_attribute]
pub fn task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::Task, options.into(), &item.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/cron_task.md"))]
#[proc_macro_attribute]
pub fn cron_task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::Cron, options.into(), &item.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/date_task.md"))]
#[proc_macro_attribute]
pub fn date_task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::Date, options.into(), &item.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/interval_task.md"))]
#[proc_macro_attribute]
pub fn interval_task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::Interval, options.into(), &item.into()).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/main.md"))]
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    main_fn::expand(options.into(), &item.into()).into()
}
