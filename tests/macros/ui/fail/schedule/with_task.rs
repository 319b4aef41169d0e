use taskx::prelude::*;

#[task(queue = "mail")]
#[cron_task(hour = 5)]
fn sweep() {}

fn main() {
    let _ = Sweep::apply();
}
