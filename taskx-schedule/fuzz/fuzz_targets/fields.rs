//! The grammar of the eight fields: `field=text` lines build a trigger, which must read back from
//! its text and fire in order.
#![no_main]

use chrono::{DateTime, Utc};
use libfuzzer_sys::fuzz_target;
use taskx_schedule::{CronField, CronTrigger, Dst, crontab_warning};

fuzz_target!(|data: (Vec<(u8, String)>, u8, bool, i64)| {
    let (fields, zone, wall_clock, from) = data;
    let zones = ["UTC", "Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe", "America/Havana"];
    let zone = zones[usize::from(zone) % zones.len()];
    let dst = if wall_clock { Dst::WallClock } else { Dst::Rfc };
    let mut builder = CronTrigger::builder().timezone(zone).dst(dst);
    for (field, text) in fields.iter().take(8) {
        let field = CronField::ALL[usize::from(*field) % CronField::ALL.len()];
        builder = builder.field(field, text);
        let _ = crontab_warning(text);
    }
    match builder.build() {
        Ok(trigger) => {
            assert_eq!(trigger.to_string().parse(), Ok(trigger.clone()));
            assert!(!trigger.describe().is_empty());
            let from = DateTime::from_timestamp_nanos(from).max(DateTime::UNIX_EPOCH);
            let mut last = None;
            for at in trigger.upcoming(from).take(3) {
                assert!(at >= from && last.is_none_or(|last| at > last));
                last = Some(at);
            }
            if let Some(last) = last {
                let last: DateTime<Utc> = last.to_utc();
                assert_eq!(trigger.latest_between(DateTime::UNIX_EPOCH, last), Some(last));
            }
            let _ = trigger.check_fires();
        }
        Err(error) => {
            assert!(error.input().get(error.span()).is_some());
            assert!(!error.to_string().is_empty());
        }
    }
});
