use taskx::prelude::*;

#[cron_task(hour = 5)]
fn greet(email: String) {
    let _ = email;
}

fn main() {
    let _ = Greet::apply("a");
}
