use taskx::prelude::*;

#[derive(taskx::__private::serde::Serialize)]
#[serde(crate = "taskx::__private::serde")]
pub struct Order;

#[task]
fn ship(order: Order) {
    let _ = order;
}

fn main() {
    let _ = Ship::apply(Order);
}
