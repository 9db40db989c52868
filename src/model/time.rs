//! Wall-clock time. Durations are plain `u64` microseconds in fields that end in `_us`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z, within 1970–2200 so that every backend can hold it.
///
/// In JSON it is RFC 3339 text, in binary formats a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMicros(i64);

impl UnixMicros {
    /// 1970-01-01T00:00:00Z.
    pub const MIN: Self = Self(0);
    /// 2200-01-01T00:00:00Z.
    pub const MAX: Self = Self(7_258_118_400_000_000);

    /// Clamps to the range that every backend can hold.
    #[must_use]
    pub const fn new(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Microseconds since 1970, never negative.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// This time and `us` microseconds more, clamped to the range.
    #[must_use]
    pub fn plus_us(self, us: u64) -> Self {
        Self::new(self.0.saturating_add(i64::try_from(us).unwrap_or(i64::MAX)))
    }

    /// This time less `us` microseconds, clamped to the range.
    #[must_use]
    pub fn minus_us(self, us: u64) -> Self {
        Self::new(self.0.saturating_sub(i64::try_from(us).unwrap_or(i64::MAX)))
    }

    /// Microseconds from `earlier` to this time; 0 where `earlier` is later.
    #[must_use]
    pub fn since_us(self, earlier: Self) -> u64 {
        u64::try_from(self.0 - earlier.0).unwrap_or(0)
    }

    /// The last multiple of `width_us` since 1970 that is not after this time.
    #[must_use]
    pub fn floor_to(self, width_us: u64) -> Self {
        let width = i64::try_from(width_us).unwrap_or(i64::MAX).max(1);
        Self(self.0 - self.0 % width)
    }

    /// Reads an RFC 3339 time.
    ///
    /// # Errors
    /// Text that is no RFC 3339 time.
    pub fn parse(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<Timestamp>().map(|time| Self::new(time.as_microsecond()))
    }

    /// The same instant as jiff knows it.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        // The range is far inside jiff's.
        Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl Serialize for UnixMicros {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for UnixMicros {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
            Self::parse(&text).map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self::new)
        }
    }
}

impl fmt::Display for UnixMicros {
    /// RFC 3339 in UTC with exactly six decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.timestamp())
    }
}

impl fmt::Debug for UnixMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A span of wall-clock time: `from` is inside, `to` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First instant inside.
    pub from: UnixMicros,
    /// First instant after.
    pub to: UnixMicros,
}

impl Span {
    /// A span; empty where `to` is not after `from`.
    #[must_use]
    pub fn new(from: UnixMicros, to: UnixMicros) -> Self {
        Self { from, to: to.max(from) }
    }

    /// Length in microseconds.
    #[must_use]
    pub fn us(self) -> u64 {
        self.to.since_us(self.from)
    }

    /// Whether no instant is inside.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.to <= self.from
    }

    /// Whether `time` is inside.
    #[must_use]
    pub fn contains(self, time: UnixMicros) -> bool {
        self.from <= time && time < self.to
    }

    /// Whether `other` and this span share an instant, or `other` is an instant inside this one.
    #[must_use]
    pub fn touches(self, other: Self) -> bool {
        other.from < self.to && (other.to > self.from || other.from >= self.from)
    }

    /// What both spans share; empty where they share nothing.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self::new(self.from.max(other.from), self.to.min(other.to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_rfc3339_with_six_decimals_and_reads_back() {
        let time = UnixMicros::new(1_700_000_000_000_007);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.000007Z");
        assert_eq!(UnixMicros::new(1_700_000_000_000_000).to_string(), "2023-11-14T22:13:20.000000Z");
        assert_eq!(UnixMicros::parse(&time.to_string()).expect("reads back"), time);
    }

    #[test]
    fn range_is_clamped() {
        assert_eq!(UnixMicros::new(-5), UnixMicros::MIN);
        assert_eq!(UnixMicros::new(i64::MAX), UnixMicros::MAX);
        assert_eq!(UnixMicros::MAX.to_string(), "2200-01-01T00:00:00.000000Z");
        assert_eq!(UnixMicros::MIN.since_us(UnixMicros::MAX), 0);
    }
}
