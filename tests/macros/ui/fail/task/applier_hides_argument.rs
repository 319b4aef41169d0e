#[derive(Default)]
pub struct Book;

mod library {
    use taskx::prelude::*;
    use super::Book;

    #[task]
    fn book(book: Book) {
        let _ = book;
    }
}

fn main() {}
