//! What a task may return.

use std::{error::Error, fmt, io};

use taskx::prelude::*;

#[derive(Debug)]
pub struct Mishap;

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mishap")
    }
}

impl Error for Mishap {}

type Outcome<T> = std::result::Result<T, Mishap>;

#[task]
async fn unit() {}

#[task]
fn written_unit() -> () {}

#[task]
fn taskx_result() -> Result {
    Ok(())
}

#[task]
async fn taskx_value() -> taskx::Result<Vec<String>> {
    Ok(vec![])
}

#[task]
fn own_error() -> std::result::Result<u8, Mishap> {
    Err(Mishap)
}

#[task]
fn own_alias() -> Outcome<Option<u8>> {
    Ok(None)
}

#[task]
fn io_result() -> io::Result<u64> {
    Ok(1)
}

#[task]
async fn boxed() -> std::result::Result<(), Box<dyn Error + Send + Sync>> {
    Err("no luck".into())
}

#[task]
fn words() -> std::result::Result<(), &'static str> {
    Err("no luck")
}

#[task]
async fn any() -> anyhow::Result<String> {
    anyhow::bail!("no luck")
}

#[task]
async fn steered() -> anyhow::Result<()> {
    Err(Cancel::because("no longer wanted"))?
}

fn output<T: taskx::__private::Task<Output = O>, O>() {}

fn main() {
    output::<Unit, ()>();
    output::<WrittenUnit, ()>();
    output::<TaskxResult, ()>();
    output::<TaskxValue, Vec<String>>();
    output::<OwnError, u8>();
    output::<OwnAlias, Option<u8>>();
    output::<IoResult, u64>();
    output::<Boxed, ()>();
    output::<Words, ()>();
    output::<Any, String>();
    output::<Steered, ()>();
}
