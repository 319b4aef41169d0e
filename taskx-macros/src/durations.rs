//! Spans of time as text: durations and backoffs.

use std::time::Duration;

/// The delays between attempts.
#[derive(Debug, Clone)]
pub(crate) enum Backoff {
    Exponential {
        base: Duration,
        cap: Duration,
    },
    Linear {
        base: Duration,
        cap: Duration,
    },
    Fixed(Duration),
    /// A `fn(u32) -> Duration`.
    Custom(syn::ExprPath),
}

/// No delay is longer than a year: a longer one is a slip of the unit.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads a duration, such as `30s` or `1h 30m`. Zero is none.
///
/// # Errors
/// What is wrong, and how to write it.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("the unit is missing; write for example \"{text}s\" or \"{text}m\""));
    }
    let duration = humantime::parse_duration(text.trim()).map_err(|error| {
        format!("not a duration ({error}); write for example \"30s\", \"5m\" or \"1h 30m\"")
    })?;
    if duration.is_zero() {
        return Err("a duration must be longer than zero".to_owned());
    }
    Ok(duration)
}

/// Reads the delays between attempts: `2s..1h`, `linear 10s..1h`, `30s`.
///
/// # Errors
/// What is wrong, and how to write it.
pub(crate) fn backoff(text: &str) -> Result<Backoff, String> {
    let text = text.trim();
    let (word, rest) = match text.split_once(' ') {
        Some((word, rest)) if word.chars().all(char::is_alphabetic) => (word, rest.trim()),
        _ => ("", text),
    };
    match (word, rest.split_once("..")) {
        ("", Some((base, cap))) => {
            let (base, cap) = bounds(base, cap)?;
            Ok(Backoff::Exponential { base, cap })
        }
        ("linear", Some((base, cap))) => {
            let (base, cap) = bounds(base, cap)?;
            Ok(Backoff::Linear { base, cap })
        }
        ("", None) => Ok(Backoff::Fixed(delay(rest)?)),
        ("linear", None) => {
            Err(format!("the longest delay is missing; write for example \"linear {rest}..1h\""))
        }
        ("exponential", _) => Err(format!("leave out the word; \"{rest}\" alone is exponential")),
        ("fixed" | "constant", None) => {
            Err(format!("leave out the word; \"{rest}\" alone is always the same delay"))
        }
        (word, _) => Err(format!(
            "unknown word `{word}`; write \"2s..1h\" (doubling), \"linear 10s..1h\" or \"30s\" (always the same)"
        )),
    }
}

fn bounds(base: &str, cap: &str) -> Result<(Duration, Duration), String> {
    let cap = cap.strip_prefix('=').unwrap_or(cap);
    if base.trim().is_empty() {
        return Err(format!(
            "the first delay is missing; write for example \"2s..{}\"",
            cap.trim()
        ));
    }
    if cap.trim().is_empty() {
        return Err(format!(
            "the longest delay is missing; write for example \"{}..1h\"",
            base.trim()
        ));
    }
    let (first, longest) = (delay(base)?, delay(cap)?);
    if first > longest {
        return Err(format!(
            "the first delay is longer than the longest; write \"{}..{}\"",
            cap.trim(),
            base.trim()
        ));
    }
    Ok((first, longest))
}

fn delay(text: &str) -> Result<Duration, String> {
    let delay = duration(text)?;
    if delay > LONGEST {
        return Err("no delay is longer than 365 days".to_owned());
    }
    Ok(delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn durations_need_a_unit_and_a_length() {
        assert_eq!(duration("1h 30m"), Ok(seconds(5400)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for (text, part) in [
            ("30", "write for example \"30s\""),
            ("30 parsecs", "unknown time unit \"parsecs\""),
            ("", "write for example"),
            ("0s", "longer than zero"),
            ("-5s", "write for example"),
            ("99999999999999999999s", "write for example"),
        ] {
            let problem = duration(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn backoffs_have_three_forms() {
        let Ok(Backoff::Exponential { base, cap }) = backoff("2s..1h") else { panic!() };
        assert_eq!((base, cap), (seconds(2), seconds(3600)));
        let Ok(Backoff::Linear { base, cap }) = backoff("linear 10s .. 1m 5s") else { panic!() };
        assert_eq!((base, cap), (seconds(10), seconds(65)));
        let Ok(Backoff::Fixed(delay)) = backoff("1m 30s") else { panic!() };
        assert_eq!(delay, seconds(90));
    }

    #[test]
    fn a_wrong_backoff_says_what_to_write() {
        for (text, part) in [
            ("1h..2s", "write \"2s..1h\""),
            ("2s..", "write for example \"2s..1h\""),
            ("..1h", "write for example \"2s..1h\""),
            ("linear 10s", "write for example \"linear 10s..1h\""),
            ("exponential 2s..1h", "\"2s..1h\" alone"),
            ("fixed 30s", "\"30s\" alone"),
            ("random 2s..1h", "unknown word `random`"),
            ("2s-1h", "not a duration"),
            ("2..10", "write for example \"2s\""),
            ("2s..2000d", "365 days"),
        ] {
            let problem = backoff(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }
}
