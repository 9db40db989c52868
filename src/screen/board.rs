//! The live state of all monitors.

use std::collections::BTreeMap;

use serde::Serialize;
use specta::Type;

use super::number::{Millis, Share};
use super::storage::Words;
use crate::model::{FactKey, Failure, GapReason, MonitorId, State, UnixMicros, Verdict};
use crate::record;

/// One monitor as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct BoardRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// What is watched.
    pub target: String,
    /// A person's own words.
    pub labels: BTreeMap<String, String>,
    /// From one check to the next.
    pub interval_ms: Millis,
    /// Longest time of a check.
    pub timeout_ms: Millis,
    /// What it is.
    pub state: State,
    /// Since when, where that is known.
    pub since_ms: Option<Millis>,
    /// What the last check said.
    pub verdict: Option<Verdict>,
    /// Why it was not up.
    pub failure: Option<Failure>,
    /// In words: of the last check, or why a pending monitor cannot run.
    pub message: String,
    /// When the last check started.
    pub last_check_ms: Option<Millis>,
    /// The target's own time in the last check; for ping the mean round trip.
    #[specta(type = Option<u32>)]
    pub duration_us: Option<u64>,
    /// When the next check is due.
    pub next_check_ms: Option<Millis>,
    /// Share of packets lost in the last check, where packets are counted.
    pub loss: Option<Share>,
    /// Days left of the certificate of the last check.
    #[specta(type = Option<i32>)]
    pub certificate_days: Option<i64>,
    /// Restored from disk and not checked since.
    pub stale: bool,
    /// When its pause ends by itself.
    pub paused_until_ms: Option<Millis>,
    /// Why nobody is looking, while that is so.
    pub gap: Option<GapReason>,
    /// The open incident.
    pub incident: Option<String>,
}

/// How many monitors are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Type)]
pub struct Counts {
    /// All of them.
    pub monitors: u32,
    /// `up`.
    pub up: u32,
    /// `degraded`.
    pub degraded: u32,
    /// `down`.
    pub down: u32,
    /// `pending`.
    pub pending: u32,
    /// `paused`.
    pub paused: u32,
    /// `maintenance`.
    pub maintenance: u32,
    /// `unobserved`.
    pub unobserved: u32,
}

impl From<record::Counts> for Counts {
    fn from(counts: record::Counts) -> Self {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            monitors: count(counts.monitors),
            up: count(counts.up),
            degraded: count(counts.degraded),
            down: count(counts.down),
            pending: count(counts.pending),
            paused: count(counts.paused),
            maintenance: count(counts.maintenance),
            unobserved: count(counts.unobserved),
        }
    }
}

/// Something that is wrong with Hall Monitor itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Fault {
    /// What it concerns: `configuration`, `journal`, `storage`, `schedule`.
    pub of: String,
    /// What happened and the next step.
    pub what: String,
}

/// A running gap of the whole instance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct OwnGap {
    /// Why nobody is looking.
    pub reason: GapReason,
    /// Since when.
    pub since_ms: Millis,
}

/// Where history goes and how that is getting on.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct StorageHealth {
    /// The backend's word.
    pub backend: String,
    /// What it is called.
    pub name: Words,
    /// Whether it keeps history at all.
    pub keeps_history: bool,
    /// When a row was last made durable.
    pub last_write_ms: Option<Millis>,
    /// Rows that wait in the journal because the backend does not take them; those that are gathered for it, as usual,
    /// are not counted.
    #[specta(type = u32)]
    pub backlog_rows: u64,
}

/// The whole of it in a few figures.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many monitors are in which state.
    pub counts: Counts,
    /// Open incidents.
    pub open_incidents: u32,
    /// Why nothing is observed now, when that is so for all.
    pub gap: Option<OwnGap>,
    /// What is wrong with Hall Monitor itself.
    pub faults: Vec<Fault>,
    /// Where history goes.
    pub storage: StorageHealth,
    /// Notifications are muted until then.
    pub muted_until_ms: Option<Millis>,
    /// The core's wall clock when this was made.
    pub now_ms: Millis,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct Board {
    /// Grows with each change.
    #[specta(type = u32)]
    pub revision: u64,
    /// The monitors, in the order of the file.
    pub rows: Vec<BoardRow>,
    /// In a few figures.
    pub summary: Summary,
}

/// What changed since an earlier revision.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct BoardChange {
    /// The revision it leads to.
    #[specta(type = u32)]
    pub revision: u64,
    /// New and changed monitors.
    pub rows: Vec<BoardRow>,
    /// All ids in the order of the file, when monitors came, went or moved.
    pub order: Option<Vec<String>>,
    /// In a few figures.
    pub summary: Summary,
}

/// A row of the board as a screen takes it.
#[must_use]
pub fn row_of(row: record::BoardRow, next_check: Option<UnixMicros>) -> BoardRow {
    let (monitor, last) = (row.monitor, row.last);
    let facts = last.as_ref().map(|last| &last.facts);
    let number = |key| facts.and_then(|facts| facts.number(key));
    let loss = number(FactKey::PingSent).zip(number(FactKey::PingReceived)).and_then(|(sent, received)| {
        Share::of(u64::try_from(sent.saturating_sub(received)).unwrap_or(0), u64::try_from(sent).unwrap_or(0))
    });
    let known = row.state != State::Pending || row.pending_reason.is_some();
    let message = row
        .pending_reason
        .map_or_else(|| last.as_ref().map(|last| last.message.to_string()).unwrap_or_default(), String::from);
    let us = |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    BoardRow {
        id: monitor.id.to_string(),
        name: monitor.name.clone(),
        group: monitor.group.clone(),
        kind: monitor.kind.to_owned(),
        target: monitor.target.clone(),
        labels: monitor.labels.clone(),
        interval_ms: Millis::of_us(us(monitor.interval)),
        timeout_ms: Millis::of_us(us(monitor.timeout)),
        state: row.state,
        since_ms: known.then(|| row.since.into()),
        verdict: last.as_ref().map(|last| last.verdict),
        failure: last.as_ref().and_then(|last| last.failure),
        message,
        last_check_ms: last.as_ref().map(|last| last.time.into()),
        duration_us: last.as_ref().map(|last| last.duration_us),
        next_check_ms: next_check.map(Millis::from),
        loss,
        certificate_days: number(FactKey::TlsDaysLeft),
        stale: row.stale,
        paused_until_ms: row.paused_until.map(Millis::from),
        gap: row.gap,
        incident: row.incident.map(|incident| incident.to_string()),
    }
}

/// The order of the board as a screen takes it.
#[must_use]
pub fn order_of(order: Vec<MonitorId>) -> Vec<String> {
    order.into_iter().map(|id| id.to_string()).collect()
}
