//! Lengths of time as they are written in the file: Go's duration strings, and days.

use std::fmt::Write as _;
use std::time::Duration;

/// Nanoseconds of each unit, longer names first where one starts like another.
const UNITS: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Why a text is no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DurationFault {
    /// No number, no unit, or an unknown unit.
    Syntax,
    /// A number without a unit.
    NoUnit,
    /// Below zero.
    Negative,
    /// More than Go's type holds: 2^63 nanoseconds, about 292 years.
    TooLong,
}

/// Reads Go's syntax of durations (`time.ParseDuration`: `1m30s`, `1.5h`, `500ms`, `0`) with `d` for 24 hours added.
pub(super) fn parse_duration(text: &str) -> Result<Duration, DurationFault> {
    let (negative, mut rest) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total: u128 = 0;
    if rest.is_empty() {
        return Err(DurationFault::Syntax);
    }
    while !rest.is_empty() {
        let (nanos, left) = parse_term(rest)?;
        total = total.saturating_add(nanos);
        rest = left;
    }
    if negative && total > 0 {
        return Err(DurationFault::Negative);
    }
    match i64::try_from(total) {
        Ok(nanos) => Ok(Duration::from_nanos(nanos.unsigned_abs())),
        Err(_) => Err(DurationFault::TooLong),
    }
}

/// One number with its unit, in nanoseconds, and what follows.
fn parse_term(text: &str) -> Result<(u128, &str), DurationFault> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationFault::Syntax);
    }
    if rest.is_empty() {
        return Err(DurationFault::NoUnit);
    }
    let word = rest.find(|c: char| c.is_ascii_digit() || c == '.').map_or(rest, |end| &rest[..end]);
    let (_, unit) = UNITS.iter().find(|(name, _)| *name == word).ok_or(DurationFault::Syntax)?;
    // 2^63 ns has 19 digits; 20 digits of a fraction are finer than a nanosecond in any unit.
    let whole: u128 = match whole.trim_start_matches('0') {
        "" => 0,
        digits if digits.len() > 19 => return Err(DurationFault::TooLong),
        digits => digits.parse().map_err(|_| DurationFault::Syntax)?,
    };
    let fraction = &fraction[..fraction.len().min(20)];
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| DurationFault::Syntax)? };
    let scale = (0..fraction.len()).fold(1_u128, |scale, _| scale * 10);
    Ok((whole * unit + part * unit / scale, &rest[word.len()..]))
}

/// Writes a length of time so that [`parse_duration`] reads it back: `1m30s`, `500ms`, `30d`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut left = duration.as_nanos();
    let mut text = String::new();
    for unit in ["d", "h", "m", "s", "ms", "µs", "ns"] {
        let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else { continue };
        if left >= *nanos {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{unit}", left / nanos);
            left %= nanos;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_go_reads_and_days() {
        for (text, nanos) in [
            ("30s", 30_000_000_000),
            ("1m30s", 90_000_000_000),
            ("500ms", 500_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1h0m0.000000001s", 3_600_000_000_001),
            ("3us", 3_000),
            ("3µs", 3_000),
            ("3μs", 3_000),
            ("7ns", 7),
            ("+5s", 5_000_000_000),
            ("-0s", 0),
            ("0", 0),
            ("2d12h", 216_000_000_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        use DurationFault::{Negative, NoUnit, Syntax, TooLong};
        for (text, fault) in [
            ("", Syntax),
            ("-", Syntax),
            ("s", Syntax),
            (".s", Syntax),
            ("30", NoUnit),
            ("1m30", NoUnit),
            ("30 s", Syntax),
            ("30sec", Syntax),
            ("1w", Syntax),
            ("30S", Syntax),
            ("five", Syntax),
            ("-5s", Negative),
            ("9999999999999999999999h", TooLong),
            ("300000d", TooLong),
            ("١s", Syntax),
        ] {
            assert_eq!(parse_duration(text), Err(fault), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanos in 0..i64::MAX.unsigned_abs()) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+]?[0-9.]{0,30}[a-zµ]{0,3}[0-9.]{0,30}[a-zµ0-9]{0,3}") {
            let _ = parse_duration(&text);
        }
    }
}
