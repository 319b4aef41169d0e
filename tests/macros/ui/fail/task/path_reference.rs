use taskx::prelude::*;

use std::path::Path;

#[task]
fn report(file: &Path) {
    let _ = file;
}

fn main() {}
