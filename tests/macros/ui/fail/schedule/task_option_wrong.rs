use taskx::prelude::*;

#[cron_task(hour = 5, queu = "mail", timeout = "soon")]
fn sweep() {}

fn main() {}
