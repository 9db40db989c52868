//! Pre-computed counts and latency of one monitor over a bucket.

use serde::{Deserialize, Serialize};

use super::verdict::named_codes;
use super::{MonitorId, ParseNameError, Sketch, Span, UnixMicros};
use std::fmt;
use std::str::FromStr;

named_codes! {
    /// The width of a bucket. Buckets start at multiples of the width since 1970, in UTC.
    Tier ("tier") {
        /// Five minutes; made when raw rows expire.
        FiveMinutes = 1 "5m",
        /// One hour.
        Hour = 2 "hour",
        /// One UTC day.
        Day = 3 "day",
    }
}

impl Tier {
    /// Width in microseconds.
    #[must_use]
    pub const fn width_us(self) -> u64 {
        match self {
            Self::FiveMinutes => 300_000_000,
            Self::Hour => 3_600_000_000,
            Self::Day => 86_400_000_000,
        }
    }

    /// The bucket that holds `time`.
    #[must_use]
    pub fn bucket(self, time: UnixMicros) -> Span {
        let from = time.floor_to(self.width_us());
        Span::new(from, from.plus_us(self.width_us()))
    }
}

/// Latency of the good checks of a bucket, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Good checks.
    pub count: u64,
    /// Sum of their durations.
    pub sum_us: u64,
    /// Shortest; 0 without samples.
    pub min_us: u64,
    /// Longest; 0 without samples.
    pub max_us: u64,
    /// Their distribution.
    pub sketch: Sketch,
}

impl Latency {
    /// Adds one good check.
    pub fn add(&mut self, us: u64) {
        self.min_us = if self.count == 0 { us } else { self.min_us.min(us) };
        self.max_us = self.max_us.max(us);
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
        self.sketch.add(us);
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.min_us = if self.count == 0 { other.min_us } else { self.min_us.min(other.min_us) };
        self.max_us = self.max_us.max(other.max_us);
        self.count += other.count;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.sketch.merge(&other.sketch);
    }

    /// Mean; none without samples.
    #[must_use]
    pub fn mean_us(&self) -> Option<u64> {
        self.sum_us.checked_div(self.count)
    }
}

/// Counts, times and latency of one monitor over one bucket: a pure function of the bucket's results, the last result
/// before it, gaps and incidents. Its key is (monitor, tier, start); a later write replaces it whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollup {
    /// Whose it is.
    pub monitor: MonitorId,
    /// Its width.
    pub tier: Tier,
    /// Its first instant.
    pub start: UnixMicros,
    /// Checks that started in it.
    pub checks: u64,
    /// Of these, up.
    pub up: u64,
    /// Of these, degraded.
    pub degraded: u64,
    /// Of these, down.
    pub down: u64,
    /// Of these, inconclusive.
    pub inconclusive: u64,
    /// Observed time in state up.
    pub up_us: u64,
    /// Observed time in state degraded.
    pub degraded_us: u64,
    /// Observed time in state down.
    pub down_us: u64,
    /// Latency of the good checks.
    pub latency: Latency,
}

impl Rollup {
    /// A bucket without anything in it.
    #[must_use]
    pub fn empty(monitor: MonitorId, tier: Tier, start: UnixMicros) -> Self {
        Self {
            monitor,
            tier,
            start,
            checks: 0,
            up: 0,
            degraded: 0,
            down: 0,
            inconclusive: 0,
            up_us: 0,
            degraded_us: 0,
            down_us: 0,
            latency: Latency::default(),
        }
    }

    /// When it is.
    #[must_use]
    pub fn span(&self) -> Span {
        self.tier.bucket(self.start)
    }

    /// Observed time.
    #[must_use]
    pub fn observed_us(&self) -> u64 {
        self.up_us + self.degraded_us + self.down_us
    }

    /// Adds the counts, times and latency of a bucket within this one.
    pub fn merge(&mut self, part: &Self) {
        self.checks += part.checks;
        self.up += part.up;
        self.degraded += part.degraded;
        self.down += part.down;
        self.inconclusive += part.inconclusive;
        self.up_us += part.up_us;
        self.degraded_us += part.degraded_us;
        self.down_us += part.down_us;
        self.latency.merge(&part.latency);
    }
}
