//! Crontab text of any number of parts: what is accepted has a canonical text that means the same.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use taskx_schedule::{CronTrigger, crontab_warning};

fuzz_target!(|text: &str| {
    let warning = crontab_warning(text);
    match CronTrigger::from_crontab(text) {
        Ok(trigger) => {
            assert_eq!(trigger.to_string().parse(), Ok(trigger.clone()));
            let mut upcoming = trigger.upcoming(DateTime::UNIX_EPOCH);
            if let (Some(first), Some(second)) = (upcoming.next(), upcoming.next()) {
                assert!(first < second);
            }
        }
        Err(error) => {
            assert!(warning.is_none());
            assert!(error.input().get(error.span()).is_some());
            assert!(!error.to_string().is_empty());
        }
    }
});
