//! How much room history will need once it is as old as it is kept.

use serde::{Deserialize, Serialize};

use super::KeptDays;
use super::evidence::WORTH_FIVE_MINUTES;
use crate::model::Tier;

/// Bytes of a sealed result by kind, as `cargo xtask bench storage` draws them: `tests/storage/retention.rs` holds these
/// to what a real store takes.
const RESULT: &[(&str, f64)] = &[("tcp", 4.1), ("dns", 4.1), ("ping", 9.1), ("http", 11.5)];
/// Of a kind that is not among them.
const OTHER_RESULT: f64 = 12.0;
/// What is kept for ever is counted for so many days: ten years.
const EVER_DAYS: u32 = 3_650;

/// Bytes of a rollup of a tier.
fn rollup(tier: Tier) -> f64 {
    match tier {
        Tier::FiveMinutes => 12.0,
        Tier::Hour => 28.0,
        Tier::Day => 100.0,
    }
}

/// What one monitor brings.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// Its kind: `http`.
    pub kind: &'a str,
    /// From one check to the next, in microseconds.
    pub interval_us: u64,
    /// For how long it is kept.
    pub kept: KeptDays,
}

/// About how much room the embedded store will need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedSize {
    /// Bytes, once everything is as old as it is kept; tiers that are kept for ever counted for ten years.
    pub bytes: u64,
    /// The monitors that were counted.
    pub monitors: u64,
}

/// Sums up what monitors bring. Results are counted for as long as they are kept, the 5-minute tier for the days after
/// that, as it is made when they go.
pub fn expected_size<'a>(loads: impl IntoIterator<Item = Load<'a>>) -> ExpectedSize {
    let mut expected = ExpectedSize::default();
    let mut bytes = 0.0;
    for load in loads {
        expected.monitors += 1;
        bytes += bytes_of(&load);
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive; too many are as good as the most"
    )]
    {
        expected.bytes = bytes as u64;
    }
    expected
}

#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn bytes_of(load: &Load<'_>) -> f64 {
    let days = |days: Option<u32>| f64::from(days.unwrap_or(EVER_DAYS));
    let checks = Tier::Day.width_us() as f64 / load.interval_us.max(1) as f64;
    let result = RESULT.iter().find(|(kind, _)| *kind == load.kind).map_or(OTHER_RESULT, |(_, bytes)| *bytes);
    // A bucket in which nothing was checked is not stored.
    let buckets = |tier: Tier| (Tier::Day.width_us() as f64 / tier.width_us() as f64).min(checks);
    let raw = days(load.kept.raw);
    let has_five_minutes = checks >= WORTH_FIVE_MINUTES as f64;
    let five_minutes = if has_five_minutes { (days(load.kept.five_minutes) - raw).max(0.0) } else { 0.0 };
    let tiers =
        [(Tier::FiveMinutes, five_minutes), (Tier::Hour, days(load.kept.hour)), (Tier::Day, days(load.kept.day))];
    let rollups: f64 = tiers.iter().map(|(tier, days)| rollup(*tier) * buckets(*tier) * days).sum();
    result * checks * raw + rollups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_what_is_kept_and_how_often() {
        let kept = KeptDays { raw: Some(30), five_minutes: Some(90), hour: Some(730), day: None };
        let minute = 60_000_000;
        let size = |interval_us, kept| expected_size([Load { kind: "http", interval_us, kept }]).bytes;
        let usual = size(minute, kept);
        assert!(size(minute / 2, kept) > usual && size(minute * 10, kept) < usual);
        assert!(size(minute, KeptDays { raw: None, ..kept }) > 20 * usual, "for ever is ten years");
        // Longer results need no 5-minute tier meanwhile.
        assert!(size(minute, KeptDays { five_minutes: Some(30), ..kept }) == usual - 12 * 288 * 60);
        let all = expected_size([Load { kind: "new", interval_us: minute, kept }; 3]);
        assert_eq!((all.monitors, all.bytes / 3 > usual / 2), (3, true));
        assert_eq!(expected_size([]), ExpectedSize::default());
    }
}
