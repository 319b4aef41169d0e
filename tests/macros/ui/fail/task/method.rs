use taskx::prelude::*;

struct Office;

impl Office {
    #[task]
    fn report(&self, title: String) {
        let _ = title;
    }
}

fn main() {}
