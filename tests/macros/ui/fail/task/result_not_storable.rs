use taskx::prelude::*;

pub struct Order;

#[task]
async fn ship() -> Result<Order> {
    Ok(Order)
}

fn main() {}
