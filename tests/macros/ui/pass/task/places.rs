//! Tasks in functions, in blocks, under `cfg`, made by a `macro_rules!`, and beside other
//! attributes.

use taskx::prelude::*;

macro_rules! numbered {
    ($($name:ident($argument:ident: $type:ty) -> $output:ty = $timeout:literal;)*) => {$(
        #[task(timeout = $timeout)]
        fn $name($argument: $type) -> $output {
            let _ = $argument;
            Ok(())
        }
    )*};
}

numbered! {
    first(number: u8) -> Result<()> = "1s";
    second(text: &str) -> std::result::Result<(), std::io::Error> = "2s";
    third(text: String) -> Result = "3s";
}

#[task]
#[cfg(any())]
fn gone(argument: NoSuchType, state: &NoSuchState) -> NoSuchResult {}

#[cfg(any())]
#[task]
fn gone(argument: NoSuchType) {}

#[cfg(all())]
#[task]
#[cfg(all())]
fn here() {}

/// An old one.
#[task]
#[deprecated(note = "write a letter")]
#[inline]
#[must_use]
fn telegram() -> Result {
    Ok(())
}

fn main() {
    #[task]
    fn inside(to: String) {
        let _ = to;
    }
    {
        #[task]
        async fn deeper(to: &str) {
            let _ = to;
        }
        let _ = Deeper::apply("a");
    }
    let _ = Inside::apply("a");
    let _ = (First::apply(1), Second::apply("a"), Third::apply("b"), Here::apply(), Telegram::apply());
}
