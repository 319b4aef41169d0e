use taskx::prelude::*;

pub struct Order;

#[task]
fn ship(order: Order) {
    let _ = order;
}

fn main() {
    let _ = Ship::apply(Order);
}
