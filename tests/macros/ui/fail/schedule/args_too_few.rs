use taskx::prelude::*;

#[cron_task(hour = 5, args("a"))]
fn greet(email: String, times: u8) {
    let _ = (email, times);
}

fn main() {}
