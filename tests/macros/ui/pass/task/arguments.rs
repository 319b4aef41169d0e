//! What is passed by value is stored; what is taken by reference is lent.

use std::{borrow::Cow, collections::HashMap, path::PathBuf};

use taskx::prelude::*;

pub struct Mailer;

pub trait Greet: Send + Sync {
    fn greet(&self) -> String;
}

pub struct Pool<T>(pub T);

type Words = Vec<String>;

#[task]
#[allow(clippy::too_many_arguments)]
async fn all_kinds(
    to: String,
    mut copies: Vec<std::string::String>,
    ctx: &Ctx,
    subject: &str,
    mailer: &Mailer,
    file: PathBuf,
    greeter: &dyn Greet,
    both: &(dyn Greet + Send),
    again: &Mailer,
    pool: &Pool<u8>,
    words: Words,
    _text: Cow<'static, str>,
    count: u8,
) -> Result<usize> {
    copies.push(to);
    let _ = (ctx.attempt(), mailer, greeter.greet(), both.greet(), again, pool.0, file, words);
    Ok(subject.len() + usize::from(count))
}

#[task]
fn tuples(pair: (u8, String), table: HashMap<String, Option<f64>>, bytes: [u8; 4], flag: bool, nothing: ()) {
    let _ = (pair, table, bytes, flag, nothing);
}

#[task]
fn nothing() {}

/// A function may end in a name that only its parameters share with `std`.
#[task]
fn contexts(one: &Ctx, other: &taskx::Ctx) {
    let _ = (one.id(), other.id());
}

fn main() {
    let _ = AllKinds::apply(
        "ada@example.com",
        vec![],
        "Hello",
        PathBuf::new(),
        vec![],
        Cow::Borrowed("text"),
        7,
    );
    let _ = Tuples::apply((1, String::new()), HashMap::new(), [0; 4], true, ());
    let _ = Tuples { pair: (1, String::new()), table: HashMap::new(), bytes: [0; 4], flag: true, nothing: () }.enqueue();
    let _ = Nothing::apply();
    let _ = Contexts::apply();
}
