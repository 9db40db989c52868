//! The time between two requests, as it is written in the file.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The time between two requests. In the file it is a Go duration such as `200ms` or a whole number of nanoseconds,
/// as all durations are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketInterval(Duration);

impl PacketInterval {
    /// Wraps a duration; [`super::Ping`] checks its bounds.
    #[must_use]
    pub const fn new(time: Duration) -> Self {
        Self(time)
    }

    /// The duration inside.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl Default for PacketInterval {
    /// 200 ms.
    fn default() -> Self {
        Self(Duration::from_millis(200))
    }
}

impl fmt::Display for PacketInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        for (unit, length) in [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)] {
            if nanos.is_multiple_of(length) {
                return write!(f, "{}{unit}", nanos / length);
            }
        }
        write!(f, "{nanos}ns")
    }
}

impl Serialize for PacketInterval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PacketInterval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = PacketInterval;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as `200ms`")
    }

    fn visit_u64<E: Error>(self, nanos: u64) -> Result<Self::Value, E> {
        Ok(PacketInterval(Duration::from_nanos(nanos)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        parse(text).map(PacketInterval).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// Reads a duration as Go's `time.ParseDuration` does: numbers with units, added up, without a sign.
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut seconds = 0.0;
    let mut parts = 0;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let number: f64 = rest[..unit_at].parse().ok()?;
        let unit_end =
            rest[unit_at..].find(|c: char| c == '.' || c.is_ascii_digit()).map_or(rest.len(), |n| unit_at + n);
        seconds += number
            * match &rest[unit_at..unit_end] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &rest[unit_end..];
        parts += 1;
    }
    if parts == 0 { None } else { Duration::try_from_secs_f64(seconds).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_what_go_reads() {
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(parse("200ms"), ms(200));
        assert_eq!(parse("1.5s"), ms(1500));
        assert_eq!(parse("1m30s"), ms(90_000));
        assert_eq!(parse("0"), ms(0));
        for wrong in ["", "200", "ms", "5 ms", "-1s", "1x", "1..5s", "1e400h"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        for interval in ["200ms", "1s", "1500us", "7ns"] {
            assert_eq!(PacketInterval(parse(interval).expect("is one")).to_string(), interval);
        }
        let from_number: PacketInterval = serde_json::from_str("200000000").expect("reads");
        assert_eq!(from_number, PacketInterval::default());
    }
}
