use taskx::prelude::*;

#[task(args("a"))]
fn greet(email: String) {
    let _ = email;
}

fn main() {}
