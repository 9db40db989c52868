//! How much room history will need once it is as old as it is kept.

use serde::{Deserialize, Serialize};

use super::KeptDays;
use super::evidence::WORTH_FIVE_MINUTES;
use crate::model::Tier;

/// What a backend takes, in bytes.
struct Costs {
    /// A result by kind.
    result: &'static [(&'static str, f64)],
    /// One of a kind that is not among them.
    other_result: f64,
    five_minutes: f64,
    hour: f64,
    day: f64,
}

/// Sealed; `tests/storage/retention.rs` holds these to what a real store takes.
const EMBEDDED: Costs = Costs {
    result: &[("tcp", 4.1), ("dns", 4.1), ("ping", 9.1), ("http", 11.5)],
    other_result: 12.0,
    five_minutes: 12.0,
    hour: 28.0,
    day: 100.0,
};

/// As `cargo xtask bench storage` measures, with keys; compression by TimescaleDB takes less.
const POSTGRES: Costs = Costs {
    result: &[("tcp", 220.0), ("dns", 292.0), ("ping", 331.0), ("http", 324.0)],
    other_result: 330.0,
    five_minutes: 306.0,
    hour: 318.0,
    day: 373.0,
};

/// As `cargo xtask bench storage --only influxdb-sizes` measures, packed by the server; unpacked it is more.
const INFLUXDB: Costs = Costs {
    result: &[("tcp", 93.0), ("dns", 94.0), ("ping", 117.0), ("http", 140.0)],
    other_result: 140.0,
    five_minutes: 34.0,
    hour: 117.0,
    day: 414.0,
};

/// What is kept for ever is counted for so many days: ten years.
const EVER_DAYS: u32 = 3_650;

impl Costs {
    fn of(backend: &str) -> Option<&'static Self> {
        match backend {
            "embedded" => Some(&EMBEDDED),
            "postgres" => Some(&POSTGRES),
            "influxdb" => Some(&INFLUXDB),
            _ => None,
        }
    }

    fn rollup(&self, tier: Tier) -> f64 {
        match tier {
            Tier::FiveMinutes => self.five_minutes,
            Tier::Hour => self.hour,
            Tier::Day => self.day,
        }
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

/// About how much room a store will need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedSize {
    /// Bytes, once everything is as old as it is kept; tiers that are kept for ever counted for ten years.
    pub bytes: u64,
    /// The monitors that were counted.
    pub monitors: u64,
}

/// Sums up what monitors bring. Results are counted for as long as they are kept, the 5-minute tier for the days after
/// that, as it is made when they go. None of a backend of which nothing was measured.
pub fn expected_size<'a>(backend: &str, loads: impl IntoIterator<Item = Load<'a>>) -> Option<ExpectedSize> {
    let costs = Costs::of(backend)?;
    let mut expected = ExpectedSize::default();
    let mut bytes = 0.0;
    for load in loads {
        expected.monitors += 1;
        bytes += bytes_of(costs, &load);
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive; too many are as good as the most"
    )]
    {
        expected.bytes = bytes as u64;
    }
    Some(expected)
}

#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn bytes_of(costs: &Costs, load: &Load<'_>) -> f64 {
    let days = |days: Option<u32>| f64::from(days.unwrap_or(EVER_DAYS));
    let checks = Tier::Day.width_us() as f64 / load.interval_us.max(1) as f64;
    let result =
        costs.result.iter().find(|(kind, _)| *kind == load.kind).map_or(costs.other_result, |(_, bytes)| *bytes);
    // A bucket in which nothing was checked is not stored.
    let buckets = |tier: Tier| (Tier::Day.width_us() as f64 / tier.width_us() as f64).min(checks);
    let raw = days(load.kept.raw);
    let has_five_minutes = checks >= WORTH_FIVE_MINUTES as f64;
    let five_minutes = if has_five_minutes { (days(load.kept.five_minutes) - raw).max(0.0) } else { 0.0 };
    let tiers =
        [(Tier::FiveMinutes, five_minutes), (Tier::Hour, days(load.kept.hour)), (Tier::Day, days(load.kept.day))];
    let rollups: f64 = tiers.iter().map(|(tier, days)| costs.rollup(*tier) * buckets(*tier) * days).sum();
    result * checks * raw + rollups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_what_is_kept_and_how_often() {
        let kept = KeptDays { raw: Some(30), five_minutes: Some(90), hour: Some(730), day: None };
        let minute = 60_000_000;
        let of = |backend, loads: &[Load<'static>]| expected_size(backend, loads.iter().copied());
        let size =
            |interval_us, kept| of("embedded", &[Load { kind: "http", interval_us, kept }]).expect("known").bytes;
        let usual = size(minute, kept);
        assert!(size(minute / 2, kept) > usual && size(minute * 10, kept) < usual);
        assert!(size(minute, KeptDays { raw: None, ..kept }) > 20 * usual, "for ever is ten years");
        // Longer results need no 5-minute tier meanwhile.
        assert!(size(minute, KeptDays { five_minutes: Some(30), ..kept }) == usual - 12 * 288 * 60);
        let three = [Load { kind: "new", interval_us: minute, kept }; 3];
        let all = of("embedded", &three).expect("known");
        assert_eq!((all.monitors, all.bytes / 3 > usual / 2), (3, true));
        assert_eq!(of("embedded", &[]), Some(ExpectedSize::default()));
        assert!(of("postgres", &three).expect("known").bytes > 10 * all.bytes);
        let influxdb = of("influxdb", &three).expect("known").bytes;
        assert!(influxdb > 5 * all.bytes && influxdb < of("postgres", &three).expect("known").bytes);
        assert_eq!(of("none", &three), None);
    }
}
