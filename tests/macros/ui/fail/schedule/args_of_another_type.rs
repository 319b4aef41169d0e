use taskx::prelude::*;

#[cron_task(hour = 5, args("a", "b"))]
fn greet(email: &str, times: u8) {
    let _ = (email, times);
}

fn main() {}
