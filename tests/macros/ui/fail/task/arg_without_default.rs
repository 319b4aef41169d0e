use taskx::prelude::*;

use taskx::__private::serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(crate = "taskx::__private::serde")]
pub struct Order;

#[task]
fn ship(#[arg(default)] order: Order) {
    let _ = order;
}

fn main() {}
