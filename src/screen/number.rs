//! Numbers as a screen takes them: doubles that are never NaN.

use serde::{Deserialize, Serialize};
use specta::Type;

use crate::model::UnixMicros;

/// Milliseconds: since 1970 in UTC, or a length. Fractions are microseconds, exact up to the year 2200.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, Type)]
#[serde(transparent)]
pub struct Millis(#[specta(type = u32)] pub f64);

impl Millis {
    /// A length of time.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "lengths of time are far below 2^53 µs")]
    pub fn of_us(us: u64) -> Self {
        Self(us as f64 / 1_000.0)
    }

    /// The instant; what is no number or out of range is clamped.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "`as` saturates, and `new` clamps")]
    pub fn instant(self) -> UnixMicros {
        UnixMicros::new((self.0 * 1_000.0).round() as i64)
    }
}

impl From<UnixMicros> for Millis {
    #[allow(clippy::cast_precision_loss, reason = "instants up to 2200 are below 2^53 µs")]
    fn from(time: UnixMicros) -> Self {
        Self(time.micros() as f64 / 1_000.0)
    }
}

/// Any other number; its unit stands beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, Type)]
#[serde(transparent)]
pub struct Number(#[specta(type = u32)] pub f64);

impl Number {
    /// `sum` of so many; none of none.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "sums of microseconds and counts are below 2^53")]
    pub fn mean(sum: u64, count: u64) -> Option<Self> {
        (count > 0).then(|| Self(sum as f64 / count as f64))
    }
}

/// A part of a whole, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, Type)]
#[serde(transparent)]
pub struct Share(#[specta(type = u32)] pub f64);

impl Share {
    /// `part` of `whole`; none of nothing.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a ratio of microseconds or counts below 2^53")]
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        (whole > 0).then(|| Self((part as f64 / whole as f64).min(1.0)))
    }

    /// `part` of `whole`, 0 of nothing.
    #[must_use]
    pub fn or_zero(part: u64, whole: u64) -> Self {
        Self::of(part, whole).unwrap_or_default()
    }
}

/// The local time of day, as in `14:02`.
#[must_use]
pub fn clock_time(time: UnixMicros) -> String {
    let zoned = time.timestamp().to_zoned_datetime(jiff::tz::TimeZone::system());
    format!("{:02}:{:02}", zoned.hour(), zoned.minute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_come_back_exactly() {
        for micros in [0, 1, 999, 1_700_000_000_123_457, UnixMicros::MAX.micros() - 1, UnixMicros::MAX.micros()] {
            let time = UnixMicros::new(micros);
            assert_eq!(Millis::from(time).instant(), time);
        }
        assert_eq!(Millis(f64::NAN).instant(), UnixMicros::MIN);
        assert_eq!(Millis(f64::INFINITY).instant(), UnixMicros::MAX);
        assert_eq!(Millis(-1.0).instant(), UnixMicros::MIN);
    }

    #[test]
    fn shares_stay_within_bounds() {
        assert_eq!(Share::of(1, 0), None);
        assert_eq!(Share::of(3, 4), Some(Share(0.75)));
        assert_eq!(Share::of(5, 4), Some(Share(1.0)));
    }
}
