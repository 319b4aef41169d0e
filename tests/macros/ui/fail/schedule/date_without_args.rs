use taskx::prelude::*;

#[date_task(run_date = "2009-11-06")]
fn greet(email: String) {
    let _ = email;
}

fn main() {}
