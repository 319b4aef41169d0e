use taskx::prelude::*;

#[cron_task(hour = "0-24")]
fn sweep() {}

fn main() {
    let _ = Sweep::apply();
}
