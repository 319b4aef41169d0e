use taskx::prelude::*;

#[task]
async fn ship() {
    let letters = std::rc::Rc::new(7);
    std::future::ready(()).await;
    drop(letters);
}

fn main() {}
