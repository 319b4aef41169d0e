use taskx::prelude::*;

#[task]
async fn report() -> Option<u32> {
    None
}

fn main() {}
