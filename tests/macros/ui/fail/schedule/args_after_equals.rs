use taskx::prelude::*;

#[cron_task(hour = 5, args = ["a"])]
fn greet(email: String) {
    let _ = email;
}

fn main() {}
