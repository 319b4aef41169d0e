//! The text of a whole trigger of any kind.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use taskx_schedule::{DueRule, Trigger};

fuzz_target!(|text: &str| {
    match text.parse::<Trigger>() {
        Ok(trigger) => {
            assert_eq!(trigger.to_string().parse(), Ok(trigger.clone()));
            assert_eq!(trigger.parts().trigger(), Ok(trigger.clone()));
            assert!(!trigger.describe().is_empty());
            let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default();
            let due = trigger.due(DateTime::UNIX_EPOCH, now, &DueRule::default());
            assert!(due.run.len() <= 1);
            assert!(due.next.is_none_or(|next| next > now));
        }
        Err(error) => {
            assert!(error.input().get(error.span()).is_some());
            assert!(!error.to_string().is_empty());
        }
    }
});
