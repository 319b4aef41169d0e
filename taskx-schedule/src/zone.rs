//! Time zones: reading their names, and the spans of time over which their offset from UTC holds.
//!
//! The zone data has no public list of its changes. We find them once per zone and process by
//! probing (a third of a millisecond) and keep them, so that a search never asks the zone twice.

use std::array;
use std::sync::{LazyLock, OnceLock};

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz, TzOffset};

use crate::calendar::DAY;
use crate::error::{TriggerError, TriggerErrorKind};
use crate::suggest::nearest;

/// Before the first second in which a cron trigger can fire (1970-01-01 in the most eastern zone).
const FIRST_PROBE: i64 = -40 * DAY;
/// After the last change of any zone in the data (they end in 2099).
const LAST_PROBE: i64 = 4_260_000_000;
/// Less than half the shortest span in the data (seven days), so that no two changes hide between
/// two probes.
const PROBE: i64 = 3 * DAY;

/// A stretch of time, `begin <= t < end` in Unix seconds, with one offset from UTC.
///
/// The first span of a zone begins at `i64::MIN`, the last ends at `i64::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) begin: i64,
    pub(crate) end: i64,
    /// Seconds to add to UTC to get the wall clock.
    pub(crate) offset: i64,
}

/// The zone of an IANA name (`Europe/Paris`, `UTC`); names are case-sensitive.
pub(crate) fn zone(name: &str) -> Result<Tz, TriggerError> {
    if let Ok(zone) = name.parse() {
        return Ok(zone);
    }
    let error = TriggerError::new(TriggerErrorKind::Zone, format!("no time zone `{name}`"))
        .of("timezone")
        .at(name, 0..name.len());
    let lower = name.trim().to_ascii_lowercase();
    // The city alone, or another continent before it, is the usual slip.
    let same_city = || {
        let city = lower.rsplit('/').next().filter(|city| !city.is_empty())?;
        TZ_VARIANTS.iter().map(|zone| zone.name()).find(|known| {
            known.rsplit('/').next().is_some_and(|known| known.eq_ignore_ascii_case(city))
        })
    };
    let similar = || nearest(&lower, TZ_VARIANTS.iter().map(|zone| zone.name()));
    let meant = same_city().or_else(similar);
    Err(match meant {
        Some(meant) => error.hinting(format!("did you mean `{meant}`?")),
        None => error.hinting("write an IANA name such as `Europe/Paris`, or `UTC`"),
    })
}

/// The zone in words: `Paris time`, `UTC`, `GMT+7`.
pub(crate) fn spoken(zone: Tz) -> String {
    let name = zone.name();
    match name.rsplit_once('/') {
        Some((area, place)) if area != "Etc" => format!("{} time", place.replace('_', " ")),
        Some((_, place)) => place.to_owned(),
        None => name.to_owned(),
    }
}

/// The offset of `zone` at a Unix second.
pub(crate) fn offset_at(zone: Tz, second: i64) -> TzOffset {
    let utc = DateTime::from_timestamp(second, 0).unwrap_or_default().naive_utc();
    zone.offset_from_utc_datetime(&utc)
}

/// The spans of `zone` in order, without a hole, at least one.
pub(crate) fn spans(zone: Tz) -> &'static [Span] {
    static SPANS: LazyLock<[OnceLock<Box<[Span]>>; TZ_VARIANTS.len()]> =
        LazyLock::new(|| array::from_fn(|_| OnceLock::new()));
    match SPANS.get(zone as usize) {
        Some(spans) => spans.get_or_init(|| probe(zone)),
        // The zones are numbered from 0; were that ever to change, answers would still be right.
        None => Box::leak(probe(zone)),
    }
}

/// Finds the spans of `zone` by asking for its offset every three days.
fn probe(zone: Tz) -> Box<[Span]> {
    let seconds = |at: TzOffset| i64::from(at.fix().local_minus_utc());
    let mut spans = Vec::new();
    let mut begin = i64::MIN;
    let mut offset = offset_at(zone, FIRST_PROBE);
    let mut probed = FIRST_PROBE;
    while zone != Tz::UTC && probed < LAST_PROBE {
        let next = probed + PROBE;
        let next_offset = offset_at(zone, next);
        if next_offset != offset {
            let (mut before, mut after) = (probed, next);
            while after - before > 1 {
                let middle = before + (after - before) / 2;
                if offset_at(zone, middle) == offset {
                    before = middle;
                } else {
                    after = middle;
                }
            }
            spans.push(Span { begin, end: after, offset: seconds(offset) });
            begin = after;
            offset = next_offset;
        }
        probed = next;
    }
    spans.push(Span { begin, end: i64::MAX, offset: seconds(offset) });
    spans.into_boxed_slice()
}

/// The index of the span that holds `second`, trying `hint` and its follower first.
pub(crate) fn span_index(spans: &[Span], second: i64, hint: usize) -> usize {
    let holds = |index: usize| {
        spans.get(index).is_some_and(|span| span.begin <= second && second < span.end)
    };
    if holds(hint) {
        hint
    } else if holds(hint + 1) {
        hint + 1
    } else {
        spans.partition_point(|span| span.end <= second).min(spans.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the search relies on: if new zone data breaks one of these, it must be taught.
    #[test]
    fn the_zone_data_is_as_the_probing_assumes() {
        for zone in TZ_VARIANTS {
            let spans = spans(zone);
            for pair in spans.windows(2) {
                let [before, after] = pair else { unreachable!() };
                assert_eq!(before.end, after.begin, "{zone}");
                assert!((before.offset - after.offset).abs() <= 25 * 3_600, "{zone}");
                assert!(
                    before.begin == i64::MIN || before.end - before.begin > 2 * PROBE,
                    "{zone}: a span of less than six days ends at {}",
                    before.end
                );
            }
            let last = offset_at(zone, LAST_PROBE);
            // To the year 9999, in each month of the year in turn.
            for step in 0..980 {
                let later = LAST_PROBE + step * 8 * 366 * DAY + (step % 12) * 30 * DAY;
                assert!(offset_at(zone, later) == last, "{zone} changes after {LAST_PROBE}");
            }
        }
    }

    #[test]
    fn a_finer_probe_finds_no_further_change() {
        for zone in TZ_VARIANTS {
            let spans = spans(zone);
            let mut hint = 0;
            // A day and a half and a bit, so that the probes wander over the day.
            for second in (FIRST_PROBE..LAST_PROBE).step_by(130_003) {
                hint = span_index(spans, second, hint);
                let found = i64::from(offset_at(zone, second).fix().local_minus_utc());
                assert_eq!(found, spans[hint].offset, "{zone} at {second}");
            }
        }
    }

    #[test]
    fn an_index_is_found_with_any_hint() {
        let spans = spans(Tz::Europe__Paris);
        for (index, span) in spans.iter().enumerate() {
            for second in [span.begin.max(FIRST_PROBE), span.end.min(LAST_PROBE) - 1] {
                for hint in [0, index.saturating_sub(1), index, index + 1, 9_999] {
                    assert_eq!(span_index(spans, second, hint), index);
                }
            }
        }
    }

    #[test]
    fn a_wrong_name_is_answered_by_the_right_one() {
        for (wrong, right) in [
            ("europe/paris", "did you mean `Europe/Paris`?"),
            ("Europe/Pariss", "did you mean `Europe/Paris`?"),
            ("Berlin", "did you mean `Europe/Berlin`?"),
            ("Asia/Berlin", "did you mean `Europe/Berlin`?"),
            ("Nowhere", "write an IANA name such as `Europe/Paris`, or `UTC`"),
            ("", "write an IANA name such as `Europe/Paris`, or `UTC`"),
        ] {
            assert_eq!(zone(wrong).unwrap_err().hint(), Some(right), "{wrong}");
        }
    }
}
