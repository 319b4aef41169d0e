use taskx::prelude::*;

pub struct Order;

#[task]
async fn ship(orders: Vec<Order>, urgent: bool) {
    let _ = (orders, urgent);
}

fn main() {
    let _ = Ship::apply(vec![Order], true);
}
