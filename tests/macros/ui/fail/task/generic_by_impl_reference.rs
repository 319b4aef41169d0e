use taskx::prelude::*;

#[task]
fn report(title: &impl ToString) {
    let _ = title.to_string();
}

fn main() {
    let _ = Report::apply();
}
