//! Schedules: a cron, a date and an interval task, and when each of them fires next.
//!
//! `cargo run --example schedules` prints the next ten fire times; add `run` to let them fire, until
//! Ctrl-C, in `taskx.db`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::env;

use taskx::{prelude::*, schedule::Trigger};

/// At night on the third Friday of the summer's and the year's last months, Paris time.
#[cron_task(month = "6-8,11-12", day = "3rd fri", hour = "0-3", timezone = "Europe/Paris")]
async fn newsletter(ctx: &Ctx) -> Result {
    println!("the newsletter of {:?}", ctx.slot());
    Ok(())
}

/// Every five minutes, in crontab text.
#[cron_task("*/5 * * * *")]
fn sweep() {
    println!("swept");
}

/// Once, at a date. One that is long past is recorded as missed.
#[date_task(run_date = "2009-11-06", args("ada@example.com"))]
async fn greet(email: String) -> Result {
    println!("hello, {email}");
    Ok(())
}

/// Every ten minutes, from the first start on.
#[interval_task(minutes = 10)]
async fn heartbeat() -> Result {
    println!("still here");
    Ok(())
}

#[taskx::main]
async fn main(app: App) -> Result {
    let now = app.queue().now().await?;
    for task in app.tasks()? {
        for schedule in task.schedules {
            let trigger: Trigger = (schedule.trigger)();
            println!("{}: {}", schedule.name, trigger.describe());
            let next: Vec<_> = trigger.anchored_at(now).upcoming(now).take(10).collect();
            for at in &next {
                println!("    {}", at.format("%a %Y-%m-%d %H:%M:%S %Z"));
            }
            if next.is_empty() {
                println!("    never again");
            }
        }
    }
    if env::args().nth(1).as_deref() == Some("run") {
        app.blocking_worker().run().await?;
    }
    Ok(())
}
