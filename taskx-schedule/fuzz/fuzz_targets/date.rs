//! The text of a date in a zone: what is accepted is written back as the same instant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taskx_schedule::DateTrigger;

fuzz_target!(|data: (u8, &str)| {
    let (zone, text) = data;
    let zones = ["UTC", "Europe/Berlin", "Africa/Monrovia", "Pacific/Kwajalein", text];
    match DateTrigger::parse(text, zones[usize::from(zone) % zones.len()]) {
        Ok(trigger) => assert_eq!(trigger.to_string().parse(), Ok(trigger)),
        Err(error) => {
            assert!(error.input().get(error.span()).is_some());
            assert!(!error.to_string().is_empty());
        }
    }
});
