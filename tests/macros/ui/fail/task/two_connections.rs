use taskx::prelude::*;

pub struct Connection;

#[task]
fn report(one: &mut Connection, other: &mut Connection) {
    let _ = (one, other);
}

fn main() {
    let _ = Report::apply();
}
