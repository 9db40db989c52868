//! Lengths and points of time as people write them.

use std::time::Duration;

use jiff::civil;
use jiff::tz::TimeZone;

use crate::model::UnixMicros;

const UNITS: &[(&str, u64)] = &[
    ("ms", 1_000),
    ("us", 1),
    ("µs", 1),
    ("s", 1_000_000),
    ("min", 60_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
    ("w", 7 * 86_400_000_000),
];

/// Reads `90m`, `24h`, `7d`, `1h30m`, `500ms`.
pub(super) fn parse_length(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no length of time; write one like 90m, 24h, 7d, 1h30m or 500ms");
    let mut rest = text.trim();
    let mut total = 0u64;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = rest[..end].trim();
        let (_, us) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        total = number.checked_mul(*us).and_then(|us| total.checked_add(us)).ok_or_else(wrong)?;
        rest = &rest[end..];
    }
    Ok(Duration::from_micros(total))
}

/// A point of time as it was given: so long ago, or a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Moment {
    /// So long before now.
    Ago(Duration),
    /// An instant.
    At(UnixMicros),
    /// A date, or a date and a time, in the local zone.
    Local(civil::DateTime),
}

/// Reads `24h`, `2026-11-20`, `2026-11-20T14:00` or an RFC 3339 time.
pub(super) fn parse_moment(text: &str) -> Result<Moment, String> {
    if let Ok(length) = parse_length(text) {
        return Ok(Moment::Ago(length));
    }
    if let Ok(time) = UnixMicros::parse(text) {
        return Ok(Moment::At(time));
    }
    text.parse::<civil::DateTime>().map(Moment::Local).map_err(|_| {
        format!("`{text}` is no time; write how long ago (24h, 7d), a date (2026-11-20), or 2026-11-20T14:00")
    })
}

impl Moment {
    /// The instant that is meant.
    pub(super) fn resolve(&self, now: UnixMicros, zone: &TimeZone) -> UnixMicros {
        match self {
            Self::Ago(length) => now.minus_us(u64::try_from(length.as_micros()).unwrap_or(u64::MAX)),
            Self::At(time) => *time,
            Self::Local(date) => {
                zone.to_timestamp(*date).map_or(UnixMicros::MIN, |time| UnixMicros::new(time.as_microsecond()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let seconds = |text: &str| parse_length(text).expect("reads").as_secs();
        assert_eq!(seconds("90m"), 5400);
        assert_eq!(seconds("24h"), 86_400);
        assert_eq!(seconds("30d"), 30 * 86_400);
        assert_eq!(seconds("1h30m"), 5400);
        assert_eq!(seconds("2w"), 14 * 86_400);
        assert_eq!(parse_length("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "12", "h", "1.5h", "-3h", "3y", "99999999999999d", "1h 2", "ä"] {
            assert!(parse_length(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments() {
        let zone = TimeZone::get("Europe/Berlin").expect("known zone");
        let now = UnixMicros::parse("2026-11-23T12:00:00Z").expect("a time");
        let at = |text: &str| parse_moment(text).expect("reads").resolve(now, &zone).to_string();
        assert_eq!(at("24h"), "2026-11-22T12:00:00.000000Z");
        assert_eq!(at("2026-11-20"), "2026-11-19T23:00:00.000000Z");
        assert_eq!(at("2026-11-20T14:00"), "2026-11-20T13:00:00.000000Z");
        assert_eq!(at("2026-11-20 14:00"), "2026-11-20T13:00:00.000000Z");
        assert_eq!(at("2026-11-20T14:00:00Z"), "2026-11-20T14:00:00.000000Z");
        assert!(parse_moment("yesterday").is_err());
    }
}
