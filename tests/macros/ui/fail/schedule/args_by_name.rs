use taskx::prelude::*;

#[cron_task(hour = 5, args(email = "a"))]
fn greet(email: String) {
    let _ = email;
}

fn main() {}
