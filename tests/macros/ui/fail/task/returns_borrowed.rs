use taskx::prelude::*;

#[task]
fn report(title: &str) -> Result<&str> {
    Ok(title)
}

fn main() {}
