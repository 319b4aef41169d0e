//! Spans of time as people read them: `3s`, `5m 20s`, `2h 3m`, `4d 1h`.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// A span in its two largest units; what is below a second is `0s`.
#[must_use]
pub fn span(span: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = span.as_secs();
    let mut parts = Vec::new();
    for (seconds, unit) in UNITS {
        let count = rest / seconds;
        rest %= seconds;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// How far a time lies from `now`: `3s ago`, `in 5m`, `just now`.
#[must_use]
pub fn from_now(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let past = (now - time).to_std().unwrap_or_default();
    let future = (time - now).to_std().unwrap_or_default();
    if past.as_secs() > 0 {
        format!("{} ago", span(past))
    } else if future.as_secs() > 0 {
        format!("in {}", span(future))
    } else {
        "just now".to_owned()
    }
}

/// A time to the second, in UTC.
#[must_use]
pub fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_largest_units_are_shown() {
        let text = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(text(0), "0s");
        assert_eq!(text(59), "59s");
        assert_eq!(text(3_600), "1h");
        assert_eq!(text(3_661), "1h 1m");
        assert_eq!(text(86_400 + 59), "1d");
    }

    #[test]
    fn past_and_future_are_told_apart() {
        let now: DateTime<Utc> = "2030-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(from_now(now - chrono::TimeDelta::seconds(3), now), "3s ago");
        assert_eq!(from_now(now + chrono::TimeDelta::minutes(5), now), "in 5m");
        assert_eq!(from_now(now, now), "just now");
    }
}
