//! Whatever is in scope, the macro means what it means.
// What follows only stands in the way of the macro: unused, and named like what it must not meet.
#![allow(dead_code, unused_macros, non_camel_case_types, non_upper_case_globals)]

use taskx::task;

pub enum Option {}
pub enum Result {}
pub enum String {}
pub enum Vec {}
pub enum Box {}
pub enum Task {}
pub enum Apply {}
pub enum Verdict {}
pub enum Some {}
pub enum Ok {}
pub enum Err {}
pub trait Into {}
pub trait Send {}
pub trait Default {}
pub trait Debug {}
pub mod core {}
pub mod std {}
pub mod taskx_core {}
pub mod serde {}
pub mod inventory {}

macro_rules! env {
    () => {};
}
macro_rules! line {
    () => {};
}

pub struct State;

#[task(queue = "q", app = "a", alias = "b", backoff = "1s..2s", timeout = "1s", retention = "none")]
async fn hostile(text: &str, #[arg(default)] number: u8, #[arg(default = 7)] other: u8, state: &State) {
    let _ = (text, number, other, state);
}

#[task]
fn plain(text: &str) -> ::std::result::Result<u8, ::std::io::Error> {
    ::std::result::Result::Ok(text.len() as u8)
}

fn main() {
    let _ = Hostile::apply("a", 1, 2);
    let _ = Plain::apply("a");
}
