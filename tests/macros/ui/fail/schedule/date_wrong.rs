use taskx::prelude::*;

#[date_task(run_date = "2009-13-06", args("a"))]
fn greet(email: String) {
    let _ = email;
}

fn main() {}
