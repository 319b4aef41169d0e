//! Every form of the three attributes, in a crate that denies what a crate can deny.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, rust_2018_idioms, unreachable_pub, unused, unused_qualifications)]

use taskx::prelude::*;

/// The states of this application.
#[derive(Debug)]
pub struct Mailer;

/// The newsletter.
#[cron_task(month = "6-8,11-12", day = "3rd fri", hour = "0-3", timezone = "Europe/Paris")]
async fn newsletter(mailer: &Mailer) -> Result {
    let _ = mailer;
    Ok(())
}

#[cron_task("*/5 * * * *")]
fn sweep() {}

#[cron_task("0 30 9 * * Mon-Fri", timezone = "America/New_York", dst = "wall_clock")]
fn six_parts() {}

#[cron_task("0 30 9 * * Mon-Fri 2030-2035",)]
fn seven_parts() {}

#[taskx::cron_task("@daily", start_date = "2030-01-01", end_date = "2030-12-31 23:59:59")]
fn by_word() {}

#[cron_task(
    year = "*",
    month = "jan-mar",
    day = "last",
    week = 5,
    day_of_week = "mon,wed-fri",
    hour = 0,
    minute = "*/10",
    second = 30,
    jitter = 30,
    misfire = "all(50)",
    misfire_grace = "2h",
    overlap = "allow",
    schedule = "every-field",
    name = "all-fields",
    alias = "old",
    queue = "upkeep",
    priority = 3,
    max_attempts = 1,
    backoff = "1m",
    timeout = "5m",
    settle = "each",
    retention = "none",
    applier = "AllFields",
    app = "office",
    crate = "taskx"
)]
fn everything() {}

#[date_task(run_date = "2009-11-06", args("ada@example.com"))]
async fn greet(email: String) -> Result {
    let _ = email;
    Ok(())
}

#[date_task(run_date = "2030-01-31T09:00:00.5+02:00", misfire_grace = 60, jitter = "1m")]
fn at_an_instant() {}

#[date_task]
fn once_ever() {}

#[interval_task(minutes = 10)]
async fn heartbeat() -> Result {
    Ok(())
}

#[interval_task(weeks = 1, days = 1, hours = 1, minutes = 1, seconds = 1, start_date = "2030-01-01 08:00:00",
    end_date = "2031-01-01", timezone = "Asia/Tokyo", overlap = "skip", misfire = "skip")]
fn all_units() {}

const TOPIC: &str = "sports";

#[cron_task(hour = 6, day_of_week = "mon-fri", schedule = "weekdays", args("news", 3, None))]
#[cron_task(hour = 9, day_of_week = "sat,sun", schedule = "weekend", args(TOPIC, 2 + 2, Some(vec![1, 2])))]
#[interval_task(days = 30, schedule = "monthly", queue = "digest", args(format!("{TOPIC}!")))]
#[date_task(run_date = "2030-01-01", schedule = "once", args(String::from("launch"), 1))]
fn digest(topic: &str, #[arg(default = 1)] pages: u8, ids: Option<Vec<u64>>, ctx: &Ctx) {
    let _ = (topic, pages, ids, ctx);
}

#[cfg(any())]
#[cron_task(hour = 5)]
fn gone() {}

#[cron_task(hour = 5, schedule = "a")]
#[cfg(all())]
#[taskx::interval_task(hours = 7, schedule = "b")]
fn here() {}

fn main() {
    let _ = (Newsletter::apply(), Sweep::apply(), SixParts::apply(), SevenParts::apply());
    let _ = (ByWord::apply(), AllFields::apply(), Greet::apply("ada"), AtAnInstant::apply());
    let _ = (OnceEver::apply(), Heartbeat::apply(), AllUnits::apply(), Here::apply());
    let _ = Digest::apply("news", 1, None);
}
