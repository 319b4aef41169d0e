use taskx::prelude::*;

#[task]
fn report() -> impl Future<Output = ()> {
    async {}
}

fn main() {}
