//! One monitor over time, in columns of equal length, oldest first.

use serde::Serialize;
use specta::Type;

use super::number::{Millis, Number, Share};
use crate::model::{GapReason, Tier};

/// A span that was not observed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Unseen {
    /// From.
    pub from_ms: Millis,
    /// To.
    pub to_ms: Millis,
    /// Why.
    pub reason: GapReason,
}

/// The span of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Outage {
    /// From.
    pub from_ms: Millis,
    /// To.
    pub to_ms: Millis,
    /// Which incident.
    pub incident: String,
}

/// Answer time and state.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// Whose.
    pub id: String,
    /// From.
    pub from_ms: Millis,
    /// To.
    pub to_ms: Millis,
    /// From which tier it was answered; none for raw results.
    pub tier: Option<Tier>,
    /// Start of each bucket.
    pub start_ms: Vec<Millis>,
    /// Width of a bucket; the first and the last may be cut.
    pub bucket_ms: Millis,
    /// Checks that started in it.
    #[specta(type = Vec<u32>)]
    pub checks: Vec<u64>,
    /// Of these, down.
    #[specta(type = Vec<u32>)]
    pub failed: Vec<u64>,
    /// Shortest good answer.
    #[specta(type = Vec<Option<u32>>)]
    pub min_us: Vec<Option<u64>>,
    /// Median of the good answers.
    #[specta(type = Vec<Option<u32>>)]
    pub p50_us: Vec<Option<u64>>,
    /// What 95 % of the good answers kept.
    #[specta(type = Vec<Option<u32>>)]
    pub p95_us: Vec<Option<u64>>,
    /// Longest good answer.
    #[specta(type = Vec<Option<u32>>)]
    pub max_us: Vec<Option<u64>>,
    /// Share of the bucket.
    pub up: Vec<Share>,
    /// Share of the bucket.
    pub degraded: Vec<Share>,
    /// Share of the bucket.
    pub down: Vec<Share>,
    /// What was not observed, where a reason is known.
    pub gaps: Vec<Unseen>,
    /// Incidents.
    pub outages: Vec<Outage>,
}

/// One part of a check over time.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct PartLine {
    /// `phase_name`, `phase_connect`, `phase_tls`, `phase_first_byte`, `loss`, `jitter`.
    pub key: String,
    /// `micros` or `share`.
    pub unit: String,
    /// Whether it stands on the one before.
    pub stacked: bool,
    /// The mean of each bucket.
    pub values: Vec<Option<Number>>,
}

/// The parts of a check over time, in the buckets of the series.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Parts {
    /// Whose.
    pub id: String,
    /// Start of each bucket.
    pub start_ms: Vec<Millis>,
    /// Width of a bucket.
    pub bucket_ms: Millis,
    /// The parts there are.
    pub lines: Vec<PartLine>,
    /// Parts are kept with results only: the first instant that has them, where that is inside the span.
    pub kept_from_ms: Option<Millis>,
}
