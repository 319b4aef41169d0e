//! Settings and URLs: read or refused, and no password is ever shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taskx_core::config::{Config, without_secrets};

const CANARY: &str = "canary-0451";

fuzz_target!(|text: &str| {
    hides(&text.replace('@', ""), |host| format!("postgres://ada:{CANARY}@{host}"));
    if text.contains("://") {
        hides(&text.replace('?', ""), |url| format!("{url}?password={CANARY}"));
    }
    if let Ok(config) = Config::from_toml(text) {
        assert!(config.concurrency > 0 && config.lease.as_secs() >= 2);
        assert!(!format!("{config:?}").is_empty());
    }
});

/// The password that `url` adds to a text is not shown; one that the text has elsewhere may be.
fn hides(text: &str, url: impl Fn(&str) -> String) {
    if !text.contains(CANARY) {
        let shown = without_secrets(&url(text));
        assert!(!shown.contains(CANARY), "{shown}");
    }
}
