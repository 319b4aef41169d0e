#![deny(unused_must_use)]
use taskx::prelude::*;

#[task]
fn report() {}

fn main() {
    Report::apply();
}
