use taskx::prelude::*;

#[cron_task]
fn sweep() {}

fn main() {
    let _ = Sweep::apply();
}
