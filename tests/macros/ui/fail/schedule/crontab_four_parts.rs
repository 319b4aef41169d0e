use taskx::prelude::*;

#[cron_task("*/5 * * *")]
fn sweep() {}

fn main() {
    let _ = Sweep::apply();
}
