use taskx::prelude::*;

pub struct Mishap;

#[task]
async fn ship() -> Result<(), Mishap> {
    Ok(())
}

fn main() {}
