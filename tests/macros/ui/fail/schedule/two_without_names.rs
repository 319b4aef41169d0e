use taskx::prelude::*;

#[cron_task(hour = 5)]
#[interval_task(minutes = 10, schedule = "often")]
fn sweep() {}

fn main() {
    let _ = Sweep::apply();
}
