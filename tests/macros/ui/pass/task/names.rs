//! Raw identifiers, names given by hand, and names that are something else elsewhere.
#![allow(non_snake_case)]

use taskx::prelude::*;

#[task]
fn r#move(r#type: String, r#in: u8) {
    let _ = (r#type, r#in);
}

#[task(applier = "ReportTask")]
fn report(report: Report) {
    let _ = report.0;
}

#[derive(taskx::__private::serde::Serialize, taskx::__private::serde::Deserialize)]
#[serde(crate = "taskx::__private::serde")]
pub struct Report(u8);

#[task(applier = "OptionTask", name = "an option, in any words: π")]
fn option(option: Option<u8>) {
    let _ = option;
}

#[task]
fn send_SMS__2(to: String) {
    let _ = to;
}

/// The parameters have the names of the applier's own functions.
#[task]
fn clash(apply: u8, enqueue: u8, name: u8, def: u8, invocation: u8, f: u8) {
    let _ = (apply, enqueue, name, def, invocation, f);
}

fn main() {
    let _ = Move::apply("cat", 1);
    let _ = ReportTask::apply(Report(1));
    let _ = OptionTask::apply(None);
    let _ = SendSMS2::apply("1");
    let _ = Clash::apply(1, 2, 3, 4, 5, 6);
    assert_eq!((Move::NAME, SendSMS2::NAME), ("move", "send_SMS__2"));
    assert_eq!(OptionTask::NAME, "an option, in any words: π");
}
