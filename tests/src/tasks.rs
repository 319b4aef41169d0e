//! The tasks that the child processes run, each set in an App of its own name.

use std::{path::PathBuf, time::Duration};

use taskx::prelude::*;

use crate::child::append;

/// Where tasks write what they did: a file that all processes share.
#[derive(Debug)]
pub struct Ledger(pub PathBuf);

impl Ledger {
    /// Writes a line.
    pub fn note(&self, line: &str) {
        append(&self.0, line);
    }
}

/// Counts one execution.
#[task(app = "fleet", queue = "fleet")]
pub fn count(number: u32, ledger: &Ledger, ctx: &Ctx) {
    ledger.note(&format!("{} {number} {}", ctx.id(), std::process::id()));
}

/// Says that it runs, and takes its time.
#[task(app = "signals", queue = "signals")]
pub async fn nap(milliseconds: u64, ledger: &Ledger) {
    running();
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    ledger.note("rested");
}

/// Says that it runs, and blocks its thread whatever is asked of it.
#[task(app = "signals", queue = "signals")]
pub fn block(milliseconds: u64, ledger: &Ledger) {
    running();
    std::thread::sleep(Duration::from_millis(milliseconds));
    ledger.note("unblocked");
}

#[expect(clippy::print_stdout, reason = "the test reads the child's output")]
fn running() {
    println!("running");
}

/// Notes the slot that it stands for.
#[cron_task(app = "ticks", second = "*", misfire = "all", overlap = "allow", queue = "ticks")]
pub fn tick(ledger: &Ledger, ctx: &Ctx) {
    let slot = ctx.slot().map(|slot| slot.timestamp()).unwrap_or_default();
    ledger.note(&format!("{slot} {}", ctx.id()));
}
