//! Lengths of time as they stand in the settings.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time in whole milliseconds: `500ms`, `1m30s`, `2d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Length(u64);

const UNITS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Length {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1_000)
    }

    /// The same in milliseconds.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.0
    }

    /// The same as the rest of the program knows it.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl TryFrom<String> for Length {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fault = || format!("{text:?} is no length of time such as `30s` or `1m30s`");
        if text == "0" {
            return Ok(Self(0));
        }
        let (mut total, mut rest) = (0u64, text.as_str());
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0).ok_or_else(fault)?;
            let (number, after) = rest.split_at(digits);
            let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            let (_, width) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(fault)?;
            let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*width)).ok_or_else(fault)?;
            total = total.checked_add(part).ok_or_else(fault)?;
            rest = after;
        }
        if text.is_empty() { Err(fault()) } else { Ok(Self(total)) }
    }
}

impl From<Length> for String {
    fn from(length: Length) -> Self {
        length.to_string()
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0");
        }
        let mut rest = self.0;
        for (unit, width) in UNITS {
            if rest >= *width {
                write!(f, "{}{unit}", rest / width)?;
                rest %= width;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_back() {
        for (text, millis) in [("0", 0), ("30s", 30_000), ("1m30s", 90_000), ("500ms", 500), ("2d", 172_800_000)] {
            let length = Length::try_from(text.to_owned()).expect("reads");
            assert_eq!((length.millis(), length.to_string()), (millis, text.to_owned()));
        }
        for text in ["", "s", "5", "5 s", "1x", "99999999999999999999s", "9999999999999999999d"] {
            Length::try_from(text.to_owned()).expect_err(text);
        }
    }
}
