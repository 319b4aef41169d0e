use taskx::prelude::*;

async fn post(letters: &std::rc::Rc<u8>) {
    let _ = letters;
}

#[task]
async fn ship() {
    let letters = std::rc::Rc::new(7);
    post(&letters).await;
}

fn main() {}
