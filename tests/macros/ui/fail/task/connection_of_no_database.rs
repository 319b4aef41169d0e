use taskx::prelude::*;

pub struct Office;

#[task]
fn report(office: &mut Office) {
    let _ = office;
}

fn main() {
    let _ = Report::apply();
}
