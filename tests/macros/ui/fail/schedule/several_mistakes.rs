use taskx::prelude::*;

#[cron_task(hour = "0-24", day_of_week = "fri-mon", timezone = "Mars/Base", queu = "x", misfire = "never")]
fn greet(email: String, ctx: Ctx) {
    let _ = (email, ctx);
}

fn main() {
    let _ = Greet::apply("a");
}
