//! Settings and URLs: read or refused, and no password is ever shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taskx_core::config::{Config, without_secrets};

fuzz_target!(|text: &str| {
    let shown = without_secrets(&format!("postgres://ada:canary-0451@{}", text.replace('@', "")));
    assert!(!shown.contains("canary-0451"), "{shown}");
    let shown = without_secrets(&format!("{}?password=canary-0451", text.replace('?', "")));
    assert!(!text.contains("://") || !shown.contains("canary-0451"), "{shown}");
    if let Ok(config) = Config::from_toml(text) {
        assert!(config.concurrency > 0 && config.lease.as_secs() >= 2);
        assert!(!format!("{config:?}").is_empty());
    }
});
