//! Stored arguments: whatever stands in the column is read or refused.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use taskx_core::{error::chain, task::decode_arguments};

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only whether it is read counts")]
struct Arguments {
    to: String,
    #[serde(default)]
    copies: Option<u8>,
    ratio: f64,
    nested: BTreeMap<String, Vec<(i64, bool)>>,
}

fuzz_target!(|text: &str| {
    if let Err(error) = decode_arguments::<Arguments>(text) {
        let told = chain(&error);
        assert!(told.starts_with("the stored JSON does not fit"), "{told}");
    }
});
