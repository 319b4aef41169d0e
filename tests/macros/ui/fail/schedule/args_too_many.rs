use taskx::prelude::*;

#[cron_task(hour = 5, args("a", 7))]
fn greet(email: String) {
    let _ = email;
}

fn main() {}
